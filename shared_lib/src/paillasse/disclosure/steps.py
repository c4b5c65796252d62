"""Counts over time, released in steps: the one form in which a survival or an incidence curve leaves.

A curve with a step at each patient's time is a list of patients. Here time is cut at round numbers, each as soon as
the minimum cell of events lies before it; at these times alone the events so far and the patients still followed are
told, each rounded. All else, the curve too, is computed from these numbers.

What the rule rests on: the number of events since the step before is at least the minimum cell, and so is the number
of patients still followed. Rounding is of the sums from the start, not of each step's number, so that errors do not
add up, and any stretch of several steps is known no better than one.
"""

from dataclasses import dataclass

import numpy as np

from paillasse.disclosure.counts import rounded
from paillasse.disclosure.estimates import round_number
from paillasse.disclosure.policy import Policy

MOST_CELLS = 125  # the cut times are multiples of a round number that lies 50 to 125 times in the follow-up


@dataclass(frozen=True)
class Steps:
    """Released counts of one group.

    Attributes
    ----------
    time : numpy.ndarray, shape (m + 1,)
        0 and the cut times.
    n_risk : numpy.ndarray of int, shape (m + 1,)
        Patients still followed after each time (at 0: all), rounded.
    n_event : numpy.ndarray of int, shape (causes, m + 1)
        Events of each cause since the time before: differences of rounded sums. A cause's events are told as soon as
        the minimum of them came together, until then they count as none.
    """

    time: np.ndarray
    n_risk: np.ndarray
    n_event: np.ndarray

    @property
    def n_lost(self) -> np.ndarray:
        """Patients who left otherwise between a time and the next, as the released numbers have it; shape (m,)."""
        return np.maximum(-np.diff(self.n_risk) - self.n_event[:, 1:].sum(axis=0), 0)


def released_steps(time, n_event, n_left, policy: Policy) -> Steps | None:
    """Cut time into the finest steps that the policy allows.

    Parameters
    ----------
    time : array of float, shape (times,)
        Rising distinct times of one group.
    n_event : array of int, shape (causes, times)
        Events of each cause at each time.
    n_left : array of int, shape (times,)
        Patients who left at each time, by an event of any cause or without one.

    Returns
    -------
    Steps or None
        None where no step has the minimum of events before and of patients after it.

    Examples
    --------
    >>> months = np.arange(1, 61)
    >>> steps = released_steps(months, np.ones((1, 60)), np.ones(60), Policy(11, 5))
    >>> steps.time.tolist(), steps.n_risk.tolist(), steps.n_event.tolist()
    ([0.0, 11.0, 22.0, 33.0, 44.0], [60, 50, 40, 25, 15], [[0, 10, 10, 15, 10]])
    """
    time, n_left = np.asarray(time, dtype=float), np.rint(n_left).astype(np.int64)
    so_far = np.cumsum(np.rint(np.atleast_2d(n_event)).astype(np.int64), axis=1)
    left, total, least = np.cumsum(n_left), int(n_left.sum()), policy.minimum_cell
    if least == 1 and policy.rounding == 1:
        grid = time[time > 0]
    else:
        enough = np.flatnonzero((total - left >= least) & (time > 0))
        if not len(enough):
            return None
        grid = _round_times(time[enough[-1]])
    place = np.searchsorted(time, grid, side="right")
    left, so_far = np.append(0, left)[place], np.column_stack([np.zeros(len(so_far), np.int64), so_far])[:, place]
    told, cuts, events = np.zeros(len(so_far), np.int64), [], []
    last = 0
    for cell in range(len(grid)):
        if so_far[:, cell].sum() - last >= least and total - left[cell] >= least:
            last = so_far[:, cell].sum()
            told = np.where(so_far[:, cell] - told >= least, so_far[:, cell], told)
            cuts.append(cell)
            events.append(told)
    if not cuts:
        return None
    sums = rounded(np.column_stack([np.zeros(len(so_far), np.int64), *events]), policy)
    n_risk = rounded(np.append(total, total - left[cuts]), policy)
    return Steps(np.append(0.0, grid[cuts]), n_risk, np.diff(sums, axis=1, prepend=0))


def _round_times(longest: float) -> np.ndarray:
    step = round_number(longest / 50, up=False)
    digits = max(0, int(-np.floor(np.log10(step))))
    return np.round(step * np.arange(1, np.floor(longest / step + 1e-9) + 1), digits)


def product_limit(steps: Steps) -> tuple[np.ndarray, np.ndarray]:
    """The survival at each time, and the standard error of its logarithm, from released counts.

    The life-table estimate: who was lost within a step counts for half of it.

    .. math:: \\hat S_j = \\prod_{i \\le j} (1 - d_i / n'_i), \\qquad n'_i = n_i - c_i / 2

    Returns
    -------
    survival, relative_error : numpy.ndarray, shape (m + 1,)
    """
    exposed = steps.n_risk[:-1] - steps.n_lost / 2
    events = np.minimum(steps.n_event[:, 1:].sum(axis=0), exposed)
    with np.errstate(divide="ignore", invalid="ignore"):
        survival = np.cumprod(1 - np.where(exposed > 0, events / exposed, 0))
        variance = np.cumsum(np.where(exposed > events, events / (exposed * (exposed - events)), 0))
    return np.append(1.0, survival), np.sqrt(np.append(0.0, variance))


def incidence(steps: Steps) -> np.ndarray:
    """The cumulative incidence of each cause at each time, from released counts; shape (causes, m + 1)."""
    survival, _ = product_limit(steps)
    exposed = np.maximum(steps.n_risk[:-1] - steps.n_lost / 2, 1)
    return np.column_stack([np.zeros(len(steps.n_event)), np.cumsum(survival[:-1] * steps.n_event[:, 1:] / exposed, 1)])


def nearness(steps: Steps, policy: Policy) -> float:
    """How far the exact Kaplan-Meier estimate can lie from the released survival at the cut times, at most.

    Computed from the released numbers alone: the true distance would tell where inside the steps the patients left. The
    estimate is highest where events came late in the count, early in each step, and lowest the other way round.
    """
    survival, _ = product_limit(steps)
    down, up = policy.rounding // 2, (policy.rounding - 1) // 2
    so_far, n_risk, farthest = np.cumsum(steps.n_event.sum(axis=0)), steps.n_risk, 0.0
    for m in range(1, len(survival)):
        late, early = so_far[: m + 1] + up, so_far[: m + 1] - down
        late[[0, m]], early[[0, m]] = [0, so_far[m] - down], [0, so_far[m] + up]
        few, many = (np.maximum(np.diff(each), 0) for each in (late, early))
        highest = np.prod(1 - np.minimum(few / (n_risk[:m] + up), 1))
        after = np.maximum(n_risk[1 : m + 1] - down, 0)
        lowest = np.prod(after / np.maximum(after + many, 1))
        farthest = max(farthest, min(highest, 1) - survival[m], survival[m] - lowest)
    return float(farthest)
