"""Cohorts of known truth: no bias beyond Monte Carlo error, and 95 % limits that hold the truth 95 times in 100."""

import numpy as np
import pandas as pd
import pytest

from paillasse.survival import cox, kaplan_meier, logrank, rmst

DRAWS, PATIENTS, LOG_RATIO = 1000, 300, np.log(0.6)


@pytest.fixture(scope="module")
def draws():
    """Two arms, exponential with hazards 0.2 and 0.12 a year, a covariate, uniform censoring over 2 to 10 years."""
    random = np.random.default_rng(20261121)
    cohorts = []
    for _ in range(DRAWS):
        arm, x = np.arange(PATIENTS) % 2, random.normal(size=PATIENTS)
        time = random.exponential(1 / (0.2 * np.exp(LOG_RATIO * arm)))
        censor = random.uniform(2, 10, PATIENTS)
        seen = pd.DataFrame({"time": np.minimum(time, censor), "event": time <= censor, "arm": arm, "x": x})
        cohorts.append(seen)
    return cohorts


def check(estimate, error, lower, upper, truth):
    bias = np.mean(estimate) - truth
    assert abs(bias) < 3.5 * np.std(estimate) / np.sqrt(DRAWS), f"bias {bias:.5f}"
    assert np.mean(error) == pytest.approx(np.std(estimate), rel=0.1)
    covered = np.mean((np.asarray(lower) <= truth) & (truth <= np.asarray(upper)))
    assert 0.93 <= covered <= 0.97, f"coverage {covered:.3f}"


def test_kaplan_meier_at_two_years(draws):
    rows = [kaplan_meier(data, "time", "event", by="arm").at([2]).iloc[0] for data in draws]
    table = pd.DataFrame(rows)
    check(table["survival"], table["std_err"], table["lower"], table["upper"], np.exp(-0.4))


def test_restricted_mean_to_five_years(draws):
    table = pd.DataFrame([rmst(data[data["arm"] == 0], "time", "event", tau=5).table.iloc[0] for data in draws])
    check(table["rmst"], table["std_err"], table["lower"], table["upper"], (1 - np.exp(-1)) / 0.2)


def test_difference_of_restricted_means(draws):
    table = pd.DataFrame([rmst(data, "time", "event", tau=5, by="arm").difference.iloc[0] for data in draws])
    truth = (1 - np.exp(-0.6)) / 0.12 - (1 - np.exp(-1)) / 0.2
    check(table["difference"], table["std_err"], table["lower"], table["upper"], truth)


@pytest.mark.parametrize("robust", [False, True])
def test_cox_coefficient(draws, robust):
    table = pd.DataFrame([cox(data, "time", "event", "arm + x", robust=robust).table.iloc[0] for data in draws])
    check(table["coef"], table["std_err"], np.log(table["lower"]), np.log(table["upper"]), LOG_RATIO)


def test_ratio_of_restricted_means(draws):
    table = pd.DataFrame([rmst(data, "time", "event", tau=5, by="arm").ratio.iloc[0] for data in draws])
    truth = np.log((1 - np.exp(-0.6)) / 0.12 / ((1 - np.exp(-1)) / 0.2))
    check(np.log(table["ratio"]), table["std_err"], np.log(table["lower"]), np.log(table["upper"]), truth)


def test_predicted_survival_of_a_patient(draws):
    patient = pd.DataFrame({"arm": [1], "x": [0.5]})
    table = pd.DataFrame([cox(data, "time", "event", "arm + x").predict(patient, [3]).iloc[0] for data in draws])
    check(table["survival"], table["std_err"], table["lower"], table["upper"], np.exp(-3 * 0.12))


def test_bootstrap_limits(draws):
    """100 cohorts of 200 fits: the limits hold the truth as often as chance allows for 95 in 100."""
    held = 0
    for data in draws[:100]:
        limits = cox(data, "time", "event", "arm").bootstrap(200, seed=1).table.iloc[0]
        held += limits["lower"] <= np.exp(LOG_RATIO) <= limits["upper"]
    assert 88 <= held <= 100


def test_log_rank_and_proportional_hazards_tests_keep_their_level(draws):
    """Under the hypothesis, p-values below 0.05 come 5 times in 100."""
    apart = [logrank(data.assign(group=(data["x"] > 0)), "time", "event", by="group").p_value for data in draws]
    shape = [cox(data, "time", "event", "arm").proportional_hazards()["p_value"].iloc[0] for data in draws]
    for p_values in (apart, shape):
        assert 0.03 <= np.mean(np.array(p_values) < 0.05) <= 0.07
