"""What makes a table or an array patients' data: rows that are patients, values that came one from each of them.

The rules judge content. A curve may have as many steps as its patients allow with k to a step; a histogram has a
grid; there is no smooth line through patients' values.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from paillasse.scan.containers import Column, Table
from paillasse.scan.curves import is_stepped
from paillasse.scan.identifiers import numbers_given
from paillasse.scan.known import Known, plain
from paillasse.scan.names import EVENTS, OF_EACH_ROW, is_setting
from paillasse.scan.rows import groups_of_few, identifiers_in, is_aggregated, is_crossed, patients_in_rows
from paillasse.scan.shapes import (
    LEVELS,
    finite,
    is_curve,
    is_evenly_spaced,
    is_smooth,
    is_smooth_over,
    is_tiled,
    one_each,
)  # fmt: skip

FEWEST_LABELLED = 40  # rows; a table with a different word before each of fewer is one of estimates
FEWEST_HOMES = 4
FEWEST_WORDS = 40
FEWEST_STEPS = 8
NIR_WITHOUT_ITS_KEY = re.compile(r"[12]\d\d(?:0[1-9]|1[0-2])(?:\d[1-9]|[1-9]\d)\d{6}")
CURVE = re.compile("hazard|surviv|incidence|km_estimate")
ON_A_MAP = ({"lat", "latitude", "lats"}, {"lon", "lng", "long", "longitude", "lons"})
FRANCE = (((41, 51.6), (-5.6, 9.8)), ((6.0e6, 7.2e6), (1e5, 1.3e6)))  # in degrees; in metres, as Lambert 93 has them
POOLED = 40  # values over all traces or records


@dataclass(frozen=True)
class Verdict:
    """Why a table is patients' data: the kind of finding, of how many patients."""

    kind: str  # rows, values, identifiers
    patients: int


def verdicts(table: Table, known: Known) -> Iterator[Verdict]:
    """What a table gives away, by each rule.

    Parameters
    ----------
    table
        One of a file's tables or arrays, but not a pooled one.
    known
        What the catalogue says.
    """
    if table.kind == "words":
        words = next(iter(table.columns.values()))
        if n := identifiers_in(words) if _are_words(words) else numbers_given(words.texts or []):
            yield Verdict("identifiers", n)
        return
    if table.kind == "days":
        if n := _scattered_days(next(iter(table.columns.values()))):
            yield Verdict("values", n)
        return
    if table.kind == "drawn":
        if n := _drawn(table):
            yield Verdict("values", n)
        return
    for column in table.columns.values():
        if n := identifiers_in(column):
            yield Verdict("identifiers", n)
        elif n := _social_security_numbers(column):
            yield Verdict("social security number", n)
    if (n := _homes(table)) and not _is_labelled(table):  # centres have names
        yield Verdict("values", n)
        return
    if n := patients_in_rows(table, known) or groups_of_few(table, known.minimum_cell):
        yield Verdict("rows", n)
    elif n := _of_single_events(table, known.minimum_cell):
        yield Verdict("values", n)
    elif table.kind not in ("record", "series") and not is_aggregated(table, known.minimum_cell):
        n = 0
        for count in _one_each(table, known):
            n = max(n, count)
            if n >= table.rows:  # no other part of the table can say more
                break
        if n and not _is_labelled(table) and not is_crossed(table) and not _are_settings(table):
            yield Verdict("values", max(n, table.total))
    elif table.kind == "series" and (n := _of_each_row(table)):
        yield Verdict("values", n)


def _social_security_numbers(column: Column) -> int:
    """How many of a column's values are French numbers of social security without their keys: all of them, or none."""
    numbers = column.numbers
    if numbers is None or len(numbers) < 3 or not 1e12 < numbers[0] < 3e12:
        return 0
    written = [f"{each:.0f}" for each in np.unique(finite(numbers))]
    years = {each[1:3] for each in written}
    return len(written) if len(years) >= 3 and all(map(NIR_WITHOUT_ITS_KEY.fullmatch, written)) else 0


def _are_words(column: Column) -> bool:
    return sum(map(str.isdecimal, column.texts or ())) < 4


def _one_each(table: Table, known: Known) -> Iterator[int]:
    """Of how many patients parts of a table can have a value each."""
    x, is_symmetric = table.columns.get("x"), table.kind == "matrix" and _is_symmetric(table)
    for name, column in table.columns.items():
        numbers = column.numbers
        if numbers is not None and not is_symmetric:
            is_line = name == "y" and x is not None and x.numbers is not None and is_smooth_over(x.numbers, numbers)
            yield 0 if is_line else one_each(numbers, known.sizes)
        elif numbers is None and column.texts:
            yield len(column) if len(column) in known.sizes or _are_words_as_they_came(table, column) else 0
            if (days := _days(column)) is not None:
                yield one_each(days, known.sizes)
    yield _whole_pairs(table)
    yield _steps_as_they_came(table)
    yield _of_each_row(table)


def _are_words_as_they_came(table: Table, column: Column) -> bool:
    """Whether an array of a figure repeats a few words in no pattern: one for each patient."""
    if table.kind != "arrays" or len(column) < FEWEST_WORDS or not 2 <= len(set(column.texts)) <= LEVELS:
        return False
    _, codes = np.unique(column.texts, return_inverse=True)
    return not is_tiled(codes) and np.count_nonzero(np.diff(codes)) > 0.2 * len(codes)


def _is_labelled(table: Table) -> bool:
    """Whether different words, or words and grid points, name every one of not too many rows."""
    rows = table.rows
    words = [column for column in table.columns.values() if column.numbers is None and len(column) == rows]
    if not words:
        return False
    keys = list(zip(*(column.texts for column in words), strict=True))
    if len(set(keys)) == rows:
        return rows < FEWEST_LABELLED
    grids = [
        c.numbers
        for c in table.columns.values()
        if c.numbers is not None and len(c) == rows and is_evenly_spaced(c.numbers)
    ]
    if grids and len(np.unique(grids[0])) >= 3:
        keys = [(*key, point) for key, point in zip(keys, grids[0], strict=True)]
        groups = rows / len(np.unique(grids[0]))
        return len(set(keys)) == rows and rows < 200 and groups >= 1
    return False


def _homes(table: Table) -> int:
    """How many addresses a table can place on a map: points in France, or of a map, to a hundred metres or less."""
    columns = [column.numbers for column in table.columns.values() if column.numbers is not None]
    named = [next((c for name, c in table.columns.items() if name.lower() in names), None) for names in ON_A_MAP]
    is_named = all(each is not None and each.numbers is not None for each in named)
    pairs = [tuple(each.numbers for each in named)] if is_named else itertools.pairwise(columns)
    for pair in pairs:
        if not is_named and not _begin_in_france(*pair):  # most are not there, as their first point tells
            if not _begin_in_france(*pair[::-1]):  # GeoJSON and others write the east first
                continue
            pair = pair[::-1]
        ys, xs = (finite(each) for each in pair)
        if len(ys) >= FEWEST_HOMES and len(xs) == len(ys) and _is_precise(xs) and _is_precise(ys):
            in_france = any(_is_within(ys, north) and _is_within(xs, east) for north, east in FRANCE)
            if (in_france or is_named) and len(np.unique(ys)) == len(ys) and not is_evenly_spaced(ys):
                return len(ys)
    return 0


def _begin_in_france(north: np.ndarray, east: np.ndarray) -> bool:
    if len(north) != len(east) or not len(north):
        return False
    first, second = float(north[0]), float(east[0])
    return any(south < first < up and west < second < right for (south, up), (west, right) in FRANCE)


def _is_within(numbers: np.ndarray, limits: tuple[float, float]) -> bool:
    return bool(np.all((numbers > limits[0]) & (numbers < limits[1])))


def _is_precise(degrees: np.ndarray) -> bool:
    """Whether nearly all have three digits behind the point or more, or are metres."""
    return degrees.min() > 1e5 or bool(np.mean(np.abs(degrees * 100 - np.round(degrees * 100)) > 1e-7) > 0.8)


def _days(column: Column) -> np.ndarray | None:
    """Dates as numbers of days; None where they are none, or each the first of a month."""
    if column.numbers is not None or len(column) < 20:
        return None
    texts = [text[:10] for text in column.texts if text]
    if not all(re.fullmatch(r"(?:19|20)\d\d-[01]\d-[0-3]\d", text) for text in texts) or all(
        t.endswith("-01") for t in texts
    ):
        return None
    try:
        return np.array(texts, dtype="datetime64[D]").astype(float)
    except ValueError:
        return None


def _scattered_days(column: Column) -> int:
    """How many patients' days a text can have: different ones over years, in no order; a log or a history has one."""
    days = dict.fromkeys(column.texts)
    ordered = sorted(days)
    if len(days) < 8 or list(days) in (ordered, ordered[::-1]) or ordered[0][:4] == ordered[-1][:4]:
        return 0
    turns = sum((a < b) != (b < c) for a, b, c in zip(days, list(days)[1:], list(days)[2:], strict=False))
    return len(days) if turns > len(days) / 4 else 0


def _steps_as_they_came(table: Table) -> int:
    """A printed curve whose steps are at days or months, wherever an event was, not at times that somebody chose."""
    columns = [column.numbers for column in table.columns.values() if column.numbers is not None]
    if table.kind not in ("frame", "lines", "series") or len(columns) < 2 or table.rows < FEWEST_STEPS:
        return 0
    times, *others = columns
    if not _are_as_they_came(times):
        return 0
    is_drawn = any(is_curve(each) and finite(each).max() <= 1 for each in others)
    return table.rows if is_drawn or any(CURVE.search(name.lower()) for name in table.columns) else 0


def _are_as_they_came(times: np.ndarray) -> bool:
    """Whether times rise by whatever was between two events; those that somebody chose are even, or round."""
    values = finite(times)
    if len(values) < len(times) - 1 or np.any(np.diff(values) <= 0) or is_evenly_spaced(values):
        return False
    if np.any(np.abs(values * 100 - np.round(values * 100)) > 1e-6 * np.maximum(1, values)):
        return False
    is_whole = values % 1 == 0
    chosen = (values % 5 == 0) | (values % 12 == 0) | (is_whole & (values < 10)) | (values % 0.25 == 0) & (values < 3)
    return bool(np.mean(chosen) < 0.6)


def _of_single_events(table: Table, k: int) -> int:
    """A printed table of a curve, each row of one event or of few, at the time when it came."""
    named = {plain(name): column.numbers for name, column in table.columns.items() if column.numbers is not None}
    at_risk = next((named[name] for name in named if name in ("nrisk", "atrisk")), None)
    events = next((named[name] for name in named if name in EVENTS), None)
    if at_risk is None or events is None or table.rows < 5:
        return 0
    times, *_ = named.values()
    few = np.mean(finite(events) <= min(2, k - 1)) >= 0.8
    return table.rows if few and _are_as_they_came(times) else 0


def _of_each_row(table: Table) -> int:
    """Residuals, leverage and influence, which each patient has of their own."""
    words = [column for name, column in table.columns.items() if plain(name) in OF_EACH_ROW]
    is_known = any(column.numbers is not None and len(finite(column.numbers)) >= 3 for column in words)
    return table.rows if is_known else 0


def _are_settings(table: Table) -> bool:
    """Whether columns are the settings and the scores of models that were tried."""
    return sum(map(is_setting, table.columns)) >= 2


def _whole_pairs(table: Table) -> int:
    """Fewer points than a cohort has, but each of two whole numbers as they were entered: no estimate is like that."""
    x, y = table.columns.get("x"), table.columns.get("y")
    if table.kind != "arrays" or x is None or y is None or x.numbers is None or y.numbers is None or table.rows < 10:
        return 0
    for numbers in (finite(x.numbers), finite(y.numbers)):
        if (
            np.any(numbers % 1)
            or len(np.unique(numbers)) < 0.6 * table.rows
            or is_evenly_spaced(numbers)
            or is_curve(numbers)
        ):
            return 0
    return table.rows


def _is_symmetric(table: Table) -> bool:
    """A matrix of correlations, or of distances between variables."""
    columns = [column.numbers for column in table.columns.values() if column.numbers is not None]
    if len(columns) != table.rows or any(len(each) != table.rows for each in columns):
        return False
    matrix = np.column_stack(columns)
    return bool(np.allclose(matrix, matrix.T, equal_nan=True))


def _drawn(table: Table) -> int:
    """How many patients' values the points of a vector figure can be."""
    x, y = table.columns["x"].numbers, table.columns["y"].numbers
    if len(x) == len(y) and (is_smooth(y) or is_smooth(x)) and not is_stepped(x, y):
        return 0
    if len(x) > 4 and x[0] == x[-1] and y[0] == y[-1] and len(x) < 60:  # a closed outline: a letter, a mark
        return 0
    return max(one_each(np.unique(np.round(each, 4))) for each in (x, y))


def pooled_values(table: Table, left_out: set[int], known: Known) -> int:
    """How many patients' values are spread over traces, shapes, frames or records.

    Parameters
    ----------
    table
        A pooled one.
    left_out
        Ids of the tables that are nobody's secret.
    """
    pieces = [numbers for origin, numbers in table.pieces if origin is None or id(origin) not in left_out]
    if len(pieces) < 3 and len(table.pieces) > 1:
        return 0
    if any(len(piece) >= 20 for piece in pieces):  # judged by themselves
        pieces = [piece for piece in pieces if len(piece) < 20]
    if not pieces:
        return 0
    values = finite(np.concatenate(pieces))
    total = len(values)
    if total < POOLED and total not in known.sizes:
        return 0
    various = len(np.unique(values))
    if is_evenly_spaced(values) or various < 0.5 * min(total, 80) or various < 20:
        return 0
    return various
