"""Drivers: a source of the catalogue → a lazy ibis table on DuckDB, with the declared columns and types.

The list is closed, `DRIVERS`; none can run what the catalogue names, and none fetches anything: DuckDB's
extensions are neither installed nor loaded on the way. Whatever goes wrong, no value of a row is in the message.
"""

import contextlib
import csv
import functools
import hashlib
import itertools
import os
import re
from pathlib import Path

from paillasse.catalog.model import Field, Schema, Source
from paillasse.errors import CatalogError, DataError, did_you_mean


def open_table(source: Source, folder: Path, schema: Schema):
    """The source's table, lazy.

    Parameters
    ----------
    source, schema
        As the catalogue declares them.
    folder
        The catalogue's own, which a relative path must not leave.

    Returns
    -------
    ibis.Table
        The columns of the schema, in its order; integer and year as int64, number as float64, string, boolean, date.

    Raises
    ------
    CatalogError
        A path that leaves its root, or a variable that is not set.
    DataError
        No such file, another file than the one declared, or other columns.
    """
    path = _file(source, folder)
    _check_sha256(source, path)
    return DRIVERS[source.driver](source, path, schema)


@functools.cache
def connection():
    """The process's DuckDB, in memory: one, so that tables of several data sets can be joined."""
    import duckdb
    import ibis

    backend = ibis.duckdb.connect(autoinstall_known_extensions="false", autoload_known_extensions="false")
    # A progress bar would end up in a notebook's stored outputs; in one without ipywidgets it is off and cannot be set.
    with contextlib.suppress(duckdb.InvalidInputException):
        backend.raw_sql("SET enable_progress_bar = false")
    return backend


def _file(source: Source, folder: Path) -> Path:
    """The file that the source names, after links: it must be below its root."""
    variable = re.match(r"\$\{(.+?)\}/", source.path)
    if variable:
        value = os.environ.get(variable[1])
        if not value or not Path(value).is_absolute():
            state = "is not an absolute path" if value else "is not set"
            raise CatalogError(
                f"{source.path}: the environment variable {variable[1]} {state}; set it to the data's folder"
            )
        root, relative = Path(value), source.path[variable.end() :]
    else:
        root, relative = folder, source.path
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise CatalogError(f"{source.path}: a link leads out of its folder; put the file itself there")
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "is not there"
        raise DataError(f"{source.path}: the file {what}; restore it, or correct the path in the catalogue")
    return path


def _check_sha256(source: Source, path: Path) -> None:
    if source.sha256 is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != source.sha256:
        raise DataError(
            f"{source.path}: not the file that the catalogue declares (sha256 {found[:12]}… instead of "
            f"{source.sha256[:12]}…). Restore the file; if the change is meant, write its checksum into the catalogue: "
            f"{found}"
        )


# --- csv ---------------------------------------------------------------------------------------------------------

# Text → the type, or NULL where it is none. Not DuckDB's own cast: that makes 4 of an integer 3.7 without a word.
CONVERSIONS = {
    "integer": "CASE WHEN TRY_CAST({0} AS BIGINT) = TRY_CAST({0} AS DOUBLE) THEN TRY_CAST({0} AS BIGINT) END",
    "number": "CASE WHEN isfinite(TRY_CAST({0} AS DOUBLE)) THEN TRY_CAST({0} AS DOUBLE) END",
    "string": "{0}",
    "boolean": "TRY_CAST({0} AS BOOLEAN)",
    "date": "CAST(TRY_STRPTIME({0}, '%Y-%m-%d') AS DATE)",
}
CONVERSIONS["year"] = CONVERSIONS["integer"]


def _csv(source: Source, path: Path, schema: Schema):
    header = _header(source, path)
    _check_columns(source, header, [field.name for field in schema.fields])
    rows = _csv_rows(path, header, schema)
    columns = ", ".join(
        f"CASE WHEN {_name(field.name)} IS NULL OR ({_converted(field)}) IS NOT NULL THEN {_converted(field)} "
        f"ELSE error({_literal(f'{source.path}: column {field.name!r} holds something that is not {field.type}')}) END "
        f"AS {_name(field.name)}"
        for field in schema.fields
    )
    return _view(f"SELECT {columns} FROM {rows}")


def _csv_rows(path: Path, header: list[str], schema: Schema) -> str:
    """The rows as text: nothing is guessed from the content."""
    columns = ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in header)
    missing = ", ".join(map(_literal, schema.missingValues))
    return (
        f"read_csv({_literal(_without_wildcards(path))}, columns = {{{columns}}}, auto_detect = false, header = true, "
        f"delim = ',', quote = '\"', escape = '\"', nullstr = [{missing}])"
    )


def _header(source: Source, path: Path) -> list[str]:
    try:
        # Of the lines below, DuckDB says by number which is not UTF-8; here only the first is judged.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            header = next(csv.reader(file, strict=True), [])
        "".join(header).encode()
    except (UnicodeEncodeError, csv.Error):
        raise DataError(f"{source.path}: not a CSV file in UTF-8; export it again with that encoding") from None
    if not header:
        raise DataError(f"{source.path}: the file is empty; its first line must be the columns' names")
    return header


def csv_problem(source: Source, folder: Path, schema: Schema, error: Exception) -> str | None:
    """Why DuckDB could not read a CSV, in words without a value; None if the file is not the reason."""
    structure = re.search(r"CSV Error on Line: (\d+)", str(error))
    if structure:
        reasons = {
            "unicode": "is not UTF-8; export the file again with that encoding",
            "unterminated quote": "opens a quote that is never closed",
            "Number of Columns": "has another number of columns than the first line",
        }
        reason = next((text for key, text in reasons.items() if key in str(error)), "is no CSV")
        return f"{source.path}: line {structure[1]} {reason}"

    path = _file(source, folder)
    rows = _csv_rows(path, _header(source, path), schema)
    counts = ", ".join(
        f"count(*) FILTER (WHERE {_name(field.name)} IS NOT NULL AND ({_converted(field)}) IS NULL)"
        for field in schema.fields
    )
    bad = connection().raw_sql(f"SELECT {counts} FROM {rows}").fetchone()
    lines = [
        f"  column {field.name!r}: not {field.type}: {n} row{'s' if n > 1 else ''}"
        for field, n in zip(schema.fields, bad, strict=True)
        if n
    ]
    if not lines:
        return None
    remedy = "Mend the file; if such an entry stands for a missing value, add it to missingValues in the catalogue."
    return "\n".join([f"{source.path}: values of another type than declared:", *lines, remedy])


def _converted(field: Field) -> str:
    return CONVERSIONS[field.type].format(_name(field.name))


# --- parquet -----------------------------------------------------------------------------------------------------


def _parquet(source: Source, path: Path, schema: Schema):
    import duckdb

    try:
        table = _view(f"SELECT * FROM read_parquet({_literal(_without_wildcards(path))})")
    except duckdb.Error:
        raise DataError(f"{source.path}: not a complete parquet file; restore it or write it again") from None
    _check_columns(source, table.columns, [field.name for field in schema.fields])
    columns = ", ".join(
        f"{_of_declared_type(source, table[field.name].type(), field)} AS {_name(field.name)}"
        for field in schema.fields
    )
    return _view(f"SELECT {columns} FROM {table.get_name()}")


def _of_declared_type(source: Source, found, field: Field) -> str:
    """The SQL of a column whose type in the file is `found`, an ibis type."""
    fits = {
        "integer": found.is_integer(),
        "year": found.is_integer(),
        "number": found.is_numeric(),
        "string": found.is_string(),
        "boolean": found.is_boolean(),
        "date": found.is_date(),
    }
    if not fits[field.type]:
        raise DataError(
            f"{source.path}: column {field.name!r} is {found} in the file, {field.type} in the catalogue; "
            "correct one of them"
        )
    name = _name(field.name)
    if found.is_floating():
        # NaN is a missing value; to DuckDB it is a number above all others, which a `where` would keep. It is not found
        # by isnan(): DuckDB 2.0 answers that from the file's statistics, which leave NaN out.
        name = f"CASE WHEN isfinite({name}) OR isinf({name}) THEN {name} END"
    wide = {"integer": "BIGINT", "year": "BIGINT", "number": "DOUBLE"}.get(field.type)
    return f"CAST({name} AS {wide})" if wide else name


# --- both --------------------------------------------------------------------------------------------------------


def _check_columns(source: Source, found, declared: list[str]) -> None:
    """The schema is a contract: the file has its columns, in any order, and no other."""
    found = list(found)
    if not set(found) & set(declared):
        # Without a header the first line is a patient: nothing of it may be shown.
        separator = next((each for each in ";\t|" if len(found) == 1 and each in found[0]), None)
        hint = f"the separator seems to be {separator!r}, it must be a comma" if separator else "is there a header?"
        raise DataError(f"{source.path}: none of the declared columns is in the first line; {hint}")
    new = [name for name in found if name not in declared]
    problems = []
    for name in declared:
        if name not in found:
            renamed = f"; perhaps it was renamed. {did_you_mean(name, new)}" if new else ""
            problems.append(f"  column {name!r} is missing{renamed}")
    problems += [f"  column {name!r} is not in the schema" for name in new]
    problems += [f"  column {name!r} is there twice" for name in declared if found.count(name) > 1]
    if problems:
        remedy = "Correct the file, or the schema in the catalogue, which must name every column."
        raise DataError("\n".join([f"{source.path}: other columns than declared:", *problems, remedy]))


_numbers = itertools.count(1)


def _view(query: str):
    name = f"source_{next(_numbers)}"
    connection().raw_sql(f"CREATE TEMP VIEW {name} AS {query}")
    return connection().table(name)


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _without_wildcards(path: Path) -> str:
    """In a folder called `[2024]`, DuckDB would read another one's file: its wildcards must stand for themselves."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


DRIVERS = {"csv": _csv, "parquet": _parquet}
