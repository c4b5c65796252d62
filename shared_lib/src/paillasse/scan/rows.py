"""Rows that are patients: by the names of their columns, or by values as somebody entered them.

Rows of patients have codes, ages and dates; a table of estimates has words for rows and few of them, fractions with
all their digits, or a count that says of how many patients a row is.
"""

import math
import re

import numpy as np

from paillasse.catalog.model import Field
from paillasse.scan.containers import NUMBER, Column, Table, column_of
from paillasse.scan.identifiers import REGISTERED
from paillasse.scan.known import DataSet, Known, plain
from paillasse.scan.names import (
    CENSORED,
    CLINICAL,
    COUNTED,
    COUNTS,
    COURSE,
    DURATIONS,
    EVENTS,
    GIVEN,
    GROUPING,
    IDENTIFIERS,
    LIVING,
    OF_A_COLUMN,
    OF_A_PERSON,
    OUTCOMES,
    PERSON,
    QUASI,
    STAGES,
    STATISTICS,
    SUMMARY,
    TOLD,
    WEAK,
    words_of,
)  # fmt: skip
from paillasse.scan.shapes import LEVELS, finite, is_constant, is_evenly_spaced, is_grid

LIKE_AN_IDENTIFIER = re.compile(
    r"[A-Za-z]{0,6}[-_/ #.]?(?:\d{1,4}[-_/])?\d{3,}(?:[-_][A-Z]\d?)?|(?=\D*\d)(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9]{8,}"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-fA-F]{16,}|[12](?:\.\d+){6,}"
)


TYPES_OF_PANDAS = ("int", "float", "object", "bool", "datetime", "category", "string", "str")
SEXES = ({"f", "m"}, {"f", "h"}, {"female", "male"}, {"femme", "homme"})
OLDEST = 120  # years
CODES = re.compile(r"[A-Z]{4}\d{3}|[A-Z]\d\d[A-Z]{2}\d\d")  # of procedures (CCAM), of drugs (ATC)
DATE = re.compile(r"(?:19|20)\d\d-\d\d-\d\d(?:[T ][\d:.]+Z?)?|\d\d?[/.-]\d\d?[/.-](?:19|20)?\d\d")


def patients_in_rows(table: Table, known: Known) -> int:
    """How many rows are one patient each, as names and values say; 0 if they are something else."""
    rows = max(table.rows, table.total)
    # `@id` and `@type` are JSON-LD's own words, as in a provenance crate, and no columns of a data set.
    named = {plain(name): column for name, column in table.columns.items() if not name.startswith("@")}
    # In JSON what stands before a point is the object that the array is in.
    last = {name: name.rpartition(".")[2] if table.kind == "arrays" else name for name in table.columns}
    words = {plain(name): words_of(last[name]) for name in table.columns}
    identifiers = IDENTIFIERS | known.identifiers | ({"name"} if named.keys() & OF_A_PERSON else set())
    identifying = [
        column
        for name, column in named.items()
        if (name in identifiers or (words.get(name, set()) & GIVEN and name not in COUNTS))
        and _is_given(column)
        and not _is_registered(column)
        and (name not in WEAK or len(named) >= 2)
    ]
    if _is_described(table):
        return _described(table, known.minimum_cell)
    if is_aggregated(table, known.minimum_cell):
        return 0
    fits = max((len(_fitting(named, each)) for each in known.data_sets), default=0)
    if (
        table.kind == "record"
    ):  # of one patient, or a line each: nothing but names of the catalogue tells it from settings
        said = sum(c.numbers is not None and bool(words[name] & (PERSON | COURSE)) for name, c in named.items())
        is_given = any(map(_is_number_given, identifying))
        if rows == 1 and table.place.path.startswith("source"):  # a profile that somebody made up
            return rows if said >= 2 and is_given else 0
        return rows if fits >= 4 or (said >= 2 and (is_given or rows >= 4)) or _has_a_fate(table.columns) else 0
    names = next((c.texts for c in table.columns.values() if c.numbers is None and len(c) == table.rows), [])
    if len(names) >= 4 and (n := max((_upright(table, names, each) for each in known.data_sets), default=0)):
        return n
    if n := _turned(table):
        return n
    if _is_one(table):
        return 1
    entered = {name for name, column in named.items() if _as_entered(column)}
    quasi, clinical = entered & QUASI, entered & CLINICAL
    if not _labels(table):  # a name that begins or ends with a word is less sure than the word alone
        quasi |= {name for name in entered if words.get(name, set()) & PERSON}
        clinical |= {name for name in entered if words.get(name, set()) & COURSE}
    if not identifying and is_crossed(table):
        return 0
    is_sure = len(identifying) >= 2 or any(_is_various(each) for each in identifying)
    if identifying and (fits >= 2 or quasi or clinical or is_sure):
        return rows
    # A column of rows per patient is described by its own values; a table that has them beside a count, by groups.
    is_told = table.kind == "series" and next(reversed(named)) not in SUMMARY
    if is_told and fits + len(quasi) >= 1 and rows >= 3 and is_evenly_spaced(_index_of(table)):
        return rows
    *_, values = table.columns.values()
    if table.kind == "series" and "index" in table.columns and rows >= 5 and clinical and _are_various(values):
        return rows
    if rows >= 5 and _are_times_and_events(named):
        return rows
    entered_course = [c for name, c in named.items() if words.get(name, set()) & COURSE and _are_various(c)]
    if rows >= 5 and table.kind == "frame" and len(entered_course) >= 2 and not _labels(table) and not _counts(table):
        return rows
    measured = sum(_are_measures(named[name]) for name in quasi | clinical)
    measured += bool(measured) and any(_are_various(named[n]) and not _are_measures(named[n]) for n in quasi | clinical)
    if quasi and clinical and rows >= 5 and (measured >= 2 or _are_numbered_from_0(table)) and not _is_keyed(table):
        return rows
    if fits >= 3 or (fits == 2 and (rows >= 5 or quasi)):
        return rows if not _is_keyed(table) else 0
    if (len(quasi) >= 2 or (quasi and len(quasi | clinical) >= 3)) and not _is_keyed(table):
        return rows
    return rows if _looks_entered(table) else 0


def _index_of(table: Table) -> np.ndarray:
    index = next(iter(table.columns.values())).numbers
    return np.array([0.0, 1.0, 3.0]) if index is None else index


def _upright(table: Table, names: list[str], data_set: DataSet) -> int:
    """How many patients stand side by side, a column each, before which a column says what the values are."""
    if sum(plain(name) in data_set.fields for name in names) < 4:
        return 0
    patients = 0
    for head, column in table.columns.items():
        if len(column) != table.rows or (column.texts or []) == names:
            continue
        if plain(head).endswith(OF_A_COLUMN) or head in STATISTICS:
            continue
        if column.numbers is not None and is_constant(column.numbers):
            continue
        values = [(data_set.fields.get(plain(name)), row) for row, name in enumerate(names)]
        said = [(declared, _value(column, row)) for declared, row in values if declared is not None]
        said = [(declared, value) for declared, value in said if len(finite(value.numbers)) or value.texts]
        fit = sum(_fits(value, declared) for declared, value in said if value.numbers is not None)
        strict = sum(
            bool(declared.codes or (declared.constraints.minimum or 0) != 0)  # a count of missing values fits the rest
            for declared, value in said
            if value.numbers is not None and _fits(value, declared)
        )
        patients += fit >= 4 and fit >= 0.9 * sum(v.numbers is not None for _, v in said) and strict >= 3
    return patients


def _has_a_fate(named: dict[str, Column]) -> bool:
    """Whether single values tell of a person, a disease, and for how long or whether: no made-up profile has that."""
    words = [words_of(name) for name, column in named.items() if _as_entered(column)]
    numbers = [words_of(name) for name, column in named.items() if column.numbers is not None and _as_entered(column)]
    fates = [each & (OUTCOMES | DURATIONS) for each in numbers]
    return any(fates) and any(each & PERSON for each in words) and sum(bool(w & (PERSON | COURSE)) for w in words) >= 4


def _is_one(table: Table) -> bool:
    """Whether two columns are names and values of one patient, as pandas shows the row of a frame.

    Medians have no words among them, and no number for a name.
    """
    columns = list(table.columns.items())
    if len(columns) != 2 or table.rows < 4 or columns[0][1].numbers is not None:
        return False
    (head, names), (title, values) = columns
    said = dict(zip(names.texts, values.texts or map(str, values.numbers.tolist()), strict=False))
    if table.kind != "series" and not head.startswith("#"):  # the first of the lines was taken for a header
        said[head] = title
    named = {name: column_of([value]) for name, value in said.items() if value}
    is_mixed = any(c.numbers is None and not c.texts[0].startswith(TYPES_OF_PANDAS) for c in named.values())
    is_row = table.kind == "series" and title.isdecimal()
    return (is_mixed or is_row) and _has_a_fate(named)


def _turned(table: Table) -> int:
    """How many patients stand side by side where each line is a measure, as R's `str` writes it."""
    heads = [c.texts for c in table.columns.values() if c.numbers is None and len(c) == table.rows]
    if len(table.columns) < 5 or not 2 <= table.rows <= 200:
        return 0
    for names in heads:
        said = set()
        across = [c for c in table.columns.values() if len(c) == table.rows and c.texts is not names]
        for row, name in enumerate(names):
            words = words_of(name) if len(name) <= 40 else set()
            if not words & (PERSON | COURSE) or len(words) > 2:
                continue
            values = np.concatenate([finite(_value(each, row).numbers) for each in across])
            if len(values) >= 4 and not is_evenly_spaced(values) and not np.any(values % 1):
                said |= {"person" if words & PERSON else "course"}
        if said == {"person", "course"}:
            return len(across)
    return 0


def _are_times_and_events(named: dict[str, Column]) -> bool:
    """Whether one column says of each row for how long it was followed, and another whether something happened."""
    if {"nrisk", "atrisk"} & named.keys():
        return False
    events = [named[name].numbers for name in named if name in OUTCOMES]
    times = [named[name] for name in named if words_of(name) & DURATIONS]
    return any(e is not None and set(np.unique(finite(e))) == {0, 1} for e in events) and any(map(_are_various, times))


def _are_numbered_from_0(table: Table) -> bool:
    """Whether rows have the numbers that pandas gives them where nobody named them."""
    first = next(iter(table.columns.values())).numbers
    return first is not None and np.array_equal(first, np.arange(len(first)))


def _are_various(column: Column) -> bool:
    """Whether numbers have few digits, are mostly different, and neither a grid nor going one way."""
    if column.numbers is None or not _as_entered(column):
        return False
    values = finite(column.numbers)
    various = len(values) >= 4 and len(np.unique(values)) > 0.6 * len(values)
    return bool(various and not is_evenly_spaced(values) and not _goes_one_way(values))


def _are_measures(column: Column) -> bool:
    """Whether such numbers are whole."""
    return _are_various(column) and not np.any(finite(column.numbers) % 1)


def _value(column: Column, row: int) -> Column:
    if column.numbers is not None:
        return Column(column.numbers[row : row + 1])
    return (
        column_of([column.texts[row]])
        if column_of([column.texts[row]]).numbers is not None
        else Column(np.array([np.nan]))
    )


def _fitting(named: dict[str, Column], data_set: DataSet) -> list[str]:
    return [name for name, column in named.items() if name in data_set.fields and _fits(column, data_set.fields[name])]


def _fits(column: Column, declared: Field) -> bool:
    """Whether values are as the catalogue says the column's are, and as they were entered: no mean, no estimate."""
    if column.numbers is not None:
        values = finite(column.numbers)
        if not len(values) or not _as_entered(column):
            return False
        if declared.type in ("integer", "year") and np.any(values % 1):
            return False
        if declared.codes and declared.type in ("integer", "number"):
            return bool(np.isin(values, [each for each in declared.codes if not isinstance(each, str)]).all())
        low, high = declared.constraints.minimum, declared.constraints.maximum
        is_low = isinstance(low, int | float) and values.min() < low
        if is_low or (isinstance(high, int | float) and values.max() > high):
            return False
        return declared.type in ("integer", "year", "number", "boolean") or declared.role == "identifier"
    values = {text for text in column.texts if text}
    if not values:
        return False
    if declared.codes:
        return values <= {str(each) for each in declared.codes} | set(declared.codes.values())
    if declared.type == "date":
        return all(DATE.fullmatch(each) for each in values)
    return declared.type in ("string", "boolean")


def _as_entered(column: Column) -> bool:
    """Whether values have the few digits of what somebody measured or typed, or are words or dates."""
    if column.numbers is None:
        return any(column.texts)
    values = finite(column.numbers)
    if not len(values):
        return False
    tenths = np.abs(values * 100 - np.round(values * 100)) < 1e-6 * np.maximum(1, np.abs(values))
    return bool(tenths.mean() > 0.9)


def _is_given(column: Column) -> bool:
    if column.numbers is not None:
        values = finite(column.numbers)
        return (bool(len(values)) and not np.any(values % 1) and not is_constant(values)) or len(values) == 1
    return any(column.texts)


def _is_registered(column: Column) -> bool:
    """Whether all values are the public names of trials, articles or genes."""
    texts = [] if column.numbers is not None else list(filter(None, column.texts))
    return bool(texts) and all(re.match(rf"{REGISTERED}[-:]?\d", text) for text in texts)


def _is_number_given(column: Column) -> bool:
    """Whether the one value of an identifier has the digits of a number that was given, and is no word or setting."""
    written = "".join(map(str, column.texts or [f"{each:.0f}" for each in finite(column.numbers)]))
    return sum(map(str.isdigit, written)) >= 4


def _is_various(column: Column) -> bool:
    """Whether an identifier's values are those of patients and not the words or counts of a summary."""
    if identifiers_in(column, fewest=1):
        return True
    values = finite(column.numbers) if column.numbers is not None else [text for text in column.texts if text]
    return len(values) >= 5 and len(np.unique(values)) >= 0.5 * len(values)


def identifiers_in(column: Column, fewest: int = 3) -> int:
    """How many values look like numbers or pseudonyms that were given to patients."""
    if column.texts is None or column.numbers is not None or _is_registered(column):
        return 0
    values = {text.strip() for text in column.texts if text.strip()}
    if len(values) < fewest:
        return 0
    like = [
        v
        for v in values
        if len(v) <= 40 and LIKE_AN_IDENTIFIER.fullmatch(v) and not DATE.fullmatch(v) and any(map(str.isdigit, v))
    ]
    if len(like) < 0.8 * len(values) or len(values) < 0.3 * sum(bool(text) for text in column.texts):
        return 0
    prefixes = {v[:4] for v in like if CODES.fullmatch(v)}
    if len(prefixes) >= 0.4 * len(like) and all(map(CODES.fullmatch, like)):
        return 0
    digits = sorted(int(number) for each in like if (number := "".join(filter(str.isdigit, each))[-12:]))
    running = len(digits) > 2 and digits[-1] - digits[0] == len(digits) - 1 and digits[0] <= 1
    return 0 if running and fewest > 1 else len(like)


def is_aggregated(table: Table, k: int) -> bool:
    """Whether each row stands for k patients at least, by its own counts."""
    named = {plain(name): column.numbers for name, column in table.columns.items() if column.numbers is not None}
    if any(_is_told(named[name], k) for name in TOLD & named.keys()):
        return True
    events = next((named[name] for name in named if name in EVENTS), None)
    censored = next((named[name] for name in named if name in CENSORED), None)
    if events is not None and ("nrisk" in named or "atrisk" in named) and table.rows > 12:
        left = finite(events + (0 if censored is None else censored))
        return bool(len(left)) and bool((left[1:] >= k).mean() >= 0.95)
    is_histogram = _is_binned(named)
    for name, numbers in named.items():
        if name in COUNTS or (name == "z" and "locations" in table.columns) or (name == "y" and is_histogram):
            values = finite(numbers)
            if len(values) and not np.any(values % 1) and np.all((values >= k) | (values == 0)):
                return True
    return False


def _is_binned(named: dict[str, np.ndarray]) -> bool:
    """Whether bars stand over an even grid that does not only number them: their heights are counts of bins."""
    x = named.get("x")
    if x is None or "y" not in named or len(named) != 2 or len(x) < 3 or not np.all(np.diff(x) > 0):
        return False
    return is_grid(x) and not (np.array_equal(x, np.arange(len(x))) or np.array_equal(x, np.arange(1, len(x) + 1)))


def _is_told(numbers: np.ndarray, k: int) -> bool:
    """Whether counts are those of a safe form: none but 0 below k, up to the rounding that all of them show."""
    counts = finite(numbers[numbers != 0])
    if not len(counts) or np.any(counts % 1):
        return False
    return bool(counts.min() >= k - (np.gcd.reduce(counts.astype(np.int64)) - 1))


def _is_described(table: Table) -> bool:
    """pandas' `describe`, either way round."""
    said = [column.texts for column in table.columns.values() if column.numbers is None]
    words = {text.strip().lower() for texts in said for text in texts if text}
    first = next(iter(table.columns.values())).numbers
    if first is not None and 0.5 in first and np.all((first > 0) & (first < 1)) and np.all(np.diff(first) > 0):
        return True  # by quantiles
    return len(STATISTICS & words) >= 3 or len(STATISTICS & {name.strip().lower() for name in table.columns}) >= 3


def is_crossed(table: Table) -> bool:
    """Whether rows are every combination of some keys, once: a table of rates or predictions, not of patients."""
    if _is_grouped(table):
        return True
    keys = [
        column.texts or column.numbers.tolist()
        for name, column in table.columns.items()
        if words_of(name) & (PERSON | STAGES) and len(column) == table.rows
    ]
    levels = [len(set(each)) for each in keys if len(set(each)) > 1]
    return len(levels) >= 2 and math.prod(levels) == table.rows == len(set(zip(*keys, strict=True)))


def groups_of_few(table: Table, k: int) -> int:
    """How many groups of fewer than k patients counts are of, where each is a place where people live or a birthday."""
    if not any(words_of(name) & LIVING for name in table.keys):
        return 0
    counts = [c.numbers for name, c in table.columns.items() if name not in table.keys and c.numbers is not None]
    if not counts or any(len(each) != table.rows for each in counts):
        return 0
    cells = np.concatenate([finite(each) for each in counts])
    told = cells[cells > 0]
    if len(told) < 4 or np.any(cells % 1) or np.any(cells < 0) or np.median(told) >= k:
        return 0
    return int((told < k).sum())


def _is_grouped(table: Table) -> bool:
    """Whether rows are the groups that a named index counts: stages, grades, sexes, each once."""
    columns = [table.columns[name] for name in table.keys if name in table.columns]
    if not columns or not all(words_of(name) & (STAGES | GROUPING) for name in table.keys):
        return False
    values = [column.numbers.tolist() if column.numbers is not None else column.texts for column in columns]
    if len(set(zip(*values, strict=True))) < table.rows:
        return False
    return all(len(set(each)) <= LEVELS and (c.numbers is None or is_evenly_spaced(c.numbers))
               for c, each in zip(columns, values, strict=True))  # fmt: skip


def _is_keyed(table: Table) -> bool:
    """Whether a count says of how many patients a row is, however few: a table of groups, not of patients."""
    names = {plain(name) for name in table.columns}
    counts = [
        column.numbers for name, column in table.columns.items() if plain(name) in COUNTS and column.numbers is not None
    ]
    return bool(names & COUNTS) and any(finite(each).sum() >= 3 * len(each) for each in counts)


def _described(table: Table, k: int) -> int:
    """How many patients a summary is of, where they are so few that its quartiles are their values; else 0."""
    counts = [column.numbers for name, column in table.columns.items() if plain(name) == "count"]
    names = next((c.texts for c in table.columns.values() if c.numbers is None and "count" in c.texts), None)
    if names is not None:
        row = names.index("count")
        counts += [c.numbers[row : row + 1] for c in table.columns.values() if c.numbers is not None]
    values = [finite(each) for each in counts if each is not None]
    fewest = min((each.min() for each in values if len(each)), default=0)
    return int(fewest) if 0 < fewest < k and fewest % 1 == 0 else 0


def _labels(table: Table) -> bool:
    """Whether a different word names each row; dates and identifiers name none, unless dates go one way."""
    for column in table.columns.values():
        if column.numbers is None and len(column) == table.rows and len(set(column.texts)) == table.rows:
            if all(DATE.fullmatch(text) for text in column.texts):
                if column.texts == sorted(column.texts):
                    return True
            elif not identifiers_in(column, fewest=2):
                return True
    return False


def _looks_entered(table: Table) -> bool:
    """Rows without names that anybody knows: repeated codes beside whole numbers as entered, or several of these.

    Estimates have fractions; counts by group have each combination of codes once, and a count.
    """
    if table.rows < (8 if table.kind == "lines" else 4) or len(table.columns) < 3:
        return False
    numbers = [
        c.numbers
        for c in table.columns.values()
        if c.numbers is not None and len(finite(c.numbers)) >= 0.5 * table.rows
    ]
    if len(numbers) < 2 or not all(_as_entered(Column(each)) for each in numbers) or _labels(table):
        return False
    codes = [
        n
        for n in numbers
        if 2 <= len(np.unique(finite(n))) <= max(2, min(6, table.rows // 2))
        and finite(n).max() < 10
        and finite(n).min() >= 0
    ]
    measures = [
        n
        for n in numbers
        if not _goes_one_way(n)
        and len(np.unique(finite(n))) > 0.6 * len(finite(n)) and not is_grid(n) and not np.any(finite(n) % 1)
    ]
    words = [
        c.texts
        for c in table.columns.values()
        if c.numbers is None and 1 < len(set(c.texts)) <= max(2, table.rows // 2)
    ]
    if len(numbers) < 3 or _are_codes_and_measures(words, codes, measures):
        return _are_codes_and_measures(words, codes, measures)
    if table.kind != "lines" and table.rows >= 5 and len(codes) + len(words) >= 2 and codes and measures:
        return True
    if table.kind == "arrays" or _counts(table) or sum(bool(NUMBER.fullmatch(name)) for name in table.columns) >= 2:
        return False
    typical = [np.median(finite(n)) for n in measures if finite(n).max() >= 20 and finite(n).min() >= 0]
    if len(typical) < 2 or max(typical) < 4 * min(typical):  # counts by two keys are of one size
        return False
    return len(typical) >= 3 or (bool(codes) and table.rows >= 5)


def _are_codes_and_measures(words: list[list[str]], codes: list[np.ndarray], measures: list[np.ndarray]) -> bool:
    """Whether words that come again stand beside ages or days; those of a table of results are a key, once each."""
    keys = list(zip(*words, *(each.tolist() for each in codes), strict=True))
    if len(keys) < 5 or len(set(keys)) == len(keys) or not measures:
        return False
    have_sex = any({word.lower() for word in each} in SEXES for each in words)
    return len(words) >= 2 or (have_sex and any(finite(each).max() < OLDEST for each in measures))


def _counts(table: Table) -> bool:
    """Whether a column's name says that it counts many."""
    words = [set(re.findall(r"[a-z]+", name.lower())) for name in table.columns]
    return any(each & COUNTED for each in words) or any(plain(name) in COUNTS for name in table.columns)


def _goes_one_way(numbers: np.ndarray) -> bool:
    steps = np.diff(finite(numbers))
    return bool(np.all(steps >= 0) or np.all(steps <= 0))
