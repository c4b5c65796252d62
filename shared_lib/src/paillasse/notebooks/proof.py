"""Proving a notebook: nbval's collector and cell, with its comparison replaced and its gaps closed.

nbval 0.11.0 offers no hook for the comparison, so its two classes are subclassed here, and only here:

- a cell without execution count passes nbval: `stored.refusals`;
- outputs are compared by `compare.differences` instead of letter by letter;
- a kernel that dies is noticed within a second instead of after the cell's whole time.
"""

import subprocess
import time
from queue import Empty

import pytest
from nbval.cover import setup_coverage
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager, RunningKernel
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from paillasse.errors import NotebookError
from paillasse.kernels.channels import BlockingPrivateKernelManager
from paillasse.notebooks.compare import differences
from paillasse.notebooks.plugin import NOT_COMPARED
from paillasse.notebooks.stored import KERNEL, REMEDY, read_notebook, refusals

SHOWN_DIFFERENCES = 10
HEARTBEAT = 0.5  # seconds between two looks at whether the kernel lives


class KernelDied(Exception):
    """The kernel's process ended while a cell was waited for."""


class ProvenKernel(RunningKernel):
    """nbval's kernel, with private sockets, without a history file, and never waited for once it is dead."""

    def __init__(self, kernel_name: str, cwd: str, startup_timeout: float):
        # Not nbval's own __init__, which takes no kernel arguments and leaves a file open.
        self.km = BlockingPrivateKernelManager(kernel_name=kernel_name, kernel_spec_manager=NbvalKernelspecManager())
        without_history = ["--HistoryManager.hist_file=:memory:"]
        self.km.start_kernel(stderr=subprocess.DEVNULL, cwd=cwd, extra_arguments=without_history)
        self.kc = self.km.client()
        self.kc.start_channels()
        try:
            self.kc.wait_for_ready(timeout=startup_timeout)
        except RuntimeError:
            self.kc.stop_channels()
            self.km.shutdown_kernel()
            raise
        self._ensure_iopub_up()

    def get_message(self, stream, timeout=None):
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            # Asked before waiting: what a dead kernel still sent then has a heartbeat's time to arrive.
            alive = self.is_alive()
            left = HEARTBEAT if deadline is None else max(0.0, min(HEARTBEAT, deadline - time.monotonic()))
            try:
                return super().get_message(stream, timeout=left)
            except Empty:
                if not alive:
                    raise KernelDied(self._end()) from None
                if deadline is not None and time.monotonic() >= deadline:
                    raise

    def _end(self) -> str:
        code = getattr(getattr(self.km.provisioner, "process", None), "returncode", None)
        if code == -9:
            return "The kernel was killed (signal 9), often for want of memory"
        if code is not None and code < 0:
            return f"The kernel died of signal {-code}"
        return "The kernel died" if code is None else f"The kernel ended with exit code {code}"


class ProvenNotebook(IPyNbFile):
    """A notebook whose every code cell is a test."""

    stopped = None  # why no further cell of this notebook can be judged

    def collect(self):
        try:
            notebook = read_notebook(self.path)
            kernel = notebook.metadata.get("kernelspec", {}).get("name", KERNEL)
            if kernel != KERNEL and self._kernel_asked_for() is None:
                raise NotebookError(
                    f"{self.path}: names the kernel {kernel!r}, which other machines do not have; "
                    f"expected {KERNEL!r}: {REMEDY}."
                )
        except NotebookError as error:
            # One failing test rather than an error of collection, which would stop the other notebooks too.
            self.stopped = str(error)
            yield UnusableNotebook.from_parent(self, name="notebook")
            return
        refused = refusals(notebook)
        for cell in super().collect():  # nbval reads the marks in comments and tags
            proven = ProvenCell.from_parent(
                self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )
            proven.refusal = refused.get(cell.cell_num)
            yield proven

    def setup(self):
        if self.stopped:
            return
        self.kernel = ProvenKernel(
            self._kernel_asked_for() or KERNEL,
            cwd=str(self.path.parent),
            startup_timeout=self.config.option.nbval_kernel_startup_timeout,
        )
        self.setup_sanitize_files()
        if getattr(self.config.option, "cov_source", None):
            setup_coverage(self.config, self.kernel, self.path)

    def _kernel_asked_for(self) -> str | None:
        option = self.config.option
        return CURRENT_ENV_KERNEL_NAME if option.nbval_current_env else option.nbval_kernel_name


class UnusableNotebook(pytest.Item):
    """Stands for all cells of a notebook that cannot be read."""

    def runtest(self):
        raise NotebookError(self.parent.stopped)

    def repr_failure(self, excinfo):
        return str(excinfo.value)

    def reportinfo(self):
        return self.path, 0, f"{self.path.name}::notebook"


class ProvenCell(IPyNbCell):
    """A code cell: executed by nbval, judged by what is stored."""

    refusal = None  # why the cell cannot be judged as it is stored

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.options["skip"]:
            self.user_properties.append((NOT_COMPARED, "not run (marked NBVAL_SKIP or nbval-skip)"))
        elif not self.options["check"]:
            self.user_properties.append(
                (NOT_COMPARED, "run, its output ignored (marked NBVAL_IGNORE_OUTPUT or nbval-ignore-output)")
            )

    def setup(self):
        if self.parent.stopped:
            pytest.skip(self.parent.stopped)

    def runtest(self):
        try:
            if not self.parent.kernel.is_alive():
                raise KernelDied("The kernel died between two cells")
            super().runtest()
        except KernelDied as death:
            self.parent.kernel.stop()
            self.parent.stopped = f"the kernel died in {self.name}"
            self.raise_cell_error(f"{death}. The cells after it are skipped.")
        except NbCellError as error:
            if self.parent.timed_out:
                self.parent.stopped = f"{self.name} ran out of time"
            if self.refusal:
                self.raise_cell_error(self.refusal, error.inner_traceback)
            raise
        # Only now, because the cells after this one need what it defines.
        if self.refusal:
            self.raise_cell_error(self.refusal)

    def compare_outputs(self, test, ref, skip_compare=None):
        """In place of nbval's comparison; `test` are the new outputs, `ref` the stored ones."""
        if self.parent.sanitize_patterns:
            test, ref = self.sanitize_outputs(test), self.sanitize_outputs(ref)
        if test and not ref:
            self.raise_cell_error(f"This cell gives outputs, but none are stored: {REMEDY}.")
        found = differences(ref, test)
        if not found:
            return True
        self.comparison_traceback = [str(difference) for difference in found[:SHOWN_DIFFERENCES]]
        if len(found) > SHOWN_DIFFERENCES:
            self.comparison_traceback.append(f"and {len(found) - SHOWN_DIFFERENCES} more differences")
        self.comparison_traceback.append(
            f"If what it gives now is right: paillasse refresh '{self.parent.nodeid}' --accept"
        )
        return False
