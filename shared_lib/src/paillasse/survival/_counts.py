"""The one core of the non-parametric estimators: who is at risk, and who has an event, at each distinct time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

BLOCK = 2**15  # rows looked at together, so that what is made of them stays in the processor's cache


def blocks(n: int, least: int = 0) -> Iterator[slice]:
    """The rows from 0 to `n` in blocks of at least `least`: new memory for all rows costs more than the counting."""
    size = max(BLOCK, least)
    return (slice(start, start + size) for start in range(0, n, size))


def are_whole(values: np.ndarray) -> bool:
    """Whether all are whole numbers from 0 to a million, as days are: then tables take the place of sorting."""
    if not len(values) or values.min() < 0 or not values.max() < 1e6:
        return False
    return all((values[rows].astype(np.int32) == values[rows]).all() for rows in blocks(len(values)))


def distinct_times(values: np.ndarray) -> np.ndarray:
    """The distinct values, sorted."""
    if are_whole(values):
        seen = np.zeros(int(values.max()) + 1, dtype=bool)
        for rows in blocks(len(values)):
            seen[values[rows].astype(np.intp)] = True
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
        return self._table[values.astype(np.intp)]


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
    # Where the days are few beside the rows, all days are counted and those without a row left out at the end: quicker
    # than to find the distinct days first.
    every_day = are_whole(duration) and (duration.max() + 1) * size <= len(duration)
    time = np.arange(duration.max() + 1) if every_day else distinct_times(duration)
    axis, length = TimeAxis(time), len(time)
    exits, waiting = np.zeros(2 * length * size), np.zeros((length + 1) * size)
    for rows in blocks(len(duration), least=len(exits)):
        mass = None if weights is None else weights[rows]
        code = group[rows].astype(np.intp) if size > 1 else 0
        place = duration[rows].astype(np.intp) if every_day else axis.place(duration[rows])
        exits += np.bincount((code * length + place) * 2 + event[rows], mass, len(exits))
        if entry is not None:
            waiting += np.bincount(code * (length + 1) + axis.up_to(entry[rows]), mass, len(waiting))
    exits = exits.reshape(size, length, 2)
    died, leave = exits[:, :, 1], exits.sum(axis=2)
    # at risk at time[k]: duration >= time[k], but not entry >= time[k]
    n_risk = np.cumsum(leave[:, ::-1], axis=1)[:, ::-1]
    n_risk = n_risk - np.cumsum(waiting.reshape(size, length + 1)[:, ::-1], axis=1)[:, ::-1][:, 1:]
    had = leave.any(axis=0)
    return [Counts(time[had], n_risk[code, had], died[code, had], exits[code, had, 0]) for code in range(size)]


def inverse(value: np.ndarray, scale: np.ndarray | float = 1.0) -> np.ndarray:
    """1/value, 0 where it is 0 (rounding apart, relative to `scale`)."""
    return np.divide(1.0, value, out=np.zeros(len(value)), where=value > 1e-12 * scale)
