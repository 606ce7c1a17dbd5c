#!/usr/bin/env python3
"""Many who change a configuration at once: by the Admin API, by hand, and with a process that is killed.

    cargo build --release
    benches/writers.py [path of sluice] [clients] [kills] [hands]

`clients`  1,000 changes by 8 clients at once (services, routes, consumers and plugins are made, changed, renamed and deleted; each client has its own).
`kills`    the same while the process is killed (-9) at random 20 times and started again. What was answered must be there after each.
`hands`    4 clients make consumers while somebody edits the file by hand 200 times: writes a new one and renames it over the old, truncates and writes it in
           pieces, or appends to it.

A watcher reads the file all the time: it must be there and parse at every instant. At the end all that was answered is in the file and in memory,
and a fresh process on a copy of the file shows the same entities.
"""

import contextlib
import ctypes
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tomllib

from live import Gateway

ARGUMENTS = sys.argv[1:]
SLUICE = ARGUMENTS.pop(0) if ARGUMENTS and ARGUMENTS[0] not in ("clients", "kills", "hands") else "target/release/sluice"
CLIENTS, CHANGES, KILLS, EDITS = 8, 1000, 20, 200
PATHS = {"services": "/services", "routes": "/routes", "consumers": "/consumers", "plugins": "/plugins"}
NAMES = {"services": "name", "routes": "name", "consumers": "username", "plugins": "instance_name"}
PLUGINS = {
    "correlation-id": lambda rng: {"echo_downstream": rng.random() < 0.5, "header_name": f"X-{rng.randrange(1000)}"},
    "request-size-limiting": lambda rng: {"allowed_payload_size": rng.randrange(1, 1000)},
    "rate-limiting": lambda rng: {"minute": rng.randrange(1, 1000)},
}


class Watcher(threading.Thread):
    """Reads the file all the time; what it finds wrong is in `wrong`."""

    def __init__(self, file):
        super().__init__(daemon=True)
        self.file, self.over, self.seen, self.wrong, self.may_be_torn = file, False, 0, [], False
        self.start()

    def run(self):
        last = None
        while not self.over:
            try:
                text = self.file.read_bytes()
                if text != last:
                    tomllib.loads(text.decode())
                    self.seen += 1
                    last = text
            except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
                if not self.may_be_torn:
                    self.wrong.append(repr(error))
            time.sleep(0.001)

    def end(self):
        self.over = True
        self.join()
        assert not self.wrong, self.wrong[:5]
        return self.seen


def holds(entity, fields):
    """Whether an entity says these fields."""
    def same(found, wanted):
        return all(same(found[key], value) for key, value in wanted.items()) if isinstance(wanted, dict) else found == wanted
    return same(entity, fields)


class Client(threading.Thread):
    """Changes entities of its own; knows what they must be by what was answered."""

    def __init__(self, gateway, number, changes, up, seed=1):
        super().__init__(daemon=True)
        self.gateway, self.tag, self.left, self.up = gateway, f"client-{number}", changes, up
        self.rng, self.mine, self.took = random.Random(seed * 1000 + number), {kind: {} for kind in PATHS}, []
        self.connection, self.names, self.over, self.failure = None, 0, False, None

    def run(self):
        try:
            while self.left and not self.over:
                self.up.wait()
                self.change()
        except BaseException as error:  # told by whoever waits for it
            self.failure = error

    def ask(self, method, path, body=None):
        """The status and the entity that is answered; None if the process was gone before it answered."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.gateway.admin, timeout=60)
            self.connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"} if body else {})
            answer = self.connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        except (OSError, http.client.HTTPException):
            self.connection = None
            return None

    def name(self):
        self.names += 1
        return f"{self.tag}-{self.names}"

    def change(self):
        kind = self.rng.choice(list(PATHS))
        mine = self.mine[kind]
        action = self.rng.choice(["create", "create", "patch", "patch", "rename", "delete"]) if mine else "create"
        if action == "create" or (kind == "plugins" and action == "rename"):
            return self.create(kind)
        key = self.rng.choice(list(mine))
        if action == "delete":
            return self.delete(kind, key)
        fields = {NAMES[kind]: self.name()} if action == "rename" else self.fields(kind, mine[key])
        return self.settle("PATCH", f"{PATHS[kind]}/{key}", fields, kind, key, {**mine[key], **fields})

    def fields(self, kind, old=None):
        rng = self.rng
        match kind:
            case "services":
                return {"host": f"host-{rng.randrange(1000)}.example", "retries": rng.randrange(10)}
            case "routes":
                return {"paths": [f"/{self.tag}/{rng.randrange(10_000)}"], "strip_path": rng.random() < 0.5}
            case "consumers":
                return {"custom_id": self.name()}
            case _:
                name = old["name"] if old else rng.choice(list(PLUGINS))
                return {"config": PLUGINS[name](rng), **({} if old else {"name": name})}

    def create(self, kind):
        fields = {**self.fields(kind), NAMES[kind]: self.name(), "tags": [self.tag]}
        if kind in ("routes", "plugins"):
            if not self.mine["services"]:
                return self.create("services")
            service = self.rng.choice(list(self.mine["services"]))
            if kind == "plugins":
                # One of a kind is what a service may have.
                free = [name for name in PLUGINS if not any(one["name"] == name and one["service"]["id"] == service for one in self.mine["plugins"].values())]
                if not free:
                    return self.create("consumers")
                fields["name"] = self.rng.choice(free)
                fields["config"] = PLUGINS[fields["name"]](self.rng)
            fields["service"] = {"id": service}
        return self.settle("POST", PATHS[kind], fields, kind, None, fields)

    def delete(self, kind, key):
        if kind == "services" and any(route["service"]["id"] == key for route in self.mine["routes"].values()):
            return self.create("consumers")
        return self.settle("DELETE", f"{PATHS[kind]}/{key}", None, kind, key, None)

    def settle(self, method, path, body, kind, key, wanted):
        """Makes a change and remembers what was answered; if nobody answered, what became of it is looked up."""
        began = time.monotonic()
        answer = self.ask(method, path, body)
        if answer is None:
            self.wait_for_process()
            key, wanted = self.look_up(method, kind, key, wanted)
        else:
            self.took.append(time.monotonic() - began)
            self.left -= 1
            status, entity = answer
            assert status in (200, 201, 204), f"{method} {path} {body}: {status} {entity}"
            key = entity["id"] if entity else key
        if wanted is not None:
            self.mine[kind][key] = wanted
        elif key is not None:
            del self.mine[kind][key]
            if kind == "services":
                self.mine["plugins"] = {id: one for id, one in self.mine["plugins"].items() if one["service"]["id"] != key}

    def wait_for_process(self):
        """Until a process that does not answer is there again."""
        while True:
            self.up.wait()
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.gateway.ask("GET", "/status/ready")[0] == 200:
                    return
            time.sleep(0.002)

    def look_up(self, method, kind, key, wanted):
        """After a kill: all that was answered is there; the change under way may be, whole or not at all."""
        there = {entity["id"]: entity for entity in self.gateway.all(f"{PATHS[kind]}?tags={self.tag}")}
        old = self.mine[kind].get(key)
        if method == "POST":
            new = [id for id, entity in there.items() if id not in self.mine[kind] and holds(entity, wanted)]
            key, wanted = (new[0], wanted) if new else (None, None)
        elif key not in there:
            assert wanted is None, f"{kind} {old} is gone"
        else:
            wanted = wanted if wanted is not None and holds(there[key], wanted) else old
        after = dict(self.mine[kind])
        if key is not None:
            after.pop(key, None)
            if wanted is not None:
                after[key] = wanted
        gone = {id for id, one in self.mine["plugins"].items() if kind == "services" and wanted is None and one["service"]["id"] == key}
        for other, mine in self.mine.items():
            expected = after if other == kind else {id: one for id, one in mine.items() if id not in gone}
            self.check(other, expected)
        return key, wanted

    def check(self, kind, expected):
        there = {entity["id"]: entity for entity in self.gateway.all(f"{PATHS[kind]}?tags={self.tag}")}
        lost = [one for id, one in expected.items() if id not in there or not holds(there[id], one)]
        assert not lost, f"lost of {kind}: {lost[:3]}, found {[there.get(id) for id, one in expected.items() if one in lost][:3]}"
        more = set(there) - set(expected)
        assert not more, f"more of {kind} than was made: {[there[id] for id in more][:3]}"


def everything(gateway):
    """All entities, without their times."""
    shown = {}
    for kind, path in PATHS.items():
        for entity in gateway.all(path):
            shown[kind, entity["id"]] = {key: value for key, value in entity.items() if key not in ("created_at", "updated_at")}
    return shown


def compare_with_a_fresh_one(gateway):
    """The file is what is in memory: `sluice check` takes it, and a fresh process on a copy shows the same entities."""
    subprocess.run([gateway.sluice, "check", str(gateway.file)], check=True, stdout=subprocess.DEVNULL)
    status = gateway.status()
    assert not status["problems"], status
    memory = everything(gateway)
    with tempfile.TemporaryDirectory() as folder, Gateway(gateway.sluice, folder) as fresh:
        fresh.kill()
        text = gateway.file.read_text()
        assert text.startswith(gateway.head)
        fresh.file.write_text(fresh.head + text[len(gateway.head):])
        fresh.start()
        found = everything(fresh)
    assert found == memory, [(key, memory.get(key), found.get(key)) for key in memory.keys() | found.keys() if memory.get(key) != found.get(key)][:3]
    assert not gateway.logged("panicked")
    return len(memory)


def ended(threads):
    for thread in threads:
        thread.join()
        if thread.failure:
            raise thread.failure


def clients(kills=0):
    with tempfile.TemporaryDirectory() as folder, Gateway(SLUICE, folder, "# made by hand\n") as gateway:
        up, watcher = threading.Event(), Watcher(gateway.file)
        up.set()
        began = time.monotonic()
        all_of_them = [Client(gateway, n, 1 << 30 if kills else CHANGES // CLIENTS, up) for n in range(CLIENTS)]
        for client in all_of_them:
            client.start()
        rng = random.Random(7)
        for _ in range(kills):
            time.sleep(rng.uniform(0.05, 1.9))
            up.clear()
            gateway.kill()
            gateway.start()
            up.set()
            if any(client.failure for client in all_of_them):
                break
        if kills:
            time.sleep(0.5)
            for client in all_of_them:
                client.over = True
        ended(all_of_them)
        elapsed = time.monotonic() - began
        for client in all_of_them:
            for kind, expected in client.mine.items():
                client.check(kind, expected)
        states, left = watcher.end(), compare_with_a_fresh_one(gateway)
        took = [one * 1000 for client in all_of_them for one in client.took]
        p = statistics.quantiles(took, n=100, method="inclusive")
        print(f"{len(took)} changes by {CLIENTS} clients at once in {elapsed:.1f} s" + (f", {kills} times kill -9" if kills else "") +
              f": none lost, {left} entities in file, memory and a fresh process; {states} states of the file seen, each parses; "
              f"a change takes p50 {p[49]:.0f} ms, p99 {p[98]:.0f} ms")


class Maker(threading.Thread):
    """Makes consumers by the Admin API until it is told to stop: which it asked for, and which were answered with 201."""

    def __init__(self, gateway, number):
        super().__init__(daemon=True)
        self.gateway, self.number, self.asked, self.made, self.refused, self.over, self.failure = gateway, number, [], [], 0, False, None
        self.start()

    def run(self):
        n = 0
        try:
            while not self.over:
                n += 1
                name = f"api-{self.number}-{n}"
                self.asked.append(name)
                status, said = self.gateway.ask("POST", "/consumers", {"username": name})
                if status == 201:
                    self.made.append(name)
                else:
                    # Somebody is at the file just now.
                    assert status == 409 and said["message"], f"{status} {said}"
                    self.refused += 1
                time.sleep(0.01)
        except BaseException as error:  # told by whoever waits for it
            self.failure = error


class Hand:
    """Edits the file as people's editors do. Which consumers it wrote, and what it wrote over without having seen it."""

    def __init__(self, gateway, rng, makers):
        self.makers, self.file, self.rng = makers, gateway.file, rng
        self.written, self.unseen, self.libc = [], set(), ctypes.CDLL(None, use_errno=True)

    def edit(self, n):
        way = self.rng.choice([self.rename, self.truncate, self.append])
        name = f"hand-{n}-{way.__name__}"
        way(name)
        self.written.append(name)

    def wrote_over(self, seen, replaced):
        """What the API made between the look and the write is the editor's to lose."""
        self.unseen |= set(consumers_of(replaced)) - set(consumers_of(seen))

    def rename(self, name):
        seen = self.read_whole()
        beside = self.file.with_suffix(".hand")
        beside.write_text(seen + f"[consumers.{name}]\n")
        # An exchange is a rename that leaves what it replaced.
        assert self.libc.renameat2(-100, bytes(beside), -100, bytes(self.file), 2) == 0, os.strerror(ctypes.get_errno())
        self.wrote_over(seen, beside.read_text())
        beside.unlink()

    def truncate(self, name):
        with open(self.file, encoding="utf-8") as read:
            seen = read.read()
            made = {one for maker in self.makers for one in maker.asked}
            file = open(self.file, "w", encoding="utf-8")
            if os.fstat(file.fileno()).st_ino != os.fstat(read.fileno()).st_ino:
                # It truncated another file than it had read: that of the last changes.
                self.unseen |= made - set(consumers_of(seen))
        with file:
            new = seen + f"[consumers.{name}]\n"
            cut = self.rng.randrange(len(new))
            for part in (new[:cut], new[cut:]):
                file.write(part)
                file.flush()
                time.sleep(self.rng.choice([0, 0.001, 0.02, 0.1]))

    def append(self, name):
        with open(self.file, "a", encoding="utf-8") as file:
            file.write(f"[consumers.{name}]\n")

    def read_whole(self):
        while not (text := self.file.read_text()):
            time.sleep(0.001)
        return text


def consumers_of(text):
    return tomllib.loads(text).get("consumers", {})


def hands():
    rng = random.Random(5)
    with tempfile.TemporaryDirectory() as folder, Gateway(SLUICE, folder, "# made by hand\n") as gateway:
        makers = [Maker(gateway, n) for n in range(4)]
        hand = Hand(gateway, rng, makers)
        for n in range(EDITS):
            time.sleep(rng.uniform(0, 0.1))
            hand.edit(n)
        for maker in makers:
            maker.over = True
        ended(makers)
        made = {name for maker in makers for name in maker.made}
        until = time.monotonic() + 10
        while (there := {entity["username"] for entity in gateway.all("/consumers")}) != set(consumers_of(gateway.file.read_text())) and time.monotonic() < until:
            time.sleep(0.01)
        # What somebody writes over who did not look is his; of two edits that come at once one is kept beside the file, and told of.
        kept = {one for beside in gateway.folder.glob("gateway.toml.lost-*") for one in consumers_of(beside.read_text())} - there
        lost_by_hand, lost_of_api = set(hand.written) - there - kept, made - there - hand.unseen
        print(f"{len(made)} consumers by the Admin API ({sum(maker.refused for maker in makers)} refused with 409 and the reason), {EDITS} edits by hand: "
              f"lost {len(lost_of_api)} and {len(lost_by_hand)}; kept beside the file: {len(kept)}; "
              f"written over by hand unseen: {len(hand.unseen & made)}")
        compare_with_a_fresh_one(gateway)
        if lost_by_hand or lost_of_api:
            sys.exit(f"lost: {sorted(lost_by_hand | lost_of_api)[:10]}")


if __name__ == "__main__":
    for wanted in ARGUMENTS or ["clients", "kills", "hands"]:
        {"clients": clients, "kills": lambda: clients(KILLS), "hands": hands}[wanted]()
