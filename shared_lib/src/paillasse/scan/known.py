"""What the catalogue tells a scan: names of columns, sizes of cohorts, and which values are nobody's secret.

A table or an array is *public* only by its content: its rows are rows of a public data set, or of a stand-in that the
catalogue's generator makes, and are so many and so particular that this is no chance. Ages between 40 and 70 are in
every data set; 300 of one data set's 574 durations are not. What stands beside such rows must follow from them: a
curve over public times, the row's number, one constant.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from paillasse.catalog import Catalog, open_catalog
from paillasse.catalog.entries import FILE_NAME
from paillasse.catalog.model import Field
from paillasse.errors import PaillasseError
from paillasse.scan.containers import MISSING, Column, Table
from paillasse.scan.shapes import finite, is_constant, is_curve, is_grid, is_smooth

MINIMUM_CELL = 11  # of France's secure data access centre, as the steward's file has it by default
CERTAIN = 6.0  # a match that chance gives once in a million is none
# Days as weeks, months or years, as people convert them.
UNITS = (1.0, 365.25, 30.4375, 365.0, 365.25 / 12, 30.44, 30.0, 7.0, 365.2425, 30.436875)


@cache
def plain(name: str) -> str:
    """A column's name without case, accents and punctuation.

    >>> plain("Âge (années)")
    'ageannees'
    """
    letters = unicodedata.normalize("NFKD", str(name)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]", "", letters)


@dataclass
class DataSet:
    """A data set of the catalogue: what its columns are called and, once asked for, the rows that may be shown."""

    name: str
    fields: dict[str, Field]  # by plain name
    size: int | None
    minimum_cell: int
    origin: str  # "public" or "synthetic": of the rows that are read here
    catalog: Catalog

    @property
    def file(self) -> tuple[str, str | None] | None:
        """Name and checksum of the public file, where the catalogue names one."""
        source = self.catalog.datasets[self.name].sources.get("public")
        return (source.path.rpartition("/")[2], source.sha256) if source and source.path else None

    @cached_property
    def levels(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Plain name → the different values in order, and for each row which of them it has (missing: their number).

        Numbers are float, all else is text. Nothing where there are no rows to be read here.
        """
        import pandas

        try:
            entry = self.catalog.in_profile("public" if self.origin == "public" else "synthetic")[self.name]
            data = entry.read(columns=[each.name for each in entry.fields])
        except PaillasseError:
            return {}
        found = {}
        for each in entry.fields:
            codes, different = pandas.factorize(data[each.name])
            if data[each.name].dtype.kind in "iufb":
                found[plain(each.name)] = _in_order(np.asarray(different, dtype=float), codes)
                labels = [each.codes.get(value, "") for value in different] if each.codes else []
            else:
                texts = [str(value)[:10] if each.type == "date" else str(value)[:200] for value in different]
                found[plain(each.name)] = _in_order(np.array(texts, dtype=str), codes)
                labels = [each.codes.get(text, "") for text in texts] if each.codes else []
            if labels:
                found[plain(each.name) + " label"] = _in_order(np.array(labels, dtype=str), codes)
        return found

    @property
    def size_read(self) -> int:
        """How many rows there are to be read here."""
        return len(next(iter(self.levels.values()))[1]) if self.levels else 0


def _in_order(different: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values in order, and the rows' codes (missing: -1) as places among them."""
    levels, places = np.unique(different, return_inverse=True)
    if levels.dtype.kind != "f" and np.any(codes < 0):  # a text that is missing is an empty one
        levels, places = np.unique(np.append(different, ""), return_inverse=True)
        return levels, places[codes].astype(np.int32)  # -1 is the last, the empty one
    return levels, np.append(places, len(levels))[codes].astype(np.int32)


@dataclass
class Known:
    """The catalogue as the rules use it; empty where there is none."""

    data_sets: list[DataSet] = field(default_factory=list)
    # Names that identify, by themselves; the catalogue's own identifiers are added.
    identifiers: set[str] = field(default_factory=set)
    folder: Path | None = None  # the catalogue's

    @property
    def minimum_cell(self) -> int:
        return max([MINIMUM_CELL, *(each.minimum_cell for each in self.data_sets)])

    @cached_property
    def sizes(self) -> set[int]:
        """Numbers of patients and of rows: an array of just that length has a value for each."""
        return {each.size for each in self.data_sets if each.size and each.size >= 20}

    def public(self, table: Table) -> DataSet | None:
        """The data set whose rows, which may be shown, the table shows; None if that is not certain."""
        if table.total > table.rows:
            return None
        columns, found = {}, {}
        for name, column in _telling(table):
            columns[name], found[name] = column, self._index.columns_with(column)
            if not found[name] and _goes_to_and_fro(column):
                return None
        for place, data_set in enumerate(self.data_sets):
            units = {
                name: {key: each for (where, key), each in those.items() if where == place}
                for name, those in found.items()
            }
            if any(units.values()) and _Match(columns, units, data_set).is_certain():
                return data_set
        return None

    @cached_property
    def _index(self) -> "_Index":
        return _Index(self.data_sets)


class _Index:
    """Every different value of every column of all data sets, in order: which columns can hold some given values."""

    def __init__(self, data_sets: list[DataSet]):
        self.columns: list[tuple[int, str]] = []
        self.words: dict[str, set[int]] = {}
        values, owners = [np.empty(0)], [np.empty(0, dtype=np.int32)]
        for place, data_set in enumerate(data_sets):
            for key, (levels, _) in data_set.levels.items():
                owner = len(self.columns)
                self.columns.append((place, key))
                if levels.dtype.kind == "f":
                    values.append(levels)
                    owners.append(np.full(len(levels), owner, dtype=np.int32))
                else:
                    for word in levels.tolist():
                        self.words.setdefault(word, set()).add(owner)
        order = np.argsort(np.concatenate(values), kind="stable")
        self.values = np.concatenate(values)[order]
        self.owners = np.concatenate(owners)[order]

    def columns_with(self, column: Column) -> dict[tuple[int, str], list[float]]:
        """Columns that hold a few of the values, and in which units. Most strangers' columns are in none."""
        found: dict[tuple[int, str], list[float]] = {}
        if column.texts is not None:  # digits may be a code that the data set has as text
            texts = {text.strip() for text in column.texts[:200] if text.strip().lower() not in MISSING}
            some = [self.words.get(text, set()) for text in sorted(texts)[:6]]
            found = {self.columns[owner]: [1.0] for owner in set.intersection(*some)} if some else {}
        if column.numbers is None:
            return found
        distinct = np.unique(column.numbers[np.isfinite(column.numbers)])
        some = (
            distinct[np.linspace(0, len(distinct) - 1, min(6, len(distinct))).astype(int)]
            if len(distinct)
            else distinct
        )
        for unit in UNITS if np.any(some % 1) else UNITS[:1]:
            left: set[int] | None = None
            for value in some:
                tolerance = _tolerance(column, value)
                low, high = np.searchsorted(self.values, [(value - tolerance) * unit, (value + tolerance) * unit])
                here = set(self.owners[low:high].tolist())
                left = here if left is None else left & here
                if not left:
                    break
            for owner in left or ():
                found.setdefault(self.columns[owner], []).append(unit)
        return found


def _goes_to_and_fro(column: Column) -> bool:
    """Whether values, of no data set themselves, can follow from none either: no curve in whatever pieces."""
    if column.numbers is None:
        return True
    steps = np.diff(finite(column.numbers))
    return len(steps) >= 8 and np.count_nonzero(np.diff(np.sign(steps))) > 0.5 * len(steps)


def _tolerance(column: Column, values):
    """How far two numbers may differ that were written as the same."""
    if column.decimals is not None:
        return 0.51 * 10.0**-column.decimals + 0.0 * np.abs(values)
    return np.abs(values) * (1e-6 if column.is_coarse else 1e-9) + 1e-12


def _telling(table: Table) -> Iterator[tuple[str, Column]]:
    """The columns that say something: no constant, no running number; a curve's start at time 0 is set aside."""
    x = table.columns.get("x")
    times = x.numbers if table.kind == "arrays" and x is not None else None
    has_start = times is not None and len(times) > 0 and times[0] == 0
    for name, column in table.columns.items():
        if len(column) == table.rows:
            column = _without_start(column) if has_start else column
            if not _says_nothing(column):
                yield name, column


def known_near(paths: list[Path]) -> Known:
    """What the nearest catalogue says: above the working folder, else above what is scanned.

    Raises
    ------
    CatalogError
        The catalogue has mistakes.
    """
    starts = [Path.cwd(), *(path.resolve() for path in paths)]
    for start in starts:
        for folder in (start, *start.parents):
            if (folder / FILE_NAME).is_file():
                return known_of(open_catalog(folder / FILE_NAME, profile="synthetic"))
    return Known()


def known_of(catalog: Catalog) -> Known:
    """What a catalogue says, opened in whichever profile: no restricted data are read for it."""
    known = Known(folder=catalog.folder)
    for name, dataset in catalog.datasets.items():
        fields = {plain(each.name): each for each in dataset.table_schema.fields}
        size = dataset.population_size or (dataset.health.records if dataset.health else None)
        cell = dataset.disclosure.minimum_cell if dataset.disclosure else 1
        origin = "public" if dataset.sensitivity == "public" else "synthetic"
        known.data_sets.append(DataSet(name, fields, size, cell, origin, catalog))
        known.identifiers |= {key for key, each in fields.items() if each.role == "identifier"}
    known.data_sets.sort(key=lambda each: each.origin != "public")
    return known


class _Match:
    """A table held against a data set: which column is which, so that the rows of the one are rows of the other."""

    def __init__(self, columns: dict[str, Column], units: dict[str, dict[str, list[float]]], data_set: DataSet):
        self.columns = columns
        self.units = units  # of each of our columns: in which of theirs, and in which unit, some of its values are
        self.rows = max(map(len, columns.values()))
        self.theirs = data_set.levels
        self.size = data_set.size_read
        self.ours_coded: list[np.ndarray] = []
        self.theirs_coded: list[np.ndarray] = []
        self.digits = 0.0  # of the chance that a column alone is found by accident, the best of all

    def is_certain(self) -> bool:
        first = {name: sorted(self._candidates(name), key=lambda each: each[0]) for name in self.columns}
        if any(not those and self.columns[name].numbers is None for name, those in first.items()):
            return False  # words that are none of the data set's
        # The most particular column first: it finds the rows, the others must agree.
        order = sorted(first, key=lambda name: first[name][0][0] if first[name] else 1.0)
        left = [name for name in order if not any(self._agrees(candidate) for candidate in first[name][:12])]
        if not self.ours_coded or not all(self._follows(self.columns[name]) for name in left):
            return False
        return self._evidence() >= CERTAIN

    def _candidates(self, name: str) -> Iterator["Candidate"]:
        """Columns of theirs that hold all of this one's values."""
        column, units = self.columns[name], self.units[name]
        called = plain(name)
        keys = [each for each in self.theirs if each in (called, called + " label")]
        for key in keys or units:
            if key in units:
                levels, codes = self.theirs[key]
                if levels.dtype.kind != "f":
                    yield from _texts_within(column.texts, levels, codes)
                else:
                    yield from _numbers_within(column, levels, codes, units[key])

    def _agrees(self, candidate: "Candidate") -> bool:
        """Whether the rows, with this column beside those recognised before, are still rows of the data set."""
        _, ours, theirs, digits = candidate
        if not np.isin(_joined([*self.ours_coded, ours]), _joined([*self.theirs_coded, theirs])).all():
            return False
        self.ours_coded.append(ours)
        self.theirs_coded.append(theirs)
        self.digits = max(self.digits, digits)
        return True

    def _evidence(self) -> float:
        """Of how many digits the chance is that other patients' rows were all found here."""
        ours, theirs = _joined(self.ours_coded), _joined(self.theirs_coded)
        values, counts = np.unique(ours, return_counts=True)
        if self.rows >= 0.5 * self.size and self.rows >= 100:  # half of all rows, none more often than there
            their_values, their_counts = np.unique(theirs, return_counts=True)
            if np.all(counts <= their_counts[np.searchsorted(their_values, values)]):
                return CERTAIN
        if len(self.ours_coded) == 1:
            return self.digits
        # Rows made by chance, each column's values as frequent as they are: how many of them are rows that exist? Real
        # patients, whose columns belong together, are taken to hit ten times as often.
        rng = np.random.default_rng(0)
        by_chance = _joined([rng.permutation(column) for column in self.theirs_coded])
        hits = min(1.0, 10 * (np.isin(by_chance, theirs).mean() + 1 / len(theirs)))
        return max(self.digits, -np.log10(hits) * len(values))

    def _follows(self, column: Column) -> bool:
        """Whether a column that is none of the data set's follows from those that are."""
        numbers = column.numbers
        if numbers is None:
            return False
        return self._is_row_number(numbers) or _in_pieces(self.ours_coded[0], numbers)

    def _is_row_number(self, numbers: np.ndarray) -> bool:
        """Whether the values are the places of just these rows in the data set, as pandas' index has them."""
        if np.isnan(numbers).any() or np.any(numbers % 1) or numbers.min() < 0 or numbers.max() >= self.size:
            return False
        there = _joined(self.theirs_coded)[numbers.astype(int)]
        return bool(np.all(there == _joined(self.ours_coded)))


def _in_pieces(anchor: np.ndarray, numbers: np.ndarray) -> bool:
    """Whether the values are curves, one after the other, each over rising values of the column that was recognised."""
    pieces = np.split(numbers, np.flatnonzero(np.diff(anchor) < 0) + 1)
    if len(pieces) > max(1, len(numbers) / 8):
        return False
    return all(is_curve(each) or is_smooth(each) for each in pieces if len(each) >= 3)


def _says_nothing(column: Column) -> bool:
    """A constant, or a running number."""
    if column.numbers is not None:
        return is_constant(column.numbers) or is_grid(column.numbers)
    return len(set(column.texts)) == 1


def _joined(codes: list[np.ndarray]) -> np.ndarray:
    """Several columns of codes as one, of comparable rows."""
    if len(codes) == 1:
        return codes[0].astype(np.int64)
    # A hash of 64 bits: enough where nobody chooses the rows.
    rows = np.column_stack(codes).astype(np.int64)
    keys = np.zeros(len(rows), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for i in range(rows.shape[1]):
            keys = (keys * np.uint64(0x9E3779B97F4A7C15)) ^ (
                np.ascontiguousarray(rows[:, i]).view(np.uint64) + np.uint64(i + 1)
            )
            keys ^= keys >> np.uint64(29)
            keys *= np.uint64(0xBF58476D1CE4E5B9)
    return keys


def _without_start(column: Column) -> Column:
    numbers = None if column.numbers is None else column.numbers[1:]
    return Column(numbers, column.texts and column.texts[1:], column.is_coarse)


# How dense a column is; ours and theirs as codes of its levels; digits of the chance to find ours by accident.
Candidate = tuple[float, np.ndarray, np.ndarray, float]


def _texts_within(texts: list[str], levels: np.ndarray, codes: np.ndarray) -> Iterator[Candidate]:
    there = set(levels.tolist())
    ours = [text.strip() for text in texts]
    ours = np.array(["" if text not in there and text.lower() in MISSING else text for text in ours], dtype=str)
    at = np.searchsorted(levels, ours).clip(0, len(levels) - 1)
    if np.all(levels[at] == ours):
        are_identifiers = len(levels) > 0.5 * len(codes) and len(levels) >= 50  # one of a million that there could be
        density = len(levels) / 1e6 if are_identifiers else 1.0
        yield density, at, codes, -np.log10(density) * len(set(texts))


def _numbers_within(column: Column, levels: np.ndarray, codes: np.ndarray, units: list[float]) -> Iterator[Candidate]:
    """The data set's column in each unit in which it holds all the values."""
    there = np.isfinite(column.numbers)
    for unit in units:
        theirs, codes_here = levels / unit, codes
        if column.decimals is not None:
            theirs, merged = np.unique(np.round(theirs, column.decimals), return_inverse=True)
            codes_here = np.append(merged, len(theirs))[np.minimum(codes, len(levels))]
        values = np.where(there, column.numbers, theirs[0])
        tolerance = _tolerance(column, values)
        at = np.searchsorted(theirs, values).clip(0, len(theirs) - 1)
        below = (at - 1).clip(0)
        at = np.where(np.abs(theirs[below] - values) < np.abs(theirs[at] - values), below, at)
        if not np.all(np.abs(theirs[at] - values) <= tolerance):
            continue
        at = np.where(there, at, len(theirs))
        if len(theirs) == 1:
            yield 1.0, at, codes_here, 0.0
            continue
        grid = max(np.diff(theirs).min(), 2 * float(np.median(tolerance[there])))
        found = np.unique(at[there])
        # How far apart the values are just there: ages are dense, however wide the range of a skewed column.
        low, high = (found - 5).clip(0), (found + 5).clip(None, len(theirs) - 1)
        gaps = np.maximum((theirs[high] - theirs[low]) / (high - low) / grid, 1.0)
        digits = float(np.log10(gaps).sum())
        yield 10 ** (-digits / len(found)), at, codes_here, digits
