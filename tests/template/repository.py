"""A folder under git, edited and committed as people do it, and updated by `paillasse update`."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat


class Repository:
    """A folder under git, edited and committed as people do it."""

    def __init__(self, folder: Path, environment: dict[str, str]):
        self.folder, self.environment = folder, environment

    def run(self, *command: str | Path, **more: str) -> subprocess.CompletedProcess:
        told = {"capture_output": True, "encoding": "utf-8", "stdin": subprocess.DEVNULL, "check": False}
        return subprocess.run(list(map(str, command)), cwd=self.folder, env=self.environment | more, **told)

    def git(self, *arguments: str | Path) -> str:
        done = self.run("git", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def paillasse(self, *arguments: str | Path, **more: str) -> subprocess.CompletedProcess:
        return self.run(sys.executable, "-m", "paillasse.cli", *arguments, **more)

    def updated(self, *arguments: str | Path) -> str:
        """What an update says that has no conflict."""
        done = self.paillasse("update", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def write(self, name: str, content: str | bytes) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(content.encode("utf-8") if isinstance(content, str) else content)

    def edit(self, name: str, old: str, new: str) -> None:
        text = self.read(name)
        assert old in text, f"{old!r} is not in {name}"
        self.write(name, text.replace(old, new, 1))

    def append(self, name: str, text: str) -> None:
        self.write(name, self.read(name) + text)

    def edit_cell(self, name: str, position: int, source: str) -> None:
        notebook = nbformat.reads(self.read(name), as_version=4)
        notebook.cells[position].source = source
        self.write(name, nbformat.writes(notebook) + "\n")

    def add_cell(self, name: str, source: str) -> None:
        notebook = nbformat.reads(self.read(name), as_version=4)
        notebook.cells.append(nbformat.v4.new_markdown_cell(source, id="ours"))
        self.write(name, nbformat.writes(notebook) + "\n")

    def commit(self, message: str, tag: str | None = None) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        if tag:
            self.git("tag", "--annotate", tag, "--message", tag)
        return self.git("rev-parse", "HEAD")

    def record(self) -> dict:
        return json.loads(self.read(".paillasse.json"))

    def cells(self, name: str) -> list[str]:
        return [cell.source for cell in nbformat.read(self.folder / name, as_version=4).cells]
