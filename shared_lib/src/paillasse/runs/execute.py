"""One run: papermill executes the notebook, `run.json` says truthfully how it went.

papermill's output is no evidence of how a run ended (after a killed kernel it calls every cell `completed`), so
the state is kept apart from it, and the notebook is written under a working name until the run has ended.
"""

import asyncio
import contextlib
import errno
import logging
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Semaphore

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from nbclient.exceptions import DeadKernelError
from papermill import PapermillExecutionError, execute_notebook
from papermill.clientwrap import PapermillNotebookClient
from papermill.log import logger
from psutil import Process

from paillasse.catalog.entries import FILE_NAME as CATALOG
from paillasse.catalog.reads import FILE_VARIABLE, noted
from paillasse.errors import PaillasseError, RunError, did_you_mean
from paillasse.kernels.warm import THREADS
from paillasse.runs.artefacts import FOLDER_VARIABLE, HEADLINE, safe_forms
from paillasse.runs.declared import Run
from paillasse.runs.engine import ENGINE
from paillasse.runs.gate import verdict
from paillasse.runs.inputs import forget, inputs
from paillasse.runs.owner import beating, this_process
from paillasse.runs.parameters import read_notebook, title_of
from paillasse.runs.processes import end_what_is_left, resident_mb
from paillasse.runs.provenance import Code, origin
from paillasse.runs.repair import keep_notebook, remove_half_files
from paillasse.runs.results import (
    DISK_FULL,
    WORKING_NOTEBOOK,
    in_words,
    is_disk_full,
    keep_room,
    new_folder,
    now,
    write_last_state,
    write_state,
)

READS = "reads.jsonl"
LONGEST_WAIT = 3.0  # seconds for a place, with a kernel that is ready

logger.addHandler(logging.NullHandler())  # its warnings would tear the progress display; failures are in run.json


class NoPlaceError(Exception):
    """A run has begun, but its turn to execute cells has not come."""


@dataclass(eq=False)
class Job:
    """A run that is executing: what the display shows of it, and the way to end it early.

    Executed in a thread of its own; `end` may be called from another thread at any time.
    """

    project: Path
    run: Run
    threads: int
    code: Code = field(default_factory=Code)
    places: Semaphore | None = None  # one has to be had to execute cells
    variables: dict[str, str] = field(default_factory=dict)  # for the kernel, beside this process's own
    folder: Path | None = None
    cell: int = 0  # the code cell that is executing, numbered as In [n]
    cells: int = 0
    started: float | None = None  # by the monotonic clock
    in_place_since: float | None = None  # its cells execute
    early: bool = False  # begun before there was a place, so that its kernel is ready when there is one
    ended_as: str | None = None  # "timeout" or "cancelled"
    exit_code: int | None = None  # of a kernel that has died
    state: dict = field(default_factory=dict)
    client: PapermillNotebookClient | None = None
    processes: list[Process] = field(default_factory=list)  # the kernel and what it has started, when last looked at
    memory_mb: float = 0.0  # theirs
    peak_memory_mb: float = 0.0

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the cells execute: the run's time begins when there is a place for them.

        Raises
        ------
        NoPlaceError
            The run was begun early, and there was none for a while, because others take longer than expected; or its
            kernel has ended meanwhile.
        """
        if self.places is None:
            yield
            return
        self._await_place()
        try:
            self.started = self.in_place_since = time.monotonic()
            self.state["started"] = now().isoformat()
            if self.early:  # only now it is known that there will be a result
                self.early = False
                write_state(self.folder, **self.state)
            yield
        finally:
            self.places.release()

    def _await_place(self) -> None:
        deadline = time.monotonic() + LONGEST_WAIT
        while not self.places.acquire(timeout=0.1):
            if self.ended_as or time.monotonic() > deadline:
                raise NoPlaceError
        has_ended = self.ended_as or self.kernel is None or self.kernel.poll() is not None
        if self.early and has_ended:
            self.places.release()
            raise NoPlaceError

    @property
    def kernel(self):
        """The kernel's process as the provisioner has it; None where it has not started or is cleaned up."""
        return getattr(getattr(self.client and self.client.km, "provisioner", None), "process", None)

    def watch(self) -> None:
        """End the run when its time is up, and let it be known at once that its kernel has died. Call it every tick:
        nbclient itself looks once in a second."""
        if self.overdue():
            self.end("timeout")
        kernel = self.kernel
        if kernel is None or kernel.poll() is None:
            return
        self.exit_code = kernel.poll()
        reply = self.client.task_poll_for_reply
        if reply is not None and not reply.done():
            with contextlib.suppress(RuntimeError):  # its loop has just been closed
                reply.get_loop().call_soon_threadsafe(_give_up, reply)

    def weigh(self, processes: list[Process]) -> None:
        """Note the memory of the kernel and all that it has started."""
        self.processes = processes
        self.memory_mb = resident_mb(processes)
        self.peak_memory_mb = max(self.peak_memory_mb, self.memory_mb)

    def end(self, as_state: str) -> None:
        """Kill the kernel. A kernel that has not started yet is missed: call again until the job is done."""
        self.ended_as = self.ended_as or as_state
        provisioner = getattr(self.client and self.client.km, "provisioner", None)
        if provisioner is not None and self.exit_code is None:
            asyncio.run(provisioner.kill())

    def environment(self) -> dict[str, str]:
        """The environment of the kernel: where artefacts go, the profile, and its share of the cores."""
        environment = os.environ | self.variables
        environment |= {name: _fewer(environment.get(name), self.threads) for name in THREADS}
        environment |= {FOLDER_VARIABLE: str(self.folder), FILE_VARIABLE: str(self.folder / READS)}
        if self.run.profile:
            environment["PAILLASSE_PROFILE"] = self.run.profile
        return environment

    def overdue(self) -> bool:
        if self.run.timeout is None or self.started is None or self.early:
            return False
        return time.monotonic() > self.started + self.run.timeout


def _fewer(asked: str | None, share: int) -> str:
    """The threads that a user has asked for, but no more than a run's share of the cores."""
    return str(min(int(asked), share)) if asked and asked.isdecimal() and int(asked) else str(share)


def _give_up(reply: asyncio.Task) -> None:
    """Tell nbclient that no reply will come, as its own look at the kernel would; that one is no longer needed."""
    reply.cancel()
    for task in asyncio.all_tasks():
        if task.get_coro().__name__ == "_async_poll_kernel_alive":
            task.cancel()


def execute(job: Job) -> dict:
    """Execute a run in a folder of its own; its final `run.json`, or nothing where there was no place for it.

    Raises
    ------
    OSError, NotebookError
        It could not be begun, and has left nothing; or how it ended could not be written.
    """
    job.started = time.monotonic()
    job.folder = job.folder or new_folder(job.project, job.run.name)
    with contextlib.ExitStack() as heart:
        try:
            heart.enter_context(beating(job.folder))
            job.state = _begin(job)
            outcome = _run_papermill(job)
        except Exception as error:
            heart.close()
            shutil.rmtree(job.folder, ignore_errors=True)
            if not isinstance(error, NoPlaceError):
                raise
            job.folder, job.client, job.exit_code, job.early, job.state = None, None, None, False, {}
            return job.state
        return _end(job, outcome)


def _begin(job: Job) -> dict:
    run = job.run
    forget()  # somebody may have changed code since the runs before this one began
    state = {
        "name": run.name,
        "notebook": _relative(run.notebook, job.project),
        "title": title_of(run.notebook),
        "parameters": run.parameters,
        "profile": run.profile,
        "inputs": inputs(job.project, run),
        "provenance": origin(job.project, run.notebook, job.folder, job.code),
        "state": "running",
        "owner": this_process(),
        "started": now().isoformat(),
    }
    if not job.early:
        write_state(job.folder, **state)
    keep_room(job.folder)
    return state


def _end(job: Job, outcome: dict) -> dict:
    end_what_is_left(job.folder, job.processes)
    try:
        keep_notebook(job.folder, outcome["state"])
    except OSError as error:
        if outcome["state"] == "ok":
            outcome = {"state": "error", "error": _error(job, type(error).__name__, in_words(error), harmless=True)}
    ended = {
        "finished": now().isoformat(),
        "headline": _headline(job.folder),
        "inputs": job.state["inputs"] | {"data_sets": noted(job.folder / READS)},
        "peak_memory_mb": round(job.peak_memory_mb) or None,
        "safe_forms": safe_forms(job.folder),
    }
    catalog = job.project / CATALOG
    if scanned := verdict(job.folder, catalog, job.run.profile, ended["inputs"]["data_sets"]):
        ended["scan"] = scanned
    job.state = write_last_state(job.folder, **job.state | ended | outcome)
    remove_half_files(job.folder)
    (job.folder / READS).unlink(missing_ok=True)
    return job.state


def kernel_of(notebook: Path) -> str:
    """The kernel that a notebook names; one that names none runs in this environment's."""
    kernelspec = read_notebook(notebook)["metadata"].get("kernelspec")
    name = kernelspec.get("name") if isinstance(kernelspec, dict) else None
    return name if name and isinstance(name, str) else "python3"


def check_kernels(runs: list[Run]) -> None:
    """Raise a RunError, a line for each notebook, where a kernel is not installed: before any run has started."""
    manager = KernelSpecManager()
    missing = []
    for notebook in dict.fromkeys(run.notebook for run in runs):
        kernel = kernel_of(notebook)
        try:
            manager.get_kernel_spec(kernel)
        except NoSuchKernel:
            hint = did_you_mean(kernel, manager.find_kernel_specs())
            missing.append(f"{notebook.name}: its kernel {kernel!r} is not installed here. {hint}")
    if missing:
        missing.append("Choose another in JupyterLab and save the notebook, or install the kernel.")
        raise RunError("\n".join(missing))


def _run_papermill(job: Job) -> dict:
    """Run the notebook to its end, whichever it is: the state, and where and how it failed."""
    run = job.run
    try:
        execute_notebook(
            _unformatted(run.notebook),
            _unformatted(job.folder / WORKING_NOTEBOOK),
            parameters=run.parameters,
            engine_name=ENGINE,
            kernel_name=kernel_of(run.notebook),
            language="python",
            progress_bar=False,
            job=job,
        )
    except PapermillExecutionError as error:
        if error.ename == "OSError" and error.evalue.startswith(f"[Errno {errno.ENOSPC}]"):
            return {"state": "error", "error": _error(job, error.ename, DISK_FULL, harmless=True)}
        ours = error.ename in {each.__name__ for each in PaillasseError.__subclasses__()}
        return {"state": "error", "error": _error(job, error.ename, error.evalue, harmless=ours)}
    except Exception as error:  # a dead kernel, a kernel that is not there, a full disk: one run's, the rest goes on
        if job.early:
            raise NoPlaceError from None
        died = isinstance(error, RuntimeError) and str(error).startswith("Kernel died")  # also while it started
        state = job.ended_as or ("killed" if died else "error")
        if state == "timeout":
            cause = TimeoutError(f"longer than {run.timeout:g} s")
        elif state == "cancelled":
            cause = InterruptedError("stopped from outside")
        elif state == "killed":
            cause = DeadKernelError(_how_it_died(job))
        elif is_disk_full(error):
            cause = OSError(DISK_FULL)
        else:
            cause = error
        harmless = isinstance(cause, OSError | RuntimeError | NoSuchKernel)  # worded without a look at any output
        return {"state": state, "error": _error(job, type(cause).__name__, str(cause), harmless)}
    return {"state": "ok", "error": None}


def _how_it_died(job: Job) -> str:
    """How a kernel ended that nobody asked to: by which signal, and with how much memory in use."""
    if job.exit_code is None:
        return "the kernel died"
    if job.exit_code >= 0:
        return f"the kernel ended by itself with exit code {job.exit_code}"
    number = -job.exit_code
    name = signal.Signals(number).name if number in set(signal.Signals) else "of real time"
    says = f"the kernel was ended by signal {number} ({name})"
    if name == "SIGKILL":  # nothing tells who sent it
        says += ", as the system does when memory runs out"
        says += f"; it held up to {job.peak_memory_mb:,.0f} MB" if job.peak_memory_mb else ""
    return says


def _error(job: Job, exception: str, message: str, harmless: bool) -> dict:
    """What is kept of an error. Its message may quote a patient's value (`could not convert string to float: …`),
    so it stays in the notebook unless the data are nobody's secret or the message is one that never does. A notebook
    may choose the profile itself; what it has read tells."""
    error = {"cell": job.cell or None, "exception": exception}
    restricted = any(each["restricted"] for each in noted(job.folder / READS))
    if harmless or (job.run.profile in ("public", "synthetic") and not restricted):
        error["message"] = " ".join(message.split())[:300]
    return error


def _headline(folder: Path) -> str | None:
    """The headline that the notebook recorded; it moves to `run.json`, its one place."""
    file = folder / HEADLINE
    if not file.is_file():
        return None
    headline = file.read_text(encoding="utf-8")
    file.unlink()
    return headline


def _unformatted(path: Path) -> str:
    """A path that papermill, which reads `{…}` in paths as a parameter's name, takes as it is."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _relative(path: Path, project: Path) -> str:
    try:
        return path.relative_to(project.resolve()).as_posix()
    except ValueError:  # a notebook outside the project
        return str(path)
