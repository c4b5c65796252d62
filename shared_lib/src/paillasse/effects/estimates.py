"""Estimates of a weighted trial: differences of restricted means and of incidences, the hazard ratio."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr

from paillasse.disclosure import Policy, Result
from paillasse.effects._curves import Curve, curve, incidence_at, restricted_mean
from paillasse.effects._rows import Rows, std_err
from paillasse.effects.target_trial import TargetTrial
from paillasse.effects.weights import WeightedTrial
from paillasse.errors import InputError, did_you_mean
from paillasse.survival._cox_fit import maximise
from paillasse.survival._input import half_width
from paillasse.survival._partial_likelihood import evaluate, risk_sets, score_residuals
from paillasse.survival.cox import TIES
from paillasse.tables import View, rows_left_out


@dataclass(frozen=True, repr=False)
class Contrast(Result):
    """What is expected in each arm, and the difference.

    Attributes
    ----------
    table : pandas.DataFrame
        A row an arm, the reference first: `arm`, `estimate`, `std_err`, `lower`, `upper`.
    difference : pandas.DataFrame
        One row, the second arm less the first: `contrast`, `difference`, `std_err`, `fixed_std_err` (had the weights
        been known), `lower`, `upper`, `p_value`.
    measure : str
        What is estimated, in words.
    how : str
        The weights or models in words.
    tau : float
        The horizon, in the unit of the durations.
    conf_level : float
        Level of the limits.
    """

    table: pd.DataFrame
    difference: pd.DataFrame
    measure: str
    how: str
    tau: float
    conf_level: float
    n_dropped: int
    trial: TargetTrial
    _influence: np.ndarray  # patients × arms: patient-level, so never shown nor stored with a result
    _totals: pd.DataFrame  # a row an arm: n, events up to tau, effective sample size
    _span: float  # the range in which one patient's own value can lie

    def _safe(self, policy: Policy):
        from paillasse.effects._safe import safe_contrast

        return safe_contrast(self, policy)

    def view(self) -> View:
        told = self.difference.iloc[0]
        level = f"{100 * self.conf_level:g}%"
        columns = {"contrast": "arm", "difference": "estimate"}
        table = pd.concat([self.table, self.difference.rename(columns=columns)], ignore_index=True)
        table = table[["arm", "estimate", "std_err", "lower", "upper", "p_value"]]
        notes = (
            f"{self.how[:1].upper()}{self.how[1:]}; {level} limits.",
            f"Standard error of the difference with the weights taken as known: {told['fixed_std_err']:.3g}.",
            *rows_left_out(self.n_dropped),
        )
        return View(self.measure, table, notes)


@dataclass(frozen=True, repr=False)
class MarginalHazardRatio(Result):
    """The hazard ratio of the arms in the weighted trial.

    Attributes
    ----------
    table : pandas.DataFrame
        One row, the second arm against the first: `contrast`, `coef`, `hazard_ratio`, `std_err` (of coef),
        `fixed_std_err` (had the weights been known: R's robust one), `lower`, `upper` (of the hazard ratio), `z`,
        `p_value`.
    how : str
        The weights in words.
    """

    table: pd.DataFrame
    how: str
    conf_level: float
    n_dropped: int
    trial: TargetTrial
    _influence: np.ndarray  # of each patient on coef; patient-level, so never shown nor stored with a result
    _totals: pd.DataFrame

    def figure(self, title: str = ""):
        """The hazard ratio with its limits, as a forest plot."""
        from paillasse.figures import forest

        return forest(self.table, label="contrast", title=title, conf_level=self.conf_level)

    def _safe(self, policy: Policy):
        from paillasse.effects._safe import safe_hazard_ratio

        return safe_hazard_ratio(self, policy)

    def view(self) -> View:
        columns = ["contrast", "hazard_ratio", "lower", "upper", "coef", "std_err", "fixed_std_err", "p_value"]
        notes = (
            f"{self.how[:1].upper()}{self.how[1:]}; {100 * self.conf_level:g}% limits of the hazard ratio.",
            "fixed std err: had the weights been known.",
            *rows_left_out(self.n_dropped),
        )
        return View("Marginal hazard ratio", self.table[columns], notes)


def rmst_difference(weighted: WeightedTrial, tau: float, conf_level: float = 0.95) -> Contrast:
    r"""Difference of the restricted mean survival times up to `tau`, second arm less first.

    .. math:: \hat\mu_a(\tau) = \int_0^\tau \hat S_a(t)\,dt

    with :math:`\hat S_a` the weighted Kaplan-Meier curve of arm a. Standard errors are by influence functions, with the
    estimation of the weights (M-estimation).

    Parameters
    ----------
    weighted : WeightedTrial
    tau : float
        The horizon, in the unit of the durations.
    conf_level : float

    Returns
    -------
    Contrast

    Raises
    ------
    InputError
        If `tau` is not positive or an arm is not followed until then.

    References
    ----------
    Royston and Parmar (2013), BMC Med Res Methodol 13:152. Conner and others (2019), Stat Med 38:3832.

    Examples
    --------
    >>> from paillasse.effects import sequential_trials, simulated_world, weigh
    >>> world = simulated_world(seed=1, n_partners=1, n_classes=1)
    >>> trials = sequential_trials(world.trial(), world.patients(800, seed=1), controls=2)
    >>> weighted = weigh(trials.trial, trials.data)
    >>> rmst_difference(weighted, tau=730).difference[["difference", "std_err"]].round().iloc[0].tolist()
    [11.0, 23.0]
    """
    need_horizon(tau)
    rows, means, influence = weighted._rows, [], []
    for code, label in enumerate(weighted.trial.labels):
        own, seen = curve_of(rows, code)
        need_follow_up(seen, tau, label)
        mean, psi = restricted_mean(seen, tau)
        means.append(mean)
        influence.append(placed(rows, own, psi))
    unit = f" {weighted.trial.time_unit}".rstrip()
    measure = f"Restricted mean survival time up to {tau:g}{unit}"
    return _contrast(weighted, measure, means, np.column_stack(influence), tau, conf_level, float(tau), rows.cause > 0)


def incidence_difference(weighted: WeightedTrial, cause: int, tau: float, conf_level: float = 0.95) -> Contrast:
    """Difference of the cumulative incidences of one cause by `tau`, second arm less first, other causes competing.

    The weighted Aalen-Johansen estimate; standard errors by influence functions, with the estimation of the weights.

    Parameters
    ----------
    weighted : WeightedTrial
        Of a trial whose `event` is 0 for censored and 1, 2, … for the causes.
    cause : int
    tau : float
        By when, in the unit of the durations.
    conf_level : float

    Returns
    -------
    Contrast

    Raises
    ------
    InputError
        If nobody has an event of that cause, or an arm is not followed until `tau`.

    References
    ----------
    Aalen and Johansen (1978), Scand J Stat 5:141. The curves: :func:`incidence_by_arm`.

    Examples
    --------
    >>> from paillasse.effects import sequential_trials, simulated_world, weigh
    >>> world = simulated_world(seed=1, n_partners=1, n_classes=1)
    >>> trials = sequential_trials(world.trial(), world.patients(800, seed=1), controls=2)
    >>> weighted = weigh(trials.trial, trials.data)
    >>> incidence_difference(weighted, cause=1, tau=730).table["estimate"].round(1).tolist()
    [0.7, 0.7]
    """
    need_horizon(tau)
    rows, values, influence = weighted._rows, [], []
    need_cause(weighted, cause)
    for code, label in enumerate(weighted.trial.labels):
        own, seen = curve_of(rows, code)
        need_follow_up(seen, tau, label)
        value, psi = incidence_at(seen, rows.cause[own] == cause, tau)
        values.append(value)
        influence.append(placed(rows, own, psi))
    unit = f" {weighted.trial.time_unit}".rstrip()
    measure = f"Cumulative incidence of cause {cause} by {tau:g}{unit}"
    own_cause = rows.cause == cause
    return _contrast(weighted, measure, values, np.column_stack(influence), tau, conf_level, 1.0, own_cause)


def hazard_ratio(
    weighted: WeightedTrial, cause: int | None = None, ties: str = "efron", conf_level: float = 0.95
) -> MarginalHazardRatio:
    """The hazard ratio of the second arm against the first, by a weighted Cox model of the arm alone.

    It averages over follow-up where hazards are not proportional, and over patients (it is not the ratio of alike
    patients, even without confounding). The standard error is the sandwich of the weighted score, with the estimation
    of the weights; `fixed_std_err` is R's ``coxph(…, weights, robust = TRUE)``.

    Parameters
    ----------
    weighted : WeightedTrial
    cause : int, optional
        The cause whose hazard is compared, others censoring; without it any event.
    ties : {"efron", "breslow"}
    conf_level : float

    Returns
    -------
    MarginalHazardRatio

    Raises
    ------
    InputError
        If an arm has no event, or `ties` is not known.

    References
    ----------
    Lin and Wei (1989), J Am Stat Assoc 84:1074. Austin (2016), Stat Med 35:5642; Shu and others (2021), Biometrics 77:
    1101, on estimated weights.

    Examples
    --------
    >>> from paillasse.effects import sequential_trials, simulated_world, weigh
    >>> world = simulated_world(seed=1, n_partners=1, n_classes=1)
    >>> trials = sequential_trials(world.trial(), world.patients(800, seed=1), controls=2)
    >>> weighted = weigh(trials.trial, trials.data)
    >>> hazard_ratio(weighted).table["hazard_ratio"].round(1).tolist()
    [1.0]
    """
    if ties not in TIES:
        raise InputError(f"ties={ties!r} is not known. {did_you_mean(ties, TIES)}")
    rows, z = weighted._rows, half_width(conf_level)
    event = rows.cause > 0 if cause is None else rows.cause == cause
    for code, label in enumerate(weighted.trial.labels):
        if not event[rows.of_arm(code)].any():
            raise InputError(f"Arm {label!r} has no event, so that the ratio of hazards is 0 or infinite.")
    x = rows.arm[:, None].astype(float)
    x -= x.mean()
    sets = risk_sets(rows.stop, event, rows.entry, rows.weights, np.zeros(len(x), int), ties)

    def at_coefficient(beta):
        return evaluate(sets, x, rows.weights, beta)

    coef, at = maximise(at_coefficient, at_coefficient(np.zeros(1)), [weighted.trial.treatment])
    residual = np.concatenate([block for _, block in score_residuals(sets, x, at)])[:, 0]
    psi = rows.weights * residual / at.information[0, 0]
    influence = rows.by_patient(psi)
    error, fixed = std_err(influence), std_err(rows.by_patient(psi, weights_known=True))
    value, width = coef[0], z * error
    line = {"contrast": _against(weighted.trial), "coef": value, "hazard_ratio": np.exp(value), "std_err": error}
    line |= {"fixed_std_err": fixed, "lower": np.exp(value - width), "upper": np.exp(value + width)}
    line |= {"z": value / error, "p_value": 2 * ndtr(-abs(value / error))}
    totals = _totals(weighted, event, np.inf)
    return MarginalHazardRatio(
        pd.DataFrame([line]), weighted.how, conf_level, weighted.n_dropped, weighted.trial, influence, totals
    )


def contrast_tables(
    trial: TargetTrial, values: Sequence[float], influence: np.ndarray, fixed: float, z: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table of the arms and that of their difference, from each patient's influence on both."""
    values = np.asarray(values, dtype=float)
    error = std_err(influence)
    table = {"arm": trial.labels, "estimate": values, "std_err": error}
    table |= {"lower": values - z * error, "upper": values + z * error}
    difference = values[1] - values[0]
    error = float(std_err(influence[:, 1] - influence[:, 0]))
    line = {"contrast": _against(trial), "difference": difference, "std_err": error, "fixed_std_err": fixed}
    line |= {"lower": difference - z * error, "upper": difference + z * error}
    with np.errstate(divide="ignore", invalid="ignore"):
        line |= {"p_value": 2 * ndtr(-np.abs(np.divide(difference, error)))}
    return pd.DataFrame(table), pd.DataFrame([line])


def need_horizon(tau: float) -> None:
    if not (np.isfinite(tau) and tau > 0):
        raise InputError("The horizon tau is a positive time.")


def need_cause(weighted: WeightedTrial, cause: int) -> None:
    if not (weighted._rows.cause == cause).any():
        raise InputError(f"There is no event of cause {cause!r} in column {weighted.trial.event!r}.")


def need_follow_up(seen: Curve, tau: float, label: str) -> None:
    """Refuse a horizon up to which an arm is not known."""
    if seen.time[-1] < tau and seen.survival[-1] > 0:
        raise InputError(
            f"Arm {label!r} is not followed until tau = {tau:g} with patients still event-free. Choose tau within the "
            "follow-up of both arms."
        )


def _contrast(weighted, measure, values, psi, tau, conf_level, span, event) -> Contrast:
    rows = weighted._rows
    influence = rows.by_patient(psi)
    fixed = float(std_err(rows.by_patient(psi[:, 1] - psi[:, 0], weights_known=True)))
    tables = contrast_tables(weighted.trial, values, influence, fixed, half_width(conf_level))
    totals = _totals(weighted, event, tau)
    return Contrast(
        *tables,
        measure,
        weighted.how,
        float(tau),
        conf_level,
        weighted.n_dropped,
        weighted.trial,
        influence,
        totals,
        span,
    )


def curve_of(rows: Rows, code: int) -> tuple[np.ndarray, Curve]:
    own = rows.of_arm(code)
    entry = None if rows.entry is None else rows.entry[own]
    return own, curve(rows.stop[own], rows.cause[own] > 0, rows.weights[own], entry)


def placed(rows: Rows, own: np.ndarray, psi: np.ndarray) -> np.ndarray:
    """ψ of one arm's rows among all rows."""
    every = np.zeros(len(rows.stop))
    every[own] = psi
    return every


def _totals(weighted: WeightedTrial, event: np.ndarray, tau: float) -> pd.DataFrame:
    rows, lines = weighted._rows, []
    for code in (0, 1):
        own = rows.of_arm(code)
        counted = np.unique(rows.patient[own & event & (rows.stop <= tau)])
        lines.append([len(np.unique(rows.patient[own])), len(counted)])
    totals = pd.DataFrame(lines, columns=["n", "events"])
    return totals.assign(effective=weighted.table["effective"].to_numpy())


def _against(trial: TargetTrial) -> str:
    return f"{trial.labels[1]} against {trial.labels[0]}"
