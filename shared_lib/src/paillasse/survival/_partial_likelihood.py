"""Cox's partial likelihood: its value, gradient and information, and the sums that residuals and tests reuse.

Every event time is one *step* (Breslow) or one step for each of its d tied events (Efron, where step k leaves a
share k/d of the events' own risk out of the risk set). A step has a weight, a denominator S0 and a mean covariate x̄.
The second moment of all risk sets together is one matrix product Xᵀ diag(r H) X, because a row adds r x xᵀ to every
step at which it is at risk; H is the row's sum of weight/S0 over those steps.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RiskSets:
    """Where each row enters and leaves the steps; depends on times and ties only, so it is made once a fit.

    Strata follow one another on one axis of event times, so that no sum ever crosses from one into the next.
    """

    size: int  # number of event times over all strata
    leave: np.ndarray  # for each row, the number of event times of its stratum up to its duration, on the common axis
    enter: np.ndarray  # the same for its entry
    at_event: np.ndarray  # rows with an event
    place: np.ndarray  # for each of these, its event time
    time: np.ndarray  # the event times
    stratum: np.ndarray  # their strata
    step_time: np.ndarray  # for each step, its event time's place
    share: np.ndarray  # for each step, the share of the tied events that is left out
    step_weight: np.ndarray  # for each step, its part of the weighted number of events


def risk_sets(duration, event, entry, weights, stratum, ties) -> RiskSets:
    """Index the rows by the distinct event times of their stratum."""
    n = len(duration)
    leave, enter = np.zeros(n, int), np.zeros(n, int)
    times, strata, offset = [], [], 0
    for code in range(stratum.max() + 1):
        rows = stratum == code
        distinct = np.unique(duration[rows & event])
        leave[rows] = offset + np.searchsorted(distinct, duration[rows], side="right")
        enter[rows] = offset if entry is None else offset + np.searchsorted(distinct, entry[rows], side="right")
        times.append(distinct)
        strata.append(np.full(len(distinct), code))
        offset += len(distinct)
    at_event = np.flatnonzero(event)
    place = leave[at_event] - 1
    deaths = np.bincount(place, minlength=offset)
    mass = np.bincount(place, weights=weights[at_event], minlength=offset)
    if ties == "efron":
        step_time = np.repeat(np.arange(offset), deaths)
        share = (np.arange(len(step_time)) - np.repeat(np.cumsum(deaths) - deaths, deaths)) / deaths[step_time]
        step_weight = (mass / deaths)[step_time]
    else:
        step_time, share, step_weight = np.arange(offset), np.zeros(offset), mass
    times, strata = np.concatenate(times), np.concatenate(strata)
    return RiskSets(offset, leave, enter, at_event, place, times, strata, step_time, share, step_weight)


@dataclass(frozen=True)
class Evaluation:
    """The partial likelihood at one β. `gradient` has p entries, `information` is p × p."""

    log_likelihood: float
    gradient: np.ndarray
    information: np.ndarray
    risk: np.ndarray  # exp(xβ) of each row
    hazard: np.ndarray  # weight / S0 of each step
    mean: np.ndarray  # x̄ of each step


def evaluate(sets: RiskSets, x: np.ndarray, weights: np.ndarray, beta: np.ndarray) -> Evaluation:
    """The log partial likelihood, its gradient and its information at `beta`; `x` is n × p, centred for safety."""
    score = x @ beta
    shift = score.max()  # exp never overflows; the shift cancels in every ratio
    mass = weights * np.exp(score - shift)
    columns = np.column_stack([mass, mass[:, None] * x])
    at_risk = _sums_at_risk(sets, columns)
    tied = _sums_by_place(sets.place, columns[sets.at_event], sets.size)
    sums = at_risk[sets.step_time] - sets.share[:, None] * tied[sets.step_time]
    total = sums[:, 0]
    mean = sums[:, 1:] / total[:, None]
    died = weights[sets.at_event]
    log_likelihood = died @ score[sets.at_event] - sets.step_weight @ (np.log(total) + shift)
    gradient = died @ x[sets.at_event] - sets.step_weight @ mean
    hazard = sets.step_weight / total
    information = second_moment(sets, x, mass, hazard) - mean.T @ (sets.step_weight[:, None] * mean)
    unshifted = np.exp(score)
    return Evaluation(log_likelihood, gradient, information, unshifted, hazard * np.exp(-shift), mean)


def second_moment(sets: RiskSets, x: np.ndarray, mass: np.ndarray, hazard: np.ndarray) -> np.ndarray:
    """Σ over steps of `hazard` × (Σ over the step's risk set of mass x xᵀ), as one product."""
    return x.T @ ((mass * exposure(sets, hazard))[:, None] * x)


def exposure(sets: RiskSets, value: np.ndarray) -> np.ndarray:
    """For each row, `value` summed over the steps at which it is at risk; `value` is (steps,) or (steps, p)."""
    by_time = _sums_by_place(sets.step_time, value, sets.size)
    shared = _sums_by_place(sets.step_time, (sets.share * value.T).T, sets.size)
    summed = np.concatenate([np.zeros_like(by_time[:1]), np.cumsum(by_time, axis=0)])
    result = summed[sets.leave] - summed[sets.enter]
    result[sets.at_event] -= shared[sets.place]
    return result


def score_residuals(sets: RiskSets, x: np.ndarray, at: Evaluation) -> np.ndarray:
    """Each row's part of the gradient (n × p), not weighted: Σ over its steps of (x − x̄) dM."""
    residuals = -at.risk[:, None] * (
        exposure(sets, at.hazard)[:, None] * x - exposure(sets, at.hazard[:, None] * at.mean)
    )
    steps = np.bincount(sets.step_time, minlength=sets.size)
    average = _sums_by_place(sets.step_time, at.mean, sets.size) / steps[:, None]
    residuals[sets.at_event] += x[sets.at_event] - average[sets.place]
    return residuals


def _sums_at_risk(sets: RiskSets, columns: np.ndarray) -> np.ndarray:
    """Sums of the columns over the risk set of each event time: entered before it and not left before it."""
    # Sums from the end, so that the small risk sets of late follow-up keep all their digits; rows that have not entered
    # by then (and those of later strata) are in both sums.
    still_to_leave = _sums_by_place(sets.leave, columns, sets.size + 1)
    still_to_enter = _sums_by_place(sets.enter, columns, sets.size + 1)
    return np.cumsum(still_to_leave[::-1], axis=0)[::-1][1:] - np.cumsum(still_to_enter[::-1], axis=0)[::-1][1:]


def _sums_by_place(place: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    if values.ndim == 1:
        return np.bincount(place, weights=values, minlength=size)
    return np.column_stack([np.bincount(place, weights=column, minlength=size) for column in values.T])
