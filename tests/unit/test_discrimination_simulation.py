"""Cohorts of known truth: what concordance, AUC and Brier score estimate, and whether C's limits hold it."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from paillasse.survival import brier, concordance, time_dependent_auc

DRAWS, PATIENTS = 1000, 300
HAZARD, SLOPE, CENSORING = 0.2, 0.8, 0.08  # a year; x is standard normal
TAU = 5

# The expectation over two patients' x is a mean over a grid of quantiles; on the diagonal the risks are tied.
x = ndtri((np.arange(1000) + 0.5) / 1000)
hazard = HAZARD * np.exp(SLOPE * x)
higher = (x[:, None] > x) + (x[:, None] == x) / 2


def true_concordance(censoring):
    """The first event of the pair by TAU is i's, and neither is censored before."""
    ends = hazard[:, None] + hazard + 2 * censoring
    first = hazard[:, None] / ends * (1 - np.exp(-ends * TAU))
    return (higher * first).sum() / first.sum()


@pytest.fixture(scope="module")
def draws():
    random = np.random.default_rng(20261122)
    cohorts = []
    for _ in range(DRAWS):
        risk = random.normal(size=PATIENTS)
        time = random.exponential(1 / (HAZARD * np.exp(SLOPE * risk)))
        censor = random.exponential(1 / CENSORING, PATIENTS)
        seen = {"time": np.minimum(time, censor), "event": time <= censor, "risk": risk}
        cohorts.append(pd.DataFrame(seen))
    return cohorts


def unbiased(estimates, truth):
    bias = np.mean(estimates) - truth
    assert abs(bias) < 3.5 * np.std(estimates) / np.sqrt(DRAWS), f"bias {bias:.5f}"


@pytest.mark.parametrize(("method", "truth"), [("harrell", true_concordance(CENSORING)), ("uno", true_concordance(0))])
def test_concordance(draws, method, truth):
    table = pd.concat([concordance(data, "time", "event", "risk", method, tau=TAU).table for data in draws])
    unbiased(table["concordance"], truth)
    assert table["std_err"].mean() == pytest.approx(table["concordance"].std(), rel=0.1)
    covered = table["lower"].le(truth) & table["upper"].ge(truth)
    assert 0.93 <= covered.mean() <= 0.97, f"coverage {covered.mean():.3f}"


def test_area_under_the_curve(draws):
    event = 1 - np.exp(-hazard * TAU)
    pairs = event[:, None] * (1 - event)
    areas = [time_dependent_auc(data, "time", "event", "risk", [TAU]).table["auc"][0] for data in draws]
    unbiased(areas, (higher * pairs).sum() / pairs.sum())


def test_brier_score_of_the_true_survival(draws):
    survival = np.exp(-hazard * TAU)
    scores = []
    for data in draws:
        predicted = np.exp(-HAZARD * np.exp(SLOPE * data["risk"]) * TAU)
        scores.append(brier(data, "time", "event", predicted, [TAU]).table["brier"][0])
    unbiased(scores, (survival * (1 - survival)).mean())
