"""papermill's engine, found by its entry point: kernels with private sockets; for `paillasse run` also what it needs.

papermill looks for it while it is being imported itself, so nothing of papermill is imported before it is asked for.
"""

import asyncio
import time
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paillasse.runs.execute import Job

ENGINE = "paillasse"
KERNEL_LOG = "kernel.log"
SAVE_EVERY = 1.0  # seconds


def __getattr__(name: str):
    if name == "Engine":
        return _engine()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _engine() -> type:
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NBClientEngine
    from papermill.log import logger

    class Engine(NBClientEngine):
        """papermill's own engine, with the kernel in the notebook's folder, its environment ours, and cells counted.

        papermill changes the working directory of its whole process instead, which parallel runs cannot share. Without
        a job, as `papermill --engine paillasse`, only the sockets are others.
        """

        @classmethod
        def execute_managed_notebook(cls, nb_man, kernel_name, job: "Job | None" = None, start_timeout=60, **others):
            from paillasse.kernels.channels import PrivateKernelManager

            sockets = {"kernel_manager_class": PrivateKernelManager}
            if job is None:
                own = super().execute_managed_notebook
                return own(nb_man, kernel_name, start_timeout=start_timeout, **sockets, **others)
            client = _Client(nb_man, job, kernel_name=kernel_name, startup_timeout=start_timeout, **sockets)
            # What a kernel says outside its cells is its last words when it dies, and else noise.
            with (job.folder / KERNEL_LOG).open("wb") as log:
                client.execute(cwd=str(job.run.notebook.parent), env=job.environment(), stdout=log, stderr=log)
            (job.folder / KERNEL_LOG).unlink()
            nb_man.output_path = None  # it is not saved as complete: papermill writes it once more by itself

    class _Client(PapermillNotebookClient):
        """papermill's client, which tells the job where it is, and executes cells only when there is a place for it.

        papermill saves the whole notebook before and after each cell, which costs more than all else that it does.
        Here it is saved once a second at most, and always within a second of what there is to save.
        """

        def __init__(self, nb_man, job: "Job", **given):
            self.job, self.saved, self.later = job, time.monotonic(), None
            self.numbers = {}
            for index, cell in enumerate(nb_man.nb.cells):
                if cell.cell_type == "code" and cell.source.strip():
                    self.numbers[index] = len(self.numbers) + 1
            waits = {"timeout": None, "shell_timeout_interval": 1}
            super().__init__(nb_man, log=logger, on_cell_start=self.count, **waits, **given)
            job.client, job.cells = self, len(self.numbers)  # complete: another thread looks for its kernel at once

        def papermill_execute_cells(self):
            save, self.nb_man.save = self.nb_man.save, self.save
            try:
                with self.job.in_place():
                    super().papermill_execute_cells()
            finally:  # where it is not complete, papermill saves it once more
                self.nb_man.save = save
                if self.later:
                    self.later.cancel()

        def save(self, **given):
            if time.monotonic() > self.saved + SAVE_EVERY:
                type(self.nb_man).save(self.nb_man, **given)
                self.saved = time.monotonic()

        def count(self, cell, cell_index):
            self.job.cell = self.numbers.get(cell_index, self.job.cell)
            if self.later:
                self.later.cancel()
            self.later = asyncio.get_running_loop().call_later(SAVE_EVERY, self.save)

    return Engine
