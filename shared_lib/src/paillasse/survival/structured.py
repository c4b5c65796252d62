"""Outcomes in the form of other packages: lifelines takes two columns, scikit-survival one structured array."""

import numpy as np
import pandas as pd

from paillasse.errors import InputError
from paillasse.survival._input import outcome


def to_structured(data: pd.DataFrame, duration: str, event: str) -> np.ndarray:
    """The outcome as scikit-survival takes it: a structured array of `event` (bool) and `time` (float).

    Parameters
    ----------
    data : pandas.DataFrame
        A row a patient, without missing values in the two columns: the array must keep the rows' order and number.
    duration, event : str
        As in :func:`kaplan_meier`.

    Returns
    -------
    numpy.ndarray
        Of dtype ``[("event", bool), ("time", float)]``, shape (n,).

    Raises
    ------
    InputError
        If a column is missing or not usable, or a value is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> to_structured(pd.DataFrame({"months": [3, 5], "died": [1, 0]}), "months", "died")["time"].tolist()
    [3.0, 5.0]
    """
    seen = outcome(data, duration, event)
    if seen.n_dropped:
        raise InputError(f"{seen.n_dropped} rows have no value in {duration!r} or {event!r}; leave them out first.")
    structured = np.empty(seen.n, dtype=[("event", bool), ("time", float)])
    structured["event"], structured["time"] = data[event].to_numpy(dtype=float) == 1, data[duration]
    return structured


def from_structured(outcome: np.ndarray, duration: str = "time", event: str = "event") -> pd.DataFrame:
    """A scikit-survival outcome as two columns, which this library and lifelines take by name.

    Parameters
    ----------
    outcome : numpy.ndarray
        Structured array of one boolean and one number field, in any order, shape (n,).
    duration, event : str
        Names for the columns.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    InputError
        If the array has other fields.

    Examples
    --------
    >>> import numpy as np
    >>> from_structured(np.array([(True, 3.0)], dtype=[("died", bool), ("t", float)]), "months", "died")
       months  died
    0     3.0  True
    """
    fields = outcome.dtype.names or ()
    events = [name for name in fields if outcome.dtype[name].kind == "b"]
    times = [name for name in fields if name not in events and np.issubdtype(outcome.dtype[name], np.number)]
    if len(fields) != 2 or len(events) != 1 or len(times) != 1:
        raise InputError("A structured outcome has two fields: one true or false, one a number.")
    return pd.DataFrame({duration: outcome[times[0]].astype(float), event: outcome[events[0]]})
