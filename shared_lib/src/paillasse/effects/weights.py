"""Weights that make the arms alike, the weighted trial that all estimators take, and the weights' own diagnostics."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.effects._input import Cohort, cohort
from paillasse.effects._rows import Nuisance, Rows
from paillasse.effects.propensity import Propensity, propensity
from paillasse.effects.target_trial import TargetTrial
from paillasse.errors import InputError, did_you_mean
from paillasse.tables import View, rows_left_out

KINDS = {
    "overlap": "overlap weights (patients for whom both arms were likely)",
    "iptw": "inverse probability of treatment (all patients)",
    "stabilised": "stabilised inverse probability of treatment (all patients)",
    "none": "no weights (crude)",
}


@dataclass(frozen=True, repr=False)
class WeightedTrial(Result):
    """The emulated trial: its rows with their weights. All estimators of this room take one.

    Attributes
    ----------
    table : pandas.DataFrame
        A row an arm, the reference first: `arm`, `patients`, `events` (patients with one, of any cause), `effective`
        (effective sample size (Σw)²/Σw² of the patients' last rows), `top_share` (share of all weight that the
        hundredth of the patients with the largest weights carries: 0.01 were they all alike), `largest` (the largest
        weight over the mean one).
    how : str
        The weights in words.
    scores : Propensity or None
        The propensity scores that they were made from.
    n_dropped : int
        Rows left out for missing values.
    trial : TargetTrial
        What is emulated.
    """

    table: pd.DataFrame
    how: str
    scores: Propensity | None
    n_dropped: int
    trial: TargetTrial
    _rows: Rows
    _cohort: Cohort

    def _safe(self, policy: Policy):
        from paillasse.effects._safe import safe_weighted

        return safe_weighted(self, policy)

    def view(self) -> View:
        notes = (
            f"Weights: {self.how}.",
            "effective: patients of equal weight that would tell as much; top share: part of the weight that the "
            "hundredth of the patients with the largest weights carries; largest: over the mean weight.",
            *rows_left_out(self.n_dropped),
        )
        return View("Weighted trial", self.table, notes, {"effective": 0, "largest": 1, "patients": 0})


def weigh(
    trial: TargetTrial,
    data: pd.DataFrame,
    kind: str = "overlap",
    method: str = "logistic",
    folds: int = 1,
    seed: int = 0,
) -> WeightedTrial:
    r"""Weigh the patients so that the covariates are distributed alike in both arms.

    With :math:`e` the propensity score, a treated and an untreated patient weigh

    ========== ================== ======================== =======================================
    kind       treated            untreated                whose effect is estimated
    ========== ================== ======================== =======================================
    overlap    :math:`1 - e`      :math:`e`                those for whom both arms were likely
    iptw       :math:`1 / e`      :math:`1 / (1 - e)`      everybody
    stabilised :math:`p / e`      :math:`(1 - p)/(1 - e)`  everybody; :math:`p` is the share treated
    none       1                  1                        nobody's: the crude comparison
    ========== ================== ======================== =======================================

    Overlap weights of a logistic model balance the covariates' means exactly. Standard errors of all estimates take the
    estimation of a logistic model's scores into account (M-estimation); those of cross-fitted or boosted scores are
    taken as known, which only the doubly robust estimate justifies (:func:`doubly_robust`).

    Parameters
    ----------
    trial : TargetTrial
    data : pandas.DataFrame
        A row a patient, or with `trial.patient` several.
    kind : {"overlap", "iptw", "stabilised", "none"}
    method, folds, seed
        As in :func:`propensity`.

    Returns
    -------
    WeightedTrial

    Raises
    ------
    InputError
        As :func:`propensity`.

    References
    ----------
    Li, Morgan and Zaslavsky (2018), J Am Stat Assoc 113:390. Lunceford and Davidian (2004), Stat Med 23:2937.

    Examples
    --------
    >>> from paillasse.effects import sequential_trials, simulated_world
    >>> world = simulated_world(seed=1, n_partners=1, n_classes=1)
    >>> trials = sequential_trials(world.trial(), world.patients(800, seed=1), controls=2)
    >>> weigh(trials.trial, trials.data).table["arm"].tolist()
    ['backbone alone', 'backbone and the partner']
    """
    if kind not in KINDS:
        raise InputError(f"kind={kind!r} is not known. {did_you_mean(kind, KINDS)}")
    if kind == "none":
        seen, scores = cohort(trial, data), None
        weights, nuisances = np.ones(seen.n), ()
    else:
        scores = propensity(trial, data, method, folds, seed)
        seen = scores._cohort
        weights, nuisances = _weights(kind, scores)
    rows = Rows(
        patient=seen.patient,
        n_patients=seen.n_patients,
        arm=seen.treated,
        entry=None,
        stop=seen.duration,
        cause=seen.cause,
        weights=weights,
        source=np.arange(seen.n),
        nuisances=nuisances,
    )
    return weighted_trial(trial, seen, rows, KINDS[kind], scores)


def weighted_trial(
    trial: TargetTrial, seen: Cohort, rows: Rows, how: str, scores: Propensity | None = None
) -> WeightedTrial:
    """The result object with its diagnostics."""
    lines = []
    for code, label in enumerate(trial.labels):
        own = np.flatnonzero(rows.of_arm(code))
        backwards = own[::-1]  # a patient's last row tells his weight once all decisions are made
        mass = np.sort(rows.weights[backwards[np.unique(rows.source[backwards], return_index=True)[1]]])
        most = max(1, round(len(mass) / 100))
        lines.append(
            {
                "arm": label,
                "patients": len(np.unique(rows.patient[own])),
                "events": len(np.unique(rows.patient[own][rows.cause[own] > 0])),
                "effective": mass.sum() ** 2 / (mass**2).sum(),
                "top_share": mass[-most:].sum() / mass.sum(),
                "largest": mass[-1] / mass.mean(),
            }
        )
    return WeightedTrial(pd.DataFrame(lines), how, scores, seen.n_dropped, trial, rows, seen)


def _weights(kind: str, scores: Propensity) -> tuple[np.ndarray, tuple[Nuisance, ...]]:
    """The weights, and the models behind them: ∂log w by the coefficients, and each patient's influence on these."""
    seen, e, model = scores._cohort, scores._score, scores._model
    treated = seen.treated
    if kind == "overlap":
        weights, slope = np.where(treated, 1 - e, e), np.where(treated, -e, 1 - e)
    else:
        with np.errstate(divide="ignore"):
            weights, slope = np.where(treated, 1 / e, 1 / (1 - e)), np.where(treated, e - 1, e)
    if not np.isfinite(weights).all() or not (weights > 0).all():
        raise InputError(
            "Some propensity scores are 0 or 1 in double precision, so that these patients have no weight: the "
            "covariates separate the arms. Leave out or join what separates them."
        )
    nuisances = []
    if model is not None:
        influence = _summed(model.influence(treated), seen)
        nuisances.append(Nuisance(slope[:, None] * model.design, influence))
    if kind == "stabilised":
        p = treated.mean()
        weights = weights * np.where(treated, p, 1 - p)
        slopes = np.where(treated, 1 / p, -1 / (1 - p))[:, None]
        nuisances.append(Nuisance(slopes, _summed(((treated - p) / seen.n)[:, None], seen)))
    return weights, tuple(nuisances)


def _summed(influence: np.ndarray, seen: Cohort) -> np.ndarray:
    """Each patient's sum over his rows."""
    if seen.n == seen.n_patients:
        order = np.empty_like(influence)
        order[seen.patient] = influence
        return order
    return np.column_stack([np.bincount(seen.patient, column, seen.n_patients) for column in influence.T])
