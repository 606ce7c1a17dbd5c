#!/usr/bin/env python3
"""What a request costs: CPU time per request of Sluice beside nginx and a bare Pingora proxy, in one run.

    cargo build --release && cargo build --release -p sluice-proxy --example bare
    benches/compare.py [--rounds 3] [--seconds 4] [--connections 64]

Every proxy has one worker on CPU 0 and does the same work: it passes requests on to an nginx on CPU 1 that answers 1,000
bytes, under a limit that never trips; or it refuses nearly all of them. wrk shares CPU 1. A figure is the median over the
rounds of (user + system time of the proxy's processes) / requests; it holds on a noisy machine, requests per second do
not. The idle column is the resident memory before the first request. Needs nginx and wrk.
"""

import argparse
import contextlib
import pathlib
import re
import socket
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TICKS = 100  # a second, on every Linux that is in use


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def nginx(folder, name, body, connections=4096):
    config = folder / f"{name}.conf"
    config.write_text(
        f"worker_processes 1; daemon off; error_log stderr crit; pid {folder}/{name}.pid;\n"
        f"events {{ worker_connections {connections}; }}\n"
        "http { access_log off; keepalive_requests 100000000; keepalive_timeout 600s;\n" + body + "}\n"
    )
    return ["nginx", "-c", str(config)]


@contextlib.contextmanager
def running(cpu, command, port, cwd):
    process = subprocess.Popen(["taskset", "-c", str(cpu), *command], cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.02)
        yield process.pid
    finally:
        # The bare proxy has Pingora's grace period of five minutes; nginx ends its workers only if it is asked.
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
        process.kill()
        process.wait()


def family(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [int(child) for child in children]


def cpu_seconds(pid):
    total = 0
    for member in family(pid):
        fields = pathlib.Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident_mib(pid):
    status = (pathlib.Path(f"/proc/{member}/status").read_text() for member in family(pid))
    return sum(int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) for text in status) / 1024


def measure(pid, url, options):
    before = cpu_seconds(pid)
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "--latency", url]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if "Socket errors" in out:
        raise SystemExit(f"{url}: {out}")
    return {
        "us": (cpu_seconds(pid) - before) * 1e6 / requests,
        "rps": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
        "p99": re.search(r"^\s+99%\s+(\S+)", out, re.M).group(1),
        "refused": int(refused.group(1)) / requests if refused else 0.0,
    }


def report(title, rows):
    print(f"\n{title}\n{'':22}{'CPU us/request':>16}{'min..max':>16}{'x nginx':>9}{'req/s':>9}{'p99':>10}{'refused':>9}")
    base = None
    for name, rounds in rows.items():
        us = statistics.median(r["us"] for r in rounds)
        base = base or us
        spread = f"{min(r['us'] for r in rounds):.2f}..{max(r['us'] for r in rounds):.2f}"
        middle = sorted(rounds, key=lambda r: r["us"])[len(rounds) // 2]
        print(f"{name:22}{us:>16.2f}{spread:>16}{us / base:>9.2f}{middle['rps']:>9.0f}{middle['p99']:>10}{middle['refused']:>9.3f}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=int, default=4)
    arguments.add_argument("--connections", type=int, default=64)
    arguments.add_argument("--sluice", default=str(ROOT / "target/release/sluice"))
    arguments.add_argument("--bare", default=str(ROOT / "target/release/examples/bare"))
    options = arguments.parse_args()
    upstream, nginx_pass, nginx_refuse, sluice, admin = (free_port() for _ in range(5))
    bare = free_port()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        answer = "x" * 1000
        serve = f"server {{ listen 127.0.0.1:{upstream} backlog=2048; location / {{ default_type text/plain; return 200 \"{answer}\"; }} }}\n"
        stack.enter_context(running(1, nginx(folder, "upstream", serve), upstream, folder))
        to = "proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
        proxy = (
            "limit_req_zone $binary_remote_addr zone=big:10m rate=1000000r/s; limit_req_zone $binary_remote_addr zone=small:10m rate=100r/s;\n"
            f"limit_req_status 429; upstream u {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 100000000; }}\n"
            f"server {{ listen 127.0.0.1:{nginx_pass}; location / {{ limit_req zone=big burst=1000000 nodelay; {to} }} }}\n"
            f"server {{ listen 127.0.0.1:{nginx_refuse}; location / {{ limit_req zone=small burst=100 nodelay; {to} }} }}\n"
        )
        nginx_id = stack.enter_context(running(0, nginx(folder, "proxy", proxy), nginx_pass, folder))
        limit = '[routes.{0}]\nservice = "up"\npaths = ["/{0}"]\nstrip_path = false\n[routes.{0}.plugins.rate-limiting-advanced]\nlimit = [{1}]\nwindow_size = [1]\nidentifier = "ip"\n'
        (folder / "gateway.toml").write_text(
            f'[server]\nlisten = ["127.0.0.1:{sluice}"]\nthreads = 1\n[admin]\nlisten = "127.0.0.1:{admin}"\n'
            f'[services.up]\nurl = "http://127.0.0.1:{upstream}"\n' + limit.format("limited", 1_000_000) + limit.format("small", 100)
            + '[routes.plain]\nservice = "up"\npaths = ["/plain"]\nstrip_path = false\n'
        )
        sluice_id = stack.enter_context(running(0, [options.sluice, "run"], sluice, folder))
        idle = resident_mib(sluice_id)
        passes = {
            "nginx": (nginx_id, f"http://127.0.0.1:{nginx_pass}/"),
            "sluice, one limit": (sluice_id, f"http://127.0.0.1:{sluice}/limited"),
            "sluice, no plugin": (sluice_id, f"http://127.0.0.1:{sluice}/plain"),
        }
        refuses = {"nginx": (nginx_id, f"http://127.0.0.1:{nginx_refuse}/"), "sluice": (sluice_id, f"http://127.0.0.1:{sluice}/small")}
        if pathlib.Path(options.bare).exists():
            bare_id = stack.enter_context(running(0, [options.bare, str(bare), str(upstream)], bare, folder))
            passes["bare Pingora"] = (bare_id, f"http://127.0.0.1:{bare}/")
            refuses["bare Pingora"] = (bare_id, f"http://127.0.0.1:{bare}/small")
        for title, targets in [("passed on, CPU time of one request", passes), ("refused with 429, CPU time of one request", refuses)]:
            rows = {}
            for _ in range(options.rounds):
                for label, (pid, url) in targets.items():
                    rows.setdefault(label, []).append(measure(pid, url, options))
            report(title, rows)
        print(f"\nsluice: {idle:.1f} MiB resident when idle, {resident_mib(sluice_id):.1f} MiB after the load")


if __name__ == "__main__":
    main()
