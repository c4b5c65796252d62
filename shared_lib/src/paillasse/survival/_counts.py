"""The one core of the non-parametric estimators: who is at risk, and who has an event, at each distinct time."""

from dataclasses import dataclass

import numpy as np


class TimeAxis:
    """Distinct times, and the place of other times among them.

    Times that are whole numbers of moderate size, as days are, are looked up in a table; others by binary search.
    """

    def __init__(self, distinct: np.ndarray):
        self.distinct = distinct
        self._table = None
        if len(distinct) and distinct[0] >= 0 and distinct[-1] < 1e6 and not np.mod(distinct, 1).any():
            marked = np.zeros(int(distinct[-1]) + 2, dtype=np.intp)
            marked[distinct.astype(np.intp) + 1] = 1
            self._table = np.cumsum(marked)  # at v: how many distinct times are below v

    def up_to(self, values: np.ndarray) -> np.ndarray:
        """How many of the distinct times are at most each value."""
        if self._table is None or not len(values):
            return np.searchsorted(self.distinct, values, side="right")
        place = np.minimum(values, len(self._table) - 2)
        return self._table[np.maximum(np.floor(place), -1).astype(np.intp) + 1]


@dataclass(frozen=True)
class Counts:
    """Numbers at each distinct time of the data, all arrays of the same length, sorted by time."""

    time: np.ndarray
    n_risk: np.ndarray
    n_event: np.ndarray
    n_censor: np.ndarray


def counts(duration, event, entry=None, weights=None, time=None) -> Counts:
    """Count at the distinct times of `duration`, or at the given sorted `time`, which must hold all of them.

    A row is at risk at t where entry < t ≤ duration: at a tie an event precedes a censoring, and an entry comes after.
    """
    if time is None:
        time = np.unique(duration)
    axis, size = TimeAxis(time), len(time)
    place = axis.up_to(duration) - 1
    leave = np.bincount(place, weights=weights, minlength=size).astype(float)
    died = np.bincount(place, weights=event if weights is None else weights * event, minlength=size)
    n_risk = np.cumsum(leave[::-1])[::-1]
    if entry is not None:
        # not yet entered at time[k]: entry >= time[k]
        late = np.bincount(axis.up_to(entry), weights=weights, minlength=size + 1)
        n_risk = n_risk - np.cumsum(late[::-1])[::-1][1:]
    return Counts(time, n_risk, died, leave - died)
