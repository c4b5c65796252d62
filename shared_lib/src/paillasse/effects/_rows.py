"""The one form on which all estimators work: weighted rows of follow-up, and how the weights were estimated.

An estimate θ is a function of the rows' weights. With ψ the derivative of θ by the logarithm of each row's weight, the
influence of a patient is the sum of ψ over his rows, had the weights been known. Where they were estimated by a model
with coefficients γ, a patient also moves γ̂, and by it all weights:

    influence = Σ own rows ψ + (Σ all rows ψ ∂log w/∂γ)ᵀ (his influence on γ̂)

which is what stacking the estimating equations of θ and γ gives (M-estimation), for every estimator at once.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Nuisance:
    """A fitted model behind the weights: the slopes ∂log w/∂γ of each row, the influence on γ̂ of each patient."""

    slopes: np.ndarray  # rows × coefficients
    influence: np.ndarray  # patients × coefficients


@dataclass(frozen=True)
class Rows:
    """Weighted rows; a patient has one, or several that follow one another (or belong to both arms). Patient-level."""

    patient: np.ndarray  # codes from 0 on
    n_patients: int
    arm: np.ndarray  # False for the reference
    entry: np.ndarray | None  # at risk for entry < t ≤ stop
    stop: np.ndarray
    cause: np.ndarray  # 0 for none, 1, 2, …
    weights: np.ndarray
    source: np.ndarray  # the row of the cohort that it comes from
    nuisances: tuple[Nuisance, ...] = ()

    def of_arm(self, arm: int) -> np.ndarray:
        return self.arm == bool(arm)

    def by_patient(self, psi: np.ndarray, weights_known: bool = False) -> np.ndarray:
        """The influence of each patient, from ψ of the rows (rows, or rows × estimates)."""
        if psi.ndim == 2:
            return np.column_stack([self.by_patient(column, weights_known) for column in psi.T])
        total = np.bincount(self.patient, psi, self.n_patients)
        if not weights_known:
            for nuisance in self.nuisances:
                total += nuisance.influence @ (nuisance.slopes.T @ psi)
        return total


def std_err(influence: np.ndarray) -> np.ndarray:
    """The standard errors of estimates, from the influence of each patient (the first axis)."""
    return np.sqrt((influence**2).sum(axis=0))
