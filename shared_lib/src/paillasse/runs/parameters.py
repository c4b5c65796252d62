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
from dataclasses import dataclass
from pathlib import Path

from paillasse.credentials import looks_secret
from paillasse.errors import NotebookError, did_you_mean

# What a value of runs.yaml can be, and how an error calls it.
KINDS = {
    str: "text", bool: "true or false", int: "a whole number", float: "a number", list: "a list", dict: "a mapping"
}  # fmt: skip
ANNOTATIONS = {"str": str, "bool": bool, "int": int, "float": float, "list": list, "tuple": list, "dict": dict}

SECRET_MARK = re.compile(r"#+\s*secret\b", re.IGNORECASE)  # begins the comment behind a parameter


@dataclass(frozen=True)
class Parameter:
    """A parameter of a notebook: its name, the types that a value may have (none: any), whether marked a secret."""

    name: str
    types: frozenset[type] = frozenset()
    is_secret: bool = False

    def accepts(self, value) -> bool:
        if not self.types or type(value) in self.types:
            return True
        return type(value) is int and float in self.types

    def expected(self) -> str:
        """The accepted types in words."""
        return " or ".join("null" if kind is type(None) else KINDS[kind] for kind in sorted(self.types, key=str))


def read_notebook(path: Path) -> dict:
    """A notebook's JSON, each cell's source as one text.

    Importing nbformat takes a second, which `paillasse status` would wait for.
    """
    try:
        notebook = {"metadata": {}} | json.loads(path.read_text(encoding="utf-8"))
        cells = [{"metadata": {}} | cell | {"source": "".join(cell["source"])} for cell in notebook["cells"]]
        return notebook | {"cells": cells}
    except (ValueError, KeyError, TypeError) as error:
        raise NotebookError(f"{path} is not a Jupyter notebook of format 4.") from error


def notebook_parameters(path: Path) -> dict[str, Parameter] | None:
    """The parameters of a notebook by name, or None where no cell is tagged `parameters`."""
    for cell in read_notebook(path)["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            try:
                cell_of_parameters = ast.parse(cell["source"])
                marked = _lines_marked_secret(cell["source"])
                return {each.name: each for each in _assignments(cell_of_parameters, marked)}
            except SyntaxError as error:
                where = f"line {error.lineno} of its parameters cell"
                raise NotebookError(f"{path}: {where} is not Python: {error.msg}.") from error
    return None


def problem_with(name: str, value, parameters: dict[str, Parameter] | None) -> str | None:
    """What is wrong with giving this value to this parameter; None where all is well."""
    if (parameters and name in parameters and parameters[name].is_secret) or looks_secret(name, value):
        return "this is, or looks like, a secret; credentials come from the environment only, never from this file"
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
    if not parameters[name].accepts(value):
        return f"expected {parameters[name].expected()}, as in the notebook's parameters cell; this is {value!r}"
    return None


def _lines_marked_secret(source: str) -> set[int]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {each.start[0] for each in tokens if each.type == tokenize.COMMENT and SECRET_MARK.match(each.string)}


def _assignments(cell: ast.Module, marked: set[int]) -> list[Parameter]:
    found = []
    for line in cell.body:
        is_secret = line.end_lineno in marked
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            found.append(Parameter(line.target.id, _types_of_annotation(line.annotation), is_secret))
        elif isinstance(line, ast.Assign):
            names = [target.id for target in line.targets if isinstance(target, ast.Name)]
            found += [Parameter(name, _types_of_default(line.value), is_secret) for name in names]
    return found


def _types_of_default(value: ast.expr) -> frozenset[type]:
    """The types that may replace a default: its own, any number for a number, anything for None or an expression."""
    try:
        default = ast.literal_eval(value)
    except ValueError:
        return frozenset()
    if isinstance(default, bool):
        return frozenset({bool})
    if isinstance(default, int | float):
        return frozenset({float})
    kind = list if isinstance(default, tuple) else type(default)
    return frozenset({kind}) if kind in KINDS else frozenset()


def _types_of_annotation(annotation: ast.expr) -> frozenset[type]:
    """The types in `int`, `list[str]`, `float | None`; none, so anything goes, for an annotation of another form."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        sides = _types_of_annotation(annotation.left), _types_of_annotation(annotation.right)
        return sides[0] | sides[1] if all(sides) else frozenset()
    if isinstance(annotation, ast.Constant) and annotation.value is None:
        return frozenset({type(None)})
    if isinstance(annotation, ast.Subscript):
        annotation = annotation.value
    if isinstance(annotation, ast.Name) and annotation.id in ANNOTATIONS:
        return frozenset({ANNOTATIONS[annotation.id]})
    return frozenset()


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
