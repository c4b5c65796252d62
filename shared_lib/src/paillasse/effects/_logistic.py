"""Logistic regression with what the sandwich needs of it: the influence of each row on the coefficients."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import expit

from paillasse.survival._cox_fit import estimable, maximise, standardise


@dataclass(frozen=True)
class Evaluation:
    """The log likelihood at one set of coefficients."""

    log_likelihood: float
    gradient: np.ndarray
    information: np.ndarray


@dataclass(frozen=True)
class Logistic:
    """A fitted logistic regression.

    `design` is the intercept beside the estimated columns, centred and scaled; `kept` are these columns' places.
    """

    design: np.ndarray
    probability: np.ndarray
    coef: np.ndarray
    covariance: np.ndarray  # the inverse information
    kept: np.ndarray
    center: np.ndarray
    scale: np.ndarray

    def designed(self, x: np.ndarray) -> np.ndarray:
        """The design of other rows."""
        return np.column_stack([np.ones(len(x)), (x[:, self.kept] - self.center) / self.scale])

    def predicted(self, x: np.ndarray) -> np.ndarray:
        """The probability of other rows."""
        return expit(self.designed(x) @ self.coef)

    def influence(self, y: np.ndarray) -> np.ndarray:
        """The influence of each fitted row on the coefficients: the inverse information times its score."""
        return ((y - self.probability)[:, None] * self.design) @ self.covariance


def logistic(x: np.ndarray, y: np.ndarray, names: list[str]) -> Logistic:
    """Fit by maximum likelihood; columns that are constant or combinations of those before have no coefficient.

    Raises
    ------
    InputError
        If a coefficient grows without end, because the columns separate the rows.
    """
    x, y = np.array(x, dtype=float), np.asarray(y, dtype=float)
    center, scale = standardise(x)
    kept = estimable(x.T @ x, len(x))
    design = np.column_stack([np.ones(len(x)), x[:, kept]])
    named = ["(intercept)", *(name for name, estimated in zip(names, kept) if estimated)]
    share = y.mean()
    start = np.zeros(design.shape[1])
    start[0] = np.log(share / (1 - share))
    coef, at = maximise(partial(_evaluate, design, y), None, named, start=start)
    covariance = np.linalg.inv(at.information)
    return Logistic(design, expit(design @ coef), coef, covariance, kept, center[kept], scale[kept])


def _evaluate(design: np.ndarray, y: np.ndarray, coef: np.ndarray) -> Evaluation:
    score = design @ coef
    probability = expit(score)
    weighted = design * (probability * (1 - probability))[:, None]
    return Evaluation(
        float(y @ score - np.logaddexp(0, score).sum()), design.T @ (y - probability), weighted.T @ design
    )
