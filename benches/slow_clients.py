#!/usr/bin/env python3
"""Thousands of clients that take their time, and one that does not: when the slow are let go, and what the other feels.

    cargo build --release && benches/slow_clients.py [--clients 5000] [--kinds KIND,...]

The gateway runs with its own defaults (benches/README.md has them), on CPU 0; everything else is on CPU 1. Ten thousand
connections are idle, and one sends a head of a MiB in pieces. Then each kind of slow client has its run: all of them
connect, and are waited for until the gateway has let the last one go, while a probe in a process of its own asks a
hundred times a second.
"""

import argparse
import asyncio
import collections
import contextlib
import multiprocessing
import os
import pathlib
import resource
import select
import socket
import tempfile
import time

from compare import ROOT, free_port, nginx, resident_mib, running

HEAD = b"GET /bytes/1000 HTTP/1.1\r\nHost: x\r\n"
# Seconds until each is let go: header_timeout, body_timeout.
KINDS = {
    "a first head": (10, b"GET / HTTP/1.1\r\nX: ", 1),
    "a second head": (10, HEAD + b"\r\n", 1),
    "a body": (30, b"POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", 1),
    "a body in chunks": (30, b"POST /post HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 1),
    "an answer": (30, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n", 0),
}


def cpu_ms(pid):
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6


class Slow:
    """Clients of one kind, on one thread: each connects, says something and goes on ever so slowly."""

    # How long each waits before it says more.
    EVERY = 1.0

    def __init__(self, port, kind, clients):
        self.port, self.kind, self.clients = port, kind, clients
        self.deadline, self.said, self.speaks = KINDS[kind]
        # So many connect in a second: an upstream of one CPU has 1 GB to send before all buffers of 5,000 readers are full.
        self.a_second = 2000 if self.speaks else 250
        self.more = b"1\r\nx\r\n" if "chunks" in kind else b"x"
        self.epoll, self.open, self.began, self.took = select.epoll(), {}, {}, []
        # Who speaks next, and when: the same time for all, so the first is first again.
        self.turns = collections.deque()

    def run(self):
        """How long each was let be, of those that were let go."""
        start, connected = time.monotonic(), 0
        until = start + self.clients / self.a_second + self.deadline + 30
        while (self.open or connected < self.clients) and (now := time.monotonic()) < until:
            while connected < min(self.clients, (now - start) * self.a_second):
                self.connect()
                connected += 1
            while self.turns and self.turns[0][0] <= now:
                self.speak(self.turns.popleft()[1])
            for fd, events in self.epoll.poll(0.001):
                self.hear(fd, events)
        return self.took

    def connect(self):
        client = socket.socket()
        # So that little of an answer is on its way.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        client.connect(("127.0.0.1", self.port))
        client.setblocking(False)
        client.send(self.said)
        fd = client.fileno()
        self.open[fd], self.began[fd] = client, time.monotonic()
        # Of an answer that is not read, only the end is waited for.
        self.epoll.register(fd, select.EPOLLIN if self.speaks else 0)
        if self.kind != "a second head":
            self.turns.append((time.monotonic() + self.EVERY, fd))

    def speak(self, fd):
        if fd not in self.open:
            return
        # That it is gone shows when something is sent to it.
        with contextlib.suppress(OSError):
            self.open[fd].send(self.more if self.speaks else b"\r\n")
        self.turns.append((time.monotonic() + self.EVERY, fd))

    def hear(self, fd, events):
        try:
            heard = self.open[fd].recv(65536) if events == select.EPOLLIN else b""
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        if heard and self.kind == "a second head" and b"200 OK" in heard[:20]:
            self.began[fd] = time.monotonic()
            self.open[fd].send(b"GET / HTTP/1.1\r\nX: ")
            self.turns.append((time.monotonic() + self.EVERY, fd))
        elif not heard:
            self.took.append(time.monotonic() - self.began.pop(fd))
            self.epoll.unregister(fd)
            self.open.pop(fd).close()


async def probe(port, stop):
    asked, took = [], []
    while not stop.is_set():
        began = time.monotonic()

        async def ask(began=began):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HEAD + b"Connection: close\r\n\r\n")
            heard = await reader.read(-1)
            took.append((time.monotonic() - began, heard[9:12]))
            writer.close()

        asked.append(asyncio.ensure_future(ask()))
        await asyncio.sleep(max(0, began + 0.01 - time.monotonic()))
    await asyncio.wait(asked, timeout=10)
    times = sorted(seconds for seconds, _ in took)
    good = sum(status == b"200" for _, status in took)
    return f"probe {good} of {len(asked)} were 200, p99 {times[len(times) * 99 // 100] * 1e3:.1f} ms"


def run(port, clients, kind):
    stop, probed, ended = multiprocessing.Event(), multiprocessing.SimpleQueue(), multiprocessing.SimpleQueue()

    def slow():
        # The probe's time is the gateway's, not ours.
        os.nice(10)
        ended.put(Slow(port, kind, clients).run())

    probing = multiprocessing.Process(target=lambda: probed.put(asyncio.run(probe(port, stop))))
    slowing = multiprocessing.Process(target=slow)
    probing.start()
    slowing.start()
    took = ended.get()
    stop.set()
    late = max(took, default=0)
    print(f"  {kind:16} deadline {KINDS[kind][0]} s: {len(took)} of {clients} let go, the last after {late:.1f} s; {probed.get()}", flush=True)
    probing.join()
    slowing.join()


async def idle(pid, port, count):
    before = resident_mib(pid)
    held = []
    for n in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2048)
        writer.write(HEAD + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        held.append(writer)
    print(f"  {count} idle connections, each after a request: RSS {before:.0f} -> {resident_mib(pid):.0f} MiB", flush=True)
    for writer in held:
        writer.close()


async def dribble(pid, port, piece):
    before = cpu_ms(pid)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n")
    sent = 0
    line = b"X: " + b"y" * 59 + b"\r\n"
    data = line * (1024 * 1024 // len(line))
    try:
        while sent < len(data):
            writer.write(data[sent : sent + piece])
            await writer.drain()
            sent += piece
            await asyncio.sleep(0)
            if reader.at_eof():
                break
    except ConnectionError:
        pass
    writer.close()
    print(f"  a head of 1 MiB in pieces of {piece}: {cpu_ms(pid) - before:.1f} ms of CPU, let go after {sent} bytes", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--clients", type=int, default=5000)
    options.add_argument("--sluice", type=lambda path: pathlib.Path(path).resolve(), default=ROOT / "target/release/sluice")
    options.add_argument("--kinds", default=",".join(KINDS))
    options = options.parse_args()
    os.sched_setaffinity(0, {1})
    multiprocessing.set_start_method("fork")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        # nginx reads it as somebody else.
        folder.chmod(0o755)
        upstream, files, port, admin = (free_port() for _ in range(4))
        (folder / "large").write_bytes(b"x" * 10_000_000)
        # The kernel's memory is for what the gateway has in it: the upstream is elsewhere, as a rule.
        served = nginx(folder, "files", f"server {{ listen 127.0.0.1:{files} sndbuf=16k; root {folder}; }}", 20_000)
        config = folder / "gateway.toml"
        config.write_text(
            f'[server]\nlisten = ["127.0.0.1:{port}"]\nthreads = 1\nstate_dir = "{folder}/state"\n[admin]\nlisten = "127.0.0.1:{admin}"\n'
            f'[services.s]\nurl = "http://127.0.0.1:{upstream}"\n[routes.r]\nservice = "s"\npaths = ["/"]\n'
            f'[services.files]\nurl = "http://127.0.0.1:{files}"\n[routes.files]\nservice = "files"\npaths = ["/large"]\nstrip_path = false\n'
        )
        httpbin = [options.sluice, "httpbin", "--listen", f"127.0.0.1:{upstream}"]
        sluice = [options.sluice, "run", "--config", config]
        with running(1, httpbin, upstream, folder), running(1, served, files, folder), running(0, sluice, port, folder) as pid:
            asyncio.run(idle(pid, port, 10_000))
            for piece in (1, 16, 1024):
                # What there was before is over.
                time.sleep(3)
                asyncio.run(dribble(pid, port, piece))
            print(f"  {options.clients} slow clients of each kind")
            for kind in filter(None, options.kinds.split(",")):
                run(port, options.clients, kind)


if __name__ == "__main__":
    main()
