"""The Kaplan-Meier estimator, its limits, medians and survival at given times."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.errors import InputError, did_you_mean
from paillasse.survival._counts import Counts, counts_by_group
from paillasse.survival._input import Columns, Outcome, half_width, outcome
from paillasse.tables import View, rows_left_out, time_decimals

CONF_TYPES = ("log", "log-log", "plain")
EQUAL = np.sqrt(np.finfo(float).eps)  # R's tolerance when a curve runs flat exactly at a quantile


@dataclass(frozen=True, repr=False)
class KaplanMeier(Result):
    """A Kaplan-Meier estimate.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each group and distinct time: `group`, `time` (the unit of `duration`), `n_risk` (just before),
        `n_event`, `n_censor`, `survival`, `std_err` (of the survival; NaN where the survival is 0), `lower`, `upper`.
    n, n_events, n_dropped : int
        Rows used, events among them, rows left out for missing values.
    conf_level : float
        Level of all limits.
    """

    table: pd.DataFrame
    n: int
    n_events: int
    n_dropped: int
    conf_level: float
    conf_type: str

    @property
    def median(self) -> pd.DataFrame:
        """Median survival: `group`, `median`, `lower`, `upper`; NaN where the curve does not reach it."""
        return self.quantile(0.5).rename(columns={"time": "median"}).drop(columns="probability")

    def quantile(self, probability: float) -> pd.DataFrame:
        """The time by which a share `probability` of the patients had the event.

        Where the curve is flat exactly at 1 − `probability`, the middle of the flat part is taken; limits are where
        the curve's own limits cross (Brookmeyer and Crowley 1982). Both as R's `quantile.survfit`.

        Returns
        -------
        pandas.DataFrame
            `group`, `probability`, `time`, `lower`, `upper`; NaN where not reached.
        """
        if not 0 < probability < 1:
            raise InputError("A quantile's probability lies between 0 and 1, both excluded.")
        rows = []
        for group, curve in self.table.groupby("group", sort=False, observed=True):
            crossings = (
                _crossing(curve["time"], curve[name], 1 - probability) for name in ("survival", "lower", "upper")
            )
            rows.append([group, probability, *crossings])
        return pd.DataFrame(rows, columns=["group", "probability", "time", "lower", "upper"])

    def at(self, times: Sequence[float]) -> pd.DataFrame:
        """Survival at given times: `group`, `time`, `n_risk`, `survival`, `std_err`, `lower`, `upper`.

        After a group's last time the survival is NaN (not known) unless it had come down to 0, as R's
        `summary.survfit` leaves such times out. A limit that does not exist is NaN.
        """
        times = np.sort(np.atleast_1d(np.asarray(times, dtype=float)))
        start = {"survival": 1.0, "std_err": 0.0, "lower": 1.0, "upper": 1.0}
        parts = []
        for group, curve in self.table.groupby("group", sort=False, observed=True):
            place = np.searchsorted(curve["time"], times, side="right")
            part = pd.DataFrame({"group": group, "time": times})
            at_risk = np.append(curve["n_risk"], 0)[np.searchsorted(curve["time"], times, side="left")]
            part["n_risk"] = at_risk
            beyond = (times > curve["time"].iloc[-1]) & (curve["survival"].iloc[-1] > 0)
            for name, first in start.items():
                part[name] = np.where(beyond, np.nan, np.append(first, curve[name])[place])
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def figure(self, time_unit: str = "", title: str = "", divide_time_by: float = 1.0):
        """The curves with their limits and the numbers at risk, as a plotly figure.

        Parameters
        ----------
        time_unit : str
            What the time axis counts after the division, e.g. ``"years"``.
        divide_time_by : float
            E.g. 365.25 to draw days as years.
        """
        from paillasse.figures import survival_curves

        table = self.table.assign(time=self.table["time"] / divide_time_by)
        return survival_curves(table, time_unit=time_unit, title=title)

    def _safe(self, policy: Policy):
        from paillasse.survival._safe_curves import safe_kaplan_meier

        return safe_kaplan_meier(self, policy)

    def view(self) -> View:
        size = self.table.groupby("group", sort=False, observed=True)
        table = self.median.assign(n=size["n_risk"].first().to_numpy(), events=size["n_event"].sum().to_numpy())
        table = table[["group", "n", "events", "median", "lower", "upper"]]
        title = f"Kaplan-Meier: {self.n} patients, {self.n_events} events"
        limits = f"Median with {100 * self.conf_level:g}% limits ({self.conf_type}), in the unit of the durations; "
        limits += "empty where not reached."
        if self.table["n_risk"].mod(1).any():
            limits += " Numbers are weighted."
        decimals = dict.fromkeys(("median", "lower", "upper"), time_decimals(self.table["time"]))
        return View(title, table, (limits, *rows_left_out(self.n_dropped)), decimals)


def kaplan_meier(
    data: pd.DataFrame,
    duration: str,
    event: str,
    by: Columns | None = None,
    entry: str | None = None,
    weights: str | None = None,
    conf_type: str = "log",
    conf_level: float = 0.95,
) -> KaplanMeier:
    r"""Kaplan-Meier estimate of the survival function, by group.

    .. math:: \hat S(t) = \prod_{t_j \le t} (1 - d_j / n_j)

    with Greenwood's variance, :math:`\hat S^2 \sum d_j / (n_j (n_j - d_j))`. Weights that are whole numbers are taken
    as counts; with any other weights the variance is the infinitesimal jackknife's, as in R's `survfit`.

    Parameters
    ----------
    data : pandas.DataFrame
        A row a patient. Rows with a missing value in a column used here are left out and counted.
    duration, event : str
        Columns of the follow-up time (any unit) and of the event (1 or True, else 0 or False).
    by : str or list of str, optional
        Column or columns that make the groups.
    entry : str, optional
        Column of the time of delayed entry; a patient is at risk for entry < t ≤ duration.
    weights : str, optional
        Column of case weights.
    conf_type : {"log", "log-log", "plain"}
        Scale of the confidence limits; "log" is R's default, lifelines' is "log-log".
    conf_level : float
        Level of the limits.

    Returns
    -------
    KaplanMeier

    Raises
    ------
    InputError
        If a column is missing, is not a number, holds negative or infinite durations or an event other than 0 and 1.

    References
    ----------
    Kaplan and Meier (1958), J Am Stat Assoc 53:457. Kalbfleisch and Prentice (2002), section 1.4.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"months": [2, 4, 4, 6, 9], "died": [1, 1, 0, 1, 0]})
    >>> kaplan_meier(data, "months", "died").table[["time", "n_risk", "survival"]]
       time  n_risk  survival
    0   2.0     5.0       0.8
    1   4.0     4.0       0.6
    2   6.0     2.0       0.3
    3   9.0     1.0       0.3
    """
    if conf_type not in CONF_TYPES:
        raise InputError(f"conf_type={conf_type!r} is not known. {did_you_mean(conf_type, CONF_TYPES)}")
    z = half_width(conf_level)
    seen = outcome(data, duration, event, by=by, entry=entry, weights=weights)
    every = counts_by_group(seen.duration, seen.event, seen.group, len(seen.labels), seen.entry, seen.weights)
    whole = seen.weights is None or not np.mod(seen.weights, 1).any()
    curves = []
    for code, at in enumerate(every):
        own = at.n_event + at.n_censor > 0  # times of other groups are left out
        at = Counts(at.time[own], at.n_risk[own], at.n_event[own], at.n_censor[own])
        variance = _greenwood(at) if whole else _jackknife_variance(at, seen, seen.group == code)
        curves.append(_curve(at, np.sqrt(variance), conf_type, z))
    table = pd.concat(curves, ignore_index=True)
    table.insert(0, "group", pd.Series(seen.labels).repeat([len(curve) for curve in curves]).array)
    return KaplanMeier(
        table=table,
        n=seen.n,
        n_events=np.count_nonzero(seen.event),
        n_dropped=seen.n_dropped,
        conf_level=conf_level,
        conf_type=conf_type,
    )


def product_limit(at: Counts) -> np.ndarray:
    """The survival after each distinct time; exactly 0 once all at risk have the event."""
    with np.errstate(invalid="ignore", divide="ignore"):
        hazard = np.where(at.n_risk > 0, at.n_event / at.n_risk, 0.0)
    return np.cumprod(1 - hazard)


def _curve(at: Counts, relative: np.ndarray, conf_type: str, z: float) -> pd.DataFrame:
    """One group's lines of the table; `relative` is the standard error of log S."""
    survival = product_limit(at)
    lower, upper = limits(survival, relative, conf_type, z)
    with np.errstate(invalid="ignore"):
        std_err = np.where(survival > 0, survival * relative, np.nan)
    columns = {"time": at.time, "n_risk": at.n_risk, "n_event": at.n_event, "n_censor": at.n_censor}
    columns |= {"survival": survival, "std_err": std_err, "lower": lower, "upper": upper}
    return pd.DataFrame(columns)


def _greenwood(at: Counts) -> np.ndarray:
    """Greenwood's variance of log S at each distinct time."""
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(at.n_event > 0, at.n_event / (at.n_risk * (at.n_risk - at.n_event)), 0.0)
    return np.cumsum(steps)


@np.errstate(divide="ignore", invalid="ignore")  # where all at risk have the event S is 0, and no error is told
def _jackknife_variance(at: Counts, seen: Outcome, rows: np.ndarray) -> np.ndarray:
    """Infinitesimal jackknife variance of log S at each distinct time: the sum of squared weighted influences.

    The influence of row i on −log S(t) is A(T_i) [event by t] − B(min(T_i, t)) + B(min(E_i, t)), where
    A = 1/(n − d) at its time and B = Σ d / (n (n − d)); a row still at risk at t adds (B(t) − B(E_i))².
    """
    jump = 1 / (at.n_risk - at.n_event)
    spent = np.cumsum(np.where(at.n_event > 0, at.n_event / at.n_risk * jump, 0.0))
    duration, event, weights = seen.duration[rows], seen.event[rows], seen.weights[rows]
    leave = np.searchsorted(at.time, duration)
    enter = np.zeros_like(leave) if seen.entry is None else np.searchsorted(at.time, seen.entry[rows], side="right")
    before = np.append(0.0, spent)[enter]
    size, square = len(at.time), weights**2
    gone = np.bincount(leave, square * (np.where(event, jump[leave], 0.0) - spent[leave] + before) ** 2, size)

    def still_there(values):  # Σ over rows with entry < t < duration
        entered = np.cumsum(np.bincount(enter, values, size + 1)[:size])
        return entered - np.cumsum(np.bincount(leave, values, size))

    there = spent**2 * still_there(square) - 2 * spent * still_there(square * before)
    return np.cumsum(gone) + there + still_there(square * before**2)


def limits(survival, relative, conf_type, z) -> tuple[np.ndarray, np.ndarray]:
    """Confidence limits of S from the standard error of log S; NaN where S is 0, as in R."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if conf_type == "log":
            lower, upper = survival * np.exp(-z * relative), survival * np.exp(z * relative)
        elif conf_type == "plain":
            lower, upper = survival * (1 - z * relative), survival * (1 + z * relative)
        else:
            centre, width = np.log(-np.log(survival)), z * relative / np.log(survival)
            lower, upper = np.exp(-np.exp(centre - width)), np.exp(-np.exp(centre + width))
            lower, upper = np.where(survival == 1, 1.0, lower), np.where(survival == 1, 1.0, upper)
    known = survival > 0
    return np.where(known, np.maximum(lower, 0), np.nan), np.where(known, np.minimum(upper, 1), np.nan)


def _crossing(time: pd.Series, curve: pd.Series, level: float) -> float:
    known = curve.notna().to_numpy()
    time, curve = time.to_numpy()[known], curve.to_numpy()[known]
    below = np.flatnonzero(curve < level + EQUAL)
    if not len(below):
        return np.nan
    first = below[0]
    after = np.flatnonzero(curve < curve[first] - EQUAL)
    if abs(curve[first] - level) < EQUAL and len(after):
        return (time[first] + time[after[0]]) / 2
    return float(time[first])
