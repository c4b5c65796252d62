"""Refreshing: execute notebooks anew, show what changed, store what they give.

A refresh is where a wrong number could slip into a committed notebook, so numbers that changed beyond the tolerance
are stored only if somebody said so. What did not change keeps its stored bytes: refreshing twice changes nothing.
"""

import copy
import io
import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from paillasse.errors import NotebookError
from paillasse.files import write_atomically
from paillasse.notebooks.compare import PLOTLY, Difference, appearance, differences, figure_content, html_lines
from paillasse.notebooks.stored import (
    CELL_TIMEOUT,
    KERNEL,
    as_bytes,
    code_cells,
    normalise,
    read_notebook,
    refuse_secure_profile,
)

AT_A_TIME = 2  # notebooks: a kernel with the survival libraries takes some 400 MB
SHOWN_DIFFERENCES = 10


@dataclass(frozen=True)
class CellChange:
    """A cell whose outputs are not the stored ones: its count in a run from the top, its first line, what differs."""

    count: int
    first_line: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did to one notebook.

    Attributes
    ----------
    path : Path
    state : str
        ``unchanged`` (the file has the same bytes), ``stored`` (it was rewritten), ``refused`` (numbers changed beyond
        the tolerance and nobody accepted it: the file is as it was).
    changes : tuple of CellChange
        The cells whose outputs changed.
    first_time : int
        The number of cells that had no outputs stored and now have.
    diff : str
        What changed in the file, as nbdime shows it to people (figures as lines of text).
    seconds : float
        How long the execution took.
    """

    path: Path
    state: str
    changes: tuple[CellChange, ...]
    first_time: int
    diff: str
    seconds: float

    def report(self) -> str:
        """What happened, for the terminal."""
        lines = [f"{self.path}: {self.state} ({self.seconds:.0f} s)"]
        if self.first_time:
            lines.append(f"  cells with outputs for the first time: {self.first_time}")
        for change in self.changes:
            lines.append(f"  [{change.count}] {change.first_line}")
            lines += [f"      {each}" for each in change.differences[:SHOWN_DIFFERENCES]]
            if len(change.differences) > SHOWN_DIFFERENCES:
                lines.append(f"      and {len(change.differences) - SHOWN_DIFFERENCES} more differences")
        if self.diff:
            lines += ["", self.diff.rstrip(), ""]
        if self.state == "refused":
            lines.append(
                f"  Numbers changed, so nothing was stored. If they are right: paillasse refresh '{self.path}' --accept"
            )
        return "\n".join(lines)


def refresh(
    paths: Iterable[Path | str] = (), *, accept: bool = False, cell_timeout: float = CELL_TIMEOUT
) -> list[Refreshed]:
    """Execute notebooks in fresh kernels, each in its own folder, and store their outputs.

    Parameters
    ----------
    paths : iterable of path, optional
        The notebooks; by default all in the folder `notebooks` of the working directory.
    accept : bool
        Store numbers that changed beyond the tolerance of `compare`.
    cell_timeout : float
        The seconds that one cell may take.

    Returns
    -------
    list of Refreshed
        One for each notebook, in the order of `paths`.

    Raises
    ------
    NotebookError
        A notebook cannot be read or a cell fails: its file is as it was. All the others are done first, and the
        message says what happened to them. Also if PAILLASSE_PROFILE is `secure`.
    """
    refuse_secure_profile()
    paths = [Path(path) for path in paths] or sorted(Path("notebooks").glob("*.ipynb"))
    if not paths:
        raise NotebookError("There is no notebook to refresh: no path was given and notebooks/ holds none.")
    done, failures = [], []
    for outcome in _each(paths, accept, cell_timeout):
        (failures if isinstance(outcome, NotebookError) else done).append(outcome)
    if failures:
        raise NotebookError("\n".join([*map(str, failures), *(each.report() for each in done)]))
    return done


def _each(paths: list[Path], accept: bool, cell_timeout: float) -> list[Refreshed | NotebookError]:
    """Refresh notebooks a few at a time, with a progress bar for each."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    clients = []
    with (
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
        ThreadPoolExecutor(AT_A_TIME) as pool,
    ):

        def one(path: Path) -> Refreshed | NotebookError:
            try:
                return _refresh_one(path, accept, cell_timeout, progress, clients)
            except NotebookError as error:
                return error

        try:
            return list(pool.map(one, paths))
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            # Kernels have their own process group, so the terminal's Ctrl-C did not reach them.
            for client in clients:
                _kill(client)
            raise


def _refresh_one(path: Path, accept: bool, cell_timeout: float, progress, clients: list) -> Refreshed:
    path_shown, path = path, path.resolve()
    before = path.read_bytes() if path.is_file() else b""
    stored = read_notebook(path)
    started = time.monotonic()
    executed = _execute(stored, path_shown, path.parent, cell_timeout, progress, clients)
    seconds = time.monotonic() - started

    result = copy.deepcopy(stored)
    changes, first_time = [], 0
    for count, (cell, ran) in enumerate(zip(code_cells(result), code_cells(executed), strict=True), 1):
        first_time += bool(ran.outputs and not cell.outputs)
        found = differences(cell.outputs, ran.outputs)
        if found and cell.outputs and not _is_ignored(cell):
            changes.append(CellChange(count, cell.source.strip().splitlines()[0], tuple(found)))
        # Outputs that say the same stay as they are stored, ids and last digits included.
        if found or appearance(cell.outputs) != appearance(ran.outputs):
            cell.outputs = ran.outputs
    normalise(result)

    after = as_bytes(result)
    if any(each.of_numbers for change in changes for each in change.differences) and not accept:
        state = "refused"
    elif after == before:
        state = "unchanged"
    else:
        state = "stored"
        if path.read_bytes() != before:
            raise NotebookError(f"{path_shown}: was changed while it was executed; refresh it again.")
        write_atomically(path, after)
    diff = _for_people(stored, result) if changes else ""
    return Refreshed(path_shown, state, tuple(changes), first_time, diff, seconds)


def _execute(stored, name: Path, folder: Path, cell_timeout: float, progress, clients: list):
    """A copy of the notebook, executed from the top by a fresh kernel in the notebook's folder."""
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    from paillasse.kernels.channels import PrivateKernelManager

    notebook = copy.deepcopy(stored)
    cells = code_cells(notebook)
    for cell in cells:
        cell.outputs, cell.execution_count = [], None
        if _marks(cell).get("check_exception"):  # nbval's comment says the same as nbclient's tag
            cell.metadata.setdefault("tags", []).append("raises-exception")
    task = progress.add_task(name.name, total=len(cells))
    current = []

    def begin(cell, cell_index):
        current[:] = [cell]

    client = NotebookClient(
        notebook,
        kernel_name=KERNEL,
        kernel_manager_class=PrivateKernelManager,  # cold: a warm kernel would hide a missing import
        timeout=cell_timeout,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=begin,
        on_cell_complete=lambda cell, cell_index: progress.advance(task),
    )
    clients.append(client)
    try:
        return client.execute(stderr=subprocess.DEVNULL)
    except CellExecutionError as error:
        reason = f"{error.ename}: {error.evalue}".strip().splitlines()[0]
    except CellTimeoutError:
        reason = f"it ran longer than {cell_timeout:g} seconds"
    except DeadKernelError:
        reason = "its kernel died, perhaps for want of memory"
    except (NoSuchKernel, RuntimeError) as error:
        reason = f"the kernel could not be used ({str(error).splitlines()[0]})"
    finally:
        clients.remove(client)
        progress.remove_task(task)
    place = "before its first cell"
    if current:
        count = next(i for i, cell in enumerate(cells, 1) if cell is current[0])
        place = f"cell [{count}] ({current[0].source.strip().splitlines()[0]})"
    raise NotebookError(f"{name}: {place}: {reason}. The file is as it was.") from None


def _kill(client) -> None:
    process = getattr(getattr(client.km, "provisioner", None), "process", None)
    if process is not None:
        process.kill()


def _marks(cell) -> dict[str, bool]:
    """nbval's marks of a cell, from its tags and comments."""
    from nbval.plugin import find_comment_markers, find_metadata_tags

    return dict(find_metadata_tags(cell.metadata)) | dict(find_comment_markers(cell.source))


def _is_ignored(cell) -> bool:
    """Whether a mark in the cell says that its output is not compared."""
    marks = _marks(cell)
    return bool(marks.get("skip")) or not marks.get("check", True)


def _for_people(before, after) -> str:
    """nbdime's view of what changed in the outputs."""
    from nbdime import diff_notebooks
    from nbdime.prettyprint import PrettyPrintConfig, pretty_print_diff

    before, after = _readable(before), _readable(after)
    for notebook in (before, after):
        normalise(notebook)
    out = io.StringIO()
    # Neither git nor diff: what they print depends on the machine and the user's settings.
    config = PrettyPrintConfig(out=out, use_git=False, use_diff=False, use_color=False)
    pretty_print_diff(before, diff_notebooks(before, after), "", config)
    return out.getvalue()


def _readable(notebook):
    """A copy in which figures and HTML are lines of text: in the file arrays are base64 beside 7 kB of template."""
    import numpy as np

    notebook = copy.deepcopy(notebook)
    for cell in code_cells(notebook):
        for output in cell.outputs:
            bundle = output.get("data", {})
            if "text/html" in bundle:
                bundle["text/html"] = html_lines(bundle["text/html"])
            if PLOTLY in bundle:
                with np.printoptions(threshold=12, edgeitems=5, precision=6):
                    output.data = {"text/plain": "\n".join(_figure_lines("", figure_content(bundle[PLOTLY])))}
    return notebook


def _figure_lines(path: str, node) -> list[str]:
    if isinstance(node, dict):
        return [line for key in sorted(node) for line in _figure_lines(f"{path}.{key}" if path else key, node[key])]
    if isinstance(node, list) and any(isinstance(each, dict) for each in node):
        return [line for i, each in enumerate(node) for line in _figure_lines(f"{path}[{i}]", each)]
    text = " ".join(str(node).split())
    return [f"{path} = {text if len(text) <= 200 else text[:200] + '…'}"]
