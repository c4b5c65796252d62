"""A safe form as a file, `NAME.safe.json`: all that it holds, as strict JSON, and so nothing finer."""

import json
import math

import numpy as np
import pandas as pd
from pydantic import ValidationError, model_validator

from paillasse.disclosure.policy import Policy
from paillasse.disclosure.safe import Safe
from paillasse.documents import Strict, Text, mistake
from paillasse.errors import DisclosureError

LARGEST = 5_000_000  # bytes; 125 steps of 100 groups need 2 MB

Value = bool | int | float | str | None


class KeptPolicy(Strict):
    """The rules that hold for a safe form."""

    minimum_cell: int
    rounding: int


class KeptSafe(Strict):
    """The file: as :class:`paillasse.disclosure.Safe`, its tables row by row, as a scan reads tables."""

    format: int
    of: Text
    title: str
    tables: dict[str, list[dict[str, Value]]]
    notes: list[str]
    policy: KeptPolicy
    decimals: dict[str, int]

    @model_validator(mode="after")
    def _is_whole(self):
        if self.format != 1:
            raise mistake("a format that this version does not know")
        if "table" not in self.tables:
            raise mistake("there is no table of the name 'table'")
        if any(row.keys() != rows[0].keys() for rows in self.tables.values() for row in rows):
            raise mistake("the rows of a table differ in their columns")
        if self.policy.minimum_cell < 1 or self.policy.rounding < 1:
            raise mistake("a policy's numbers are at least 1")
        return self


def as_json(safe: Safe) -> str:
    """A safe form as the text of its file.

    Missing values are `null`, whatever pandas calls them; labels that JSON has no form for are their text.

    Examples
    --------
    >>> table = pd.DataFrame({"group": ["A"], "n": [15], "median": [float("nan")], "mark": ["rounded"]})
    >>> text = as_json(Safe("KaplanMeier", "Two arms", {"table": table}, ("Rounded.",), Policy(11, 5)))
    >>> from_json(text, "curves").table
      group   n  median     mark
    0     A  15     NaN  rounded
    """
    content = {
        "format": 1,
        "of": safe.of,
        "title": safe.title,
        "tables": {
            str(name): [
                {str(column): _plain(value) for column, value in zip(table, row)}
                for row in zip(*(table[column] for column in table))
            ]
            for name, table in safe.tables.items()
        },
        "notes": list(safe.notes),
        "policy": {"minimum_cell": safe.policy.minimum_cell, "rounding": safe.policy.rounding},
        "decimals": dict(safe.decimals),
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(content: str | bytes, name: str) -> Safe:
    """The safe form of a file's content.

    Parameters
    ----------
    content
        The file's.
    name
        What a message calls it.

    Raises
    ------
    DisclosureError
        It is none, as this version writes them. No value in it is told.
    """
    try:
        if len(content) > LARGEST:
            raise DisclosureError(f"{name}: larger than {LARGEST:,} bytes, so no safe form. Record it again.")
        kept = KeptSafe.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"][:1])
        why = first["msg"] if first["type"] == "mistake" else f"not as written by record(){place and f' at {place!r}'}"
        raise DisclosureError(f"{name} is no safe form: {why}. Execute the run again.") from None
    tables = {
        name: pd.DataFrame({column: _column([row[column] for row in rows]) for column in (rows[0] if rows else ())})
        for name, rows in kept.tables.items()
    }
    policy = Policy(kept.policy.minimum_cell, kept.policy.rounding)
    return Safe(kept.of, kept.title, tables, tuple(kept.notes), policy, kept.decimals)


def _plain(value) -> Value:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return value if math.isfinite(value) else "infinite"
    if isinstance(value, bool | int | str) or value is None:
        return value
    return None if value is pd.NA or value is pd.NaT else str(value)


def _column(values: list[Value]) -> pd.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int}:
        return pd.Series(values, dtype="Int64")
    return pd.Series(values, dtype=float if kinds <= {int, float} else object)
