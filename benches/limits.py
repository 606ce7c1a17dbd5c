#!/usr/bin/env python3
"""What limits promise under load: exact, bounded, fair and cheap.

    cargo build --release && benches/limits.py [exact] [flood] [windows]

`exact`    64 connections hammer one key for 20 seconds within one minute: how many of them were admitted, by what the
           upstream saw and by what wrk saw.
`flood`    a client is limited; then 2,000,000 requests come, each with a key of its own. Is he still refused? What did it
           take in memory, and how slow did it make somebody else, beside a load of the same size on known keys?
`windows`  CPU time of a request that is passed on under three windows, beside one under no limit at all.
The same difference, told from the noise of the machine: `price.py windows`.

The gateway has one worker on CPU 0; wrk and the upstream (nginx) share CPU 1.
"""

import contextlib
import http.client
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

from compare import ROOT, cpu_seconds, free_port, nginx, resident_mib, running

SLUICE = ROOT / "target/release/sluice"


def limit(name, options):
    plugin = f"[routes.{name}.plugins.rate-limiting-advanced]\n{options}\n" if options else ""
    return f'[routes.{name}]\nservice = "up"\npaths = ["/{name}"]\nstrip_path = false\n{plugin}'


@contextlib.contextmanager
def gateway(routes, top="", sluice=SLUICE):
    upstream, proxy, admin = (free_port() for _ in range(3))
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        answer = "x" * 1000
        log = f"access_log {folder}/seen short buffer=64k flush=100ms;"
        body = f"log_format short '$status'; server {{ listen 127.0.0.1:{upstream} backlog=2048; {log} location / {{ default_type text/plain; return 200 \"{answer}\"; }} }}\n"
        stack.enter_context(running(1, nginx(folder, "upstream", body), upstream, folder))
        (folder / "gateway.toml").write_text(
            f'[server]\nlisten = ["127.0.0.1:{proxy}"]\nthreads = 1\n[admin]\nlisten = "127.0.0.1:{admin}"\n{top}\n'
            f'[services.up]\nurl = "http://127.0.0.1:{upstream}"\n{routes}'
        )
        pid = stack.enter_context(running(0, [sluice, "run"], proxy, folder))
        yield pid, proxy, folder


def wrk(url, seconds, connections=64, script=None, cpu="1"):
    command = ["taskset", "-c", cpu, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command += ["-s", str(script)] if script else []
    out = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return requests, int(refused.group(1)) if refused else 0, out


def status(proxy, path, headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", proxy)
    connection.request("GET", path, headers=dict(headers))
    return connection.getresponse().status


def exact():
    print("64 connections on one key for 20 s within one minute, limit 1,000 a minute")
    for window_type in ("sliding", "fixed", "exact"):
        options = f'limit = [1000]\nwindow_size = [60]\nwindow_type = "{window_type}"\nidentifier = "ip"'
        with gateway(limit("hot", options)) as (_, proxy, folder):
            # A minute begins, and 25 seconds of it are enough.
            time.sleep(60 - time.time() % 60 + 1 if time.time() % 60 > 35 else 0)
            requests, refused, _ = wrk(f"http://127.0.0.1:{proxy}/hot", 20)
            time.sleep(0.5)  # what the upstream logged is written by then
            seen = len((folder / "seen").read_text().splitlines())
            print(f"  {window_type:8} {requests} requests, {requests - refused} admitted as wrk saw it, {seen} reached the upstream")


LUA_FRESH = 'local n = 0\nrequest = function() n = n + 1 return wrk.format("GET", nil, { ["X-Client"] = "k" .. n }) end\n'
LUA_KNOWN = 'local n = 0\nrequest = function() n = n + 1 return wrk.format("GET", nil, { ["X-Client"] = "k" .. (n % 1000) }) end\n'


def flood():
    print("2,000,000 fresh keys, max_keys 1,000,000, limit 5 an hour")
    options = 'limit = [5]\nwindow_size = [3600]\nwindow_type = "{}"\nidentifier = "header"\nheader_name = "X-Client"'
    for window_type in ("sliding", "gcra"):
        with gateway(limit("flooded", options.format(window_type)) + limit("other", 'limit = [1000000]\nwindow_size = [60]\nidentifier = "ip"')) as (pid, proxy, folder):
            known, fresh = folder / "known.lua", folder / "fresh.lua"
            known.write_text(LUA_KNOWN)
            fresh.write_text(LUA_FRESH)
            a = [("X-Client", "A")]
            statuses = [status(proxy, "/flooded", a) for _ in range(6)]
            before = resident_mib(pid)
            p99 = {}
            for name, script in (("known", known), ("fresh", fresh)):
                load = subprocess.Popen(["taskset", "-c", "1", "wrk", "-t1", "-c64", "-d90s", "-s", str(script), f"http://127.0.0.1:{proxy}/flooded"], stdout=subprocess.PIPE, text=True)
                time.sleep(1)
                _, _, out = wrk(f"http://127.0.0.1:{proxy}/other", 10, connections=4)
                p99[name] = re.search(r"^\s+99%\s+(\S+)", out, re.M).group(1)
                if name == "known":
                    load.terminate()
                out = load.communicate()[0]
                sent = re.search(r"(\d+) requests in", out)
            # The flood goes on for its 90 seconds; it is over 2,000,000 keys by then on any machine that is worth a bench.
            still = status(proxy, "/flooded", a)
            print(f"  {window_type:8} A before {statuses}, A after {still}; {sent.group(1) if sent else '?'} keys sent; RSS {before:.0f} -> {resident_mib(pid):.0f} MiB; "
                  f"another client's p99 {p99['known']} under known keys, {p99['fresh']} under fresh ones")


THREE = 'limit = [1000000, 10000000, 100000000]\nwindow_size = [1, 60, 3600]\nidentifier = "ip"\n'


def windows():
    print("CPU time of a request that is passed on, median and range of 15 rounds of 2 s each, in turn")
    routes = {"none": limit("none", ""), "three": limit("three", THREE), "hidden": limit("hidden", THREE + "hide_client_headers = true")}
    with gateway("".join(routes.values())) as (pid, proxy, _):
        us = {name: [] for name in routes}
        for _ in range(15):
            for name in routes:
                before = cpu_seconds(pid)
                requests, refused, _ = wrk(f"http://127.0.0.1:{proxy}/{name}", 2)
                assert refused == 0
                us[name].append((cpu_seconds(pid) - before) * 1e6 / requests)
        base = statistics.median(us["none"])
        for name, rounds in us.items():
            middle = statistics.median(rounds)
            print(f"  {name:8} {middle:6.2f} us  {min(rounds):.2f}..{max(rounds):.2f}  {100 * (middle / base - 1):+.1f} %")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ["exact", "flood", "windows"]:
        {"exact": exact, "flood": flood, "windows": windows}[wanted]()
