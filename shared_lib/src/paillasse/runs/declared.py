"""`runs.yaml`: which notebooks are to run with which parameters, checked before anything starts.

An entry without a value of its own has that of `defaults`; a null is a value: no timeout, the catalogue's profile. The
`parameters` there go to each notebook that has a parameter of the name, unless the entry gives it in `parameters` or
`grid`: a file that sets `conf_level` once may list notebooks that have none. A name that none has is a mistake. A
grid is multiplied out only once it is known how many runs that makes.
"""

import hashlib
import itertools
import json
import math
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from paillasse.catalog import open_catalog
from paillasse.catalog.entries import FILE_NAME as CATALOG
from paillasse.catalog.model import Profile
from paillasse.credentials import looks_secret
from paillasse.documents import Lines, Place, Strict, read_document, shortened, text_of, told
from paillasse.errors import CatalogError, NotebookError, RunError, did_you_mean
from paillasse.files import nearest
from paillasse.runs.parameters import NO_SECRETS, Parameter, notebook_parameters, problem_with

FILE = "runs.yaml"
LONGEST_NAME = 100  # of a grid point; a folder's path must stay below Windows' 260 characters
DIGEST = 12  # hexadecimal digits that tell grid points apart; of 100,000 with 6, some three hundred pairs were alike
MOST_RUNS = 100_000  # in a file; each leaves some hundred kB and takes seconds
MANY_RUNS = 1000  # more are executed only when somebody has said that so many are meant


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


class Defaults(Strict):
    """What entries of `runs.yaml` have that say nothing else."""

    parameters: dict[str, Any] = {}
    timeout: Annotated[float, Field(gt=0)] | None = None
    profile: Profile | None = None


class Document(Strict):
    """The whole of `runs.yaml`."""

    defaults: Defaults = Defaults()
    runs: list[Entry]


# The parameters of each notebook, by its path in `runs.yaml`; of a notebook without a cell for them: None.
Notebooks = dict[str, dict[str, Parameter] | None]


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
    if folder := nearest(start, FILE):
        return folder
    raise RunError(f"There is no {FILE} in {start} or above it. Go to a project's folder, or write one there.")


def default_profile(project: Path) -> str | None:
    """The profile of runs that name none: PAILLASSE_PROFILE, else the catalogue's; a broken catalogue is an error."""
    catalog = project / CATALOG
    return open_catalog(catalog).profile if catalog.is_file() else os.environ.get("PAILLASSE_PROFILE")


def read_runs(project: Path) -> list[Run]:
    """Every run of a project, grids expanded, each parameter checked against its notebook and the catalogue.

    Raises
    ------
    RunError
        One line per mistake: file, line, key, what was expected.
    """
    return _checked(project, *read_document(project / FILE, Document, RunError))


def runs_of(project: Path, entry: dict) -> list[Run]:
    """The runs of an entry that is in no file, checked as those of `runs.yaml` are.

    Raises
    ------
    RunError
        One line per mistake: key, what was expected; the file and the line in it are those of an entry alone.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, FILE)
        file.write_text(json.dumps({"runs": [entry]}, ensure_ascii=False), encoding="utf-8", errors="replace")
        document, lines = read_document(file, Document, RunError)
    return _checked(project, document, lines)


def _checked(project: Path, document: Document, lines: Lines) -> list[Run]:
    """The runs of a document in which each parameter has a value that its notebook takes."""
    entries = document.runs
    notebooks, unusable = _read_notebooks(project, [entry.notebook for entry in entries])
    data_sets = _data_sets(project)
    mistakes = [*_mistakes_of_defaults(document, notebooks, data_sets), *_mistakes_of_numbers(entries)]
    for i, entry in enumerate(entries):
        if entry.notebook in unusable:
            mistakes.append((("runs", i, "notebook"), unusable[entry.notebook]))
        else:
            completed = _with_defaults(entry, document.defaults, notebooks)
            mistakes += _mistakes_of_entry(i, entry, completed, notebooks[entry.notebook], data_sets)
    counts = Counter(entry.name.casefold() for entry in entries)  # Windows and macOS folders ignore case
    mistakes += [
        (("runs", i, "name"), f"two runs are called {entry.name!r}; each needs a name of its own")
        for i, entry in enumerate(entries)
        if counts[entry.name.casefold()] > 1
    ]
    if mistakes:
        raise RunError(told(FILE, lines, mistakes))
    completed = [_with_defaults(entry, document.defaults, notebooks) for entry in entries]
    return [run for entry in completed for run in _expand(project, entry)]


def choose(runs: list[Run], names: tuple[str, ...]) -> list[Run]:
    """The runs with these names: an entry's name means all of its grid, no name means every run."""
    known = dict.fromkeys([run.entry for run in runs] + [run.name for run in runs])
    for name in names:
        if name not in known:
            raise RunError(f"{FILE} has no run {name!r}. {did_you_mean(name, known)}")
    return [run for run in runs if not names or run.name in names or run.entry in names]


# What a file may be wrong about, beyond its form


def _read_notebooks(project: Path, names: list[str]) -> tuple[Notebooks, dict[str, str]]:
    """The parameters of each notebook, read once; and why others are unusable."""
    notebooks, unusable = {}, {}
    for name in dict.fromkeys(names):
        try:
            notebooks[name] = notebook_parameters(_find_notebook(project, name))
        except NotebookError as error:
            unusable[name] = str(error)
    return notebooks, unusable


def _find_notebook(project: Path, name: str) -> Path:
    notebook = project / name
    try:
        if notebook.is_file() and notebook.suffix == ".ipynb":
            return notebook
    except OSError:  # a name longer than a name can be
        pass
    known = [file.relative_to(project).as_posix() for file in notebooks_of(project)]
    raise NotebookError(f"there is no notebook {shortened(name)}. {did_you_mean(name, known)}")


def _data_sets(project: Path) -> list[str] | None:
    """The catalogue's names; None where it cannot be read, which `default_profile` tells before anything runs: the
    state of results can be seen without it."""
    try:
        return list(open_catalog(project / CATALOG)) if (project / CATALOG).is_file() else None
    except CatalogError:
        return None


def _with_defaults(entry: Entry, defaults: Defaults, notebooks: Notebooks) -> Entry:
    """An entry with the values of `defaults` where it says nothing; a null is its own word."""
    has = notebooks[entry.notebook] or {}
    given = {name: value for name, value in defaults.parameters.items() if name in has and name not in entry.grid}
    update = {key: getattr(defaults, key) for key in ("timeout", "profile") if key not in entry.model_fields_set}
    return entry.model_copy(update=update | {"parameters": given | entry.parameters})


def _mistakes_of_numbers(entries: list[Entry]) -> Iterator[tuple[Place, str]]:
    """More runs than any disk would bear, in one grid or in all."""
    numbers = [_number_of_runs(entry) for entry in entries]
    most = f"at most {MOST_RUNS:,} are possible; give fewer values"
    for i, number in enumerate(numbers):
        if number > MOST_RUNS:
            yield ("runs", i, "grid"), f"{_in_words(number)} runs; {most}"
    if max(numbers, default=0) <= MOST_RUNS < sum(numbers):
        yield ("runs",), f"{_in_words(sum(numbers))} runs in all; {most}"


def _number_of_runs(entry: Entry) -> int:
    return math.prod(map(len, entry.grid.values()))


def _in_words(number: int) -> str:
    return f"{number:,}" if number < 10**15 else "more than 10^15"


def _mistakes_of_defaults(
    document: Document, notebooks: Notebooks, data_sets: list[str] | None
) -> Iterator[tuple[Place, str]]:
    """A default parameter that no notebook of the file has, or whose value is wrong for one that gets it."""
    known = {name for parameters in notebooks.values() for name in parameters or {}}
    all_are_known = all(entry.notebook in notebooks for entry in document.runs)
    for name, value in document.defaults.parameters.items():
        place = ("defaults", "parameters", name)
        if looks_secret(name, value):
            yield place, NO_SECRETS
        elif name not in known and all_are_known:
            yield place, f"no notebook of this file has a parameter {name!r}. {did_you_mean(name, sorted(known))}"
        else:
            without = [entry.notebook for entry in document.runs if name not in entry.parameters | entry.grid]
            for notebook in dict.fromkeys(without):
                parameters = notebooks.get(notebook) or {}
                if name in parameters and (problem := problem_with(name, value, parameters, data_sets)):
                    yield place, f"for {notebook}: {problem}"


def _mistakes_of_entry(
    i: int, entry: Entry, completed: Entry, parameters: dict[str, Parameter] | None, data_sets: list[str] | None
) -> Iterator[tuple[Place, str]]:
    """What is wrong with an entry's own parameters; and with a data set that it leaves to the notebook."""
    for name in entry.parameters.keys() & entry.grid.keys():
        yield ("runs", i, "grid", name), f"{name!r} is in 'parameters' too; leave it in one of the two"
    for name, values in entry.grid.items():
        if len({json.dumps(value, default=str) for value in values}) < len(values):
            yield ("runs", i, "grid", name), f"a value of {name!r} is given twice"
    given = [(("parameters", name), name, value) for name, value in entry.parameters.items()]
    given += [(("grid", name, j), name, value) for name, values in entry.grid.items() for j, value in enumerate(values)]
    for where, name, value in given:
        if problem := problem_with(name, value, parameters, data_sets):
            yield ("runs", i, *where), problem
    left_to_notebook = (parameters or {}).keys() - completed.parameters.keys() - completed.grid.keys()
    for name in left_to_notebook if data_sets is not None else ():
        if unknown := parameters[name].unknown_data_set(parameters[name].default, data_sets):
            what = f"without a value for {name!r} it reads {unknown!r}, which is no data set of the catalogue"
            yield ("runs", i, "notebook"), f"{what}; give another. {did_you_mean(unknown, data_sets)}"


def notebooks_of(project: Path) -> list[Path]:
    """A project's notebooks: those beside `runs.yaml`, and in the folder `notebooks`."""
    found = [*project.glob("*.ipynb"), *(project / "notebooks").rglob("*.ipynb")]
    return sorted(file for file in found if ".ipynb_checkpoints" not in file.parts)


def _expand(project: Path, entry: Entry) -> list[Run]:
    """An entry's grid: one run for each combination of its values, the last parameter varying fastest."""
    notebook = (project / entry.notebook).resolve()
    points = [dict(zip(entry.grid, values, strict=True)) for values in itertools.product(*entry.grid.values())]
    return [
        Run(name, entry.name, notebook, entry.parameters | point, entry.timeout, entry.profile)
        for name, point in zip(_distinct_names(entry.name, points), points, strict=True)
    ]


def _distinct_names(entry: str, points: list[dict[str, Any]]) -> list[str]:
    """A name for each grid point; values that differ only in signs left out of names, or long ones, get a hash."""
    names = [_point_name(entry, point) for point in points]
    counts = Counter(map(str.casefold, names))
    distinct = []
    for name, point in zip(names, points, strict=True):
        if counts[name.casefold()] > 1 or len(name) > LONGEST_NAME:
            digest = hashlib.sha256(json.dumps(point, sort_keys=True).encode()).hexdigest()[:DIGEST]
            name = f"{name[: LONGEST_NAME - DIGEST - 1]}-{digest}"
        distinct.append(name)
    return distinct


def _point_name(entry: str, point: dict[str, Any]) -> str:
    """A readable name of a grid point that is a good folder name everywhere: `NAME-endpoint=death-age=60`."""
    words = [f"{name}={re.sub(r'[^A-Za-z0-9.]+', '_', _text(value)).strip('_.')}" for name, value in point.items()]
    return "-".join([entry, *words])


def _text(value) -> str:
    return value if isinstance(value, str) else json.dumps(value)
