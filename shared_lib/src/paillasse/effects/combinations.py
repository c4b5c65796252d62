"""Many combinations at once: starting each partner beside a backbone treatment, against the backbone alone."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from paillasse.disclosure import Policy, Result
from paillasse.effects._starts import Starts, fit_starts
from paillasse.effects._trials import DAYS_A_MONTH, Contrast, Followed, contrast, first_cause, mean_survival
from paillasse.effects.target_trial import TargetTrial
from paillasse.errors import InputError
from paillasse.survival._design import design, parsed
from paillasse.survival._input import half_width, outcome_by_cause, refuse
from paillasse.tables import View, rows_left_out

BANDS = 7  # of the days of starting: within one the intensities are constant and the weights the same
MOST_SHOWN = 18  # partners of a table that is shown; a scan takes twenty lines of numbers for patients
UNBALANCED = 0.25  # largest standardised difference after weighting with which an estimate is given


@dataclass(frozen=True, repr=False)
class CombinationEffects(Result):
    """The effect of starting each partner.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a partner: `partner`, `partner_class`, `n` (starters), `deaths` (of them, up to the horizon), `toxicities`
        (up to its horizon); `rmst_started`, `rmst_alone`, `delta_rmst`, `delta_rmst_std_err`, `delta_rmst_lower`,
        `delta_rmst_upper` (months); `toxicity_started`, `toxicity_alone`, `delta_toxicity`, `delta_toxicity_std_err`,
        `delta_toxicity_lower`, `delta_toxicity_upper` (risks).
    not_estimable : pandas.DataFrame
        The other partners: `partner`, `partner_class`, `n`, `reason`.
    balance : pandas.DataFrame
        A row a partner of the table: `partner`, `largest_before`, `largest_after` (the largest standardised difference
        of a covariate's mean between starters and others who could have started, unweighted and weighted),
        `effective_n` (of the weighted others).
    covariance : pandas.DataFrame
        Of all estimates with each other, by (outcome, partner): partners share those alone, and patients both outcomes.
    horizon, toxicity_horizon : float
        Months.
    trial : TargetTrial
        What is emulated.
    n, n_dropped : int
        Patients, and rows left out for missing values.
    """

    table: pd.DataFrame
    not_estimable: pd.DataFrame
    balance: pd.DataFrame
    covariance: pd.DataFrame
    horizon: float
    toxicity_horizon: float
    trial: TargetTrial
    conf_level: float
    n: int
    n_dropped: int

    def figure(self, title: str = ""):
        """Each partner's difference in mean survival with its limits, by class."""
        from paillasse.figures import effects_by_class

        return effects_by_class(self.table, title, f"Months gained within {self.horizon:g}", self.conf_level)

    def _safe(self, policy: Policy):
        from paillasse.effects._safe_combinations import safe_effects

        return safe_effects(self, policy)

    def view(self) -> View:
        shown = ["partner", "partner_class", "n", "deaths", "delta_rmst", "delta_rmst_lower", "delta_rmst_upper"]
        shown += ["toxicities", "delta_toxicity", "delta_toxicity_lower", "delta_toxicity_upper"]
        level = f"{100 * self.conf_level:g}%"
        notes = [
            f"Months gained within {self.horizon:g}, and added risk of toxicity within {self.toxicity_horizon:g}, by "
            f"starting the partner, in those who did, from its day on; {level} limits, each for itself.",
            "In no order of merit: see `rank`.",
        ]
        table = self.table
        if len(table) > MOST_SHOWN:
            table = table[table["n"].rank(ascending=False, method="first") <= MOST_SHOWN]
            notes.append(f"The {MOST_SHOWN} with the most starters; `.table` has all.")
        if len(self.not_estimable):
            notes.append(f"{len(self.not_estimable)} partners are not estimable: see `not_estimable`.")
        title = f"{len(self.table)} partners beside the backbone, {self.n:,} patients"
        return View(title, table[shown], (*notes, *rows_left_out(self.n_dropped)))


@threadpool_limits.wrap(limits=1)  # many small products: threads would wait for each other, at seven times the CPU
def combination_effects(
    trial: TargetTrial,
    data: pd.DataFrame,
    toxicity_time: str = "toxicity_time",
    toxicity: str = "toxicity",
    partner_class: str | None = "partner_class",
    horizon: float = 24,
    toxicity_horizon: float = 12,
    least: int = 40,
    conf_level: float = 0.95,
) -> CombinationEffects:
    r"""Estimate the effect of starting each partner within the grace period, against the backbone alone.

    Each day of the grace period is a trial: who starts partner k on it, against all who are alive and have no partner
    yet, until they start one. Nobody is counted before his own start, so no time is immortal. Those alone are weighted
    by their intensity of starting k on that day,

    .. math:: h_k(t)\,\exp(x_i^\top \beta_k) \;/\; P(\text{still alone later} \mid \text{alone at } t, x_i),

    which makes them like k's starters (the effect is that in the treated; as each partner is rare, overlap weights are
    the same to within their share) and lets those who stay alone stand for those who did not. The horizon of each trial
    begins on its day; the trials are averaged as k's starters are spread over the days.

    Standard errors are from influence functions, summed over all trials and arms of a patient, with the estimation of
    :math:`\beta_k` accounted for, that of the probability to remain alone not (it is taken as known); they are widened
    by n/(n - p - 1) for n starters and p covariates. Beside few toxicities the variance is as if two patients more had
    one and two had none (Agresti and Coull), so that an arm without any is not certain.

    Assumed: all that moves both the choice of partner and the outcome is in the trial's covariates, measured at the
    start of the backbone; starts do not depend on toxicities before them; end of follow-up depends on nothing.

    Parameters
    ----------
    trial : TargetTrial
        In days from the start of the backbone. Its `treatment` is the column of the partner first started; of its
        `arms` the first is the value of those without, the second stands for each partner in turn. `treatment_start`
        is the day of the partner's start (missing where there is none), `grace_period` the last day that counts: a
        start after it, or on the day on which follow-up ends, is none. `event` is 1 for death.
    data : pandas.DataFrame
        A row a patient. Rows with a missing value in a column used are left out and counted.
    toxicity_time, toxicity : str
        Columns: days to toxicity, death or end of follow-up; 1 for toxicity, 2 for death without, 0 otherwise.
    partner_class : str, optional
        Column of the partner's class; with None all are of one.
    horizon, toxicity_horizon : float
        Months to which mean survival and the risk of toxicity are compared.
    least : int
        Starters below which there is no estimate.
    conf_level : float
        Level of the limits.

    Returns
    -------
    CombinationEffects

    Raises
    ------
    InputError
        The data contradict the trial, or it has no grace period; a column is missing or holds what it cannot, a
        partner has no start or two classes, nobody is alone, or no partner can be estimated.

    References
    ----------
    Danaei and others (2013), Stat Methods Med Res 22:70 (sequential trials). Li, Morgan and Zaslavsky (2018), J Am Stat
    Assoc 113:390 (overlap weights). Agresti and Coull (1998), Am Stat 52:119.

    Examples
    --------
    >>> from paillasse.effects import simulated_world
    >>> world = simulated_world(seed=1, n_partners=6, n_classes=2)
    >>> trial = world.trial(["age", "poor_performance", "pdl1_high"])
    >>> effects = combination_effects(trial, world.patients(4000, seed=1))
    >>> len(effects.table) + len(effects.not_estimable)
    6
    """
    z = half_width(conf_level)
    for name, value in {"horizon": horizon, "toxicity_horizon": toxicity_horizon, "least": least}.items():
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} must be a positive number.")
    if trial.treatment_start is None or trial.grace_period == 0 or trial.patient is not None:
        raise InputError(
            "Combinations need a trial with `treatment_start` and a positive `grace_period`, and data of a row a "
            "patient (no `patient`)."
        )
    window, toxic_window = (round(months * DAYS_A_MONTH) for months in (horizon, toxicity_horizon))
    grace = int(trial.grace_period) + 1  # days, the last included
    cohort = _cohort(trial, data, partner_class, toxicity_time, toxicity, grace)
    edges = np.rint(np.linspace(0, grace, min(BANDS, grace) + 1)).astype(int)
    starts = _starts(cohort, edges)
    alive = Followed(cohort.duration, cohort.death, cohort.start, cohort.code)
    healthy = cohort.start < cohort.toxicity_time
    tolerant = Followed(
        cohort.toxicity_time,
        cohort.toxicity,
        np.where(healthy, cohort.start, np.inf),
        np.where(healthy, cohort.code, -1),
    )
    gained = contrast(starts, alive, edges, window, 1, mean_survival)
    harmed = contrast(starts, tolerant, edges, toxic_window, 2, first_cause)
    balance = _balance(starts, gained.number, cohort.names)
    reasons = _reasons(gained, harmed, balance, window, toxic_window, least, starts.covariates.shape[1])
    kept = np.flatnonzero([not reason for reason in reasons])
    told = pd.DataFrame({"partner": cohort.names, "partner_class": cohort.classes, "n": gained.number})
    lost = told.assign(reason=reasons).drop(index=kept).reset_index(drop=True)
    if not len(kept):
        raise InputError(
            f"No partner can be estimated: {lost['reason'].iloc[0] if len(lost) else 'nobody started one'}."
        )
    covariance = _covariance(gained, harmed, kept, starts.covariates.shape[1])
    table = told.iloc[kept].assign(
        deaths=gained.events[0, kept].astype(int), toxicities=harmed.events[0, kept].astype(int)
    )
    error = np.sqrt(np.diag(covariance)).reshape(2, len(kept))
    for name, each, unit, own in (("rmst", gained, DAYS_A_MONTH, error[0]), ("toxicity", harmed, 1.0, error[1])):
        difference = each.difference[kept] / unit
        table[f"{name}_started"], table[f"{name}_alone"] = each.started[kept] / unit, each.alone[kept] / unit
        table[f"delta_{name}"], table[f"delta_{name}_std_err"] = difference, own
        table[f"delta_{name}_lower"], table[f"delta_{name}_upper"] = difference - z * own, difference + z * own
    labels = pd.MultiIndex.from_product([["rmst", "toxicity"], table["partner"]], names=["outcome", "partner"])
    return CombinationEffects(
        table=table.reset_index(drop=True),
        not_estimable=lost,
        balance=balance.iloc[kept].reset_index(drop=True),
        covariance=pd.DataFrame(covariance, labels, labels),
        horizon=float(horizon),
        toxicity_horizon=float(toxicity_horizon),
        trial=trial,
        conf_level=conf_level,
        n=len(cohort.code),
        n_dropped=cohort.n_dropped,
    )


@dataclass(frozen=True)
class _Cohort:
    """The checked columns of the complete rows; times in whole days, `code` -1 and `start` infinite without partner."""

    names: list
    classes: list
    code: np.ndarray
    start: np.ndarray
    duration: np.ndarray
    death: np.ndarray
    toxicity_time: np.ndarray
    toxicity: np.ndarray
    x: np.ndarray
    n_dropped: int


def _cohort(
    trial: TargetTrial, data: pd.DataFrame, partner_class: str | None, toxicity_time: str, toxicity: str, grace: int
) -> _Cohort:
    trial.check(data, started_later=True)
    partner, start, death = trial.treatment, trial.treatment_start, trial.event
    formula, needed = parsed(trial.covariates, data)
    used = [*needed, partner, *([] if partner_class is None else [partner_class]), toxicity_time, toxicity]
    seen, died = outcome_by_cause(data, trial.duration, death, complete=used)
    rows = seen.rows
    refuse(died > 1, f"Column {death!r} must be 1 for death and 0 otherwise", rows)
    own = data[[toxicity_time, toxicity]].iloc[rows]
    toxic, caused = outcome_by_cause(own, toxicity_time, toxicity)
    refuse(caused > 2, f"Column {toxicity!r} must be 0, 1 for toxicity or 2 for death without", rows)
    refuse(toxic.duration > seen.duration, f"Column {toxicity_time!r} is after {trial.duration!r}", rows)
    refuse(
        seen.duration <= 0, f"Column {trial.duration!r} must be positive: days from the start of the backbone", rows
    )
    value = data[partner].iloc[rows]
    has = (value != trial.values[0]).to_numpy()
    if has.all() or not has.any():
        raise InputError(
            f"Column {partner!r} has nobody {'without' if has.all() else 'with'} a partner: those without are told by "
            f"the value {trial.values[0]!r} (the first of the trial's `arms`)."
        )
    start_day = data[start].iloc[rows].to_numpy(dtype=float, na_value=np.nan)
    refuse(has & np.isnan(start_day), f"Column {start!r} has no day for a partner that was started", rows)
    names = sorted(value[has].unique().tolist(), key=str)
    classes = ["all"] * len(names)
    if partner_class is not None:
        pairs = pd.DataFrame({"partner": value[has], "class": data[partner_class].iloc[rows][has]}).drop_duplicates()
        if pairs["partner"].duplicated().any():
            twice = pairs.loc[pairs["partner"].duplicated(), "partner"].iloc[0]
            raise InputError(f"Partner {twice!r} has more than one value of {partner_class!r}; give each one class.")
        classes = pairs.set_index("partner")["class"].reindex(names).tolist()
    end = np.ceil(seen.duration)
    code = pd.Index(names).get_indexer(value)
    code = np.where(has & (np.floor(start_day) < np.minimum(end, grace)), code, -1)
    x = design(formula, data[needed].iloc[rows], rows)[1]
    return _Cohort(
        names, classes, code, np.where(code >= 0, np.floor(start_day), np.inf), end, died,
        np.ceil(toxic.duration), caused, x, seen.n_dropped,
    )  # fmt: skip


def _starts(cohort: _Cohort, edges: np.ndarray) -> Starts:
    spread = cohort.x.std(axis=0)
    if not (spread > 0).any():
        raise InputError("No covariate differs between patients, so that nothing tells who starts a partner.")
    x = (cohort.x - cohort.x.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    last = np.minimum(cohort.duration - 1, cohort.start)  # the last day on which a start was possible
    days = np.clip(last[:, None] + 1 - edges[None, :-1], 0, np.diff(edges))
    band = np.searchsorted(edges, np.where(cohort.code >= 0, cohort.start, 0), side="right") - 1
    return fit_starts(x, days, cohort.code, band, len(cohort.names))


def _balance(starts: Starts, number: np.ndarray, names: list) -> pd.DataFrame:
    """How like each partner's starters the others are; its starters are not counted among those who could have."""
    possible = starts.days @ starts.hazard
    weight = possible * starts.relative
    rows = np.flatnonzero(starts.started >= 0)
    own = np.zeros((starts.covariates.shape[1], len(names)))
    np.add.at(own.T, starts.started[rows], starts.covariates[rows])
    own /= np.maximum(number, 1)
    largest = []
    for mass in (possible, weight):
        mass[rows, starts.started[rows]] = 0
        among = starts.covariates.T @ mass / np.maximum(mass.sum(axis=0), np.finfo(float).tiny)
        largest.append(np.abs(own - among).max(axis=0))
    effective = weight.sum(axis=0) ** 2 / np.maximum((weight**2).sum(axis=0), np.finfo(float).tiny)
    return pd.DataFrame(
        {"partner": names, "largest_before": largest[0], "largest_after": largest[1], "effective_n": effective}
    )


def _reasons(
    gained: Contrast, harmed: Contrast, balance: pd.DataFrame, window: int, toxic_window: int, least: int, p: int
) -> list[str]:
    """Why each partner has no estimate; empty where it has one."""
    least = max(least, 2 * (p + 1))
    reasons = []
    for place, after in enumerate(balance["largest_after"]):
        if gained.number[place] < least or harmed.number[place] < least:
            reason = f"fewer than {least} patients started it (without toxicity before)"
        elif gained.events[0, place] == 0:
            reason = "none of its starters died before the horizon"
        elif gained.longest[place] < window or harmed.longest[place] < toxic_window:
            reason = "no starter was followed to the horizon"
        elif after > UNBALANCED:
            reason = f"nobody alone is like its starters (a standardised difference stays above {UNBALANCED:g})"
        else:
            reason = ""
        reasons.append(reason)
    return reasons


def _covariance(gained: Contrast, harmed: Contrast, kept: np.ndarray, p: int) -> np.ndarray:
    """Of the differences of both outcomes (in months, and as risks) of the partners kept."""
    parts = []
    for each, unit in ((gained, DAYS_A_MONTH), (harmed, 1.0)):
        number = each.number[kept]
        parts.append(each.influence[:, kept] * (np.sqrt(number / (number - p - 1)) / unit))
    blocks = [[one.T @ other for other in parts] for one in parts]
    covariance = np.block(blocks)
    number, risk = harmed.number[kept], harmed.started[kept]
    shifted = (number * risk + 2) / (number + 4)
    further = shifted * (1 - shifted) / (number + 4) - risk * (1 - risk) / number
    toxic = np.arange(len(kept), 2 * len(kept))
    covariance[toxic, toxic] += np.maximum(further, 0)
    return covariance
