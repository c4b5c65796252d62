"""The one core of the non-parametric estimators: who is at risk, and who has an event, at each distinct time."""

from dataclasses import dataclass

import numpy as np


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
    place = np.searchsorted(time, duration)
    mass = np.ones(len(duration)) if weights is None else weights
    leave = np.bincount(place, weights=mass, minlength=len(time))
    died = np.bincount(place, weights=mass * event, minlength=len(time))
    n_risk = np.cumsum(leave[::-1])[::-1]
    if entry is not None:
        # not yet entered at time[k]: entry >= time[k]
        late = np.bincount(np.searchsorted(time, entry, side="right"), weights=mass, minlength=len(time) + 1)
        n_risk = n_risk - np.cumsum(late[::-1])[::-1][1:]
    return Counts(time, n_risk, died, leave - died)
