"""The one core of the non-parametric estimators: who is at risk, and who has an event, at each distinct time."""

from dataclasses import dataclass

import numpy as np


def are_whole(values: np.ndarray) -> bool:
    """Whether all are whole numbers from 0 to a million, as days are: then tables take the place of sorting."""
    return (
        len(values) > 0
        and values.min() >= 0
        and values.max() < 1e6
        and bool((values.astype(np.int32, copy=False) == values).all())
    )


def distinct_times(values: np.ndarray) -> np.ndarray:
    """The distinct values, sorted."""
    if are_whole(values):
        seen = np.zeros(int(values.max()) + 1, dtype=bool)
        seen[values.astype(np.int32, copy=False)] = True
        return np.flatnonzero(seen).astype(float)
    return np.unique(values)


class TimeAxis:
    """Distinct times, and the place of other times among them.

    Times that are whole numbers of moderate size, as days are, are looked up in a table; others by binary search.
    """

    def __init__(self, distinct: np.ndarray):
        self.distinct = distinct
        self._table = None
        if are_whole(distinct):
            marked = np.zeros(int(distinct[-1]) + 2, dtype=np.intp)
            marked[distinct.astype(np.intp) + 1] = 1
            self._table = np.cumsum(marked)  # at v: how many distinct times are below v

    def up_to(self, values: np.ndarray) -> np.ndarray:
        """How many of the distinct times are at most each value."""
        if self._table is None or not len(values):
            return np.searchsorted(self.distinct, values, side="right")
        place = np.minimum(values, len(self._table) - 2)
        return self._table[np.maximum(np.floor(place), -1).astype(np.intp) + 1]

    def place(self, values: np.ndarray) -> np.ndarray:
        """The place of values that are all among the distinct times."""
        if self._table is None:
            return np.searchsorted(self.distinct, values)
        return self._table[values.astype(np.int32, copy=False)]


@dataclass(frozen=True)
class Counts:
    """Numbers at each distinct time of the data, all arrays of the same length, sorted by time."""

    time: np.ndarray
    n_risk: np.ndarray
    n_event: np.ndarray
    n_censor: np.ndarray


def counts(duration, event, entry=None, weights=None) -> Counts:
    """Count at the distinct times of `duration`.

    A row is at risk at t where entry < t ≤ duration: at a tie an event precedes a censoring, and an entry comes after.
    """
    return counts_by_group(duration, event, None, 1, entry, weights)[0]


def counts_by_group(duration, event, group, size, entry=None, weights=None) -> list[Counts]:
    """Count in each of `size` groups at the distinct times of all rows: one pass over the rows for all groups.

    `group` holds the rows' codes; it is not looked at where there is one group.
    """
    days = duration.astype(np.int32) if are_whole(duration) else duration  # once, not in every step
    time = distinct_times(days)
    axis, length = TimeAxis(time), len(time)
    key = axis.place(
        days
    )  # group, time and event in one number, made in place: a pass over memory costs as a count does
    key *= 2
    key += event
    late = None if entry is None else axis.up_to(entry)
    if size > 1:
        narrow = np.int32 if 2 * length * size < 2**31 else np.int64  # half the memory where it is enough
        code = group.astype(narrow, copy=False)
        late = None if late is None else late + code * narrow(length + 1)
        key += code * narrow(2 * length)
    exits = np.bincount(key, weights, 2 * length * size).reshape(size, length, 2).astype(float)
    died, leave = exits[:, :, 1], exits.sum(axis=2)
    n_risk = np.cumsum(leave[:, ::-1], axis=1)[:, ::-1]
    if late is not None:
        # not yet entered at time[k]: entry >= time[k]
        waiting = np.bincount(late, weights, (length + 1) * size).reshape(size, length + 1)
        n_risk = n_risk - np.cumsum(waiting[:, ::-1], axis=1)[:, ::-1][:, 1:]
    return [Counts(time, n_risk[code], died[code], exits[code, :, 0]) for code in range(size)]
