"""Fitting Cox's partial likelihood: columns that can be estimated, Newton's method, sandwich variances."""

import numpy as np

from paillasse.errors import InputError
from paillasse.survival._partial_likelihood import Evaluation, RiskSets, blocks, evaluate, score_residuals

MOST_STEPS = 40
TOLERANCE = 1e-9  # of what a column adds, squared, to those before it; R's coxph takes 1.8e-12 of the information


def standardised(matrix: np.ndarray, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The columns centred and scaled, row after row in memory; a column that never varies stays 0."""
    x = np.empty(matrix.shape)
    divisor = np.where(scale > 0, scale, 1.0)
    for rows in blocks(len(matrix)):
        np.divide(matrix[rows] - center, divisor, out=x[rows])
    return x


def estimable(information: np.ndarray) -> np.ndarray:
    """Which columns add something to those before them: the others have no estimate, as in R."""
    scale = np.sqrt(np.maximum(np.diag(information), 0))
    keep = np.zeros(len(scale), bool)
    informed = scale > 1e-9 * scale.max(initial=0)
    correlation = information / np.outer(np.where(informed, scale, 1), np.where(informed, scale, 1))
    for column in np.flatnonzero(informed):
        before = correlation[np.ix_(keep, keep)]
        with_it = correlation[keep, column]
        left = 1 - with_it @ np.linalg.solve(before, with_it) if keep.any() else 1.0
        keep[column] = left > TOLERANCE
    return keep


def maximise(
    sets: RiskSets,
    x: np.ndarray,
    weights: np.ndarray,
    names: list[str],
    null: Evaluation,
    start: np.ndarray | None = None,
) -> tuple[np.ndarray, Evaluation]:
    """Newton's method with step halving, to the last digits that doubles hold.

    Raises
    ------
    InputError
        If a coefficient grows without end.
    """
    beta = np.zeros(x.shape[1]) if start is None else start
    at = null if start is None else evaluate(sets, x, weights, beta)
    step = np.zeros_like(beta)
    for _ in range(MOST_STEPS):
        ahead = _newton_step(at)
        if ahead is None:
            break
        step, largest = ahead, np.abs(ahead).max()
        if largest < 1e-9:  # in standard deviations of the covariate; what is left after it is of its square
            return beta + step, at
        ahead = evaluate(sets, x, weights, beta + step)
        # A step that gains nothing is halved, unless all that is left is rounding.
        while largest > 1e-7 and not ahead.log_likelihood >= at.log_likelihood - 1e-12 * abs(at.log_likelihood):
            step, largest = step / 2, largest / 2
            ahead = evaluate(sets, x, weights, beta + step)
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
    middle = np.zeros_like(naive)
    by_cluster = None if cluster is None else np.zeros((cluster.max() + 1, x.shape[1]))
    for rows, block in score_residuals(sets, x, at):
        influence = weights[rows, None] * block
        if by_cluster is None:
            middle += influence.T @ influence
        else:
            np.add.at(by_cluster, cluster[rows], influence)
    if by_cluster is not None:
        middle = by_cluster.T @ by_cluster
    return naive @ middle @ naive


def _newton_step(at: Evaluation) -> np.ndarray | None:
    try:
        step = np.linalg.solve(at.information, at.gradient)
    except np.linalg.LinAlgError:
        return None
    return step if np.isfinite(step).all() else None
