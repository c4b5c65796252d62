"""From a data frame and column names to checked arrays. Errors name columns and row numbers, never values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from paillasse.errors import InputError
from paillasse.survival._counts import are_whole, blocks
from paillasse.tables import need_columns

Columns = str | Sequence[str]
ALL = "all"  # the label of the only group where no grouping was asked for


@dataclass(frozen=True)
class Outcome:
    """The checked outcome of the rows that are complete.

    `positions` are those in the caller's data, None where no row was left out; `group` and `stratum` are codes into
    `labels` and the strata's order.
    """

    duration: np.ndarray
    event: np.ndarray
    entry: np.ndarray | None
    weights: np.ndarray | None
    group: np.ndarray
    labels: list
    stratum: np.ndarray
    strata_labels: list
    cluster: np.ndarray | None
    positions: np.ndarray | None
    n_dropped: int

    @property
    def n(self) -> int:
        return len(self.duration)

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The analysed rows of the caller's columns; give only those that are needed, all are copied."""
        return frame if self.positions is None else frame.iloc[self.positions]

    @property
    def rows(self) -> np.ndarray:
        """The rows' positions in the caller's data."""
        return np.arange(self.n) if self.positions is None else self.positions


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
    by, strata, cluster = listed(by), listed(strata), listed(cluster)
    single = [name for name in (entry, weights) if name is not None]
    used = list(dict.fromkeys([duration, event, *single, *by, *strata, *cluster, *complete]))
    need_columns(data, used)
    if not len(data):
        raise InputError("The data have no rows.")
    rows = _complete(data, used)
    kept = data
    if rows is not None:  # a column at a time: a selection of the frame would copy all its rows first
        kept = pd.DataFrame({name: data[name].array.take(rows) for name in used}, copy=False)
    times = numbers(kept, duration, rows)
    refuse(times < 0, f"Column {duration!r} holds negative durations", rows)
    late = None if entry is None else numbers(kept, entry, rows)
    times, late = _ties_mended(times, late)
    if late is not None:
        refuse(late >= times, f"Column {entry!r} (entry) is not before {duration!r}", rows)
    mass = None if weights is None else numbers(kept, weights, rows)
    if mass is not None:
        refuse(mass <= 0, f"Column {weights!r} holds weights that are not positive", rows)
    group, labels = coded(kept, by)
    stratum, strata_labels = coded(kept, strata)
    return Outcome(
        duration=times,
        event=_indicator(kept, event, rows),
        entry=late,
        weights=mass,
        group=group,
        labels=labels if by else [ALL],
        stratum=stratum,
        strata_labels=strata_labels,
        cluster=coded(kept, cluster)[0] if cluster else None,
        positions=rows,
        n_dropped=len(data) - len(kept),
    )


def _complete(data: pd.DataFrame, used: list[str]) -> np.ndarray | None:
    """The positions of the rows without a missing value; None where that is all rows."""
    missing = [lacking for name in used if (lacking := data[name].isna().to_numpy()).any()]
    if not missing:
        return None
    rows = np.flatnonzero(~np.logical_or.reduce(missing))
    if not len(rows):
        empty = [name for name in used if data[name].isna().all()]
        where = f"column {empty[0]!r} holds no value" if empty else f"none is complete in {', '.join(used)}"
        raise InputError(f"No row is left after leaving out missing values: {where}.")
    return rows


def outcome_by_cause(data: pd.DataFrame, duration: str, event: str, **columns) -> tuple[Outcome, np.ndarray]:
    """The outcome with an event of any cause as its event, and each row's code: 0 = censored, 1, 2, … its cause.

    `columns` are the further arguments of :func:`outcome`.
    """
    need_columns(data, [event])
    known = np.flatnonzero(data[event].notna().to_numpy())
    kept = data[[event]].iloc[known]
    values = kept[event].to_numpy(float) if pd.api.types.is_bool_dtype(kept[event]) else numbers(kept, event, known)
    wrong = (values < 0) | (np.mod(values, 1) != 0)
    refuse(wrong, f"Column {event!r} (event) must be 0 for a censored row and 1, 2, … for the cause of an event", known)
    codes = np.full(len(data), np.nan)
    codes[known] = values
    marked = data.copy(deep=False)
    marked[event] = np.where(np.isnan(codes), np.nan, codes > 0)
    seen = outcome(marked, duration, event, **columns)
    return seen, codes[seen.rows].astype(int)


def numbers(data: pd.DataFrame, name: str, rows: np.ndarray | None) -> np.ndarray:
    """A column as finite floats; `rows` as for :func:`refuse`."""
    if not pd.api.types.is_numeric_dtype(data[name]):
        raise InputError(f"Column {name!r} must hold numbers; it is of type {data[name].dtype}.")
    values = data[name].to_numpy(dtype=float)
    refuse(~np.isfinite(values), f"Column {name!r} holds infinite values", rows)
    return values


def refuse(wrong: np.ndarray, what: str, rows: np.ndarray | None) -> None:
    """Raise with the row numbers where `wrong` holds: among `rows`, positions from 0, where some rows were left out."""
    if wrong.any():
        places = np.flatnonzero(wrong) if rows is None else rows[wrong]
        listed = ", ".join(str(place) for place in places[:5]) + (", …" if len(places) > 5 else "")
        raise InputError(f"{what}: {len(places)} of {len(wrong)} rows (row numbers from 0: {listed}).")


def half_width(conf_level: float) -> float:
    """How many standard errors the limits of this level lie from the estimate."""
    if not 0 < conf_level < 1:
        raise InputError("conf_level lies between 0 and 1, both excluded, e.g. 0.95.")
    return float(ndtri((1 + conf_level) / 2))


def _ties_mended(times: np.ndarray, late: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Times that differ by rounding only are made equal, as R does (`timefix`): 70 + 1/12 + 1/12 is 70 + 2/12."""
    if are_whole(times) and (late is None or are_whole(late)):
        return times, late
    every = np.unique(times if late is None else np.concatenate([times, late]))
    nearest = np.sqrt(np.finfo(float).eps) * max(1.0, np.abs(every).mean())
    if len(every) < 2 or np.diff(every).min() > nearest:
        return times, late
    distinct = every[np.append(True, np.diff(every) > nearest)]

    def snapped(values):
        return distinct[np.searchsorted(distinct, values, side="right") - 1]

    return snapped(times), None if late is None else snapped(late)


def _indicator(data: pd.DataFrame, name: str, rows: np.ndarray | None) -> np.ndarray:
    if pd.api.types.is_bool_dtype(data[name]):
        return data[name].to_numpy(dtype=bool)
    values = data[name].to_numpy() if data[name].dtype.kind in "iu" else numbers(data, name, rows)
    event = values == 1
    hint = f"; make one, e.g. data.assign(event=data[{name!r}] == code)"
    told = f"Column {name!r} (event) must be 1 or True for an event and 0 or False otherwise{hint}"
    refuse(values != event, told, rows)
    return event


def listed(columns: Columns | None) -> list[str]:
    return [] if columns is None else [columns] if isinstance(columns, str) else list(columns)


def coded(data: pd.DataFrame, columns: list[str]) -> tuple[np.ndarray, list]:
    """Codes and sorted labels: a column's own values, or their texts joined for several columns."""
    if not columns:
        return np.zeros(len(data), dtype=np.int8), [ALL]
    if len(columns) == 1:
        values = data[columns[0]]
        if isinstance(values.dtype, pd.CategoricalDtype):  # a category that no row has makes no group
            codes, labels = values.cat.codes.to_numpy(), values.cat.categories.tolist()
            if _all_occur(codes, len(labels)):
                return codes.astype(np.int32), labels
        codes, labels = pd.factorize(values, sort=True)
        return codes, labels.tolist()
    numbered = data.groupby(columns, sort=True, observed=True).ngroup().to_numpy()
    first = np.unique(numbered, return_index=True)[1]
    return numbered, [", ".join(map(str, row)) for row in data[columns].iloc[first].itertuples(index=False)]


def _all_occur(codes: np.ndarray, size: int) -> bool:
    """Whether each code from 0 to `size` - 1 is there; it mostly shows in the first rows."""
    seen = np.zeros(size + 1, dtype=bool)  # one more for -1, a missing value
    for rows in blocks(len(codes)):
        seen[codes[rows].astype(np.intp)] = True
        if seen[:size].all():
            return True
    return False


def codes_among(data: pd.DataFrame, columns: list[str], labels: list) -> np.ndarray:
    """Codes of other rows among the labels of the fitted ones; a value that was not fitted is refused."""
    if not columns:
        return np.zeros(len(data), dtype=int)
    need_columns(data, columns)
    own, own_labels = coded(data, columns)
    known = pd.Index(labels).get_indexer(own_labels)
    codes = np.where(own >= 0, known[own], -1)
    refuse(codes < 0, f"Columns {', '.join(columns)} hold a stratum that was not fitted", np.arange(len(data)))
    return codes
