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
    """A logistic regression on the covariates with a level for each interval; 0 in intervals in which none decided."""
    known = np.bincount(interval, decided) > 0
    rows = np.flatnonzero(known[interval])
    if decided[rows].all():
        raise InputError(
            f"In every interval with one, all who can {what}: the probability has no model; cut more finely."
        )
    levels = np.flatnonzero(known)[1:]
    columns = np.column_stack([x[rows], interval[rows, None] == levels])
    try:
        model = logistic(columns, decided[rows], [*names, *(f"interval {level}" for level in levels)])
    except InputError as error:
        raise InputError(f"The covariates tell perfectly who would {what} in an interval: {error}") from None
    probability, design = np.zeros(len(x)), np.zeros((len(x), model.design.shape[1]))
    influence = np.zeros_like(design)
    probability[rows], design[rows], influence[rows] = model.probability, model.design, model.influence(decided[rows])
    return Hazard(probability, design, influence)


def before_own(values: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Sums of a row's earlier pieces, without the piece itself; the pieces of a row follow one another."""
    total = np.cumsum(values, axis=0) - values
    first = np.flatnonzero(np.append(True, source[1:] != source[:-1]))
    many = np.diff(np.append(first, len(source)))
    return total - np.repeat(total[first], many, axis=0)
