"""The distribution of the censoring times, whose inverse weights stand for the patients lost to follow-up."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from paillasse.errors import InputError
from paillasse.survival._counts import TimeAxis, counts
from paillasse.survival._input import Outcome, outcome


@dataclass(frozen=True)
class Censoring:
    """The Kaplan-Meier estimate G of being uncensored: its distinct times and G just after each."""

    time: np.ndarray
    uncensored: np.ndarray

    def before(self, times: np.ndarray) -> np.ndarray:
        """G(t−), the share not yet censored when those at t have their events."""
        place = TimeAxis(self.time).up_to(times)
        place -= np.append(-np.inf, self.time)[place] == times
        return np.append(1.0, self.uncensored)[place]

    def beyond(self, times: np.ndarray) -> np.ndarray:
        """G(t), the share still followed after t."""
        return np.append(1.0, self.uncensored)[TimeAxis(self.time).up_to(times)]


def censoring(seen: Outcome) -> Censoring:
    """Estimate G. At a tie events come before censorings, so who has the event at t cannot be censored there."""
    at = counts(seen.duration, seen.event, weights=seen.weights)
    left = at.n_risk - at.n_event
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard = np.where(at.n_censor > 0, at.n_censor / left, 0.0)
    return Censoring(at.time, np.cumprod(1 - hazard))


def censoring_and_times(
    seen: Outcome, duration: str, event: str, times, other: pd.DataFrame | None
) -> tuple[Censoring, np.ndarray]:
    """G from the rows themselves or from `other` data, and the times at which a score is asked for, checked."""
    source = seen if other is None else outcome(other, duration, event)
    times = np.atleast_1d(np.asarray(times, dtype=float))
    if times.ndim != 1 or not len(times) or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise InputError("times must be finite numbers in rising order, each once.")
    first = seen.duration[seen.event].min(initial=np.inf)
    if times[0] < first:
        raise InputError(f"No event in column {event!r} happened by time {times[0]:g}; choose later times.")
    for name, rows in (("the data", seen), ("censoring_data", source)):
        late = times[times >= rows.duration.max()]
        if len(late):
            listed = ", ".join(f"{time:g}" for time in late[:5])
            raise InputError(f"Nobody in {name} is followed beyond time {listed}; choose times within the follow-up.")
    return censoring(source), times
