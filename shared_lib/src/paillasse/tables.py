"""Tables in and out: columns checked by name, and a result shown with fixed digits and notes, as HTML and as text."""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from paillasse.errors import InputError, did_you_mean

# Columns that many results share; every other float column is shown with three decimals.
DECIMALS = {"z": 2, "statistic": 2, "n_risk": 0, "n_event": 0, "n_censor": 0, "n": 0, "events": 0, "df": 0}
STYLE = "font-variant-numeric: tabular-nums; margin: 0 0 .4em"


def need_columns(data: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse names that are no columns of the data."""
    for name in names:
        if name not in data.columns:
            raise InputError(f"The data have no column {name!r}. {did_you_mean(name, data.columns)}")


@dataclass(frozen=True, repr=False)
class View:
    """A table as people read it: fixed digits, one line above it, lines below it; shows itself in a notebook.

    Parameters
    ----------
    title : str
        What the table is.
    table : pandas.DataFrame
        The table, one row a line.
    notes : tuple of str
        Sentences below the table: rows left out, definitions, how to read it.
    decimals : mapping of str to int
        Decimals of the columns that are not shown with three.
    """

    title: str
    table: pd.DataFrame
    notes: tuple[str, ...] = ()
    decimals: Mapping[str, int] | None = None

    def formatted(self) -> pd.DataFrame:
        """The table as text, every number with its fixed digits, so that two runs print the same."""
        decimals = DECIMALS | dict(self.decimals or {})
        return pd.DataFrame({name: _texts(name, self.table[name], decimals.get(name, 3)) for name in self.table})

    def _repr_html_(self) -> str:
        body = self.formatted().rename(columns=_heading).to_html(index=False, border=0, classes="paillasse")
        notes = "".join(f"<p style='margin:.1em 0'><small>{html.escape(note)}</small></p>" for note in self.notes)
        return f"<div style='{STYLE}'><p><b>{html.escape(self.title)}</b></p>{body}{notes}</div>"

    def __repr__(self) -> str:
        body = [self.formatted().to_string(index=False)] if len(self.table) else []
        return "\n".join([self.title, *body, *self.notes])


class Shown:
    """A result whose bare name in a notebook cell shows something worth reading."""

    def view(self) -> View:
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()

    def __repr__(self) -> str:
        return repr(self.view())


def time_decimals(times: Iterable[float]) -> int:
    """Decimals for times: days need one, years two."""
    known = pd.Series(times).dropna()
    return 1 if len(known) and known.max() >= 100 else 2


def p_value(value: float) -> str:
    """A p-value as journals print it."""
    if pd.isna(value):
        return ""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def rows_left_out(n_dropped: int) -> tuple[str, ...]:
    """The sentence on missing values that every result carries, or nothing."""
    if not n_dropped:
        return ()
    rows = "row was" if n_dropped == 1 else "rows were"
    return (f"{n_dropped} {rows} left out for missing values.",)


def _heading(name: str) -> str:
    return str(name).replace("_", " ")


def _texts(name: str, values: Iterable, decimals: int) -> list[str]:
    values = pd.Series(values)
    if name == "p_value":
        return [p_value(value) for value in values]
    if pd.api.types.is_float_dtype(values):
        return ["" if pd.isna(value) else f"{value:,.{decimals}f}" for value in values]
    return ["" if pd.isna(value) else str(value) for value in values]
