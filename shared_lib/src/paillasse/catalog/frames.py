"""Rows as pandas has them: with types that numpy, formulaic and lifelines take as they are."""

from paillasse.catalog.model import Schema
from paillasse.errors import DataError

EXACT_UP_TO = 2**53  # whole numbers that a float64 holds


def as_frame(rows, schema: Schema, title: str):
    """A pandas DataFrame of rows that were read by their declared types.

    Parameters
    ----------
    rows : pyarrow.Table
        Columns of the schema.
    schema
        The data set's.
    title
        What the data are, for the message.

    Returns
    -------
    pandas.DataFrame
        integer and year int64, boolean bool, each float64 where a value is missing; number float64; string object; date
        datetime64.

    Raises
    ------
    DataError
        Whole numbers beside missing ones that a float64 cannot hold.
    """
    _refuse_lost_digits(rows, title)
    data = rows.to_pandas(date_as_object=False)
    for field in schema.fields:
        if field.type == "boolean" and field.name in data.columns and data[field.name].isna().any():
            data[field.name] = data[field.name].astype("float64")
    return data


def _refuse_lost_digits(rows, title: str) -> None:
    import pyarrow
    from pyarrow import compute

    for column in rows.schema:
        if pyarrow.types.is_integer(column.type) and rows[column.name].null_count:
            limits = compute.min_max(rows[column.name]).as_py()
            if limits["max"] is not None and max(-limits["min"], limits["max"]) > EXACT_UP_TO:
                raise DataError(
                    f"{title}: column {column.name!r}: beside missing values, whole numbers above 2**53 would lose "
                    "digits; declare it as string"
                )
