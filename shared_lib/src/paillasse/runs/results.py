"""Results on disk: `runs/<name>/<run id>/`, with the truth about each run in its `run.json`.

A result's folder is never written again once its run has ended, and the newest is the last by name: no links,
which Windows and zip files lose.
"""

import errno
import json
import os
import secrets
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from paillasse.errors import PaillasseError
from paillasse.files import write_atomically
from paillasse.runs.owner import is_dead

FOLDER = "runs"
STATES = ("running", "ok", "error", "killed", "timeout", "cancelled")
RUN_ID = r"\d{8}T\d{12}Z-[0-9a-f]{4}"
NOTEBOOK = "notebook.ipynb"
WORKING_NOTEBOOK = "running.ipynb"  # until the run has ended
ROOM = ".room"
BYTES_OF_ROOM = 64_000
DISK_FULL = "the disk is full; free some room and run it again"


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


def keep_room(folder: Path) -> None:
    """Take room on the disk for the last words of `run.json`, so that they can be written on a full one too."""
    (folder / ROOM).write_bytes(os.urandom(BYTES_OF_ROOM))  # zeros would be compressed away


def write_last_state(folder: Path, **fields) -> dict:
    """As `write_state`, into the room that was kept: not for a moment can another process take it."""
    state = _written(folder) | fields
    with (folder / ROOM).open("r+b") as file:
        file.write((json.dumps(state, indent=2, ensure_ascii=False) + "\n").encode())
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    (folder / ROOM).replace(folder / "run.json")
    return state


def read_state(folder: Path) -> dict:
    """What `run.json` says, as far as it can be used; a run whose process has died was killed.

    A part that is not as this version writes it is left out: an older version or an accident wrote it. Where the state
    itself is none of `STATES`, or the file cannot be read, it is `unknown`, with the reason as the error.
    """
    try:
        written = _written(folder)
    except (OSError, ValueError, RecursionError):
        return {"state": "unknown", "error": {"exception": "DamagedResult", "message": "run.json cannot be read"}}
    state = {name: value for name, value in written.items() if name not in FORMS or FORMS[name](value)}
    if state.get("state") not in STATES:
        error = {"exception": "DamagedResult", "message": "run.json has no state that is known here"}
        return state | {"state": "unknown", "error": error}
    if state["state"] == "running" and is_dead(state.get("owner"), folder):
        return state | {"state": "killed", "error": {"exception": "KilledError", "message": "the runner was killed"}}
    return state


def is_left_behind(folder: Path) -> bool:
    """Whether `run.json` still says `running` though its process has died. What cannot be read is not to be mended."""
    return read_state(folder)["state"] == "killed" and _written(folder)["state"] == "running"


def _written(folder: Path) -> dict:
    """All that `run.json` says, empty where there is none. ValueError: it is no JSON object, so not to be replaced."""
    try:
        state = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    if not isinstance(state, dict):
        raise ValueError("not a JSON object")
    return state


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
    if not (state.get("started") and state.get("finished")):
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


# The parts of `run.json` that are worked with, each with the test whether it is as this version writes it


def _is_text(value) -> bool:
    return isinstance(value, str)


def _is_text_or_none(value) -> bool:
    return value is None or isinstance(value, str)


def _is_mapping(value) -> bool:
    return isinstance(value, dict)


def _is_moment(value) -> bool:
    try:
        moment = datetime.fromisoformat(value)
        moment.astimezone()  # the first and the last day of the calendar have none
    except (TypeError, ValueError, OverflowError):
        return False
    return moment.tzinfo is not None


def _is_owner(value) -> bool:
    whole = isinstance(value, dict) and {"host", "boot", "since", "pid"} <= value.keys()
    return whole and type(value["pid"]) is int and 0 < value["pid"] < 2**31


def _is_error(value) -> bool:
    return value is None or (isinstance(value, dict) and isinstance(value.get("exception"), str))


def _are_inputs(value) -> bool:
    reads = value.get("data_sets", []) if isinstance(value, dict) else None
    known = {"data_set": _is_text, "profile": _is_text, "version": _is_text_or_none}
    return isinstance(reads, list) and all(
        isinstance(read, dict) and all(name in read and test(read[name]) for name, test in known.items())
        for read in reads
    )


def _is_provenance(value) -> bool:
    changed = value.get("changed", []) if isinstance(value, dict) else None
    if not isinstance(changed, list) or not all(map(_is_text, changed)):
        return False
    return all(_is_text_or_none(part) for name, part in value.items() if name != "changed")


def _are_hashes(value) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


FORMS = {
    "name": _is_text,
    "title": _is_text,
    "notebook": _is_text,
    "parameters": _is_mapping,
    "profile": _is_text_or_none,
    "inputs": _are_inputs,
    "provenance": _is_provenance,
    "owner": _is_owner,
    "started": _is_moment,
    "finished": lambda value: value is None or _is_moment(value),
    "headline": _is_text_or_none,
    "error": _is_error,
    "safe_forms": _are_hashes,
}

def is_disk_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def in_words(error: BaseException) -> str:
    """What went wrong around a run, told without a look at any data."""
    if is_disk_full(error):
        return DISK_FULL
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {error.filename}" if error.filename else "")
    return str(error) if isinstance(error, PaillasseError) else type(error).__name__
