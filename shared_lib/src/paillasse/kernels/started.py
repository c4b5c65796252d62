"""Starting and ending the warm process, and the folder for sockets that only this user can enter."""

import atexit
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from paillasse.kernels.warm import ONE_THREAD

ADDRESS = "PAILLASSE_WARM_KERNELS"  # the path of the warm process's socket, for this process and those that it starts
CHOICE = "JUPYTER_DEFAULT_PROVISIONER_NAME"  # jupyter_client's: which provisioner starts kernels that name none
NAME = "paillasse-warm"  # of ours, as declared in the entry point
LONGEST_FOLDER = 80  # characters; a socket's path must stay below 108
LOCK = "lock"
UNLOCKED = "unlocked"  # the same file, until its lock is held
HELD = []  # the open file whose lock says that this process lives
# Code that names a package on the left will need the modules on the right, which importing it may not load by itself.
# Each is known to do nothing when imported but define things; a test compares what cold and warm kernels give.
NEEDED = {
    "paillasse": ["paillasse.catalog.entries", "paillasse.catalog.access", "paillasse.catalog.drivers",
                  "paillasse.catalog.frames", "paillasse.catalog.reads", "paillasse.catalog.validation",
                  "paillasse.survival", "paillasse.cohort", "paillasse.runs", "ibis.backends.duckdb",
                  "ibis.backends.duckdb.converter", "ibis.formats.pandas", "pyarrow.pandas_compat", "pandera.pandas",
                  "pandera.backends.pandas.register", "pandera.backends.pandas.builtin_checks",
                  "pandera.backends.pandas.builtin_hypotheses", "pandera.backends.register_checks",
                  "plotly.io._renderers", "narwhals._interchange.dataframe", "pandas.io.formats.html", "psutil",
                  "paillasse.kernels.first_use"],
    "pandas": ["pandas"],
    "plotly": ["plotly.graph_objs", "plotly.io._renderers"],
    "scipy": ["scipy.stats"],
    "lifelines": ["lifelines"],
    "sklearn": ["sklearn.linear_model", "sklearn.ensemble", "sklearn.model_selection"],
    "sksurv": ["sksurv.ensemble", "sksurv.linear_model", "sksurv.metrics"],
    "tableone": ["tableone"],
}  # fmt: skip


@contextlib.contextmanager
def warm_kernels(notebooks: Iterable[Path]) -> Iterator[None]:
    """Inside, kernels that this process and those it starts ask jupyter_client for are forked from a warm process.

    Where that cannot be (another system than Linux), they start cold as ever.

    Parameters
    ----------
    notebooks : iterable of path
        The notebooks to be executed: what they import is what the warm process imports.

    Examples
    --------
    >>> with warm_kernels([]):
    ...     ADDRESS in os.environ or not hasattr(os, "pidfd_open")
    True
    """
    if not hasattr(os, "pidfd_open") or private_folder() is None:
        yield
        return
    text = "".join(path.read_text(encoding="utf-8", errors="replace") for path in notebooks)
    with warm_process(modules_for(text)) as address, chosen(address):
        yield


@contextlib.contextmanager
def warm_process(modules: list[str]) -> Iterator[str]:
    """A warm process with these modules, as long as the block lasts; the path of its socket."""
    # As that of a kernel, in which these two are not.
    environment = {name: value for name, value in os.environ.items() if name not in (ADDRESS, CHOICE)} | ONE_THREAD
    folder = tempfile.mkdtemp(dir=private_folder())
    address = str(Path(folder, "warm"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(128)  # who asks before it is ready waits here
        process = subprocess.Popen(
            [sys.executable, "-m", "paillasse.kernels.warm", str(listener.fileno()), *modules],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=[listener.fileno()], cwd=folder, env=environment, start_new_session=True,
        )  # fmt: skip
    try:
        yield address
    finally:
        process.stdin.close()
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:  # it is in the middle of a long import, and has no kernels
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def chosen(address: str) -> Iterator[None]:
    """Have jupyter_client start kernels through the warm process: in this process, and in those that it starts."""
    from jupyter_client.provisioning import KernelProvisionerFactory

    factory = KernelProvisionerFactory.instance()
    earlier = factory.default_provisioner_name
    before = {name: os.environ.get(name) for name in (ADDRESS, CHOICE)}
    os.environ |= {ADDRESS: address, CHOICE: NAME}
    factory.default_provisioner_name = NAME
    try:
        yield
    finally:
        factory.default_provisioner_name = earlier
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value


def modules_for(text: str) -> list[str]:
    r"""The modules that notebooks will need, as far as they can be imported beforehand.

    Parameters
    ----------
    text : str
        The notebooks' JSON, in which an end of line is the sign for it or a new text.

    Examples
    --------
    >>> modules_for(r'["import pandas as pd\n", "a = 1\nfrom scipy import stats"]')
    ['pandas', 'scipy.stats']
    """
    lines = text.replace(r"\n", "\n")
    named = [package for package in NEEDED if re.search(rf"\b(import|from)\s+{package}\b", lines)]
    return list(dict.fromkeys(module for package in named for module in NEEDED[package]))


@cache
def private_folder() -> Path | None:
    """This process's folder for sockets, which only its user can enter; None where there can be none.

    It goes when the process ends. Folders of processes that were killed go when the next one is made: their locks are
    no longer held.
    """
    try:
        import fcntl
    except ImportError:  # Windows, where ZeroMQ has no such sockets either
        return None
    folder = Path(tempfile.mkdtemp(prefix=f"paillasse-{os.getuid()}-"))
    for left in folder.parent.glob(f"paillasse-{os.getuid()}-*"):
        with contextlib.suppress(OSError), (left / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
    HELD.append((folder / UNLOCKED).open("w"))
    fcntl.flock(HELD[-1], fcntl.LOCK_EX)
    (folder / UNLOCKED).rename(folder / LOCK)  # never seen but locked: another process would take this one for killed
    if len(str(folder)) > LONGEST_FOLDER:
        shutil.rmtree(folder)
        return None
    atexit.register(remove_private_folder, owner=os.getpid())
    return folder


def remove_private_folder(owner: int | None = None) -> None:
    """Remove the folder, if there is one; where `owner` is given, only in this process and not in a fork of it."""
    if private_folder.cache_info().currsize and owner in (None, os.getpid()) and (folder := private_folder()):
        shutil.rmtree(folder, ignore_errors=True)
