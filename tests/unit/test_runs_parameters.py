"""The parameters of a notebook, and values checked against them before anything runs."""

import datetime
import json
import math

import pytest

from paillasse.errors import NotebookError
from paillasse.runs.parameters import notebook_parameters, problem_with

CELL = """\
tau = 5  # years; 0 = the whole follow-up
rate: int = 3
horizon: float | None = None
endpoint = "death"  # "death" or "recurrence"
groups = ["rx", "sex"]
robust = False
limits = {"age": 50}
start = 2 * 365
whatever = None
"""


@pytest.fixture
def notebook(tmp_path):
    def write(source, tags=("parameters",)):
        cell = {"cell_type": "code", "source": source.splitlines(keepends=True), "metadata": {"tags": list(tags)}}
        path = tmp_path / "étude 1.ipynb"
        path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4}), encoding="utf-8")
        return path

    return write


def test_every_assignment_is_a_parameter_even_where_its_comment_has_an_equals_sign(notebook):
    names = list(notebook_parameters(notebook(CELL)))
    assert names == ["tau", "rate", "horizon", "endpoint", "groups", "robust", "limits", "start", "whatever"]


def test_a_notebook_without_a_parameters_cell_has_none(notebook):
    assert notebook_parameters(notebook(CELL, tags=())) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tau", 7),
        ("tau", 2.5),
        ("rate", 4),
        ("horizon", 3),
        ("horizon", None),
        ("endpoint", "recurrence"),
        ("groups", []),
        ("robust", True),
        ("limits", {}),
        ("start", 12),
        ("whatever", ["anything"]),
    ],
)
def test_a_value_of_the_parameters_type_is_accepted(notebook, name, value):
    assert problem_with(name, value, notebook_parameters(notebook(CELL))) is None


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("tau", [5], "expected a number"),
        ("tau", "5", "expected a number"),
        ("tau", True, "expected a number"),
        ("tau", None, "expected a number"),
        ("rate", 2.5, "expected a whole number"),
        ("horizon", "x", "expected null or a number"),
        ("endpoint", 1, "expected text"),
        ("endpoint", False, "expected text"),
        ("groups", "rx", "expected a list"),
        ("robust", 1, "expected true or false"),
        ("limits", [1], "expected a mapping"),
        ("whatever", datetime.date(2020, 1, 1), "write it in quotes"),
        ("groups", [datetime.date(2020, 1, 1)], "write it in quotes"),
        ("tau", math.nan, "expected a finite number"),
        ("limits", {"age": [math.inf]}, "expected a finite number"),
    ],
)
def test_a_value_that_cannot_be_the_parameters_is_refused(notebook, name, value, expected):
    assert expected in problem_with(name, value, notebook_parameters(notebook(CELL)))


def test_an_unknown_parameter_is_refused_with_the_nearest_and_all_known_names(notebook):
    problem = problem_with("endpiont", "death", notebook_parameters(notebook('endpoint = "death"\ntau = 1')))
    assert "Did you mean 'endpoint'?" in problem
    assert "The notebook's parameters: endpoint, tau" in problem


def test_a_parameter_for_a_notebook_without_parameters_is_refused(notebook):
    assert "no cell tagged 'parameters'" in problem_with("tau", 1, notebook_parameters(notebook(CELL, tags=())))


def test_a_parameters_cell_that_is_not_python_is_named_with_its_line(notebook):
    with pytest.raises(NotebookError, match="line 2 of its parameters cell is not Python"):
        notebook_parameters(notebook("a = 1\n%matplotlib inline"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"worksheets": []}', '{"cells": [1]}', '{"cells": [{}]}'])
def test_a_file_that_is_no_notebook_is_refused(tmp_path, text):
    path = tmp_path / "no.ipynb"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(NotebookError, match="not a Jupyter notebook"):
        notebook_parameters(path)
