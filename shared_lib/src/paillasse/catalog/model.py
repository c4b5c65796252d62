"""What an entry of `data_catalog.yaml` says: the keys that exist, and what each may hold.

The schema of a data set is Frictionless Table Schema, with `unit`, `codes` and `role` beside it. What a key means is
said here, once; `paillasse.documents` words what is wrong with a file that says something else.
"""

import datetime
import re
from typing import Annotated, Literal

from pydantic import Field as Key
from pydantic import field_validator

from paillasse.documents import Strict, mistake, text_of

Profile = Literal["public", "synthetic", "secure"]
Sensitivity = Literal["public", "synthetic", "pseudonymised"]
Driver = Literal["csv", "parquet"]
Role = Literal["identifier", "quasi-identifier", "date", "outcome"]
Type = Literal["integer", "number", "string", "boolean", "date", "year"]
Value = int | float | str | bool | datetime.date

Text = Annotated[str, text_of(r"(?s).*\S.*", "some text")]
Name = Annotated[str, text_of(r"[a-z][a-z0-9_]*", "lower-case letters, digits and _, a letter first")]
ColumnName = Annotated[str, text_of(r"[^\s\x00-\x1f](?:[^\x00-\x1f]*[^\s\x00-\x1f])?", "a column's name")]
Email = Annotated[str, text_of(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address")]
Doi = Annotated[str, text_of(r"10\.\d{4,9}/\S+", "a DOI such as 10.1000/182, without an address before it")]
Sha256 = Annotated[str, text_of(r"[0-9a-f]{64}", "a sha256 checksum, 64 hexadecimal digits in lower case")]


class Steward(Strict):
    """Who answers for the data."""

    name: Text
    email: Email


class Paper(Strict):
    """Where the data were published."""

    citation: Text
    doi: Doi | None = None


class Period(Strict):
    """From when to when the patients were included or followed: years, or dates."""

    start: int | datetime.date
    end: int | datetime.date | None = None

    @field_validator("end")
    @classmethod
    def _not_before_the_start(cls, end, info):
        start = info.data.get("start")  # None where it is a mistake itself
        if end is None or start is None:
            return end
        if (end < start) if type(end) is type(start) else (_year(end) < _year(start)):
            raise mistake("the period ends before it starts")
        return end


def _year(when: int | datetime.date) -> int:
    return when if isinstance(when, int) else when.year


class Constraints(Strict):
    """Frictionless constraints; `required` means never missing."""

    required: bool = False
    unique: bool = False
    minimum: Value | None = None
    maximum: Value | None = None
    enum: list[Value] | None = Key(default=None, min_length=1)


class Field(Strict):
    """One column."""

    name: ColumnName
    type: Type
    description: Text
    unit: Text | None = None
    codes: dict[int | float | str, Text] | None = Key(default=None, min_length=1)
    role: Role | None = None
    constraints: Constraints = Constraints()

    @field_validator("codes")
    @classmethod
    def _codes_of_the_type(cls, codes, info):
        _of_type(info.data.get("type"), codes or ())
        return codes

    @field_validator("constraints")
    @classmethod
    def _limits_of_the_type(cls, constraints, info):
        kind = info.data.get("type")
        limits = [each for each in (constraints.minimum, constraints.maximum) if each is not None]
        if limits and kind in ("string", "boolean"):
            raise mistake(f"a {kind} has no minimum or maximum")
        _of_type(kind, [*limits, *(constraints.enum or ())])
        if kind is not None and len(limits) == 2 and limits[0] > limits[1]:
            raise mistake("the minimum is above the maximum")
        return constraints


PYTHON_TYPES = {
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "date": (datetime.date,),
    "year": (int,),
}


def _of_type(kind: str | None, values) -> None:
    if kind is None:  # the type itself is wrong, and said to be
        return
    for value in values:
        if not isinstance(value, PYTHON_TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
            quoted = " (put it in quotes)" if kind == "string" else ""
            raise mistake(f"expected values of type {kind}; got {value!r}{quoted}")


class Schema(Strict):
    """The columns: all that the source has, no other."""

    fields: list[Field] = Key(min_length=1)
    missingValues: list[str] = Key(default=[""], min_length=1)
    primaryKey: str | list[str] = []

    @field_validator("fields")
    @classmethod
    def _names_differ(cls, fields):
        names = [field.name for field in fields]
        for name in names:
            if names.count(name) > 1:
                raise mistake(f"two fields have the name {name!r}")
        return fields

    @field_validator("primaryKey")
    @classmethod
    def _key_exists(cls, key, info):
        for name in [key] if isinstance(key, str) else key:
            if name not in {field.name for field in info.data.get("fields", [])} and "fields" in info.data:
                raise mistake(f"there is no field {name!r}")
        return key


class Source(Strict):
    """Where the data are. The list of drivers is closed: none can run what the catalogue names."""

    driver: Driver
    path: Text
    sha256: Sha256 | None = None

    @field_validator("path")
    @classmethod
    def _below_the_catalogue(cls, path):
        if re.match(r"[\w+.-]+:", path) or path.startswith(("/", "\\", "~")):
            raise mistake(
                "expected a path below the catalogue's folder; an absolute root comes only from a variable, "
                f"as in ${{DATA_ROOT}}/table.csv; got {path[:60]!r}"
            )
        if "\\" in path or ".." in path.split("/") or any(ord(letter) < 32 for letter in path):
            raise mistake(f"expected a path with / between its parts and without '..'; got {path[:60]!r}")
        if "$" in path and not re.fullmatch(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}/[^$]+", path):
            raise mistake(f"a variable stands first, in braces, as in ${{DATA_ROOT}}/table.csv; got {path[:60]!r}")
        return path


class Dataset(Strict):
    """One entry of the catalogue."""

    title: Text
    description: Text
    caveats: list[Text] = []
    steward: Steward
    publisher: Text
    licence: Text
    origin: Text | None = None
    papers: list[Paper] = []
    sensitivity: Sensitivity
    unit_of_observation: Text
    population_size: int | None = Key(default=None, ge=0)
    period: Period | None = None
    keywords: list[Text] = []
    # Named `schema` in the file; the attribute differs because pydantic's own `schema` is in the way.
    table_schema: Schema = Key(alias="schema")
    sources: dict[Profile, Source] = Key(min_length=1)

    @field_validator("sources")
    @classmethod
    def _public_data_have_a_public_source(cls, sources, info):
        if info.data.get("sensitivity") == "public" and "public" not in sources:
            raise mistake("public data need the source 'public'; it serves every profile")
        return sources


class Document(Strict):
    """The whole file."""

    profile: Profile = "synthetic"
    datasets: dict[Name, Dataset]
