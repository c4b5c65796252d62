"""The processes of a run: its kernel and all that this has started, also what has left the kernel's process group."""

import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import psutil

from paillasse.runs.artefacts import FOLDER_VARIABLE

ROUNDS = 5  # a process may start another while it is being killed


def with_descendants(pids: Iterable[int]) -> dict[int, list[psutil.Process]]:
    """Each of these processes with all that descend from it; none where it has ended. All are looked up in one pass."""
    children = defaultdict(list)
    processes = {}
    for process in psutil.process_iter(["ppid"]):
        processes[process.pid] = process
        children[process.info["ppid"]].append(process)
    found = {}
    for pid in pids:
        family = [processes[pid]] if pid in processes else []
        for process in family:  # grows while it is walked
            family += children[process.pid]
        found[pid] = family
    return found


def resident_mb(processes: Iterable[psutil.Process]) -> float:
    """The memory that processes hold, in millions of bytes; what they share is counted for each."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):  # it has just ended
            total += process.memory_info().rss
    return total / 1e6


def end_what_is_left(folder: Path, known: Iterable[psutil.Process] = ()) -> None:
    """Kill every process of the run whose result is in `folder`.

    Parameters
    ----------
    folder
        Processes are known by it: it stands in the environment that a kernel hands on to all that it starts.
    known
        Processes seen before, for a child may be given another environment.
    """
    left = [process for process in known if process.is_running()]  # never another that has its number by now
    for _ in range(ROUNDS):
        left += [process for process in psutil.process_iter() if _is_of(folder, process)]
        if not left:
            return
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.02)  # not psutil's wait: it would take a kernel's exit code from who started it
        left = []


def _is_of(folder: Path, process: psutil.Process) -> bool:
    try:
        return process.environ().get(FOLDER_VARIABLE) == str(folder) and process.pid != os.getpid()
    except (psutil.Error, OSError):  # another user's, or ended
        return False
