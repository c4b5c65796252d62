"""What a file holds once it is taken apart: tables, texts, and what could not be read, each with its place.

However a value is wrapped (JSON in HTML in JSON, base64, gzip, a trace's typed array), the rules see only these.
"""

import re
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

NUMBER = re.compile(r"[-+−]?(?:\d+(?:[.,]\d*)?|\.\d+)(?:[eE][-+]?\d+)?\s?%?")
MISSING = {"", "na", "nan", "none", "null", "<na>", "nat", "n/a", ".", "-", "–", "…", "..."}
MOST_BYTES = 400_000_000  # decoded from one file, all layers together
MOST_ROWS = 200_000  # looked at in one table; more are counted
DEEPEST = 12  # wrappings within wrappings


@dataclass(frozen=True)
class Place:
    """Where in a file something stands: cell and output counted from 1, its MIME type, the path within."""

    file: str
    cell: int | None = None
    output: int | None = None
    mime: str = ""
    path: str = ""

    def within(self, step: str | int) -> "Place":
        return replace(self, path=f"{self.path}/{str(step)[:60]}".lstrip("/"))

    @property
    def part(self) -> tuple:
        """The output, or the other part of the file, that is judged as one."""
        return self.file, self.cell, self.output


@dataclass(eq=False)
class Column:
    """Values of a column or array: `numbers` where they are numbers (missing: NaN), `texts` as they were written."""

    numbers: np.ndarray | None = None
    texts: list[str] | None = None
    is_coarse: bool = False  # of 32 bits or fewer, so equal only to some seven digits

    def __len__(self) -> int:
        return len(self.texts if self.numbers is None else self.numbers)

    @cached_property
    def decimals(self) -> int | None:
        """Digits behind the point where the values were written as text; None where they have all their bits."""
        if self.texts is None or self.numbers is None:
            return None
        return max(
            (len(text.rstrip(" %").partition(".")[2]) for text in self.texts if "e" not in text.lower()), default=0
        )


def column_of(values: list) -> Column:
    """A column of scalars: numbers if nine in ten of those that are there are, else texts."""
    kinds = set(map(type, values))
    if kinds <= {int, float, bool, type(None)}:
        try:
            return Column(np.array([np.nan if each is None else each for each in values], dtype=float))
        except OverflowError:
            return Column(texts=[str(each) for each in values])
    texts = ["" if each is None else each if isinstance(each, str) else str(each) for each in values]
    try:
        numbers = np.array(texts, dtype=str).astype(float)  # most columns are all numbers
        return Column(np.where(np.isfinite(numbers), numbers, np.nan), texts)
    except ValueError:
        pass
    there = numeric = 0
    numbers = np.full(len(texts), np.nan)
    for row, text in enumerate(texts):
        text = text.strip()
        if text.lower() in MISSING:
            continue
        there += 1
        if len(text) < 40 and NUMBER.fullmatch(text):
            numbers[row] = float(text.replace("−", "-").replace(",", ".").rstrip(" %"))
            numeric += 1
        elif numeric + 20 < there * 0.5:
            break
    is_numeric = there and numeric >= 0.9 * there
    return Column(numbers if is_numeric else None, texts)


@dataclass(eq=False)
class Table:
    """Columns of one length, side by side, or one array.

    `total` counts the rows where not all were looked at; `pieces` are the traces or records that a pooled array is made
    of; `keys` names the columns that are an index with a name.
    """

    place: Place
    columns: dict[str, Column]
    kind: str = "frame"  # frame, arrays (of a trace), matrix, pooled
    total: int = 0
    pieces: list[tuple["Table | None", np.ndarray]] = field(default_factory=list)
    keys: tuple[str, ...] = ()

    @cached_property
    def rows(self) -> int:
        return max((len(column) for column in self.columns.values()), default=0)


@dataclass(frozen=True)
class Text:
    """Text as a person would read it. `is_code` is a source, `is_error` an exception's message."""

    place: Place
    text: str
    is_code: bool = False
    is_error: bool = False


@dataclass(frozen=True)
class Unreadable:
    """What could not be taken apart, and therefore is not passed."""

    place: Place
    why: str


class TooMuch(Exception):
    """The file holds more than is decoded of one file; the rest has not been seen."""


@dataclass
class Budget:
    """How much of a file is still decoded: what bounds memory and time, whatever the file unpacks to."""

    left: int = MOST_BYTES

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise TooMuch(f"it unpacks to more than {MOST_BYTES:,} bytes")
