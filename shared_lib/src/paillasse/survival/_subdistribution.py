"""Fine and Gray's weighted partial likelihood: its value, gradient and information, and the variances' residuals.

A row that had a competing event at T stays at risk for the cause, with the weight G(t−)/G(T−) at t > T, where G is the
probability not to be censored yet. The weight is a factor of t times a factor of the row, so a sum over a risk set is

    Σ over rows with T ≥ t of r  +  G(t−) × Σ over rows with a competing event before t of r/G(T−)

and what a row meets over all the risk sets it is in is a cumulative sum up to T plus, after a competing event, 1/G(T−)
times one from the end. No row is ever expanded. Here r = exp(xβ); ties, the numbers A and B of each event time, and the
second moment as one matrix product are as in `_partial_likelihood`.

Rows are ordered: events of the cause, competing events, censored rows, each by time. So each kind is a slice, whose
columns of the design need no copy, and sums by time read and write memory in order.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array

from paillasse.survival._counts import TimeAxis

BLOCK = 4096  # rows at a time: a block of the design stays in the processor's cache


def in_order(duration: np.ndarray, codes: np.ndarray, cause: int) -> np.ndarray:
    """The order of rows that this module needs."""
    kind = np.where(codes == cause, 0, np.where(codes == 0, 2, 1))
    return np.lexsort((duration, kind))


@dataclass(frozen=True)
class Censoring:
    """The censoring distribution at each distinct time: G just before, the censored rows and those at risk."""

    time: np.ndarray
    place: np.ndarray  # for each row, the place of its duration among the times
    before: np.ndarray
    n_censor: np.ndarray
    n_risk: np.ndarray


def censoring(duration: np.ndarray, codes: np.ndarray, events_first: bool) -> Censoring:
    """Kaplan-Meier of the time to censoring.

    With `events_first` rows with an event are no longer at risk of a censoring at the same time (as R's `finegray`);
    without, they are (as `cmprsk::crr`). The two differ only at such ties.
    """
    time = np.unique(duration)
    place = TimeAxis(time).up_to(duration) - 1
    n_row, n_censor = np.bincount(place), np.bincount(place, codes == 0)
    n_risk = np.cumsum(n_row[::-1])[::-1].astype(float)
    exposed = n_risk - (n_row - n_censor) if events_first else n_risk
    hazard = np.divide(n_censor, exposed, out=np.zeros(len(time)), where=n_censor > 0)
    before = np.append(1.0, np.cumprod(1 - hazard)[:-1])
    return Censoring(time, place, before, n_censor, n_risk)


@dataclass(frozen=True)
class RiskSets:
    """What depends on times, causes and ties only, so it is made once a fit."""

    time: np.ndarray  # the times of events of the cause
    leave: np.ndarray  # for each row, the number of these up to its duration
    events: slice  # the rows with an event of the cause
    competing: slice  # the rows with an event of another
    kept: np.ndarray  # for each of these, 1/G(T−)
    uncensored: np.ndarray  # for each event time, G(t−)
    mass: np.ndarray  # for each event time, the number of events
    step_time: np.ndarray  # for each step (Efron: one an event; Breslow: one a time), its event time's place
    share: np.ndarray  # for each step, the share of the tied events that is left out
    step_weight: np.ndarray  # for each step, its part of the number of events

    @property
    def size(self) -> int:
        return len(self.time)

    @property
    def place(self) -> np.ndarray:
        """For each row with an event of the cause, its event time."""
        return self.leave[self.events] - 1


def risk_sets(duration: np.ndarray, codes: np.ndarray, cause: int, ties: str, censored: Censoring) -> RiskSets:
    """Index the rows, which are in order, by the distinct times of events of the cause."""
    n_events, n_censored = int((codes == cause).sum()), int((codes == 0).sum())
    events, competing = slice(0, n_events), slice(n_events, len(codes) - n_censored)
    time = np.unique(duration[events])
    leave = TimeAxis(time).up_to(duration)
    mass = np.bincount(leave[events] - 1, minlength=len(time)).astype(float)
    if ties == "efron":
        step_time = leave[events] - 1
        share = (np.arange(n_events) - (np.cumsum(mass) - mass)[step_time]) / mass[step_time]
        step_weight = np.ones(n_events)
    else:
        step_time, share, step_weight = np.arange(len(time)), np.zeros(len(time)), mass
    kept = 1 / censored.before[censored.place[competing]]
    uncensored = censored.before[np.searchsorted(censored.time, time)]
    return RiskSets(time, leave, events, competing, kept, uncensored, mass, step_time, share, step_weight)


@dataclass(frozen=True)
class Evaluation:
    """The partial likelihood at one β. `gradient` has p entries, `information` is p × p."""

    log_likelihood: float
    gradient: np.ndarray
    information: np.ndarray
    risk: np.ndarray  # exp(xβ) of each row
    at_risk: np.ndarray  # weighted sum of r x over the risk set of each event time
    tied: np.ndarray  # sum of r x over the events of each event time
    a: np.ndarray  # A0, A1 of each event time
    b: np.ndarray  # B0, B1, B2 of each event time


def evaluate(sets: RiskSets, x: np.ndarray, beta: np.ndarray) -> Evaluation:
    """The log partial likelihood, its gradient and its information at `beta`; `x` is n × p, centred for safety."""
    score = x @ beta
    shift = score.max()  # exp never overflows; the shift cancels in every ratio
    risk = np.exp(score - shift)
    total, at_risk = _sums_at_risk(sets, risk), _sums_at_risk(sets, risk, x)
    own = sets.place, risk[sets.events], sets.size
    tied_total, tied = _sums(*own), _sums(*own, x[sets.events])
    left = total[sets.step_time] - sets.share * tied_total[sets.step_time]
    a = _by_time(sets, sets.step_weight / left, 2)
    b = _by_time(sets, sets.step_weight / left**2, 3)
    event_sum = x[sets.events].sum(axis=0)
    log_likelihood = event_sum @ beta - sets.step_weight @ (np.log(left) + shift)
    gradient = event_sum - (a[0] @ at_risk - a[1] @ tied)
    mixed = at_risk.T @ (b[1][:, None] * tied)
    outer = at_risk.T @ (b[0][:, None] * at_risk) - mixed - mixed.T + tied.T @ (b[2][:, None] * tied)
    information = _second_moment(x, risk * _exposure(sets, a[0], a[1])) - outer
    unshifted = np.exp(shift)
    sums = risk * unshifted, at_risk * unshifted, tied * unshifted, a / unshifted, b / unshifted**2
    return Evaluation(float(log_likelihood), gradient, information, *sums)


def score_residuals(sets: RiskSets, x: np.ndarray, at: Evaluation) -> np.ndarray:
    """Each row's part of the gradient (n × p), Σ over its steps of w (x − x̄) dM, its weights w taken as known."""
    drift = at.b[0][:, None] * at.at_risk - at.b[1][:, None] * at.tied  # Σ a x̄ over the steps of each time
    own_drift = at.b[1][:, None] * at.at_risk - at.b[2][:, None] * at.tied  # Σ f a x̄
    average = (at.a[0][:, None] * at.at_risk - at.a[1][:, None] * at.tied) / sets.mass[:, None]
    residuals = _exposure(sets, drift, own_drift)
    hazard = _exposure(sets, at.a[0], at.a[1])
    for rows in _blocks(len(x)):
        residuals[rows] -= hazard[rows, None] * x[rows]
        residuals[rows] *= at.risk[rows, None]
    residuals[sets.events] += x[sets.events]
    residuals[sets.events] -= average[sets.place]
    return residuals


def censoring_residuals(sets: RiskSets, censored: Censoring, x: np.ndarray, at: Evaluation) -> np.ndarray:
    """Each row's part of the gradient (n × p) through the estimate of G: ψ of Fine and Gray (1999), for Breslow's ties.

    ψ = Σ over censoring times u of q(u)/Y(u) dMᶜ(u), where q(u) is what the rows with a competing event before u add to
    the gradient from u on: their weights there hold the factor that the censorings at u gave to G.
    """
    size, place = len(censored.time), censored.place[sets.competing]
    kept = at.risk[sets.competing] * sets.kept
    x_before, before = _sums(place, kept, size, x[sets.competing]), _sums(place, kept, size)
    x_before, before = np.cumsum(x_before, axis=0) - x_before, np.cumsum(before) - before
    ahead = np.searchsorted(sets.time, censored.time)
    hazard = _from_end(sets.uncensored * at.a[0])[ahead]
    drift = _from_end((sets.uncensored * at.b[0])[:, None] * at.at_risk)[ahead]
    own = (x_before * hazard[:, None] - before[:, None] * drift) / censored.n_risk[:, None]
    spent = np.cumsum(own * (censored.n_censor / censored.n_risk)[:, None], axis=0)
    residuals = -spent[censored.place]
    is_censored = slice(sets.competing.stop, None)
    residuals[is_censored] += own[censored.place[is_censored]]
    return residuals


def _sums_at_risk(sets: RiskSets, risk: np.ndarray, x: np.ndarray | None = None) -> np.ndarray:
    """Weighted sums of r (times x) over the risk set of each event time."""
    still_there = _from_end(_sums(sets.leave, risk, sets.size + 1, x))[1:-1]
    rows = sets.competing
    gone = _sums(sets.leave[rows], risk[rows] * sets.kept, sets.size + 1, None if x is None else x[rows])
    stayed = np.cumsum(gone, axis=0)[:-1]
    return still_there + (stayed.T * sets.uncensored).T


def _exposure(sets: RiskSets, value: np.ndarray, own: np.ndarray) -> np.ndarray:
    """For each row, w × `value` summed over the event times at which it is at risk, less `own` at its event.

    `value` and `own` have a row (or a number) for each event time.
    """
    result = np.concatenate([np.zeros_like(value[:1]), np.cumsum(value, axis=0)])[sets.leave]
    result[sets.events] -= own[sets.place]
    ahead = _from_end((value.T * sets.uncensored).T)[sets.leave[sets.competing]]
    result[sets.competing] += (ahead.T * sets.kept).T
    return result


def _second_moment(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Xᵀ diag(weight) X for weights from 0, block by block."""
    result, root = np.zeros((x.shape[1], x.shape[1])), np.sqrt(weight)
    for rows in _blocks(len(x)):
        block = root[rows, None] * x[rows]
        result += block.T @ block  # which BLAS knows to be symmetric, at half the cost
    return result


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, n, BLOCK))


def _from_end(value: np.ndarray) -> np.ndarray:
    """Sums from each place to the end, and a last 0."""
    return np.concatenate([np.cumsum(value[::-1], axis=0)[::-1], np.zeros_like(value[:1])])


def _sums(place: np.ndarray, mass: np.ndarray, size: int, x: np.ndarray | None = None) -> np.ndarray:
    """Sums of mass (times x) by place, in one pass over the rows and without a copy of x."""
    if x is None:
        return np.bincount(place, mass, size)
    return csc_array((mass, place, np.arange(len(place) + 1)), shape=(size, len(place))) @ x


def _by_time(sets: RiskSets, value: np.ndarray, powers: int) -> np.ndarray:
    """Σ f^k value over the steps of each time, for k = 0, 1, …"""
    return np.array([np.bincount(sets.step_time, value * sets.share**k, sets.size) for k in range(powers)])
