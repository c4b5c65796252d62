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

    try:
        compiled(schema, list(data.columns)).validate(data, lazy=True, inplace=True)
    except SchemaErrors as error:
        cases = error.failure_cases
    else:
        return
    counts = cases.groupby(["column", "check"], sort=False, dropna=False)["index"].nunique()
    lines = list(dict.fromkeys(_sentence(column, rule, n, schema) for (column, rule), n in counts.items()))
    remedy = "Mend the data at their source or, if a rule is wrong, the schema in the catalogue."
    raise DataError("\n".join([f"{title}: the data break their schema:", *lines, remedy]))


def compiled(schema: Schema, columns: list[str]):
    """The pandera schema of some columns. Types are not in it: the drivers read by the declared type.

    Returns
    -------
    pandera.pandas.DataFrameSchema
    """
    import pandera.pandas as pandera

    key = primary_key(schema)
    return pandera.DataFrameSchema(
        {
            field.name: pandera.Column(
                nullable=not (field.constraints.required or field.name in key),
                unique=field.constraints.unique,
                checks=_checks(field),
            )
            for field in schema.fields
            if field.name in columns
        },
        unique=key if key and set(key) <= set(columns) else None,
    )


def primary_key(schema: Schema) -> list[str]:
    return [schema.primaryKey] if isinstance(schema.primaryKey, str) else schema.primaryKey


def _checks(field: Field) -> list:
    from pandera.pandas import Check

    checks = []
    if field.codes:
        checks.append(Check.isin(list(field.codes), error="a value that is none of its codes"))
    if field.type == "number":  # a CSV with one is refused before; a parquet file can hold it
        checks.append(Check(lambda values: ~values.isin([math.inf, -math.inf]), error="an infinite number"))
    limits = field.constraints
    if limits.enum:
        checks.append(Check.isin(limits.enum, error="a value that is not in its enum"))
    if limits.minimum is not None:
        checks.append(Check.ge(_comparable(limits.minimum, field), error=f"below the minimum {limits.minimum}"))
    if limits.maximum is not None:
        checks.append(Check.le(_comparable(limits.maximum, field), error=f"above the maximum {limits.maximum}"))
    return checks


def _comparable(limit, field: Field):
    import pandas

    return pandas.Timestamp(limit) if field.type == "date" else limit


def _sentence(column: str, rule: str, n: int, schema: Schema) -> str:
    rows = f"{n} row{'s' if n > 1 else ''}"
    match rule:
        case "multiple_fields_uniqueness":
            return f"  primary key {', '.join(primary_key(schema))}: not unique: {rows}"
        case "not_nullable":
            return f"  column {column!r}: missing, but required: {rows}"
        case "field_uniqueness":
            return f"  column {column!r}: not unique: {rows}"
    return f"  column {column!r}: {rule}: {rows}"
