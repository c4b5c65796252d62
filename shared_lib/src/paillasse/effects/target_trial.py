"""The trial that the data stand in for: written down first, shown as the TARGET statement asks, checked on the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.errors import InputError, did_you_mean
from paillasse.survival._design import parsed
from paillasse.survival._input import numbers
from paillasse.tables import View, need_columns

Described = str | tuple[str, str]  # the trial one would run, and how the data stand in for it; or both in one text
COMPONENTS = {
    "eligibility": "Eligibility criteria",
    "strategies": "Treatment strategies",
    "assignment": "Assignment",
    "time_zero": "Time zero",
    "follow_up": "Follow-up",
    "outcome": "Outcome",
    "contrast": "Causal contrast",
    "analysis": "Analysis",
}


@dataclass(frozen=True, repr=False, kw_only=True)
class TargetTrial(Result):
    """The trial that one would run, and the columns by which the data stand in for it.

    Every estimate of this room asks for one. Its texts are a pair (what the trial would do, how the data emulate it),
    or one text where both are the same. All times in the data are counted from a patient's time zero.

    Parameters
    ----------
    eligibility, strategies, assignment, time_zero, follow_up, outcome, contrast, analysis : str or (str, str)
        The components of the trial. `strategies` may be left empty: then the arms' labels stand there.
    arms : mapping
        The two values of column `treatment` and what to call them; the first is the reference.
    treatment, duration, event : str
        Columns of the arm, of the time from time zero to the event or the end of follow-up, and of the event (1 or
        True, else 0 or False; for incidences 0 for none and 1, 2, … for the causes).
    covariates : str or list of str
        What decided on treatment and bears on the outcome, in R's notation or as columns, measured by time zero.
    grace_period : float
        By when after time zero the treatment must have started, in the unit of `duration`. With one, patients are of
        both arms until they start: :func:`clones` or :func:`sequential_trials`.
    patient : str, optional
        Column of the patient; rows of one patient are not independent. Without it each row is a patient.
    treatment_start, eligible_at : str, optional
        Columns of the times at which treatment started (missing if never) and eligibility was met.
    measured_at : mapping of str to str
        Covariate → column of the time at which it was measured.
    time_unit : str
        The unit of all times, in words.

    References
    ----------
    Hernán and Robins (2016), Am J Epidemiol 183:758. Cashin and others (2025), TARGET statement, JAMA 334:1084.

    Examples
    --------
    >>> trial = TargetTrial(
    ...     eligibility="Node-positive breast cancer", time_zero="Surgery", assignment=("By lot", "As if by lot"),
    ...     follow_up="10 years", outcome="Death", contrast="Intention to treat", analysis="Overlap weights",
    ...     arms={0: "no hormones", 1: "hormones"}, treatment="hormon", duration="years", event="died",
    ...     covariates="age", time_unit="years",
    ... )
    >>> trial.table["target_trial"].tolist()[1:3]
    ['no hormones; or hormones', 'By lot']
    """

    eligibility: Described
    time_zero: Described
    arms: Mapping
    assignment: Described
    follow_up: Described
    outcome: Described
    contrast: Described
    analysis: Described
    treatment: str
    duration: str
    event: str
    covariates: str | Sequence[str]
    strategies: Described = ""
    grace_period: float = 0.0
    patient: str | None = None
    treatment_start: str | None = None
    eligible_at: str | None = None
    measured_at: Mapping[str, str] = field(default_factory=dict)
    time_unit: str = ""

    def __post_init__(self):
        if len(self.arms) != 2:
            raise InputError(
                f"A target trial compares two arms, and `arms` names {len(self.arms)}; of several arms make a trial "
                "for each comparison (dataclasses.replace)."
            )
        if len(set(self.labels)) < 2:
            raise InputError(f"Both arms of the target trial are called {self.labels[0]!r}; give them two names.")
        if not self.grace_period >= 0:
            raise InputError("A grace period is a time from 0 on.")
        for name, title in COMPONENTS.items():
            if name != "strategies" and not all(text.strip() for text in _pair(getattr(self, name))):
                raise InputError(f"The target trial says nothing of its {title.lower()} ({name}).")

    @property
    def values(self) -> list:
        """The values of the two arms in the data, the reference first."""
        return list(self.arms)

    @property
    def labels(self) -> list[str]:
        """What the arms are called, the reference first."""
        return [str(label) for label in self.arms.values()]

    @property
    def table(self) -> pd.DataFrame:
        """The TARGET statement's table: `component`, `target_trial`, `emulation`."""
        rows = []
        for name, title in COMPONENTS.items():
            told = getattr(self, name)
            if name == "strategies":
                told = list(_pair(told or "; or ".join(self.labels)))
                if self.grace_period:
                    told[0] += f" (to be started within {self.grace_period:g} {self.time_unit}".rstrip() + ")"
            rows.append([title, *_pair(told)])
        return pd.DataFrame(rows, columns=["component", "target_trial", "emulation"])

    def _safe(self, policy: Policy):
        from paillasse.effects._safe import safe_trial

        return safe_trial(self, policy)

    def view(self) -> View:
        return View("Target trial", self.table, (self.adjusted,))

    @property
    def adjusted(self) -> str:
        """What is adjusted for, as a sentence."""
        covariates = self.covariates if isinstance(self.covariates, str) else " + ".join(self.covariates)
        return f"Adjusted for: {covariates}."

    def check(self, data: pd.DataFrame, started_later: bool = False) -> "TrialCheck":
        """Hold the data against the trial; what contradicts it is refused, with the number of patients.

        Parameters
        ----------
        data : pandas.DataFrame
            A row a patient, or several with `patient`.
        started_later : bool
            Whether treatment may start after time zero: so for :func:`clones` and :func:`sequential_trials`, in which
            the future decides on no arm.

        Returns
        -------
        TrialCheck

        Raises
        ------
        InputError
            If a treatment started before time zero, eligibility was met after follow-up began, an arm is defined by a
            treatment that started later (immortal time), or a covariate was measured after time zero.
        """
        named = [self.treatment_start, self.eligible_at, *self.measured_at.values()]
        need_columns(data, [name for name in named if name is not None])
        checks = [
            ("No treatment before time zero", self.treatment_start, self._early_starts),
            ("No follow-up before eligibility", self.eligible_at, self._early_follow_up),
            ("No arm defined by the future", self.treatment_start, self._by_start if started_later else self._immortal),
        ]
        rows = []
        for title, column, check in checks:
            if column is not None:
                check(data)
            rows.append([title, "passed" if column is not None else "no column told"])
        adjusted = parsed(self.covariates, data)[1] if self.measured_at else []
        for covariate, column in self.measured_at.items():
            if covariate not in adjusted:
                raise InputError(
                    f"measured_at names {covariate!r}, which is no covariate. {did_you_mean(covariate, adjusted)}"
                )
            late = _known(data, column) > 0
            self._refuse(data, late, f"had covariate {covariate!r} measured after time zero (column {column!r})", "")
        rows.append(["No covariate measured after time zero", "passed" if self.measured_at else "no column told"])
        return TrialCheck(pd.DataFrame(rows, columns=["check", "result"]))

    def _early_starts(self, data: pd.DataFrame) -> None:
        early = _known(data, self.treatment_start) < 0
        told = f"started treatment before time zero (column {self.treatment_start!r})"
        self._refuse(data, early, told, "Follow new users only: leave them out, or move time zero.")

    def _early_follow_up(self, data: pd.DataFrame) -> None:
        early = _known(data, self.eligible_at) > 0
        told = f"began follow-up before they were eligible (column {self.eligible_at!r})"
        self._refuse(data, early, told, "Until then they could not have the event; start their follow-up there.")

    def _by_start(self, data: pd.DataFrame) -> None:
        need_columns(data, [self.duration])
        duration = _known(data, self.duration)
        after = (_known(data, self.treatment_start) > duration) & (duration >= 0)  # negative ones are refused as such
        told = f"started treatment after their follow-up ended (column {self.treatment_start!r})"
        self._refuse(data, after, told, "Set the start missing where it was not seen.")

    def _immortal(self, data: pd.DataFrame) -> None:
        need_columns(data, [self.treatment])
        start = _known(data, self.treatment_start)
        treated = (data[self.treatment] == self.values[1]).to_numpy(dtype=bool, na_value=False)
        told = f"came into arm {self.labels[1]!r} by a treatment that began after time zero, or never"
        way = "Their arm is defined by the future (immortal time): use clones() or sequential_trials()."
        self._refuse(data, treated & ~(start <= 0), f"{told} (column {self.treatment_start!r})", way)
        told = f"came into arm {self.labels[0]!r} but started treatment at time zero (column {self.treatment_start!r})"
        self._refuse(data, ~treated & (start == 0), told, "They belong to the other arm.")

    def _refuse(self, data: pd.DataFrame, wrong: np.ndarray, told: str, way: str) -> None:
        if wrong.any():
            n = data.loc[wrong, self.patient].nunique() if self.patient else int(wrong.sum())
            raise InputError(f"{n} {'patient' if n == 1 else 'patients'} {told}. {way}".strip())


@dataclass(frozen=True, repr=False)
class TrialCheck(Result):
    """What the data were held against.

    Attributes
    ----------
    table : pandas.DataFrame
        `check`, and its `result`: passed, or no column told (then nothing is known).
    """

    table: pd.DataFrame

    def _safe(self, policy: Policy):
        from paillasse.effects._safe import safe_check

        return safe_check(self, policy)

    def view(self) -> View:
        return View("The data against the target trial", self.table)


def _pair(told: Described) -> tuple[str, str]:
    return (told, told) if isinstance(told, str) else (told[0], told[1])


def _known(data: pd.DataFrame, column: str) -> np.ndarray:
    """The times of a column, NaN where missing."""
    known = data[column].notna().to_numpy()
    times = np.full(len(data), np.nan)
    times[known] = numbers(data[[column]][known], column, np.flatnonzero(known))
    return times
