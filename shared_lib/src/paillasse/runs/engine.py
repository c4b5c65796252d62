"""papermill's engine for `paillasse run`: kernels with private sockets, each in its notebook's folder."""

from typing import TYPE_CHECKING

from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.log import logger

from paillasse.kernels.channels import PrivateKernelManager

if TYPE_CHECKING:
    from paillasse.runs.execute import Job

ENGINE = "paillasse"
KERNEL_LOG = "kernel.log"


class Engine(NBClientEngine):
    """papermill's own engine, with the kernel in the notebook's folder, its environment ours, and cells counted.

    papermill changes the working directory of its whole process instead, which parallel runs cannot share.
    """

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, *, job: "Job", start_timeout=60, **_):
        numbers = {}
        for index, cell in enumerate(nb_man.nb.cells):
            if cell.cell_type == "code" and cell.source.strip():
                numbers[index] = len(numbers) + 1
        job.cells = len(numbers)

        def count(cell, cell_index):
            job.cell = numbers.get(cell_index, job.cell)

        waits = {"startup_timeout": start_timeout, "timeout": None, "shell_timeout_interval": 1}
        kernel = {"kernel_name": kernel_name, "kernel_manager_class": PrivateKernelManager}
        job.client = PapermillNotebookClient(nb_man, log=logger, on_cell_start=count, **kernel, **waits)
        # What a kernel says outside its cells is its last words when it dies, and else noise.
        with (job.folder / KERNEL_LOG).open("wb") as log:
            job.client.execute(cwd=str(job.run.notebook.parent), env=job.environment(), stdout=log, stderr=log)
        (job.folder / KERNEL_LOG).unlink()


papermill_engines.register(ENGINE, Engine)
