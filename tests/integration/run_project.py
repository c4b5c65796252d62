"""A project made for a test: one-cell notebooks, runs.yaml, and the command that runs it."""

import json
import os
import subprocess
import sys
import time

import nbformat
import psutil
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


class Project:
    """A project made of one-cell notebooks, and the command that runs it."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "notebooks").mkdir(parents=True)
        self.entries = []

    def notebook(self, name, *cells, parameters=None):
        tagged = [new_code_cell(parameters, metadata={"tags": ["parameters"]})] if parameters else []
        cells = [new_markdown_cell(f"# The question of {name}"), *tagged, *map(new_code_cell, cells)]
        nbformat.write(new_notebook(cells=cells), self.folder / "notebooks" / f"{name}.ipynb")

    def run(self, name, *cells, parameters=None, **entry):
        self.notebook(name, *cells, parameters=parameters)
        self.entries.append({"name": name, "notebook": f"notebooks/{name}.ipynb", **entry})
        (self.folder / "runs.yaml").write_text(json.dumps({"runs": self.entries}), encoding="utf-8")

    def start(self, *arguments, variables=None, **options):
        """Start the command; with variables of Paillasse's, of which it otherwise sees none."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PAILLASSE")}
        environment |= variables or {}
        command = [sys.executable, "-m", "paillasse.cli", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
        return subprocess.Popen(command, cwd=self.folder, env=environment | {"PYTHONUTF8": "1"}, **pipes, **options)

    def paillasse(self, *arguments):
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def results(self, name):
        """The folders of a run's results, the oldest first."""
        return sorted((self.folder / "runs" / name).iterdir())

    def result(self, name):
        """The folder of a run's only result."""
        (folder,) = (self.folder / "runs" / name).iterdir()
        return folder

    def state(self, name):
        return json.loads((self.result(name) / "run.json").read_text(encoding="utf-8"))

    def outputs(self, name):
        """All that the executed notebook printed."""
        notebook = nbformat.read(self.result(name) / "notebook.ipynb", as_version=4)
        return "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))


def wait_until(condition, seconds=60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie, which nobody has to answer for here."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def state_of(project: Project, name: str) -> str | None:
    """What run.json says; None as long as there is none."""
    files = list((project.folder / "runs" / name).glob("*/run.json"))
    return json.loads(files[-1].read_text())["state"] if files else None


def busy_kernel(project: Project) -> int:
    """The process of a notebook that writes its number into `pid`, once it has."""
    pid = project.folder / "notebooks" / "pid"
    wait_until(lambda: pid.exists() and pid.read_text())
    return int(pid.read_text())
