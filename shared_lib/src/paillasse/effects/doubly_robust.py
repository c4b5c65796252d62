"""The doubly robust estimate of restricted means: models of the outcome, of treatment and of censoring together."""

import numpy as np
import pandas as pd

from paillasse.effects._input import Cohort
from paillasse.effects._rows import std_err
from paillasse.effects.estimates import Contrast, contrast_tables, need_horizon
from paillasse.effects.propensity import parts, propensity
from paillasse.effects.target_trial import TargetTrial
from paillasse.errors import InputError
from paillasse.survival._cox_fit import estimable, maximise, standardise
from paillasse.survival._input import half_width
from paillasse.survival._partial_likelihood import evaluate, risk_sets

BLOCK = 2**21  # cells of patients × times looked at together
MOST_STEPS = 1000  # of a baseline hazard: work and memory are patients × steps


def doubly_robust(
    trial: TargetTrial,
    data: pd.DataFrame,
    tau: float,
    method: str = "logistic",
    folds: int = 1,
    seed: int = 0,
    conf_level: float = 0.95,
) -> Contrast:
    r"""Difference of restricted means over everybody, by augmented inverse probability weighting (AIPW).

    With :math:`e_a` the probability of arm a, :math:`S_a` and :math:`G_a` a patient's survival and censoring curves by
    Cox models of arm a on the trial's covariates, :math:`m_a(t) = \int_t^\tau S_a` and M the martingale of the event, a
    patient has in arm a the value

    .. math:: m_a(0) - \frac{1(A = a)}{e_a} \int_0^\tau \frac{m_a(u)}{S_a(u)\, G_a(u-)}\, dM_a(u)

    whose mean is the estimate. It is right if the model of the outcome is, or those of treatment and censoring are. Its
    standard error is that of the mean: the efficient influence function, which holds if all models are right, or with
    cross-fitting if they come near enough. A baseline hazard of more than 1,000 steps is told by 1,000.

    Parameters
    ----------
    trial : TargetTrial
    data : pandas.DataFrame
        A row a patient. Rows with a missing value in a column used are left out and counted.
    tau : float
        The horizon, in the unit of the durations.
    method, folds, seed
        As in :func:`propensity`; `folds` holds for the Cox models too.
    conf_level : float

    Returns
    -------
    Contrast

    Raises
    ------
    InputError
        As :func:`propensity`, or if an arm is not followed until `tau`.

    References
    ----------
    Robins and Rotnitzky (1992), in AIDS Epidemiology, Birkhäuser. Westling and others (2024), J Am Stat Assoc 119:1541.

    Examples
    --------
    >>> from paillasse.effects import sequential_trials, simulated_world
    >>> world = simulated_world(seed=1, n_partners=1, n_classes=1)
    >>> trials = sequential_trials(world.trial(), world.patients(800, seed=1), controls=2)
    >>> doubly_robust(trials.trial, trials.data, tau=365).table["arm"].tolist()
    ['backbone alone', 'backbone and the partner']
    """
    need_horizon(tau)
    scores = propensity(trial, data, method, folds, seed)
    seen, score = scores._cohort, scores._score
    values = np.empty((seen.n, 2))
    for code, label in enumerate(trial.labels):
        own = seen.treated == bool(code)
        if seen.duration[own].max() < tau:
            raise InputError(f"Arm {label!r} is not followed until tau = {tau:g}. Choose tau within its follow-up.")
        chance = score if code else 1 - score
        for fitted, predicted in parts(seen, folds, seed):
            values[predicted, code] = _values(seen, own, chance, fitted, predicted, tau)
    means = values.mean(axis=0)
    centred = (values - means) / seen.n
    influence = np.column_stack([np.bincount(seen.patient, column, seen.n_patients) for column in centred.T])
    fixed = float(std_err(influence[:, 1] - influence[:, 0]))
    table, difference = contrast_tables(trial, means, influence, fixed, half_width(conf_level))
    unit = f" {trial.time_unit}".rstrip()
    fitted = f", cross-fitted in {folds} parts" if folds > 1 else ""
    models = "logistic regression" if method == "logistic" else "gradient boosting"
    events = (seen.cause > 0) & (seen.duration <= tau)
    totals = [[own.sum(), (events & own).sum()] for own in (~seen.treated, seen.treated)]
    totals = pd.DataFrame(totals, columns=["n", "events"])
    pull = np.where(seen.treated, 1 / score, 1 / (1 - score))
    effective = [pull[own].sum() ** 2 / (pull[own] ** 2).sum() for own in (~seen.treated, seen.treated)]
    return Contrast(
        table,
        difference,
        f"Restricted mean survival time up to {tau:g}{unit}",
        f"doubly robust (Cox models and {models}{fitted}), all patients",
        float(tau),
        conf_level,
        seen.n_dropped,
        trial,
        influence,
        totals.assign(effective=effective),
        float(tau),
    )


def _values(seen: Cohort, own: np.ndarray, chance: np.ndarray, fitted, predicted, tau: float) -> np.ndarray:
    """The value of each predicted row in one arm."""
    inside = np.zeros(seen.n, bool)
    inside[fitted] = True
    training = np.flatnonzero(own & inside)
    event = seen.cause > 0
    risk, times, steps = _cox(seen, event, training, predicted)
    kept = times < tau
    times, steps = _thinned(times[kept], steps[kept])
    hazard = np.cumsum(steps)
    lost_risk, lost_times, lost_steps = _cox(seen, ~event, training, predicted)
    lost = np.append(0.0, np.cumsum(lost_steps))
    lost_before = lost[np.searchsorted(lost_times, times, side="left")]
    at = np.arange(seen.n)[predicted]
    duration = np.minimum(seen.duration[at], tau)
    happened = event[at] & (seen.duration[at] < tau)
    place = np.searchsorted(times, duration, side="right")  # steps up to the end of the follow-up
    own_lost = lost[np.searchsorted(lost_times, duration, side="left")]
    widths = np.diff(np.concatenate([[0.0], times, [tau]]))
    values = np.empty(len(at))
    block = max(1, BLOCK // (len(times) + 1))
    for first in range(0, len(at), block):
        rows = slice(first, first + block)
        survival = np.exp(-np.outer(risk[rows], np.append(0.0, hazard)))
        area = survival * widths
        ahead = np.cumsum(area[:, ::-1], axis=1)[:, ::-1]  # from each step on
        values[rows] = ahead[:, 0]
        here = np.flatnonzero(own[at[rows]])
        if not len(here):
            continue
        number = here + first
        with np.errstate(over="ignore"):
            staying = np.exp(np.outer(lost_risk[number], lost_before))  # 1 / G before each step
            pull = ahead[here, 1:] / survival[here, 1:] * staying
        spent = np.cumsum(pull * np.diff(np.append(0.0, hazard)), axis=1) * risk[number, None]
        spent = np.column_stack([np.zeros(len(here)), spent])[np.arange(len(here)), place[number]]
        last = place[number]
        there = survival[here, last]
        left = ahead[here, last] - there * (duration[number] - np.append(0.0, times)[last])
        event_pull = np.where(happened[number], left / there * np.exp(lost_risk[number] * own_lost[number]), 0.0)
        values[number] -= (event_pull - spent) / chance[at[number]]
    return values


def _thinned(times: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most so many steps: neighbours are joined at their mean time, which moves the hazard by a thousandth or so."""
    if len(times) <= MOST_STEPS:
        return times, steps
    first = np.unique(np.linspace(0, len(times), MOST_STEPS, endpoint=False).astype(int))
    joined = np.add.reduceat(steps, first)
    return np.add.reduceat(steps * times, first) / joined, joined


def _cox(seen: Cohort, event: np.ndarray, training: np.ndarray, predicted) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A Cox model of the training rows: the risks of others, the times of the baseline's steps and the steps."""
    x, duration, at_event = seen.x, seen.duration, event[training]
    if not at_event.any():
        return np.ones(len(duration[predicted])), np.empty(0), np.empty(0)
    part = x[training]  # a copy
    center, scale = standardise(part)
    n = len(training)
    sets = risk_sets(duration[training], at_event, None, np.ones(n), np.zeros(n, int), "efron")
    null = evaluate(sets, part, np.ones(n), np.zeros(part.shape[1]))
    kept = estimable(null.information, sets.mass.sum())
    part = np.ascontiguousarray(part[:, kept])
    mass = np.ones(n)
    beta, at = np.zeros(0), evaluate(sets, part, mass, np.zeros(part.shape[1]))
    if kept.any():
        names = [name for name, estimated in zip(seen.design.names, kept) if estimated]
        beta, at = maximise(lambda b: evaluate(sets, part, mass, b), at, names)
    scaled = (x[predicted][:, kept] - center[kept]) / scale[kept]
    return np.exp(scaled @ beta), sets.time, at.a[0]
