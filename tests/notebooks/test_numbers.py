"""What the notebooks say is what R says, and what was published: each run by papermill, its artefacts read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
R = json.loads((ROOT / "tests" / "reference" / "survival_r.json").read_text())["cox"]
OTHER_PARAMETERS = {
    "adjuvant_combination": {"tau_years": "3", "conf_level": "0.9", "patients": "node4 == 1"},
    "cohort_overview": {
        "dataset": "colon",
        "event_code": "1",
        "by": "rx",
        "rows": "etype == 2",
        "exclusions": "{Nodes not known: nodes.isna()}",
        "left_out": "[study]",
    },
    "combination_ranking": {
        "n_patients": "30000",
        "horizon": "12.0",
        "least": "20",
        "best": "5",
        "penalties": "[0, 12]",
    },
    "effects_benchmark": {"seed": "2", "n_patients": "20000", "n_partners": "30", "horizon": "12.0", "best": "5"},
    "risk_model": {"horizon_years": "3", "trees": "20", "bins": "4"},
    "survival_analysis": {
        "dataset": "veteran",
        "duration": "time",
        "by": "trt",
        "formula": "celltype + karno + diagtime + age + prior",
        "subgroup_columns": "[prior]",
        "tau": "1.0",
    },
    "trial_emulation": {"tau_years": "3", "subsamples": "5", "covariates": "age + nodes + year"},
}


def papermill(notebook: Path, folder: Path, *arguments: str) -> dict[str, pd.DataFrame]:
    """Run a notebook as a user does on the command line; give the tables that it recorded."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "--cwd", str(notebook.parent)]
    command += [str(notebook), str(folder / notebook.name), *arguments]
    environ = os.environ | {"PAILLASSE_RUN_FOLDER": str(folder)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    cells = json.loads((folder / notebook.name).read_text(encoding="utf-8"))["cells"]
    printed = [output for cell in cells for output in cell.get("outputs", []) if output.get("name") == "stderr"]
    assert not printed, printed  # a warning that scrolls by
    return {file.stem: pd.read_csv(file) for file in folder.glob("*.csv")}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The artefacts of a notebook's run with default parameters, run when first asked for."""
    runs = {}

    def artefacts(name: str) -> dict[str, pd.DataFrame]:
        if name not in runs:
            runs[name] = papermill(ROOT / "notebooks" / f"{name}.ipynb", tmp_path_factory.mktemp(name))
        return runs[name]

    return artefacts


@pytest.mark.parametrize(
    ("endpoint", "case", "published"),
    [
        ("Recurrence", "colon_relapse", {"Lev": [0.985], "Lev+5FU": [0.599, 0.475, 0.756]}),
        ("Death", "colon_death", {"Lev": [0.974], "Lev+5FU": [0.690, 0.546, 0.870]}),
    ],
)
def test_adjuvant_hazard_ratios_are_those_of_r_and_near_the_report(recorded, endpoint, case, published):
    table = recorded("adjuvant_combination")["hazard_ratio"].query("endpoint == @endpoint")
    np.testing.assert_allclose(np.log(table["hazard_ratio"]), R[case]["coef"], rtol=1e-9)
    for arm, numbers in published.items():
        row = table[table["term"] == f"rx[T.{arm}]"].iloc[0]
        shown = [f"{row[name]:.3f}" for name in ("hazard_ratio", "lower", "upper")][: len(numbers)]
        assert shown == [f"{number:.3f}" for number in numbers]


def test_the_hazard_ratio_of_hormonal_therapy_is_that_of_r(recorded):
    row = recorded("survival_analysis")["hazard_ratio"].iloc[0]
    np.testing.assert_allclose(np.log(row["hazard_ratio"]), R["gbsg_hormon"]["coef"], rtol=1e-9)
    assert [f"{row[name]:.3f}" for name in ("hazard_ratio", "lower", "upper")] == ["0.695", "0.544", "0.888"]


def test_the_risk_model_performs_as_the_guidance_reports(recorded):
    performance = recorded("risk_model")["performance"].set_index("model").loc["Cox"].round(2)
    expected = {"harrell_c": 0.65, "auc": 0.68, "calibration_slope": 1.06, "brier": 0.22}
    assert performance.to_dict() == expected


def test_the_emulated_trial_gives_the_ratios_that_are_known(recorded):
    tables = recorded("trial_emulation")
    ratios = tables["hazard_ratio"].set_index("method")
    shown = {method: [f"{number:.3f}" for number in row] for method, row in zip(ratios.index, ratios.to_numpy())}
    assert shown["Rotterdam, crude"][0] == "0.852"
    assert shown["Rotterdam, overlap weights"] == ["0.679", "0.559", "0.824"]
    assert shown["R's gbsg, not the randomised set"] == ["0.695", "0.544", "0.888"]
    assert f"{ratios.loc['Stanford, ever transplanted (immortal time)', 'estimate']:.2f}" == "0.27"
    assert shown["Stanford, from the transplant on"] == ["1.136", "0.629", "2.049"]
    largest = tables["balance"][["before", "after"]].abs().max()
    assert f"{largest['before']:.3f}" == "0.945"
    assert largest["after"] < 0.001
    adjusted = tables["trial_as_truth"].query("method != 'crude'")
    assert (adjusted["bias"].abs() < 3 * adjusted["mc_error"]).all()


def test_the_cohort_overview_counts_its_exclusions(recorded):
    assert recorded("cohort_overview")["exclusions"]["left"].tolist() == [228, 227, 226]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_runs_under_plain_papermill_with_other_parameters(notebook, tmp_path):
    arguments = [word for pair in OTHER_PARAMETERS[notebook.stem].items() for word in ("-y", f"{pair[0]}: {pair[1]}")]
    tables = papermill(notebook, tmp_path, *arguments)
    assert tables
    if notebook.stem == "survival_analysis":  # the same analysis of another data set is R's of that data set
        adjusted = tables["adjusted_hazard_ratio"].set_index("term")["hazard_ratio"]
        expected = dict(zip(R["veteran"]["terms"], R["veteran"]["coef"]))
        assert f"{expected['trt']:.3f} {expected['karno']:.4f}" == "0.295 -0.0328"
        np.testing.assert_allclose(np.log(adjusted["karno"]), expected["karno"], rtol=1e-9)
        np.testing.assert_allclose(np.log(adjusted.iloc[0]), expected["trt"], rtol=1e-9)


def test_subgroups_compare_two_groups_and_leave_out_patients_of_none(tmp_path):
    """Mayo's trial of primary biliary cholangitis: 106 of the 418 patients were not randomised, and have no `trt`."""
    words = "dataset: pbc, duration: time, event_code: 2, by: trt, formula: age, subgroup_columns: [sex], tau: 5.0"
    arguments = [word for pair in words.split(", ") for word in ("-y", pair)]
    first = papermill(ROOT / "notebooks" / "survival_analysis.ipynb", tmp_path, *arguments)["subgroups"].iloc[0]
    assert (first["n"], f"{first['hazard_ratio']:.3f}") == (312, "0.944")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_begins_with_its_question_and_its_commented_parameters(notebook):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert "".join(cells[0]["source"]).splitlines()[0].endswith("?")
    tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    assert [cells.index(cell) for cell in tagged] == [1]
    for line in "".join(tagged[0]["source"]).splitlines():
        assert "  # " in line, line


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_names_no_place_of_the_web_or_of_a_machine(notebook):
    text = notebook.read_text(encoding="utf-8")
    assert "http" not in text
    assert str(ROOT) not in text
    assert not [word for word in ("/home/", "/Users/", "C:\\\\") if word in text]
