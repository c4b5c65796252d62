"""Restricted mean survival time: the area under the Kaplan-Meier curve up to a horizon."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr

from paillasse.disclosure import Policy, Result
from paillasse.errors import InputError
from paillasse.survival._counts import counts
from paillasse.survival._input import Columns, half_width, outcome
from paillasse.survival.kaplan_meier import product_limit
from paillasse.tables import View, rows_left_out


@dataclass(frozen=True, repr=False)
class RestrictedMean(Result):
    """Restricted mean survival times.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a group: `group`, `rmst`, `std_err`, `lower`, `upper`, in the unit of `duration`.
    difference : pandas.DataFrame
        Each group against the first: `group`, `difference`, `std_err`, `lower`, `upper`, `p_value`.
    ratio : pandas.DataFrame
        The same as a ratio: `group`, `ratio`, `std_err` (of its logarithm), `lower`, `upper`, `p_value`.
    tau : float
        The horizon.
    n_dropped : int
        Rows left out for missing values.
    """

    table: pd.DataFrame
    difference: pd.DataFrame
    ratio: pd.DataFrame
    tau: float
    conf_level: float
    n_dropped: int
    _totals: pd.DataFrame  # a row a group: n, events before tau

    def _safe(self, policy: Policy):
        from paillasse.survival._safe_tables import safe_rmst

        return safe_rmst(self, policy)

    def view(self) -> View:
        title = f"Restricted mean survival time up to {self.tau:g}"
        level = f"{100 * self.conf_level:g}%"
        note = f"Area under the Kaplan-Meier curve, with {level} limits, in the unit of the durations."
        decimals = dict.fromkeys(("rmst", "std_err", "lower", "upper"), 2)
        return View(title, self.table, (note, *rows_left_out(self.n_dropped)), decimals)


def rmst(
    data: pd.DataFrame,
    duration: str,
    event: str,
    tau: float,
    by: Columns | None = None,
    entry: str | None = None,
    conf_level: float = 0.95,
) -> RestrictedMean:
    r"""Restricted mean survival time up to `tau`, by group.

    .. math:: \mu(\tau) = \int_0^\tau \hat S(t)\,dt, \qquad
        \widehat{\mathrm{var}} = \sum_{t_j \le \tau} \Big(\int_{t_j}^\tau \hat S(t)\,dt\Big)^2 \frac{d_j}{n_j(n_j-d_j)}

    as R's `print(survfit, rmean = tau)`. (lifelines 0.30 returns the variance of the restricted time itself.)

    Parameters
    ----------
    data : pandas.DataFrame
        A row a patient; rows with a missing value in a column used here are left out and counted.
    duration, event, by, entry
        Columns, as in :func:`kaplan_meier`.
    tau : float
        The horizon, in the unit of `duration`, not beyond a group's last follow-up unless its survival is 0 there.

    Returns
    -------
    RestrictedMean

    Raises
    ------
    InputError
        If the curve of a group is not known up to `tau`, or `tau` is not positive.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"months": [2, 4, 4, 6, 9], "died": [1, 1, 0, 1, 0]})
    >>> rmst(data, "months", "died", tau=6).table[["rmst"]]
       rmst
    0   4.8
    """
    if not tau > 0 or not np.isfinite(tau):
        raise InputError("tau, the horizon of the restricted mean, must be a positive number.")
    seen = outcome(data, duration, event, by=by, entry=entry)
    z = half_width(conf_level)
    rows, totals = [], []
    for code, label in enumerate(seen.labels):
        inside = seen.group == code
        at = counts(seen.duration[inside], seen.event[inside], None if entry is None else seen.entry[inside])
        survival = product_limit(at)
        if tau > at.time[-1] and survival[-1] > 0:
            raise InputError(
                f"The follow-up of a group ends before tau = {tau:g} with patients still event-free, so its mean up to "
                f"tau is not known. Choose tau within the follow-up of every group of {by or 'the data'!r}."
            )
        early = at.time < tau
        edges = np.concatenate([[0.0], at.time[early], [tau]])
        area = np.diff(edges) * np.append(1.0, survival[early])
        ahead = np.cumsum(area[::-1])[::-1][1:]  # the area from each time to tau
        n, d = at.n_risk[early], at.n_event[early]
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.where((d > 0) & (n > d), ahead**2 * d / (n * (n - d)), 0.0)
        mean, error = area.sum(), np.sqrt(steps.sum())
        totals.append([label, np.count_nonzero(inside), int(d.sum())])
        rows.append([label, mean, error, mean - z * error, mean + z * error])
    table = pd.DataFrame(rows, columns=["group", "rmst", "std_err", "lower", "upper"])
    contrasts = difference(table, z), ratio(table, z)
    totals = pd.DataFrame(totals, columns=["group", "n", "events"])
    return RestrictedMean(table, *contrasts, float(tau), conf_level, seen.n_dropped, totals)


def difference(table: pd.DataFrame, z: float) -> pd.DataFrame:
    """Each group less the first."""
    first, rest = table.iloc[0], table.iloc[1:]
    difference, error = rest["rmst"] - first["rmst"], np.hypot(rest["std_err"], first["std_err"])
    limits = {"lower": difference - z * error, "upper": difference + z * error}
    p = 2 * ndtr(-np.abs(difference / error))
    columns = {"group": rest["group"], "difference": difference, "std_err": error, **limits, "p_value": p}
    return pd.DataFrame(columns).reset_index(drop=True)


def ratio(table: pd.DataFrame, z: float) -> pd.DataFrame:
    """Each group over the first, by the delta method on the log scale."""
    first, rest = table.iloc[0], table.iloc[1:]
    logarithm = np.log(rest["rmst"] / first["rmst"])
    error = np.hypot(rest["std_err"] / rest["rmst"], first["std_err"] / first["rmst"])
    limits = {"lower": np.exp(logarithm - z * error), "upper": np.exp(logarithm + z * error)}
    p = 2 * ndtr(-np.abs(logarithm / error))
    columns = {"group": rest["group"], "ratio": np.exp(logarithm), "std_err": error, **limits, "p_value": p}
    return pd.DataFrame(columns).reset_index(drop=True)
