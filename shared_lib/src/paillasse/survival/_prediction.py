"""Predicted survival of a Cox model, with the variance of its baseline and of its coefficients."""

import numpy as np
import pandas as pd

from paillasse.survival._partial_likelihood import Evaluation, RiskSets


def cumulative_hazard(sets: RiskSets, at: Evaluation, stratum: int, times: np.ndarray) -> np.ndarray:
    """The baseline cumulative hazard of one stratum at `times`, at the fitted rows' mean covariates."""
    inside, place = _steps(sets, stratum, times)
    return np.append(0.0, np.cumsum(at.a[0][inside]))[place]


def limits(
    sets: RiskSets,
    at: Evaluation,
    covariance: np.ndarray,
    stratum: int,
    times: np.ndarray,
    x: np.ndarray,
    beta: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative hazard and its standard error at `times` for one covariate vector, as R's `survfit.coxph`.

    The variance is that of the baseline's increments (Tsiatis, with Efron's steps) and that of the coefficients,
    carried by d = Σ (x − x̄) dΛ.
    """
    inside, place = _steps(sets, stratum, times)
    drift = at.b[0][inside, None] * at.at_risk[inside] - at.b[1][inside, None] * at.tied[inside]
    hazard = np.append(0.0, np.cumsum(at.a[0][inside]))[place]
    own = np.append(0.0, np.cumsum(at.b[0][inside]))[place]
    moved = np.vstack([np.zeros(len(x)), np.cumsum(drift, axis=0)])[place]
    carried = hazard[:, None] * x - moved
    variance = own + np.einsum("ij,jk,ik->i", carried, covariance, carried)
    risk = np.exp(x @ beta)
    return risk * hazard, risk * np.sqrt(variance)


def baseline(sets: RiskSets, at: Evaluation, labels: list, at_zero: float) -> pd.DataFrame:
    """The baseline cumulative hazard at each event time, at covariates 0."""
    table = pd.DataFrame({"stratum": sets.stratum, "time": sets.time, "cumulative_hazard": at.a[0] * at_zero})
    table["cumulative_hazard"] = table.groupby("stratum")["cumulative_hazard"].cumsum()
    return table.assign(stratum=[labels[code] for code in sets.stratum])


def _steps(sets: RiskSets, stratum: int, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inside = sets.stratum == stratum
    return inside, np.searchsorted(sets.time[inside], times, side="right")
