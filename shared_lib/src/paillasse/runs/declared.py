"""`runs.yaml`: which notebooks are to run with which parameters, checked before anything starts."""

import hashlib
import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from paillasse.catalog import open_catalog
from paillasse.catalog.model import Profile
from paillasse.documents import Place, Strict, read_document, text_of, told
from paillasse.errors import NotebookError, RunError, did_you_mean
from paillasse.runs.parameters import notebook_parameters, problem_with

FILE = "runs.yaml"
LONGEST_NAME = 100  # of a grid point; a folder's path must stay below Windows' 260 characters


NAME = text_of(
    r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", "letters, digits, '-' and '_', at most 64 of them, for it names a folder"
)


class Entry(Strict):
    """One entry of `runs.yaml`, as written."""

    name: Annotated[str, NAME]
    notebook: str
    parameters: dict[str, Any] = {}
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    timeout: Annotated[float, Field(gt=0)] | None = None
    profile: Profile | None = None


class Document(Strict):
    """The whole of `runs.yaml`."""

    runs: list[Entry]


@dataclass(frozen=True)
class Run:
    """One notebook with one set of parameters: an entry of `runs.yaml`, or one point of an entry's grid."""

    name: str
    entry: str
    notebook: Path
    parameters: dict[str, Any]
    timeout: float | None
    profile: str | None


def find_project(start: Path | None = None) -> Path:
    """The nearest folder upward that holds a `runs.yaml`."""
    start = (start or Path.cwd()).resolve()
    for folder in [start, *start.parents]:
        if (folder / FILE).is_file():
            return folder
    raise RunError(f"There is no {FILE} in {start} or above it. Go to a project's folder, or write one there.")


def default_profile(project: Path) -> str | None:
    """The profile of runs that name none: PAILLASSE_PROFILE, else the catalogue's; a broken catalogue is an error."""
    catalog = project / "data_catalog.yaml"
    return open_catalog(catalog).profile if catalog.is_file() else os.environ.get("PAILLASSE_PROFILE")


def read_runs(project: Path) -> list[Run]:
    """Every run of a project, grids expanded, each parameter checked against its notebook.

    Raises
    ------
    RunError
        One line per mistake: file, line, key, what was expected.
    """
    document, lines = read_document(project / FILE, Document, RunError)
    entries = document.runs
    mistakes = [mistake for i, entry in enumerate(entries) for mistake in _mistakes(project, i, entry)]
    counts = Counter(entry.name.casefold() for entry in entries)  # Windows and macOS folders ignore case
    mistakes += [
        (("runs", i, "name"), f"two runs are called {entry.name!r}; each needs a name of its own")
        for i, entry in enumerate(entries)
        if counts[entry.name.casefold()] > 1
    ]
    if mistakes:
        raise RunError(told(FILE, lines, mistakes))
    return [run for entry in entries for run in _expand(project, entry)]


def choose(runs: list[Run], names: tuple[str, ...]) -> list[Run]:
    """The runs with these names: an entry's name means all of its grid, no name means every run."""
    for name in names:
        known = [run.entry for run in runs] + [run.name for run in runs]
        if name not in known:
            raise RunError(f"{FILE} has no run {name!r}. {did_you_mean(name, dict.fromkeys(known))}")
    return [run for run in runs if not names or run.name in names or run.entry in names]


def _mistakes(project: Path, i: int, entry: Entry) -> Iterator[tuple[Place, str]]:
    """What is wrong with an entry beyond its form: the notebook, and the parameters that it does not have."""
    notebook = project / entry.notebook
    if not notebook.is_file() or notebook.suffix != ".ipynb":
        known = [file.relative_to(project).as_posix() for file in _notebooks(project)]
        yield ("runs", i, "notebook"), f"there is no notebook {entry.notebook!r}. {did_you_mean(entry.notebook, known)}"
        return
    try:
        parameters = notebook_parameters(notebook)
    except NotebookError as error:
        yield ("runs", i, "notebook"), str(error)
        return
    for name in entry.parameters.keys() & entry.grid.keys():
        yield ("runs", i, "grid", name), f"{name!r} is in 'parameters' too; leave it in one of the two"
    for name, values in entry.grid.items():
        if len({json.dumps(value, default=str) for value in values}) < len(values):
            yield ("runs", i, "grid", name), f"a value of {name!r} is given twice"
    given = [(("parameters", name), name, value) for name, value in entry.parameters.items()]
    given += [(("grid", name, j), name, value) for name, values in entry.grid.items() for j, value in enumerate(values)]
    for where, name, value in given:
        if problem := problem_with(name, value, parameters):
            yield ("runs", i, *where), problem


def _notebooks(project: Path) -> list[Path]:
    found = [*project.glob("*.ipynb"), *(project / "notebooks").rglob("*.ipynb")]
    return sorted(file for file in found if ".ipynb_checkpoints" not in file.parts)


def _expand(project: Path, entry: Entry) -> list[Run]:
    """An entry's grid: one run for each combination of its values, the last parameter varying fastest."""
    notebook = (project / entry.notebook).resolve()
    runs = []
    for values in itertools.product(*entry.grid.values()):
        point = dict(zip(entry.grid, values, strict=True))
        parameters = entry.parameters | point
        runs.append(Run(_point_name(entry, point), entry.name, notebook, parameters, entry.timeout, entry.profile))
    return _with_distinct_names(runs)


def _point_name(entry: Entry, point: dict[str, Any]) -> str:
    """A readable name of a grid point that is a good folder name everywhere: `NAME-endpoint=death-age=60`."""
    words = [f"{name}={re.sub(r'[^A-Za-z0-9.]+', '_', _text(value)).strip('_.')}" for name, value in point.items()]
    return "-".join([entry.name, *words])


def _text(value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _with_distinct_names(runs: list[Run]) -> list[Run]:
    """Names made distinct: values that differ only in signs left out of names, or long ones, get a short hash."""
    counts = Counter(run.name.casefold() for run in runs)
    distinct = []
    for run in runs:
        name = run.name
        if counts[name.casefold()] > 1 or len(name) > LONGEST_NAME:
            digest = hashlib.sha256(json.dumps(run.parameters, sort_keys=True).encode()).hexdigest()[:6]
            name = f"{name[: LONGEST_NAME - 7]}-{digest}"
        distinct.append(Run(name, run.entry, run.notebook, run.parameters, run.timeout, run.profile))
    return distinct
