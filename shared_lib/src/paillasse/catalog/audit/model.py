"""What a sink is, what a record holds, and what a verification reports."""

import datetime
import os
import re
import socket
import uuid
from dataclasses import dataclass, field, fields
from typing import Annotated, Literal

from pydantic import model_validator

from paillasse.catalog.model import Dsn, TableName
from paillasse.documents import Strict, mistake, text_of

SECONDS = 10  # no read waits longer for its record
NO_HASH = "0" * 64  # what the first record follows
SHOWN = 20  # so many problems are listed in a report's text

AuditPath = Annotated[
    str,
    text_of(r"(\$\{[A-Za-z_]\w*\}[/\\]|/|[A-Za-z]:[/\\]).+", "an absolute path, or one that begins with ${VARIABLE}/"),
]

KEYS_OF_DRIVER = {"postgres": {"dsn", "table"}, "file": {"path", "anchor"}}


class AuditSink(Strict):
    """Where the records go: a PostgreSQL table (`dsn`, `table`) or a local file (`path`, `anchor`)."""

    driver: Literal["postgres", "file"]
    dsn: Dsn | None = None
    table: TableName | None = None
    path: AuditPath | None = None
    anchor: AuditPath | None = None

    @model_validator(mode="after")
    def _keys_of_the_driver(self):
        wanted = KEYS_OF_DRIVER[self.driver]
        given = {name for name in self.model_fields_set - {"driver"} if getattr(self, name) is not None}
        problems = [f"needs the key {key!r}" for key in sorted(wanted - given)]
        problems += [f"has no key {key!r}" for key in sorted(given - wanted)]
        if self.table and "." not in self.table:
            problems.append(f"needs the table's schema too (audit.{self.table})")
        if self.path and self.path == self.anchor:
            problems.append("needs its anchor in another file, best in another folder")
        if problems:
            raise mistake(f"an audit of driver {self.driver} " + " and ".join(problems))
        return self

    def __str__(self) -> str:
        return f"{self.table} at {self.dsn}" if self.driver == "postgres" else self.path


def os_user() -> str:
    """Who runs the process, by the system's word; the environment's (USER, LOGNAME) can be anything."""
    try:
        import pwd
    except ImportError:  # Windows
        return os.environ.get("USERNAME", "unknown")
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without a name
        return f"uid {os.getuid()}"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat()


@dataclass(frozen=True, kw_only=True)
class ReadRecord:
    """One secure read. Nothing of a patient, no value of a filter and no credential has a place here.

    Attributes
    ----------
    project, purpose, approval
        Who asked, for what, by which approval (its reference).
    data_set, profile, source_version
        What was read: names of the catalogue, and the source's version or checksum where one is declared.
    columns, filter_columns
        The columns read, and those that `where` used: names only. Of `exact`, the kind of the result: `KaplanMeier`. Of
        `released` and `decided`, the items asked for and accepted (`RUN/NAME`).
    outcome
        `read`: rows were handed over. `opened`: a lazy table was, whose rows are unknown. `failed`: the data were
        touched and nothing was handed over. `exact`: a result's exact numbers were shown by request, not its safe form.
        `released`: results of the data were put into a bundle to be checked; `decided`: a checker decided on it. Then
        `source_version` is the SHA-256 of the bundle's manifest.
    rows
        How many were handed over; None if unknown.
    id, started_at, who, host
        Filled in: a number of its own, when the read began (UTC), the system's user and the machine.
    """

    project: str
    purpose: str
    approval: str
    data_set: str
    profile: str
    source_version: str | None
    columns: list[str]
    filter_columns: list[str]
    outcome: Literal["read", "opened", "failed", "exact", "released", "decided"] = "opened"
    rows: int | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started_at: str = field(default_factory=_now)
    who: str = field(default_factory=os_user)
    host: str = field(default_factory=socket.gethostname)


NAMES = [each.name for each in fields(ReadRecord)]  # of a line's keys and of a table's columns


@dataclass(frozen=True)
class AuditReport:
    """What `verify` found: how many records it checked; what is not as it was written; what is worth knowing."""

    sink: AuditSink
    checked: int
    problems: list[str]
    notes: list[str]

    @property
    def ok(self) -> bool:
        return not self.problems

    def __str__(self) -> str:
        found = counted(len(self.problems), "problem") if self.problems else "no problem found"
        lines = [f"{self.sink}: {counted(self.checked, 'record')} checked, {found}."]
        lines += [f"  {each}" for each in self.problems[:SHOWN]]
        lines += [f"  and {len(self.problems) - SHOWN} more"] if len(self.problems) > SHOWN else []
        lines += [f"Note: {each}" for each in self.notes]
        return "\n".join(lines)


class Unusable(Exception):
    """Why a sink cannot be written or read, in words without a value or a credential."""


def resolved(text: str) -> str:
    """The text with the `${VARIABLE}` at its beginning replaced."""
    found = re.match(r"\$\{(\w+)\}", text)
    if not found:
        return text
    value = os.environ.get(found[1])
    if not value:
        raise Unusable(f"the environment variable {found[1]} is not set")
    return value + text[found.end() :]


def counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
