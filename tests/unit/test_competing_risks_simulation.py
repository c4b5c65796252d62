"""Competing risks of known truth: no bias beyond Monte Carlo error, 95 % limits that hold the truth 95 times in 100."""

import numpy as np
import pandas as pd
import pytest

from paillasse.survival import cumulative_incidence, fine_gray, gray

DRAWS, PATIENTS, LOG_RATIO, EVENTUAL = 1000, 300, 0.5, 0.4


def censored(random, time, cause):
    """Follow-up in whole hundredths of a year (so with ties), censored uniformly over 0.5 to 4 years."""
    end = random.uniform(0.5, 4, len(time))
    seen = np.ceil(np.minimum(time, end) * 100)
    return pd.DataFrame({"time": seen, "event": np.where(time <= end, cause, 0)})


@pytest.fixture(scope="module")
def subdistributions():
    """Fine and Gray's own design: F₁(t | x) = 1 − (1 − p (1 − e⁻ᵗ))^exp(βx), p = 0.4, other events at rate 1.

    `x` is drawn anew for each patient, and `other` has no effect at all.
    """
    random = np.random.default_rng(20261122)
    cohorts = []
    for _ in range(DRAWS):
        x = random.normal(size=PATIENTS)
        power = np.exp(LOG_RATIO * x)
        eventual = 1 - (1 - EVENTUAL) ** power
        first = random.random(PATIENTS) < eventual
        share = random.random(PATIENTS) * eventual
        time = np.where(first, -np.log1p(-(1 - (1 - share) ** (1 / power)) / EVENTUAL), random.exponential(1, PATIENTS))
        cohort = censored(random, time, np.where(first, 1, 2))
        cohorts.append(cohort.assign(x=x, other=random.random(PATIENTS) < 0.5))
    return cohorts


@pytest.fixture(scope="module")
def rates():
    """Two causes with constant rates 0.2 and 0.3 a year; weights that have nothing to do with them; late entry."""
    random = np.random.default_rng(20261123)
    cohorts = []
    for _ in range(DRAWS):
        first, second = random.exponential(5, PATIENTS), random.exponential(1 / 0.3, PATIENTS)
        cohort = censored(random, np.minimum(first, second), np.where(first < second, 1, 2))
        weight, entry = random.choice([0.5, 1, 2], PATIENTS), random.choice([0, 20, 60], PATIENTS)
        cohorts.append(cohort.assign(weight=weight, entry=entry))
    return cohorts


def check(estimate, error, lower, upper, truth):
    bias = np.mean(estimate) - truth
    assert abs(bias) < 3.5 * np.std(estimate) / np.sqrt(DRAWS), f"bias {bias:.5f}"
    assert np.mean(error) == pytest.approx(np.std(estimate), rel=0.1)
    covered = np.mean((np.asarray(lower) <= truth) & (truth <= np.asarray(upper)))
    assert 0.93 <= covered <= 0.97, f"coverage {covered:.3f}"


@pytest.mark.parametrize("how", ["plain", "weights", "entry"])
def test_incidences_at_two_years(rates, how):
    column = {"weights": {"weights": "weight"}, "entry": {"entry": "entry"}}.get(how, {})
    rows = []
    for data in rates:
        used = data[data["entry"] < data["time"]] if how == "entry" else data
        rows.append(cumulative_incidence(used, "time", "event", **column).at([200]))
    table = pd.concat(rows)
    for cause, share in ((1, 0.4), (2, 0.6)):
        of = table[table["cause"] == cause]
        check(of["incidence"], of["std_err"], of["lower"], of["upper"], share * (1 - np.exp(-0.5 * 2)))


@pytest.mark.parametrize("variance", ["finegray", "crr"])
def test_fine_gray_coefficient(subdistributions, variance):
    fits = [fine_gray(data, "time", "event", 1, "x + other", variance=variance) for data in subdistributions]
    table = pd.DataFrame([model.table.iloc[0] for model in fits])
    check(table["coef"], table["std_err"], np.log(table["lower"]), np.log(table["upper"]), LOG_RATIO)


def test_predicted_incidence_is_the_truth(subdistributions):
    fresh = pd.DataFrame({"x": [-1.0, 0.0, 1.0]})
    truth = 1 - (1 - EVENTUAL * (1 - np.exp(-1))) ** np.exp(LOG_RATIO * fresh["x"].to_numpy())
    found = [
        fine_gray(data, "time", "event", 1, "x").predict_incidence(fresh, [100])[:, 0] for data in subdistributions
    ]
    assert (np.abs(np.mean(found, axis=0) - truth) < 3.5 * np.std(found, axis=0) / np.sqrt(DRAWS) + 0.001).all()


@pytest.mark.parametrize("strata", [None, "half"])
def test_gray_keeps_its_level(subdistributions, strata):
    """Under the hypothesis, p-values below 0.05 come 5 times in 100."""
    cohorts = (data.assign(half=data["x"] > 0) for data in subdistributions)
    p_values = [gray(data, "time", "event", by="other", strata=strata).table["p_value"] for data in cohorts]
    level = (np.array(p_values) < 0.05).mean(axis=0)
    assert ((level >= 0.03) & (level <= 0.07)).all(), level
