"""Counts over time, released in steps: the one form in which a survival or an incidence curve leaves.

A curve with a step at each patient's time is a list of patients. Here sums are told: of the events of each cause, and
of those lost otherwise. A sum is told at the first round time by which it has grown by the minimum cell, if as many
patients are still ahead; until then the last one told stands. All else, the times cut, numbers at risk and the curve
too, is computed from these sums.

Why this isolates nobody: what is told to have happened between two times is at least the minimum cell, and all of it
may have happened in any part of which it is sure that something did; of what was not told, all may have happened later.
This does not rest on rounding, which hides the difference between two releases. Rounding is of the sums from the
start, not of each step's number: errors do not add up, and any stretch of several steps is known no better than one.

Telling the numbers at risk themselves would be finer and is not safe: patients at the start, events and patients at the
end, each rounded and known to be a minimum cell at least, can leave from 4 to 10 who were lost. Nor is it safe to cut
where the causes together have grown by the minimum cell and none has: then of each there is somebody, and few.
"""

from dataclasses import dataclass

import numpy as np

from paillasse.disclosure.counts import behind, rounded
from paillasse.disclosure.estimates import round_number
from paillasse.disclosure.policy import Policy

# Sums are told at multiples of a round number that lies in the follow-up so often, or up to 2.5 times as often: not
# more than twice as often as the patients make full cells. For that a sum is told at a time tells that it grew just
# before; with many times to choose from that would be a few days, in which there are few patients.
LEAST_CELLS, MOST_CELLS = 4, 50


@dataclass(frozen=True)
class Steps:
    """Released counts of one group.

    Attributes
    ----------
    time : numpy.ndarray, shape (m + 1,)
        0 and the cut times.
    n : int
        Patients at the start, rounded.
    n_event : numpy.ndarray of int, shape (causes, m + 1)
        Events of each cause that are told at each time, since it was told before: differences of rounded sums.
    n_lost : numpy.ndarray of int, shape (m + 1,)
        The same of those who left without an event.
    policy : Policy
    """

    time: np.ndarray
    n: int
    n_event: np.ndarray
    n_lost: np.ndarray
    policy: Policy

    @property
    def n_risk(self) -> np.ndarray:
        """Patients still followed after each time, as the sums have it, rounded; shape (m + 1,)."""
        gone = np.cumsum(self._spread(self.n_event).sum(axis=0) + self._spread(self.n_lost))
        return rounded(np.maximum(self.n - gone, 0), self.policy)

    def exposed(self) -> tuple[np.ndarray, np.ndarray]:
        """The events of each cause within each step, and how many were exposed to them; shapes (causes, m), (m,).

        What was told at once is spread over the time since it was told before. Who was lost within a step counts half.
        """
        events, lost = self._spread(self.n_event)[:, 1:], self._spread(self.n_lost)[1:]
        every = events.sum(axis=0)
        start = self.n - np.append(0.0, np.cumsum(every + lost)[:-1])
        return events, np.maximum(start - lost / 2, every)

    def _spread(self, told: np.ndarray) -> np.ndarray:
        out = np.zeros(told.shape)
        for counts, spread in zip(np.atleast_2d(told), np.atleast_2d(out)):
            last = 0
            for place in np.flatnonzero(counts):
                lengths = np.diff(self.time[last : place + 1])
                spread[last + 1 : place + 1] = counts[place] * lengths / lengths.sum()
                last = place
        return out


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
        None where no time has the minimum of events of a cause before and of patients after it. The last time is one at
        which events are told.

    Examples
    --------
    >>> months = np.arange(1, 61)
    >>> steps = released_steps(months, np.ones((1, 60)), np.ones(60), Policy(11, 5))
    >>> steps.time.tolist(), steps.n_risk.tolist(), steps.n_event.tolist()
    ([0.0, 12.0, 24.0, 36.0, 48.0], [60, 50, 35, 25, 10], [[0, 10, 15, 10, 15]])
    """
    time, n_left = np.asarray(time, dtype=float), np.rint(n_left).astype(np.int64)
    n_event = np.rint(np.atleast_2d(n_event)).astype(np.int64)
    # A row a cause, and the last for those lost.
    so_far = np.cumsum(np.vstack([n_event, n_left - n_event.sum(axis=0)]), axis=1)
    total, least = int(n_left.sum()), policy.minimum_cell
    if policy == Policy():
        grid = time[time > 0]
    else:
        enough = np.flatnonzero((total - so_far.sum(axis=0) >= least) & (time > 0))
        if not len(enough):
            return None
        cells = min(max(2 * rounded(total, policy) / least, LEAST_CELLS), MOST_CELLS)
        grid = _round_times(time[enough[-1]], cells)
    so_far = np.column_stack([np.zeros(len(so_far), np.int64), so_far])[:, np.searchsorted(time, grid, side="right")]
    told, cuts, sums = np.zeros(len(so_far), np.int64), [], []
    for cell, now in enumerate(so_far.T):
        if (now - told).max() >= least and total - now.sum() >= least:
            told = np.where(now - told >= least, now, told)
            cuts.append(cell)
            sums.append(told)
    sums = np.column_stack([np.zeros(len(so_far), np.int64), *sums])
    with_events = np.flatnonzero(np.diff(sums[:-1].sum(axis=0)))
    if not len(with_events):
        return None
    end = with_events[-1] + 2  # beyond the last events that are told nothing is known of the curve
    counts = np.diff(rounded(sums[:, :end], policy), axis=1, prepend=0)
    return Steps(np.append(0.0, grid[cuts[: end - 1]]), rounded(total, policy), counts[:-1], counts[-1], policy)


def _round_times(longest: float, cells: float) -> np.ndarray:
    step = round_number(longest / cells, up=False)
    digits = max(0, int(-np.floor(np.log10(step))))
    return np.round(step * np.arange(1, np.floor(longest / step + 1e-9) + 1), digits)


def product_limit(steps: Steps) -> tuple[np.ndarray, np.ndarray]:
    """The survival at each time, and the standard error of its logarithm, from released counts.

    The life-table estimate, :math:`\\hat S_j = \\prod_{i \\le j} (1 - d_i / n_i)`, with n as :meth:`Steps.exposed`.

    Returns
    -------
    survival, relative_error : numpy.ndarray, shape (m + 1,)
    """
    events, exposed = steps.exposed()
    events = events.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        survival = np.cumprod(1 - np.where(exposed > 0, events / exposed, 0))
        variance = np.cumsum(np.where(exposed > events, events / (exposed * (exposed - events)), 0))
    return np.append(1.0, survival), np.sqrt(np.append(0.0, variance))


def incidence(steps: Steps) -> tuple[np.ndarray, np.ndarray]:
    """The cumulative incidence of each cause and its standard error, from released counts; shapes (causes, m + 1).

    The variance by the delta method (Marubini and Valsecchi 1995, section 10.3).
    """
    survival, _ = product_limit(steps)
    events, exposed = steps.exposed()
    before, every, exposed = survival[:-1], events.sum(axis=0), np.maximum(exposed, 1e-9)
    curves = np.cumsum(before * events / exposed, axis=1)
    by_then = np.triu(np.ones((len(before), len(before))))  # a row for each step i, a column for each time t ≥ i
    any_cause = np.where(exposed > every, every / (exposed * np.maximum(exposed - every, 1e-9)), 0)
    errors = []
    for curve, own in zip(curves, events):
        ahead = (curve[None, :] - curve[:, None]) * by_then  # F(t) - F(tᵢ)
        variance = any_cause @ ahead**2 + (before**2 * own * (exposed - own) / exposed**3) @ by_then
        errors.append(np.sqrt(np.maximum(variance - 2 * (before * own / exposed**2) @ ahead, 0)))
    start = np.zeros((len(curves), 1))
    return np.hstack([start, curves]), np.hstack([start, errors])


def nearness(steps: Steps) -> np.ndarray:
    """How far the exact Kaplan-Meier estimate can lie from the released survival at each cut time; shape (m + 1,).

    Computed from the released numbers alone: the true distance would tell where inside the steps the patients left.
    """
    survival, _ = product_limit(steps)
    least, farthest = steps.policy.minimum_cell, np.zeros(len(survival))
    fewest, most = _sums(steps.n_event.sum(axis=0), steps.policy)
    fewest_lost, most_lost = _sums(steps.n_lost, steps.policy)
    low, high = behind(steps.n, steps.policy)
    for m in range(1, len(survival)):
        # Highest where events came early, as few by now as can be, in each step before the losses, and these are few;
        # lowest the other way round: so says the sign of the derivative of log S in each sum.
        early, late = np.append(np.minimum(most[:m], fewest[m]), fewest[m]), np.append(fewest[:m], most[m])
        few, many = (np.maximum(np.diff(each), 0) for each in (early, late))
        before = np.maximum(high - early[:-1] - fewest_lost[:m], 1)
        after = np.maximum(low - late[1:] - most_lost[1 : m + 1], least)
        highest, lowest = np.prod(1 - np.minimum(few / before, 1)), np.prod(after / (after + many))
        farthest[m] = max(highest - survival[m], survival[m] - lowest)
    return farthest


def _sums(told: np.ndarray, policy: Policy) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest sum at each cut time of what is told at some of them."""
    low, high = behind(0, policy)
    so_far, fewest, most = np.cumsum(told), np.zeros(len(told)), np.zeros(len(told))
    later = np.inf
    for place in range(len(told) - 1, 0, -1):
        fewest[place] = max(so_far[place] + low, 0)
        if told[place]:
            most[place], later = so_far[place] + high, so_far[place] + high
        else:
            most[place] = min(so_far[place] + high + policy.minimum_cell - 1, later)
    return fewest, most
