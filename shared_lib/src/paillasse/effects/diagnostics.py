"""What makes an estimate believable: balance, what is not measured, and outcomes that treatment cannot change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.effects._input import need_same_data
from paillasse.effects.estimates import hazard_ratio
from paillasse.effects.target_trial import TargetTrial
from paillasse.effects.weights import WeightedTrial, weigh
from paillasse.errors import InputError
from paillasse.survival._design import design, parsed
from paillasse.tables import View, need_columns

BALANCED = 0.1  # the usual threshold of a standardised difference that still passes
E_VALUE = (
    "A confounder that is tied to treatment and to the outcome by a risk ratio of the E-value each, beyond the "
    "covariates, could explain the estimate away (or move its limit to 1); a weaker one could not."
)


@dataclass(frozen=True, repr=False)
class Balance(Result):
    """Standardised mean differences between the arms, before and after weighting.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a column of the covariates: `covariate`, `before`, `after`: mean of the second arm less that of the first,
        over the standard deviation of all patients, not weighted.
    how : str
        The weights in words.
    at : float
        The time at which those still followed are compared.
    """

    table: pd.DataFrame
    how: str
    at: float
    _n: int  # patients of the smaller arm
    _smallest: np.ndarray  # of each covariate the smallest cell by arm

    @property
    def largest(self) -> pd.Series:
        """The largest absolute difference `before` and `after`."""
        return self.table[["before", "after"]].abs().max()

    def figure(self, title: str = ""):
        """The Love plot: each covariate's difference before and after weighting."""
        from paillasse.figures import love_plot

        return love_plot(self.table, BALANCED, title)

    def _safe(self, policy: Policy):
        from paillasse.effects._safe import safe_balance

        return safe_balance(self, policy)

    def view(self) -> View:
        largest = self.largest
        when = f" of those followed beyond {self.at:g}" if self.at else ""
        title = f"Standardised differences{when}: at most {largest['before']:.3f} before, {largest['after']:.3f} after"
        how = f"{self.how[:1].upper()}{self.how[1:]}."
        note = f"{how} Over the standard deviation of all patients; {BALANCED:g} is taken as small."
        return View(title, self.table, (note,))


def balance(
    weighted: WeightedTrial,
    data: pd.DataFrame | None = None,
    covariates: str | Sequence[str] | None = None,
    at: float = 0.0,
) -> Balance:
    r"""Compare the covariates of both arms, before and after weighting.

    .. math:: (\bar x_1 - \bar x_0) / s

    with weighted means of the arms, and s the standard deviation of all patients, not weighted.

    Parameters
    ----------
    weighted : WeightedTrial
    data : pandas.DataFrame, optional
        The data that it was made of, where other covariates than the trial's are compared.
    covariates : str or list of str, optional
        These others: plain columns where the trial has splines of them, or what was left out of the model.
    at : float
        Among those still followed after this time; for :func:`clones` the end of the grace period shows what weighting
        must mend, since at time zero clones are alike.

    Returns
    -------
    Balance

    References
    ----------
    Austin (2009), Stat Med 28:3083.

    Examples
    --------
    >>> from paillasse.effects import sequential_trials, simulated_world, weigh
    >>> world = simulated_world(seed=1, n_partners=1, n_classes=1)
    >>> trials = sequential_trials(world.trial(), world.patients(800, seed=1), controls=2)
    >>> weighted = weigh(trials.trial, trials.data)
    >>> balance(weighted).largest.round(1).tolist()
    [0.1, 0.0]
    """
    rows, seen = weighted._rows, weighted._cohort
    every, names = seen.x, seen.design.names
    if covariates is not None:
        if data is None:
            raise InputError("To compare other covariates than the trial's, give the data too.")
        need_same_data(weighted.trial, seen, data)
        formula, needed = parsed(covariates, data)
        if data[needed].iloc[seen.positions].isna().any(axis=None):
            raise InputError(
                "A covariate to compare is missing for some of the patients analysed; leave them out first."
            )
        built, every = design(formula, data[needed].iloc[seen.positions], seen.positions)
        names = built.names
    there = np.full(len(rows.stop), True) if rows.entry is None and at == 0 else rows.stop > at
    if rows.entry is not None:
        there &= rows.entry <= at
    arms = [there & rows.of_arm(code) for code in (0, 1)]
    counts = [np.count_nonzero(arm) for arm in arms]
    if min(counts) < 2:
        raise InputError(f"At {at:g} an arm has fewer than 2 patients who are still followed.")
    x, deviation = every[rows.source], every.std(axis=0, ddof=1)
    varies = deviation > 1e-12 * np.abs(every).max(axis=0)
    means = {}
    for name, mass in (("before", np.ones(len(rows.weights))), ("after", rows.weights)):
        first, second = (np.where(arm, mass, 0.0) for arm in arms)
        means[name] = (second @ x) / second.sum() - (first @ x) / first.sum()
    table = {"covariate": np.array(names, dtype=object)[varies]}
    table |= {name: values[varies] / deviation[varies] for name, values in means.items()}
    smallest = [min(_smallest_cell(column[arm]) for arm in arms) for column in x.T[varies]]
    return Balance(pd.DataFrame(table), weighted.how, at, min(counts), np.array(smallest))


def _smallest_cell(values: np.ndarray) -> int:
    """The smaller count of a column of two values; of another column its length."""
    levels, n = np.unique(values, return_counts=True)
    return int(n.min() if len(levels) == 2 else len(values) if len(levels) > 2 else 0)


@dataclass(frozen=True, repr=False)
class EValue(Result):
    """How strong an unmeasured confounder would have to be.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for the `estimate` and one for its `limit` nearer to no effect: `of`, `ratio` (hazard ratio), `risk_ratio`
        (as which it is taken), `e_value`.
    """

    table: pd.DataFrame

    def _safe(self, policy: Policy):
        from paillasse.effects._safe import safe_e_value

        return safe_e_value(self, policy)

    def view(self) -> View:
        return View("E-value", self.table, (E_VALUE,), {"e_value": 2})


def e_value(ratio: float, lower: float, upper: float, common: bool = True) -> EValue:
    r"""The E-value of a hazard ratio.

    .. math:: E = RR + \sqrt{RR (RR - 1)}

    with RR the risk ratio or its inverse, whichever is above 1. For a common outcome the hazard ratio is taken as
    :math:`RR = (1 - 0.5^{\sqrt{HR}}) / (1 - 0.5^{\sqrt{1/HR}})`, for a rare one as itself.

    Parameters
    ----------
    ratio, lower, upper : float
        The hazard ratio and its limits.
    common : bool
        Whether more than 15 in 100 have the event by the end of follow-up.

    Returns
    -------
    EValue

    References
    ----------
    VanderWeele and Ding (2017), Ann Intern Med 167:268.

    Examples
    --------
    >>> e_value(0.8, 0.71, 0.91, common=False).table["e_value"].round(2).tolist()
    [1.81, 1.43]
    """
    if not 0 < lower <= ratio <= upper:
        raise InputError("An E-value needs a positive ratio that lies between its limits.")
    nearer = upper if ratio < 1 else lower
    rows = []
    for name, value in (("estimate", ratio), ("limit", nearer)):
        risk = (1 - 0.5 ** np.sqrt(value)) / (1 - 0.5 ** np.sqrt(1 / value)) if common else value
        above = max(risk, 1 / risk)
        crossed = name == "limit" and lower <= 1 <= upper
        rows.append([name, value, risk, 1.0 if crossed else above + np.sqrt(above * (above - 1))])
    return EValue(pd.DataFrame(rows, columns=["of", "ratio", "risk_ratio", "e_value"]))


@dataclass(frozen=True, repr=False)
class NegativeControls(Result):
    """Hazard ratios of outcomes that the treatment cannot change: what they show is confounding, or chance.

    Attributes
    ----------
    table : pandas.DataFrame
        A row an outcome: `outcome`, `hazard_ratio`, `std_err` (of its logarithm), `lower`, `upper`, `p_value`.
    """

    table: pd.DataFrame
    how: str
    conf_level: float
    _totals: list[pd.DataFrame]

    def figure(self, title: str = ""):
        """The hazard ratios with their limits, as a forest plot."""
        from paillasse.figures import forest

        return forest(self.table, label="outcome", title=title, conf_level=self.conf_level)

    def _safe(self, policy: Policy):
        from paillasse.effects._safe import safe_controls

        return safe_controls(self, policy)

    def view(self) -> View:
        note = (
            f"{self.how[:1].upper()}{self.how[1:]}. A ratio off 1 says that the arms differ in what was not measured."
        )
        return View("Negative-control outcomes", self.table, (note,))


def negative_controls(
    trial: TargetTrial,
    data: pd.DataFrame,
    outcomes: Mapping[str, tuple[str, str]],
    kind: str = "overlap",
    conf_level: float = 0.95,
) -> NegativeControls:
    """Estimate the effect on outcomes that the treatment cannot change.

    Parameters
    ----------
    trial : TargetTrial
    data : pandas.DataFrame
    outcomes : mapping of str to (str, str)
        What the outcome is → its columns of duration and event, e.g. ``{"Injury": ("days_to_injury", "injury")}``.
    kind : str
        As in :func:`weigh`.
    conf_level : float

    Returns
    -------
    NegativeControls

    References
    ----------
    Lipsitch, Tchetgen Tchetgen and Cohen (2010), Epidemiology 21:383.

    Examples
    --------
    >>> from paillasse.effects import sequential_trials, simulated_world
    >>> world = simulated_world(seed=1, n_partners=1, n_classes=1)
    >>> trials = sequential_trials(world.trial(), world.patients(800, seed=1), controls=2)
    >>> injured = np.random.default_rng(1).exponential(500, len(trials.data)).round()
    >>> data = trials.data.assign(injury_day=injured, injury=1)
    >>> negative_controls(trials.trial, data, {"Injury": ("injury_day", "injury")}).table["outcome"].tolist()
    ['Injury']
    """
    if not outcomes:
        raise InputError("Name at least one negative-control outcome.")
    lines, totals = [], []
    for name, (duration, event) in outcomes.items():
        need_columns(data, [duration, event])
        weighted = weigh(replace(trial, duration=duration, event=event), data, kind)
        found = hazard_ratio(weighted, conf_level=conf_level)
        lines.append({"outcome": name, **found.table.iloc[0].to_dict()})
        totals.append(found._totals)
    table = pd.DataFrame(lines)[["outcome", "hazard_ratio", "std_err", "lower", "upper", "p_value"]]
    return NegativeControls(table, weighted.how, conf_level, totals)
