"""Cox's partial likelihood: its value, gradient and information, and the sums that residuals and tests reuse.

At an event time with d tied events of mean weight w̄, Efron's likelihood has d steps; step k leaves the share f = k/d of
the tied events' own risk out of the risk set (Breslow: one step, f = 0). With S0, S1 the sums over the risk set
of r and r x (r = weight × exp(xβ)) and D0, D1 those over the tied events, a step's mean is (S1 − f D1)/(S0 − f D0).
All that is needed of the steps of one time are five numbers, so that nothing here is larger than times × p:

    A0 = Σ a, A1 = Σ f a with a = w̄/(S0 − f D0);   B0 = Σ b, B1 = Σ f b, B2 = Σ f² b with b = w̄/(S0 − f D0)²

The second moment of all risk sets together is one matrix product Xᵀ diag(r H) X, because a row adds r x xᵀ to every
step at which it is at risk; H is A0 summed over the row's event times, less A1 at its own event.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array

from paillasse.survival._counts import TimeAxis, distinct_times

# Rows at a time: a block of the design stays in the processor's cache, and its product is too small for BLAS to start
# threads, which cost more than they gain.
BLOCK = 512


@dataclass(frozen=True)
class RiskSets:
    """Where each row enters and leaves the event times; depends on times and ties only, so it is made once a fit.

    Strata follow one another on one axis of event times, so that no sum ever crosses from one into the next.
    """

    time: np.ndarray  # the event times of all strata
    stratum: np.ndarray  # their strata
    leave: np.ndarray  # for each row, the number of event times up to its duration, on the common axis
    enter: np.ndarray  # the same for its entry
    event: np.ndarray  # for each row, whether it has an event
    key: np.ndarray  # for each row, 2 leave + event: one sum by key gives those at risk and those with an event
    late: bool  # whether any row enters after the first event time of all
    mass: np.ndarray  # for each event time, the weighted number of events
    step_time: np.ndarray  # for each step, its event time's place
    share: np.ndarray  # for each step, the share f of the tied events that is left out
    step_weight: np.ndarray  # for each step, its part of the weighted number of events

    @property
    def size(self) -> int:
        return len(self.time)

    @property
    def place(self) -> np.ndarray:
        """For each row with an event, its event time."""
        return self.leave[self.event] - 1


def risk_sets(duration, event, entry, weights, stratum, ties) -> RiskSets:
    """Index the rows by the distinct event times of their stratum."""
    n = len(duration)
    leave, enter = np.zeros(n, np.int32), np.zeros(n, np.int32)
    times, strata, offset = [], [], 0
    for code, rows in _rows_of(stratum):
        distinct = distinct_times(duration[rows][event[rows]])
        axis = TimeAxis(distinct)
        leave[rows] = offset + axis.up_to(duration[rows])
        enter[rows] = offset if entry is None else offset + axis.up_to(entry[rows])
        times.append(distinct)
        strata.append(np.full(len(distinct), code))
        offset += len(distinct)
    place = leave[event] - 1
    deaths = np.bincount(place, minlength=offset)
    mass = np.bincount(place, weights=weights[event], minlength=offset)
    if ties == "efron" and deaths.max() > 1:
        step_time = np.repeat(np.arange(offset), deaths)
        share = (np.arange(len(step_time)) - np.repeat(np.cumsum(deaths) - deaths, deaths)) / deaths[step_time]
        step_weight = (mass / deaths)[step_time]
    else:
        step_time, share, step_weight = np.arange(offset), np.zeros(offset), mass
    return RiskSets(
        np.concatenate(times), np.concatenate(strata), leave, enter, event, 2 * leave + event.astype(np.int32),
        bool(enter.any()), mass, step_time, share, step_weight,
    )  # fmt: skip


def _rows_of(stratum: np.ndarray) -> Iterator[tuple[int, slice | np.ndarray]]:
    """Each stratum's code and rows; strata are gathered by one sort, because there may be thousands."""
    if not stratum.any():
        yield 0, slice(None)
        return
    order = np.argsort(stratum, kind="stable")
    ends = np.cumsum(np.bincount(stratum))
    for code, (start, end) in enumerate(zip(np.append(0, ends), ends)):
        yield code, order[start:end]


@dataclass(frozen=True)
class Evaluation:
    """The partial likelihood at one β. `gradient` has p entries, `information` is p × p."""

    log_likelihood: float
    gradient: np.ndarray
    information: np.ndarray
    risk: np.ndarray  # exp(xβ) of each row
    at_risk: np.ndarray  # S1 of each event time
    tied: np.ndarray  # D1 of each event time
    a: np.ndarray  # A0, A1 of each event time
    b: np.ndarray  # B0, B1, B2 of each event time


def evaluate(sets: RiskSets, x: np.ndarray, weights: np.ndarray, beta: np.ndarray) -> Evaluation:
    """The log partial likelihood, its gradient and its information at `beta`; `x` is n × p, centred for safety."""
    score = x @ beta
    shift = score.max()  # exp never overflows; the shift cancels in every ratio
    risk = np.exp(score - shift)
    mass = weights * risk
    total, tied_total = sums_at_risk(sets, mass)
    at_risk, tied = sums_at_risk(sets, mass, x)
    left = total[sets.step_time] - sets.share * tied_total[sets.step_time]
    a = _by_time(sets, sets.step_weight / left, 2)
    b = _by_time(sets, sets.step_weight / left**2, 3)
    event_sum = (weights * sets.event) @ x
    log_likelihood = event_sum @ beta - sets.step_weight @ (np.log(left) + shift)
    gradient = event_sum - (a[0] @ at_risk - a[1] @ tied)
    information = second_moment(sets, x, mass, a) - outer_of_means(at_risk, tied, b)
    scale = np.exp(shift)
    return Evaluation(
        float(log_likelihood),
        gradient,
        information,
        risk * scale,
        at_risk * scale,
        tied * scale,
        a / scale,
        b / scale**2,
    )


def second_moment(sets: RiskSets, x: np.ndarray, mass: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Σ over steps of a × (Σ over the step's risk set of mass x xᵀ), as one product taken block by block."""
    weight = mass * exposure(sets, a)
    result = np.zeros((x.shape[1], x.shape[1]))
    for rows in blocks(len(x)):
        result += x[rows].T @ (weight[rows, None] * x[rows])
    return result


def outer_of_means(at_risk: np.ndarray, tied: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ over steps of w̄ x̄ x̄ᵀ."""
    mixed = at_risk.T @ (b[1][:, None] * tied)
    return at_risk.T @ (b[0][:, None] * at_risk) - mixed - mixed.T + tied.T @ (b[2][:, None] * tied)


def exposure(sets: RiskSets, a: np.ndarray) -> np.ndarray:
    """For each row, `a[0]` summed over its event times, less `a[1]` at its own event."""
    result = _spent(a[0], a[1])[sets.key]
    if sets.late:
        result -= np.append(0.0, np.cumsum(a[0]))[sets.enter]
    return result


def _spent(value: np.ndarray, own: np.ndarray) -> np.ndarray:
    """A table by key: `value` summed up to each event time, for a row with its event there less `own`."""
    table = np.repeat(np.concatenate([np.zeros_like(value[:1]), np.cumsum(value, axis=0)]), 2, axis=0)
    table[3::2] -= own
    return table


def score_residuals(sets: RiskSets, x: np.ndarray, at: Evaluation) -> Iterator[tuple[slice, np.ndarray]]:
    """Each row's part of the gradient, Σ over its steps of (x − x̄) dM, not weighted, a block of rows at a time."""
    # Σ a x̄ and Σ f a x̄ over the steps of each time, and the steps' mean x̄.
    drift = at.b[0][:, None] * at.at_risk - at.b[1][:, None] * at.tied
    own_drift = at.b[1][:, None] * at.at_risk - at.b[2][:, None] * at.tied
    moved = _spent(drift, own_drift)
    average = np.zeros_like(moved)
    average[3::2] = means_at_events(sets, at)
    before = np.vstack([np.zeros(x.shape[1]), np.cumsum(drift, axis=0)]) if sets.late else None
    # A row's part is (event − risk × its hazard) x − its own x̄ + risk × its drift.
    pull = sets.event - at.risk * exposure(sets, at.a)
    for rows in blocks(len(x)):
        drifted = moved[sets.key[rows]]
        if before is not None:
            drifted -= before[sets.enter[rows]]
        yield rows, pull[rows, None] * x[rows] - average[sets.key[rows]] + at.risk[rows, None] * drifted


def means_at_events(sets: RiskSets, at: Evaluation) -> np.ndarray:
    """The mean covariate of the risk set at each event time, averaged over its steps (times × p)."""
    return (at.a[0][:, None] * at.at_risk - at.a[1][:, None] * at.tied) / sets.mass[:, None]


def blocks(n: int) -> Iterator[slice]:
    """The rows, a block at a time."""
    return (slice(start, start + BLOCK) for start in range(0, n, BLOCK))


def sums_at_risk(sets: RiskSets, mass: np.ndarray, x: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Sums of mass (times x) at each event time: over those at risk there, and over those with their event there."""
    by_key = sums_by(sets.key, mass, 2 * sets.size + 2, x)
    # Sums from the end, so that the small risk sets of late follow-up keep all their digits; rows that have not entered
    # by then (and those of later strata) are in both sums.
    at_risk = np.cumsum((by_key[::2] + by_key[1::2])[::-1], axis=0)[::-1][1:]
    if sets.late:
        at_risk = at_risk - np.cumsum(sums_by(sets.enter, mass, sets.size + 1, x)[::-1], axis=0)[::-1][1:]
    return at_risk, by_key[3::2]


def sums_by(place: np.ndarray, mass: np.ndarray, size: int, x: np.ndarray | None = None) -> np.ndarray:
    """Sums of mass (times x) by place, in one pass over the rows and without a copy of x."""
    if x is None:
        return np.bincount(place, mass, size)
    every = np.arange(len(place) + 1, dtype=np.int64 if len(place) > 2**31 - 2 else np.int32)
    return csc_array((mass, place.astype(every.dtype, copy=False), every), shape=(size, len(place))) @ x


def _by_time(sets: RiskSets, value: np.ndarray, powers: int) -> np.ndarray:
    """Σ f^k value over the steps of each time, for k = 0, 1, …; the steps follow one another in time."""
    if len(sets.step_time) == sets.size:  # one step a time
        return np.array([value * sets.share**k for k in range(powers)])
    start = np.searchsorted(sets.step_time, np.arange(sets.size))
    return np.array([np.add.reduceat(value * sets.share**k, start) for k in range(powers)])
