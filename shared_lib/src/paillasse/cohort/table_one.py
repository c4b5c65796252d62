"""Table 1: the characteristics of a cohort, made by the tableone package."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from paillasse.tables import Shown, View, need_columns

MOST_CATEGORIES = 6  # a whole-number column with at most so many values is shown by category


@dataclass(frozen=True, repr=False)
class TableOne(Shown):
    """Characteristics of a cohort.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a characteristic or category, as text: `characteristic`, `value`, `missing`, and a column a group
        (median [first, third quartile], or n (%) of those not missing).
    """

    table: pd.DataFrame

    def view(self) -> View:
        note = "Median [first quartile, third quartile], or n (%) of those whose value is known."
        return View("Characteristics", self.table, (note,))


def table_one(
    data: pd.DataFrame, columns: Sequence[str], by: str | None = None, labels: Mapping[str, str] | None = None
) -> TableOne:
    """Describe a cohort: numbers by median and quartiles, categories by counts, each with its missing values.

    No p-values: in a trial they test chance that is known to be chance, and in a cohort they measure its size.

    Parameters
    ----------
    data : pandas.DataFrame
        A row a patient.
    columns : list of str
        Characteristics, in the order of the table. Text, true/false and whole numbers with at most six values are
        categories.
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
        If a column is not in the data.
    """
    from tableone import TableOne as Kept  # imports statsmodels, so not before it is needed

    need_columns(data, [*columns, *([by] if by else [])])
    categorical = [name for name in columns if _is_category(data[name])]
    levels = {name: _levels(data[name]) for name in [*categorical, *([by] if by else [])]}
    texts = data[list(dict.fromkeys([*columns, *levels]))].assign(**{name: _texts(data[name]) for name in levels})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # pandas 3's changes, for tableone to see to
        kept = Kept(
            texts,
            columns=list(columns),
            categorical=categorical,
            nonnormal=[name for name in columns if name not in categorical],
            groupby=by,
            order=levels,
            rename=dict(labels or {}),
            decimals=1,
            include_null=False,
            label_suffix=False,
        ).tableone
    table = kept.reset_index()
    names = [column[-1] if isinstance(column, tuple) else column for column in kept.columns]
    table.columns = ["characteristic", "value", *("missing" if name == "Missing" else str(name) for name in names)]
    table["characteristic"] = table["characteristic"].mask(table["characteristic"].duplicated(), "")
    return TableOne(table.astype(str))


def _is_category(values: pd.Series) -> bool:
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return True
    known = values.dropna()
    return known.nunique() <= MOST_CATEGORIES and bool((known % 1 == 0).all())


def _levels(values: pd.Series) -> list[str]:
    """The categories as text, in their declared or natural order."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        present = set(values.dropna())
        return [_text(level) for level in values.cat.categories if level in present]
    return [_text(level) for level in sorted(values.dropna().unique())]


def _texts(values: pd.Series) -> pd.Series:
    return values.astype(object).map(_text, na_action="ignore")


def _text(value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
