"""Discrimination and error against R (the answers of `discrimination.R`, to nine digits) and scikit-survival."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paillasse.survival import brier, concordance, time_dependent_auc, to_structured

ROOT = Path(__file__).parents[2]
R = json.loads(Path(__file__).with_name("discrimination_r.json").read_text())


def close(ours, theirs, rtol=1e-9):
    np.testing.assert_allclose(np.asarray(ours, float), np.array(theirs, float), rtol=rtol, atol=1e-12)


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(ROOT / "data" / f"{name}.csv")


def lung():
    data = read("lung")
    row = np.arange(1, len(data) + 1)
    late = np.where(row % 2 == 0, np.minimum(data["time"] - 1, 100), 0)
    return data.assign(died=data["status"] == 2, weight=0.5 + (7 * row) % 13 / 10, late=late)


def mgus2():
    data = read("mgus2")
    return data.assign(age_end=data["age"] + np.maximum(data["futime"], 0.5) / 12)


def pbc():
    return read("pbc").assign(died=lambda d: d["status"] == 2)


def veteran():
    return read("veteran").assign(risk=lambda d: -d["karno"])


def gbsg():
    return read("gbsg")


def colon():
    return read("colon")


def rotterdam():
    return read("rotterdam")


def ties():
    return pd.DataFrame(
        {
            "t": [1, 2, 2, 2, 3, 3, 4, 5, 5, 6],
            "e": [1, 1, 1, 0, 0, 1, 1, 0, 1, 1],
            "x": [5, 4, 1, 3, 2, 2, 4, 1, 1, 3],
            "w": [1, 2, 1, 3, 1, 1, 2, 1, 1, 1],
            "s": [1, 1, 2, 2, 1, 2, 1, 2, 1, 2],
        }
    )


def three():
    return pd.DataFrame({"t": [1, 2, 3], "e": [1, 0, 1], "x": [2, 3, 1]})


def issue428():
    return pd.DataFrame(
        {
            "t": [11, 11, 26, 89, 128, 299, 300],
            "e": [1, 0, 0, 1, 0, 1, 0],
            "x": [-0.02, 1.2, -0.56, -1.33, -0.81, 1.02, -1.29],
        }
    )


of_lung, of_gbsg, of_ties = ("time", "died", "age"), ("rfstime", "status", "nodes"), ("t", "e", "x")
uno = {"method": "uno"}
CONCORDANCE = {
    "lung": (lung, of_lung, {}),
    "lung_tau": (lung, of_lung, {"tau": 310}),
    "lung_weight": (lung, of_lung, {"weights": "weight"}),
    "lung_strata": (lung, of_lung, {"strata": "sex"}),
    "lung_many_strata": (lung, of_lung, {"strata": "inst"}),
    "lung_cluster": (lung, of_lung, {"cluster": "inst"}),
    "lung_late": (lung, of_lung, {"entry": "late"}),
    "lung_late_weight_strata": (lung, of_lung, {"entry": "late", "weights": "weight", "strata": "sex"}),
    "lung_uno": (lung, of_lung, uno),
    "lung_uno_weight": (lung, of_lung, uno | {"weights": "weight"}),
    "lung_uno_tau": (lung, of_lung, uno | {"tau": 310}),
    "gbsg": (gbsg, of_gbsg, {}),
    "gbsg_uno": (gbsg, of_gbsg, uno),
    "gbsg_uno_tau": (gbsg, of_gbsg, uno | {"tau": 1825}),
    "colon_both": (colon, ("time", "status", "nodes"), {"strata": "etype", "cluster": "id"}),
    "mgus2_age": (mgus2, ("age_end", "death", "creat"), {"entry": "age"}),
    "pbc_uno": (pbc, ("time", "died", "bili"), uno | {"tau": 3000}),
    "rotterdam": (rotterdam, ("dtime", "death", "nodes"), {}),
    "rotterdam_uno": (rotterdam, ("dtime", "death", "pgr"), uno),
    "veteran": (veteran, ("time", "status", "risk"), {}),
    "veteran_uno": (veteran, ("time", "status", "risk"), uno | {"tau": 180}),
    "ties": (ties, of_ties, {}),
    "ties_weight": (ties, of_ties, {"weights": "w"}),
    "ties_strata": (ties, of_ties, {"strata": "s"}),
    "ties_uno": (ties, of_ties, uno),
    "ties_uno_tau": (ties, of_ties, uno | {"tau": 4}),
    "three": (three, of_ties, {}),
    "issue428": (issue428, of_ties, uno),
    "issue428_tau": (issue428, of_ties, uno | {"tau": 299}),
}


def test_every_answer_of_r_is_compared():
    assert CONCORDANCE.keys() == R["concordance"].keys()


@pytest.mark.parametrize("case", CONCORDANCE)
def test_concordance_its_error_and_its_pairs_agree_with_r(case):
    data, columns, arguments = CONCORDANCE[case]
    ours, theirs = concordance(data(), *columns, **arguments), R["concordance"][case]
    close(ours.value, theirs["value"])
    close(ours.std_err, theirs["std_err"])
    close([ours.concordant, ours.discordant, ours.tied_risk, ours.tied_time, ours.tied_both], theirs["pairs"])


AUC = {
    "lung": (lung, of_lung),
    "gbsg": (gbsg, of_gbsg),
    "veteran": (veteran, ("time", "status", "risk")),
    "ties": (ties, of_ties),
}


@pytest.mark.parametrize("case", R["auc"])
def test_areas_under_the_curve_agree_with_r(case):
    data, columns = AUC[case]
    expected = R["auc"][case]
    close(time_dependent_auc(data(), *columns, times=expected["times"]).table["auc"], expected["auc"])


@pytest.mark.parametrize("case", R["brier"])
def test_brier_scores_agree_with_r(case):
    data, columns = AUC[case]
    expected = R["brier"][case]
    table = brier(data(), *columns[:2], np.array(expected["survival"]), expected["times"]).table
    close(table["brier"], expected["brier"])
    close(table["null_brier"], expected["null_brier"])


@pytest.fixture
def halves():
    """Two halves of gbsg, censorings half a day later: scikit-survival is right where none is tied with an event."""
    data = gbsg().assign(t=lambda d: d["rfstime"] + np.where(d["status"] == 1, 0, 0.5))
    return data[::2].reset_index(drop=True), data[1::2].reset_index(drop=True)


TIMES = np.array([365.25, 730.25, 1095.25, 1825.25])


def test_uno_agrees_with_scikit_survival_where_no_censoring_is_tied_with_an_event(halves):
    metrics = pytest.importorskip("sksurv.metrics")
    data = pd.concat(halves)
    y = to_structured(data, "t", "status")
    ours = concordance(data, "t", "status", "nodes", method="uno", tau=1825.25)
    close(ours.value, metrics.concordance_index_ipcw(y, y, data["nodes"], tau=1825.25)[0])


def test_scikit_survival_still_weighs_a_tie_of_event_and_censoring_as_the_docstring_says():
    """Its G(t) for our and R's G(t−), and events before tau for our and R's up to tau: its issue 428, still open."""
    metrics = pytest.importorskip("sksurv.metrics")
    data = issue428()
    y = to_structured(data, "t", "e")
    theirs = [metrics.concordance_index_ipcw(y, y, data["x"], tau=tau)[0] for tau in (None, 299)]
    ours = [concordance(data, *of_ties, method="uno", tau=tau).value for tau in (None, 299)]
    close(theirs, [0.5291529152915291, 0.37426900584795325])
    close(ours, [0.508771929824561, 0.508771929824561])


def test_areas_under_the_curve_agree_with_scikit_survival(halves):
    metrics = pytest.importorskip("sksurv.metrics")
    known, new = halves
    theirs, mean = metrics.cumulative_dynamic_auc(
        to_structured(known, "t", "status"), to_structured(new, "t", "status"), new["nodes"], TIMES
    )
    ours = time_dependent_auc(new, "t", "status", "nodes", TIMES, censoring_data=known)
    close(ours.table["auc"], theirs)
    close(ours.mean, mean)


def test_brier_scores_agree_with_scikit_survival(halves):
    metrics = pytest.importorskip("sksurv.metrics")
    known, new = halves
    survival = np.exp(-np.outer(0.1 + new["nodes"] / 20, TIMES / 1825))
    y = to_structured(known, "t", "status"), to_structured(new, "t", "status")
    ours = brier(new, "t", "status", survival, TIMES, censoring_data=known)
    close(ours.table["brier"], metrics.brier_score(*y, survival, TIMES)[1])
    close(ours.integrated, metrics.integrated_brier_score(*y, survival, TIMES))
