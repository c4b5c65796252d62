"""The form of a notebook's parameters: what it asks, and the runs that are made of what was filled in."""

import contextlib
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import yaml

from paillasse.errors import RunError
from paillasse.files import write_atomically
from paillasse.lab.bench import launch
from paillasse.runs.declared import FILE, read_runs, runs_of
from paillasse.runs.parameters import Parameter, notebook_parameters

FIRST_ENTRY = re.compile(r"^runs:[^\n]*\n(?:[ \t]*(?:#[^\n]*)?\n)*( *)- ", re.MULTILINE)
KINDS = {bool: "boolean", str: "text", int: "number", float: "number", list: "list", dict: "mapping"}


def form(project: Path, file: Path) -> dict:
    """The fields of the form, in the order of the notebook's parameters cell.

    Raises
    ------
    NotebookError
        The file is no notebook, or its parameters cell cannot be read.
    RunError
        No cell is tagged `parameters`.
    """
    parameters = notebook_parameters(file)
    if parameters is None:
        raise RunError(
            "This notebook has no cell tagged 'parameters', so there is nothing to fill in. Tag its first code cell: "
            "Property Inspector (the cogs on the right), Common Tools, Cell Tags."
        )
    fields = [_field(each) for each in parameters.values() if not each.is_secret]
    return {"notebook": file.relative_to(project).as_posix(), "name": _free_name(project, file), "fields": fields}


def _field(parameter: Parameter) -> dict:
    values, default = parameter.values, parameter.default
    known = [KINDS[kind] for kind in values.types if kind in KINDS]
    return {
        "name": parameter.name,
        "help": parameter.help,
        "kind": KINDS.get(type(default)) or (known[0] if known else "any"),
        "default": None if default is ... else default,
        "choices": [each for each in values.choices if isinstance(each, str | int | float)],
        "least": values.least,
        "most": values.most,
        "names_data_set": parameter.names_data_set,
    }


def _free_name(project: Path, file: Path) -> str:
    """A name for the run that no entry of `runs.yaml` has."""
    stem = re.sub(r"[^A-Za-z0-9]+", "_", file.stem).strip("_")[:50] or "run"
    taken = _declared(project)
    numbers = (f"{stem}_{number}" for number in range(1, len(taken) + 2))
    return next(name for name in numbers if name.casefold() not in taken)


def _declared(project: Path) -> set[str]:
    """Names of runs and of entries, in lower case, for they name folders."""
    if not (project / FILE).is_file():
        return set()
    return {name.casefold() for run in read_runs(project) for name in (run.name, run.entry)}


def checked(project: Path, entry: dict) -> list[str]:
    """The names of the runs that a filled form makes.

    Raises
    ------
    RunError
        What is wrong with which parameter; or the name is one of `runs.yaml`.
    """
    try:
        names = [run.name for run in runs_of(project, entry)]
    except RunError as error:
        raise RunError(re.sub(rf"(?m)^{re.escape(FILE)}:\d+: (runs\[0\]\.)?", "", str(error))) from None
    if {entry["name"].casefold(), *map(str.casefold, names)} & _declared(project):
        raise RunError(f"{FILE} has a run {entry['name']!r} already. Choose another name, or run that one there.")
    return names


def start(project: Path, entry: dict) -> dict:
    """Execute the runs of a filled form, as `paillasse run` would if it stood in `runs.yaml`.

    Raises
    ------
    RunError
        As `checked`; or runs that were started in JupyterLab are still being executed.
    """
    names = checked(project, entry)
    process = launch(project, [sys.executable, "-m", "paillasse.lab.entry"], stdin=subprocess.PIPE)
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:  # it has died, and said why in its log
        stdin.write(json.dumps(entry).encode())
    return {"started": names}


def add(project: Path, entry: dict) -> dict:
    """Write a filled form behind the last entry of `runs.yaml`, whose comments stay.

    Raises
    ------
    RunError
        As `checked`; or the file is written so that nothing can be added behind its end.
    """
    names = checked(project, entry)
    file = project / FILE
    before = file.read_text(encoding="utf-8") if file.is_file() else "runs:\n"
    first = FIRST_ENTRY.search(before)
    dumped = yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
    block = textwrap.indent(dumped, first[1] if first else "  ")
    after = before.rstrip("\n") + "\n" + block
    if _runs_in(after) != [*(_runs_in(before) or []), entry]:
        raise RunError(f"Nothing can be added behind the end of {FILE} as it is written. Add this by hand:\n{block}")
    write_atomically(file, after)
    return {"added": names}


def _runs_in(text: str) -> list | None:
    try:
        return yaml.safe_load(text)["runs"]
    except (yaml.YAMLError, LookupError, TypeError):
        return None
