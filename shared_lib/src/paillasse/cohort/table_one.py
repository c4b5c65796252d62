"""Table 1: the characteristics of a cohort, made by the tableone package."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.errors import InputError
from paillasse.tables import View, need_columns

MOST_CATEGORIES = 6  # a whole-number column with at most so many values is shown by category
RESERVED = {"Missing", "Overall"}  # columns of the table itself
NOT_KNOWN = {"nan [nan,nan]": "", "0 (nan)": "0"}  # where a group has no known value, there is no share and no median


@dataclass(frozen=True, repr=False)
class TableOne(Result):
    """Characteristics of a cohort.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a characteristic or category, as text: `characteristic`, `value`, `missing`, and a column a group
        (median [first, third quartile], or n (%) of those not missing).
    n_without_group : int
        Rows without a value in `by`: they are in the column `Overall` alone.
    """

    table: pd.DataFrame
    n_without_group: int
    _described: "Described"

    def _safe(self, policy: Policy):
        from paillasse.cohort._safe import safe_table_one

        return safe_table_one(self, policy)

    def view(self) -> View:
        notes = ["Median [first quartile, third quartile], or n (%) of those whose value is known."]
        if self.n_without_group:
            rows = "1 row has" if self.n_without_group == 1 else f"{self.n_without_group:,} rows have"
            notes.append(f"{rows} no group: counted in Overall alone.")
        return View("Characteristics", self.table, tuple(notes))


@dataclass(frozen=True)
class Described:
    """What a table 1 was made from; patient-level, so never shown nor stored with a result."""

    data: pd.DataFrame  # categories and groups as text, numbers as floats
    levels: dict[str, list[str]]  # of each category, and of the grouping
    labels: dict[str, str]
    by: str | None


def table_one(
    data: pd.DataFrame, columns: Sequence[str], by: str | None = None, labels: Mapping[str, str] | None = None
) -> TableOne:
    """Describe a cohort: numbers by median and quartiles, categories by counts, each with its missing values.

    No p-values: in a randomised trial every difference at baseline is chance, which needs no test, and elsewhere a
    p-value says more of the number of patients than of the size of a difference.

    Parameters
    ----------
    data : pandas.DataFrame
        A row a patient.
    columns : list of str
        Characteristics, in the order of the table. Text, true/false and whole numbers with at most six values are
        categories; dates are described by their year.
    by : str, optional
        Column whose values make the table's columns.
    labels : mapping of str to str, optional
        What to call a column in the table.

    Returns
    -------
    TableOne

    Raises
    ------
    InputError
        If a column is not in the data or given twice, there are no rows or no columns, no row has a group, or a group
        is called as a column of the table.
    """
    from tableone import TableOne as Kept  # imports statsmodels, so not before it is needed

    grouping = [by] if by else []
    need_columns(data, [*columns, *grouping])
    if not len(data) or not columns or len(set(columns)) < len(columns):
        raise InputError("Table 1 needs at least one row, and at least one column, each once.")
    data = data[list(dict.fromkeys([*columns, *grouping]))].apply(_year_of_date)
    categorical = [name for name in columns if _is_category(data[name])]
    levels = {name: _levels(data[name]) for name in [*categorical, *grouping]}
    if by and not levels[by]:
        raise InputError(f"No row has a value in column {by!r}, which was to make the groups.")
    if by and RESERVED & set(levels[by]):
        raise InputError(f"Column {by!r} has a group 'Missing' or 'Overall', the table's own columns; rename it.")
    texts = data.assign(**{name: _texts(data[name]) for name in levels})
    texts = texts.assign(**{name: texts[name].astype(float) for name in columns if name not in categorical})
    called = _distinct(columns, labels or {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas 3's changes; and means of no value, which are left out below
        kept = Kept(
            texts,
            columns=list(columns),
            categorical=categorical,
            nonnormal=[name for name in columns if name not in categorical],
            groupby=by,
            order=levels,
            rename=called,
            decimals=1,
            include_null=False,
            label_suffix=False,
        ).tableone
    table = kept.reset_index()
    names = [column[-1] if isinstance(column, tuple) else column for column in kept.columns]
    table.columns = ["characteristic", "value", *("missing" if name == "Missing" else str(name) for name in names)]
    table["characteristic"] = table["characteristic"].mask(table["characteristic"].duplicated(), "")
    n_without_group = int(data[by].isna().sum()) if by else 0
    described = Described(texts, levels, called, by)
    return TableOne(table.astype(str).replace(NOT_KNOWN), n_without_group, described)


def _distinct(columns: Sequence[str], labels: Mapping[str, str]) -> dict[str, str]:
    """The labels; two columns of one label get their names beside it, or they would be shown as one."""
    chosen = {name: labels.get(name, name) for name in columns}
    shared = Counter(chosen.values())
    return {name: label if shared[label] == 1 else f"{label} [{name}]" for name, label in chosen.items()}


def _year_of_date(values: pd.Series) -> pd.Series:
    return values.dt.year if pd.api.types.is_datetime64_any_dtype(values) else values


def _is_category(values: pd.Series) -> bool:
    known = values.dropna()
    if known.empty:
        return False
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return True
    return known.nunique() <= MOST_CATEGORIES and bool((known % 1 == 0).all())


def _levels(values: pd.Series) -> list[str]:
    """The categories as text, in their declared or natural order."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        present = set(values.dropna())
        return [_text(level) for level in values.cat.categories if level in present]
    levels = values.dropna().unique()
    kinds = {str if isinstance(level, str) else float for level in levels}
    return [_text(level) for level in sorted(levels, key=str if len(kinds) > 1 else None)]


def _texts(values: pd.Series) -> pd.Series:
    return values.astype(object).map(_text, na_action="ignore")


def _text(value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
