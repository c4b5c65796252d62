"""One run: papermill executes the notebook, `run.json` says truthfully how it went.

papermill's output is no evidence of how a run ended (after a killed kernel it calls every cell `completed`), so
the state is kept apart from it, and the notebook is written under a working name until the run has ended.
"""

import asyncio
import json
import logging
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_client.kernelspec import NoSuchKernel
from nbclient.exceptions import DeadKernelError
from papermill import PapermillExecutionError, execute_notebook
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.log import logger

from paillasse.catalog.reads import FILE_VARIABLE, noted
from paillasse.errors import PaillasseError
from paillasse.files import write_atomically
from paillasse.runs.artefacts import FOLDER_VARIABLE, HEADLINE
from paillasse.runs.declared import Run
from paillasse.runs.gate import verdict
from paillasse.runs.inputs import inputs
from paillasse.runs.owner import this_process
from paillasse.runs.parameters import read_notebook
from paillasse.runs.provenance import Code, origin, write_crate
from paillasse.runs.results import FOLDER, new_folder, now, read_state, write_state

NOTEBOOK = "notebook.ipynb"
WORKING_NOTEBOOK = "running.ipynb"
KERNEL_LOG = "kernel.log"
READS = "reads.jsonl"
# Every library that would otherwise start a thread per core in each of several kernels.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"
)  # fmt: skip

logger.addHandler(logging.NullHandler())  # its warnings would tear the progress display; failures are in run.json


@dataclass(eq=False)
class Job:
    """A run that is executing: what the display shows of it, and the way to end it early.

    Executed in a thread of its own; `end` may be called from another thread at any time.
    """

    project: Path
    run: Run
    threads: int
    code: Code = field(default_factory=Code)
    folder: Path | None = None
    cell: int = 0  # the code cell that is executing, numbered as In [n]
    cells: int = 0
    started: float | None = None
    ended_as: str | None = None  # "timeout" or "cancelled"
    state: dict = field(default_factory=dict)
    client: PapermillNotebookClient | None = None

    def end(self, as_state: str) -> None:
        """Kill the kernel. A kernel that has not started yet is missed: call again until the job is done."""
        self.ended_as = self.ended_as or as_state
        provisioner = getattr(self.client and self.client.km, "provisioner", None)
        if provisioner is not None:
            asyncio.run(provisioner.kill())

    def overdue(self) -> bool:
        if self.run.timeout is None or self.started is None:
            return False
        return time.monotonic() > self.started + self.run.timeout


class Engine(NBClientEngine):
    """papermill's own engine, with the kernel in the notebook's folder, its environment ours, and cells counted.

    papermill changes the working directory of its whole process instead, which parallel runs cannot share.
    """

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, *, job: Job, start_timeout=60, **_):
        numbers = {}
        for index, cell in enumerate(nb_man.nb.cells):
            if cell.cell_type == "code" and cell.source.strip():
                numbers[index] = len(numbers) + 1
        job.cells = len(numbers)

        def count(cell, cell_index):
            job.cell = numbers.get(cell_index, job.cell)

        waits = {"startup_timeout": start_timeout, "timeout": None}
        job.client = PapermillNotebookClient(nb_man, kernel_name=kernel_name, log=logger, on_cell_start=count, **waits)
        # What a kernel says outside its cells is its last words when it dies, and else noise.
        with (job.folder / KERNEL_LOG).open("wb") as log:
            where = {"cwd": str(job.run.notebook.parent), "env": kernel_environment(job)}
            job.client.execute(**where, stdout=log, stderr=log)
        (job.folder / KERNEL_LOG).unlink()


papermill_engines.register("paillasse", Engine)


def kernel_environment(job: Job) -> dict[str, str]:
    """The environment of a run's kernel: where artefacts go, the profile, and its share of the cores."""
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(job.threads))
    environment |= {FOLDER_VARIABLE: str(job.folder), FILE_VARIABLE: str(job.folder / READS)}
    if job.run.profile:
        environment["PAILLASSE_PROFILE"] = job.run.profile
    return environment


def execute(job: Job) -> dict:
    """Execute a run in a new folder of its own; its final `run.json`."""
    run = job.run
    job.started = time.monotonic()
    job.folder = new_folder(job.project, run.name)
    job.state = write_state(
        job.folder,
        name=run.name,
        notebook=_relative(run.notebook, job.project),
        title=title_of(run.notebook),
        parameters=run.parameters,
        profile=run.profile,
        inputs=inputs(job.project, run),
        provenance=origin(job.project, run.notebook, job.folder, job.code),
        state="running",
        owner=this_process(),
        started=now().isoformat(),
    )
    outcome = _run_papermill(job)
    _keep_notebook(job.folder, outcome["state"])
    read = {"data_sets": noted(job.folder / READS)}
    ended = {"finished": now().isoformat(), "headline": _headline(job.folder), "inputs": job.state["inputs"] | read}
    if scanned := verdict(job.folder, job.project / "data_catalog.yaml", run.profile, read["data_sets"]):
        ended["scan"] = scanned
    job.state = write_state(job.folder, **ended, **outcome)
    (job.folder / READS).unlink(missing_ok=True)
    return job.state


def title_of(notebook: Path) -> str:
    """The notebook's first heading; its file name where it has none."""
    for cell in read_notebook(notebook)["cells"]:
        for line in cell["source"].splitlines() if cell["cell_type"] == "markdown" else []:
            if line.startswith("#"):
                return line.lstrip("#").strip()
    return notebook.stem


def kernel_of(notebook: Path) -> str:
    """The kernel that a notebook names; one that names none runs in this environment's."""
    return read_notebook(notebook)["metadata"].get("kernelspec", {}).get("name", "python3")


def _run_papermill(job: Job) -> dict:
    """Run the notebook to its end, whichever it is: the state, and where and how it failed."""
    run = job.run
    try:
        execute_notebook(
            _unformatted(run.notebook),
            _unformatted(job.folder / WORKING_NOTEBOOK),
            parameters=run.parameters,
            engine_name="paillasse",
            kernel_name=kernel_of(run.notebook),
            language="python",
            progress_bar=False,
            job=job,
        )
    except PapermillExecutionError as error:
        ours = error.ename in {each.__name__ for each in PaillasseError.__subclasses__()}
        return {"state": "error", "error": _error(job, error.ename, error.evalue, harmless=ours)}
    except Exception as error:  # a dead kernel, a kernel that is not there, a full disk: one run's, the rest goes on
        state = job.ended_as or ("killed" if isinstance(error, DeadKernelError) else "error")
        if state == "timeout":
            cause = TimeoutError(f"longer than {run.timeout:g} s")
        elif state == "cancelled":
            cause = InterruptedError("stopped from outside")
        else:
            cause = error
        harmless = isinstance(cause, OSError | RuntimeError | NoSuchKernel)  # worded without a look at any output
        return {"state": state, "error": _error(job, type(cause).__name__, str(cause), harmless)}
    return {"state": "ok", "error": None}


def _error(job: Job, exception: str, message: str, harmless: bool) -> dict:
    """What is kept of an error. Its message may quote a patient's value (`could not convert string to float: …`),
    so it stays in the notebook unless the data are nobody's secret or the message is one that never does. A notebook
    may choose the profile itself; what it has read tells."""
    error = {"cell": job.cell or None, "exception": exception}
    restricted = any(each["restricted"] for each in noted(job.folder / READS))
    if harmless or (job.run.profile in ("public", "synthetic") and not restricted):
        error["message"] = " ".join(message.split())[:300]
    return error


def repair(project: Path) -> None:
    """Write the truth about runs whose process was killed before it could."""
    for file in (project / FOLDER).glob("*/*/run.json"):
        state = read_state(file.parent)
        if state != json.loads(file.read_text(encoding="utf-8")):
            _keep_notebook(file.parent, state["state"])
            write_state(file.parent, **state)
            write_crate(file.parent)


def _keep_notebook(folder: Path, state: str) -> None:
    """Give the executed notebook its final name, with the truth about the cells that never ran."""
    working = folder / WORKING_NOTEBOOK
    if not working.is_file():
        return
    notebook = json.loads(working.read_text(encoding="utf-8"))
    notebook["metadata"]["papermill"]["output_path"] = str(folder / NOTEBOOK)
    if state not in ("ok", "error"):
        notebook["metadata"]["papermill"]["exception"] = True
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code" and cell["execution_count"] is None:
                cell["metadata"]["papermill"]["status"] = "pending"
    write_atomically(folder / NOTEBOOK, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    working.unlink()


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
