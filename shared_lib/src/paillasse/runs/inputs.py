"""What a result depends on, each part as one short text, so that it can be said which part has changed.

Notebook: its code, not its prose or outputs. Code: the shared library; the project's own, which is `src/` and what lies
beside the notebook. Environment: the interpreter and the lock file. Data: the versions of the data sets that the run
read, as the catalogue told it. What a notebook reads by other ways than the catalogue is not seen here.
"""

import hashlib
import json
import os
import platform
from functools import cache
from pathlib import Path

import paillasse
from paillasse.catalog import Catalog, open_catalog
from paillasse.catalog.entries import FILE_NAME
from paillasse.errors import PaillasseError
from paillasse.runs.declared import Run
from paillasse.runs.parameters import read_notebook
from paillasse.runs.results import latest, read_state

LOCK = "requirements.lock"
# Each part of `inputs`, and how a reader is told that it has changed.
WORDS = {
    "notebook": "the notebook's code",
    "parameters": "the parameters",
    "profile": "the profile",
    "library": "the shared library",
    "project": "the project's code",
    "environment": "the environment",
}


def inputs(project: Path, run: Run) -> dict:
    """What a run depends on before it starts; the data that it reads are known afterwards.

    Returns
    -------
    dict
        The parts of `WORDS`: `parameters` and `profile` as they are, the others as checksums.
    """
    return _inputs_of_notebook(project, run.notebook) | _given(run)


def _given(run: Run) -> dict:
    return {"parameters": run.parameters, "profile": run.profile}


def _inputs_of_notebook(project: Path, notebook: Path) -> dict:
    folder = notebook.parent
    packages = [each for each in {file.parent for file in folder.glob("*/*.py")} if each.name.isidentifier()]
    beside = sorted([*folder.glob("*.py"), *(file for package in packages for file in package.rglob("*.py"))])
    own = [f"{path.relative_to(folder).as_posix()} {_file(path)}" for path in beside]
    return {
        "notebook": _code_of(notebook),
        "library": _tree(Path(paillasse.__file__).parent),
        "project": _digest([_tree(project / "src"), *own]),
        "environment": _digest([platform.python_version(), _file(project / LOCK)]),
    }


def software() -> dict[str, str]:
    """What a process executes runs with, in words that a reader is told: the versions of Python and of the library."""
    return {"Python": platform.python_version(), "the shared library": _tree(Path(paillasse.__file__).parent)}


def forget() -> None:
    """Look at files anew: they change while runs are executed."""
    _tree.cache_clear()
    _file.cache_clear()


def plan_of(project: Path, runs: list[Run]) -> dict[str, str | None]:
    """Name of each run → why it must be executed, or None if its newest result still stands."""
    file = project / FILE_NAME
    catalog = open_catalog(file) if file.is_file() else None
    notebooks = dict.fromkeys(run.notebook for run in runs)  # few, where runs may be a hundred thousand
    inputs_of = {notebook: _inputs_of_notebook(project, notebook) for notebook in notebooks}
    return {run.name: why_run(project, run, inputs_of[run.notebook] | _given(run), catalog) for run in runs}


def why_run(project: Path, run: Run, now: dict, catalog: Catalog | None) -> str | None:
    """Why a run must be executed; None if its newest result still stands.

    Parameters
    ----------
    project
        Its folder.
    run
        With its final profile.
    now
        Its `inputs`.
    catalog
        The project's, for the versions of data sets; None where there is none.
    """
    folder = latest(project, run.name)
    if folder is None:
        return "new"
    state = read_state(folder)
    if state.get("state") != "ok":
        return f"its last run was not ok ({state.get('state')})"
    before = state.get("inputs", {})
    changed = [words for part, words in WORDS.items() if before.get(part) != now[part]]
    changed += [f"the data set {each['data_set']}" for each in before.get("data_sets", []) if _is_other(each, catalog)]
    return f"changed: {', '.join(changed)}" if changed else None


def _is_other(read: dict, catalog: Catalog | None) -> bool:
    """Whether a data set may be another than the one that was read: without a version, that cannot be excluded."""
    if read["version"] is None or catalog is None:
        return True
    try:
        return catalog.in_profile(read["profile"])[read["data_set"]].version() != read["version"]
    except PaillasseError:  # no longer there, or not to be read: the run will say so
        return True


def _code_of(notebook: Path) -> str:
    return _digest([cell["source"] for cell in read_notebook(notebook)["cells"] if cell["cell_type"] == "code"])


@cache
def _tree(folder: Path) -> str:
    """One checksum over the files that code consists of; nothing where there is no such folder."""
    files = []
    for place, folders, names in os.walk(folder):
        if "__pycache__" in folders:
            folders.remove("__pycache__")
        files += [Path(place, name) for name in names]
    return _digest([f"{path.relative_to(folder).as_posix()} {_file(path)}" for path in sorted(files)])


@cache
def _file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _digest(parts: list[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
