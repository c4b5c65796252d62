"""The schema is a contract: a source has its columns, in any order and no other, and each is of the declared type."""

from collections import Counter
from collections.abc import Iterable

from paillasse.catalog.drivers.engine import name
from paillasse.catalog.model import Field
from paillasse.errors import DataError, did_you_mean


def check_columns(place: str, found: Iterable[str], declared: list[str]) -> None:
    """Refuse a source with other columns than declared.

    Parameters
    ----------
    place
        What a message calls the source.
    found, declared
        The names.

    Raises
    ------
    DataError
        Every column that is missing, renamed, additional or there twice.
    """
    times = Counter(iter(found))
    new = [each for each in times if each not in declared]
    problems = []
    for each in declared:
        if each not in times:
            renamed = f"; perhaps it was renamed. {did_you_mean(each, new)}" if new else ""
            problems.append(f"  column {each!r} is missing{renamed}")
    problems += [f"  column {each!r} is not in the schema" for each in new]
    problems += [f"  column {each!r} is there twice" for each in declared if times[each] > 1]
    if problems:
        remedy = "Correct the source, or the schema in the catalogue, which must name every column."
        raise DataError("\n".join([f"{place}: other columns than declared:", *problems, remedy]))


def check_types(place: str, found: dict, fields: Iterable[Field]) -> None:
    """Refuse a column whose type, an ibis type, cannot hold what is declared.

    Raises
    ------
    DataError
        Every such column, with both types.
    """
    problems = [
        f"  column {field.name!r} is {found[field.name]} in the source, {field.type} in the catalogue"
        for field in fields
        if not _fits(found[field.name], field.type)
    ]
    if problems:
        raise DataError("\n".join([f"{place}: other types than declared:", *problems, "Correct one of them."]))


def _fits(found, declared: str) -> bool:
    return {
        "integer": found.is_integer() or (found.is_decimal() and found.scale == 0),  # such as Oracle's NUMBER(10)
        "year": found.is_integer(),
        "number": found.is_numeric(),
        "string": found.is_string(),
        "boolean": found.is_boolean(),
        "date": found.is_date(),
    }[declared]


def in_declared_type(found, field: Field) -> str:
    """DuckDB's SQL of a column that is of the type `found`, an ibis type, and fits the declared one."""
    column = name(field.name)
    if found.is_floating():
        # NaN is a missing value; to DuckDB it is a number above all others, which a `where` would keep. It is not found
        # by isnan(): DuckDB 2.0 answers that from the file's statistics, which leave NaN out.
        column = f"CASE WHEN isfinite({column}) OR isinf({column}) THEN {column} END"
    wide = {"integer": "BIGINT", "year": "BIGINT", "number": "DOUBLE", "string": "VARCHAR"}.get(field.type)
    return f"CAST({column} AS {wide})" if wide else column
