"""Competing risks against R: the answers of `competing_risks.R` (survival, cmprsk), to nine digits."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paillasse.survival import cumulative_incidence, fine_gray, gray

ROOT = Path(__file__).parents[2]
R = json.loads(Path(__file__).with_name("competing_risks_r.json").read_text())


def close(ours, theirs, rtol=1e-9, atol=1e-13):
    """Equal to nine digits; R's null stands for NaN."""
    np.testing.assert_allclose(np.asarray(ours, float), np.array(theirs, dtype=float), rtol=rtol, atol=atol)


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(ROOT / "data" / f"{name}.csv")


def mgus2():
    data = read("mgus2")
    row = np.arange(1, len(data) + 1)
    progressed = data["pstat"] == 1
    data["t"] = np.where(progressed, data["ptime"], data["futime"])
    data["e"] = np.where(progressed, 1, 2 * data["death"])
    late = np.maximum(0, np.minimum(data["t"] - 1, (7 * row) % 40 - 5))
    return data.assign(weight=0.5 + (7 * row) % 13 / 10, late=late)


def entered():
    return mgus2().query("late < t")


def yearly():
    data = mgus2()
    return data.assign(t=np.ceil(data["t"] / 12)).dropna(subset=["hgb", "creat", "mspike"])


def pbc():
    return read("pbc").rename(columns={"time": "t", "status": "e"})


def staged():
    return pbc().dropna(subset=["trt"])


def rotterdam():
    data = read("rotterdam")
    data["size"] = pd.Categorical(data["size"], ["<=20", "20-50", ">50"])
    return data.assign(t=data[["rtime", "dtime"]].min(axis=1), e=np.where(data["recur"] == 1, 1, 2 * data["death"]))


def colon():
    data = read("colon")
    relapse = data[data["etype"] == 1]
    death = data[data["etype"] == 2].set_index("id").loc[relapse["id"], ["time", "status"]].to_numpy()
    relapsed = relapse["status"] == 1
    return relapse.assign(
        rx=pd.Categorical(relapse["rx"], ["Obs", "Lev", "Lev+5FU"]),
        t=np.where(relapsed, relapse["time"], death[:, 0]),
        e=np.where(relapsed, 1, 2 * death[:, 1]),
    )


def tiny():
    return pd.DataFrame(
        {
            "t": [1, 2, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8],
            "e": [1, 0, 2, 1, 1, 2, 0, 1, 2, 1, 0, 2],
            "g": ["a", "b"] * 6,
            "k": np.repeat([1, 2, 3], 4),
            "x": [5, 4, 1, 3, 2, 2, 4, 1, 1, 3, 2, 4],
            "w": np.array([1, 2, 1, 3, 1, 1, 2, 1, 1, 1, 2, 1]) + 0.5,
            "late": [0, 0, 1, 1, 0, 2, 0, 3, 0, 0, 5, 4],
        }
    )


INCIDENCE = {
    "mgus2": (mgus2, dict(by="sex")),
    "mgus2_weight": (mgus2, dict(by="sex", weights="weight")),
    "mgus2_late": (entered, dict(by="sex", entry="late")),
    "mgus2_late_weight": (entered, dict(by="sex", entry="late", weights="weight")),
    "mgus2_years": (yearly, {}),
    "pbc": (staged, dict(by="trt")),
    "rotterdam": (rotterdam, dict(by="size")),
    "colon": (colon, dict(by="rx")),
    "tiny": (tiny, {}),
    "tiny_group": (tiny, dict(by="g")),
    "tiny_weight": (tiny, dict(weights="w")),
    "tiny_late": (tiny, dict(entry="late")),
}


@pytest.mark.parametrize("cause", [1, 2])
@pytest.mark.parametrize("case", INCIDENCE)
def test_incidences_and_their_errors_and_limits_agree_with_survfit(case, cause):
    data, arguments = INCIDENCE[case]
    expected = R["incidence"][case]
    at = cumulative_incidence(data(), "t", "e", **arguments).at(np.unique(expected["time"]))
    at = at[at["cause"] == cause]
    for name in ("incidence", "std_err", "lower", "upper"):
        close(at[name], expected[name][cause - 1])


@pytest.mark.parametrize("case", [case for case in INCIDENCE if "late" not in case])
def test_numbers_at_risk_agree_with_survfit(case):
    data, arguments = INCIDENCE[case]
    expected = R["incidence"][case]
    at = cumulative_incidence(data(), "t", "e", **arguments).at(np.unique(expected["time"]))
    close(at[at["cause"] == 1]["n_risk"], expected["n_risk"])


CMPRSK = {
    "mgus2": (mgus2, dict(by="sex"), [12, 60, 120, 240]),
    "mgus2_years": (yearly, dict(by="sex"), [1, 5, 10, 20]),
    "pbc": (lambda: staged().dropna(subset=["stage"]), dict(by="stage"), [365, 1825, 3650]),
    "pbc_strata": (staged, dict(by="stage", strata="trt"), [365, 1825, 3650]),
    "rotterdam": (rotterdam, dict(by="size"), [365, 1825, 3650]),
    "rotterdam_strata": (rotterdam, dict(by="size", strata="chemo"), [365, 1825, 3650]),
    "colon": (colon, dict(by="rx"), [365, 1825]),
    "tiny": (tiny, dict(by="g"), list(range(1, 8))),
    "tiny_three": (tiny, dict(by="k"), [1, 2, 3]),
}


@pytest.mark.parametrize("case", CMPRSK)
def test_gray_agrees_with_cuminc(case):
    data, arguments, _ = CMPRSK[case]
    test = gray(data(), "t", "e", **arguments).table
    close(test["statistic"], R["cmprsk"][case]["statistic"])
    close(test["p_value"], R["cmprsk"][case]["p_value"])
    assert test["df"].tolist() == R["cmprsk"][case]["df"]


@pytest.mark.parametrize("case", [case for case in CMPRSK if "strata" not in case])
def test_incidences_agree_with_cuminc(case):
    data, arguments, times = CMPRSK[case]
    at = cumulative_incidence(data(), "t", "e", **arguments).at(times).sort_values("cause", kind="stable")
    theirs = np.array(R["cmprsk"][case]["incidence"], dtype=float)
    known = at["incidence"].notna().to_numpy() & ~np.isnan(theirs)  # after a group's last time the two differ
    assert known.mean() > 0.5
    close(at["incidence"][known], theirs[known])


FINE_GRAY = {
    "mgus2_progression": (mgus2, dict(cause=1, formula="age + sex + mspike + hgb"), [12, 60, 240]),
    "mgus2_death": (mgus2, dict(cause=2, formula="age + sex + mspike + hgb + creat"), [12, 60, 240]),
    "mgus2_years": (yearly, dict(cause=2, formula="age + sex + mspike + hgb"), [1, 5, 20]),
    "pbc_death": (pbc, dict(cause=2, formula="age + log(bili) + albumin + edema"), [365, 1825, 3650]),
    "pbc_transplant": (pbc, dict(cause=1, formula="age + log(bili)"), [365, 1825, 3650]),
    "rotterdam": (
        rotterdam,
        dict(cause=1, formula="age + size + grade + log(nodes + 1) + pgr + hormon + chemo"),
        [365, 1825, 3650],
    ),
    "colon": (colon, dict(cause=2, formula="rx + age"), [365, 1825]),
    "tiny": (tiny, dict(cause=1, formula="x"), list(range(1, 9))),
}
KINDS = {"efron": {}, "breslow": dict(ties="breslow"), "crr": dict(variance="crr")}


@pytest.fixture(scope="module")
def fitted():
    """The models, and the three rows that R predicts for."""
    models = {}
    for case, (data, arguments, _) in FINE_GRAY.items():
        used = data().dropna(subset=["hgb", "creat", "mspike"]) if case.startswith("mgus2") else data()
        for kind, how in KINDS.items():
            models[case, kind] = fine_gray(used, "t", "e", **arguments, **how), used.head(3)
    return models


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", FINE_GRAY)
def test_fine_gray_estimates_agree_with_finegray_and_crr(fitted, case, kind):
    (model, _), expected = fitted[case, kind], R["fine_gray"][case][kind]
    close(model.table["coef"], expected["coef"])
    close(model.table["std_err"], expected["std_err"])
    close(model.table["naive_std_err"], expected["naive_std_err"])
    assert model.n == R["fine_gray"][case]["n"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", FINE_GRAY)
def test_fine_gray_likelihoods_agree_with_finegray_and_crr(fitted, case, kind):
    (model, _), expected = fitted[case, kind], R["fine_gray"][case][kind]
    close([model.null_log_likelihood, model.log_likelihood], expected["log_likelihood"])


@pytest.mark.parametrize("kind", ["efron", "breslow"])
@pytest.mark.parametrize("case", FINE_GRAY)
def test_fine_gray_score_tests_agree_with_finegray(fitted, case, kind):
    close(fitted[case, kind][0].score_statistic, R["fine_gray"][case][kind]["score"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", FINE_GRAY)
def test_predicted_incidences_agree_with_finegray_and_crr(fitted, case, kind):
    model, fresh = fitted[case, kind]
    close(model.predict_incidence(fresh, FINE_GRAY[case][2]), R["fine_gray"][case][kind]["incidence"])
