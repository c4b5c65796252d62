"""From a data frame and column names to checked arrays. Errors name columns and row numbers, never values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from paillasse.errors import InputError
from paillasse.tables import need_columns

Columns = str | Sequence[str]
ALL = "all"  # the label of the only group where no grouping was asked for


@dataclass(frozen=True)
class Outcome:
    """The checked outcome of the rows that are complete.

    `rows` are the positions in the caller's data, `group` and `stratum` codes into `labels` and the strata's order.
    """

    duration: np.ndarray
    event: np.ndarray
    entry: np.ndarray | None
    weights: np.ndarray | None
    group: np.ndarray
    labels: list
    stratum: np.ndarray
    cluster: np.ndarray | None
    rows: np.ndarray
    n_dropped: int

    @property
    def n(self) -> int:
        return len(self.duration)


def outcome(
    data: pd.DataFrame,
    duration: str,
    event: str,
    by: Columns | None = None,
    entry: str | None = None,
    weights: str | None = None,
    strata: Columns | None = None,
    cluster: Columns | None = None,
    complete: Sequence[str] = (),
) -> Outcome:
    """Check the outcome columns and leave out rows with a missing value in any column that is used."""
    by, strata, cluster = _listed(by), _listed(strata), _listed(cluster)
    single = [name for name in (entry, weights) if name is not None]
    used = list(dict.fromkeys([duration, event, *single, *by, *strata, *cluster, *complete]))
    need_columns(data, used)
    if not len(data):
        raise InputError("The data have no rows.")
    rows = np.flatnonzero(data[used].notna().all(axis=1).to_numpy())
    if not len(rows):
        empty = [name for name in used if data[name].isna().all()]
        where = f"column {empty[0]!r} holds no value" if empty else f"none is complete in {', '.join(used)}"
        raise InputError(f"No row is left after leaving out missing values: {where}.")
    kept = data.iloc[rows]
    times = numbers(kept, duration, rows)
    refuse(times < 0, f"Column {duration!r} holds negative durations", rows)
    late = None if entry is None else numbers(kept, entry, rows)
    times, late = _ties_mended(times, late)
    if late is not None:
        refuse(late >= times, f"Column {entry!r} (entry) is not before {duration!r}", rows)
    mass = None if weights is None else numbers(kept, weights, rows)
    if mass is not None:
        refuse(mass <= 0, f"Column {weights!r} holds weights that are not positive", rows)
    group, labels = _coded(kept, by)
    return Outcome(
        duration=times,
        event=_indicator(kept, event, rows),
        entry=late,
        weights=mass,
        group=group,
        labels=labels if by else [ALL],
        stratum=_coded(kept, strata)[0],
        cluster=_coded(kept, cluster)[0] if cluster else None,
        rows=rows,
        n_dropped=len(data) - len(rows),
    )


def numbers(data: pd.DataFrame, name: str, rows: np.ndarray) -> np.ndarray:
    """A column as finite floats."""
    if not pd.api.types.is_numeric_dtype(data[name]):
        raise InputError(f"Column {name!r} must hold numbers; it is of type {data[name].dtype}.")
    values = data[name].to_numpy(dtype=float)
    refuse(~np.isfinite(values), f"Column {name!r} holds infinite values", rows)
    return values


def refuse(wrong: np.ndarray, what: str, rows: np.ndarray) -> None:
    """Raise with the row numbers (positions from 0) where `wrong` holds."""
    if wrong.any():
        places = rows[wrong]
        listed = ", ".join(str(place) for place in places[:5]) + (", …" if len(places) > 5 else "")
        raise InputError(f"{what}: {len(places)} of {len(rows)} rows (row numbers from 0: {listed}).")


def half_width(conf_level: float) -> float:
    """How many standard errors the limits of this level lie from the estimate."""
    if not 0 < conf_level < 1:
        raise InputError("conf_level lies between 0 and 1, both excluded, e.g. 0.95.")
    return float(ndtri((1 + conf_level) / 2))


def _ties_mended(times: np.ndarray, late: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Times that differ by rounding only are made equal, as R does (`timefix`): 70 + 1/12 + 1/12 is 70 + 2/12."""
    every = np.unique(times if late is None else np.concatenate([times, late]))
    nearest = np.sqrt(np.finfo(float).eps) * max(1.0, np.abs(every).mean())
    if len(every) < 2 or np.diff(every).min() > nearest:
        return times, late
    distinct = every[np.append(True, np.diff(every) > nearest)]

    def snapped(values):
        return distinct[np.searchsorted(distinct, values, side="right") - 1]

    return snapped(times), None if late is None else snapped(late)


def _indicator(data: pd.DataFrame, name: str, rows: np.ndarray) -> np.ndarray:
    values = data[name].to_numpy(dtype=float) if pd.api.types.is_bool_dtype(data[name]) else numbers(data, name, rows)
    other = ~np.isin(values, (0, 1))
    hint = f"; make one, e.g. data.assign(event=data[{name!r}] == code)"
    refuse(other, f"Column {name!r} (event) must be 1 or True for an event and 0 or False otherwise{hint}", rows)
    return values == 1


def _listed(columns: Columns | None) -> list[str]:
    return [] if columns is None else [columns] if isinstance(columns, str) else list(columns)


def _coded(data: pd.DataFrame, columns: list[str]) -> tuple[np.ndarray, list]:
    """Codes and sorted labels: a column's own values, or their texts joined for several columns."""
    if not columns:
        return np.zeros(len(data), dtype=int), [ALL]
    if len(columns) == 1:
        codes, labels = pd.factorize(data[columns[0]], sort=True)
        return codes, labels.tolist()
    numbered = data.groupby(columns, sort=True, observed=True).ngroup().to_numpy()
    first = np.unique(numbered, return_index=True)[1]
    return numbered, [", ".join(map(str, row)) for row in data[columns].iloc[first].itertuples(index=False)]
