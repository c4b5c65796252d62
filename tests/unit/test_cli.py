"""The command `paillasse`: what it says, and with which code it exits."""

import json
import re

import pytest
from click.testing import CliRunner

from paillasse import PaillasseError, __version__
from paillasse.cli import main


@pytest.fixture
def paillasse(tmp_path, monkeypatch):
    """A function that calls the command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, arguments)


def test_the_version_is_told(paillasse):
    assert paillasse("--version").output == f"paillasse {__version__}\n"


def test_help_lists_the_commands(paillasse):
    output = paillasse("--help").output
    assert all(command in output for command in ("run", "status", "catalog", "refresh"))


def test_help_documents_the_exit_code_of_every_error(paillasse):
    documented = {int(code) for code in re.findall(r"\b\d+\b", paillasse("--help").output.partition("Exit codes:")[2])}
    assert {kind.exit_code for kind in [PaillasseError, *PaillasseError.__subclasses__()]} <= documented


@pytest.mark.parametrize("command", ["run", "status"])
def test_outside_a_project_the_error_has_no_traceback_and_its_own_code(paillasse, command):
    result = paillasse(command)
    assert result.exit_code == 7
    assert result.stderr.startswith("There is no runs.yaml in")
    assert "Traceback" not in result.output


def test_a_project_without_runs_is_no_failure(paillasse, tmp_path):
    (tmp_path / "runs.yaml").write_text("runs: []\n", encoding="utf-8")
    result = paillasse("run")
    assert (result.exit_code, result.output) == (0, "runs.yaml has no runs.\n")


def test_an_unknown_parameter_stops_before_anything_runs(paillasse, tmp_path):
    (tmp_path / "n.ipynb").write_text('{"cells": []}', encoding="utf-8")
    entry = "runs: [{name: km, notebook: n.ipynb, parameters: {tau: 1}}]\n"
    (tmp_path / "runs.yaml").write_text(entry, encoding="utf-8")
    assert paillasse("run").exit_code == 7
    assert not (tmp_path / "runs").exists()


def test_status_shows_runs_that_never_ran(paillasse, tmp_path):
    (tmp_path / "n.ipynb").write_text('{"cells": []}', encoding="utf-8")
    (tmp_path / "runs.yaml").write_text("runs: [{name: km, notebook: n.ipynb}]\n", encoding="utf-8")
    output = paillasse("status").output
    assert "km" in output
    assert "not run yet" in output


def grid_of(folder, number: int) -> None:
    """A project with one grid of so many runs."""
    cell = {"cell_type": "code", "source": "tau = 5", "metadata": {"tags": ["parameters"]}}
    (folder / "n.ipynb").write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    entry = {"name": "km", "notebook": "n.ipynb", "grid": {"tau": list(range(number))}}
    (folder / "runs.yaml").write_text(json.dumps({"runs": [entry]}), encoding="utf-8")


def test_more_than_a_thousand_runs_are_not_executed_unless_somebody_says_that_they_are_meant(paillasse, tmp_path):
    grid_of(tmp_path, 1001)
    result = paillasse("run")
    assert result.exit_code == 7
    assert result.stderr.startswith("1,001 runs would be executed. ")
    assert "`paillasse run --yes` executes them" in result.stderr
    assert not (tmp_path / "runs").exists()


def test_the_plan_of_many_runs_is_their_number_and_the_first_ones(paillasse, tmp_path):
    grid_of(tmp_path, 1001)
    lines = paillasse("run", "--plan").stdout.splitlines()
    assert len(lines) == 21
    assert lines[0] == "run   km-tau=0: new"
    assert lines[-1] == "… and 981 more: of 1,001 runs 1,001 would run, 0 be kept"


def test_the_plan_of_a_thousand_runs_names_each(paillasse, tmp_path):
    grid_of(tmp_path, 1000)
    assert len(paillasse("run", "--plan").stdout.splitlines()) == 1000


def test_the_status_of_many_runs_is_their_numbers_and_what_went_wrong(paillasse, tmp_path):
    grid_of(tmp_path, 5000)
    for tau, state in [(0, "ok"), (7, "error")]:
        (tmp_path / "runs" / f"km-tau={tau}" / "1").mkdir(parents=True)
        (tmp_path / "runs" / f"km-tau={tau}" / "1" / "run.json").write_text(json.dumps({"state": state}))
    lines = paillasse("status").stdout.splitlines()
    assert lines[:2] == [
        "5000 runs: 1 ok, 4998 not run yet, 1 error",
        "The 1 that are neither ok nor still to run:",
    ]
    assert [line.split()[:2] for line in lines[3:]] == [["error", "km-tau=7"]]


CONTENTS = {
    "empty": "",
    "not-json": "{",
    "a-list": "[]",
    "no-inputs": '{"state": "ok"}',
    "done": '{"state": "done", "parameters": {}}',
    "odd-times": '{"state": "ok", "started": 5, "finished": "soon", "inputs": {"data_sets": 3}}',
    "odd-parts": '{"state": "error", "error": [], "parameters": [1], "headline": {}, "title": 7}',
}


@pytest.fixture
def older(tmp_path):
    """A project in which damaged results and such of other versions lie."""
    (tmp_path / "n.ipynb").write_text('{"cells": []}', encoding="utf-8")
    entries = [{"name": name, "notebook": "n.ipynb"} for name in CONTENTS]
    (tmp_path / "runs.yaml").write_text(json.dumps({"runs": entries}), encoding="utf-8")
    for name, content in CONTENTS.items():
        (tmp_path / "runs" / name / "1").mkdir(parents=True)
        (tmp_path / "runs" / name / "1" / "run.json").write_text(content, encoding="utf-8")
    return tmp_path


def test_the_plan_runs_again_what_has_a_result_that_cannot_be_used(paillasse, older):
    result = paillasse("run", "--plan")
    assert result.exit_code == 0
    assert "run   done: its last run was not ok (unknown)" in result.stdout
    assert [line[:4] for line in result.stdout.splitlines()] == ["run "] * len(CONTENTS)


def test_the_status_shows_results_that_cannot_be_read(paillasse, older):
    result = paillasse("status")
    assert result.exit_code == 0
    for name, state in {"empty": "unknown", "a-list": "unknown", "done": "unknown", "odd-times": "ok"}.items():
        assert re.search(rf"^{state} +{name}\b", result.stdout, flags=re.MULTILINE)


@pytest.mark.parametrize("name", CONTENTS)
def test_a_result_that_cannot_be_used_is_not_collected(paillasse, older, name):
    result = paillasse("collect", name, "hr")
    assert result.exit_code in (5, 7)
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)


CATALOG = """\
profile: public
datasets:
  few:
    title: A few patients
    description: Made for a test.
    steward: {name: Nobody, email: nobody@example.org}
    publisher: Nobody
    licence: CC0-1.0
    sensitivity: public
    unit_of_observation: patient
    schema: {fields: [{name: age, type: integer, description: Age}]}
    sources: {public: {driver: csv, path: few.csv}}
"""


@pytest.fixture
def catalogue(tmp_path):
    (tmp_path / "data_catalog.yaml").write_text(CATALOG, encoding="utf-8")
    (tmp_path / "few.csv").write_text("age\n50\n60\n", encoding="utf-8")
    return tmp_path


def test_the_catalogue_is_listed_and_its_cards_shown(paillasse, catalogue):
    assert "A few patients" in paillasse("catalog", "list").output
    assert "Made for a test." in paillasse("catalog", "show", "few").output


def test_an_unknown_data_set_is_an_error_of_the_catalogue(paillasse, catalogue):
    result = paillasse("catalog", "show", "fev")
    assert result.exit_code == 3
    assert "Did you mean 'few'?" in result.stderr


def test_a_good_catalogue_passes_the_check(paillasse, catalogue):
    result = paillasse("catalog", "check")
    assert (result.exit_code, result.stdout) == (0, "ok     few: 2 rows, 1 columns\n")


def test_a_file_that_is_not_what_the_catalogue_says_fails_the_check(paillasse, catalogue):
    (catalogue / "few.csv").write_text("agee\n50\n", encoding="utf-8")
    result = paillasse("catalog", "check")
    assert result.exit_code == 4
    assert result.stderr.startswith("wrong  few:")
