"""One target of three is killed and restarted under load; prints how many requests failed, and when it was passed over.

    python3 benches/targets.py [path of sluice] [seconds]

The load is wrk's (.ci/setup installs it), the targets are `sluice httpbin`. Nothing may fail, and a dead target may have
no traffic after a second.
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from compare import free_port

ARGUMENTS = sys.argv[1:] if __name__ == "__main__" else []
SLUICE = os.path.abspath(ARGUMENTS[0] if ARGUMENTS else "target/release/sluice")
SECONDS = int(ARGUMENTS[1]) if len(ARGUMENTS) > 1 else 60
PERIOD = 2.0


def wait_for(port, process=None):
    """Until somebody listens, unless the process ends that should."""
    for _ in range(1000):
        if process and process.poll() is not None:
            sys.exit(f"{process.args} ended")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.01)
    sys.exit(f"nothing listens on {port}")


@contextlib.contextmanager
def running(*command, **options):
    """A process that ends with the block, however the block ends."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def target(port):
    """A target that serves; it is killed by whoever leaves its block."""
    return running(SLUICE, "httpbin", "--listen", f"127.0.0.1:{port}", stderr=subprocess.DEVNULL)


def health(admin, port):
    """What the gateway thinks of the target on this port."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/upstreams/pool/health", timeout=5) as answer:
        targets = json.load(answer)["data"]
    return next(target["health"] for target in targets if target["target"] == f"127.0.0.1:{port}")


def flap(admin, port):
    """Kills and restarts the target on this port until the time is over: how often, and how long it was believed alive."""
    end = time.monotonic() + SECONDS - PERIOD
    kills, slowest = 0, 0.0
    while time.monotonic() < end:
        with target(port):
            wait_for(port)
            time.sleep(PERIOD / 2)
        killed = time.monotonic()
        while health(admin, port) == "HEALTHY" and time.monotonic() < killed + 10:
            time.sleep(0.005)
        slowest = max(slowest, time.monotonic() - killed)
        kills += 1
        time.sleep(max(0.0, killed + PERIOD / 2 - time.monotonic()))
    return kills, slowest


def main():
    ports = [free_port() for _ in range(3)]
    proxy, admin = free_port(), free_port()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        config = os.path.join(folder, "gateway.toml")
        with open(config, "w", encoding="utf-8") as out:
            out.write(f"""
[server]
listen = ["127.0.0.1:{proxy}"]
threads = 1
state_dir = "{folder}/state"
[admin]
listen = "127.0.0.1:{admin}"
[services.app]
url = "http://pool/anything"
[routes.app]
service = "app"
paths = ["/"]
[upstreams.pool]
targets = [{", ".join(f'"127.0.0.1:{port}"' for port in ports)}]
[upstreams.pool.healthchecks]
passive.unhealthy = {{ tcp_failures = 1, timeouts = 1 }}
active.healthy = {{ interval = 0.2, successes = 1 }}
active.unhealthy = {{ interval = 0.2, tcp_failures = 1 }}
""")
        for port in ports[1:]:
            stack.enter_context(target(port))
            wait_for(port)
        log = stack.enter_context(open(os.path.join(folder, "log"), "w", encoding="utf-8"))
        stack.enter_context(running(SLUICE, "run", "--config", config, stderr=log))
        wait_for(proxy)
        wait_for(admin)
        load = stack.enter_context(
            running("wrk", "-t1", "-c32", f"-d{SECONDS}s", f"http://127.0.0.1:{proxy}/", stdout=subprocess.PIPE, text=True)
        )
        kills, slowest = flap(admin, ports[0])
        said = load.communicate(timeout=30)[0]
    requests = int(re.search(r"(\d+) requests in", said).group(1))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    errors = re.search(r"Socket errors: (.*)", said)
    print(f"{requests} requests in {SECONDS} s, {kills} kills; failed: {bad.group(1) if bad else 0}; "
          f"socket errors: {errors.group(1) if errors else 'none'}; passed over after {slowest * 1e3:.0f} ms at the latest")
    sys.exit(1 if bad or errors or slowest > 1 else 0)


if __name__ == "__main__":
    main()
