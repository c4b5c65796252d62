"""From a CSV or a parquet file: its columns, and of its rows only how many there are of this and that."""

import contextlib
import csv
import re
from pathlib import Path

from paillasse.catalog.drafts.started import Column, Started, check_names
from paillasse.catalog.drivers.engine import connection, literal
from paillasse.catalog.drivers.engine import name as quoted
from paillasse.catalog.drivers.text import CONVERSIONS
from paillasse.errors import DataError

FROM_FIRST_LINE = "TODO: the columns' names are the file's first line; make sure that it is no patient."
FROM_ROWS = "TODO: required and unique are as the file has it today; keep them only where they always hold."

# CSV


def from_csv(path: Path) -> Started:
    """A column's type is the narrowest one that the catalogue's reader accepts for each of its values."""
    header, delimiter = _header(path)
    check_names(path.name, header)
    texts = ", ".join(f"{literal(each)}: 'VARCHAR'" for each in header)
    rows = (
        f"read_csv({_file(path)}, columns = {{{texts}}}, auto_detect = false, header = true, "
        f"delim = {literal(delimiter)}, quote = '\"', escape = '\"', nullstr = '')"
    )
    rows_count, counts = _counts(path, rows, {each: _counted_in_text(each) for each in header})
    if any(counts[each]["as the header"] for each in header):
        raise _no_header(path)
    started = Started(
        origin=path.name,
        name=path.stem,
        columns=[_column(each, _type_of_text(counts[each]), rows_count, counts[each]) for each in header],
        source={"driver": "csv", "path": _below_a_root(path)} | ({} if delimiter == "," else {"delimiter": delimiter}),
        remarks=[FROM_FIRST_LINE, FROM_ROWS],
    )
    if any(counts[each]["NA"] for each in header):
        started.schema_keys["missingValues"] = ["", "NA"]
    return started


def _header(path: Path) -> tuple[list[str], str]:
    header = None
    with path.open(encoding="utf-8-sig", newline="") as file, contextlib.suppress(UnicodeDecodeError, csv.Error):
        line = file.readline()
        file.seek(0)
        delimiter = max(",;\t|", key=line.count)
        header = next(csv.reader(file, delimiter=delimiter, strict=True), [])
    if header is None:  # said here: the error that was left behind holds bytes of the file
        raise DataError(f"{path.name}: not a CSV file in UTF-8; export it again with that encoding")
    # Without a header the first line is a patient, of which nothing may be shown.
    if not header or any(not re.search(r"[^\W\d_]", each) or re.search(r"\d{5}", each) for each in header):
        raise _no_header(path)
    return header, delimiter


def _no_header(path: Path) -> DataError:
    return DataError(
        f"{path.name}: the first line seems to be data; it must be the columns' names (each with a letter, and none of "
        "them a value of its column)"
    )


def _counted_in_text(column: str) -> dict[str, str]:
    """What is counted in a column of text: NA stands for a missing value."""
    value = f"nullif({quoted(column)}, 'NA')"
    # A code such as 007 is no number: as one it would lose its zeros.
    number = f"NOT regexp_matches({value}, '^[+-]?0[0-9]')"
    return {
        "there": f"count({value})",
        "different": f"count(DISTINCT {value})",
        "as the header": f"count(*) FILTER (WHERE {quoted(column)} = {literal(column)})",
        "NA": f"count(*) FILTER (WHERE {quoted(column)} = 'NA')",
        "boolean": f"count(*) FILTER (WHERE lower({value}) IN ('true', 'false'))",
        "date": f"count({CONVERSIONS['date'].format(value)})",
        "integer": f"count({CONVERSIONS['integer'].format(value)}) FILTER (WHERE {number})",
        "number": f"count({CONVERSIONS['number'].format(value)}) FILTER (WHERE {number})",
    }


def _type_of_text(counts: dict[str, int]) -> str:
    kinds = ("boolean", "date", "integer", "number")
    return next((kind for kind in kinds if counts["there"] and counts[kind] == counts["there"]), "string")


# Parquet

TYPES = {"BOOLEAN": "boolean", "DATE": "date", "VARCHAR": "string", "DOUBLE": "number", "FLOAT": "number"}
TYPES |= {f"{sign}{width}INT": "integer" for sign in ("", "U") for width in ("BIG", "SMALL", "TINY", "HUGE")}
TYPES |= {"INTEGER": "integer", "UINTEGER": "integer"}


def from_parquet(path: Path) -> Started:
    """Types are the file's own; of lists of values that it may hold (dictionaries, statistics) nothing is told."""
    rows = f"read_parquet({_file(path)})"
    found = {each[0]: each[1] for each in _asked(path, f"DESCRIBE SELECT * FROM {rows}")}
    check_names(path.name, list(found))
    rows_count, counts = _counts(path, rows, {each: _counted(each, kind) for each, kind in found.items()})
    columns = []
    for each, kind in found.items():
        taken = "number" if kind.startswith("DECIMAL") else TYPES.get(kind)
        columns.append(_column(each, taken or "string", rows_count, counts[each]))
        if taken is None:
            columns[-1].remarks.append(_other_type(kind))
    source = {"driver": "parquet", "path": _below_a_root(path)}
    return Started(path.name, path.stem, columns, source, remarks=[FROM_ROWS])


def _other_type(kind: str) -> str:
    """A type's name; an enumerated one has its values in it."""
    return f"TODO: its type, {re.match('[A-Z ]*', kind)[0].strip()}, cannot be read; write a text, a number or a date"


def _counted(column: str, kind: str) -> dict[str, str]:
    value = quoted(column)
    if kind in ("DOUBLE", "FLOAT"):
        value = f"CASE WHEN NOT isnan({value}) THEN {value} END"
    return {"there": f"count({value})", "different": f"count(DISTINCT {value})"}


# Both


def _file(path: Path) -> str:
    """The SQL of the file's name, in which DuckDB's wildcards stand for themselves."""
    return literal(re.sub(r"([*?\[])", r"[\1]", str(path)))


def _counts(path: Path, rows: str, asked: dict[str, dict[str, str]]) -> tuple[int, dict[str, dict[str, int]]]:
    """The number of rows; and column → what is counted in it → how often."""
    sql = ", ".join(["count(*)", *(part for parts in asked.values() for part in parts.values())])
    total, *numbers = _asked(path, f"SELECT {sql} FROM {rows}")[0]
    answers = iter(numbers)
    return total, {column: {what: next(answers) for what in parts} for column, parts in asked.items()}


def _asked(path: Path, query: str) -> list[tuple]:
    import duckdb

    try:
        return connection().raw_sql(query).fetchall()
    except duckdb.Error as error:  # its message quotes the row
        line = re.search(r"CSV Error on Line: (\d+)", str(error))
        what = f"line {line[1]} cannot be read as CSV" if line else f"not a complete {path.suffix[1:].lower()} file"
    raise DataError(f"{path.name}: {what}; write it again")


def _column(name: str, kind: str, rows: int, counts: dict[str, int]) -> Column:
    column = Column(name, kind)
    there = counts["there"]
    if rows and there == rows:
        column.constraints["required"] = True
    if there and counts["different"] == there and kind in ("integer", "string"):
        column.constraints["unique"] = True
    if not there:
        column.remarks.append("TODO: no row has a value here; is the type right?")
    return column


def _below_a_root(path: Path) -> str:
    """The file below a root that a variable holds: where that is, is not the catalogue's to say."""
    name = path.name if re.fullmatch(r"[^$\\\x00-\x1f]+", path.name) else f"TODO{path.suffix}"
    return "${TODO_ROOT}/" + name
