#!/usr/bin/env python3
"""What hooks promise under load: nothing lost, nothing in the way.

    cargo build --release && benches/outbox.py [conservation] [kill] [throughput] [dead]

`conservation`  1,000,000 rejections of 100 clients, and receivers that answer, fail, hang, reset and are not there: for
                every hook, delivered + swallowed + waiting + dead is what was refused, exactly.
`kill`          20 times `kill -9` at random under 500 rejections a second: what the outbox had is compared with what came.
`throughput`    distinct webhooks a second to a healthy receiver, and what one costs, with the gateway on one CPU.
`dead`          1,000,000 rejections and a receiver that is not there: memory, and what it does to the proxy's p99.
"""

import asyncio
import contextlib
import http.client
import json
import pathlib
import random
import re
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time

from compare import ROOT, cpu_seconds, free_port, resident_mib, running
from pairs import difference, in_turn

SLUICE = ROOT / "target/release/sluice"
LIMIT = 'limit = [1]\nwindow_size = [31536000]\nwindow_type = "fixed"\n'
BY_CLIENT = LIMIT + 'identifier = "ip"'
KEYS = 'local n = 0\nrequest = function() n = (n + 1) %% %d return wrk.format("GET", nil, { ["X-Forwarded-For"] = "192.0.2." .. n }) end\n'


class Receivers:
    """Receivers that misbehave, on a thread of their own; `seen` has the count of each webhook-id."""

    def __init__(self):
        self.seen, self.loop = {}, asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def start(self, behave):
        future = asyncio.run_coroutine_threadsafe(asyncio.start_server(behave, "127.0.0.1", 0), self.loop)
        return future.result().sockets[0].getsockname()[1]

    async def good(self, reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                body = await reader.readexactly(int(re.search(r"content-length: (\d+)", head).group(1)))
                identity = re.search(r"webhook-id: (\S+)", head).group(1)
                self.seen[identity] = max(self.seen.get(identity, 0), json.loads(body)["count"])
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async def hanging(self, reader, writer):
        await asyncio.sleep(3600)

    async def resetting(self, reader, writer):
        await reader.read(100)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


def hook(name, port, more="", path=""):
    return (
        f'[event_hooks.{name}]\nsource = "rate-limiting-advanced"\nevent = "rate-limit-exceeded"\nhandler = "webhook"\n{more}\n'
        f'config.url = "http://127.0.0.1:{port}/{path}"\n'
    )


class Gateway:
    """A gateway on CPU 0 in a folder, with an upstream that is httpbin, which is a good receiver too."""

    def __init__(self, stack, hooks, limit=BY_CLIENT):
        self.folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.upstream, self.proxy, self.admin = (free_port() for _ in range(3))
        command = [SLUICE, "httpbin", "--listen", f"127.0.0.1:{self.upstream}"]
        stack.enter_context(running(1, command, self.upstream, self.folder))
        (self.folder / "gateway.toml").write_text(
            f'[server]\nlisten = ["127.0.0.1:{self.proxy}"]\nthreads = 1\ntrusted_proxies = ["127.0.0.1"]\n[admin]\nlisten = "127.0.0.1:{self.admin}"\n'
            f'[services.up]\nurl = "http://127.0.0.1:{self.upstream}/anything"\n[routes.hot]\nservice = "up"\npaths = ["/hot"]\n'
            f'[routes.hot.plugins.rate-limiting-advanced]\n{limit}\n{hooks(self.upstream)}'
        )

    def run(self):
        return running(0, [SLUICE, "run"], self.proxy, self.folder)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=60)
        connection.request("GET", path)
        return json.load(connection.getresponse())

    def hooks(self):
        return {hook["name"]: hook for hook in self.get("/status")["event_hooks"]}

    def refuse(self, seconds, clients=100, connections=32):
        """Has wrk ask for a while; what its latencies were."""
        script = self.folder / "keys.lua"
        script.write_text(KEYS % clients)
        command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script)]
        out = subprocess.run([*command, f"http://127.0.0.1:{self.proxy}/hot"], capture_output=True, text=True, check=True).stdout
        return re.search(r"99%\s+(\S+)", out).group(1)

    def refuse_until(self, count):
        """Goes on until so many were refused."""
        while self.get("/status")["server"]["total_requests"] < count:
            self.refuse(2)


def until(what, look, seconds=120):
    end = time.time() + seconds
    while not look():
        if time.time() > end:
            print(f"  {what} did not come")
            return
        time.sleep(0.05)


def conservation():
    print("1,000,000 rejections of 100 clients")
    receivers = Receivers()
    ports = {name: receivers.start(getattr(receivers, name)) for name in ("hanging", "resetting")}
    short = 'retry = { schedule = ["500ms", "500ms"] }\ntimeout = "1s"\n'

    def hooks(httpbin):
        return (
            hook("answers", httpbin, path="post")
            + hook("fails", httpbin, short, "status/500")
            + hook("hangs", ports["hanging"], short)
            + hook("resets", ports["resetting"], short)
            + hook("absent", free_port(), short)
            + hook("snoozes", httpbin, "snooze = 3600", "post")
            + hook("digests", httpbin, "digest = 3600", "post")
        )

    with contextlib.ExitStack() as stack:
        gateway = Gateway(stack, hooks)
        stack.enter_context(gateway.run())
        gateway.refuse_until(1_000_100)
        until("the last delivery", lambda: gateway.hooks()["answers"]["waiting"] == 0)
        refused = gateway.get("/status")["server"]["total_requests"] - 100
        for name, sums in gateway.hooks().items():
            parts = ("delivered", "swallowed", "waiting", "failed", "dropped", "filtered")
            total = sum(sums[part] for part in parts)
            shown = ", ".join(f"{part} {sums[part]}" for part in parts if sums[part])
            print(f"  {name:8} {'exact' if total == refused == sums['matched'] else 'WRONG'}: {refused} refused = {shown}")
        database = sqlite3.connect(f"file:{gateway.folder}/.sluice/outbox.db?mode=ro", uri=True)
        rows = dict(database.execute("SELECT hook, sum(count) FROM deliveries WHERE state = 0 GROUP BY hook").fetchall())
        waiting = sum(sums["waiting"] for sums in gateway.hooks().values())
        print(f"  the outbox holds {sum(rows.values())} of {waiting} that wait (tries go on meanwhile)")


def kill():
    print("20 times kill -9 under 500 rejections a second")
    receivers = Receivers()
    port = receivers.start(receivers.good)
    kept, answered = {}, 0
    with contextlib.ExitStack() as stack:
        gateway = Gateway(stack, lambda _: hook("kept", port, 'retry = { schedule = ["100ms"] }'), LIMIT + 'identifier = "ip"')
        for _ in range(20):
            with contextlib.ExitStack() as once:
                pid = once.enter_context(gateway.run())
                connection = http.client.HTTPConnection("127.0.0.1", gateway.proxy)
                end, due = time.time() + random.uniform(0.5, 2.5), time.time()
                while time.time() < end:
                    connection.request("GET", "/hot")
                    answer = connection.getresponse()
                    answer.read()
                    answered += answer.status == 429
                    due += 1 / 500
                    time.sleep(max(0, due - time.time()))
                subprocess.run(["kill", "-9", str(pid)], check=True)
            database = sqlite3.connect(gateway.folder / ".sluice/outbox.db")
            kept.update(database.execute("SELECT id, count FROM deliveries").fetchall())
            database.close()
        with gateway.run():
            until("the rest", lambda: gateway.hooks()["kept"]["waiting"] == 0)
    lost = [identity for identity, count in kept.items() if receivers.seen.get(identity, 0) < count]
    accepted = sum(kept.values())
    print(f"  {answered} answered with 429, {accepted} of them in the outbox when the process died ({answered - accepted} were not yet)")
    print(f"  {len(lost)} of {len(kept)} deliveries lost; {len(receivers.seen)} ids came")


def throughput(rate=6_000, seconds=10):
    print(f"Distinct webhooks to a healthy receiver, {rate} rejections a second for {seconds} s, the gateway on one CPU")
    with contextlib.ExitStack() as stack:
        # One limit for all, so that every request is refused; each from an address of its own, so that nothing is merged.
        limit = LIMIT + 'identifier = "service"'
        gateway = Gateway(stack, lambda httpbin: hook("all", httpbin, "concurrency = 32", "status/200"), limit)
        pid = stack.enter_context(gateway.run())
        connection = socket.create_connection(("127.0.0.1", gateway.proxy))
        cpu, start = cpu_seconds(pid), time.time()
        for n in range(rate * seconds):
            address = f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
            connection.sendall(f"GET /hot HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\n\r\n".encode())
            connection.recv(65536)
            time.sleep(max(0, start + n / rate - time.time()))
        sent = time.time() - start
        now = gateway.hooks()["all"]
        until("the last", lambda: gateway.hooks()["all"]["waiting"] == 0)
        took, sums = time.time() - start, gateway.hooks()["all"]
        each = 1e6 * (cpu_seconds(pid) - cpu) / sums["delivered"]
        print(f"  {now['delivered'] / sent:.0f} delivered a second while {now['matched'] / sent:.0f} were refused; all of {sums['delivered']} after {took:.1f} s")
        print(f"  {each:.0f} us of CPU each, with its 429; dropped {sums['dropped']}, failed {sums['failed']}")


def latencies(gateway, seconds, connections=20, each=500):
    """What answers took at a steady load, in microseconds."""
    log = gateway.folder / "h2load.log"
    log.unlink(missing_ok=True)
    command = ["taskset", "-c", "1", "h2load", "--h1", "-t1", f"-c{connections}", f"--rps={each}", f"-D{seconds}", f"--log-file={log}"]
    subprocess.run([*command, f"http://127.0.0.1:{gateway.proxy}/hot"], capture_output=True, check=True)
    return sorted(int(line.split()[2]) for line in log.read_text().splitlines())


def dead(pairs=60):
    print(f"1,000,000 rejections and nobody who listens: memory; then answers at 10,000 rejections a second, {pairs} pairs of a second each")
    took = {}

    def p99(name):
        microseconds = latencies(gateways[name], 1)
        took.setdefault(name, []).extend(microseconds)
        return microseconds[len(microseconds) * 99 // 100]

    with contextlib.ExitStack() as stack:
        gateways = {"no hook": Gateway(stack, lambda _: ""), "dead receiver": Gateway(stack, lambda _: hook("dead", free_port()))}
        for name, gateway in gateways.items():
            pid = stack.enter_context(gateway.run())
            gateway.refuse(1)
            before = resident_mib(pid)
            gateway.refuse_until(1_000_000)
            print(f"  {name:14} RSS {before:.1f} -> {resident_mib(pid):.1f} MiB")
        measured = in_turn(lambda: p99("no hook"), lambda: p99("dead receiver"), pairs)
    for side, name in enumerate(gateways):
        rounds = sorted(pair[side] for pair in measured)
        middle, whole = rounds[len(rounds) // 2], sorted(took[name])
        print(f"  {name:14} p99 of a round {middle} us ({rounds[0]} to {rounds[-1]}), of all answers {whole[len(whole) * 99 // 100]} us")
    print(f"  p99 with the dead receiver, within pairs: {difference(measured)}")


if __name__ == "__main__":
    for name in sys.argv[1:] or ("conservation", "kill", "throughput", "dead"):
        {"conservation": conservation, "kill": kill, "throughput": throughput, "dead": dead}[name]()
