"""Gray's test: whether the cumulative incidence of a cause is the same in all groups."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from paillasse.disclosure import Policy, Result
from paillasse.errors import InputError
from paillasse.survival._counts import TimeAxis
from paillasse.survival._input import Columns, outcome_by_cause
from paillasse.tables import View, rows_left_out


@dataclass(frozen=True, repr=False)
class GrayTest(Result):
    """Gray's tests.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a cause: `cause`, `statistic` (χ²), `df` (groups − 1), `p_value`. NaN for a cause with too few events for
        a variance (of which `cmprsk` says −1, or a negative χ²); the view names it.
    totals : pandas.DataFrame
        A row for each cause and group: `cause`, `group`, `n` (rows of the group), `events`.
    n, n_dropped : int
        Rows used and rows left out for missing values.
    """

    table: pd.DataFrame
    totals: pd.DataFrame
    n: int
    n_dropped: int

    def _safe(self, policy: Policy):
        from paillasse.survival._safe_tables import safe_gray

        return safe_gray(self, policy)

    def view(self) -> View:
        notes = ["Each row tests that the cumulative incidence of the cause is the same in all groups."]
        for cause in self.table["cause"][self.table["statistic"].isna()]:
            notes.append(f"Cause {cause} has too few events for a test.")
        return View(f"Gray's test: {self.n} patients", self.table, (*notes, *rows_left_out(self.n_dropped)))


def gray(data: pd.DataFrame, duration: str, event: str, by: Columns, strata: Columns | None = None) -> GrayTest:
    r"""Test for each cause whether its cumulative incidence is the same in all groups.

    The score of group i compares its subdistribution hazard with that of all groups together,

    .. math:: z_i = \sum_t \Big( d_{1i}(t) - d_1(t) \frac{R_i(t)}{\sum_k R_k(t)} \Big), \qquad
        R_i(t) = n_i(t) \frac{1 - \hat F_{1i}(t-)}{\hat S_i(t-)}

    with Gray's variance, ties included. The same as `$Tests` of R's `cmprsk::cuminc` (its rho = 0).

    Parameters
    ----------
    data : pandas.DataFrame
        A row a patient. Rows with a missing value in a column used here are left out and counted.
    duration, event : str
        Columns of the follow-up time (any unit) and of the event: 0 = censored, 1, 2, … the cause.
    by : str or list of str
        Column or columns that make the groups.
    strata : str or list of str, optional
        Columns within whose values the groups are compared.

    Returns
    -------
    GrayTest

    Raises
    ------
    InputError
        If a column is missing or not usable, there is only one group, no event, or no cause that can be tested.

    References
    ----------
    Gray (1988), Ann Stat 16:1141.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"t": range(1, 9), "e": [1, 2, 1, 0, 2, 1, 0, 1], "arm": list("abababba")})
    >>> gray(data, "t", "e", by="arm").table.round(6)
       cause  statistic  df   p_value
    0      1   0.512130   1  0.474218
    1      2   0.053047   1  0.817843
    """
    seen, codes = outcome_by_cause(data, duration, event, by=by, strata=strata)
    k = len(seen.labels)
    if k < 2:
        raise InputError(f"Gray's test compares groups, and {by!r} makes only one in the complete rows.")
    if not seen.event.any():
        raise InputError(f"There is no event in column {event!r}, so the groups cannot be compared.")
    causes = np.unique(codes[seen.event])
    score, variance = np.zeros((len(causes), k)), np.zeros((len(causes), k, k))
    strata_rows = np.split(np.argsort(seen.stratum, kind="stable"), np.cumsum(np.bincount(seen.stratum))[:-1])
    for rows in strata_rows:
        counted = _counted(seen.duration[rows], codes[rows], seen.group[rows], causes, k)
        for place in range(len(causes)):
            z, v = _score(*counted, place)
            score[place] += z
            variance[place] += v
    lines = []
    for cause, z, v in zip(causes, score, variance):
        # The scores sum to 0, so the last is left out.
        smallest, largest = np.linalg.eigvalsh(v[:-1, :-1])[[0, -1]]
        tested = smallest > 1e-7 * largest  # with few events Gray's estimate may even have a negative direction
        statistic = float(z[:-1] @ np.linalg.solve(v[:-1, :-1], z[:-1])) if tested else np.nan
        lines.append([int(cause), statistic, k - 1, float(chdtrc(k - 1, statistic))])
    table = pd.DataFrame(lines, columns=["cause", "statistic", "df", "p_value"])
    if table["statistic"].isna().all():
        raise InputError(f"Column {event!r} has too few events while all groups of {by!r} are at risk for a test.")
    size = np.bincount(seen.group, minlength=k)
    events = {cause: np.bincount(seen.group[codes == cause], minlength=k) for cause in causes}
    totals = [pd.DataFrame({"cause": int(c), "group": seen.labels, "n": size, "events": d}) for c, d in events.items()]
    return GrayTest(table, pd.concat(totals, ignore_index=True), seen.n, seen.n_dropped)


def _counted(duration, codes, group, causes, k) -> tuple[np.ndarray, np.ndarray]:
    """At each time of an event: the rows at risk by group (k × times), and the events (causes × k × times)."""
    event = codes > 0
    time = np.unique(duration[event])
    place, size, group = TimeAxis(time).up_to(duration), len(time), group.astype(np.intp)
    n_risk = np.bincount(group * (size + 1) + place, minlength=k * (size + 1)).reshape(k, size + 1)
    n_risk = np.cumsum(n_risk[:, ::-1], axis=1)[:, ::-1][:, 1:].astype(float)
    cell = (np.searchsorted(causes, codes[event]) * k + group[event]) * size + place[event] - 1
    n_event = np.bincount(cell, minlength=len(causes) * k * size).reshape(len(causes), k, size)
    return n_risk, n_event.astype(float)


def _score(n_risk: np.ndarray, n_event: np.ndarray, place: int) -> tuple[np.ndarray, np.ndarray]:
    """The score of each group for one cause within one stratum, and its variance (k × k).

    Gray's paper, section 3: the score is a sum of martingales of each group's own events; a cause's event in group g
    moves the score by a(g) at once and, through the groups' estimates, all later expectations by what C has ahead.
    """
    k, own, every = len(n_risk), n_event[place], n_event.sum(axis=0)
    other = every - own
    present = n_risk > 0
    survival = np.cumprod(1 - _over(every, n_risk), axis=1)
    before = np.column_stack([np.ones(k), survival[:, :-1]])
    incidence = np.cumsum(before * _over(own, n_risk), axis=1)
    incidence_before = np.column_stack([np.zeros(k), incidence[:, :-1]])
    expanded = _over(n_risk, np.where(present, before, 0))  # n/S, the number that would be at risk without events
    total, events = expanded.sum(axis=0), own.sum(axis=0)
    # The incidence under the hypothesis, of all groups together.
    common = np.cumsum(events / total)
    common_before = np.append(0.0, common[:-1])
    at_risk = expanded * (1 - incidence_before)
    score = (own - events * at_risk / at_risk.sum(axis=0)).sum(axis=1)
    variance = np.zeros((k, k))
    for g in range(k):
        a = np.where(present[g], -expanded * expanded[g] / total, 0.0)
        a[g] += expanded[g]
        c = np.cumsum(a * events / (total * (1 - common_before)), axis=1)
        ahead = c[:, -1:] - c
        share = _over(1 - common, survival[g])
        moved = a + np.where(survival[g] > 0, 1 - share, 1.0) * ahead
        ties = 1 - np.where(events > 1, _over(events - 1, total * before[g] - 1), 0.0)
        variance += (moved * ties * _over(before[g] * events, total * n_risk[g])) @ moved.T
        moved = share * ahead
        ties = 1 - np.where(other[g] > 1, _over(other[g] - 1, n_risk[g] - 1), 0.0)
        variance += (moved * ties * _over(before[g] ** 2 * other[g], n_risk[g] ** 2)) @ moved.T
    return score, variance


def _over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """The quotient, 0 where the denominator is."""
    return np.divide(above, below, out=np.zeros(np.broadcast(above, below).shape), where=below > 0)
