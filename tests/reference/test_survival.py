"""The survival room against R: the answers of `survival.R`, to nine digits."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paillasse.survival import cox, kaplan_meier, logrank, rmst

ROOT = Path(__file__).parents[2]
R = json.loads(Path(__file__).with_name("survival_r.json").read_text())
TRANSFORMS = ("km", "rank", "identity", "log")


def close(ours, theirs, rtol=1e-9, atol=1e-13):
    """Equal to nine digits; R's null stands for NaN."""
    theirs = np.array(theirs, dtype=float)
    np.testing.assert_allclose(np.asarray(ours, dtype=float), theirs, rtol=rtol, atol=atol)


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(ROOT / "data" / f"{name}.csv")


def lung():
    data = read("lung")
    row = np.arange(1, len(data) + 1)
    late = np.where(row % 2 == 0, np.minimum(data["time"] - 1, 100), 0)
    died = data["status"] == 2
    return data.assign(died=died, weight=0.5 + (7 * row) % 13 / 10, count=1 + row % 3, late=late)


def mgus2():
    data = read("mgus2")
    return data.assign(age_end=data["age"] + np.maximum(data["futime"], 0.5) / 12)


def changing():
    """Progression as a covariate that changes with time: one row before it, one after."""
    data = read("mgus2")
    progressed = (data["pstat"] == 1) & (data["ptime"] < data["futime"])
    before = data.assign(start=0.0, stop=data["futime"].clip(lower=0.5).where(~progressed, data["ptime"]), pcm=0)
    before["death"] = before["death"].where(~progressed, 0)
    after = data[progressed].assign(start=data["ptime"], stop=data["futime"], pcm=1)
    return pd.concat([before, after], ignore_index=True)


def colon(etype):
    data = read("colon")
    return data.assign(rx=pd.Categorical(data["rx"], ["Obs", "Lev", "Lev+5FU"]))[data["etype"].isin(etype)]


def rotterdam():
    data = read("rotterdam")
    data["size"] = pd.Categorical(data["size"], ["<=20", "20-50", ">50"])
    return data.assign(first=data[["rtime", "dtime"]].min(axis=1), any=data[["recur", "death"]].max(axis=1))


def pbc():
    data = read("pbc")
    return data.assign(died=data["status"] == 2)


def ties():
    return pd.DataFrame(
        {
            "t": [1, 2, 2, 2, 3, 3, 4, 5, 5, 6],
            "e": [1, 1, 1, 0, 0, 1, 1, 0, 1, 1],
            "x": [5, 4, 1, 3, 2, 2, 4, 1, 1, 3],
            "w": [1, 2, 1, 3, 1, 1, 2, 1, 1, 1],
        }
    )


KM = {
    "lung_log": (lung, dict(duration="time", event="died", by="sex")),
    "lung_loglog": (lung, dict(duration="time", event="died", by="sex", conf_type="log-log")),
    "lung_plain": (lung, dict(duration="time", event="died", by="sex", conf_type="plain")),
    "lung_weight": (lung, dict(duration="time", event="died", by="sex", weights="weight")),
    "lung_count": (lung, dict(duration="time", event="died", by="sex", weights="count")),
    "lung_late": (lung, dict(duration="time", event="died", by="sex", entry="late")),
    "mgus2_age": (mgus2, dict(duration="age_end", event="death", by="sex", entry="age")),
    "gbsg": (lambda: read("gbsg"), dict(duration="rfstime", event="status", by="hormon")),
    "colon_relapse": (lambda: colon([1]), dict(duration="time", event="status", by="rx")),
    "colon_death": (lambda: colon([2]), dict(duration="time", event="status", by="rx")),
    "rotterdam": (rotterdam, dict(duration="first", event="any")),
    "veteran": (lambda: read("veteran"), dict(duration="time", event="status", by="celltype")),
    "ties": (ties, dict(duration="t", event="e")),
}


@pytest.mark.parametrize("case", KM)
def test_kaplan_meier_agrees_with_survfit(case):
    data, arguments = KM[case]
    expected = R["km"][case]
    at = kaplan_meier(data(), **arguments).at(np.unique(expected["time"]))
    for name in ("survival", "std_err", "lower", "upper"):
        close(at[name], expected[name])


@pytest.mark.parametrize("case", [case for case in KM if "late" not in case and "age" not in case])
def test_numbers_at_risk_agree_with_survfit(case):
    data, arguments = KM[case]
    expected = R["km"][case]
    close(kaplan_meier(data(), **arguments).at(np.unique(expected["time"]))["n_risk"], expected["n_risk"])


@pytest.mark.parametrize("case", KM)
def test_medians_and_quartiles_agree_with_survfit(case):
    data, arguments = KM[case]
    expected = R["km"][case]
    fitted = kaplan_meier(data(), **arguments)
    for ours, theirs in (("median", "median"), ("lower", "median_lower"), ("upper", "median_upper")):
        close(fitted.median[ours], expected[theirs])
    close(fitted.quantile(0.25)["time"], expected["quarter"])


@pytest.mark.parametrize(
    "case", [case for case in KM if "conf_type" not in KM[case][1] and "weights" not in KM[case][1]]
)
def test_restricted_means_agree_with_survfit(case):
    data, arguments = KM[case]
    expected = R["km"][case]
    table = rmst(data(), tau=expected["tau"], **arguments).table
    close(table["rmst"], expected["rmst"])
    close(table["std_err"], expected["rmst_se"])


LOGRANK = {
    "lung": (lung, dict(duration="time", event="died", by="sex")),
    "lung_rho": (lung, dict(duration="time", event="died", by="sex", rho=1)),
    "lung_strata": (lung, dict(duration="time", event="died", by="sex", strata="ph.ecog")),
    "veteran": (lambda: read("veteran"), dict(duration="time", event="status", by="celltype")),
    "gbsg": (lambda: read("gbsg"), dict(duration="rfstime", event="status", by="hormon")),
    "colon_relapse": (lambda: colon([1]), dict(duration="time", event="status", by="rx")),
    "colon_death": (lambda: colon([2]), dict(duration="time", event="status", by="rx")),
}


@pytest.mark.parametrize("case", LOGRANK)
def test_log_rank_agrees_with_survdiff(case):
    data, arguments = LOGRANK[case]
    test = logrank(data(), **arguments)
    close(test.statistic, R["logrank"][case]["statistic"])
    close(test.table["observed"], R["logrank"][case]["observed"])
    close(test.table["expected"], R["logrank"][case]["expected"])


three = dict(duration="time", event="died", formula="age + sex + `ph.ecog`")
COX = {
    "lung": (lung, three),
    "lung_breslow": (lung, three | {"ties": "breslow"}),
    "lung_robust": (lung, three | {"robust": True}),
    "lung_cluster": (lung, three | {"cluster": "inst"}),
    "lung_weight": (lung, three | {"weights": "weight"}),
    "lung_weight_robust": (lung, three | {"weights": "weight", "robust": True}),
    "lung_strata": (lung, three | {"formula": "age + `ph.ecog`", "strata": "sex"}),
    "lung_late": (lung, three | {"entry": "late"}),
    "lung_late_strata_robust": (
        lung,
        dict(duration="time", event="died", formula=["age", "ph.ecog"], strata="sex", entry="late", weights="weight")
        | {"robust": True, "ties": "breslow"},
    ),
    "mgus2_age": (mgus2, dict(duration="age_end", event="death", entry="age", formula="sex + hgb + creat")),
    "veteran": (
        lambda: read("veteran"),
        dict(duration="time", event="status", formula="trt + celltype + karno + diagtime + age + prior"),
    ),
    "gbsg": (
        lambda: read("gbsg"),
        dict(duration="rfstime", event="status", formula="age + meno + size + grade + nodes + pgr + er + hormon"),
    ),
    "gbsg_hormon": (lambda: read("gbsg"), dict(duration="rfstime", event="status", formula="hormon")),
    "colon_relapse": (lambda: colon([1]), dict(duration="time", event="status", formula="rx")),
    "colon_death": (lambda: colon([2]), dict(duration="time", event="status", formula="rx")),
    "colon_both": (
        lambda: colon([1, 2]),
        dict(duration="time", event="status", formula="rx", strata="etype", cluster="id"),
    ),
    "rotterdam": (
        rotterdam,
        dict(
            duration="first",
            event="any",
            formula="age + size + grade + log(nodes + 1) + pgr + er + hormon + chemo",
        ),
    ),
    "pbc": (pbc, dict(duration="time", event="died", formula="age + log(bili) + albumin + edema")),
    "mgus2_changing": (
        changing,
        dict(duration="stop", event="death", entry="start", formula="pcm + hgb + age", cluster="id"),
    ),
    "ties": (ties, dict(duration="t", event="e", formula="x")),
    "ties_weight": (ties, dict(duration="t", event="e", formula="x", weights="w")),
}


@pytest.fixture(scope="module")
def fitted():
    return {case: cox(data(), **arguments) for case, (data, arguments) in COX.items()}


@pytest.mark.parametrize("case", COX)
def test_cox_estimates_agree_with_coxph(fitted, case):
    model, expected = fitted[case], R["cox"][case]
    close(model.table["coef"], expected["coef"])
    close(model.table["std_err"], expected["std_err"])
    close(model.table["naive_std_err"], expected.get("naive_std_err", expected["std_err"]))
    assert (model.n, model.n_events) == (expected["n"], expected["n_events"])


@pytest.mark.parametrize("case", COX)
def test_cox_likelihoods_agree_with_coxph(fitted, case):
    model, expected = fitted[case], R["cox"][case]
    close([model.null_log_likelihood, model.log_likelihood], expected["log_likelihood"])
    close(model.score_statistic, expected["score"])


@pytest.mark.parametrize("case", COX)
def test_concordance_agrees_with_coxph(fitted, case):
    close(fitted[case].concordance, R["cox"][case]["concordance"])
    close(fitted[case].concordance_std_err, R["cox"][case]["concordance_std_err"])


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("case", [case for case in COX if "ties" not in case])
def test_proportional_hazards_test_agrees_with_cox_zph(fitted, case, transform):
    expected = R["cox"][case][f"ph_{transform}"]
    table = fitted[case].proportional_hazards(transform)
    close(table["statistic"], expected["statistic"])
    close(table["p_value"], expected["p_value"], rtol=1e-7)
    assert table["df"].tolist() == expected["df"]
    close(fitted[case].proportional_hazards(transform, terms=False)["statistic"], expected["by_coefficient"])


@pytest.mark.parametrize("case", R["baseline"])
def test_baseline_hazard_agrees_with_basehaz(case):
    data, arguments = COX[case]
    if case == "gbsg":
        arguments = arguments | {"formula": "age + nodes"}
    expected = R["baseline"][case]
    ours = cox(data(), **arguments).baseline
    place = np.searchsorted(ours["time"], expected["time"], side="right")
    close(np.append(0, ours["cumulative_hazard"])[place], expected["cumulative_hazard"])


@pytest.mark.parametrize("kind", ["martingale", "deviance", "score", "schoenfeld", "scaled_schoenfeld"])
@pytest.mark.parametrize("case", R["residuals"])
def test_residuals_agree_with_coxph(fitted, case, kind):
    ours = fitted[case].residuals(kind).drop(columns=["row", "time"], errors="ignore")
    theirs = np.reshape(R["residuals"][case][kind], ours.shape, order="F")
    if kind in ("schoenfeld", "scaled_schoenfeld"):  # R leaves the order within a time open
        ours = ours.iloc[np.lexsort(ours.to_numpy().T)].to_numpy()
        theirs = theirs[np.lexsort(theirs.T)]
    size = np.abs(theirs).max(axis=0)  # a column's digits are those of its largest residual
    close(np.asarray(ours) / size, theirs / size, atol=1e-9)


@pytest.mark.parametrize("case", R["predicted"])
def test_predicted_survival_agrees_with_survfit(fitted, case):
    patients = pd.DataFrame({"age": [50, 72], "sex": [2, 1], "ph.ecog": [0, 2]})
    times, expected = [4, 5, 100, 365, 700, 1022], R["predicted"][case]
    table = fitted[case].predict(patients, times)
    theirs = pd.DataFrame(expected)
    if case != "lung_strata":  # R's matrix is times × patients; with strata it is a line a time, patient after patient
        known = table["survival"].notna()
        for name in ("survival", "std_err", "lower", "upper"):
            close(table.loc[known, name], theirs.loc[known.to_numpy(), name])
        close(fitted[case].predict_survival(patients, times).ravel()[known], theirs.loc[known.to_numpy(), "survival"])
    else:
        for name in ("survival", "std_err", "lower", "upper"):
            known = table[name].notna().to_numpy()
            assert known.any()
            close(table.loc[known, name], theirs.loc[known, name])


@pytest.mark.parametrize("term", R["over_time"])
def test_coefficients_over_time_agree_with_plot_of_cox_zph(fitted, term):
    table = fitted["lung"].coefficients_over_time().query("term == @term")
    for name in ("coef", "lower", "upper"):
        theirs = np.array(R["over_time"][term][name])
        close(table[name] / np.abs(theirs).max(), theirs / np.abs(theirs).max(), atol=1e-9)


def test_tests_of_terms_agree_with_drop1():
    model = cox(read("gbsg"), "rfstime", "status", "C(grade) + nodes + hormon")
    tests, expected = model.term_tests(), R["terms"]
    close(tests["wald"], expected["wald"])
    close(tests["likelihood_ratio"], expected["likelihood_ratio"])
    close(tests["likelihood_ratio_p_value"], expected["p_value"], rtol=1e-8)


def test_splines_and_interactions_agree_with_coxph():
    model, expected = cox(lung(), "time", "died", "bs(age, df=4) + sex * `ph.ecog`"), R["spline"]
    close(model.table["coef"], expected["coef"])
    close(model.table["std_err"], expected["std_err"])
    close([model.null_log_likelihood, model.log_likelihood], expected["log_likelihood"])


def test_a_combination_of_other_columns_has_no_estimate_as_in_coxph():
    model, expected = cox(lung(), "time", "died", "age + I(2 * age + 1) + sex"), R["aliased"]
    close(model.table["coef"], expected["coef"])
    close([model.null_log_likelihood, model.log_likelihood], expected["log_likelihood"])


def test_trend_over_ordered_groups_agrees_with_survdiff():
    close(logrank(lung().query("`ph.ecog` < 3"), "time", "died", by="ph.ecog").trend.statistic, R["trend"]["lung"])
    close(logrank(read("gbsg"), "rfstime", "status", by="grade").trend.statistic, R["trend"]["gbsg"])
