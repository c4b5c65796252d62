"""A JupyterLab or Notebook server of a test's own, with nobody's settings, and what a browser asks it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

FILES = {"lab": "lab/tree", "notebook": "notebooks"}  # application → where it shows a file
PLACES = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")


class LabServer:
    """A running server: its address, its token, and questions to the extension's part of it."""

    def __init__(self, running: dict, application: str):
        self.url, self.token = running["url"], running["token"]
        self.files = FILES[application]

    def page(self, path: str) -> str:
        """The address of a file in the application."""
        return f"{self.url}{self.files}/{path}?token={self.token}"

    def ask(self, route: str, body: object = None, token: str | None = None, **query: str) -> tuple[int, dict]:
        """The status and the answer; `body` as JSON, bytes as they are."""
        address = f"{self.url}paillasse/api/{route}?{urlencode(query)}"
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {"Authorization": f"token {self.token if token is None else token}"}
        try:
            with urlopen(Request(address, data=data, headers=headers), timeout=60) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            content = error.read()
            return error.code, json.loads(content) if content.startswith(b"{") else {}


@contextmanager
def lab_server(
    root: Path, settings: Path, *options: str, application: str = "lab", **variables: str
) -> Iterator[LabServer]:
    """Start a server in a folder; `settings` is an empty one for all that it writes of its own."""
    places = {name: str(settings / name) for name in PLACES}
    own = {name: value for name, value in os.environ.items() if not name.startswith("PAILLASSE")}
    started = [sys.executable, "-m", "jupyter", application, "--no-browser", "--allow-root", "--ServerApp.port=0"]
    settings.mkdir(parents=True, exist_ok=True)
    log_file = settings / "lab.log"
    with log_file.open("w") as log:
        server = subprocess.Popen([*started, *options], cwd=root, env=own | places | variables, stdout=log, stderr=log)
        try:
            yield LabServer(_running(settings, server, log_file), application)
        finally:
            server.terminate()
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:  # of a request at the wrong moment Jupyter keeps a thread for ever
                server.kill()
                server.wait(15)


def _running(settings: Path, server: subprocess.Popen, log_file: Path) -> dict:
    for _ in range(480):
        for file in (settings / "JUPYTER_RUNTIME_DIR").glob("jpserver-*.json"):
            if content := file.read_text():  # it is not written in one step
                return json.loads(content)
        assert server.poll() is None, log_file.read_text()
        time.sleep(0.25)
    raise AssertionError(log_file.read_text())
