"""Sequential trials: whenever somebody starts, he is compared with those who could have started then and did not."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.effects.target_trial import TargetTrial
from paillasse.errors import InputError
from paillasse.survival._input import numbers, outcome_by_cause
from paillasse.tables import View, need_columns, rows_left_out

START, LOST, PATIENT = "trial_start", "lost", "patient_of_trial"


@dataclass(frozen=True, repr=False)
class SequentialTrials(Result):
    """The rows of all trials, to be given to :func:`weigh` with the trial that holds in each.

    Attributes
    ----------
    table : pandas.DataFrame
        A row an arm, the reference first: `arm`, `rows` (a patient may be a control of several trials), `patients`,
        `events` (patients with one), `left_arm` (patients whose follow-up ends because another treatment started).
    trial : TargetTrial
        The trial with its time zero moved to each start; `trial_start` is among its covariates.
    data : pandas.DataFrame
        The rows: the columns of the data, the follow-up counted from the start of each trial, `trial_start` (time from
        the first time zero) and `lost` (1 where another treatment ended the follow-up). Patient-level; never shown.
    n_dropped : int
        Rows left out for missing values.
    """

    table: pd.DataFrame
    trial: TargetTrial
    data: pd.DataFrame
    n_dropped: int

    def _safe(self, policy: Policy):
        from paillasse.effects._safe import safe_sequential

        return safe_sequential(self, policy)

    def view(self) -> View:
        note = "A control is a row in each trial that he was drawn for; standard errors are summed by patient."
        decimals = dict.fromkeys(("rows", "patients", "left_arm"), 0)
        return View("Sequential trials", self.table, (note, *rows_left_out(self.n_dropped)), decimals)


def sequential_trials(
    trial: TargetTrial,
    data: pd.DataFrame,
    other_start: str | None = None,
    controls: int | None = None,
    seed: int = 0,
) -> SequentialTrials:
    """Make a trial of each time within the grace period at which somebody starts.

    In the trial of time s those who start at s are treated; controls are drawn from those who are still followed at s
    without having started. Time zero is s for both, so nobody's arm is defined by his future. A control's follow-up
    ends when he starts himself (or another treatment); weigh for that by :func:`reweigh_lost` with column ``lost``.

    Parameters
    ----------
    trial : TargetTrial
        With `treatment_start` and `grace_period`; its covariates are known at the first time zero.
    data : pandas.DataFrame
        A row a patient. Rows with a missing duration or event are left out and counted.
    other_start : str, optional
        Column of the time at which another treatment started (missing if never), after which a patient is in no arm.
    controls : int, optional
        How many controls are drawn for each who starts; without it all who are there.
    seed : int
        Of the draw.

    Returns
    -------
    SequentialTrials

    Raises
    ------
    InputError
        If the data contradict the trial, it has no `treatment_start`, or nobody starts within the grace period.

    References
    ----------
    Hernán and others (2008), Epidemiology 19:766. Gran and others (2010), Stat Med 29:2757.

    Examples
    --------
    >>> from paillasse.effects import simulated_world
    >>> world = simulated_world(seed=1, n_partners=1, n_classes=1)
    >>> trials = sequential_trials(world.trial(), world.patients(800, seed=1), controls=2)
    >>> trials.data[["partner", "lost"]].value_counts(sort=False).index.tolist()
    [('none', 0), ('none', 1), ('partner', 0)]
    """
    if trial.treatment_start is None:
        raise InputError("Sequential trials need `treatment_start`, the column of the time at which treatment started.")
    for name in (START, LOST, PATIENT):
        if name in data.columns:
            raise InputError(f"The data have a column {name!r}, which sequential trials make; rename it.")
    trial.check(data, started_later=True)
    seen, cause = outcome_by_cause(data, trial.duration, trial.event)
    start, other = (_times(data, name, seen.rows) for name in (trial.treatment_start, other_start))
    changed = np.minimum(start, other)
    begins = (start <= trial.grace_period) & (start <= other)
    if not begins.any():
        raise InputError(f"Nobody starts within the grace period of {trial.grace_period:g} {trial.time_unit}.".strip())
    random = np.random.default_rng(seed)
    followed = np.argsort(seen.duration)  # who is followed until s is the end of this order
    durations = seen.duration[followed]
    rows, starts, treated = [], [], []
    times, many = np.unique(start[begins], return_counts=True)
    of_time = np.split(np.flatnonzero(begins)[np.argsort(start[begins], kind="stable")], np.cumsum(many)[:-1])
    for time, own in zip(times, of_time):
        there = followed[np.searchsorted(durations, time, side="left") :]
        there = there[changed[there] > time]
        if controls is not None and controls * len(own) < len(there):
            there = random.choice(there, controls * len(own), replace=False)
        if not len(there):
            continue
        rows += [own, there]
        starts.append(np.full(len(own) + len(there), time))
        treated += [np.ones(len(own), bool), np.zeros(len(there), bool)]
    if not rows:
        raise InputError("At no start is there anybody left who could have started and did not.")
    rows, starts, treated = (np.concatenate(each) for each in (rows, starts, treated))
    ends = np.where(treated, np.where(start[rows] < other[rows], other[rows], np.inf), changed[rows])
    lost = ends < seen.duration[rows]
    made = data.iloc[seen.rows[rows]].reset_index(drop=True)
    made[trial.duration] = np.minimum(seen.duration[rows], ends) - starts
    made[trial.event] = np.where(lost, 0, cause[rows])
    made[trial.treatment] = pd.Series([trial.values[int(each)] for each in treated])
    made[START], made[LOST] = starts, lost.astype(int)
    if trial.patient is None:
        made[PATIENT] = seen.rows[rows]
    return SequentialTrials(_summary(trial, made, rows, treated), _of_each(trial, len(times) > 1), made, seen.n_dropped)


def _times(data: pd.DataFrame, name: str | None, rows: np.ndarray) -> np.ndarray:
    """Times of a column, infinite where missing or where there is no column."""
    times = np.full(len(rows), np.inf)
    if name is not None:
        need_columns(data, [name])
        values = data[[name]].iloc[rows]
        known = np.flatnonzero(values[name].notna().to_numpy())
        times[known] = numbers(values.iloc[known], name, rows[known])
    return times


def _of_each(trial: TargetTrial, several: bool) -> TargetTrial:
    """The trial that each of them is: time zero is its start, nothing is decided later."""
    covariates = (
        trial.covariates if isinstance(trial.covariates, str) else " + ".join(f"`{c}`" for c in trial.covariates)
    )
    return replace(
        trial,
        covariates=f"{covariates} + {START}" if several else covariates,
        patient=trial.patient or PATIENT,
        treatment_start=None,
        eligible_at=None,
        measured_at={},
        grace_period=0.0,
    )


def _summary(trial: TargetTrial, made: pd.DataFrame, rows: np.ndarray, treated: np.ndarray) -> pd.DataFrame:
    lines = []
    for label, own in zip(trial.labels, (~treated, treated)):
        chosen = (own, own & (made[trial.event] > 0), own & (made[LOST] == 1))
        lines.append([label, np.count_nonzero(own), *(len(np.unique(rows[each])) for each in chosen)])
    return pd.DataFrame(lines, columns=["arm", "rows", "patients", "events", "left_arm"])
