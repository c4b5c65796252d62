"""A notebook as it is stored: read, judged, written."""

import json
import os
import re
import warnings
from pathlib import Path

from paillasse.errors import NotebookError
from paillasse.notebooks.compare import PLOTLY, without_places

# The seconds that one cell may take, in the proof as in a refresh. nbval's own default is 2000.
CELL_TIMEOUT = 300
KERNEL = "python3"
REMEDY = "run make refresh"

# What changes from run to run or from machine to machine and says nothing about the notebook.
VOLATILE_CELL_METADATA = ("collapsed", "execution", "ExecuteTime", "papermill", "scrolled", "vscode")
VOLATILE_METADATA = ("papermill", "signature", "vscode", "widgets")
# Fixed words rather than the kernel's own: its language_info names the patch version of Python.
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": KERNEL}
LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python", "pygments_lexer": "ipython3"}


def read_notebook(path: Path):
    """Read a notebook (format 4, with code in it).

    Returns
    -------
    nbformat.NotebookNode

    Raises
    ------
    NotebookError
        In one line: the file, what is wrong with it, and what to do.
    """
    import nbformat

    try:
        text = Path(path).read_text(encoding="utf-8")
        raw = json.loads(text)
    except OSError as error:
        raise NotebookError(f"{path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise NotebookError(f"{path}: is not UTF-8 text, so no notebook. Restore it from git.") from None
    except json.JSONDecodeError as error:
        conflict = "has an unresolved merge conflict" if re.search(r"(?m)^<{7} ", text) else "is not JSON"
        raise NotebookError(f"{path}: {conflict} (line {error.lineno}). Restore it from git.") from None
    version = raw.get("nbformat") if isinstance(raw, dict) else None
    if version is None:
        raise NotebookError(f"{path}: is JSON, but no notebook (no key 'nbformat'). Restore it from git.")
    if version != 4:
        raise NotebookError(
            f"{path}: is in notebook format {version}, expected 4. "
            f"Convert it: jupyter nbconvert --to notebook --inplace '{path}'"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ids that a notebook of format 4.5 lacks are given, and stored by refresh
        try:
            nbformat.validate(raw)
        except nbformat.ValidationError as error:
            reason = str(error).splitlines()[0]
            raise NotebookError(f"{path}: breaks the notebook format: {reason} Restore it from git.") from None
        notebook = nbformat.reads(text, as_version=4)
    language = notebook.metadata.get("kernelspec", {}).get("language", "python")
    if language != "python":
        raise NotebookError(f"{path}: is in {language}; only Python notebooks can be proven here.")
    if not code_cells(notebook):
        raise NotebookError(f"{path}: has no code cells, so there is nothing to prove. Add some, or move it elsewhere.")
    return notebook


def code_cells(notebook) -> list:
    """The cells that a kernel executes and counts: code, and not empty."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def refusals(notebook) -> dict[int, str]:
    """Why cells cannot be judged as they are stored, by position among all code cells, from 0, as nbval counts them.

    A cell without an execution count was never run as it stands, and counts other than 1, 2, 3, ... tell of cells
    run out of order, whose outputs a run from the top need not give.
    """
    found = {}
    expected = 1
    for position, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
        if not cell.source.strip():
            continue
        if cell.execution_count is None:
            found[position] = f"This cell is stored without having been run (its execution count is null): {REMEDY}."
        elif cell.execution_count != expected:
            found[position] = (
                f"This cell was run out of order: it is stored as [{cell.execution_count}], "
                f"a run from the top gives [{expected}]: {REMEDY}."
            )
        expected += 1
    return found


def refuse_secure_profile() -> None:
    """Stop where notebooks would read patients' data: stored outputs are committed, and differences are printed.

    Raises
    ------
    NotebookError
        If PAILLASSE_PROFILE is `secure`.
    """
    if os.environ.get("PAILLASSE_PROFILE") == "secure":
        raise NotebookError(
            "PAILLASSE_PROFILE is 'secure', but notebooks are proven and refreshed on public or synthetic data only, "
            "because their stored outputs are committed: unset it, or set it to 'public' or 'synthetic'."
        )


def normalise(notebook) -> None:
    """Bring a notebook into the form that is committed: nothing volatile, no machine's folders, counts 1, 2, 3, ..."""
    for key in VOLATILE_METADATA:
        notebook.metadata.pop(key, None)
    notebook.metadata["kernelspec"] = dict(KERNELSPEC)
    notebook.metadata["language_info"] = dict(LANGUAGE)
    for cell in notebook.cells:
        for key in VOLATILE_CELL_METADATA:
            cell.metadata.pop(key, None)
        if "jupyter" in cell.metadata:
            cell.metadata.jupyter.pop("outputs_hidden", None)  # source_hidden is the author's wish
        if cell.cell_type == "code":
            cell.execution_count = None
    for count, cell in enumerate(code_cells(notebook), 1):
        cell.execution_count = count
        for output in cell.outputs:
            _normalise_output(output, count)


def _normalise_output(output, count: int) -> None:
    if output.output_type == "stream":
        output.text = without_places(output.text)
    if output.output_type == "error":
        output.traceback = [without_places(line) for line in output.traceback]
    if output.output_type == "execute_result":
        output.execution_count = count
    if PLOTLY in output.get("data", {}):
        output.data.pop("text/html", None)  # a copy of the figure, which may load plotly.js from elsewhere
        # No address, and no button that uploads the figure's data: plotly.js offers both unless told.
        local = {"plotlyServerURL": "", "showSendToCloud": False}
        output.data[PLOTLY]["config"] = output.data[PLOTLY].get("config", {}) | local


def as_bytes(notebook) -> bytes:
    """The bytes of a notebook on disk, the same for the same content."""
    import nbformat

    return (nbformat.writes(notebook).rstrip("\n") + "\n").encode()
