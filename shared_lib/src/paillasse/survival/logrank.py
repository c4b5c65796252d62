"""The log-rank test and its Fleming-Harrington family, for any number of groups, stratified or not."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from paillasse.disclosure import Policy, Result
from paillasse.errors import InputError
from paillasse.survival._counts import Counts, counts_by_group
from paillasse.survival._input import Columns, outcome
from paillasse.survival.kaplan_meier import product_limit
from paillasse.tables import View, p_value, rows_left_out


@dataclass(frozen=True)
class Trend:
    """A test for trend: χ² statistic, degrees of freedom, p-value."""

    statistic: float
    df: int
    p_value: float


@dataclass(frozen=True, repr=False)
class LogRank(Result):
    """A log-rank test.

    Attributes
    ----------
    statistic, df, p_value : float, int, float
        The χ² statistic, its degrees of freedom (groups − 1) and the p-value.
    table : pandas.DataFrame
        A row a group: `group`, `n`, `observed` and `expected` events (weighted when rho is not 0).
    n_dropped : int
        Rows left out for missing values.
    """

    statistic: float
    df: int
    p_value: float
    table: pd.DataFrame
    n_dropped: int
    rho: float
    _variance: np.ndarray

    @property
    def trend(self) -> "Trend":
        """Test for a trend over the groups in their order, with scores 1, 2, …: more power where the order is right."""
        scores = np.arange(1, len(self.table) + 1)
        difference = scores @ (self.table["observed"] - self.table["expected"])
        statistic = float(difference**2 / (scores @ self._variance @ scores))
        return Trend(statistic, 1, float(chdtrc(1, statistic)))

    def _safe(self, policy: Policy):
        from paillasse.survival._safe_tables import safe_logrank

        return safe_logrank(self, policy)

    def view(self) -> View:
        test = "Log-rank test" if self.rho == 0 else f"Fleming-Harrington test (ρ = {self.rho:g})"
        title = f"{test}: χ² = {self.statistic:.2f} on {self.df} df, p {_sign(self.p_value)}"
        return View(title, self.table, rows_left_out(self.n_dropped), {"observed": 1, "expected": 1})


def logrank(
    data: pd.DataFrame,
    duration: str,
    event: str,
    by: Columns,
    strata: Columns | None = None,
    entry: str | None = None,
    rho: float = 0,
) -> LogRank:
    r"""Test whether groups have the same hazard.

    At each event time the events are weighted by :math:`\hat S(t-)^\rho` of all groups together (within a stratum);
    the variance is the hypergeometric one. The same as R's `survdiff`, which knows no delayed entry.

    Parameters
    ----------
    data : pandas.DataFrame
        A row a patient; rows with a missing value in a column used here are left out and counted.
    duration, event, entry : str
        Columns, as in :func:`kaplan_meier`.
    by : str or list of str
        Column or columns that make the groups.
    strata : str or list of str, optional
        Columns within whose values the groups are compared.
    rho : float
        0 for the log-rank test, 1 for the Peto and Peto modification of the Wilcoxon test.

    Returns
    -------
    LogRank

    Raises
    ------
    InputError
        If there is only one group, or no event in the data.

    References
    ----------
    Harrington and Fleming (1982), Biometrika 69:553.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"t": [1, 2, 3, 4, 5, 6], "e": [1, 1, 1, 1, 0, 1], "arm": list("aababb")})
    >>> round(logrank(data, "t", "e", by="arm").statistic, 4)
    2.5567
    """
    seen = outcome(data, duration, event, by=by, strata=strata, entry=entry)
    if len(seen.labels) < 2:
        raise InputError(f"A log-rank test compares groups, and {by!r} makes only one in the complete rows.")
    if not seen.event.any():
        raise InputError(f"There is no event in column {event!r}, so the groups cannot be compared.")
    k = len(seen.labels)
    n, observed, expected, variance = np.zeros(k, dtype=int), np.zeros(k), np.zeros(k), np.zeros((k, k))
    for stratum in range(seen.stratum.max() + 1):
        inside = seen.stratum == stratum if seen.stratum.any() else slice(None)
        late = None if entry is None else seen.entry[inside]
        groups = counts_by_group(seen.duration[inside], seen.event[inside], seen.group[inside], k, late)
        sums = (sum(getattr(at, name) for at in groups) for name in ("n_risk", "n_event", "n_censor"))
        pooled = Counts(groups[0].time, *sums)
        weight = np.append(1.0, product_limit(pooled)[:-1]) ** rho
        share = np.array([at.n_risk for at in groups]) / np.maximum(pooled.n_risk, 1)
        n += [int(at.n_event.sum() + at.n_censor.sum()) for at in groups]
        observed += np.array([(weight * at.n_event).sum() for at in groups])
        expected += (weight * pooled.n_event * share).sum(axis=1)
        correction = (pooled.n_risk - pooled.n_event) / np.maximum(pooled.n_risk - 1, 1)
        spread = weight**2 * pooled.n_event * correction
        variance += np.diag((spread * share).sum(axis=1)) - (spread * share) @ share.T
    # The differences sum to 0, so one group is left out; one that never was at risk has no say.
    told = np.flatnonzero(np.diag(variance) > 0)
    difference, among = (observed - expected)[told[1:]], variance[np.ix_(told[1:], told[1:])]
    df = len(told) - 1
    if df < 1:
        raise InputError(f"No event in column {event!r} happened while two groups were at risk.")
    scale = np.sqrt(np.diag(among))
    if np.linalg.matrix_rank(among / np.outer(scale, scale), tol=1e-10, hermitian=True) < df:
        raise InputError(
            f"Some groups of {by!r} never meet others in any stratum, so that they cannot be compared; "
            "leave them out, or take fewer strata."
        )
    statistic = float(difference @ np.linalg.solve(among, difference))
    table = pd.DataFrame({"group": seen.labels, "n": n, "observed": observed, "expected": expected})
    return LogRank(statistic, df, float(chdtrc(df, statistic)), table, seen.n_dropped, rho, variance)


def _sign(p: float) -> str:
    return p_value(p) if p < 0.001 else f"= {p_value(p)}"
