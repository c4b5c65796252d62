"""What an entry of `data_catalog.yaml` says: the keys that exist, and what each may hold.

The schema of a data set is Frictionless Table Schema, with `unit`, `codes` and `role` beside it. What a key means is
said here, once; `paillasse.documents` words what is wrong with a file that says something else.
"""

import datetime
import re
from collections import Counter
from typing import Annotated, Literal

from pydantic import Field as Key
from pydantic import field_validator, model_validator

from paillasse.catalog.generator import Generator
from paillasse.catalog.generator_check import mistakes_in
from paillasse.catalog.vocabularies import (
    CATEGORIES,
    CODING_SYSTEMS,
    ORGANISATION_TYPES,
    PERSONAL_DATA,
    PURPOSES,
    THEMES,
)
from paillasse.documents import Strict, Text, mistake, shortened, text_of
from paillasse.errors import did_you_mean

Profile = Literal["public", "synthetic", "secure"]
Sensitivity = Literal["public", "synthetic", "pseudonymised"]
Driver = Literal["csv", "parquet", "postgres", "duckdb", "synthetic"]
# What words there are, and what they mean elsewhere, is in `catalog.vocabularies`.
Purpose = Literal[*PURPOSES]
HealthCategory = Literal[*CATEGORIES]
HealthTheme = Literal[*THEMES]
CodingSystem = Literal[*CODING_SYSTEMS]
OrganisationType = Literal[*ORGANISATION_TYPES]
PersonalData = Literal[*PERSONAL_DATA]
Role = Literal["identifier", "quasi-identifier", "date", "outcome"]
Type = Literal["integer", "number", "string", "boolean", "date", "year"]
Value = int | float | str | bool | datetime.date

Name = Annotated[str, text_of(r"[a-z][a-z0-9_]*", "lower-case letters, digits and _, a letter first")]
ColumnName = Annotated[str, text_of(r"[^\s\x00-\x1f](?:[^\x00-\x1f]*[^\s\x00-\x1f])?", "a column's name")]
Email = Annotated[str, text_of(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+", "an e-mail address")]
Address = Annotated[str, text_of(r"https?://[^\s<>\"{}|\\^`?#]+", "a web address, https://…, without ? and #")]
Country = Annotated[str, text_of(r"[A-Z]{3}", "a country's three letters (ISO 3166), such as FRA")]
LegalBasis = Annotated[
    str, text_of(r"6\(1\)\([a-f]\)|9\(2\)\([a-j]\)", "an article of the GDPR, such as 6(1)(e) or 9(2)(j)")
]
Doi = Annotated[str, text_of(r"10\.\d{4,9}/\S+", "a DOI such as 10.1000/182, without an address before it")]
# What was given is not repeated: a password may be in it.
Dsn = Annotated[
    str, text_of(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", "a variable that holds the address, ${NAME}", secret=True)
]
TableName = Annotated[
    str, text_of(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)?", "a table's name, alone or behind its schema's", secret=True)
]
Delimiter = Annotated[str, text_of(r"[^\w\s\"'.+\-]|\t", "one character, such as ; or a tab (\"\\t\" in quotes)")]
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

    @property
    def values_it_can_hold(self) -> list | None:
        """Where they are few: those of its codes, its enum and its limits."""
        values = list(self.codes or self.constraints.enum or ([False, True] if self.type == "boolean" else ()))
        return [value for value in dict.fromkeys(values) if self.why_not(value) is None] if values else None

    def why_not(self, value) -> str | None:
        """Why the column cannot hold a value, in words; None if it can."""
        limits = self.constraints
        if not _is_of_type(self.type, value):
            quoted = " (put it in quotes)" if self.type == "string" else ""
            return f"{self.name!r} is of type {self.type}; got {value!r}{quoted}"
        if self.codes and value not in self.codes:
            return f"{value!r} is no code of {self.name!r}. {did_you_mean(value, self.codes)}"
        if limits.enum and value not in limits.enum:
            return f"{value!r} is not in the enum of {self.name!r}. {did_you_mean(value, limits.enum)}"
        if limits.minimum is not None and value < limits.minimum:
            return f"{value!r} is below the minimum of {self.name!r}, {limits.minimum}"
        if limits.maximum is not None and value > limits.maximum:
            return f"{value!r} is above the maximum of {self.name!r}, {limits.maximum}"
        return None


PYTHON_TYPES = {
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "date": (datetime.date,),
    "year": (int,),
}


def _is_of_type(kind: str, value) -> bool:
    return isinstance(value, PYTHON_TYPES[kind]) and not (isinstance(value, bool) and kind != "boolean")


def _of_type(kind: str | None, values) -> None:
    if kind is None:  # the type itself is wrong, and said to be
        return
    for value in values:
        if not _is_of_type(kind, value):
            quoted = " (put it in quotes)" if kind == "string" else ""
            raise mistake(f"expected values of type {kind}; got {value!r}{quoted}")


class Reference(Strict):
    """The columns of another data set of the catalogue, its `resource`, that a foreign key's columns point to."""

    resource: Name
    fields: str | list[str]

    @property
    def columns(self) -> list[str]:
        return [self.fields] if isinstance(self.fields, str) else self.fields


class ForeignKey(Strict):
    """Frictionless foreign key: each value of these columns is in another data set, such as a claim's patient."""

    fields: str | list[str]
    reference: Reference

    @property
    def columns(self) -> list[str]:
        return [self.fields] if isinstance(self.fields, str) else self.fields


class Schema(Strict):
    """The columns: all that the source has, no other."""

    fields: list[Field] = Key(min_length=1)
    missingValues: list[str] = Key(default=[""], min_length=1)
    primaryKey: str | list[str] = []
    foreignKeys: list[ForeignKey] = []

    @field_validator("fields")
    @classmethod
    def _names_differ(cls, fields):
        twice = [name for name, n in Counter(field.name for field in fields).items() if n > 1]
        if twice:
            raise mistake(f"two fields have the name {twice[0]!r}")
        alike = [name for name, n in Counter(field.name.lower() for field in fields).items() if n > 1]
        if alike:  # they are one column to DuckDB
            raise mistake(f"two fields called {alike[0]!r} differ in upper and lower case only")
        return fields

    @field_validator("primaryKey")
    @classmethod
    def _key_exists(cls, key, info):
        if "fields" not in info.data:  # they are wrong themselves, and said to be
            return key
        names = {field.name for field in info.data["fields"]}
        for name in [key] if isinstance(key, str) else key:
            if name not in names:
                raise mistake(f"there is no field {name!r}")
        return key


class Approval(Strict):
    """Who may read pseudonymised data in the profile `secure`, until when, for what."""

    reference: Text
    projects: list[Name] = Key(min_length=1)
    valid_until: datetime.date
    purposes: list[Purpose] = Key(min_length=1)


class Disclosure(Strict):
    """What a released number may be: no count below `minimum_cell`, counts rounded to multiples of `rounding`."""

    minimum_cell: int = Key(ge=1)
    rounding: int = Key(ge=1)


class Health(Strict):
    """What a health data catalogue (HealthDCAT-AP) asks of data under access control, beyond the other keys.

    Needed only for `paillasse catalog export`.
    """

    categories: list[HealthCategory] = []  # what kind of electronic health data they are
    themes: list[HealthTheme] = []
    countries: list[Country] = []  # whose patients they are
    legal_basis: list[LegalBasis] = []  # on which the holder processes them
    purposes: list[Purpose] = []  # for which they may be used; by default those of the approval
    personal_data: list[PersonalData] = []  # what they tell of a person
    coding_systems: list[CodingSystem] = []  # in which values are coded
    provenance: Text | None = None  # how and where the data arose
    records: int | None = Key(default=None, ge=0)  # rows, of the data under access control
    bytes: int | None = Key(default=None, ge=0)  # their size, which may be an estimate


class Events(Strict):
    """Which columns say who, what, when: a table of claims as events (patient, category, code, value, start, end)."""

    category: Text  # what all rows are, such as "drug"
    patient: ColumnName
    code: ColumnName
    value: ColumnName | None = None
    start: ColumnName
    end: ColumnName | None = None


# The keys that a source of each driver must and may have, beside `driver`.
KEYS_OF_DRIVER = {
    "csv": ({"path"}, {"sha256", "encoding", "delimiter", "decimal"}),
    "parquet": ({"path"}, {"sha256"}),
    "duckdb": ({"path", "table"}, {"sha256"}),
    "postgres": ({"dsn", "table"}, {"version"}),
    "synthetic": (set(), set()),
}


class Source(Strict):
    """Where the data are. The list of drivers is closed: none can run what the catalogue names."""

    driver: Driver
    path: Text | None = None
    dsn: Dsn | None = None
    table: TableName | None = None
    version: Text | None = None  # of a database's table, as its steward declares it; a file has its checksum
    sha256: Sha256 | None = None  # of several files, see paillasse.catalog.drivers.files
    encoding: Literal["utf-8", "latin-1", "utf-16"] = "utf-8"
    delimiter: Delimiter = ","
    decimal: Literal[".", ","] = "."

    @property
    def place(self) -> str:
        """What a message calls it."""
        return ", table ".join(each for each in (self.path or self.dsn, self.table) if each) or "the synthetic stand-in"

    @model_validator(mode="after")
    def _keys_of_the_driver(self):
        required, allowed = KEYS_OF_DRIVER[self.driver]
        given = {name for name in self.model_fields_set - {"driver"} if getattr(self, name) is not None}
        problems = [f"needs the key {key!r}" for key in sorted(required - given)]
        problems += [f"has no key {key!r}" for key in sorted(given - required - allowed)]
        if problems:
            raise mistake(f"a source of driver {self.driver} " + " and ".join(problems))
        return self

    @field_validator("path")
    @classmethod
    def _below_the_catalogue(cls, path):
        if path is None:
            return path
        if re.match(r"[\w+.-]+:", path) or path.startswith(("/", "\\", "~")):
            raise mistake(
                "expected a path below the catalogue's folder; an absolute root comes only from a variable, "
                f"as in ${{DATA_ROOT}}/table.csv; got {shortened(path)}"
            )
        if "\\" in path or ".." in path.split("/") or any(ord(letter) < 32 for letter in path):
            raise mistake(f"expected a path with / between its parts and without '..'; got {shortened(path)}")
        if "$" in path and not re.fullmatch(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}/[^$]+", path):
            raise mistake(f"a variable stands first, in braces, as in ${{DATA_ROOT}}/table.csv; got {shortened(path)}")
        return path


class Dataset(Strict):
    """One entry of the catalogue."""

    title: Text
    description: Text
    caveats: list[Text] = []
    steward: Steward
    publisher: Text  # the short name of one of the `organisations`, or free text
    licence: Text
    origin: Text | None = None
    papers: list[Paper] = []
    sensitivity: Sensitivity
    unit_of_observation: Text
    population_size: int | None = Key(default=None, ge=0)
    period: Period | None = None
    keywords: list[Text] = []
    approval: Approval | None = None
    disclosure: Disclosure | None = None
    health: Health | None = None
    # Named `schema` in the file; the attribute differs because pydantic's own `schema` is in the way.
    table_schema: Schema = Key(alias="schema")
    events: Events | None = None
    generator: Generator | None = None
    sources: dict[Profile, Source] = Key(min_length=1)

    @field_validator("events")
    @classmethod
    def _events_are_columns(cls, events, info):
        schema = info.data.get("table_schema")
        if schema is not None and events is not None:
            known = {field.name for field in schema.fields}
            for key in ("patient", "code", "value", "start", "end"):
                name = getattr(events, key)
                if name is not None and name not in known:
                    raise mistake(f"{key}: there is no field {name!r}")
        return events

    @field_validator("generator")
    @classmethod
    def _generator_of_the_columns(cls, generator, info):
        if generator is not None and "table_schema" in info.data:
            found = mistakes_in(generator, info.data["table_schema"])
            if found:
                raise mistake("\n  ".join(found if len(found) == 1 else ["", *found]))
        return generator

    @field_validator("sources")
    @classmethod
    def _no_real_patients_behind_another_name(cls, sources, info):
        sensitivity = info.data.get("sensitivity")
        if sensitivity == "public" and "public" not in sources:
            raise mistake("public data need the source 'public'; it serves every profile")
        if sensitivity == "pseudonymised" and "public" in sources:
            raise mistake("pseudonymised data have the sources 'synthetic' and 'secure', no 'public' one")
        if sensitivity == "synthetic" and set(sources) != {"synthetic"}:
            raise mistake("synthetic data have the source 'synthetic' and no other; it serves every profile")
        stand_in = sources.get("synthetic")
        if stand_in and (stand_in.dsn or (stand_in.path or "").startswith("${")):
            raise mistake("synthetic: a stand-in is made (driver: synthetic) or a file below the catalogue's folder")
        return sources

    @field_validator("table_schema")
    @classmethod
    def _foreign_keys_are_columns(cls, schema):
        known = {field.name for field in schema.fields}
        for key in schema.foreignKeys:
            if len(key.columns) != len(key.reference.columns):
                raise mistake("foreignKeys: as many fields as the reference has")
            for name in key.columns:
                if name not in known:
                    raise mistake(f"foreignKeys: there is no field {name!r}")
        return schema


class Organisation(Strict):
    """Who holds data, publishes the catalogue or gives access."""

    name: Text
    email: Email
    homepage: Address
    type: OrganisationType
    note: Text | None = None  # what it does, in a sentence or two
    trusted_data_holder: bool = False  # as designated under article 72 of the European Health Data Space


class About(Strict):
    """What the catalogue itself is, for those who harvest it."""

    title: Text
    description: Text
    homepage: Address  # where it can be read; the addresses of its entries are made from it
    publisher: Name  # one of the `organisations`
    access_body: Name  # one of the `organisations`: the health data access body, which is asked for access


class Document(Strict):
    """The whole file."""

    profile: Profile = "synthetic"
    project: Name | None = None
    purpose: Purpose | None = None
    catalogue: About | None = None
    organisations: dict[Name, Organisation] = {}
    datasets: dict[Name, Dataset]

    @field_validator("datasets")
    @classmethod
    def _foreign_keys_lead_somewhere(cls, datasets):
        for name, dataset in datasets.items():
            for key in dataset.table_schema.foreignKeys:
                other = datasets.get(key.reference.resource)  # a catalogue may hold the one without the other
                known = {field.name for field in other.table_schema.fields} if other else None
                for column in key.reference.columns:
                    if known is not None and column not in known:
                        raise mistake(f"{name}: foreignKeys: {key.reference.resource} has no field {column!r}")
        return datasets
