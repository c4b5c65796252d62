"""What a Dask worker does with a run that a runner, maybe on another machine, has given it.

The runner asks every second how far its runs are, and says which of them are to end. A run after which nobody has asked
for a minute has lost its runner and is ended: nothing goes on that nobody watches.
"""

import contextlib
import os
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paillasse.errors import RunError
from paillasse.runs import inputs
from paillasse.runs.execute import Job, execute
from paillasse.runs.together import cores, show

if TYPE_CHECKING:
    from distributed import Worker

UNASKED = 60  # seconds after which a run has lost its runner
TICK = 0.2  # seconds between two looks at whether a run is to end

# Of the code that this process has loaded, not of what has replaced it on disk since: a worker lives long.
SOFTWARE = inputs.software()


class BegunBefore(Exception):
    """Dask gave a run to a second worker, because the first has died."""


@dataclass(frozen=True)
class Order:
    """A run as it travels to a worker.

    Attributes
    ----------
    job
        The run. Its folder is not there yet.
    software
        What the runner has, so the worker must have it too.
    witness
        A folder of the runner's, by which a worker knows that it sees the same files.
    slots
        Host → runs that execute there at a time, all workers of it together.
    """

    job: Job
    software: dict[str, str]
    witness: Path
    slots: dict[str, int]

    def __repr__(self) -> str:  # what Dask writes into a worker's log when something fails
        return f"Order({self.job.run.name})"


class Hosted:
    """A run that executes in this process, and when its runner last asked for it."""

    def __init__(self, job: Job):
        self.job = job
        self.asked = time.monotonic()


HOSTED: dict[str, Hosted] = {}  # by the name of the result's folder, which no two runs share


def execute_there(order: Order) -> dict:
    """Execute a run on this worker; its final `run.json`.

    Raises
    ------
    RunError
        The worker has other code, or another file system; nothing was begun.
    BegunBefore
        Another worker has begun this run, and died.
    """
    from distributed import get_worker

    check_software(order.software)
    job = order.job
    if not order.witness.is_dir():
        raise RunError(
            f"The worker on {socket.gethostname()} does not see {job.project} as this machine does. A project that "
            "runs on more than one machine must lie on a file system that all of them share, under the same path."
        )
    try:
        job.folder.mkdir(parents=True)
    except FileExistsError:
        raise BegunBefore from None
    job.threads = _share_of_cores(get_worker(), order.slots)
    hosted = HOSTED[job.folder.name] = Hosted(job)
    done = threading.Event()
    watcher = threading.Thread(target=_end_in_time, args=(hosted, get_worker(), done), daemon=True)
    watcher.start()
    try:
        execute(job)
        if job.state["state"] != "cancelled":
            show(job.folder)
    finally:
        done.set()
        watcher.join()
        del HOSTED[job.folder.name]
    return job.state


def look(wanted: dict[str, str | None]) -> dict[str, tuple[float, int, int]]:
    """How far a runner's runs on this worker are.

    Parameters
    ----------
    wanted
        Name of a result's folder → the state with which the run is to end, None if it is to go on. Runs of other
        workers are named too.

    Returns
    -------
    dict
        For each run that executes here: seconds since its start, the cell that executes, the number of cells.
    """
    seen = {}
    for name, ended_as in wanted.items():
        hosted = HOSTED.get(name)
        if hosted is not None and hosted.job.started is not None:
            hosted.asked = time.monotonic()
            hosted.job.ended_as = hosted.job.ended_as or ended_as
            seen[name] = (hosted.asked - hosted.job.started, hosted.job.cell, hosted.job.cells)
    return seen


def check_software(expected: dict[str, str]) -> None:
    """Refuse to execute with other code than the runner's.

    Raises
    ------
    RunError
        Python or the shared library differ.
    """
    differing = [name for name, version in expected.items() if SOFTWARE[name] != version]
    if differing:
        raise RunError(
            f"The worker on {socket.gethostname()} has another version of {' and of '.join(differing)} than this "
            "project, or had it when it started. Start the workers anew from the project's own environment."
        )


def _end_in_time(hosted: Hosted, worker: "Worker", done: threading.Event) -> None:
    """End a run for which time is up, which its runner has ended or lost, or whose worker is told to close."""
    from distributed import Status

    job = hosted.job
    while not done.wait(TICK):
        job.watch()
        if job.ended_as:
            job.end(job.ended_as)
        elif time.monotonic() > hosted.asked + UNASKED or worker.status in (Status.closing, Status.closed):
            job.end("killed")


def _share_of_cores(worker: "Worker", slots: dict[str, int]) -> int:
    """The cores for one run: of Slurm's job, where the worker is one, else of the machine."""
    with contextlib.suppress(KeyError, ValueError):
        return max(1, int(os.environ["SLURM_CPUS_PER_TASK"]) // worker.state.nthreads)
    return max(1, cores() // max(slots.get(_host(worker.address), 0), worker.state.nthreads))


def _host(address: str) -> str:
    return address.partition("://")[2].rpartition(":")[0]
