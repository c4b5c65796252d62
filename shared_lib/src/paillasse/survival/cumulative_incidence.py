"""The Aalen-Johansen estimator of the cumulative incidence of competing causes, its variance and limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.errors import InputError
from paillasse.survival._counts import Counts, TimeAxis, counts, inverse
from paillasse.survival._input import Columns, half_width, outcome_by_cause
from paillasse.survival.kaplan_meier import product_limit
from paillasse.tables import View, rows_left_out


@dataclass(frozen=True, repr=False)
class CumulativeIncidence(Result):
    """Cumulative incidences of competing causes.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each group, cause and distinct time: `group`, `cause` (its code), `time` (the unit of `duration`),
        `incidence` (the probability of an event of the cause by then), `std_err`, `lower`, `upper` (NaN where the
        incidence is 0).
    at_risk : pandas.DataFrame
        A row for each group and distinct time: `group`, `time`, `n_risk` (just before), `n_event` (of any cause),
        `n_censor`: rows, whatever their weights, as R has them.
    totals : pandas.DataFrame
        A row for each group and cause: `group`, `cause`, `n` (rows), `events`.
    n, n_dropped : int
        Rows used and rows left out for missing values.
    conf_level : float
        Level of all limits.
    """

    table: pd.DataFrame
    at_risk: pd.DataFrame
    totals: pd.DataFrame
    n: int
    n_dropped: int
    conf_level: float
    _n_event: tuple[np.ndarray, ...]  # of each group: rows with an event, causes × times
    _weighted: bool

    def at(self, times: Sequence[float]) -> pd.DataFrame:
        """Incidences at given times: `group`, `cause`, `time`, `n_risk`, `incidence`, `std_err`, `lower`, `upper`.

        Before a group's first time these are 0. After its last one the incidence is NaN (not known) unless nobody was
        left without an event.
        """
        times = np.sort(np.atleast_1d(np.asarray(times, dtype=float)))
        start = {"incidence": 0.0, "std_err": 0.0, "lower": 0.0, "upper": 0.0}
        parts = []
        for group, risk in self.at_risk.groupby("group", sort=False, observed=True):
            curves = self.table[self.table["group"] == group]
            n_risk = np.append(risk["n_risk"], 0)[np.searchsorted(risk["time"], times, side="left")]
            place = np.searchsorted(risk["time"], times, side="right")
            event_free = 1 - curves.groupby("cause")["incidence"].last().sum()
            beyond = (times > risk["time"].iloc[-1]) & (event_free > 1e-9)
            for cause, curve in curves.groupby("cause", sort=False):
                part = pd.DataFrame({"group": group, "cause": cause, "time": times, "n_risk": n_risk})
                for name, first in start.items():
                    part[name] = np.where(beyond, np.nan, np.append(first, curve[name])[place])
                parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def figure(
        self,
        causes: Mapping[int, str] | None = None,
        time_unit: str = "",
        title: str = "",
        divide_time_by: float = 1.0,
    ):
        """The curves with their limits and the numbers at risk, as a plotly figure.

        Parameters
        ----------
        causes : mapping of int to str, optional
            The causes to draw, by code, and their names, e.g. ``{1: "Relapse", 2: "Death"}``; all by default.
        time_unit : str
            What the time axis counts after the division, e.g. ``"years"``.
        divide_time_by : float
            E.g. 365.25 to draw days as years.
        """
        from paillasse.figures import cumulative_incidence_curves

        known = self.table["cause"].unique()
        causes = {int(cause): f"Cause {cause}" for cause in known} if causes is None else causes
        if not set(causes) <= set(known) or not causes:
            raise InputError(f"causes must name some of the causes {', '.join(map(str, known))}.")
        table, at_risk = (each.assign(time=each["time"] / divide_time_by) for each in (self.table, self.at_risk))
        return cumulative_incidence_curves(table, at_risk, causes, time_unit, title)

    def _safe(self, policy: Policy):
        from paillasse.survival._safe_curves import safe_cumulative_incidence

        return safe_cumulative_incidence(self, policy)

    def view(self) -> View:
        last = self.table.groupby(["group", "cause"], sort=False, observed=True).last().reset_index()
        table = self.totals.assign(**{name: last[name] for name in ("time", "incidence", "lower", "upper")})
        note = f"Incidence by the group's last time, with {100 * self.conf_level:g}% limits (log)."
        return View(
            f"Cumulative incidence: {self.n} patients", table, (note, *rows_left_out(self.n_dropped)), {"time": 1}
        )


def cumulative_incidence(
    data: pd.DataFrame,
    duration: str,
    event: str,
    by: Columns | None = None,
    entry: str | None = None,
    weights: str | None = None,
    conf_level: float = 0.95,
) -> CumulativeIncidence:
    r"""Aalen-Johansen estimate of the cumulative incidence of each cause, by group.

    .. math:: \hat F_j(t) = \sum_{t_k \le t} \hat S(t_k-) \, d_{jk} / n_k

    where S is the Kaplan-Meier estimate of being free of all causes. The variance is the infinitesimal jackknife's (the
    sum of squared influences of the rows on the estimate), which is robust to any weights; all as R's
    `survfit(Surv(time, factor(event)) ~ by)`. One minus Kaplan-Meier with the other causes censored would be too large.

    Parameters
    ----------
    data : pandas.DataFrame
        A row a patient. Rows with a missing value in a column used here are left out and counted.
    duration, event : str
        Columns of the follow-up time (any unit) and of the event: 0 = censored, 1, 2, … the cause.
    by : str or list of str, optional
        Column or columns that make the groups.
    entry : str, optional
        Column of the time of delayed entry; a patient is at risk for entry < t ≤ duration.
    weights : str, optional
        Column of case weights. A weight of 2 is not a row twice for the variance: it still is one patient.
    conf_level : float
        Level of the limits, which are symmetric on the log scale.

    Returns
    -------
    CumulativeIncidence

    Raises
    ------
    InputError
        If a column is missing or not usable, an event code is not a whole number from 0, or no event is left.

    References
    ----------
    Aalen and Johansen (1978), Scand J Stat 5:141.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"months": [2, 4, 4, 6, 9], "cause": [1, 2, 0, 1, 0]})
    >>> found = cumulative_incidence(data, "months", "cause")
    >>> found.table[["cause", "time", "incidence", "std_err"]].round(6)
       cause  time  incidence   std_err
    0      1   2.0        0.2  0.178885
    1      1   4.0        0.2  0.178885
    2      1   6.0        0.5  0.254951
    3      1   9.0        0.5  0.254951
    4      2   2.0        0.0  0.000000
    5      2   4.0        0.2  0.178885
    6      2   6.0        0.2  0.178885
    7      2   9.0        0.2  0.178885
    """
    z = half_width(conf_level)
    seen, codes = outcome_by_cause(data, duration, event, by=by, entry=entry, weights=weights)
    if not seen.event.any():
        raise InputError(f"There is no event in column {event!r}, so there is no incidence to estimate.")
    causes = np.unique(codes[seen.event])
    curves, risks, totals, by_cause = [], [], [], []
    for code, label in enumerate(seen.labels):
        rows = slice(None) if len(seen.labels) == 1 else seen.group == code
        entered, mass = (None if each is None else each[rows] for each in (seen.entry, seen.weights))
        at = counts(seen.duration[rows], seen.event[rows], entered, mass)
        incidence, std_err = _estimate(at, seen.duration[rows], codes[rows], causes, entered, mass)
        curves.append(_table(label, at.time, causes, incidence, std_err, z))
        rows_at = at if mass is None else counts(seen.duration[rows], seen.event[rows], entered)
        numbers = {"time": at.time, "n_risk": rows_at.n_risk, "n_event": rows_at.n_event, "n_censor": rows_at.n_censor}
        risks.append(pd.DataFrame({"group": pd.Series([label] * len(at.time)), **numbers}))
        place = TimeAxis(at.time).place(seen.duration[rows])
        own = [np.bincount(place[codes[rows] == cause], minlength=len(at.time)) for cause in causes]
        by_cause.append(np.array(own))
        n_events = [int(each.sum()) for each in by_cause[-1]]
        totals.append(pd.DataFrame({"group": label, "cause": causes, "n": len(codes[rows]), "events": n_events}))
    return CumulativeIncidence(
        table=pd.concat(curves, ignore_index=True),
        at_risk=pd.concat(risks, ignore_index=True),
        totals=pd.concat(totals, ignore_index=True),
        n=seen.n,
        n_dropped=seen.n_dropped,
        conf_level=conf_level,
        _n_event=tuple(by_cause),
        _weighted=weights is not None,
    )


def _estimate(at: Counts, duration, codes, causes, entry, weights) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Incidence and standard error of each cause at each distinct time of one group.

    Row i's influence on F(t), ∂F(t)/∂wᵢ, is a line in two functions of t, so that sums of squares over rows are
    polynomials in these whose coefficients are cumulative sums. With a = 1/(n − d), B = Σ d a/n (Greenwood's sum),
    c = S(t−) dⱼ/n (the steps of F), r(t) = F(∞) − F(t) and K = Σ (B(t−) c − c/n), a row from E to T has the influence

        K(t) − K(E) + B(E) (r(t) − r(E))                                             while at risk, t < T
        K(T) − K(E) + B(E) (r(T) − r(E)) + [event j] S(T−)/n(T) + g (r(T) − r(t))    from T on

    with g = B(T) − B(E) − [any event] a(T), its influence on log S. Written in r rather than in F, because late in the
    follow-up g is large where r is small.
    """
    axis, size = TimeAxis(at.time), len(at.time)
    leave = axis.up_to(duration) - 1
    square = np.ones(len(duration)) if weights is None else weights**2
    free_before = np.append(1.0, product_limit(at)[:-1])
    a = inverse(at.n_risk - at.n_event, at.n_risk)
    b = np.cumsum(np.where(at.n_event > 0, at.n_event * a * inverse(at.n_risk), 0.0))
    b_before = np.append(0.0, b[:-1])
    step = free_before * inverse(at.n_risk)
    any_event = codes > 0
    g = b[leave] - np.where(any_event, a[leave], 0.0)
    enter = None
    if entry is not None:
        enter = axis.up_to(entry)
        b_entry = np.append(0.0, b)[enter]
        g = g - b_entry
    still_there = _still_there(leave, enter, square, size)
    incidences, errors = [], []
    for cause in causes:
        own = codes == cause
        c = step * np.bincount(leave, own if weights is None else weights * own, size)
        from_end = np.append(np.cumsum(c[::-1])[::-1], 0.0)
        r = from_end[1:]
        k = np.append(0.0, np.cumsum(c * (b_before - inverse(at.n_risk))))
        # At risk: K(t) + B(E) r(t) + start. Gone: end − g r(t).
        end = k[leave + 1] + g * r[leave] + np.where(own, step[leave], 0.0)
        squares, crosses = k[1:] ** 2 * still_there(None), 0.0
        if enter is not None:
            start = -k[enter] - b_entry * from_end[enter]
            end = end + start + b_entry * r[leave]
            squares += r**2 * still_there(b_entry**2) + still_there(start**2)
            crosses = k[1:] * (r * still_there(b_entry) + still_there(start)) + r * still_there(start * b_entry)
        flat, mixed, steep = (np.cumsum(np.bincount(leave, square * v, size)) for v in (end**2, end * g, g**2))
        squares += flat + r**2 * steep
        variance = squares + 2 * (crosses - r * mixed)
        incidence = np.cumsum(c)
        # Rounding must leave no trace where the variance is 0: before the first event, or with nobody left.
        told = (incidence > 0) & (variance > 1e-14 * np.maximum.accumulate(squares))
        errors.append(np.sqrt(np.where(told, variance, 0.0)))
        incidences.append(incidence)
    return incidences, errors


def _still_there(leave, enter, square, size):
    """A function that sums a value of the rows (1 if None) times `square` over those with entry < t < duration."""

    def from_end(place, values):
        return np.append(np.cumsum(np.bincount(place, values, size)[::-1])[::-1], 0.0)[1:]

    def summed(values):
        values = square if values is None else square * values
        return from_end(leave, values) - (0 if enter is None else from_end(enter, values))

    return summed


def _table(label, time, causes, incidence, std_err, z) -> pd.DataFrame:
    incidence, std_err = np.concatenate(incidence), np.concatenate(std_err)
    with np.errstate(invalid="ignore", divide="ignore"):
        width = np.exp(z * std_err / incidence)
        lower, upper = incidence / width, np.minimum(incidence * width, 1)
    columns = {"cause": np.repeat(causes, len(time)), "time": np.tile(time, len(causes)), "incidence": incidence}
    columns |= {"std_err": std_err, "lower": np.where(incidence > 0, lower, np.nan)}
    columns |= {"upper": np.where(incidence > 0, upper, np.nan)}
    return pd.DataFrame({"group": pd.Series([label] * len(incidence)), **columns})
