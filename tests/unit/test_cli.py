"""The command `paillasse`: what it says, and with which code it exits."""

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
