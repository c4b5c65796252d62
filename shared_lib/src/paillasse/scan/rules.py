"""What makes a table or an array patients' data: rows that are patients, values that came one from each of them.

The rules judge content. A table of estimates has words for rows and few of them; a curve may have as many steps as its
patients allow with k to a step; a histogram has a grid. Rows of patients have codes, ages and dates as they were
entered, and there is no smooth line through them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from paillasse.catalog.model import Field
from paillasse.scan.containers import Column, Table, column_of
from paillasse.scan.identifiers import BIRTH_NAMES
from paillasse.scan.known import DataSet, Known, plain
from paillasse.scan.shapes import (
    finite,
    is_constant,
    is_curve,
    is_evenly_spaced,
    is_grid,
    is_smooth,
    is_smooth_over,
    one_each,
)

FEWEST_LABELLED = 40  # rows; a table with a different word before each of fewer is one of estimates
POOLED = 40  # values over all traces or records
# Names that identify whatever the catalogue says.
IDENTIFIERS = {
    "patient", "patientid", "idpatient", "patid", "patientnumber", "numpatient", "nopatient", "numeropatient",
    "subject", "subjectid", "subjid", "usubjid", "ipp", "iep", "nip", "nir", "nda", "mrn", "pseudonym",
    "pseudonyme", "pseudo", "ins", "bennirpsa", "benidtano", "niranov", "nirano17", "ninddossier", "numsejour",
    "participant", "participantid", "recordid", "personid", "ptid", "sampleid", "nom", "nomdenaissance",
    "prenom", "lastname", "firstname", "surname", "nomprenom",
}  # fmt: skip
WEAK = {
    "id",
    "case",
    "pid",
    "no",
    "num",
    "number",
    "subject",
    "participant",
    "patient",
    "ins",
    "nom",
}  # of other things too
QUASI = {
    "age", "sex", "sexe", "gender", "genre", "zip", "zipcode", "postcode", "codepostal", "cp", "commune",
    "ville", "city", "dpt", "departement", "department", "birthyear", "yearofbirth", "anneenaissance", "centre",
    "center", "hospital", "hopital", "race", "ethnicity", "profession", "occupation", "weight", "poids",
    "height", "taille", "bmi", "imc", "initials", "initiales", "diagnosisdate", "datediagnostic", "datediag",
    "deathdate", "datedeces", "datededeces", "dod", "admission", "discharge", "ageannees", "ageyears",
    "agediag", "ageatdiagnosis", "agedx", "agediagnostic",
} | BIRTH_NAMES  # fmt: skip
CLINICAL = {
    "time", "duration", "survie", "delai", "followup", "suivi", "status", "statut", "event", "evenement",
    "death", "deces", "dead", "stage", "stade", "grade", "ecog", "karno", "treatment", "traitement", "arm",
    "bras", "tumour", "tumor", "histology", "diagnosis", "diagnostic", "pfs", "os", "osdays", "pfsdays",
    "rfstime", "futime", "dose", "response", "reponse",
}  # fmt: skip
COUNTS = {
    "n", "count", "counts", "patients", "npatients", "effectif", "effectifs", "nombre", "frequency", "freq",
    "total", "nrisk", "atrisk", "npatient", "rows", "cases", "overall",
}  # fmt: skip
EVENTS = {
    "nevent",
    "events",
    "nevents",
    "event",
    "d",
    "observed",
    "deaths",
}
CENSORED = {
    "ncensor",
    "censored",
    "ncensored",
    "c",
}
TOLD = {"nevent", "nlost"}  # in the safe form of a curve: sums, each told once it has grown by k, or 0
STATISTICS = {
    "mean",
    "std",
    "count",
    "min",
    "max",
    "25%",
    "50%",
    "75%",
    "median",
    "sd",
    "sum",
    "var",
    "unique",
    "top",
    "moyenne",
}
OF_A_COLUMN = ("minimum", "maximum", "missing", "percent")  # what a dictionary of the data says of each column
LIKE_AN_IDENTIFIER = re.compile(
    r"[A-Za-z]{0,6}[-_/ #.]?(?:\d{1,4}[-_/])?\d{3,}|(?=\D*\d)(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9]{8,}"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-fA-F]{16,}"
)
DATE = re.compile(r"(?:19|20)\d\d-\d\d-\d\d(?:[T ][\d:.]+Z?)?|\d\d?[/.-]\d\d?[/.-](?:19|20)?\d\d")


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
        if n := identifiers_in(next(iter(table.columns.values()))):
            yield Verdict("identifiers", n)
        return
    if table.kind == "drawn":
        if n := _drawn(table):
            yield Verdict("values", n)
        return
    for column in table.columns.values():
        if n := identifiers_in(column):
            yield Verdict("identifiers", n)
    if n := patients_in_rows(table, known):
        yield Verdict("rows", n)
    elif table.kind not in ("record", "series") and not is_aggregated(table, known.minimum_cell):
        x = table.columns.get("x")
        counts = [
            one_each(column.numbers, known.sizes)
            for name, column in table.columns.items()
            if column.numbers is not None
            and not (
                name == "y" and x is not None and x.numbers is not None and is_smooth_over(x.numbers, column.numbers)
            )
        ]
        if table.kind == "matrix" and _is_symmetric(table):
            counts = []
        texts = [len(c) for c in table.columns.values() if c.texts and c.numbers is None and len(c) in known.sizes]
        counts += [one_each(days, known.sizes) for c in table.columns.values() if (days := _days(c)) is not None]
        counts.append(_whole_pairs(table))
        if (n := max(counts + texts, default=0)) and not _is_labelled(table):
            yield Verdict("values", max(n, table.total))


def patients_in_rows(table: Table, known: Known) -> int:
    """How many rows are one patient each, as names and values say; 0 if they are something else."""
    rows = max(table.rows, table.total)
    # `@id` and `@type` are JSON-LD's own words, as in a provenance crate, and no columns of a data set.
    named = {plain(name): column for name, column in table.columns.items() if not name.startswith("@")}
    identifying = [
        column
        for name, column in named.items()
        if name in IDENTIFIERS | known.identifiers and _is_given(column) and (name not in WEAK or len(named) >= 2)
    ]
    if is_aggregated(table, known.minimum_cell) or _is_described(table):
        return 0
    fits = max((len(_fitting(named, each)) for each in known.data_sets), default=0)
    if (
        table.kind == "record"
    ):  # of one patient, or a line each: nothing but names of the catalogue tells it from settings
        return rows if fits >= 4 else 0
    names = next((c.texts for c in table.columns.values() if c.numbers is None and len(c) == table.rows), [])
    if len(names) >= 4 and (n := max((_upright(table, names, each) for each in known.data_sets), default=0)):
        return n
    entered = {name for name, column in named.items() if _as_entered(column)}
    quasi, clinical = entered & QUASI, entered & CLINICAL
    if identifying and (fits >= 2 or quasi or clinical or any(_is_various(each) for each in identifying)):
        return rows
    # A column of rows per patient is described by its own values; a table that has them beside a count, by groups.
    if table.kind == "series" and fits + len(quasi) >= 1 and rows >= 3 and is_evenly_spaced(_index_of(table)):
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
        if len(column) != table.rows or (column.texts or []) == names or plain(head).endswith(OF_A_COLUMN):
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


def _is_various(column: Column) -> bool:
    """Whether an identifier's values are those of patients and not the words or counts of a summary."""
    if identifiers_in(column, fewest=1):
        return True
    values = finite(column.numbers) if column.numbers is not None else [text for text in column.texts if text]
    return len(values) >= 5 and len(np.unique(values)) >= 0.5 * len(values)


def identifiers_in(column: Column, fewest: int = 3) -> int:
    """How many values look like numbers or pseudonyms that were given to patients."""
    if column.texts is None or column.numbers is not None:
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
    for name, numbers in named.items():
        if name in COUNTS:
            values = finite(numbers)
            if len(values) and not np.any(values % 1) and np.all((values >= k) | (values == 0)):
                return True
    return False


def _is_told(numbers: np.ndarray, k: int) -> bool:
    """Whether counts are those of a safe form: none but 0 below k, up to the rounding that all of them show."""
    counts = finite(numbers[numbers != 0])
    if not len(counts) or np.any(counts % 1):
        return False
    return bool(counts.min() >= k - (np.gcd.reduce(counts.astype(np.int64)) - 1))


def _is_described(table: Table) -> bool:
    """pandas' `describe`, either way round."""
    words = {text.strip().lower() for column in table.columns.values() for text in column.texts or () if text}
    return len(STATISTICS & words) >= 3 or len(STATISTICS & {name.strip().lower() for name in table.columns}) >= 3


def _keys(table: Table) -> list[Column]:
    """Columns that could say which group a row is of: words, or a few codes or grid points."""
    return [
        column
        for column in table.columns.values()
        if column.numbers is None or (len(finite(column.numbers)) == len(column) and is_evenly_spaced(column.numbers))
    ]


def _is_keyed(table: Table) -> bool:
    """Whether a count says of how many patients a row is, however few: a table of groups, not of patients."""
    names = {plain(name) for name in table.columns}
    counts = [
        column.numbers for name, column in table.columns.items() if plain(name) in COUNTS and column.numbers is not None
    ]
    return bool(names & COUNTS) and any(finite(each).sum() >= 3 * len(each) for each in counts)


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


def _looks_entered(table: Table) -> bool:
    """Rows without names that anybody knows: several columns of repeated codes, others of whole numbers as entered.

    Estimates have fractions; counts by group have each combination of codes once, and a count.
    """
    if table.kind == "lines" or table.rows < 5 or len(table.columns) < 4:
        return False
    numbers = [
        c.numbers
        for c in table.columns.values()
        if c.numbers is not None and len(finite(c.numbers)) >= 0.5 * table.rows
    ]
    if len(numbers) < 3 or not all(_as_entered(Column(each)) for each in numbers):
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
        if len(np.unique(finite(n))) > 0.6 * len(finite(n)) and not is_grid(n) and not np.any(finite(n) % 1)
    ]
    words = [
        c.texts
        for c in table.columns.values()
        if c.numbers is None and 1 < len(set(c.texts)) <= max(2, table.rows // 2)
    ]
    labels = any(c.numbers is None and len(set(c.texts)) == table.rows for c in table.columns.values())
    return len(codes) + len(words) >= 2 and len(codes) >= 1 and len(measures) >= 1 and not labels


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


def is_stepped(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether a line goes in steps: every move is along one axis."""
    return bool(np.mean((np.diff(x) == 0) | (np.diff(y) == 0)) > 0.9)


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


def steps_allowed(tables: list[Table], k: int) -> set[int]:
    """Ids of traces that are curves with k patients a step, by the numbers at risk that are written below them."""
    at_risk = sum(_starting_at_risk(table.columns.get("text")) for table in tables if table.kind == "arrays")
    drawn = []
    for table in tables:
        x, y = table.columns.get("x"), table.columns.get("y")
        if table.kind != "arrays" or any(each is None or each.numbers is None for each in (x, y)) or len(x) != len(y):
            continue
        others = [c for name, c in table.columns.items() if name not in ("x", "y") and not _is_plain(c)]
        if not others and len(finite(y.numbers)) >= 3:
            drawn.append((id(table), x.numbers.tobytes(), y.numbers))
    curves = {place: (x, y) for place, x, y in drawn if is_curve(y)}
    steps = {x: len(np.unique(finite(y))) - 1 for x, y in curves.values()}
    if not at_risk or sum(steps.values()) > at_risk / k:
        return set()
    # A limit need not go one way, but lies on one side of its curve, at the same times.
    beside = [place for place, x, y in drawn for times, curve in curves.values() if x == times and _is_beside(y, curve)]
    return {*curves, *beside}


def _starting_at_risk(text: Column | None) -> int:
    """The first of the numbers at risk that are written below a figure, such as 2,645 and then fewer; else 0."""
    if text is None:
        return 0
    told = [f"{number:.0f}" for number in finite(text.numbers)] if text.texts is None else text.texts
    written = [each.replace(",", "").strip() for each in told if each.strip()]
    if len(written) < 3 or not all(each.isdecimal() for each in written):
        return 0
    numbers = [int(each) for each in written]
    return numbers[0] if numbers == sorted(numbers, reverse=True) else 0


def _is_beside(limit: np.ndarray, curve: np.ndarray) -> bool:
    """Whether all values are shares, and none lies on the other side of a curve."""
    known = np.isfinite(limit) & np.isfinite(curve)
    within = np.all((limit[known] >= 0) & (limit[known] <= 1))
    return bool(within and (np.all(limit[known] >= curve[known]) or np.all(limit[known] <= curve[known])))


def _is_plain(column: Column) -> bool:
    return column.numbers is not None and (is_constant(column.numbers) or is_grid(column.numbers))
