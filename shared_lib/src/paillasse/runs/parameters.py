"""The parameters that a notebook has: read from its cell tagged `parameters`, and values checked against them.

papermill only warns about a parameter that the notebook does not have, so a mistyped one silently runs with the
default. Its own reading of the cell works line by line and skips every line with two `=`, which comments such as
`# 1 = event` have; the cell is Python, so it is read as Python here.

A value of `runs.yaml` is copied to `run.json`, the executed notebook and pages, so no secret may be one.
"""

import ast
import io
import json
import math
import re
import tokenize
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from paillasse.credentials import looks_secret
from paillasse.errors import NotebookError, did_you_mean
from paillasse.runs.values import ANY, Values, values_of

NO_SECRETS = "this is, or looks like, a secret; credentials come from the environment only, never from this file"
# How the comment behind a parameter begins that says what the parameter is.
SECRET_MARK = re.compile(r"secret\b", re.IGNORECASE)
DATA_SET_MARK = re.compile(r"names? in the data catalogue\b", re.IGNORECASE)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a notebook, with all that is needed to check a value and to ask a person for one.

    Attributes
    ----------
    name
        Its name.
    values
        The types, the choices and the range of its values.
    default
        What it is without `runs.yaml`, lists for tuples; `...` where that is an expression or a secret.
    help
        The comment behind it.
    names_data_set
        Whether its value is the name of a data set, or a list of such.
    is_secret
        Whether it is marked as a secret.
    """

    name: str
    values: Values = ANY
    default: object = ...
    help: str = ""
    names_data_set: bool = False
    is_secret: bool = False

    def unknown_data_set(self, value: object, known: Collection[str]) -> str | None:
        """The first name in a value that is no data set; an empty one names none where the default is empty too."""
        names = value if isinstance(value, list) else [value]
        named = [name for name in names if isinstance(name, str) and not name == self.default == ""]
        return next((name for name in named if name not in known), None) if self.names_data_set else None


def read_notebook(path: Path) -> dict:
    """A notebook's JSON, each cell's source as one text.

    Importing nbformat takes a second, which `paillasse status` would wait for.
    """
    try:
        notebook = {"metadata": {}} | json.loads(path.read_text(encoding="utf-8"))
        cells = [{"metadata": {}} | cell | {"source": "".join(cell["source"])} for cell in notebook["cells"]]
        if not all(isinstance(part["metadata"], dict) for part in [notebook, *cells]):
            raise TypeError
        if not all(isinstance(cell["cell_type"], str) for cell in cells):
            raise TypeError
        return notebook | {"cells": cells}
    except OSError as error:
        raise NotebookError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotebookError(f"{path} is not a Jupyter notebook of format 4.") from error


def title_of(notebook: Path) -> str:
    """The notebook's first heading; its file name where it has none."""
    for cell in read_notebook(notebook)["cells"]:
        for line in cell["source"].splitlines() if cell["cell_type"] == "markdown" else []:
            if line.startswith("#"):
                return line.lstrip("#").strip()
    return notebook.stem


def notebook_parameters(path: Path) -> dict[str, Parameter] | None:
    """The parameters of a notebook by name, or None where no cell is tagged `parameters`.

    Raises
    ------
    NotebookError
        The file is no notebook, its parameters cell no Python, or a default there breaks its own rule.

    Examples
    --------
    >>> import tempfile
    >>> source = 'endpoint = "death"  # what is counted; one of: death, relapse'
    >>> cell = {"cell_type": "code", "source": source, "metadata": {"tags": ["parameters"]}}
    >>> notebook = Path(tempfile.mkdtemp(), "n.ipynb")
    >>> _ = notebook.write_text(json.dumps({"cells": [cell]}))
    >>> endpoint = notebook_parameters(notebook)["endpoint"]
    >>> endpoint.default, endpoint.values.choices, endpoint.help
    ('death', ('death', 'relapse'), 'what is counted; one of: death, relapse')
    """
    for cell in read_notebook(path)["cells"]:
        if "parameters" in (cell["metadata"].get("tags") or []):
            try:
                return {each.name: each for each in _assignments(cell["source"])}
            except NotebookError as error:
                raise NotebookError(f"{path}: {error}.") from error
            except SyntaxError as error:
                where = f"line {error.lineno} of its parameters cell"
                raise NotebookError(f"{path}: {where} is not Python: {error.msg}.") from error
            except (ValueError, RecursionError, MemoryError) as error:  # a null byte; a thousand open brackets
                raise NotebookError(f"{path}: its parameters cell is not Python.") from error
    return None


def problem_with(
    name: str, value, parameters: dict[str, Parameter] | None, data_sets: Collection[str] | None = None
) -> str | None:
    """What is wrong with giving this value to this parameter; None where all is well.

    Where the names of the catalogue's data sets are not known, those in values are not checked.
    """
    if (parameters and name in parameters and parameters[name].is_secret) or looks_secret(name, value):
        return NO_SECRETS
    if parameters is None:
        return "the notebook has no cell tagged 'parameters', so it takes none. Tag its first code cell in JupyterLab"
    if name not in parameters:
        known = "The notebook's parameters: " + (", ".join(parameters) or "none")
        hint = did_you_mean(name, parameters)
        return f"the notebook has no parameter {name!r}. " + (f"{hint} {known}" if hint.startswith("Did") else known)
    if _is_not_finite(value):
        return "expected a finite number; a .nan or .inf is none, and run.json could not hold it"
    if not _is_plain(value):
        return f"a {type(value).__name__} cannot be handed to a notebook; write it in quotes, as text"
    parameter = parameters[name]
    if problem := parameter.values.problem(value, ", as in the notebook's parameters cell"):
        return problem
    if data_sets is not None and (unknown := parameter.unknown_data_set(value, data_sets)) is not None:
        return f"the catalogue has no data set {unknown!r}. {did_you_mean(unknown, data_sets)}"
    return None


def _assignments(source: str) -> Iterator[Parameter]:
    cell = ast.parse(source)
    comments = {
        each.start[0]: each.string.lstrip("#").strip()
        for each in tokenize.generate_tokens(io.StringIO(source).readline)
        if each.type == tokenize.COMMENT
    }
    for line in cell.body:
        if isinstance(line, ast.AnnAssign):
            targets, annotation = [line.target], line.annotation
        elif isinstance(line, ast.Assign):
            targets, annotation = line.targets, None
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                try:
                    yield _parameter(target.id, annotation, line.value, comments.get(line.end_lineno, ""))
                except NotebookError as error:
                    raise NotebookError(f"line {line.lineno} of its parameters cell: {target.id}: {error}") from error


def _parameter(name: str, annotation: ast.expr | None, value: ast.expr | None, comment: str) -> Parameter:
    is_secret = bool(SECRET_MARK.match(comment))
    default = ... if value is None else _plain_value(value)
    if is_secret or looks_secret(name, default):  # not to be shown, neither in an error nor in a form
        return Parameter(name, help=comment, is_secret=is_secret)
    names_data_set = bool(DATA_SET_MARK.match(comment))
    return Parameter(name, values_of(annotation, default, comment), default, comment, names_data_set)


def _plain_value(value: ast.expr) -> object:
    """A default as `runs.yaml` would write it: lists for tuples; `...` for an expression."""
    try:
        plain = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError):
        return ...
    return _with_lists(plain)


def _with_lists(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_with_lists(each) for each in value]
    return {key: _with_lists(each) for key, each in value.items()} if isinstance(value, dict) else value


def _is_not_finite(value) -> bool:
    """Whether there is an infinite number, or none at all (`.nan`), in a value."""
    if isinstance(value, list | dict):
        return any(map(_is_not_finite, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and not math.isfinite(value)


def _is_plain(value) -> bool:
    """Whether papermill and JSON both can write the value down: YAML also knows dates and bytes."""
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(_is_plain, value.values()))
    return value is None or type(value) in (str, bool, int, float)
