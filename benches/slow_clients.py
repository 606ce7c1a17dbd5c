#!/usr/bin/env python3
"""Thousands of clients that take their time, and one that does not: when the slow are let go, and what the other feels.

    cargo build --release && benches/slow_clients.py [--clients 5000]

The gateway runs with its own defaults (benches/README.md has them), on CPU 0; everything else is on CPU 1. Each kind of
slow client has its run: all of them connect, and are waited for until the gateway has let the last one go, while a
probe asks a hundred times a second. Then ten thousand connections are idle, and one sends a head of a MiB in pieces.
"""

import argparse
import asyncio
import pathlib
import resource
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


async def slow(port, kind, said, speaks, ended):
    """Connects, says this, dribbles on, and tells when the other end has closed."""
    client = socket.socket()
    # So that little of an answer is on its way.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=client, limit=2048)
    began = time.monotonic()
    try:
        writer.write(said)
        if kind == "a second head":
            await reader.readuntil(b"\r\n\r\n")
            began = time.monotonic()
            writer.write(b"GET / HTTP/1.1\r\nX: ")
        if not speaks:
            # Nothing of it is read: that the connection is gone shows when something is sent.
            while True:
                await asyncio.sleep(0.5)
                writer.write(b"\r\n")
                await writer.drain()
        closed = asyncio.ensure_future(reader.read(-1))
        while not closed.done():
            writer.write(b"1\r\nx\r\n" if "chunks" in kind else b"x")
            await asyncio.wait([closed], timeout=1)
        closed.exception()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    ended.append(time.monotonic() - began)
    writer.close()


async def probe(port, took, stop):
    asked = []
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


def probed(took):
    times = sorted(seconds for seconds, _ in took)
    good = sum(status == b"200" for _, status in took)
    return f"probe {good} of {len(took)} were 200, p99 {times[len(times) * 99 // 100] * 1e3:.1f} ms"


async def run(port, clients, kind):
    deadline, said, speaks = KINDS[kind]
    ended, took, stop = [], [], asyncio.Event()
    probing = asyncio.ensure_future(probe(port, took, stop))
    tasks = []
    for n in range(clients):
        tasks.append(asyncio.ensure_future(slow(port, kind, said, speaks, ended)))
        if n % 50 == 49:
            await asyncio.sleep(0.02)
    await asyncio.wait(tasks, timeout=deadline + 30)
    stop.set()
    await probing
    print(f"  {kind:16} deadline {deadline} s: {len(ended)} of {clients} let go, the last after {max(ended):.1f} s; {probed(took)}", flush=True)


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
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        # nginx reads it as somebody else.
        folder.chmod(0o755)
        upstream, files, port, admin = (free_port() for _ in range(4))
        (folder / "large").write_bytes(b"x" * 10_000_000)
        served = nginx(folder, "files", f"server {{ listen 127.0.0.1:{files}; root {folder}; }}", 20_000)
        config = folder / "gateway.toml"
        config.write_text(
            f'[server]\nlisten = ["127.0.0.1:{port}"]\nthreads = 1\nstate_dir = "{folder}/state"\n[admin]\nlisten = "127.0.0.1:{admin}"\n'
            f'[services.s]\nurl = "http://127.0.0.1:{upstream}"\n[routes.r]\nservice = "s"\npaths = ["/"]\n'
            f'[services.files]\nurl = "http://127.0.0.1:{files}"\n[routes.files]\nservice = "files"\npaths = ["/large"]\nstrip_path = false\n'
        )
        httpbin = [options.sluice, "httpbin", "--listen", f"127.0.0.1:{upstream}"]
        sluice = [options.sluice, "run", "--config", config]
        with running(1, httpbin, upstream, folder), running(1, served, files, folder), running(0, sluice, port, folder) as pid:
            print(f"{options.clients} slow clients of each kind, the gateway on one CPU")
            for kind in options.kinds.split(","):
                asyncio.run(run(port, options.clients, kind))
            asyncio.run(idle(pid, port, 10_000))
            for piece in (1, 16, 1024):
                asyncio.run(dribble(pid, port, piece))


if __name__ == "__main__":
    main()
