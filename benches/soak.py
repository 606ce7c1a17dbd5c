#!/usr/bin/env python3
"""Mixed traffic for a while, with reloads and targets that fail: nothing may fail that has no reason to, and nothing may grow.

    cargo build --release && benches/soak.py [--seconds 1800]

Clients keep connections or make new ones, post bodies with a length and in chunks, speak HTTP/2 (h2load), go away in the
middle of a head or a body, or say what is no request. One route's upstream has three targets, of which one is killed and
restarted every four seconds; one has a limit that hooks tell of; one leads nowhere. gateway.toml is edited every five
seconds. At the end: answers that were not expected, the slope of the resident memory after the first quarter of the
time, and the open files beside those at the start. Ends with 1 if an answer was not expected or files are left open.
"""

import argparse
import asyncio
import collections
import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import time
import urllib.request

from compare import ROOT, free_port, resident_mib
from targets import running, wait_for

RELOAD, FLAP = 5, 4
BODY = b"x" * 65536


def request(method, path, lines=(), body=b""):
    head = [f"{method} {path} HTTP/1.1", "Host: x", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


async def answer(reader):
    """The status of the next answer, whole."""
    head = await reader.readuntil(b"\r\n\r\n")
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    if b"content-length" in headers:
        await reader.readexactly(int(headers[b"content-length"]))
    elif b"transfer-encoding" in headers:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    return int(head[9:12]), headers.get(b"connection") == b"close"


class Traffic:
    def __init__(self, port, end):
        self.port, self.end, self.got = port, end, collections.Counter()

    async def ask(self, name, expected, bytes_, keep):
        """Asks again and again; a connection that the gateway closes after an answer is replaced."""
        writer = None
        while time.monotonic() < self.end:
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(bytes_)
                status, closes = await asyncio.wait_for(answer(reader), 20)
                self.got[name, status if status in expected else f"UNEXPECTED {status}"] += 1
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                self.got[name, f"UNEXPECTED {error!r}"] += 1
                closes = True
            if closes or not keep:
                writer.close()
                writer = None
            await asyncio.sleep(0.002)

    async def leave(self, name, said):
        """Says this and goes."""
        while time.monotonic() < self.end:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(said)
            await asyncio.sleep(0.05)
            writer.close()
            self.got[name, "left"] += 1

    async def streams(self):
        while time.monotonic() < self.end - 2:
            url = f"http://127.0.0.1:{self.port}/ok"
            command = ["timeout", "30", "h2load", "-n200", "-c4", "-m10", url]
            process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            said = (await process.communicate())[0].decode()
            good = "200 succeeded, 0 failed" in said and "status codes: 200 2xx" in said
            self.got["h2", "200 x 200" if good else f"UNEXPECTED {said}"] += 1
            await asyncio.sleep(0.5)


def configuration(proxy, admin, targets, dead, folder, round_):
    pool = ", ".join(f'"127.0.0.1:{port}"' for port in targets)
    return f"""# Edited for the {round_}th time.
[server]
listen = ["127.0.0.1:{proxy}"]
threads = 2
state_dir = "{folder}/state"
[admin]
listen = "127.0.0.1:{admin}"
[access_log]
format = "json"
file = "{folder}/access.log"
[upstreams.pool]
targets = [{pool}]
[upstreams.pool.healthchecks]
passive.unhealthy = {{ tcp_failures = 1, timeouts = 1 }}
active.healthy = {{ interval = 0.5, successes = 1 }}
active.unhealthy = {{ interval = 0.5, tcp_failures = 1 }}
[services.ok]
url = "http://pool/anything"
[routes.ok]
service = "ok"
paths = ["/ok"]
[services.nowhere]
url = "http://127.0.0.1:{dead}"
retries = 0
[routes.nowhere]
service = "nowhere"
paths = ["/nowhere"]
[routes.limited]
service = "ok"
paths = ["/limited"]
[routes.limited.plugins.rate-limiting-advanced]
limit = [{100 + round_ % 10}]
window_size = [10]
[routes.extra-{round_}]
service = "ok"
paths = ["/extra-{round_}"]
[event_hooks.told]
source = "rate-limiting-advanced"
handler = "webhook"
config.url = "http://127.0.0.1:{targets[-1]}/post"
"""


def look(admin, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}{path}", timeout=10) as said:
        return json.load(said)


async def reload(config, admin, text, end, got):
    round_ = 0
    while time.monotonic() < end - RELOAD:
        await asyncio.sleep(RELOAD)
        round_ += 1
        before = (await asyncio.to_thread(look, admin, "/config/status"))["version"]
        config.write_text(text(round_))
        for _ in range(500):
            if (await asyncio.to_thread(look, admin, "/config/status"))["version"] > before:
                got["reload", "live"] += 1
                break
            await asyncio.sleep(0.01)
        else:
            got["reload", "UNEXPECTED: not live after 5 s"] += 1


async def flap(sluice, port, end):
    while time.monotonic() < end:
        with running(sluice, "httpbin", "--listen", f"127.0.0.1:{port}", stderr=subprocess.DEVNULL):
            await asyncio.sleep(FLAP / 2)
        await asyncio.sleep(FLAP / 2)


def files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


async def sample(pid, end, samples):
    while time.monotonic() < end:
        samples.append((time.monotonic(), resident_mib(pid)))
        await asyncio.sleep(1)


def slope(samples):
    """MiB in ten minutes, by least squares."""
    n = len(samples)
    middle, mean = sum(t for t, _ in samples) / n, sum(mib for _, mib in samples) / n
    spread = sum((t - middle) ** 2 for t, _ in samples)
    return 600 * sum((t - middle) * (mib - mean) for t, mib in samples) / spread


async def traffic(options, pid, ports, config, text):
    proxy, admin, targets, dead = ports
    end = time.monotonic() + options.seconds
    clients, samples = Traffic(proxy, end), []
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    close = ("Connection: close",)
    work = [
        *(clients.ask("GET, kept", {200}, request("GET", "/ok"), True) for _ in range(4)),
        *(clients.ask("GET, new", {200}, request("GET", "/ok", close), False) for _ in range(2)),
        clients.ask("GET, Pingora's way", {200}, request("GET", "/ok", ("Keep-Alive: x",)), True),
        # 502: its target was killed while it was sent, and a POST is not sent twice.
        clients.ask("POST", {200, 429, 502}, request("POST", "/limited", (f"Content-Length: {len(BODY)}",), BODY), True),
        clients.ask("POST in chunks", {200, 429, 502}, request("POST", "/limited", ("Transfer-Encoding: chunked",), chunks), True),
        clients.ask("limited", {200, 429}, request("GET", "/limited"), True),
        clients.ask("nowhere", {503}, request("GET", "/nowhere"), True),
        clients.ask("no request", {400}, request("GET", "/ok", ("X : y",)), True),
        clients.leave("in a head", b"GET /ok HTTP/1.1\r\nHost"),
        clients.leave("in a body", request("POST", "/ok", ("Content-Length: 1000",), b"x")),
        clients.leave("before the answer", request("GET", "/ok")),
        clients.streams(),
        reload(config, admin, text, end, clients.got),
        flap(options.sluice, targets[0], end),
        sample(pid, end, samples),
    ]
    await asyncio.gather(*work)
    return clients.got, samples


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=int, default=1800)
    options.add_argument("--sluice", type=lambda path: pathlib.Path(path).resolve(), default=ROOT / "target/release/sluice")
    options = options.parse_args()
    proxy, admin, dead = free_port(), free_port(), free_port()
    targets = [free_port() for _ in range(3)]
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        config = pathlib.Path(folder) / "gateway.toml"

        def text(round_):
            return configuration(proxy, admin, targets, dead, folder, round_)

        config.write_text(text(0))
        for port in targets[1:]:
            stack.enter_context(running(options.sluice, "httpbin", "--listen", f"127.0.0.1:{port}", stderr=subprocess.DEVNULL))
            wait_for(port)
        log = stack.enter_context(open(os.path.join(folder, "log"), "w", encoding="utf-8"))
        gateway = stack.enter_context(running(options.sluice, "run", "--config", str(config), stderr=log))
        wait_for(proxy)
        wait_for(admin)
        time.sleep(1)
        began = files(gateway.pid)
        got, samples = asyncio.run(traffic(options, gateway.pid, (proxy, admin, targets, dead), config, text))
        # Connections to targets that are kept wait for a minute.
        for _ in range(90):
            left = files(gateway.pid)
            if left <= began:
                break
            time.sleep(1)
        panics = pathlib.Path(folder, "log").read_text(encoding="utf-8").count("panicked")
    for (name, what), count in sorted(got.items(), key=str):
        print(f"  {name:30} {what}: {count}")
    wrong = sum(count for (_, what), count in got.items() if str(what).startswith("UNEXPECTED"))
    settled = samples[len(samples) // 4 :]
    print(f"{options.seconds} s: {sum(got.values())} done, {wrong} not as expected, {panics} panics; RSS {samples[0][1]:.1f} -> "
          f"{samples[-1][1]:.1f} MiB, slope after the first quarter {slope(settled):+.2f} MiB in 10 minutes; files {began} -> {left}")
    raise SystemExit(1 if wrong or panics or left > began else 0)


if __name__ == "__main__":
    main()
