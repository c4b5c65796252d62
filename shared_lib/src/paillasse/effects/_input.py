"""From a target trial and a data frame to the checked cohort that it is about."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from paillasse.effects.target_trial import TargetTrial
from paillasse.errors import InputError
from paillasse.survival._design import Design, design, parsed
from paillasse.survival._input import coded, outcome_by_cause
from paillasse.tables import need_columns


@dataclass(frozen=True)
class Cohort:
    """The rows of a trial's two arms that are complete; patient-level, so never shown nor stored with a result."""

    duration: np.ndarray
    cause: np.ndarray
    treated: np.ndarray
    patient: np.ndarray  # codes from 0 on
    n_patients: int
    x: np.ndarray  # the covariates' columns
    design: Design
    positions: np.ndarray  # in the caller's data
    n_dropped: int

    @property
    def n(self) -> int:
        return len(self.duration)


def cohort(trial: TargetTrial, data: pd.DataFrame, arms_follow: bool = False) -> Cohort:
    """Check the data against the trial, keep its two arms and the complete rows, and build the covariates' columns.

    With `arms_follow` the arms are made later from the start of treatment, and column `treatment` is not looked at.
    """
    trial.check(data, started_later=arms_follow)
    formula, needed = parsed(trial.covariates, data)
    others = [] if trial.patient is None else [trial.patient]
    treated = np.zeros(len(data), bool)
    inside = np.arange(len(data))
    if not arms_follow:
        need_columns(data, [trial.treatment])
        known = data[trial.treatment]
        inside = np.flatnonzero((known.isin(trial.values) | known.isna()).to_numpy())
        treated = (known == trial.values[1]).to_numpy(dtype=bool, na_value=False)
        others.append(trial.treatment)
    part = data if len(inside) == len(data) else data.iloc[inside]
    if not len(part):
        raise InputError(f"Nobody is in an arm of the trial: column {trial.treatment!r} has none of its two values.")
    seen, cause = outcome_by_cause(part, trial.duration, trial.event, complete=[*needed, *others])
    positions = inside[seen.rows]
    built, x = design(formula, data[needed].iloc[positions], positions)
    patient = np.arange(seen.n)
    if trial.patient is not None:
        patient = coded(data.iloc[positions], [trial.patient])[0]
    if not arms_follow:
        need_two_arms(trial, treated[positions], patient)
    return Cohort(
        seen.duration, cause, treated[positions], patient, int(patient.max()) + 1, x, built, positions, seen.n_dropped
    )


def need_same_data(trial: TargetTrial, seen: Cohort, data: pd.DataFrame) -> None:
    """Refuse other data than the weights were made of: rows are found by their place."""
    need_columns(data, [trial.duration])
    if seen.positions[-1] < len(data):
        given = pd.to_numeric(data[trial.duration].iloc[seen.positions], errors="coerce").to_numpy(dtype=float)
        if np.allclose(given, seen.duration, rtol=1e-6, atol=1e-6):  # tied times were mended
            return
    raise InputError(
        f"These are not the data that the weights were made of, or their rows were put in another order (column "
        f"{trial.duration!r} differs)."
    )


def need_two_arms(trial: TargetTrial, treated: np.ndarray, patient: np.ndarray) -> None:
    """Refuse an arm of nobody or of one, of whom no variance can be known."""
    for label, arm in zip(trial.labels, (~treated, treated)):
        n = len(np.unique(patient[arm]))
        if n < 2:
            who = "nobody is" if n == 0 else "a single patient is"
            raise InputError(
                f"After leaving out missing values {who} in arm {label!r} (column {trial.treatment!r}). Two arms of at "
                "least 2 patients can be compared; look at the values of `arms`, or drop this comparison."
            )
