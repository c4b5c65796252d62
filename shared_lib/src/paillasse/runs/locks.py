"""One execution of a run at a time, whoever starts it: a lock for each run, which the system frees when its process
ends, however that happens."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from paillasse.runs.results import FOLDER, latest, read_state

LOCKS = ".locks"  # the files stay: one that were removed could be locked by one process and made anew by another


def take(project: Path, name: str) -> FileLock | None:
    """The lock of a run, held by this process until it is released; None while another process has it.

    Raises
    ------
    OSError
        The lock's file cannot be made.
    """
    folder = project / FOLDER / LOCKS
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / name)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return lock


@contextlib.contextmanager
def held(project: Path, name: str) -> Iterator[bool]:
    """Hold the lock of a run for a block of code, which is told whether it could be had."""
    lock = take(project, name)
    try:
        yield lock is not None
    finally:
        if lock:
            lock.release()


def holder(project: Path, name: str) -> dict | None:
    """The `run.json` of a run that is executing in another process; None until that has written it."""
    folder = latest(project, name)
    state = read_state(folder) if folder else {}
    return state if state.get("state") == "running" else None
