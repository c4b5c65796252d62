"""The propensity score: how likely each patient was to be treated, given what was known at time zero."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.effects._input import Cohort, cohort
from paillasse.effects._logistic import Logistic, logistic
from paillasse.effects.target_trial import TargetTrial
from paillasse.errors import InputError, did_you_mean
from paillasse.tables import View, rows_left_out

METHODS = ("logistic", "boosting")
EXTREME = 0.05  # a score below it or above one minus it: such patients nearly always get the same treatment


@dataclass(frozen=True, repr=False)
class Propensity(Result):
    """Propensity scores, which also show whether both arms were possible for everybody (positivity).

    Attributes
    ----------
    table : pandas.DataFrame
        A row an arm, the reference first: `arm`, `n` (rows), `mean` (score), `low` and `high` (rows with a score below
        0.05 and above 0.95), `alone` (rows whose score no patient of the other arm reaches, on either side).
    bins : pandas.DataFrame
        A row an arm and twentieth: `arm`, `lower`, `upper` (of the score), `n`.
    method : str
        The model.
    folds : int
        Parts of the cross-fitting; 1 for none.
    n, n_dropped : int
        Rows used, rows left out for missing values.
    """

    table: pd.DataFrame
    bins: pd.DataFrame
    method: str
    folds: int
    n: int
    n_dropped: int
    _trial: TargetTrial
    _cohort: Cohort
    _score: np.ndarray
    _model: Logistic | None  # None where it was cross-fitted or boosted: then its estimation is not accounted for

    def figure(self, title: str = ""):
        """The scores of both arms, back to back: where one side is empty, nobody can be compared."""
        from paillasse.figures import mirrored_histogram

        return mirrored_histogram(self.bins, "Propensity score", title)

    def _safe(self, policy: Policy):
        from paillasse.effects._safe import safe_propensity

        return safe_propensity(self, policy)

    def view(self) -> View:
        model = "logistic regression" if self.method == "logistic" else "gradient boosting"
        fitted = f"{model}, cross-fitted in {self.folds} parts" if self.folds > 1 else model
        notes = (
            f"By {fitted}. low and high: scores below {EXTREME:g} and above {1 - EXTREME:g}; alone: scores that the "
            "other arm does not reach.",
            *rows_left_out(self.n_dropped),
        )
        return View(f"Propensity score of {self._trial.labels[1]!r}", self.table, notes)


def propensity(
    trial: TargetTrial, data: pd.DataFrame, method: str = "logistic", folds: int = 1, seed: int = 0
) -> Propensity:
    """Estimate the probability of the second arm given the trial's covariates.

    Parameters
    ----------
    trial : TargetTrial
        Its `treatment` and `covariates` are used; rows in neither arm are not.
    data : pandas.DataFrame
        A row a patient. Rows with a missing value in a column used are left out and counted.
    method : {"logistic", "boosting"}
        Logistic regression, or scikit-learn's histogram gradient boosting (100 trees of at most 15 leaves, rate 0.1).
        Trees need many patients: with 800, where logistic regression was right, they gave a doubly robust estimate
        three times its standard error.
    folds : int
        With 2 or more, each part's patients are predicted by the model of the others (cross-fitting).
    seed : int
        Of the parts and the trees.

    Returns
    -------
    Propensity

    Raises
    ------
    InputError
        If the data contradict the trial, an arm has fewer than 2 patients, or covariates (or the scores of trees)
        separate the arms.

    References
    ----------
    Rosenbaum and Rubin (1983), Biometrika 70:41. Chernozhukov and others (2018), Econom J 21:C1.

    Examples
    --------
    >>> from paillasse.effects import sequential_trials, simulated_world
    >>> world = simulated_world(seed=1, n_partners=1, n_classes=1)
    >>> trials = sequential_trials(world.trial(), world.patients(800, seed=1), controls=2)
    >>> propensity(trials.trial, trials.data).table[["low", "high"]].sum().tolist()
    [0, 0]
    """
    if method not in METHODS:
        raise InputError(f"method={method!r} is not known. {did_you_mean(method, METHODS)}")
    seen = cohort(trial, data)
    if folds not in range(1, seen.n_patients + 1):
        raise InputError("folds is a whole number from 1 (no cross-fitting) to the number of patients.")
    score, model = np.empty(seen.n), None
    for fitted, predicted in parts(seen, folds, seed):
        if method == "boosting":
            score[predicted] = _boosted(seen, fitted, predicted, seed)
        else:
            model = arms_model(trial, seen, fitted)
            score[predicted] = model.probability if folds == 1 else model.predicted(seen.x[predicted])
    arms = [~seen.treated, seen.treated]
    if score[seen.treated].min() > score[~seen.treated].max():  # trees do not say that they separate
        raise InputError(
            f"The scores separate the arms {trial.labels[0]!r} and {trial.labels[1]!r}: all of the second are above "
            "all of the first, so that nobody can be compared (positivity). Leave out or join what separates them; "
            "where the trees follow chance, cross-fit them (folds)."
        )
    return Propensity(
        table=_positivity(trial, score, arms),
        bins=_bins(trial, score, arms),
        method=method,
        folds=folds,
        n=seen.n,
        n_dropped=seen.n_dropped,
        _trial=trial,
        _cohort=seen,
        _score=score,
        _model=model if folds == 1 else None,
    )


def parts(seen: Cohort, folds: int, seed: int):
    """The rows to fit and to predict of each part; a patient's rows stay together, arms are spread evenly."""
    if folds == 1:
        yield slice(None), slice(None)
        return
    random = np.random.default_rng(seed)
    ever = np.bincount(seen.patient, seen.treated, seen.n_patients) > 0
    part = np.empty(seen.n_patients, int)
    for group in (ever, ~ever):
        part[group] = random.permutation(np.arange(group.sum()) % folds)
    of_row = part[seen.patient]
    for fold in range(folds):
        yield np.flatnonzero(of_row != fold), np.flatnonzero(of_row == fold)


def arms_model(trial: TargetTrial, seen: Cohort, rows) -> Logistic:
    """The logistic regression of the arm; separated arms are told in the trial's words."""
    treated = seen.treated[rows]
    if treated.all() or not treated.any():
        raise InputError("A part of the cross-fitting has one arm alone; take fewer parts (folds).")
    try:
        return logistic(seen.x[rows], treated, seen.design.names)
    except InputError as error:
        raise InputError(
            f"The covariates separate the arms {trial.labels[0]!r} and {trial.labels[1]!r}: for some of their values "
            f"everybody is in the same arm, so that nobody can be compared (positivity). {error}"
        ) from None


def _boosted(seen: Cohort, fitted, predicted, seed: int) -> np.ndarray:
    # Heavy, and only for this method.
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(
        learning_rate=0.1, max_iter=100, max_leaf_nodes=15, early_stopping=False, random_state=seed
    )
    with threadpool_limits(1):  # on a shared machine its threads wait for each other longer than they work
        return model.fit(seen.x[fitted], seen.treated[fitted]).predict_proba(seen.x[predicted])[:, 1]


def _positivity(trial: TargetTrial, score: np.ndarray, arms: list[np.ndarray]) -> pd.DataFrame:
    rows = []
    for label, own, other in zip(trial.labels, arms, arms[::-1]):
        mine, theirs = score[own], score[other]
        alone = (mine < theirs.min()) | (mine > theirs.max())
        counted = [np.count_nonzero(each) for each in (mine < EXTREME, mine > 1 - EXTREME, alone)]
        rows.append([label, len(mine), mine.mean(), *counted])
    return pd.DataFrame(rows, columns=["arm", "n", "mean", "low", "high", "alone"])


def _bins(trial: TargetTrial, score: np.ndarray, arms: list[np.ndarray]) -> pd.DataFrame:
    edges = np.linspace(0, 1, 21)
    tables = []
    for label, own in zip(trial.labels, arms):
        n = np.histogram(score[own], edges)[0]
        tables.append(pd.DataFrame({"arm": label, "lower": edges[:-1], "upper": edges[1:], "n": n}))
    return pd.concat(tables, ignore_index=True)
