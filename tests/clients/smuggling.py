"""Sends what could be read in two ways through Sluice to servers that others wrote, and finds out how they read it.

    smuggling.py SLUICE [--origins h11,httptools,gunicorn,waitress,nginx,haproxy] [--mutations 20000] [--seed 1]

Every request that reaches an origin carries an X-Request-Id that Sluice gave it, whatever its client said. So a request
that an origin sees without one, or with one that it saw with another target, is a request that Sluice did not send:
somebody smuggled it. And the answer to a request has, in its body, the id that Sluice names in its head: if it has
another, somebody got another one's answer. After each payload come requests of a good client, on the same connections
to the origin. Ends with 1 if anything was smuggled or mixed up, or a good client was not answered.
"""

import argparse
import asyncio
import collections
import pathlib
import random
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent.parent / "benches"))

from compare import free_port
from payloads import families, mutated
from targets import wait_for

GOOD = [
    b"GET /good HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /good HTTP/1.1\r\nHost: x\r\nKeep-Alive: x\r\nConnection: close\r\n\r\n",
    b"POST /good HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
]
AT_ONCE = 32


async def say(port, pieces, patience):
    """What is answered to this until the other end has closed, or says nothing for so long."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        while piece := await asyncio.wait_for(reader.read(65536), patience):
            heard += piece
    except (TimeoutError, ConnectionError):
        pass
    writer.close()
    return heard


def answers(heard):
    """Status, id and body of each answer."""
    while heard.startswith(b"HTTP/1."):
        head, _, rest = heard.partition(b"\r\n\r\n")
        status = int(head[9:12])
        if 100 <= status < 200:
            heard = rest
            continue
        headers = {}
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        if headers.get(b"transfer-encoding") == b"chunked":
            body = b""
            while rest:
                size, _, rest = rest.partition(b"\r\n")
                size = int(size or b"0", 16)
                if size == 0:
                    rest = rest[2:]
                    break
                body, rest = body + rest[:size], rest[size + 2 :]
        elif rest.startswith(b"HTTP/1."):
            # The answer to a HEAD, which has a length and no body.
            body = b""
        else:
            length = int(headers.get(b"content-length", b"0"))
            body, rest = rest[:length], rest[length:]
        yield status, headers.get(b"x-request-id", b"-"), body
        heard = rest


class Origin:
    def __init__(self, sluice, name, folder):
        self.name, self.log = name, folder / f"{name}.log"
        self.log.touch()
        self.port, self.proxy, admin = free_port(), free_port(), free_port()
        origin = [sys.executable, str(HERE / "origins.py"), name, str(self.port), str(self.log)]
        self.processes = [subprocess.Popen(origin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]
        wait_for(self.port, self.processes[0])
        config = folder / f"{name}.toml"
        config.write_text(
            f'[server]\nlisten = ["127.0.0.1:{self.proxy}"]\nthreads = 1\nstate_dir = "{folder}/{name}"\n'
            f'[admin]\nlisten = "127.0.0.1:{admin}"\n[services.origin]\nurl = "http://127.0.0.1:{self.port}"\n'
            '[routes.all]\nservice = "origin"\npaths = ["/"]\n'
        )
        with open(folder / f"{name}.err", "w", encoding="ascii") as log:
            self.processes.append(subprocess.Popen([sluice, "run", "--config", str(config)], stderr=log))
        self.err = folder / f"{name}.err"
        wait_for(self.proxy, self.processes[1])
        self.statuses = collections.Counter()
        self.wrong, self.refused = [], 0

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait()

    def check(self, what, payload, heard):
        for status, request_id, body in answers(heard):
            self.statuses[status] += 1
            # What an origin refuses it has not named in its log; we say JSON.
            self.refused += status == 400 and not body.startswith(b"{")
            # Of answers that an origin gave; those to HEAD are empty.
            if status == 200 and body and body.split(b" ")[0] != request_id:
                self.wrong.append(f"{what}: {payload!r} was answered with {body!r}, and is {request_id!r}")

    async def attack(self, rng, what, payload):
        cuts = sorted(rng.sample(range(1, len(payload)), k=min(2, len(payload) - 1))) if rng.random() < 0.3 and len(payload) > 2 else []
        pieces = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)])]
        self.check(what, payload, await say(self.proxy, pieces, 0.3))
        good = rng.choice(GOOD)
        heard = await say(self.proxy, [good], 10)
        self.check(what, good, heard)
        if [status for status, *_ in answers(heard)] != [200] or b" /good" not in heard:
            self.wrong.append(f"{what}: after {payload!r} a good client was answered with {heard!r}")

    def smuggled(self):
        """Requests that this origin saw and Sluice did not send."""
        seen, nameless = {}, []
        for line in self.log.read_text("latin-1").splitlines():
            request_id, _, what = line.partition(" ")
            # HAProxy also logs connections that end where a request could begin, and nginx refuses methods that it does not
            # know before it has read whose request it is: that is the outer one, as it was sent.
            if len(request_id) != 32:
                known = line.endswith("<BADREQ> 0") or (" 400 " in line and line.endswith(' /outer HTTP/1.1"'))
                nameless += [] if known else [line]
            # One that failed on a connection that was closed meanwhile is sent again, and is the same.
            elif seen.setdefault(request_id, what) != what:
                yield line
        yield from nameless[self.refused :]
        if not seen:
            yield "(it saw nothing)"


async def attack(origin, payloads, seed):
    rng = random.Random(seed)
    running = set()
    for what, payload in payloads:
        if len(running) >= AT_ONCE:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        running.add(asyncio.create_task(origin.attack(rng, what, payload)))
    for one in running:
        await one


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("sluice")
    options.add_argument("--origins", default="h11,httptools,gunicorn,waitress,nginx,haproxy")
    options.add_argument("--mutations", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=1)
    options = options.parse_args()
    known = list(families())
    rng = random.Random(options.seed)
    wrong = 0
    for name in options.origins.split(","):
        with tempfile.TemporaryDirectory() as folder:
            origin = Origin(options.sluice, name, pathlib.Path(folder))
            try:
                chance = ((what, mutated(rng, payload)) for what, payload in rng.choices(known, k=options.mutations))
                started = time.time()
                asyncio.run(attack(origin, [*known, *chance], options.seed))
                said = ", ".join(f"{count} x {status}" for status, count in sorted(origin.statuses.items()))
                smuggled = list(origin.smuggled())
                panics = origin.err.read_text().count("panicked")
            finally:
                origin.stop()
        print(f"{name}: {len(known)} families, {options.mutations} mutations in {time.time() - started:.0f} s: {said}; "
              f"smuggled {len(smuggled)}, mixed up {len(origin.wrong)}, panics {panics}", flush=True)
        for line in [*smuggled, *origin.wrong][:20]:
            print(f"  {line}")
        wrong += len(smuggled) + len(origin.wrong) + panics
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
