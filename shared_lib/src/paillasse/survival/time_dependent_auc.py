"""The area under the ROC curve at given times, for patients who may be lost before."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.errors import InputError
from paillasse.survival._censoring import censoring_and_times
from paillasse.survival._counts import counts
from paillasse.survival._input import numbers, outcome
from paillasse.survival.kaplan_meier import product_limit
from paillasse.tables import View, rows_left_out


@dataclass(frozen=True, repr=False)
class TimeDependentAUC(Result):
    """Cumulative/dynamic areas under the ROC curve.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a time: `time` (the unit of `duration`), `auc` (0.5: no better than chance, 1: perfect), `survival` (the
        Kaplan-Meier estimate there), `n_cases` (events seen by then) and `n_controls` (still followed after it).
    n, n_dropped : int
        Rows used, rows left out for missing values.
    """

    table: pd.DataFrame
    n: int
    n_dropped: int

    @property
    def mean(self) -> float:
        r"""The mean over the times, each weighted by the share of patients with their event since the one before.

        .. math:: \sum_k \mathrm{AUC}(t_k)\,[\hat S(t_{k-1}) - \hat S(t_k)] \,/\, [1 - \hat S(t_m)],
            \quad \hat S(t_0) = 1

        as in Lambert and Chevret (2016) and scikit-survival, where the first time stands for all before it.
        """
        falls = -np.diff(self.table["survival"], prepend=1.0)
        return float(self.table["auc"] @ falls / falls.sum())

    def _safe(self, policy: Policy):
        from paillasse.survival._safe_tables import safe_auc

        return safe_auc(self, policy)

    def view(self) -> View:
        note = "Cases: events by the time, for those lost before it too (inverse weights); controls: event-free beyond."
        title = f"Time-dependent AUC: {self.n} patients, mean {self.mean:.3f}"
        decimals = {"time": 1, "n_cases": 0, "n_controls": 0}
        return View(title, self.table, (note, *rows_left_out(self.n_dropped)), decimals)


def time_dependent_auc(
    data: pd.DataFrame,
    duration: str,
    event: str,
    risk: str,
    times: Sequence[float],
    censoring_data: pd.DataFrame | None = None,
) -> TimeDependentAUC:
    r"""Whether the risk tells those with the event by a time from those without it, at each of several times.

    A case i has the event by t, a control j is followed beyond it. Cases censored before t are not seen; those seen
    stand for them by the inverse of G, the Kaplan-Meier estimate of being uncensored:

    .. math:: \mathrm{AUC}(t) = \frac{\sum_{i,j} \hat G(T_i-)^{-1}\, [\,1(r_i > r_j) + \tfrac12 1(r_i = r_j)]}
        {\sum_{i,j} \hat G(T_i-)^{-1}}, \qquad i: T_i \le t,\ \delta_i = 1, \quad j: T_j > t

    (the controls' common weight :math:`1/\hat G(t)` cancels). For a decision at a horizon, such as five years, this is
    the question; the concordance mixes all horizons.

    Parameters
    ----------
    data : pandas.DataFrame
        A row a patient; rows with a missing value in a column used here are left out and counted.
    duration, event : str
        Columns, as in :func:`kaplan_meier`.
    risk : str
        Column of the risk, of which only the order counts: higher means an earlier event.
    times : sequence of float
        Rising times, in the unit of `duration`, from the first event on and before the end of the follow-up.
    censoring_data : pandas.DataFrame, optional
        Data with the same two outcome columns whose censoring `data` shares, e.g. the cohort that a test set was
        drawn from; by default `data`.

    Returns
    -------
    TimeDependentAUC

    Raises
    ------
    InputError
        If the times are not rising or not within the follow-up, or the risk is the same for all rows.

    Notes
    -----
    scikit-survival's `cumulative_dynamic_auc` weighs a case with :math:`\hat G(T_i)`, which counts those censored at
    the very time of the event as lost before it; without such ties it is the same.

    References
    ----------
    Uno, Cai, Tian and Wei (2007), J Am Stat Assoc 102:527. Lambert and Chevret (2016), Stat Methods Med Res 25:2088.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"months": [2, 3, 4, 6, 7, 9], "died": [1, 0, 1, 1, 0, 0], "score": [3, 4, 1, 2, 1, 2]})
    >>> time_dependent_auc(data, "months", "died", risk="score", times=[3, 6]).table[["time", "auc"]].round(4)
       time     auc
    0   3.0  1.0000
    1   6.0  0.6429
    """
    seen = outcome(data, duration, event, complete=[risk])
    score = numbers(seen.of(data[[risk]]), risk, seen.positions)
    if np.ptp(score) == 0:
        raise InputError(f"Column {risk!r} (risk) is the same for all {seen.n} rows; there is no order to judge.")
    lost, times = censoring_and_times(seen, duration, event, times, censoring_data)
    by_risk = np.argsort(score)
    time, score = seen.duration[by_risk], score[by_risk]
    mass = np.where(seen.event, 1 / lost.before(seen.duration), 0.0)[by_risk]
    rank = np.append(0, np.cumsum(score[1:] != score[:-1]))
    at = counts(seen.duration, seen.event)
    survival = np.append(1.0, product_limit(at))[np.searchsorted(at.time, times, side="right")]
    rows = []
    for moment, share in zip(times, survival):
        beyond = time > moment
        cases = np.bincount(rank, weights=np.where(beyond, 0.0, mass))
        controls = np.bincount(rank, weights=beyond)
        below = np.cumsum(controls) - controls / 2
        area = cases @ below / (cases.sum() * controls.sum())
        rows.append([moment, area, share, int((mass[~beyond] > 0).sum()), int(beyond.sum())])
    table = pd.DataFrame(rows, columns=["time", "auc", "survival", "n_cases", "n_controls"])
    return TimeDependentAUC(table, seen.n, seen.n_dropped)
