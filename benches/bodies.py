#!/usr/bin/env python3
"""Bodies both ways: how fast they go and what they take in memory, beside nginx in one run; and how soon an event arrives.

    cargo build --release
    benches/bodies.py [--rounds 3] [--sizes 64K,1M,1G]

Every proxy has one worker on CPU 0 and passes everything on to a small server of this script on CPU 1, which sends or
swallows as many bytes as it is asked to; curl shares CPU 1. nginx passes bodies on as they come (proxy_buffering and
proxy_request_buffering off), as Sluice always does. A figure is the median over the rounds; memory is what the proxy grew
by at its largest while bodies of that size went through, after one of them had gone through. Needs nginx and curl.
"""

import argparse
import contextlib
import pathlib
import socket
import socketserver
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from compare import ROOT, family, free_port, nginx, resident_mib, running

PIECE = b"x" * 65536
EVENTS = 200


class Upstream(socketserver.StreamRequestHandler):
    """Answers GET /SIZE with so many bytes, GET /events with events that carry their time, and POST with what it counted."""

    def handle(self):
        while line := self.rfile.readline():
            method, path, _ = line.split()
            length = 0
            while (header := self.rfile.readline()) not in (b"\r\n", b""):
                name, value = header.split(b":", 1)
                length = int(value) if name.lower() == b"content-length" else length
            if method == b"POST":
                self.swallow(length)
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            elif path == b"/events":
                self.events()
            else:
                self.send(int(path.rsplit(b"/", 1)[1]))

    def swallow(self, left):
        while left and (piece := self.rfile.read1(min(left, len(PIECE)))):
            left -= len(piece)

    def send(self, left):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % left)
        while left:
            part = PIECE[:left]
            self.wfile.write(part)
            left -= len(part)

    def events(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(EVENTS):
            time.sleep(0.01)
            event = b"data: %.6f\n\n" % time.monotonic()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
        self.wfile.write(b"0\r\n\r\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve(port):
    with Server(("127.0.0.1", port), Upstream) as server:
        server.serve_forever()


def transfer(url, size, upload):
    """Seconds of as many transfers as make 256 MiB, at least one, on one connection."""
    times = max(1, min(1000, (256 << 20) // size))
    command = ["taskset", "-c", "1", "curl", "-sS", "--fail", "--max-time", "300"]
    with tempfile.NamedTemporaryFile() as body:
        if upload:
            body.truncate(size)
            one = ["-o", "/dev/null", "-X", "POST", "-H", "Expect:", "-T", body.name, url]
        else:
            one = ["-o", "/dev/null", f"{url}/{size}"]
        started = time.monotonic()
        subprocess.run(command + one + (["--next", "-sS", "--fail"] + one) * (times - 1), check=True)
        return (time.monotonic() - started) / times


class Memory(threading.Thread):
    """Looks at what a proxy takes, until it is left."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.first, self.most, self.over = pid, resident_mib(pid), 0.0, threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            self.most = max(self.most, resident_mib(self.pid))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()
        self.grown = max(0.0, self.most - self.first)


def event_delays(port, more=b""):
    """How long each event was on its way, in milliseconds."""
    delays = []
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + more + b"\r\n")
        for line in client.makefile("rb"):
            if line.startswith(b"data: "):
                delays.append((time.monotonic() - float(line[6:])) * 1000)
            if len(delays) == EVENTS:
                break
    return sorted(delays)


def size_of(text):
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    return int(text[:-1]) * units[text[-1]]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--sizes", default="64K,1M,1G")
    arguments.add_argument("--sluice", default=str(ROOT / "target/release/sluice"))
    arguments.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.serve:
        return serve(options.serve)
    upstream, nginx_port, sluice_port, admin = (free_port() for _ in range(4))
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        stack.enter_context(running(1, [sys.executable, __file__, "--serve", str(upstream)], upstream, folder))
        proxy = (
            "client_max_body_size 0; proxy_buffering off; proxy_request_buffering off; proxy_http_version 1.1; proxy_set_header Connection \"\";\n"
            f"upstream u {{ server 127.0.0.1:{upstream}; keepalive 16; }}\n"
            f"server {{ listen 127.0.0.1:{nginx_port}; location / {{ proxy_pass http://u; }} }}\n"
        )
        nginx_id = stack.enter_context(running(0, nginx(folder, "proxy", proxy), nginx_port, folder))
        (folder / "gateway.toml").write_text(
            f'[server]\nlisten = ["127.0.0.1:{sluice_port}"]\nthreads = 1\n[admin]\nlisten = "127.0.0.1:{admin}"\n'
            f'[services.up]\nurl = "http://127.0.0.1:{upstream}"\n[routes.all]\nservice = "up"\npaths = ["/"]\nstrip_path = false\n'
        )
        sluice_id = stack.enter_context(running(0, [options.sluice, "run"], sluice_port, folder))
        assert family(sluice_id)
        proxies = {"nginx": (nginx_id, nginx_port), "sluice": (sluice_id, sluice_port)}
        print(f"{'':18}{'MiB/s nginx':>14}{'MiB/s sluice':>14}{'x nginx':>9}{'grew nginx':>13}{'grew sluice':>13}")
        for size in filter(None, options.sizes.split(",")):
            for way, upload in [("down", False), ("up", True)]:
                speed, grown = {}, {}
                for _, port in proxies.values():
                    transfer(f"http://127.0.0.1:{port}", size_of(size), upload)
                for _ in range(options.rounds):
                    for label, (pid, port) in proxies.items():
                        with Memory(pid) as memory:
                            seconds = transfer(f"http://127.0.0.1:{port}", size_of(size), upload)
                        speed.setdefault(label, []).append(size_of(size) / (1 << 20) / seconds)
                        grown[label] = max(grown.get(label, 0.0), memory.grown)
                a, b = (statistics.median(speed[label]) for label in proxies)
                print(f"{size + ' ' + way:18}{a:>14.0f}{b:>14.0f}{b / a:>9.2f}{grown['nginx']:>9.1f} MiB{grown['sluice']:>9.1f} MiB")
        for label, port, more in [("directly", upstream, b""), ("nginx", nginx_port, b""), ("sluice", sluice_port, b""), ("sluice, Pingora's way", sluice_port, b"Keep-Alive: x\r\n")]:
            delays = event_delays(port, more)
            print(f"an event, {label:24} median {delays[len(delays) // 2]:.2f} ms, p99 {delays[int(len(delays) * 0.99)]:.2f} ms, most {delays[-1]:.2f} ms")


if __name__ == "__main__":
    main()
