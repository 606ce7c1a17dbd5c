"""A gateway whose configuration is changed while it runs, and killed and started again."""

import contextlib
import http.client
import json
import os
import pathlib
import subprocess
import time

from compare import free_port


class Gateway:
    """A process on a file in a folder of its own; `entities` is what the file says behind its head."""

    def __init__(self, sluice, folder, entities="", threads=1):
        self.sluice, self.folder = os.path.abspath(sluice), pathlib.Path(folder)
        self.file, self.log = self.folder / "gateway.toml", self.folder / "log"
        self.proxy, self.admin = free_port(), free_port()
        self.head = (f'[server]\nlisten = ["127.0.0.1:{self.proxy}"]\nthreads = {threads}\nstate_dir = "{folder}/state"\n'
                     f'[admin]\nlisten = "127.0.0.1:{self.admin}"\n')
        self.file.write_text(self.head + entities)
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self, *before):
        """Starts it and waits until it is ready."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*before, self.sluice, "run"], cwd=self.folder, stderr=log)
        while True:
            assert self.process.poll() is None, f"the gateway ended:\n{self.log.read_text()[-2000:]}"
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask("GET", "/status/ready")[0] == 200:
                    return
            time.sleep(0.005)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ask(self, method, path, body=None):
        """The status and the JSON that the Admin API answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None

    def ask_text(self, path):
        """The body of what the Admin API answers."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.admin, timeout=60)) as connection:
            connection.request("GET", path)
            return connection.getresponse().read().decode()

    def all(self, path):
        """All of a list."""
        entities, path = [], path + ("&" if "?" in path else "?") + "size=1000"
        while path:
            status, page = self.ask("GET", path)
            assert status == 200, page
            entities += page["data"]
            path = page["next"]
        return entities

    def status(self):
        return self.ask("GET", "/config/status")[1]

    def rename_over(self, text):
        """Writes as editors do that write a new file and rename it over the old one."""
        beside = self.file.with_suffix(".new")
        beside.write_bytes(text if isinstance(text, bytes) else text.encode())
        beside.rename(self.file)

    def write_over(self, text):
        """Writes as editors do that truncate the file."""
        self.file.write_bytes(text if isinstance(text, bytes) else text.encode())

    def logged(self, text):
        """How many lines of the log hold this."""
        return self.log.read_text(errors="replace").count(text)
