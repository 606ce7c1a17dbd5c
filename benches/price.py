#!/usr/bin/env python3
"""What something costs per request that is passed on, told from the machine's noise.

    cargo build --release && benches/price.py [windows] [log] [before OTHER_BINARY]

`windows`  three windows of one limit, beside none.
`log`      the access log (json, to a file), beside none.
`before`   this binary beside another one, such as that of an older commit, on a route without plugins.

Two gateways run side by side and are asked in turn, a second each; CPU time is what the kernel counted of their threads. Said
is the median of the differences within pairs, and how sure it is. Each gateway has one worker on CPU 0; wrk and the upstream
(nginx) share CPU 1.
"""

import pathlib
import statistics
import sys

from limits import SLUICE, THREE, gateway, limit, wrk
from pairs import difference, in_turn

STARTS, PAIRS = 4, 20
PLAIN = limit("asked", "")


def nanoseconds(pid):
    """What all threads of a process have run for: to the nanosecond, where `stat` counts hundredths of a second."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


def asked(running):
    """CPU time of a request to the gateway, in nanoseconds."""
    pid, proxy, _ = running
    before = nanoseconds(pid)
    requests, refused, _ = wrk(f"http://127.0.0.1:{proxy}/asked", 1)
    assert refused == 0
    return (nanoseconds(pid) - before) / requests


def compare(what, without, having):
    print(f"{what}: {STARTS} times two gateways, {PAIRS} pairs of a second each")
    every = []
    for _ in range(STARTS):
        with gateway(**without) as one, gateway(**having) as other:
            # The first of each is warm-up.
            measured = in_turn(lambda: asked(one), lambda: asked(other), PAIRS + 1)[1:]
        us = [statistics.median(pair[side] for pair in measured) / 1000 for side in (0, 1)]
        print(f"  {us[0]:.2f} us, {us[1]:.2f} us: {difference(measured)}", flush=True)
        every += measured
    print(f"  all: {difference(every)}", flush=True)


def main(wanted):
    while wanted:
        match wanted.pop(0):
            case "windows":
                compare("three windows beside none", {"routes": PLAIN}, {"routes": limit("asked", THREE)})
            case "log":
                table = '[access_log]\nformat = "json"\nfile = "access.log"'
                compare("the access log beside none", {"routes": PLAIN}, {"routes": PLAIN, "top": table})
            case "before":
                other = pathlib.Path(wanted.pop(0)).resolve()
                compare(f"{SLUICE.name} beside {other.name}", {"routes": PLAIN, "sluice": other}, {"routes": PLAIN})
            case other:
                sys.exit(f"{other}: there is windows, log and before BINARY")


if __name__ == "__main__":
    main(sys.argv[1:] or ["windows", "log"])
