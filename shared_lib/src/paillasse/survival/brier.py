"""The Brier score of predicted survival: the squared distance of what was predicted from what came."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.errors import InputError
from paillasse.survival._censoring import censoring_and_times
from paillasse.survival._counts import counts
from paillasse.survival._input import numbers, outcome, refuse
from paillasse.survival.kaplan_meier import product_limit
from paillasse.tables import View, rows_left_out


@dataclass(frozen=True, repr=False)
class Brier(Result):
    """Brier scores.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a time: `time` (the unit of `duration`), `brier` (0: perfect, 0.25: what a coin's 0.5 for everybody
        gets), `null_brier` (of the Kaplan-Meier estimate of the same data, the same for everybody).
    n, n_dropped : int
        Rows used, rows left out for missing values.
    """

    table: pd.DataFrame
    n: int
    n_dropped: int
    _seen: pd.DataFrame  # a row a time: n_cases (events by then) and n_controls (still followed after it)

    @property
    def integrated(self) -> float:
        """The mean score between the first and the last time, by the trapezoidal rule."""
        return self._mean("brier")

    def _mean(self, name: str) -> float:
        time = self.table["time"].to_numpy()
        if len(time) < 2:
            raise InputError("The integrated Brier score needs at least two times.")
        return float(np.trapezoid(self.table[name], time) / (time[-1] - time[0]))

    def _safe(self, policy: Policy):
        from paillasse.survival._safe_tables import safe_brier

        return safe_brier(self, policy)

    def view(self) -> View:
        mean = (
            "" if len(self.table) < 2 else f"; integrated {self.integrated:.3f} (null {self._mean('null_brier'):.3f})"
        )
        note = "null brier: the Kaplan-Meier estimate for everybody. A prediction is worth something only below it."
        title = f"Brier score: {self.n} patients{mean}"
        return View(title, self.table, (note, *rows_left_out(self.n_dropped)), {"time": 1})


def brier(
    data: pd.DataFrame,
    duration: str,
    event: str,
    survival: np.ndarray | str | Sequence[str],
    times: Sequence[float],
    censoring_data: pd.DataFrame | None = None,
) -> Brier:
    r"""The Brier score of each patient's predicted survival at given times.

    .. math:: \mathrm{BS}(t) = \frac1n \sum_i \frac{1(T_i \le t, \delta_i = 1)\,\hat S_i(t)^2}{\hat G(T_i-)} +
        \frac{1(T_i > t)\,(1 - \hat S_i(t))^2}{\hat G(t)}

    with G the Kaplan-Meier estimate of being uncensored, in which events come before censorings at the same time: an
    event at t is weighted by the share followed up to t, those beyond t by the share followed past it. A patient
    censored by t says nothing about t and has weight 0; the others stand for him. It judges calibration and
    discrimination together.

    Parameters
    ----------
    data : pandas.DataFrame
        A row a patient; rows with a missing value in a column used here are left out and counted.
    duration, event : str
        Columns, as in :func:`kaplan_meier`.
    survival : array (rows of data × times), str or list of str
        The predicted probability of being free of the event after each time, or the columns that hold it.
    times : sequence of float
        Rising times, in the unit of `duration`, from the first event on and before the end of the follow-up.
    censoring_data : pandas.DataFrame, optional
        As in :func:`time_dependent_auc`.

    Returns
    -------
    Brier

    Raises
    ------
    InputError
        If the predictions are not probabilities or not one a row and time, or the times not rising or not within the
        follow-up.

    Notes
    -----
    R's `survival:::brier` (3.5-3) counts a patient censored at t itself among those beyond t, each weighted by
    :math:`1/\hat G(t-)`; scikit-survival weighs an event with :math:`\hat G(T_i)`. Both agree with this one where no
    censoring is tied with t, respectively with an event.

    References
    ----------
    Graf, Schmoor, Sauerbrei and Schumacher (1999), Stat Med 18:2529.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"months": [2, 3, 4, 6, 7, 9], "died": [1, 0, 1, 1, 0, 0]})
    >>> data["at_5"] = [0.1, 0.3, 0.6, 0.4, 0.8, 0.9]
    >>> brier(data, "months", "died", survival="at_5", times=[5]).table.round(4)
       time   brier  null_brier
    0   5.0  0.1621      0.2344
    """
    named = _columns(survival)
    seen = outcome(data, duration, event, complete=named)
    lost, times = censoring_and_times(seen, duration, event, times, censoring_data)
    if named:
        kept = seen.of(data[list(dict.fromkeys(named))])
        predicted = np.column_stack([numbers(kept, name, seen.rows) for name in named])
    else:
        predicted = _array(survival, len(data), len(times))[seen.rows]
    if predicted.shape[1] != len(times):
        raise InputError(f"survival has {predicted.shape[1]} columns for {len(times)} times; give one a time.")
    for column, values in enumerate(predicted.T):
        name = f"Column {named[column]!r}" if named else f"Column {column} of survival"
        refuse(~((values >= 0) & (values <= 1)), f"{name} is not a probability between 0 and 1", seen.rows)

    at = counts(seen.duration, seen.event)
    null = np.append(1.0, product_limit(at))[np.searchsorted(at.time, times, side="right")]
    of_event = np.where(seen.event, 1 / lost.before(seen.duration), 0.0)
    rows, numbers_seen = [], []
    for moment, values, everybody, followed in zip(times, predicted.T, null, lost.beyond(times)):
        beyond = seen.duration > moment
        events, survivors = np.where(beyond, 0.0, of_event), beyond / followed
        score = (events @ values**2 + survivors @ (1 - values) ** 2) / seen.n
        same_for_all = (events.sum() * everybody**2 + survivors.sum() * (1 - everybody) ** 2) / seen.n
        rows.append([moment, score, same_for_all])
        numbers_seen.append([np.count_nonzero(seen.event & ~beyond), np.count_nonzero(beyond)])
    table = pd.DataFrame(rows, columns=["time", "brier", "null_brier"])
    return Brier(table, seen.n, seen.n_dropped, pd.DataFrame(numbers_seen, columns=["n_cases", "n_controls"]))


def _columns(survival) -> list[str]:
    """The names, if the predictions are named columns."""
    if isinstance(survival, str):
        return [survival]
    listed = isinstance(survival, Sequence) and all(isinstance(name, str) for name in survival)
    return list(survival) if listed else []


def _array(survival, n_rows: int, n_times: int) -> np.ndarray:
    """Predictions given as an array of numbers, a row for each row of the data."""
    try:
        array = np.asarray(survival, dtype=float)
    except (TypeError, ValueError):
        raise InputError("survival must be an array of probabilities (rows × times) or the names of columns.") from None
    if array.ndim == 1 and n_times == 1:
        array = array[:, None]
    if array.ndim != 2 or len(array) != n_rows:
        raise InputError(
            f"survival must have a row for each of the {n_rows} rows of the data and a column for each time."
        )
    return array
