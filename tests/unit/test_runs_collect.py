"""A sweep's tables collected into one: every run is in it, or named."""

import json

import pandas as pd
import pytest

from paillasse.errors import InputError, RunError
from paillasse.runs import collect
from paillasse.runs.results import new_folder, write_state
from paillasse.runs.sweep import save

GRID = {"endpoint": ["death", "relapse"], "tau": [2, 5]}
POINTS = [{"formula": "age", "endpoint": endpoint, "tau": tau} for endpoint in GRID["endpoint"] for tau in GRID["tau"]]
HR = "term,hazard_ratio\nrx,{}\nage,1.01\n"


class Sweep:
    """A project with one grid of four runs, whose results are made by hand."""

    def __init__(self, folder):
        self.folder = folder
        cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}}
        cell["source"] = 'formula = ""\nendpoint = ""\ntau = 5.0\ngroups = []'
        (folder / "hr.ipynb").write_text(json.dumps({"cells": [cell], "nbformat": 4}))
        self.declare(parameters={"formula": "age"}, grid=GRID)

    def declare(self, **entry):
        text = json.dumps({"runs": [{"name": "hr", "notebook": "hr.ipynb", **entry}]})
        (self.folder / "runs.yaml").write_text(text, encoding="utf-8")

    def result(self, parameters, table: str | None = None, state="ok", **inputs):
        name = "-".join(["hr", *(f"{key}={parameters[key]}" for key in ("endpoint", "tau") if key in parameters)])
        folder = new_folder(self.folder, name)
        write_state(folder, name=name, state=state, parameters=parameters, inputs=inputs)
        if table is not None:
            (folder / "hr.csv").write_text(table, encoding="utf-8")
        return folder

    def collect(self, name="hr", artefact="hr", **how):
        return collect(name, artefact, project=self.folder, **how)

    def refused(self, kind=RunError, **how) -> str:
        with pytest.raises(kind) as error:
            self.collect(**how)
        return str(error.value)


@pytest.fixture
def sweep(tmp_path):
    return Sweep(tmp_path)


@pytest.fixture
def full(sweep):
    """All four runs have recorded a table; the hazard ratio is that of their place in the grid."""
    for at, point in enumerate(POINTS):
        sweep.result(point, HR.format(at / 10))
    return sweep


def test_all_runs_of_a_grid_are_one_table_with_what_differs_as_columns(full):
    table = full.collect()
    assert list(table) == ["run", "endpoint", "tau", "term", "hazard_ratio"]
    assert table.query("term == 'rx'")[["endpoint", "tau", "hazard_ratio"]].values.tolist() == [
        ["death", 2, 0.0],
        ["death", 5, 0.1],
        ["relapse", 2, 0.2],
        ["relapse", 5, 0.3],
    ]
    assert table.attrs == {"runs": 4, "left_out": {}}


def test_one_point_of_a_grid_has_the_same_columns(full):
    table = full.collect("hr-endpoint=death-tau=5")
    assert list(table) == list(full.collect())
    assert set(table["run"]) == {"hr-endpoint=death-tau=5"}


def test_the_newest_result_counts(full):
    full.result(POINTS[0], HR.format(9))
    assert full.collect()["hazard_ratio"][0] == 9


def test_a_run_without_a_good_newest_result_is_named_and_never_dropped(full):
    full.result(POINTS[1], state="error")
    message = full.refused()
    assert message.startswith("1 of 4 runs of 'hr' have no result that counts:\n  hr-endpoint=death-tau=5: its newest")
    assert "result is error" in message
    assert "`paillasse run hr`" in message


def test_a_run_that_never_ran_is_named(sweep):
    for point in POINTS[1:]:
        sweep.result(point, HR.format(1))
    assert "hr-endpoint=death-tau=2: it has not run yet" in sweep.refused()


def test_an_incomplete_table_says_what_is_not_in_it(full):
    full.result(POINTS[1], state="killed")
    table = full.collect(incomplete=True)
    assert table.attrs == {"runs": 3, "left_out": {"hr-endpoint=death-tau=5": "its newest result is killed"}}
    assert len(table) == 6


@pytest.mark.parametrize("table", [None, "", "\n", "term,hazard_ratio\n"])
def test_a_run_that_recorded_nothing_is_named(full, table):
    full.result(POINTS[3], table)
    assert "hr-endpoint=relapse-tau=5: it has recorded no row of 'hr'" in full.refused()


def test_where_no_run_counts_even_an_incomplete_table_is_refused(sweep):
    assert "4 of 4 runs" in sweep.refused(incomplete=True)


def test_many_missing_runs_are_counted(sweep):
    sweep.declare(grid={"tau": list(range(200))})
    assert "… and 190 more" in sweep.refused()


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (dict(notebook="a"), dict(notebook="b"), "the notebook's code"),
        (dict(profile="synthetic"), dict(profile="secure"), "the profile"),
        (
            dict(data_sets=[{"data_set": "gbsg", "profile": "public", "version": "1"}]),
            dict(data_sets=[{"data_set": "gbsg", "profile": "public", "version": "2"}]),
            "the data set gbsg",
        ),
    ],
)
def test_results_before_and_after_a_change_are_not_mixed(sweep, before, after, what):
    for at, point in enumerate(POINTS):
        sweep.result(point, HR.format(at), **(before if at == 0 else after))
    assert f"hr-endpoint=death-tau=2: changed since it ran: {what}" in sweep.refused()
    assert sweep.collect(incomplete=True)["hazard_ratio"].max() == 3


def test_runs_that_read_different_data_sets_are_one_sweep(sweep):
    for at, point in enumerate(POINTS):
        read = {"data_set": point["endpoint"], "profile": "public", "version": "1"}
        sweep.result(point, HR.format(at), data_sets=[read])
    assert sweep.collect().attrs["runs"] == 4


def test_a_result_of_other_parameters_does_not_count(full):
    full.declare(parameters={"formula": "age + sex"}, grid=GRID)
    assert "hr-endpoint=death-tau=2: its parameters in runs.yaml have changed since" in full.refused()


def test_an_unknown_artefact_is_told_with_the_nearest(full):
    assert full.refused(InputError, artefact="hrs") == "No run of 'hr' has recorded 'hrs'. Did you mean 'hr'?"


@pytest.mark.parametrize("artefact", ["../hr", "*", ""])
def test_an_artefacts_name_is_no_path(full, artefact):
    assert "has recorded" in full.refused(InputError, artefact=artefact)


def test_groups_keep_their_names_whatever_they_look_like(sweep):
    sweep.declare(grid={"tau": [1, 2]})
    sweep.result({"tau": 1}, "group,n\n01,5\nNA,6\n")
    sweep.result({"tau": 2}, "group,n\nA,7\n,8\n")
    table = sweep.collect()
    assert table["group"].tolist()[:3] == ["01", "NA", "A"]
    assert table["group"].isna().tolist() == [False, False, False, True]
    assert table["n"].dtype == "int64"


def test_a_recorded_column_that_repeats_the_parameter_is_there_once(sweep):
    sweep.declare(grid={"tau": [1, 2]})
    for tau in (1, 2):
        sweep.result({"tau": tau}, f"tau,n\n{tau}.0,5\n")
    assert list(sweep.collect()) == ["run", "tau", "n"]


def test_a_recorded_column_with_a_parameters_name_and_other_values_stays(sweep):
    sweep.declare(grid={"tau": [1, 2]})
    for tau in (1, 2):
        sweep.result({"tau": tau}, "run,tau\n7,8\n")
    table = sweep.collect()
    assert table.to_dict("list") == {
        "run_of_run": ["hr-tau=1", "hr-tau=2"],
        "tau_of_run": [1, 2],
        "run": [7, 7],
        "tau": [8, 8],
    }


def test_a_list_as_a_parameter_is_text_in_its_column(sweep):
    sweep.declare(grid={"groups": [["rx"], ["rx", "é"]]})
    for name, groups in {"hr-groups=rx": ["rx"], "hr-groups=rx_u00e9": ["rx", "é"]}.items():
        folder = new_folder(sweep.folder, name)
        write_state(folder, name=name, state="ok", parameters={"groups": groups})
        (folder / "hr.csv").write_text("n\n1\n")
    assert sweep.collect()["groups"].tolist() == ['["rx"]', '["rx", "é"]']


@pytest.mark.parametrize(("file", "read"), [("été.csv", pd.read_csv), ("curve.parquet", pd.read_parquet)])
def test_a_saved_table_is_the_collected_one(full, file, read):
    save(full.collect(), full.folder / file)
    pd.testing.assert_frame_equal(read(full.folder / file), full.collect())


def test_a_table_is_saved_as_nothing_else(full):
    with pytest.raises(InputError, match=r"\.csv or \.parquet; this is 'curve.xlsx'"):
        save(full.collect(), full.folder / "curve.xlsx")
    with pytest.raises(InputError, match="There is no folder"):
        save(full.collect(), full.folder / "none" / "curve.csv")
