"""A data set's rows against its Table Schema, which is compiled to a pandera schema.

What pandera reports is put into sentences of column, rule and number of rows: never a value.
"""

import math

from paillasse.catalog.model import Field, Schema
from paillasse.errors import DataError


def validate(data, schema: Schema, title: str) -> None:
    """Check rows against the schema; columns that were not read are not checked.

    Parameters
    ----------
    data : pandas.DataFrame
        Some or all columns of the schema.
    schema
        The catalogue's.
    title
        What the data are, for the message.

    Raises
    ------
    DataError
        Every column and rule that is broken, with the number of rows.
    """
    from pandera.errors import SchemaErrors

    lines = []
    key = primary_key(schema)
    # Not by pandera, which needs minutes to report a million rows that are there twice.
    if key and set(key) <= set(data.columns) and (n := int(data[key].dropna().duplicated(keep=False).sum())):
        lines.append(f"  primary key {', '.join(key)}: not unique: {_rows(n)}")
    try:
        compiled(schema, list(data.columns)).validate(data, lazy=True, inplace=True)
    except SchemaErrors as errors:
        lines += [
            f"  column {error.schema.name!r}: {error.check.error}: {_rows(int((~error.check_output).sum()))}"
            for error in errors.schema_errors
        ]
    if not lines:
        return
    remedy = "Mend the data at their source or, if a rule is wrong, the schema in the catalogue."
    raise DataError("\n".join([f"{title}: the data break their schema:", *lines, remedy]))


def check_links(name: str, schema: Schema, tables: dict) -> None:
    """Check that what foreign keys name is there.

    Parameters
    ----------
    name
        The data set's.
    schema
        Its own.
    tables : dict of str to ibis.Table
        It, and the data sets that its foreign keys lead to, by name, in one database. Others are not checked.

    Raises
    ------
    DataError
        Every foreign key that leads nowhere, with the number of rows.
    """
    lines = []
    for key in schema.foreignKeys:
        there = tables.get(key.reference.resource)
        if there is None:
            continue
        rows = tables[name].drop_null(key.columns)
        pairs = [rows[own] == there[other] for own, other in zip(key.columns, key.reference.columns, strict=True)]
        if n := int(rows.anti_join(there, pairs).count().execute()):
            lines.append(f"  {', '.join(key.columns)}: not in {key.reference.resource}: {_rows(n)}")
    if lines:
        raise DataError("\n".join([f"{name}: foreign keys lead nowhere:", *lines, "Mend the data at their source."]))


def compiled(schema: Schema, columns: list[str]):
    """The pandera schema of some columns. Types are not in it: the drivers read by the declared type; nor is the key.

    Returns
    -------
    pandera.pandas.DataFrameSchema
    """
    import pandera.pandas as pandera

    key = primary_key(schema)
    return pandera.DataFrameSchema(
        {
            field.name: pandera.Column(nullable=True, checks=_checks(field, field.name in key))
            for field in schema.fields
            if field.name in columns
        }
    )


def primary_key(schema: Schema) -> list[str]:
    return [schema.primaryKey] if isinstance(schema.primaryKey, str) else schema.primaryKey


def _checks(field: Field, in_key: bool) -> list:
    """Each with one failure case: pandera would write every one of a million into a message that nobody may see."""
    from pandera.pandas import Check

    def check(holds, error: str, missing_too: bool = False):
        return Check(holds, error=error, ignore_na=not missing_too, n_failure_cases=1)

    checks = []
    limits = field.constraints
    if limits.required or in_key:
        checks.append(check(lambda values: values.notna(), "missing, but required", missing_too=True))
    if limits.unique:
        checks.append(check(lambda values: ~values.duplicated(keep=False), "not unique"))
    if field.codes:
        checks.append(check(lambda values: values.isin(list(field.codes)), "a value that is none of its codes"))
    if field.type == "number":  # a CSV with one is refused before; a parquet file can hold it
        checks.append(check(lambda values: ~values.isin([math.inf, -math.inf]), "an infinite number"))
    if limits.enum:
        allowed = [_comparable(value, field) for value in limits.enum]
        checks.append(check(lambda values: values.isin(allowed), "a value that is not in its enum"))
    if limits.minimum is not None:
        least = _comparable(limits.minimum, field)
        checks.append(check(lambda values: values >= least, f"below the minimum {limits.minimum}"))
    if limits.maximum is not None:
        most = _comparable(limits.maximum, field)
        checks.append(check(lambda values: values <= most, f"above the maximum {limits.maximum}"))
    return checks


def _comparable(limit, field: Field):
    import pandas

    return pandas.Timestamp(limit) if field.type == "date" else limit


def _rows(n: int) -> str:
    return f"{n} row{'s' if n > 1 else ''}"
