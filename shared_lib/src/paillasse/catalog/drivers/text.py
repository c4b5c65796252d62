"""Values that are written as text, in a CSV or in a folder's name: DuckDB's SQL from the text to the declared type."""

from paillasse.catalog.drivers.engine import name
from paillasse.catalog.model import Field

# NULL where the text is none of the type. Not DuckDB's own cast: that makes 4 of an integer 3.7 without a word.
CONVERSIONS = {
    "integer": "CASE WHEN TRY_CAST({0} AS BIGINT) = TRY_CAST({0} AS DOUBLE) THEN TRY_CAST({0} AS BIGINT) END",
    "number": "CASE WHEN isfinite(TRY_CAST({0} AS DOUBLE)) THEN TRY_CAST({0} AS DOUBLE) END",
    "string": "{0}",
    "boolean": "TRY_CAST({0} AS BOOLEAN)",
    "date": "CAST(TRY_STRPTIME({0}, '%Y-%m-%d') AS DATE)",
}
CONVERSIONS["year"] = CONVERSIONS["integer"]


def converted(field: Field, decimal: str = ".") -> str:
    """The SQL of a column of text in its declared type; NULL where the text is none."""
    column = name(field.name)
    if decimal == "," and field.type in ("integer", "number"):
        # With a decimal comma, 1.234 is a thousand and more: no number here, never 1.234.
        column = f"CASE WHEN NOT contains({column}, '.') THEN replace({column}, ',', '.') END"
    return CONVERSIONS[field.type].format(column)


def not_of_its_type(field: Field, decimal: str = ".") -> str:
    """The SQL of the condition that a text is there and is none of the type."""
    return f"{name(field.name)} IS NOT NULL AND ({converted(field, decimal)}) IS NULL"
