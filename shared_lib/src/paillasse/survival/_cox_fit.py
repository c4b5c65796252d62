"""Fitting Cox's partial likelihood: columns that can be estimated, Newton's method, sandwich variances."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from paillasse.errors import InputError
from paillasse.survival._partial_likelihood import Evaluation, RiskSets, blocks, score_residuals, sums_by

MOST_STEPS = 40
TOLERANCE = 1e-11  # of what a column adds, squared, to those before it; R's coxph takes 1.8e-12 of the information


def standardise(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and scale the columns of x in place, block by block; their means and standard deviations.

    A column that never varies becomes 0.
    """
    center, square = x.mean(axis=0), np.zeros(x.shape[1])
    for rows in blocks(len(x)):
        x[rows] -= center
        square += (x[rows] ** 2).sum(axis=0)
    scale = np.sqrt(square / len(x))
    constant = scale <= 1e-13 * np.abs(center)  # what rounding leaves of a constant
    scale[constant] = 0.0
    divisor = np.where(constant, np.inf, scale)
    for rows in blocks(len(x)):
        x[rows] /= divisor
    return center, scale


def estimable(information: np.ndarray, events: float) -> np.ndarray:
    """Which columns (scaled to a variance of 1) add something to those before them.

    The others have no estimate, as in R: constants, also within all risk sets, and combinations of the columns before.
    """
    keep = np.zeros(len(information), bool)
    diagonal = np.diag(information)
    informed = diagonal > TOLERANCE * events
    scale = np.sqrt(np.where(informed, diagonal, 1.0))
    correlation = information / np.outer(scale, scale)
    for column in np.flatnonzero(informed):
        with_it = correlation[keep, column]
        given = with_it @ np.linalg.solve(correlation[np.ix_(keep, keep)], with_it) if keep.any() else 0.0
        keep[column] = 1 - given > TOLERANCE
    return keep


def maximise(
    evaluate: Callable[[np.ndarray], Any], null: Any, names: list[str], start: np.ndarray | None = None
) -> tuple[np.ndarray, Any]:
    """Newton's method with step halving, to the last digits that doubles hold.

    Parameters
    ----------
    evaluate : callable
        The evaluation at a β: an object with `log_likelihood`, `gradient` and `information`.
    null : evaluation
        The evaluation at 0, where no `start` is given.

    Raises
    ------
    InputError
        If a coefficient grows without end.
    """
    beta = np.zeros(len(names)) if start is None else start
    at = null if start is None else evaluate(beta)
    step = np.zeros_like(beta)
    for _ in range(MOST_STEPS):
        newton = _newton_step(at)
        if newton is None:
            break
        step, largest = newton, np.abs(newton).max()
        if largest < 1e-9:  # in standard deviations of the covariate; what is left after it is of its square
            return beta + step, at
        ahead = evaluate(beta + step)
        # A step that gains nothing is halved, unless all that is left is rounding.
        while largest > 1e-7 and not ahead.log_likelihood >= at.log_likelihood - 1e-12 * abs(at.log_likelihood):
            step, largest = step / 2, largest / 2
            ahead = evaluate(beta + step)
        if largest > 0.1 and ahead.log_likelihood - at.log_likelihood < 1e-7:
            break  # a long step, in standard deviations of the covariate, that gains nothing: the likelihood is flat
        beta, at = beta + step, ahead
    worst = names[int(np.argmax(np.abs(step)))]
    raise InputError(
        f"The coefficient of term {worst!r} has no finite estimate: it grows without end, most often because the term "
        "separates rows with events from rows without. Leave it out or join its categories."
    )


def sandwich(
    sets: RiskSets, x: np.ndarray, weights: np.ndarray, at: Evaluation, naive: np.ndarray, cluster
) -> np.ndarray:
    """The robust variance: the sum over clusters of squared influences, each row its own cluster if none is given."""
    if cluster is None:
        middle = np.zeros_like(naive)
        for rows, block in score_residuals(sets, x, at):
            influence = weights[rows, None] * block
            middle += influence.T @ influence
    else:
        by_cluster = np.zeros((cluster.max() + 1, x.shape[1]))
        for rows, block in score_residuals(sets, x, at):
            codes, place = np.unique(cluster[rows], return_inverse=True)
            by_cluster[codes] += sums_by(place, weights[rows], len(codes), block)
        middle = by_cluster.T @ by_cluster
    return naive @ middle @ naive


def coefficients(names, kept, coef, std_err, naive_std_err, z_limit) -> pd.DataFrame:
    """The table of a model: a row a column of the design, NaN for those that are not `kept`."""
    z, width = coef / std_err, z_limit * std_err
    with np.errstate(over="ignore"):  # a ratio of a covariate of a tiny unit may well be infinite
        ratios = {"lower": np.exp(coef - width), "upper": np.exp(coef + width)}
        estimated = {"coef": coef, "hazard_ratio": np.exp(coef), "std_err": std_err, "naive_std_err": naive_std_err}
    estimated |= ratios | {"z": z, "p_value": 2 * ndtr(-np.abs(z))}
    table = pd.DataFrame(np.nan, index=range(len(names)), columns=list(estimated))
    table.loc[kept, :] = np.column_stack(list(estimated.values()))
    table.insert(0, "term", names)
    return table


def _newton_step(at) -> np.ndarray | None:
    try:
        step = np.linalg.solve(at.information, at.gradient)
    except np.linalg.LinAlgError:
        return None
    return step if np.isfinite(step).all() else None
