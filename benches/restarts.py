"""Upgrades and stops under load; prints what became of every request, and how soon a process ended.

    python3 benches/restarts.py [path of sluice] [upgrades and stops of each]

2,000 requests a second, half of them on connections that are kept and half on a new one each. At every upgrade and every
stop a request of a second is under way, so that the last answer of the process that ends is known. An upgrade may refuse
nothing; neither may truncate an answer; a process ends within a second of its last answer.
"""

import asyncio
import contextlib
import http.client
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

from compare import free_port

SLUICE = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/release/sluice")
TIMES = int(sys.argv[2]) if len(sys.argv) > 2 else 20
RATE, CLIENTS, PROCESSES = 2000, 40, 2
KINDS = ["answered", "refused", "unanswered", "truncated", "again", "told to go", "not in time"]
UPGRADING, STOPPING, OVER = range(3)


async def one(port, kept, keep):
    """Asks once. What became of it, and the connection if it is kept."""
    reused = kept is not None
    try:
        reader, writer = kept or await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return "refused", None
    got = b""
    try:
        writer.write(b"GET /demo HTTP/1.1\r\nHost: x\r\nConnection: %s\r\n\r\n" % (b"keep-alive" if keep else b"close"))
        got = await reader.readuntil(b"\r\n\r\n")
        head = got.lower()
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        writer.close()
        got += error.partial
        return ("truncated" if got else "again" if reused else "unanswered"), None
    except (OSError, ValueError, IndexError):
        writer.close()
        return ("truncated" if got else "again" if reused else "unanswered"), None
    if not head.startswith(b"http/1.1 200 "):
        return "truncated", None
    if keep and b"\nconnection: close" not in head:
        return "answered", (reader, writer)
    writer.close()
    return ("told to go" if keep else "answered"), None


async def client(port, keep, phase, sums):
    """Asks at its share of the rate, and again at once when a kept connection was closed under its request."""
    kept, period = None, CLIENTS / RATE
    due = time.monotonic()
    while phase.value != OVER:
        during = phase.value
        outcome, kept = await one(port, kept, keep)
        sums[during * len(KINDS) + KINDS.index(outcome)] += 1
        if outcome == "again":
            continue
        due += period
        wait = due - time.monotonic()
        if wait < -0.5:
            sums[during * len(KINDS) + KINDS.index("not in time")] += 1
            due = time.monotonic()
        await asyncio.sleep(max(wait, 0))


def clients(port, phase, sums):
    async def run():
        await asyncio.gather(*(client(port, n % 2 == 0, phase, sums) for n in range(CLIENTS // PROCESSES)))

    asyncio.run(run())


class Slow(threading.Thread):
    """A request of a second; when it was answered."""

    def __init__(self, port):
        super().__init__()
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.connection.request("GET", "/slow")
        self.answered = None
        self.start()

    def run(self):
        answer = self.connection.getresponse()
        if answer.status == 200 and answer.read():
            self.answered = time.monotonic()


class Gateway:
    def __init__(self, folder, log, *more):
        self.process = subprocess.Popen([SLUICE, "run", "--config", f"{folder}/gateway.toml", *more], stderr=log)

    def owns(self, folder):
        """Waits until it has the folder: it listens everywhere then."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(OSError, ValueError):
                if int(open(f"{folder}/state/sluice.pid").read()) == self.process.pid:
                    return self
            if self.process.poll() is not None:
                sys.exit(f"the gateway ended with {self.process.returncode}")
            time.sleep(0.005)
        sys.exit("the gateway does not come up")

    def ended_after(self, slow):
        """How long after the last answer it ended."""
        self.process.wait(timeout=60)
        ended = time.monotonic()
        slow.join()
        if slow.answered is None:
            sys.exit("a request that was under way was not answered")
        return ended - slow.answered


def main():
    ports = [free_port() for _ in range(3)]
    proxy, admin, upstream = ports
    phase = multiprocessing.Value("i", UPGRADING)
    shared = [multiprocessing.Array("q", 2 * len(KINDS)) for _ in range(PROCESSES)]
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/log", "w") as log, contextlib.ExitStack() as ending:
        with open(f"{folder}/gateway.toml", "w") as file:
            file.write(f'''[server]
listen = ["127.0.0.1:{proxy}"]
state_dir = "{folder}/state"
[admin]
listen = "127.0.0.1:{admin}"
[services.demo]
url = "http://127.0.0.1:{upstream}/bytes/1000"
[routes.demo]
service = "demo"
paths = ["/demo"]
[services.slow]
url = "http://127.0.0.1:{upstream}/delay/1"
[routes.slow]
service = "slow"
paths = ["/slow"]
''')
        httpbin = subprocess.Popen([SLUICE, "httpbin", "--listen", f"127.0.0.1:{upstream}"], stderr=subprocess.DEVNULL)
        ending.callback(httpbin.kill)
        gateway = Gateway(folder, log).owns(folder)
        ending.callback(lambda: gateway.process.kill())
        load = [multiprocessing.Process(target=clients, args=(proxy, phase, sums), daemon=True) for sums in shared]
        for process in load:
            process.start()
        began = time.monotonic()
        time.sleep(1)
        took, ends = [], {UPGRADING: [], STOPPING: []}
        for _ in range(TIMES):
            slow, asked = Slow(proxy), time.monotonic()
            time.sleep(0.1)
            old, gateway = gateway, Gateway(folder, log, "--upgrade").owns(folder)
            took.append(time.monotonic() - asked - 0.1)
            ends[UPGRADING].append(old.ended_after(slow))
        upgrading = time.monotonic() - began
        phase.value = STOPPING
        for _ in range(TIMES):
            slow = Slow(proxy)
            time.sleep(0.1)
            gateway.process.send_signal(signal.SIGTERM)
            ends[STOPPING].append(gateway.ended_after(slow))
            gateway = Gateway(folder, log).owns(folder)
            time.sleep(0.3)
        phase.value = OVER
        for process in load:
            process.join(timeout=30)
        gateway.process.send_signal(signal.SIGTERM)
        gateway.process.wait(timeout=60)
    sums = [[sum(part[during * len(KINDS) + kind] for part in shared) for kind in range(len(KINDS))] for during in (0, 1)]
    print(f"{'':22}" + "".join(f"{kind:>13}" for kind in KINDS))
    for name, row in zip((f"{TIMES} upgrades", f"{TIMES} stops"), sums):
        print(f"{name:22}" + "".join(f"{count:13}" for count in row))
    print(f"requests a second during the upgrades: {sum(sums[UPGRADING][:6]) / upgrading:.0f}")
    print(f"from the start of the new process until it has taken over: {sorted(took)[len(took) // 2] * 1000:.0f} ms, at most {max(took) * 1000:.0f} ms")
    for name, during in (("upgrades", UPGRADING), ("stops", STOPPING)):
        worst = sorted(ends[during])
        print(f"from the last answer to the end of the process, {name}: {worst[len(worst) // 2] * 1000:.0f} ms, at most {worst[-1] * 1000:.0f} ms")
    upgraded = dict(zip(KINDS, sums[UPGRADING]))
    stopped = dict(zip(KINDS, sums[STOPPING]))
    lost = upgraded["refused"] + upgraded["unanswered"] + upgraded["truncated"] + stopped["truncated"]
    late = max(max(ends[UPGRADING]), max(ends[STOPPING])) > 1
    sys.exit("not as it should be" if lost or late else 0)


if __name__ == "__main__":
    main()
