"""The runs as their panel shows them: each with its true state, why it would run again, and what came out.

They are started by the same command as in a terminal, in a process of its own: it goes on when the browser or the
server ends, and a terminal sees its runs as the panel sees a terminal's.
"""

import csv
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

from paillasse.errors import InputError, RunError, did_you_mean
from paillasse.runs.declared import FILE, MANY_RUNS, Run, choose, default_profile, read_runs
from paillasse.runs.inputs import forget, plan_of
from paillasse.runs.parameters import read_notebook
from paillasse.runs.results import (
    FOLDER,
    NOTEBOOK,
    WORKING_NOTEBOOK,
    describe_error,
    latest,
    newest_results,
    read_state,
    seconds,
    started,
)

LOG = ".jupyterlab.log"  # what the command says that the panel has started last
FIGURES = ("application/vnd.plotly.v1+json", "image/png", "image/svg+xml")
MOST_FIGURES = 12
MOST_ROWS = 50
_started: dict[Path, subprocess.Popen] = {}  # by project: so that its end is noticed, and no second one started


def listed(project: Path, root: Path) -> dict:
    """Every run with the state of its newest result; of more than 1,000 the first ones.

    Raises
    ------
    RunError
        There is no `runs.yaml`, or it has mistakes: all of them, with line and key.
    """
    has_file = (project / FILE).is_file()
    declared = {run.name: run for run in read_runs(project)} if has_file else {}
    results = newest_results(project, list(declared))
    if not has_file and not results:
        raise RunError(f"There is no {FILE} in {project.name} yet. Fill in a notebook's form and add it there.")
    rows = [_row(name, declared.get(name), folder, root) for name, folder in results[:MANY_RUNS]]
    return {"runs": rows, "more": max(0, len(results) - MANY_RUNS), "message": _last_words(project)}


def _row(name: str, run: Run | None, folder: Path | None, root: Path) -> dict:
    state = read_state(folder) if folder else {"state": "not run yet"}
    is_running = state["state"] == "running"
    return {
        "name": name,
        "result": folder.name if folder else None,
        "state": state["state"],
        "headline": state.get("headline") or describe_error(state),
        "started": started(state),
        "seconds": seconds(state),
        "progress": _progress(folder) if is_running else None,
        "declared": run is not None,
        "notebook": _below(root, run.notebook) if run else None,
        "executed": _below(root, folder / NOTEBOOK) if folder else None,
    }


def _below(root: Path, file: Path) -> str | None:
    """The path by which JupyterLab can open a file; None where it cannot."""
    root = root.resolve()
    return file.relative_to(root).as_posix() if file.is_file() and file.is_relative_to(root) else None


def _progress(folder: Path) -> list[int] | None:
    """Which code cell is executing, of how many; 0 while the kernel starts. The notebook is written once a second."""
    try:
        cells = read_notebook(folder / WORKING_NOTEBOOK)["cells"]
    except Exception:  # not yet there
        return None
    code = [cell for cell in cells if cell["cell_type"] == "code" and cell["source"].strip()]
    return [sum(cell.get("execution_count") is not None for cell in code), len(code)]


def reasons(project: Path) -> dict[str, str | None]:
    """Name of each run → why it would run again, None where its newest result stands."""
    if not (project / FILE).is_file():
        return {}
    declared = read_runs(project)[:MANY_RUNS]
    default = default_profile(project)
    forget()
    return plan_of(project, [replace(run, profile=run.profile or default) for run in declared])


def start(project: Path, names: list[str], fresh: bool) -> dict:
    """Execute runs, as `paillasse run NAME… [--fresh]` does in the project's folder.

    Raises
    ------
    RunError
        There is no such run, or runs that were started here are still being executed.
    """
    chosen = choose(read_runs(project), tuple(names))
    launch(project, [sys.executable, "-m", "paillasse.cli", "run", *(["--fresh"] if fresh else []), "--", *names])
    return {"started": [run.name for run in chosen]}


def launch(project: Path, command: list[str], stdin: int = subprocess.DEVNULL) -> subprocess.Popen:
    """Start a command that executes runs, one at a time for each project.

    Raises
    ------
    RunError
        The last one is still at work.
    """
    before = _started.get(project)
    if before is not None and before.poll() is None:
        raise RunError("Runs that were started here are still being executed. Wait for them, or stop them.")
    (project / FOLDER).mkdir(exist_ok=True)
    with (project / FOLDER / LOG).open("wb") as log:
        _started[project] = subprocess.Popen(
            command, cwd=project, stdin=stdin, stdout=log, stderr=log, start_new_session=True
        )
    return _started[project]


def stop(project: Path, name: str) -> dict:
    """Stop the process that executes a run, and with it all runs that it executes, as Ctrl-C does in its terminal.

    Raises
    ------
    RunError
        It is not running, or on another machine.
    """
    folder = latest(project, name)
    state = read_state(folder) if folder else {}
    if state.get("state") != "running":
        raise RunError(f"{name!r} is not running.")
    owner = state["owner"]
    if owner["host"] != socket.gethostname():
        raise RunError(f"{name!r} is executed on {owner['host']}: stop it there.")
    os.kill(owner["pid"], signal.SIGINT)
    return {"stopping": name}


def result(project: Path, name: str, run_id: str) -> dict:
    """What one result holds, to be read beside another: parameters, recorded tables, figures.

    Raises
    ------
    InputError
        There is no such result.
    """
    folder = project / FOLDER / name / run_id
    if not (folder / "run.json").is_file():
        known = [file.parent.name for file in (project / FOLDER / name).glob("*/run.json")]
        raise InputError(f"There is no result {run_id} of the run {name!r} any more. {did_you_mean(run_id, known)}")
    state = read_state(folder)
    return {
        "name": name,
        "state": state["state"],
        "headline": state.get("headline") or describe_error(state),
        "started": started(state),
        "profile": state.get("profile"),
        "parameters": state.get("parameters", {}),
        "tables": {file.stem: _table(file) for file in sorted(folder.glob("*.csv"))},
        "figures": _figures(folder / NOTEBOOK),
    }


def _table(file: Path) -> list[list[str]]:
    """The head and the first rows of a recorded table."""
    with file.open(encoding="utf-8", newline="") as lines:
        return list(islice(csv.reader(lines), MOST_ROWS + 1))


def _figures(notebook: Path) -> list[dict]:
    """The figures of an executed notebook, each as its MIME type and content."""
    if not notebook.is_file():
        return []
    outputs = [output for cell in read_notebook(notebook)["cells"] for output in cell.get("outputs", [])]
    found = []
    for data in (output["data"] for output in outputs if isinstance(output.get("data"), dict)):
        mime = next((mime for mime in FIGURES if mime in data), None)
        if mime:
            found.append({mime: data[mime]})
    return found[:MOST_FIGURES]


def _last_words(project: Path) -> str:
    """What the panel's last command said when it could not begin; nothing where the runs tell all."""
    process = _started.get(project)
    if process is None or process.poll() in (None, 0, 1, 130):
        return ""
    return (project / FOLDER / LOG).read_text(encoding="utf-8", errors="replace")[-2000:].strip()
