"""Many runs at once: a thread for each, which waits on its own kernel, and one display.

Threads, not processes: the computing is done in the kernels, papermill is imported once, and kernels that one
process starts cannot be given the same ports.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from paillasse.runs.declared import Run
from paillasse.runs.execute import Job, execute, repair
from paillasse.runs.pages import write_index, write_page
from paillasse.runs.progress import Display
from paillasse.runs.provenance import code_of, write_crate

TICK = 0.1  # seconds between two looks at the clock


@dataclass(frozen=True)
class Outcome:
    """How a call of `execute_all` ended: the `run.json` of every run that started, and the list of all results."""

    states: list[dict]
    index: Path
    all_ok: bool
    cancelled: bool


def cores() -> int:
    """The cores that this process may use, which in a container or under Slurm are fewer than the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def execute_all(
    project: Path, runs: list[Run], declared: list[str], jobs: int | None = None, on: str | None = None
) -> Outcome:
    """Execute runs, `jobs` at a time; a run that fails stops no other. Ctrl-C ends the running kernels.

    With `on` other processes or machines execute them (see `elsewhere`), and each thread waits for one of these.
    """
    with _other_ends_as_interrupt(), _place(on, project, runs, jobs) as (execute_one, jobs):
        return _execute_all(project, runs, declared, jobs, execute_one)


def _execute_all(
    project: Path, runs: list[Run], declared: list[str], jobs: int, execute_one: Callable[[Job], None]
) -> Outcome:
    code = code_of(project)
    waiting = [Job(project, run, threads=max(1, cores() // jobs), code=code) for run in runs]
    done, failures, cancelled = [], 0, False
    repair(project)
    with ThreadPoolExecutor(jobs) as pool, Display(waiting) as display:
        pending = {pool.submit(execute_one, job): job for job in waiting}
        try:
            while pending:
                for job, failure in _finished(pending):
                    done.append(job)
                    failures += bool(failure)
                    display.ended(job, failure)
                display.update()
        except KeyboardInterrupt:
            cancelled = True
            display.say("Stopping: the running kernels are ended.")
            pool.shutdown(wait=False, cancel_futures=True)
            pending = {future: job for future, job in pending.items() if not future.cancelled()}
            while pending:
                for job in pending.values():
                    job.end("cancelled")
                for job, failure in _finished(pending):
                    done.append(job)
                    display.ended(job, failure)
    states = [job.state for job in waiting if job in done]
    all_ok = not cancelled and not failures and all(state["state"] == "ok" for state in states)
    return Outcome(states, write_index(project, declared), all_ok, cancelled)


@contextlib.contextmanager
def _place(on: str | None, project: Path, runs: list[Run], jobs: int | None):
    """What executes a run, and for how many at a time there is room."""
    if on is None:
        yield execute_and_show, min(jobs or cores(), len(runs)) or 1
    else:
        from paillasse.runs.elsewhere import workers

        with workers(on, project, runs, jobs) as there:
            yield there.execute, there.slots


def execute_and_show(job: Job) -> None:
    """Execute a run in this process, and make what people read of it."""
    execute(job)
    show(job.folder)


def show(folder: Path) -> None:
    """Write a result that has ended as a page and as a crate."""
    write_page(folder)
    write_crate(folder)


def _finished(pending: dict) -> list[tuple[Job, BaseException | None]]:
    """Wait a tick, end what has run out of time, and take out what has finished, with what went wrong around it
    (the disk is full, a page cannot be made), which is no state of the run itself."""
    finished, _ = wait(pending, timeout=TICK, return_when=FIRST_COMPLETED)
    for job in pending.values():
        if job.overdue():
            job.end("timeout")
    return [(pending.pop(future), future.exception()) for future in finished]


@contextlib.contextmanager
def _other_ends_as_interrupt():
    """SIGTERM (a scheduler or CI says stop) and SIGHUP (the terminal is closed) are taken as Ctrl-C, so that kernels
    are ended and states written."""
    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():  # only there can they be received
        signals = []
    before = {each: signal.signal(each, signal.default_int_handler) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
