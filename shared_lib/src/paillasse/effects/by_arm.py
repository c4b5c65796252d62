"""Curves of a weighted trial by arm: survival, and the cumulative incidence of a cause."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.disclosure.estimates import round_number
from paillasse.effects._curves import incidence_at, survival_at
from paillasse.effects._rows import Rows, std_err
from paillasse.effects.estimates import curve_of, need_cause, placed
from paillasse.effects.target_trial import TargetTrial
from paillasse.effects.weights import WeightedTrial
from paillasse.errors import InputError
from paillasse.survival._input import half_width
from paillasse.survival.kaplan_meier import limits
from paillasse.tables import View, rows_left_out, time_decimals

MOST_TIMES = 200  # of a curve that is asked for without times: enough for the eye


@dataclass(frozen=True, repr=False)
class WeightedSurvival(Result):
    """Survival by arm in the weighted trial.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each arm and time: `group` (the arm), `time`, `n_risk` (patients at risk then, not weighted; each
        once, also where he has rows in several trials), `survival`, `std_err`, `lower`, `upper` (on the log scale).
    how : str
        The weights in words.
    """

    table: pd.DataFrame
    how: str
    conf_level: float
    n_dropped: int
    trial: TargetTrial
    _at_risk: pd.DataFrame  # at all times at which somebody leaves: patient-level, so never shown nor stored
    _round: pd.DataFrame  # as the table at round times, with how many failed and were lost by then, and the arm's sizes

    def figure(self, title: str = ""):
        """The curves with their limits, and the numbers at risk (patients, not weights)."""
        from paillasse.figures import survival_curves

        return survival_curves(self.table, self.trial.time_unit, title, at_risk=self._at_risk)

    def _safe(self, policy: Policy):
        from paillasse.effects._safe import safe_survival

        return safe_survival(self, policy)

    def view(self) -> View:
        return _last_times("Survival by arm", self)


@dataclass(frozen=True, repr=False)
class WeightedIncidence(Result):
    """Cumulative incidence of one cause by arm in the weighted trial, other causes competing.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each arm and time: `group` (the arm), `cause`, `time`, `n_risk` (as in :class:`WeightedSurvival`),
        `incidence`, `std_err`, `lower`, `upper` (on the log scale).
    cause : int
    how : str
        The weights in words.
    """

    table: pd.DataFrame
    cause: int
    how: str
    conf_level: float
    n_dropped: int
    trial: TargetTrial
    _at_risk: pd.DataFrame
    _round: pd.DataFrame

    def figure(self, title: str = ""):
        """The curves with their limits, and the numbers at risk (patients, not weights)."""
        from paillasse.figures import cumulative_incidence_curves

        causes = {self.cause: f"cause {self.cause}"}
        return cumulative_incidence_curves(self.table, self._at_risk, causes, self.trial.time_unit, title)

    def _safe(self, policy: Policy):
        from paillasse.effects._safe import safe_incidence

        return safe_incidence(self, policy)

    def view(self) -> View:
        return _last_times("Cumulative incidence by arm", self)


def survival_by_arm(
    weighted: WeightedTrial, times: Sequence[float] | None = None, conf_level: float = 0.95
) -> WeightedSurvival:
    r"""Weighted Kaplan-Meier estimate in each arm.

    .. math:: \hat S_a(t) = \prod_{u \le t} \left(1 - \frac{d_a(u)}{n_a(u)}\right)

    with d the weighted events and n the weight at risk in arm a. The standard error is by influence functions: the
    infinitesimal jackknife, with the estimation of the weights.

    Parameters
    ----------
    weighted : WeightedTrial
    times : list of float, optional
        Times of the table; by default the event times of the arm, 200 of them where there are more, and the last time.
    conf_level : float

    Returns
    -------
    WeightedSurvival

    Raises
    ------
    InputError
        If an arm is not followed until the last of the times, or these are no times.

    References
    ----------
    Xie and Liu (2005), Stat Med 24:3089.

    Examples
    --------
    >>> from paillasse.effects import sequential_trials, simulated_world, weigh
    >>> world = simulated_world(seed=1, n_partners=1, n_classes=1)
    >>> trials = sequential_trials(world.trial(), world.patients(800, seed=1), controls=2)
    >>> weighted = weigh(trials.trial, trials.data)
    >>> survival_by_arm(weighted, [365, 730]).table["survival"].round(1).tolist()
    [0.5, 0.3, 0.5, 0.3]
    """

    died = weighted._rows.cause > 0

    def value_at(seen, own, at):
        return survival_at(seen, at)

    table, *others = _by_arm(weighted, died, "survival", value_at, times, half_width(conf_level))
    return WeightedSurvival(table, weighted.how, conf_level, weighted.n_dropped, weighted.trial, *others)


def incidence_by_arm(
    weighted: WeightedTrial, cause: int, times: Sequence[float] | None = None, conf_level: float = 0.95
) -> WeightedIncidence:
    r"""Weighted Aalen-Johansen estimate of the cumulative incidence of one cause in each arm, other causes competing.

    .. math:: \hat F_a(t) = \sum_{u \le t} \hat S_a(u-)\, \frac{d_a(u)}{n_a(u)}

    with :math:`\hat S_a` the weighted Kaplan-Meier curve of all causes together, d the weighted events of the cause and
    n the weight at risk. The standard error is by influence functions, with the estimation of the weights.

    Parameters
    ----------
    weighted : WeightedTrial
        Of a trial whose `event` is 0 for censored and 1, 2, … for the causes.
    cause : int
    times : list of float, optional
        As in :func:`survival_by_arm`.
    conf_level : float

    Returns
    -------
    WeightedIncidence

    Raises
    ------
    InputError
        If nobody has an event of that cause, or as :func:`survival_by_arm`.

    References
    ----------
    Aalen and Johansen (1978), Scand J Stat 5:141.

    Examples
    --------
    >>> from paillasse.effects import sequential_trials, simulated_world, weigh
    >>> world = simulated_world(seed=1, n_partners=1, n_classes=1)
    >>> trials = sequential_trials(world.trial(), world.patients(800, seed=1), controls=2)
    >>> weighted = weigh(trials.trial, trials.data)
    >>> incidence_by_arm(weighted, 1, [365, 730]).table["incidence"].round(1).tolist()
    [0.5, 0.7, 0.5, 0.7]
    """
    need_cause(weighted, cause)
    counted = weighted._rows.cause == cause

    def value_at(seen, own, at):
        return (incidence_at(seen, counted[own], time) for time in at)

    table, *others = _by_arm(weighted, counted, "incidence", value_at, times, half_width(conf_level))
    table.insert(1, "cause", cause)
    how, n_dropped = weighted.how, weighted.n_dropped
    return WeightedIncidence(table, cause, how, conf_level, n_dropped, weighted.trial, *others)


def _by_arm(
    weighted: WeightedTrial, event: np.ndarray, name: str, value_at: Callable, times: Sequence[float] | None, z: float
) -> list[pd.DataFrame]:
    """The lines of both arms at the times; the numbers at risk; at round times what the safe form asks for."""
    rows, tables, at_risk, round_times = weighted._rows, [], [], []
    if times is not None:
        times = np.sort(np.atleast_1d(np.asarray(times, dtype=float)))
        if not len(times) or not (np.isfinite(times) & (times >= 0)).all() or times[-1] == 0:
            raise InputError("times are numbers from 0 on, one beyond 0 at least.")
    for code, label in enumerate(weighted.trial.labels):
        own, seen = curve_of(rows, code)
        at = _event_times(rows.stop[own][event[own]], seen.time[-1]) if times is None else times
        if at[-1] > seen.time[-1] and seen.survival[-1] > 0:
            raise InputError(f"Arm {label!r} is not followed until the last of the times.")
        failed, left = _patients_ends(rows, own, event[own])
        unit = round_number(at[-1] / 20, up=True)
        even = unit * np.arange(1, int(at[-1] / unit + 1e-9) + 1)
        every = np.union1d(at, even)
        found = [(value, std_err(rows.by_patient(placed(rows, own, psi)))) for value, psi in value_at(seen, own, every)]
        value, error = np.array(found).T
        with np.errstate(divide="ignore", invalid="ignore"):
            lower, upper = limits(value, error / value, "log", z)
        columns = {"group": label, "time": every, "n_risk": _not_before(every, left), name: value, "std_err": error}
        table = pd.DataFrame(columns | {"lower": lower, "upper": upper})
        tables.append(table[np.isin(every, at)])
        ends = np.union1d(left[left < at[-1]], at[-1])
        at_risk.append(pd.DataFrame({"group": label, "time": ends, "n_risk": _not_before(ends, left)}))
        table["events"] = np.searchsorted(np.sort(failed), every, side="right")
        table["lost"] = np.searchsorted(np.sort(left[np.isinf(failed)]), every, side="left")
        table = table.assign(**weighted.table.iloc[code][["patients", "effective"]])
        round_times.append(table[np.isin(every, even)])
    return [pd.concat(each, ignore_index=True) for each in (tables, at_risk, round_times)]


def _event_times(times: np.ndarray, last: float) -> np.ndarray:
    """The times of the events, not too many, and the last time."""
    times = np.unique(times)
    if len(times) > MOST_TIMES:
        times = times[np.unique(np.linspace(0, len(times) - 1, MOST_TIMES).round().astype(int))]
    return np.union1d(times, last)


def _patients_ends(rows: Rows, own: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """When each patient of an arm first has the event (infinite if never), and until when he is followed.

    His rows begin at 0, or follow one another from there, so that he is at risk until the last ends.
    """
    patient = np.unique(rows.patient[own], return_inverse=True)[1]
    failed, left = np.full(patient.max() + 1, np.inf), np.zeros(patient.max() + 1)
    np.minimum.at(failed, patient[event], rows.stop[own][event])
    np.maximum.at(left, patient, rows.stop[own])
    return failed, left


def _not_before(times: np.ndarray, left: np.ndarray) -> np.ndarray:
    """How many leave at each time or later."""
    return len(left) - np.searchsorted(np.sort(left), times, side="left")


def _last_times(title: str, result: WeightedSurvival | WeightedIncidence) -> View:
    table = result.table.groupby("group", sort=False).tail(1)
    notes = (
        f"{result.how[:1].upper()}{result.how[1:]}; {100 * result.conf_level:g}% limits, at the last time asked for.",
        *rows_left_out(result.n_dropped),
    )
    return View(title, table, notes, {"time": time_decimals(result.table["time"])})
