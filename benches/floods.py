#!/usr/bin/env python3
"""What floods of HTTP/2 do to the gateway, and to somebody else who uses it.

    cargo build --release && benches/floods.py [--seconds 10] [--pause 0.1] [--sluice PATH] [flood ...]

Each flood goes on for so long, one connection after the other: whoever is cut off connects again, after the pause. Beside it an honest client
asks over HTTP/2, 200 times a second. Shown for each: how many connections were cut off and what the slowest of them took;
by how much resident memory grew at most, while one connection attacked; the honest client's p99 beside what it was without a
flood, before and after; and what the gateway says that it refused. Aims: 32 MiB, 5 s (floods; those that hold
something are bounded only in memory), twice the p99.

The gateway has one worker on CPU 0; the flood, the honest client and the upstream (nginx) share CPU 1. Frames are written
by hand (RFC 9113), so nothing is needed but nginx.
"""

import argparse
import contextlib
import multiprocessing
import os
import pathlib
import re
import socket
import struct
import sys
import tempfile
import time
import urllib.request

from compare import ROOT, free_port, nginx, resident_mib, running

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
WIDE = 2**31 - 1


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(**values):
    names = {"table": 1, "window": 4}
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", names[name], value) for name, value in values.items()))


def update(stream, by):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", by))


def block(method, path, more=b""):
    """A header block: the method and the scheme by their index, the path and the host as they are."""
    host = b"bench.example"
    return bytes([{"GET": 0x82, "POST": 0x83}[method], 0x86, 0x04, len(path)]) + path + bytes([0x01, len(host)]) + host + more


def ask(stream, path=b"/short", method="GET", more=b""):
    flags = END_HEADERS | (END_STREAM if method == "GET" else 0)
    return frame(HEADERS, flags, stream, block(method, path, more))


def streams(first=1):
    return range(first, 2**31, 2)


class Client:
    """A connection that has been opened, and takes what it is told unless it should not."""

    def __init__(self, port, opening=settings(), reads=True):
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reads = reads
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + opening)
        self.socket.setblocking(False)

    def say(self, data):
        """Says it, and takes what comes meanwhile. An error: the connection is over."""
        while data:
            with contextlib.suppress(BlockingIOError):
                data = data[self.socket.send(data) :]
            if not self.hear() and data:
                time.sleep(0.0005)

    def hear(self):
        heard = 0
        while self.reads:
            try:
                part = self.socket.recv(1 << 18)
            except BlockingIOError:
                break
            if not part:
                raise ConnectionError("closed")
            heard += len(part)
        return heard

    def hold(self, until):
        """Keeps it open."""
        while time.monotonic() < until:
            self.hear()
            time.sleep(0.01)


# What is said again and again, and what opens the connection. Each is a function of the port and of when to stop; it ends
# with an error if it is cut off.


def repeated(piece, opening=settings(), first=b""):
    def flood(port, until):
        client = Client(port, opening)
        client.say(first)
        while time.monotonic() < until:
            client.say(piece)

    return flood


def by_stream(piece, opening=settings(), first=b""):
    """`piece` of each new stream."""

    def flood(port, until):
        client = Client(port, opening)
        client.say(first)
        for stream in streams(3 if first else 1):
            if time.monotonic() > until:
                return
            client.say(piece(stream))

    return flood


def dribble(port, until):
    """A large answer, taken byte by byte."""
    client = Client(port, settings(window=0))
    client.say(ask(1, b"/large") + update(0, 1 << 20))
    while time.monotonic() < until:
        client.say(update(1, 1) * 50)


def held(pieces, opening=settings(), reads=True, first=b""):
    """As many streams as there may be, each left alone after that."""

    def flood(port, until):
        client = Client(port, opening, reads)
        client.say(first)
        for stream in range(3 if first else 1, 81, 2):
            client.say(pieces(stream))
        client.hold(until)

    return flood


def silent(port, until):
    Client(port, b"").hold(until)


# An entry of the dynamic table, and a block that names it as often as it may without being too long.
ENTRY = b"\x40\x01a\x01b"
LARGE_ENTRY = b"\x40\x01a\x7f\xa1\x1e" + b"b" * 4000
CRUMB = b"\x40\x06cookie\x01b"
OVER = frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 100) * 2700)

FLOODS = {
    "PING": repeated(frame(PING, 0, 0, b"12345678") * 500),
    "PING acks": repeated(frame(PING, ACK, 0, b"12345678") * 500),
    "SETTINGS": repeated(settings() * 500),
    "SETTINGS acks": repeated(frame(SETTINGS, ACK) * 500),
    "SETTINGS, 2,700 in each": repeated(OVER),
    "PRIORITY": repeated(b"".join(frame(PRIORITY, 0, 2 * n + 1, b"\0\0\0\0\x10") for n in range(500))),
    "WINDOW_UPDATE": repeated(update(0, 1) * 500),
    "WINDOW_UPDATE by one byte": dribble,
    "unknown frames": repeated(frame(200, 0, 0, b"x" * 8) * 500),
    "rapid reset": by_stream(lambda stream: ask(stream, b"/large") + frame(RST_STREAM, 0, stream, b"\0\0\0\x08")),
    "resets of our making": by_stream(lambda stream: ask(stream, b"/never", "POST") + update(stream, WIDE)),
    "streams beyond the limit": by_stream(lambda stream: ask(stream, b"/never", "POST")),
    "CONTINUATION": repeated(frame(CONTINUATION, 0, 1, b"") * 500, first=frame(HEADERS, 0, 1, block("GET", b"/short"))),
    "CONTINUATION with headers": repeated(
        frame(CONTINUATION, 0, 1, b"\0\x01a\x7f\xf1\x5e" + b"b" * 12144), first=frame(HEADERS, 0, 1, block("GET", b"/short"))
    ),
    "empty DATA": repeated(frame(DATA, 0, 1) * 500, first=ask(1, method="POST")),
    "DATA of padding": repeated(frame(DATA, PADDED, 1, b"\x07" + bytes(7)) * 100, first=ask(1, method="POST")),
    "HPACK bomb": by_stream(
        lambda stream: ask(stream, method="POST", more=b"\xbe" * 16000), first=ask(1, more=LARGE_ENTRY)
    ),
    "HPACK bomb, small enough": held(lambda stream: ask(stream, b"/never", "POST", b"\xbe" * 1800), first=ask(1, more=ENTRY)),
    "HPACK bomb of large fields": held(
        lambda stream: ask(stream, b"/never", "POST", b"\xbe" * 15), first=ask(1, more=LARGE_ENTRY)
    ),
    "cookie crumbs": held(lambda stream: ask(stream, b"/never", "POST", b"\xbe" * 1600), first=ask(1, more=CRUMB)),
    "streams without bodies": held(lambda stream: ask(stream, b"/never", "POST")),
    "window 0": held(lambda stream: ask(stream, b"/large"), settings(window=0)),
    "nothing read": held(lambda stream: ask(stream, b"/large"), settings(window=WIDE) + update(0, WIDE - 65535), reads=False),
    "silence": silent,
}
HOLDS = [
    "HPACK bomb, small enough",
    "HPACK bomb of large fields",
    "cookie crumbs",
    "streams without bodies",
    "window 0",
    "nothing read",
    "silence",
]


def attack(name, port, seconds, pause, results):
    """The flood, until its time is over: how often it was cut off, the longest that took, and whether the last one was not."""
    os.nice(10)
    end = time.monotonic() + seconds
    cut, slowest, lasts = 0, 0.0, False
    while time.monotonic() < end:
        began = time.monotonic()
        try:
            FLOODS[name](port, end)
            lasts = True
        except OSError:
            cut += 1
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(pause)
    # What was not cut off has lasted at least so long.
    results.put((cut, max(slowest, time.monotonic() - began) if lasts else slowest, lasts and end - began > 5))


def honest(port, seconds):
    """p99 of a client that asks 200 times a second, in milliseconds; none of its requests may fail."""
    client = Client(port)
    connection = client.socket
    connection.settimeout(10)
    times, buffered = [], b""
    end = time.monotonic() + seconds
    for stream in streams():
        began = time.monotonic()
        if began > end:
            break
        connection.sendall(ask(stream) + update(0, 1000))
        over = False
        while not over:
            part = connection.recv(65536)
            if not part:
                raise SystemExit("the honest client was cut off")
            buffered += part
            while len(buffered) >= 9 and len(buffered) >= 9 + (length := int.from_bytes(buffered[:3], "big")):
                kind, flags, of = buffered[3], buffered[4], int.from_bytes(buffered[5:9], "big")
                over |= kind in (DATA, HEADERS) and bool(flags & END_STREAM) and of == stream
                buffered = buffered[9 + length :]
        times.append(time.monotonic() - began)
        time.sleep(max(0.0, began + 0.005 - time.monotonic()))
    return sorted(times)[len(times) * 99 // 100] * 1000


def complaints(admin):
    """What clients were refused for, by reason."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found = re.findall(r'^sluice_clients_refused_total\{reason="(\w+)"\} (\d+)', text, re.M)
    return {reason: int(count) for reason, count in found}


@contextlib.contextmanager
def gateway(sluice):
    upstream, proxy, admin = (free_port() for _ in range(3))
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        folder.chmod(0o755)  # nginx reads it as somebody else
        (folder / "large").write_bytes(b"x" * (8 << 20))
        # Never answers: the upstream waits for a body that is announced.
        body = (
            f'server {{ listen 127.0.0.1:{upstream} backlog=2048; root {folder}; client_body_timeout 600s;'
            'location /short { default_type text/plain; return 200 "short"; } location /large { }'
            f"location /never {{ proxy_pass http://127.0.0.1:{upstream}/short; proxy_request_buffering on; }} }}\n"
        )
        stack.enter_context(running(1, nginx(folder, "upstream", body), upstream, folder))
        (folder / "gateway.toml").write_text(
            f'[server]\nlisten = ["127.0.0.1:{proxy}"]\nthreads = 1\n[admin]\nlisten = "127.0.0.1:{admin}"\n'
            f'[services.up]\nurl = "http://127.0.0.1:{upstream}"\n[routes.up]\nservice = "up"\npaths = ["/"]\n'
        )
        pid = stack.enter_context(running(0, [sluice, "run"], proxy, folder))
        yield pid, proxy, admin


def measure(name, sluice, seconds, pause):
    with gateway(sluice) as (pid, proxy, admin):
        honest(proxy, 1)
        before = honest(proxy, seconds)
        told = complaints(admin)
        idle = most = resident_mib(pid)
        results = multiprocessing.Queue()
        attacker = multiprocessing.Process(target=attack, args=(name, proxy, seconds, pause, results))
        attacker.start()
        victims = multiprocessing.Queue()
        victim = multiprocessing.Process(target=lambda: victims.put(honest(proxy, seconds)))
        victim.start()
        while attacker.is_alive() and results.empty():
            most = max(most, resident_mib(pid))
            time.sleep(0.02)
        cut, slowest, lasts = results.get(timeout=20)
        during = victims.get(timeout=20)
        attacker.join()
        victim.join()
        after = honest(proxy, seconds)
        told = {reason: count - told.get(reason, 0) for reason, count in complaints(admin).items() if count > told.get(reason, 0)}
        base = max(before, after)
        growth = most - idle
        good = growth <= 32 and during <= 2 * base and (name in HOLDS or not lasts)
        print(
            f"{name:26} cut off {cut:>5} slowest {slowest:6.2f} s {'(lasts)' if lasts else '       '} +{growth:5.1f} MiB  p99"
            f" {before:6.2f} {during:6.2f} {after:6.2f} ms {during / base:5.2f} x  {told} {'' if good else 'MISSED'}",
            flush=True,
        )
        return good


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=10)
    arguments.add_argument("--pause", type=float, default=0.1)
    arguments.add_argument("--sluice", default=str(ROOT / "target/release/sluice"))
    arguments.add_argument("floods", nargs="*", help=", ".join(FLOODS))
    options = arguments.parse_args()
    unknown = [name for name in options.floods if name not in FLOODS]
    if unknown:
        sys.exit(f"no such flood: {', '.join(unknown)}; there are {', '.join(FLOODS)}")
    os.sched_setaffinity(0, {1})
    multiprocessing.set_start_method("fork")
    sluice = os.path.abspath(options.sluice)
    good = [measure(name, sluice, options.seconds, options.pause) for name in options.floods or FLOODS]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
