"""Results on disk: `runs/<name>/<run id>/`, with the truth about each run in its `run.json`.

A result's folder is never written again once its run has ended, and the newest is the last by name: no links,
which Windows and zip files lose.
"""

import json
import secrets
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from paillasse.files import write_atomically
from paillasse.runs.owner import is_dead

FOLDER = "runs"


def now() -> datetime:
    return datetime.now(UTC)


def folder_for(project: Path, name: str) -> Path:
    """Where one execution of the run `name` goes, not made yet; its name sorts by time."""
    moment = now()
    run_id = f"{moment:%Y%m%dT%H%M%S}{moment.microsecond:06d}Z-{secrets.token_hex(2)}"
    return project / FOLDER / name / run_id


def new_folder(project: Path, name: str) -> Path:
    """A folder of its own for one execution of the run `name`."""
    folder = folder_for(project, name)
    folder.mkdir(parents=True)
    return folder


def write_state(folder: Path, **fields) -> dict:
    """Change `run.json`: once per change of state, all of it at a time."""
    state = _written(folder) | fields
    write_atomically(folder / "run.json", json.dumps(state, indent=2, ensure_ascii=False) + "\n")
    return state


def read_state(folder: Path) -> dict:
    """What `run.json` says, empty where there is none; a run whose process has died was killed."""
    state = _written(folder)
    if state.get("state") == "running" and is_dead(state.get("owner"), folder):
        return state | {"state": "killed", "error": {"exception": "KilledError", "message": "the runner was killed"}}
    return state


def _written(folder: Path) -> dict:
    try:
        return json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def latest(project: Path, name: str) -> Path | None:
    """The folder of the newest result of a run, whatever its state."""
    folders = sorted(file.parent for file in (project / FOLDER / name).glob("*/run.json"))
    return folders[-1] if folders else None


def newest_results(project: Path, declared: list[str]) -> list[tuple[str, Path | None]]:
    """Every run with the folder of its newest result: the declared ones in their order, then others found on disk."""
    found = sorted({file.parents[1].name for file in (project / FOLDER).glob("*/*/run.json")} - set(declared))
    return [(name, latest(project, name)) for name in [*declared, *found]]


def seconds(state: dict) -> float | None:
    """How long a run took, where it has ended."""
    if not state.get("finished"):
        return None
    return (datetime.fromisoformat(state["finished"]) - datetime.fromisoformat(state["started"])).total_seconds()


def started(state: dict) -> str:
    """When a run started, in this machine's time."""
    return f"{datetime.fromisoformat(state['started']).astimezone():%Y-%m-%d %H:%M}" if "started" in state else ""


def counted(states: Iterable[str]) -> str:
    """States in words: `6 runs ok`, or `6 runs: 5 ok, 1 error`."""
    counts = Counter(states)
    total = sum(counts.values())
    runs = "1 run" if total == 1 else f"{total} runs"
    if list(counts) == ["ok"]:
        return f"{runs} ok"
    return ": ".join(filter(None, [runs, ", ".join(f"{count} {state}" for state, count in counts.items())]))


def describe_error(state: dict) -> str:
    """Where and how a run failed, in a few words: `cell 4, ValueError: …`."""
    error = state.get("error") or {}
    where = f"cell {error['cell']}, " if error.get("cell") else ""
    message = f": {error['message']}" if error.get("message") else ""
    return f"{where}{error['exception']}{message}" if error else ""
