"""Runs on other machines, or in other processes of this one: `paillasse run --on …`.

The engine is Dask distributed. Its workers do what a thread of `together` does here, and write into the project's
folder, which all machines share; here a thread for each run waits for the worker. Dask's messages carry which notebook
runs with which parameters and the variables that its kernel needs, never data.
"""

import contextlib
import json
import os
import re
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING

from paillasse.catalog.access import VARIABLE as STEWARD_VARIABLE
from paillasse.catalog.entries import FILE_NAME
from paillasse.errors import RunError
from paillasse.runs.clusters import SETTINGS, check_engine, is_private, processes, scheduler, slurm_jobs
from paillasse.runs.declared import Run
from paillasse.runs.execute import Job
from paillasse.runs.inputs import software
from paillasse.runs.owner import beating, is_dead, this_process
from paillasse.runs.repair import declare_killed
from paillasse.runs.results import FOLDER, folder_for, read_state
from paillasse.runs.together import cores, show
from paillasse.runs.worker import BegunBefore, Order, execute_there, look

if TYPE_CHECKING:
    from distributed import Client

MOST_SLURM_JOBS = 20  # at a time, where nobody says otherwise: a queue is shared
TICK = 0.1
BETWEEN_LOOKS = 1  # seconds
ATTEMPTS = 3  # workers to which a run is given, should each die before it begins
UNSEEN = 3  # seconds after which a run that no worker has taken up may be taken back
UNANSWERED = 20  # seconds that a worker has to end a run
WITNESS = ".elsewhere-"

class Workers:
    """Workers that are reached, and what they execute for this process.

    Parameters
    ----------
    client
        The connection to their scheduler.
    slots
        Runs at a time.
    witness
        A folder that all of them must see.
    variables
        For the runs' kernels.
    """

    def __init__(self, client: "Client", slots: int, witness: Path, variables: dict[str, str]):
        self.client = client
        self.slots = slots
        self.witness = witness
        self.variables = variables
        self.jobs: dict[str, Job] = {}  # by the name of the result's folder
        self.places: dict[str, str] = {}  # the worker that was seen to execute it
        self.there: set[str] = set()  # the workers that the scheduler knows
        self.closed = threading.Event()
        self.asking = threading.Thread(target=self._keep_asking, daemon=True)
        self.asking.start()

    def close(self) -> None:
        self.closed.set()
        self.asking.join(UNANSWERED)

    def execute(self, job: Job) -> None:
        """Execute a run on some worker, and wait for it: `job` shows what happens, and can be ended, as here.

        A run that is handed to a worker just as it dies is given to another one.
        """
        for _ in range(ATTEMPTS):
            if self._is_executed(job):
                return
        raise RunError("the workers to which it was given died before it began; `paillasse run` runs it again")

    def _is_executed(self, job: Job) -> bool:
        """Give a run to a worker and wait for its end; False if none has begun it."""
        from distributed import KilledWorker

        job.folder = folder_for(job.project, job.run.name)
        job.variables = self.variables
        name = job.folder.name
        slots = Counter()
        for each in self.client.scheduler_info()["workers"].values():
            slots[each["host"]] += each["nthreads"]
        order = Order(job, software(), self.witness, dict(slots))
        future = self.client.submit(execute_there, order, key=f"paillasse-{name}", pure=False, retries=0)
        self.jobs[name] = job
        try:
            if self._wait(future, job):
                job.state = future.result()
        except (BegunBefore, CancelledError, KilledWorker):  # cancelled: the scheduler has gone
            if not (job.folder / "run.json").is_file():
                shutil.rmtree(job.folder, ignore_errors=True)
                job.state = {"name": job.run.name, "state": job.ended_as, "error": None}
                return job.ended_as is not None
            self._lost(job)
        except Exception:  # what went wrong around a run, as on this machine
            job.state = read_state(job.folder)
            raise
        finally:
            del self.jobs[name]
        return True

    def _wait(self, future, job: Job) -> bool:
        """Wait for a run's end; False if there is nothing to wait for."""
        name, told_to_end = job.folder.name, None
        while not future.done():
            time.sleep(TICK)
            if job.ended_as:
                told_to_end = told_to_end or time.monotonic()
                waited = time.monotonic() - told_to_end
                if job.started is None and waited > UNSEEN:  # no worker has taken it up
                    future.cancel()
                    job.state = {"name": job.run.name, "state": job.ended_as, "error": None}
                    return False
                if waited > UNANSWERED:
                    raise CancelledError
            if name in self.places and self.places[name] not in self.there:
                raise CancelledError
        return True

    def _lost(self, job: Job) -> None:
        """Write the truth about a run whose worker has died. One that lives on unseen ends the run itself."""
        if not read_state(job.folder).get("finished"):
            declare_killed(job.folder, "its worker was killed, or can no longer be reached")
            show(job.folder)
        job.state = read_state(job.folder)

    def _keep_asking(self) -> None:
        """Ask all workers how far the runs are; whatever fails, since a run for which nobody asks is ended."""
        while not self.closed.wait(BETWEEN_LOOKS):
            jobs = dict(self.jobs)
            with contextlib.suppress(Exception):
                answers = self.client.run(look, {name: job.ended_as for name, job in jobs.items()}, on_error="ignore")
                self.there = set(self.client.scheduler_info()["workers"]) | set(answers)
                for place, seen in answers.items():
                    for name, (age, jobs[name].cell, jobs[name].cells) in seen.items():
                        self.places[name] = place
                        jobs[name].started = jobs[name].started or time.monotonic() - age


@contextlib.contextmanager
def workers(on: str, project: Path, runs: list[Run], jobs: int | None) -> Iterator[Workers]:
    """Start workers or reach those that there are, and leave nothing behind.

    Parameters
    ----------
    on
        `dask` for processes of this machine, `slurm`, or the address of a scheduler, `tls://host:port` or
        `tcp://host:port`.
    project
        Its folder.
    runs
        What is to be executed.
    jobs
        Runs at a time; default: as many as there are cores or slots, with Slurm `MOST_SLURM_JOBS`.

    Raises
    ------
    RunError
        A package or Slurm is missing, the address cannot be reached or is not to be trusted with these runs, or its
        workers have other code.
    """
    check_engine(on)
    import dask

    variables = variables_for(project)
    with dask.config.set(SETTINGS), _witness(project) as witness:
        if on == "dask":
            connection = processes(min(jobs or cores(), len(runs)))
        elif on == "slurm":
            connection = slurm_jobs(min(jobs or MOST_SLURM_JOBS, len(runs)), witness, variables)
        else:
            connection = scheduler(on, runs, jobs)
            if not is_private(on):
                variables = {}
        with connection as (client, slots):
            there = Workers(client, slots, witness, variables)
            try:
                yield there
            finally:
                there.close()


def variables_for(project: Path) -> dict[str, str]:
    """The variables of this process that a run's kernel needs: Paillasse's own, and those that the catalogue and the
    steward's file name as `${NAME}`: folders of data, addresses of servers."""
    named = set()
    for file in (project / FILE_NAME, Path(os.environ.get(STEWARD_VARIABLE, ""))):
        if file.is_file():
            with contextlib.suppress(OSError):
                named |= set(re.findall(r"\$\{([A-Za-z_]\w*)\}", file.read_text(encoding="utf-8", errors="replace")))
    return {name: value for name, value in os.environ.items() if name.startswith("PAILLASSE_") or name in named}


@contextlib.contextmanager
def _witness(project: Path) -> Iterator[Path]:
    """A folder of this call in the project, which every worker must see; for Slurm also for keys and logs."""
    runs = project / FOLDER
    with contextlib.suppress(OSError):
        runs.mkdir(exist_ok=True)
    if not runs.is_dir() or not os.access(runs, os.W_OK):
        raise RunError(f"Results cannot be written: {runs} is no folder that this user may write into.")
    for left in runs.glob(f"{WITNESS}*"):
        with contextlib.suppress(OSError, ValueError):
            if is_dead(json.loads((left / "owner.json").read_text(encoding="utf-8")), left):
                shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=WITNESS, dir=runs, ignore_cleanup_errors=True) as folder:
        (Path(folder) / "owner.json").write_text(json.dumps(this_process()), encoding="utf-8")
        with beating(Path(folder)):
            yield Path(folder)
