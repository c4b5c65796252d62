"""The launcher's tiles: a project's notebooks by the question that each answers, and a new one made from another."""

import json
from pathlib import Path

from paillasse.errors import InputError, NotebookError
from paillasse.files import write_atomically
from paillasse.runs.declared import notebooks_of
from paillasse.runs.parameters import read_notebook, title_of


def listed(project: Path, root: Path) -> list[dict]:
    """The notebooks that JupyterLab can open, each with its question; what is no notebook has none."""
    root = root.resolve()
    files = [file for file in map(Path.resolve, notebooks_of(project)) if file.is_relative_to(root)]
    found = []
    for file in files:
        try:
            found.append({"path": file.relative_to(root).as_posix(), "question": title_of(file)})
        except NotebookError:
            continue
    return found


def begin(root: Path, file: Path, name: str) -> dict:
    """Make a notebook from another one, beside it, without its outputs.

    Raises
    ------
    NotebookError
        The other one is no notebook.
    InputError
        There is a notebook of that name.
    """
    read_notebook(file)  # is it one?
    new = file.with_name(f"{name}.ipynb")
    if new.exists():
        raise InputError(f"There is a notebook {new.name} already. Choose another name.")
    notebook = json.loads(file.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    write_atomically(new, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    return {"path": new.relative_to(root.resolve()).as_posix()}
