#!/usr/bin/env python3
"""A large configuration: how soon a gateway with it is up, what it holds in memory, and how soon a change is live.

    cargo build --release
    benches/changes.py [path of sluice] [changes of each kind]

The configuration has so many routes of 100 services with a limit each, as many consumers with a key each, and event hooks. A change gives
a route another path, by the Admin API (PATCH) or by an edit of the file (written beside it and renamed over it); it is live
when the proxy serves the new path. CPU 0 is the gateway's; this script has the other one. fsync is the disk's and counts.
"""

import contextlib
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from compare import free_port, resident_mib

SLUICE = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/release/sluice")
TIMES = int(sys.argv[2]) if len(sys.argv) > 2 else 200
SIZES = [(100, 100, 10), (10_000, 10_000, 1_000)]
SERVICES = 100


def configuration(folder, ports, routes, consumers, hooks):
    proxy, admin = ports
    parts = [f'[server]\nlisten = ["127.0.0.1:{proxy}"]\nthreads = 1\nstate_dir = "{folder}/state"\n'
             f'[admin]\nlisten = "127.0.0.1:{admin}"\n[plugins.request-termination]\nstatus_code = 204\n']
    for n in range(SERVICES):
        parts.append(f'[services.s{n}]\nurl = "http://127.0.0.1:1/s{n}"\n[services.s{n}.plugins.key-auth]\nenabled = false\n'
                     f'[services.s{n}.plugins.rate-limiting-advanced]\nlimit = [1000000]\nwindow_size = [60]\n')
    parts += [f'[routes.r{n}]\nservice = "s{n % SERVICES}"\npaths = ["/r{n}/0"]\n' for n in range(routes)]
    parts += [f'[consumers.c{n}]\nkey-auth = [{{ key = "key-of-{n}" }}]\n' for n in range(consumers)]
    parts += [f'[event_hooks.h{n}]\nsource = "rate-limiting-advanced"\nevent = "rate-limit-exceeded"\nhandler = "webhook"\n'
              f'config.url = "http://127.0.0.1:1/h{n}"\n' for n in range(hooks)]
    return "\n".join(parts)


def ask(connection, method, path, body=None):
    connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"} if body else {})
    answer = connection.getresponse()
    return answer.status, answer.read()


@contextlib.contextmanager
def running(folder, ports):
    """The process, its connections, and how long it took until it was ready."""
    began = time.monotonic()
    process = subprocess.Popen(["taskset", "-c", "0", SLUICE, "run"], cwd=folder, stderr=subprocess.DEVNULL)
    try:
        proxy, admin = (http.client.HTTPConnection("127.0.0.1", port, timeout=60) for port in ports)
        while True:
            assert process.poll() is None, "the gateway ended"
            with contextlib.suppress(OSError):
                if ask(admin, "GET", "/status/ready")[0] == 200:
                    break
            admin.close()
            time.sleep(0.002)
        yield process, proxy, admin, time.monotonic() - began
    finally:
        process.terminate()
        process.wait()


def wait_for(proxy, path):
    while ask(proxy, "GET", path)[0] != 204:
        time.sleep(0.001)


def by_api(admin, proxy, _file, route, n):
    status, body = ask(admin, "PATCH", f"/routes/r{route}", {"paths": [f"/r{route}/a{n}"]})
    assert status == 200, body
    wait_for(proxy, f"/r{route}/a{n}")


def by_file(_admin, proxy, file, route, n):
    text = file.read_text().replace(f'paths = ["/r{route}/0"]', f'paths = ["/r{route}/f{n}"]', 1)
    beside = file.with_suffix(".new")
    beside.write_text(text)
    began = time.monotonic()
    beside.rename(file)
    wait_for(proxy, f"/r{route}/f{n}")
    return time.monotonic() - began


def timed(change, *args):
    began = time.monotonic()
    took = change(*args)
    return (took or time.monotonic() - began) * 1000


def main():
    os.sched_setaffinity(0, {1})
    for routes, consumers, hooks in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            ports = free_port(), free_port()
            file = pathlib.Path(folder, "gateway.toml")
            file.write_text(configuration(folder, ports, routes, consumers, hooks))
            print(f"{routes} routes, {consumers} consumers, {hooks} hooks: {file.stat().st_size >> 10} KiB")
            with running(folder, ports) as (process, proxy, admin, start):
                print(f"  up after {start:.2f} s, resident {resident_mib(process.pid):.0f} MiB")
                for name, change, first in [("by the Admin API", by_api, 0), ("by the file", by_file, routes // 2)]:
                    took = [timed(change, admin, proxy, file, first + n % (routes // 2), n) for n in range(TIMES if first == 0 else min(TIMES, routes // 2))]
                    p = statistics.quantiles(took, n=100, method="inclusive")
                    print(f"  a change {name} is live after p50 {p[49]:.0f} ms, p99 {p[98]:.0f} ms, at most {max(took):.0f} ms ({len(took)})")
                print(f"  resident {resident_mib(process.pid):.0f} MiB afterwards")


main()
