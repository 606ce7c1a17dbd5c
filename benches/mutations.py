#!/usr/bin/env python3
"""200 mutated files, one after the other, under a gateway that runs: the old configuration serves on, and the next sound one is taken.

    cargo build --release
    benches/mutations.py [path of sluice] [how many] [seed] [MB of those that are large]

Files are cut short, have values of wrong types, keys and tables twice, bytes that are no text, 10 MB, nesting without an end, and more; by a
seed. Each is written by a rename or by truncating the file. `sluice check` says of each whether it is sound after all (64: it is not). One that is not must
be refused once, each of its problems with a line, while every request gets the answer of the configuration before it; a sound one must be
applied. After each comes a sound file with another answer. Nothing may panic, end, or take longer than a minute. `tests/bad_files.rs` runs this.
"""

import contextlib
import http.client
import os
import random
import re
import subprocess
import sys
import tempfile
import time

from compare import resident_mib
from live import Gateway

SLUICE = sys.argv[1] if len(sys.argv) > 1 else "target/release/sluice"
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 200
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 1
PATIENCE = 60
LARGE = (int(sys.argv[4]) if len(sys.argv) > 4 else 10) << 20
VALUES = ['"text"', "-1", "1.5", "true", "{}", "[]", "[[1]]", "{ a = { b = 1 } }", "1979-05-27", "nan", "inf", "1e400", "99999999999999999999", '""', "[1, \"a\"]", "'''\n'''"]


def sound(head, n):
    """A file that is sound, whose probe answers with this number."""
    return head + f"""
[routes.probe]
paths = ["/probe"]
[routes.probe.plugins.request-termination]
status_code = 200
message = "{n}"

[services.demo]
url = "http://127.0.0.1:1/anything" # where to
retries = 2
tags = ["a", "b"]
[services.demo.plugins.rate-limiting-advanced]
limit = [3, 100]
window_size = [60, 3600]
identifier = "consumer"
[routes.demo]
service = "demo"
hosts = ["example.com", "*.example.org"]
paths = ["/demo", '~/\\d+$']
headers = {{ x-version = ["1", "2"] }}
[upstreams.pool]
targets = [{{ target = "127.0.0.1:9", weight = 5 }}, "127.0.0.1:10"]
[upstreams.pool.healthchecks.active.healthy]
interval = 60
[consumers.Joe]
custom_id = "joe-1"
key-auth = [{{ key = "joe-key" }}]
[event_hooks.log]
source = "config"
handler = "log"
snooze = 5
"""


def lines_with(text, pattern):
    return [n for n, line in enumerate(text.splitlines()) if re.match(pattern, line)]


def on_a_line(text, rng, pattern, change):
    """The text with one of the lines that look so changed."""
    lines = text.splitlines()
    at = rng.choice(lines_with(text, pattern))
    lines[at:at + 1] = change(lines[at])
    return "\n".join(lines) + "\n"


def large(rng):
    """Much of something."""
    unit = rng.choice(["x = 1\n", "[services.s]\n", "[[a]]\n", "# comment\n", "[", "{ a = ", "a.", "x", '"', "\n", "é"])
    numbered = rng.random() < 0.3
    if numbered:
        return "".join(f"[services.s{n}]\nurl = 1\n" for n in range(LARGE // 30))
    return "x = " * (unit in "[{ a = \"") + unit * (LARGE // len(unit.encode())) + rng.choice(["", "\n", " = 1\n"])


def flipped(text, rng):
    for _ in range(rng.randrange(1, 5)):
        text[rng.randrange(len(text))] ^= 1 << rng.randrange(8)
    return bytes(text)


def deep(rng):
    """Nesting without an end, or with one."""
    depth = rng.choice([50, 130, 1000, 20_000, 200_000])
    left, right = rng.choice([("[", "]"), ("{ a = ", " }"), ("[ { a = ", " } ]")])
    name = rng.choice(["deep", "services.demo.tags", "routes.demo.headers"])
    keys = ".".join(["a"] * depth)
    closed = rng.choice([0, 1])
    return rng.choice([f"[top]\n{name} = {left * depth}1{right * depth * closed}\n", f"[services.demo.{keys}]\n", f"[other]\n{keys} = 1\n", f"[[services.demo.{keys}]]\n"])


MUTATIONS = {
    "cut short": lambda text, rng: text[:rng.randrange(1, len(text))],
    "wrong type": lambda text, rng: on_a_line(text, rng, r"\w[\w-]* = ", lambda line: [line.split(" = ")[0] + " = " + rng.choice(VALUES)]),
    "key twice": lambda text, rng: on_a_line(text, rng, r"\w[\w-]* = ", lambda line: [line, line]),
    "table twice": lambda text, rng: text + rng.choice([line for line in text.splitlines() if line.startswith("[")]) + "\n",
    "NUL": lambda text, rng: (at := rng.randrange(len(text))) and text[:at] + "\0" + text[at:],
    "much more": lambda text, rng: text + "[more]\n" + large(rng),
    "much in front": lambda text, rng: large(rng) + text,
    "much noise": lambda text, rng: text.encode() + rng.randbytes(LARGE),
    "nested deeply": lambda text, rng: text + deep(rng),
    "noise": lambda text, rng: rng.randbytes(rng.randrange(1, 5000)),
    "flipped bits": lambda text, rng: flipped(bytearray(text.encode()), rng),
    "mark of the byte order": lambda text, rng: b"\xef\xbb\xbf" + text.encode(),
    "UTF-16": lambda text, rng: text.encode("utf-16"),
    "Latin-1": lambda text, rng: text.replace("# where", "# wä").encode("latin-1"),
    "CRLF": lambda text, rng: text.replace("\n", "\r\n"),
    "CR": lambda text, rng: text.replace("\n", "\r"),
    "empty": lambda text, rng: "",
    "blank": lambda text, rng: rng.choice([" ", "\n", "\t\n" * 99, "# nothing"]),
    "line gone": lambda text, rng: on_a_line(text, rng, r".", lambda line: []),
    "lines in disorder": lambda text, rng: "\n".join(rng.sample(lines := text.splitlines(), len(lines))),
    "wrong name": lambda text, rng: on_a_line(text, rng, r"\w[\w-]* = ", lambda line: ["x" + line]),
    "string without an end": lambda text, rng: on_a_line(text, rng, r'.*"', lambda line: [line[:line.rindex('"')]]),
    "escape that is none": lambda text, rng: on_a_line(text, rng, r'\w+ = "', lambda line: [line.replace('= "', '= "\\q', 1)]),
    "reference to nothing": lambda text, rng: on_a_line(text, rng, r'\w+ = "', lambda line: [re.sub(r'"[^"]*"', rng.choice(['"${NOT_THERE}"', '"${file:/not/there}"', '"${"']), line, count=1)]),
    "includes": lambda text, rng: rng.choice(['include = ["*.toml"]\n', 'include = ["/not/there/*.toml"]\n', "include = 5\n", 'include = ["**"]\n', 'include = ["["]\n']) + text,
}


class Probe:
    """Asks the proxy by a connection that is kept."""

    def __init__(self, port):
        self.connection, self.asked = http.client.HTTPConnection("127.0.0.1", port, timeout=20), 0

    def __call__(self):
        self.asked += 1
        self.connection.request("GET", "/probe")
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode()


def is_sound(text, folder):
    """What `sluice check` says of it."""
    file = folder / "checked" / "gateway.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text)
    done = subprocess.run([SLUICE, "check", str(file)], capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode in (0, 64), f"sluice check ends with {done.returncode}: {done.stderr[-2000:]}"
    return done.returncode == 0


def wait(what, ask):
    until = time.monotonic() + PATIENCE
    while not ask():
        assert time.monotonic() < until, f"not within {PATIENCE} s: {what}"
        time.sleep(0.001)


def try_one(gateway, probe, rng, n, name, text):
    """Writes a mutated file, and a sound one after it. Whether the mutated one was refused."""
    good = is_sound(text, gateway.folder)
    version, refused, old = gateway.status()["version"], gateway.logged("configuration refused"), probe()
    assert old == (200, f'{{"message":"{n}"}}'), f"{name}: {old}"
    rng.choice([gateway.rename_over, gateway.write_over])(text)
    if good:
        wait(f"{name} is applied", lambda: gateway.status()["version"] == version + 1)
    else:
        def done():
            answer = probe()
            assert answer == old, f"{name}: {answer} instead of {old}"
            return gateway.logged("configuration refused") > refused
        wait(f"{name} is refused", done)
        status = gateway.status()
        assert status["version"] == version and status["problems"], f"{name}: {status}"
        wrong = [problem for problem in status["problems"] if not re.match(r".+:\d+:\d+(  .*)?: .", problem, re.S)]
        assert not wrong, f"{name}: {wrong[:5]}"
    rng.choice([gateway.rename_over, gateway.write_over])(sound(gateway.head, n + 1))
    wait(f"the sound file after {name} is applied", lambda: gateway.status()["version"] == version + 1 + good)
    assert probe() == (200, f'{{"message":"{n + 1}"}}'), name
    assert gateway.logged("configuration refused") == refused + (not good), f"{name} is told of more than once"
    return not good


def main():
    rng, refused, slowest = random.Random(SEED), 0, (0.0, "")
    names = list(MUTATIONS)
    with tempfile.TemporaryDirectory() as folder, Gateway(SLUICE, folder) as gateway:
        gateway.kill()
        gateway.file.write_text(sound(gateway.head, 0))
        gateway.start()
        probe, memory = Probe(gateway.proxy), resident_mib(gateway.process.pid)
        for n in range(COUNT):
            name = names[n % len(names)]
            text = MUTATIONS[name](sound(gateway.head, n), rng)
            text = text if isinstance(text, bytes) else text.encode()
            if text == sound(gateway.head, n).encode():
                text += b"# and no more\n"
            began = time.monotonic()
            try:
                refused += try_one(gateway, probe, rng, n, name, text)
            except BaseException:
                with contextlib.suppress(OSError):
                    kept = os.path.join(tempfile.gettempdir(), "mutated.toml")
                    open(kept, "wb").write(text)
                    print(f"the file number {n} (seed {SEED}): {name}; kept as {kept}")
                raise
            slowest = max(slowest, (time.monotonic() - began, name))
        panics, grown = gateway.logged("panicked"), resident_mib(gateway.process.pid)
        assert gateway.process.poll() is None and not panics, gateway.log.read_text()[-2000:]
        print(f"{COUNT} files, seed {SEED}: {refused} refused, each once and with lines, {COUNT - refused} sound after all and applied; {probe.asked} requests, each answered by the file in force; "
              f"0 panics; the slowest {slowest[0]:.1f} s ({slowest[1]}); {memory:.0f} MiB resident before, {grown:.0f} after; the log has {gateway.log.stat().st_size >> 10} KiB")


if __name__ == "__main__":
    main()
