"""`runs.yaml`: what it may say, and how its mistakes are told."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paillasse.errors import CatalogError, RunError
from paillasse.runs.declared import Document, choose, default_profile, find_project, read_runs
from paillasse.runs.declared import _expand as expand


@pytest.fixture
def project(tmp_path):
    """A function that writes a project's runs.yaml, beside two notebooks, and gives its folder."""
    folder = tmp_path / "projet été"
    (folder / "notebooks").mkdir(parents=True)
    cell = {"cell_type": "code", "source": 'tau = 5\nendpoint = "death"', "metadata": {"tags": ["parameters"]}}
    for name, cells in {"survival": [cell], "plain": []}.items():
        text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4})
        (folder / "notebooks" / f"{name}.ipynb").write_text(text, encoding="utf-8")

    def write(text):
        (folder / "runs.yaml").write_text(text, encoding="utf-8")
        return folder

    return write


def refused(folder):
    with pytest.raises(RunError) as error:
        read_runs(folder)
    return str(error.value)


def test_an_entry_without_a_grid_is_one_run(project):
    folder = project(
        "runs:\n- {name: km, notebook: notebooks/survival.ipynb, parameters: {tau: 3}, timeout: 60, profile: secure}"
    )
    (run,) = read_runs(folder)
    assert (run.name, run.parameters, run.timeout, run.profile) == ("km", {"tau": 3}, 60, "secure")
    assert run.notebook == folder / "notebooks" / "survival.ipynb"


def test_a_grid_is_one_run_for_each_combination_with_a_readable_name(project):
    runs = read_runs(
        project(
            "runs:\n- name: km\n  notebook: notebooks/survival.ipynb\n"
            "  grid: {endpoint: [death, recurrence free], tau: [2, 2.5]}"
        )
    )
    assert [run.name for run in runs] == [
        "km-endpoint=death-tau=2",
        "km-endpoint=death-tau=2.5",
        "km-endpoint=recurrence_free-tau=2",
        "km-endpoint=recurrence_free-tau=2.5",
    ]
    assert runs[1].parameters == {"endpoint": "death", "tau": 2.5}


@given(st.lists(st.one_of(st.text(max_size=200), st.integers()), min_size=1, unique=True))
def test_grid_points_have_distinct_names_that_are_folder_names_everywhere(values):
    entry = {"name": "km", "notebook": "n.ipynb", "grid": {"x": values}}
    names = [run.name for run in expand(Path(), Document.model_validate({"runs": [entry]}).runs[0])]
    assert len({name.casefold() for name in names}) == len(values)
    assert all(len(name) <= 100 and set(name) <= set(string.ascii_letters + string.digits + "._=-") for name in names)


def test_an_unknown_parameter_stops_with_file_line_key_and_the_known_names(project):
    message = refused(
        project("runs:\n- name: km\n  notebook: notebooks/survival.ipynb\n  parameters:\n    endpiont: death\n")
    )
    assert message.startswith("runs.yaml:5: runs[0].parameters.endpiont: the notebook has no parameter 'endpiont'.")
    assert "Did you mean 'endpoint'? The notebook's parameters: tau, endpoint" in message


def test_every_mistake_is_told_at_once_in_the_order_of_the_file(project):
    message = refused(
        project(
            "runs:\n- name: km\n  notebook: notebooks/survival.ipynb\n  parameters: {tau: [1]}\n"
            "  grid: {endpoint: [death, 3]}\n- {name: KM, notebook: notebooks/plain.ipynb}\n"
        )
    )
    assert [line.split(":")[2].strip() for line in message.splitlines()] == [
        "runs[0].name",
        "runs[0].parameters.tau",
        "runs[0].grid.endpoint[1]",
        "runs[1].name",
    ]


ENTRY = "runs:\n- name: km\n  notebook: notebooks/survival.ipynb\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "runs.yaml: the file is empty; it needs the key 'runs'"),
        ("runs:\n", "runs.yaml:1: runs: expected a list; got nothing"),
        ("- 1\n", "runs.yaml:1: expected keys with values; got a list"),
        ("run: []\n", "runs.yaml:1: run: unknown key. Did you mean 'runs'?"),
        ("runs: [1]\n", "runs.yaml:1: runs[0]: expected keys with values; got 1"),
        ("runs:\n- name: km\n", "runs.yaml:2: runs[0].notebook: required, but not there"),
        (ENTRY + "  parametres: {}\n", "runs.yaml:4: runs[0].parametres: unknown key. Did you mean 'parameters'?"),
        (ENTRY + "  parameters: [tau]\n", "runs.yaml:4: runs[0].parameters: expected keys with values; got a list"),
        (ENTRY + "  grid: {tau: 5}\n", "runs.yaml:4: runs[0].grid.tau: expected a list; got 5"),
        (ENTRY + "  grid: {tau: []}\n", "runs.yaml:4: runs[0].grid.tau: expected at least one; got none"),
        (ENTRY + "  grid: {tau: [1, 1]}\n", "runs[0].grid.tau: a value of 'tau' is given twice"),
        (ENTRY + "  grid: {tau: [1]}\n  parameters: {tau: 1}\n", "'tau' is in 'parameters' too"),
        (ENTRY + "  timeout: 0\n", "runs.yaml:4: runs[0].timeout: expected a number above 0; got 0"),
        (ENTRY + "  timeout: '60'\n", "runs.yaml:4: runs[0].timeout: expected a number; got '60'"),
        (ENTRY + "  timeout: .inf\n", "runs.yaml:4: runs[0].timeout: expected a finite number; got inf"),
        (
            ENTRY + "  profile: secret\n",
            "runs.yaml:4: runs[0].profile: expected one of public, synthetic, secure; got 'secret'",
        ),
        (ENTRY + "  name: two\n", "runs.yaml:4: the key 'name' is given twice"),
        (ENTRY.replace("km", "a/b"), "runs.yaml:2: runs[0].name: expected letters, digits"),
        (ENTRY.replace("km", '".."'), "runs.yaml:2: runs[0].name: expected letters, digits"),
        (ENTRY.replace("survival", "survivel"), "runs.yaml:3: runs[0].notebook: there is no notebook 'notebooks/surv"),
        (ENTRY.replace("survival", "survivel"), "Did you mean 'notebooks/survival.ipynb'?"),
        (ENTRY.replace("survival", "plain") + "  parameters: {tau: 1}\n", "no cell tagged 'parameters'"),
        ("runs: [\n", "runs.yaml:2: not valid YAML"),
    ],
)
def test_a_mistake_is_told_with_file_line_key_and_what_was_expected(project, text, expected):
    message = refused(project(text))
    assert expected in message
    assert "?." not in message


def test_an_entrys_name_chooses_all_of_its_grid_and_a_points_name_that_point(project):
    runs = read_runs(project(ENTRY + "  grid: {tau: [1, 2]}\n- {name: other, notebook: notebooks/plain.ipynb}\n"))
    assert [run.name for run in choose(runs, ("km",))] == ["km-tau=1", "km-tau=2"]
    assert [run.name for run in choose(runs, ("km-tau=2",))] == ["km-tau=2"]
    assert choose(runs, ()) == runs


def test_an_unknown_run_is_refused_with_the_nearest_name(project):
    runs = read_runs(project(ENTRY))
    with pytest.raises(RunError, match=r"no run 'kmm'. Did you mean 'km'"):
        choose(runs, ("kmm",))


def test_the_project_is_found_from_a_folder_below_it(project):
    folder = project(ENTRY)
    assert find_project(folder / "notebooks") == folder


def test_a_folder_outside_any_project_is_told_what_to_do(tmp_path):
    with pytest.raises(RunError, match=r"There is no runs.yaml in .* or above it"):
        find_project(tmp_path)


def test_runs_that_name_no_profile_have_the_catalogues(project, monkeypatch):
    monkeypatch.delenv("PAILLASSE_PROFILE", raising=False)
    folder = project(ENTRY)
    (folder / "data_catalog.yaml").write_text("profile: secure\ndatasets: {}\n", encoding="utf-8")
    assert default_profile(folder) == "secure"


def test_a_broken_catalogue_stops_before_anything_runs(project):
    folder = project(ENTRY)
    (folder / "data_catalog.yaml").write_text("datasets: 3\n", encoding="utf-8")
    with pytest.raises(CatalogError):
        default_profile(folder)
