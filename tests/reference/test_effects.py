"""The effects room against R: the answers of `effects.R`, estimates to nine digits, standard errors to seven.

R's standard errors are found without a formula: everything is fitted again with one patient's weight moved a little.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paillasse.effects import (
    TargetTrial,
    clones,
    doubly_robust,
    hazard_ratio,
    incidence_difference,
    reweigh_lost,
    rmst_difference,
    sequential_trials,
    survival_by_arm,
    weigh,
)

ROOT = Path(__file__).parents[2]
R = json.loads(Path(__file__).with_name("effects_r.json").read_text())
TIMES, TAU = [1, 3, 5], 5
WEIGHTED = ("none", "overlap", "iptw", "stabilised", "staying", "natural", "observed", "sequential")


def close(ours, theirs, rtol):
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=rtol, atol=1e-13)


@pytest.fixture(scope="module")
def data():
    data = pd.read_csv(ROOT / "data" / "rotterdam.csv").query("nodes > 0").iloc[::10].reset_index(drop=True)
    data["event"] = data[["recur", "death"]].max(axis=1)
    data["years"] = np.where(data["recur"] == 1, data["rtime"], data["dtime"]) / 365.25
    data["cause"] = np.where(data["recur"] == 1, 1, 2 * data["death"])
    data["large"] = (data["size"] == ">50").astype(int)
    row = np.arange(1, len(data) + 1)
    data["lost"] = ((data["event"] == 0) & (row % 2 == 0)).astype(int)
    start = np.where((data["hormon"] == 1) | (row % 5 == 0), (7 * row) % 11 / 11 * 1.2, np.nan)
    return data.assign(start=np.where(start >= data["years"], np.nan, start))


def trial(**columns):
    told = dict.fromkeys(
        ("eligibility", "time_zero", "assignment", "follow_up", "outcome", "contrast", "analysis"), "as told"
    )
    told |= dict(arms={0: "none", 1: "hormones"}, treatment="hormon", duration="years", event="cause")
    return TargetTrial(**(told | dict(covariates=["age", "nodes", "grade", "large"], time_unit="years") | columns))


def weighted(data, kind):
    if kind == "staying":
        return reweigh_lost(weigh(trial(), data), data, "lost", every=2)
    delayed = trial(treatment_start="start", grace_period=1)
    if kind in ("natural", "observed"):
        return clones(delayed, data, every=0.25, starts=kind)
    if kind == "sequential":
        trials = sequential_trials(delayed, data.drop(columns="lost"))
        return weigh(trials.trial, trials.data)
    return weigh(trial(), data, kind)


def estimated(found):
    """Estimates and standard errors by R's names."""
    values, errors = {}, {}
    for ties in ("breslow", "efron"):
        line = hazard_ratio(found, ties=ties).table.iloc[0]
        values[ties], errors[ties] = line["coef"], line["std_err"]
    curves = survival_by_arm(found, TIMES).table
    for arm, label in enumerate(("none", "hormones")):
        for time, value, error in curves.loc[curves["group"] == label, ["time", "survival", "std_err"]].to_numpy():
            values[f"survival_{arm}_{time:g}"], errors[f"survival_{arm}_{time:g}"] = value, error
    for name, result in (("mean", rmst_difference(found, TAU)), ("risk", incidence_difference(found, 1, TAU))):
        for arm, line in result.table.iterrows():
            values[f"{name}_{arm}"], errors[f"{name}_{arm}"] = line["estimate"], line["std_err"]
        line = result.difference.iloc[0]
        values[name], errors[name] = line["difference"], line["std_err"]
    return values, errors


@pytest.mark.parametrize("kind", WEIGHTED)
def test_estimates_are_those_of_r_refitted_and_so_are_their_standard_errors(data, kind):
    values, errors = estimated(weighted(data, kind))
    theirs = R[kind]
    assert set(values) == set(theirs["estimate"])
    for name, value in values.items():
        close(value, theirs["estimate"][name], rtol=1e-9)
        # Efron's likelihood gives tied events their mean weight, which the sandwich, R's too, does not follow.
        close(errors[name], theirs["std_err"][name], rtol=1e-3 if name == "efron" else 1e-7)


@pytest.mark.parametrize("kind", WEIGHTED[:4])
def test_with_the_weights_taken_as_known_the_standard_error_is_r_s_robust_one(data, kind):
    table = hazard_ratio(weighted(data, kind)).table
    close(table["fixed_std_err"].iloc[0], R["robust"][kind], rtol=1e-9)


def test_the_doubly_robust_means_are_those_of_r(data):
    found = doubly_robust(trial(covariates="age + nodes + grade"), data, TAU)
    close(found.table["estimate"], R["doubly"]["means"], rtol=1e-9)
    close(
        found.difference[["difference", "std_err"]].iloc[0],
        [R["doubly"]["difference"], R["doubly"]["std_err"]],
        rtol=1e-9,
    )
