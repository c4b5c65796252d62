"""papermill's engine, found by its entry point: kernels with private sockets; for `paillasse run` also what it needs.

papermill looks for it while it is being imported itself, so nothing of papermill is imported before it is asked for.
"""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paillasse.runs.execute import Job

ENGINE = "paillasse"
KERNEL_LOG = "kernel.log"


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
            numbers = {}
            for index, cell in enumerate(nb_man.nb.cells):
                if cell.cell_type == "code" and cell.source.strip():
                    numbers[index] = len(numbers) + 1
            job.cells = len(numbers)

            def count(cell, cell_index):
                job.cell = numbers.get(cell_index, job.cell)

            waits = {"startup_timeout": start_timeout, "timeout": None, "shell_timeout_interval": 1}
            shown = {"kernel_name": kernel_name, "log": logger, "on_cell_start": count}
            job.client = PapermillNotebookClient(nb_man, **shown, **sockets, **waits)
            # What a kernel says outside its cells is its last words when it dies, and else noise.
            with (job.folder / KERNEL_LOG).open("wb") as log:
                job.client.execute(cwd=str(job.run.notebook.parent), env=job.environment(), stdout=log, stderr=log)
            (job.folder / KERNEL_LOG).unlink()

    return Engine
