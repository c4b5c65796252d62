"""Follow-up cut into intervals, and the pooled logistic model of a decision in each: to start, or to be lost."""

from dataclasses import dataclass

import numpy as np

from paillasse.effects._logistic import logistic
from paillasse.errors import InputError


@dataclass(frozen=True)
class Pieces:
    """Rows of follow-up cut at the same times; the pieces of a row follow one another, (cut, next cut]."""

    source: np.ndarray  # the row that a piece is of
    interval: np.ndarray
    entry: np.ndarray  # before time 0 for the first, so that who leaves at 0 was there
    stop: np.ndarray
    is_last: np.ndarray


def pieces(stop: np.ndarray, cuts: np.ndarray) -> Pieces:
    """Cut rows that are followed from 0 to `stop` at `cuts`, of which the first is 0; after the last nothing is cut."""
    many = np.maximum(np.searchsorted(cuts, stop, side="left"), 1)
    source = np.repeat(np.arange(len(stop)), many)
    last = np.cumsum(many) - 1
    interval = np.arange(len(source)) - np.repeat(last + 1 - many, many)
    ends = np.append(cuts[1:], np.inf)[interval]
    is_last = np.zeros(len(source), bool)
    is_last[last] = True
    entry = np.where(interval == 0, -1.0, cuts[interval])
    return Pieces(source, interval, entry, np.minimum(ends, stop[source]), is_last)


@dataclass(frozen=True)
class Hazard:
    """The probability of the decision in each row, its model's design and influence; 0 where none decided."""

    probability: np.ndarray
    design: np.ndarray
    influence: np.ndarray


def pooled_hazard(interval: np.ndarray, x: np.ndarray, decided: np.ndarray, names: list[str], what: str) -> Hazard:
    """A logistic regression on the covariates with a level for each interval; 0 and 1 where none or all decided."""
    whole, many = np.bincount(interval), np.bincount(interval, decided)
    known = (many > 0) & (many < whole)
    if not known.any():
        raise InputError(f"In no interval do some {what} and others not, so that the probability has no model.")
    rows = np.flatnonzero(known[interval])
    levels = np.flatnonzero(known)[1:]
    columns = np.column_stack([x[rows], interval[rows, None] == levels])
    try:
        model = logistic(columns, decided[rows], [*names, *(f"interval {level}" for level in levels)])
    except InputError as error:
        raise InputError(f"The covariates tell perfectly who would {what} in an interval: {error}") from None
    probability = (many == whole)[interval].astype(float)
    design = np.zeros((len(x), model.design.shape[1]))
    influence = np.zeros_like(design)
    probability[rows], design[rows], influence[rows] = model.probability, model.design, model.influence(decided[rows])
    return Hazard(probability, design, influence)


def undecided(h: np.ndarray, source: np.ndarray) -> np.ndarray:
    """The logarithm of the probability of not having decided by the middle of each piece.

    To the middle, because whoever decides within an interval is there for about half of it.
    """
    return before_own(log_not(h), source) + np.log1p(-h / 2)


def undecided_slopes(h: np.ndarray, design: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Its derivative by the coefficients, with the sign turned: that of the logarithm of the weight."""
    return before_own(h[:, None] * design, source) + half_slope(h)[:, None] * design


def log_not(h: np.ndarray) -> np.ndarray:
    """log(1 − h); 0 where everybody decided, since nobody is left to be weighted."""
    return np.log1p(-np.where(h < 1, h, 0.0))


def half_slope(h: np.ndarray) -> np.ndarray:
    """The derivative of −log(1 − h/2) by the linear predictor."""
    return h / 2 * (1 - h) / (1 - h / 2)


def before_own(values: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Sums of a row's earlier pieces, without the piece itself; the pieces of a row follow one another."""
    total = np.cumsum(values, axis=0) - values
    first = np.flatnonzero(np.append(True, source[1:] != source[:-1]))
    many = np.diff(np.append(first, len(source)))
    return total - np.repeat(total[first], many, axis=0)
