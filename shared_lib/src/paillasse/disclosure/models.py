"""Rules for models: degrees of freedom, terms that rest on few patients, and models that keep their training rows."""

from dataclasses import dataclass

import numpy as np

from paillasse.disclosure.counts import dominated
from paillasse.disclosure.policy import RESIDUAL_FREEDOM, Policy
from paillasse.errors import DisclosureError

# scikit-learn's models that hold coefficients, as many as covariates, and no row.
COEFFICIENTS = {
    "ElasticNet", "GammaRegressor", "Lasso", "LinearRegression", "LogisticRegression", "PoissonRegressor", "Ridge",
    "RidgeClassifier",
}  # fmt: skip
# And those of which every leaf is a group of training rows: what is fitted holds its size and mean.
TREES = {"DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor"}
FORESTS = {"ExtraTreesClassifier", "ExtraTreesRegressor", "RandomForestClassifier", "RandomForestRegressor"}
# All that fitting leaves in such a model, beside its parameters. Another attribute may hold rows: the out-of-bag
# predictions of a forest, residuals, or what somebody put there.
FITTED = {
    "coef_", "intercept_", "classes_", "n_classes_", "n_outputs_", "n_features_in_", "feature_names_in_", "n_iter_",
    "rank_", "singular_", "solver_", "dual_gap_", "max_features_", "tree_", "estimators_", "estimator_", "_n_samples",
    "_n_samples_bootstrap", "_base_loss", "_label_binarizer", "_sparse_coef", "estimator", "estimator_params",
}  # fmt: skip
# Why others are refused, by a part of their class's name; all that is not named here is refused too.
KEEPS_ROWS = {
    "Neighbors": "it keeps its training rows",
    "SVC": "its support vectors are patients",
    "SVR": "its support vectors are patients",
    "SVM": "its support vectors are patients",
    "GaussianProcess": "it keeps its training rows",
    "KernelRidge": "it keeps its training rows",
    "SurvivalForest": "its leaves hold curves with a step at each patient's time",
    "SurvivalTree": "its leaves hold curves with a step at each patient's time",
    "SurvivalAnalysis": "its baseline has a step at each patient's time",
    "Fitter": "it keeps durations and events",
}
FEW_PATIENTS = "too few patients"
PLAIN = (bool, int, float, str, type(None), np.generic)


@dataclass(frozen=True)
class Verdict:
    """Whether a model may leave, and why or why not."""

    may_leave: bool
    reason: str

    def __bool__(self) -> bool:
        return self.may_leave


def model_may_leave(model, policy: Policy) -> Verdict:
    """Whether a fitted model may leave as an object: only if it is known to hold coefficients or large leaves alone.

    The class's name and package decide, what the object holds, and for trees each leaf's number of training rows; no
    package is imported. What is not known here is refused.

    Parameters
    ----------
    model : object
        A fitted model.
    policy : Policy
        Its minimum cell is the least leaf.

    Returns
    -------
    Verdict
        True or false in a condition; `reason` says why.

    Examples
    --------
    >>> model_may_leave(object(), Policy(11, 5)).reason
    'object of builtins is not known to hold no training rows; release its estimates as a table instead'
    """
    name, package = type(model).__name__, type(model).__module__.split(".")[0]
    for kind, reason in KEEPS_ROWS.items():
        if kind in name:
            return Verdict(False, f"{name}: {reason}")
    if package != "sklearn" or name not in COEFFICIENTS | TREES | FORESTS:
        told = f"{name} of {package} is not known to hold no training rows; release its estimates as a table instead"
        return Verdict(False, told)
    trees = [model] if name in TREES else list(getattr(model, "estimators_", ()))
    for part in {id(each): each for each in (model, *trees)}.values():
        if strange := _strange(part):
            return Verdict(False, f"{name} holds {', '.join(strange)}: who knows which rows are in that")
    if name in COEFFICIENTS:
        return Verdict(hasattr(model, "coef_"), f"{name} holds coefficients and no row")
    if not trees or not all(hasattr(tree, "tree_") for tree in trees):
        return Verdict(False, f"{name} is not fitted")
    least = min(_least_leaf(tree.tree_) for tree in trees)
    if least < policy.minimum_cell:
        return Verdict(False, f"{name} has a leaf of fewer than {policy.minimum_cell} training rows")
    return Verdict(True, f"{name}: no leaf has fewer than {policy.minimum_cell} training rows")


def _strange(model) -> list[str]:
    """What a model holds beside plain parameters and what fitting leaves in its class."""
    parameters = model.get_params(deep=False)
    held = {name: value for name, value in vars(model).items() if name not in FITTED}
    held = {name: value for name, value in held.items() if value is not None}
    return sorted(name for name, value in held.items() if name not in parameters or not isinstance(value, PLAIN))


def _least_leaf(tree) -> int:
    """The least number of distinct training rows in a leaf."""
    return int(np.min(np.asarray(tree.n_node_samples)[np.asarray(tree.children_left) == -1]))


def need_freedom(observations: int, parameters: int, policy: Policy) -> None:
    """Refuse a model with fewer than ten residual degrees of freedom.

    Parameters
    ----------
    observations : int
        What the model learns from: events for a hazard, patients for a mean.
    parameters : int
        Coefficients estimated.

    Raises
    ------
    DisclosureError
        There are fewer.
    """
    if policy.minimum_cell > 1 and observations - parameters < RESIDUAL_FREEDOM:
        raise DisclosureError(
            f"no safe form: the model has fewer than {RESIDUAL_FREEDOM} residual degrees of freedom (events less "
            "coefficients); leave terms out."
        )


def rests_on_few(values: np.ndarray, event: np.ndarray, policy: Policy) -> str:
    """Why the coefficient of a covariate tells of few patients; empty where it does not.

    Parameters
    ----------
    values : array of float, shape (n,)
        The covariate, in whatever unit.
    event : array of bool, shape (n,)

    Returns
    -------
    str
        Fewer than the minimum of patients, or of events, differ from the commonest value (of a covariate of two values:
        or have it), or one patient dominates the covariate's variance.
    """
    least = policy.minimum_cell
    distinct, code, number = np.unique(values, return_inverse=True, return_counts=True)
    common = number.argmax()
    sides = [code != common] + ([code == common] if len(distinct) == 2 else [])
    for side in sides:
        if np.count_nonzero(side) < least:
            return FEW_PATIENTS
        if np.count_nonzero(event[side]) < least:
            return f"fewer than {least} events"
    if least > 1 and dominated((values - values.mean()) ** 2):
        return "one patient dominates"
    return ""
