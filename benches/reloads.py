#!/usr/bin/env python3
"""600 reloads in 60 seconds under wrk, a tenth of them of a broken file, beside a load without reloads.

    cargo build --release
    benches/reloads.py [path of sluice] [pairs of rounds]

Rounds of ten seconds with ten reloads a second and rounds without one take turns; the file has 100 routes with a limit each. Every other
edit is a rename, every other one truncates the file. No request may fail; p99 with reloads is set beside that of its pair. The gateway
has CPU 0, its upstream (nginx), wrk and this script share the other one.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

from compare import free_port, nginx, running
from live import Gateway
from pairs import in_turn, median_within

SLUICE = sys.argv[1] if len(sys.argv) > 1 else "target/release/sluice"
PAIRS = int(sys.argv[2]) if len(sys.argv) > 2 else 6
SECONDS, RATE = 10, 10
BROKEN = ['service = "nobody"', "limit = [many]", "limit = [\n", 'paths = ["/0"]\npaths = ["/0"]', "unknown = 1", "\0"]


def configuration(head, upstream, n):
    """Sound, and another one for each number."""
    routes = (f'[routes.r{r}]\nservice = "up"\npaths = ["/{r}"]\n[routes.r{r}.plugins.rate-limiting-advanced]\n'
              f'limit = [{1_000_000 + (n if r == 0 else 0)}]\nwindow_size = [1]\n' for r in range(100))
    return f'{head}[services.up]\nurl = "http://127.0.0.1:{upstream}"\n' + "\n".join(routes)


def reload(gateway, upstream, stop, reloaded):
    """Edits the file until it is told to stop: the good edits and the broken ones are counted."""
    due = time.monotonic()
    while not stop.is_set():
        n = sum(reloaded)
        text = configuration(gateway.head, upstream, n + 1)
        if n % 10 == 9:
            text += BROKEN[n // 10 % len(BROKEN)] + f"\n# {n}\n"
        (gateway.rename_over if n % 2 else gateway.write_over)(text)
        reloaded[n % 10 == 9] += 1
        due += 1 / RATE
        time.sleep(max(0, due - time.monotonic()))


def milliseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def wrk(port, failed):
    """p99 of a round."""
    out = subprocess.run(["wrk", "-t1", "-c32", f"-d{SECONDS}s", "--latency", f"http://127.0.0.1:{port}/0"], capture_output=True, text=True, check=True).stdout
    failed += re.findall(r"Non-2xx.*|Socket errors.*", out)
    return milliseconds(re.search(r"^\s+99%\s+(\S+)", out, re.M).group(1))


def main():
    os.sched_setaffinity(0, {1})
    upstream, reloaded, failed = free_port(), [0, 0], []
    with tempfile.TemporaryDirectory() as name, Gateway(SLUICE, name) as gateway:
        folder = pathlib.Path(name)
        gateway.kill()
        gateway.file.write_text(configuration(gateway.head, upstream, 0))
        serve = f'server {{ listen 127.0.0.1:{upstream} backlog=2048; location / {{ return 200 "{"x" * 1000}"; }} }}\n'
        with running(1, nginx(folder, "upstream", serve), upstream, folder):
            gateway.start("taskset", "-c", "0")

            def still():
                return wrk(gateway.proxy, failed)

            def reloading():
                stop = threading.Event()
                editor = threading.Thread(target=reload, args=(gateway, upstream, stop, reloaded))
                editor.start()
                p99 = wrk(gateway.proxy, failed)
                stop.set()
                editor.join()
                return p99

            wrk(gateway.proxy, failed)  # warm-up
            measured = in_turn(still, reloading, PAIRS)
            time.sleep(2)
            last = sum(reloaded) + 1
            gateway.rename_over(configuration(gateway.head, upstream, last))
            until = time.monotonic() + 20
            while f'limit = [{1_000_000 + last}]' not in gateway.ask_text("/config") or gateway.status()["problems"]:
                assert time.monotonic() < until, "the last edit is not in force"
                time.sleep(0.01)
        applied, refused = gateway.status()["version"] - 1, gateway.logged("configuration refused")
        panics = gateway.logged("panicked")
    middle, low, high = median_within([b / a for a, b in measured])
    print(f"{sum(reloaded)} edits in {PAIRS * SECONDS} s, {reloaded[1]} of them broken: {applied} applied, {refused} refused, {panics} panics")
    print(f"requests that failed: {', '.join(failed) or 'none'}")
    print("p99 without and with, ms: " + ", ".join(f"{a:.2f} {b:.2f}" for a, b in measured))
    print(f"p99 with reloads: {middle:.2f} x (95 %: {low:.2f} to {high:.2f}, {PAIRS} pairs)")
    # Where the machine is slow, two edits may be read as one.
    sys.exit("not as it should be" if failed or panics or not 0 < applied <= reloaded[0] + 1 or not 0 < refused <= reloaded[1] else 0)


if __name__ == "__main__":
    main()
