"""Many runs at once: a thread for each, which waits on its own kernel, and one display.

Threads, not processes: the computing is done in the kernels, and papermill is imported once. A run starts when a place
is free, its memory is, and no other runner is executing it.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock

from paillasse.runs import locks
from paillasse.runs.declared import Run
from paillasse.runs.estimates import Estimates
from paillasse.runs.execute import Job, execute
from paillasse.runs.inputs import plan_of
from paillasse.runs.memory import available_mb
from paillasse.runs.pages import write_index, write_page
from paillasse.runs.processes import with_descendants
from paillasse.runs.progress import Display
from paillasse.runs.provenance import code_of, write_crate
from paillasse.runs.repair import repair_held
from paillasse.runs.results import in_words, latest, now, read_state

TICK = 0.1  # seconds between two looks at the clock
SOON = 0.5  # seconds before the expected end of a run, when the next one's kernel is started
WEIGHING = 1.0  # seconds, at least, between two looks at the memory of kernels, which cost one at all processes


@dataclass(frozen=True)
class Outcome:
    """How a call of `execute_all` ended.

    Attributes
    ----------
    states
        The `run.json` of every run that started, or that another runner has executed meanwhile.
    failed
        Names of the runs that did not end well by themselves.
    undone
        Names of the runs that were stopped, or never started, because the call was stopped.
    index
        The list of all results; None if it could not be written.
    """

    states: list[dict]
    failed: list[str]
    undone: list[str]
    index: Path | None

    @property
    def all_ok(self) -> bool:
        return not self.failed and not self.undone and self.index is not None


def cores() -> int:
    """The cores that this process may use, which in a container or under Slurm are fewer than the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def execute_all(
    project: Path,
    runs: list[Run],
    declared: list[str],
    jobs: int | None = None,
    on: str | None = None,
    asked: datetime | None = None,
) -> Outcome:
    """Execute runs, at most `jobs` at a time; a run that fails stops no other. Ctrl-C ends the running kernels.

    Parameters
    ----------
    project
        Its folder.
    runs
        What to execute.
    declared
        The names of all runs of the project, in their order.
    jobs
        How many at a time; by default one for each core.
    on
        The other processes or machines that execute them (see `elsewhere`); each thread waits for one of these.
    asked
        When it was decided that these must run. What another runner has done since then is not done again.
    """
    with (
        _asked_to_stop() as stop,
        _place(on, project, runs, jobs) as (execute_one, jobs),
        ThreadPoolExecutor(2 * jobs) as pool,  # half of them for runs that get ready while others end
        ThreadPoolExecutor(1) as pages,
        Display(len(runs), [run.name for run in runs]) as display,
    ):
        call = _Call(project, runs, jobs, execute_one, on is None, asked or now(), display)
        try:
            while call.waiting or call.running or call.showing:
                if stop.is_set():
                    call.stop()
                else:
                    call.start_what_fits(pool)
                call.wait_a_tick(stop)
                call.collect(pages)
                call.show()
        finally:  # should this loop itself fail, no kernel goes on without it
            for job in call.executing:
                job.end("cancelled")
        index = None
        try:
            index = write_index(project, declared)
        except OSError as error:
            call.display.say(f"The list of results could not be written: {in_words(error)}")
    place = {name: i for i, name in enumerate(call.names)}
    states = sorted((job.state for job in call.ended), key=lambda state: place[state["name"]])
    return Outcome(states, sorted(call.failed, key=place.get), sorted(call.undone, key=place.get), index)


class _Call:
    """The runs of one call: which wait, which are executing, and which have ended."""

    def __init__(
        self,
        project: Path,
        runs: list[Run],
        jobs: int,
        execute_one: Callable[[Job], None],
        is_here: bool,
        asked: datetime,
        display: Display,
    ):
        self.project, self.jobs, self.asked = project, jobs, asked
        self.execute_one, self.is_here = execute_one, is_here
        self.display = display
        code = code_of(project)
        threads, places = max(1, cores() // jobs), threading.Semaphore(jobs) if is_here else None
        self.waiting = [Job(project, run, threads, code, places=places) for run in runs]
        self.names = [run.name for run in runs]
        self.estimates = Estimates(project, runs)
        self.running: dict[Future, tuple[Job, FileLock]] = {}
        self.showing: dict[Future, tuple[Job, FileLock]] = {}  # executed; their pages are being written
        self.ended: list[Job] = []
        self.failed: list[str] = []
        self.undone: list[str] = []
        self.stopping = False
        self.can_foresee = True  # when runs end; no longer, when one has waited for that in vain
        self.weigh_again = 0.0

    @property
    def executing(self) -> list[Job]:
        return [job for job, _ in self.running.values()]

    def start_what_fits(self, pool: ThreadPoolExecutor) -> None:
        """Start waiting runs, in their order, for which there is a place, or will be soon, and memory, and that nobody
        else executes."""
        room = self.jobs + self.places_soon()
        if not self.waiting or len(self.running) >= room:
            return
        # What the running ones have not taken yet of what they will need is promised to them.
        free = available_mb() - sum(max(0.0, self.estimates.mb(job.run) - job.memory_mb) for job in self.executing)
        for job in list(self.waiting):
            needed = self.estimates.mb(job.run)
            # One alone is always started, for what is expected may be wrong.
            if self.is_here and self.running and needed > free:
                self.display.waits_for_memory(job.run.name, needed, free)
                continue
            try:
                lock = locks.take(self.project, job.run.name)
            except OSError as error:
                self.waiting.remove(job)
                self.end(job, error)
                continue
            if lock is None:
                self.display.is_elsewhere(job.run.name, locks.holder(self.project, job.run.name))
                continue
            self.waiting.remove(job)
            with contextlib.suppress(OSError):  # no room on the disk: its own result will tell
                repair_held(self.project, job.run.name)
            if self.is_done_meanwhile(job):
                lock.release()
                self.display.is_taken(job.run.name)
                self.end(job)
                continue
            free -= needed
            job.early = len(self.running) >= self.jobs
            self.running[pool.submit(self.execute_one, job)] = job, lock
            if len(self.running) == room:
                return

    def places_soon(self) -> int:
        """How many of the running are expected to end at any moment: the next ones then have their kernels ready."""
        if not (self.is_here and self.can_foresee):
            return 0
        if any(job.in_place_since is None and not job.early for job in self.executing):
            return 0  # one whose turn it is would be overtaken
        soon = time.monotonic() + SOON
        expected = [(self.estimates.seconds(job.run), job.in_place_since) for job in self.executing]
        return min(self.jobs, sum(bool(took and since and since + took < soon) for took, since in expected))

    def is_done_meanwhile(self, job: Job) -> bool:
        """Whether another runner has executed the run since this call was planned; its result is taken."""
        folder = latest(self.project, job.run.name)
        state = read_state(folder) if folder else {}
        if state.get("state") != "ok" or str(state.get("finished")) < self.asked.isoformat():
            return False
        if plan_of(self.project, [job.run])[job.run.name]:
            return False
        job.state = state
        return True

    def wait_a_tick(self, stop: threading.Event) -> None:
        if self.running or self.showing:
            wait([*self.running, *self.showing], timeout=TICK, return_when=FIRST_COMPLETED)
        elif self.waiting:
            stop.wait(TICK)
        for job in self.executing:
            job.watch()
        now = time.monotonic()
        if now > self.weigh_again:
            spent = time.thread_time()
            kernels = {job.kernel.pid: job for job in self.executing if job.kernel}
            for pid, processes in with_descendants(kernels).items():
                kernels[pid].weigh(processes)
            self.weigh_again = now + max(WEIGHING, 50 * (time.thread_time() - spent))

    def collect(self, pages: ThreadPoolExecutor) -> None:
        """Take out the runs that have ended. Their pages are written while the next ones are executed."""
        for future in [future for future in self.running if future.done()]:
            job, lock = self.running.pop(future)
            if not job.state and not future.exception():  # there was no place for it
                lock.release()
                self.put_back(job)
                continue
            # Stopping must be quick; the next call makes the page.
            if self.is_here and not future.exception() and job.state["state"] != "cancelled":
                self.showing[pages.submit(show, job.folder)] = job, lock
            else:
                lock.release()
                self.end(job, future.exception())
        for future in [future for future in self.showing if future.done()]:
            job, lock = self.showing.pop(future)
            lock.release()
            self.end(job, future.exception())

    def put_back(self, job: Job) -> None:
        """A run was begun too early, for what was expected to end soon goes on: it is as if it had not been."""
        self.can_foresee = False
        if self.stopping:
            self.undone.append(job.run.name)
        else:
            self.waiting.insert(0, job)

    def end(self, job: Job, failure: BaseException | None = None) -> None:
        """A run has ended; `failure` is what went wrong around it (the disk is full, a page cannot be made)."""
        if failure and job.state.get("state") in (None, "unknown", "running"):
            error = {"exception": type(failure).__name__, "message": in_words(failure)}
            job.state = {"name": job.run.name} | job.state | {"state": "error", "error": error}
        self.can_foresee = True
        self.ended.append(job)
        self.estimates.learn(job.run, job.state)
        if job.state["state"] == "cancelled":
            self.undone.append(job.run.name)
        elif failure or job.state["state"] != "ok":
            self.failed.append(job.run.name)
        self.display.ended(job, failure)

    def stop(self) -> None:
        """End the running kernels; to be called every tick, for one that is just starting is missed."""
        if not self.stopping:
            self.stopping = True
            self.display.say("Stopping: the running kernels are ended.")
            self.undone += [job.run.name for job in self.waiting]
            self.waiting.clear()
        for job in self.executing:  # all know it before the first one makes place for another
            job.ended_as = job.ended_as or "cancelled"
        for job in self.executing:
            job.end("cancelled")

    def show(self) -> None:
        self.display.update(self.executing, self.seconds_left)

    def seconds_left(self) -> float | None:
        running = [(job.run, time.monotonic() - job.started) for job in self.executing if job.started]
        return self.estimates.seconds_left((job.run for job in self.waiting), running, self.jobs)


@contextlib.contextmanager
def _place(on: str | None, project: Path, runs: list[Run], jobs: int | None):
    """What executes a run, and for how many at a time there is room."""
    if on is None:
        yield execute, min(jobs or cores(), len(runs)) or 1
    else:
        from paillasse.runs.elsewhere import workers

        with workers(on, project, runs, jobs) as there:
            yield there.execute, there.slots


def show(folder: Path) -> None:
    """Write a result that has ended as a page and as a crate."""
    write_page(folder)
    write_crate(folder)


@contextlib.contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """Ctrl-C, SIGTERM (a scheduler or CI says stop) and SIGHUP (the terminal is closed) only set a flag, so that no
    state is torn, however often they come. Once they have come they stay without another effect, for the process is
    about to end and to say how to go on."""
    stop = threading.Event()
    signals = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():  # only there can they be received
        signals = []
    before = {each: signal.signal(each, lambda *_: stop.set()) for each in signals}
    try:
        yield stop
    finally:
        for each, handler in before.items() if not stop.is_set() else []:
            signal.signal(each, handler)
