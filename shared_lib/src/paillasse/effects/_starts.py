"""How readily each patient starts each partner: one intensity a partner, fitted for all partners together."""

from dataclasses import dataclass

import numpy as np

RIDGE = 1.0  # as if one patient had been seen for each covariate, of no preference: a small arm may separate perfectly
ROWS = 8192
STEPS = 30
CLOSE = 1e-7
LONGEST = 2.0  # of a step, in standard deviations of a covariate


@dataclass(frozen=True)
class Starts:
    r"""Intensities of starting partner k in band b of days, h_bk exp(x'β_k): who would start it, and when.

    Patients are the rows of `covariates` (n × p, each standardised), partners the columns. At the maximum the starters'
    mean of each covariate is that of all who could have started, weighted by the intensity: the weights balance the
    covariates' means exactly, but for the small penalty on β.
    """

    covariates: np.ndarray
    days: np.ndarray  # n × bands: days at which a patient could have started
    started: np.ndarray  # n: the partner's code, -1 for none
    coef: np.ndarray  # p × K
    hazard: np.ndarray  # bands × K: a day, for a patient of x'β = 0
    relative: np.ndarray  # n × K: exp(x'β)
    mean: np.ndarray  # p × K: of the covariates among starters, as the intensities have it
    information: np.ndarray  # K × p × p

    def score_along(self, direction: np.ndarray) -> np.ndarray:
        """What each patient adds to the score of each partner's β, times a direction (p × K): n × K."""
        turned = np.linalg.solve(self.information, direction.T[:, :, None])[:, :, 0].T
        along = self.covariates @ turned - (self.mean * turned).sum(axis=0)
        residual = -self.relative * (self.days @ self.hazard)
        rows = np.flatnonzero(self.started >= 0)
        residual[rows, self.started[rows]] += 1
        return residual * along


def fit_starts(covariates: np.ndarray, days: np.ndarray, started: np.ndarray, band: np.ndarray, size: int) -> Starts:
    """Fit the intensities of `size` partners by Newton's method on the penalised partial likelihood.

    The baseline is constant within a band of days and is profiled out. The second moments of all partners are one
    matrix product a block of rows: pairs of covariates times partners.

    Parameters
    ----------
    covariates : array of float, shape (n, p)
        Standardised.
    days : array of float, shape (n, bands)
        Days of each band at which a patient could have started a partner.
    started : array of int, shape (n,)
        The partner's code, -1 for none.
    band : array of int, shape (n,)
        In which band it was started; not looked at where none was.
    size : int
        Number of partners.
    """
    n, p = covariates.shape
    has = started >= 0
    n_started = np.zeros((days.shape[1], size))
    np.add.at(n_started, (band[has], started[has]), 1)
    total = n_started.sum(axis=0)
    sums = np.zeros((size, p))
    np.add.at(sums, started[has], covariates[has])
    first, second = np.triu_indices(p)
    coef = np.zeros((p, size))
    for _ in range(STEPS):
        exposed, moments = np.zeros(n_started.shape), np.zeros((len(first), size))
        relative = np.exp(covariates @ coef)
        exposed = days.T @ relative
        hazard = n_started / np.maximum(exposed, np.finfo(float).tiny)
        expected = np.zeros((p, size))
        for start in range(0, n, ROWS):
            rows = slice(start, start + ROWS)
            x = covariates[rows]
            mass = relative[rows] * (days[rows] @ hazard)
            expected += x.T @ mass
            moments += (x[:, first] * x[:, second]).T @ mass
        mean = expected / np.maximum(total, 1)
        information = np.empty((size, p, p))
        information[:, first, second] = information[:, second, first] = moments.T
        information -= total[:, None, None] * mean.T[:, :, None] * mean.T[:, None, :]
        information += RIDGE * np.eye(p)
        step = np.linalg.solve(information, (sums.T - expected - RIDGE * coef).T[:, :, None])[:, :, 0].T
        longest = np.abs(step).max()
        coef = coef + step * min(1.0, LONGEST / max(longest, CLOSE))
        if longest < CLOSE**0.5:  # Newton's error is squared at each step: this one is the last that matters
            break
    return Starts(covariates, days, started, coef, hazard, np.exp(covariates @ coef), mean, information)
