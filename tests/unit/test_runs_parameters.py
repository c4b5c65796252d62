"""The parameters of a notebook, and values checked against them before anything runs."""

import datetime
import json
import math

import pytest

from paillasse.errors import NotebookError
from paillasse.runs.execute import kernel_of
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
        ("horizon", "x", "expected a number or null"),
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


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"worksheets": []}',
        '{"cells": [1]}',
        '{"cells": [{}]}',
        '{"cells": {"a": 1}}',
        '{"cells": [{"source": 5, "cell_type": "code"}]}',
        '{"cells": [{"source": ""}]}',
        '{"cells": [{"source": "", "cell_type": "code", "metadata": null}]}',
        '{"cells": [], "metadata": []}',
        "<<<<<<< HEAD\n{}",
        "[" * 100_000,
    ],
    ids=range(14),
)
def test_a_file_that_is_no_notebook_is_refused(tmp_path, text):
    path = tmp_path / "no.ipynb"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(NotebookError, match="not a Jupyter notebook"):
        notebook_parameters(path)


@pytest.mark.parametrize("source", ["a = 1\x00", "a = (", "a = '", "(" * 5000, "if True:\na = 1"])
def test_a_parameters_cell_that_python_cannot_read_is_refused_in_one_line(notebook, source):
    with pytest.raises(NotebookError, match="^[^\n]*parameters cell[^\n]* is not Python[^\n]*$"):
        notebook_parameters(notebook(source))


@pytest.mark.parametrize("tags", [None, [], ["other"]])
def test_a_cell_without_the_tag_is_none_of_parameters(notebook, tags):
    path = notebook(CELL)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["cells"][0]["metadata"]["tags"] = tags
    path.write_text(json.dumps(content), encoding="utf-8")
    assert notebook_parameters(path) is None


def test_a_parameter_tells_all_that_a_form_needs(notebook):
    source = """\
from typing import Literal
dataset = "gbsg"  # name in the data catalogue
endpoint: Literal["death", "relapse"] | None = None  # what is counted
limits = (0, [1, (2, 3)])  # of the axis
start = 2 * 365
pin = "1234"  # secret: of the archive
"""
    dataset, endpoint, limits, start, pin = notebook_parameters(notebook(source)).values()
    assert (dataset.names_data_set, dataset.default, dataset.help) == (True, "gbsg", "name in the data catalogue")
    assert (endpoint.values.choices, endpoint.values.types) == (("death", "relapse"), (str, type(None)))
    assert (endpoint.default, endpoint.help, endpoint.names_data_set) == (None, "what is counted", False)
    assert limits.default == [0, [1, [2, 3]]]
    assert (start.default, start.help) == (..., "")
    assert (pin.is_secret, pin.default) == (True, ...)


def test_a_mistake_in_the_notebooks_own_cell_is_told_with_its_line_and_parameter(notebook):
    with pytest.raises(NotebookError, match=r"étude 1.ipynb: line 2 of its parameters cell: level: its default breaks"):
        notebook_parameters(notebook("tau = 1\nlevel = 95  # from 0 to 1"))


def test_a_secret_default_is_in_no_message(notebook):
    parameters = notebook_parameters(notebook('pin: int = "hunter2"  # secret\npassword: int = "hunter2"'))
    assert [parameter.default for parameter in parameters.values()] == [..., ...]


DATA_SETS = """\
dataset = "gbsg"  # name in the data catalogue
second = ""  # name in the data catalogue; empty for none
several = ["gbsg"]  # names in the data catalogue, at least one
by = "gbsgg"  # column, no name in the data catalogue
"""


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("dataset", "lung", None),
        ("second", "", None),
        ("several", ["lung", "gbsg"], None),
        ("by", "gbsgg", None),
        ("dataset", "gbsgg", "the catalogue has no data set 'gbsgg'. Did you mean 'gbsg'?"),
        ("dataset", "", "the catalogue has no data set ''. Known: gbsg, lung."),
        ("second", "lnug", "the catalogue has no data set 'lnug'. Did you mean 'lung'?"),
        ("several", ["lung", "gbsgg"], "the catalogue has no data set 'gbsgg'. Did you mean 'gbsg'?"),
        ("dataset", 3, "expected text, as in the notebook's parameters cell; got 3 (put it in quotes)"),
    ],
)
def test_a_data_set_is_one_of_the_catalogues(notebook, name, value, problem):
    assert problem_with(name, value, notebook_parameters(notebook(DATA_SETS)), ["gbsg", "lung"]) == problem


def test_without_a_catalogue_data_sets_are_not_checked(notebook):
    assert problem_with("dataset", "anything", notebook_parameters(notebook(DATA_SETS))) is None


@pytest.mark.parametrize(
    ("metadata", "kernel"),
    [
        ({}, "python3"),
        ({"kernelspec": None}, "python3"),
        ({"kernelspec": {"name": None}}, "python3"),
        ({"kernelspec": {"name": "ir"}}, "ir"),
    ],
)
def test_a_notebook_that_names_no_kernel_runs_in_this_environments(tmp_path, metadata, kernel):
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({"cells": [], "metadata": metadata}), encoding="utf-8")
    assert kernel_of(path) == kernel
