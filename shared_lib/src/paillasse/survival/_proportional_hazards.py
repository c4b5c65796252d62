"""The score test for coefficients that change with time."""

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from paillasse.errors import InputError, did_you_mean
from paillasse.survival._counts import counts
from paillasse.survival._input import Outcome
from paillasse.survival._partial_likelihood import (
    Evaluation,
    RiskSets,
    means_at_events,
    outer_of_means,
    second_moment,
)
from paillasse.survival.kaplan_meier import product_limit

TRANSFORMS = ("km", "rank", "identity", "log")


def transformed(transform: str, seen: Outcome, sets: RiskSets) -> np.ndarray:
    """g at each event time of the sets, as R's `cox.zph` takes it."""
    if transform not in TRANSFORMS:
        raise InputError(f"transform={transform!r} is not known. {did_you_mean(transform, TRANSFORMS)}")
    if transform == "identity":
        return sets.time
    if transform == "log":
        if (sets.time <= 0).any():
            raise InputError("transform='log' needs event times above 0; take another transform.")
        return np.log(sets.time)
    if transform == "rank":
        # Among all rows, the censored too, as R ranks them.
        ranks = pd.Series(seen.duration).rank().to_numpy()[sets.event]
        return np.bincount(sets.place, ranks, sets.size) / np.bincount(sets.place, minlength=sets.size)
    pooled = counts(seen.duration, seen.event, seen.entry)
    before = np.append(1.0, product_limit(pooled))[np.searchsorted(pooled.time, sets.time, side="left")]
    return 1 - before


def score_test(
    g: np.ndarray, sets: RiskSets, x: np.ndarray, weights: np.ndarray, at: Evaluation, terms: dict[str, list[int]]
) -> pd.DataFrame:
    """Test for each term, and for all, that its coefficients do not change with g(time)."""
    g = g - np.average(g, weights=np.bincount(sets.place, minlength=sets.size))
    mass = weights * at.risk
    moments = [
        second_moment(sets, x, mass, at.a * g**power) - outer_of_means(at.at_risk, at.tied, at.b * g**power)
        for power in (1, 2)
    ]
    died = weights[sets.event] * g[sets.place]
    observed = np.zeros(len(weights))
    observed[sets.event] = died
    score = observed @ x - (g * sets.mass) @ means_at_events(sets, at)
    # What of the interaction's score and information the main effects do not already hold; their own score is 0 but
    # for the last digits of the fit.
    score = score - moments[0] @ np.linalg.solve(at.information, at.gradient)
    information = moments[1] - moments[0] @ np.linalg.solve(at.information, moments[0])
    rows = []
    for name, places in (terms | {"GLOBAL": list(range(len(score)))}).items():
        part = score[places]
        statistic = float(part @ np.linalg.solve(information[np.ix_(places, places)], part))
        rows.append([name, statistic, len(places), float(chdtrc(len(places), statistic))])
    return pd.DataFrame(rows, columns=["term", "statistic", "df", "p_value"])
