"""CSV: the text of its fields to the declared types. Nothing is guessed from the content."""

import csv
import io
import re
from pathlib import Path

from paillasse.catalog.drivers.contract import check_columns
from paillasse.catalog.drivers.engine import listed, literal, name, rows, view
from paillasse.catalog.drivers.files import File, files_of, give_duckdb
from paillasse.catalog.drivers.partitions import arguments, check_values, partitions
from paillasse.catalog.drivers.text import converted, not_of_its_type
from paillasse.catalog.model import Schema, Source
from paillasse.errors import DataError

CODECS = {"utf-8": "utf-8-sig", "latin-1": "latin-1", "utf-16": "utf-16"}  # DuckDB's name → Python's
BIG_ENDIAN = b"\xfe\xff"  # at the start of a UTF-16 that DuckDB takes for a table without rows


def csv_table(source: Source, folder: Path, schema: Schema):
    """The lazy table: each value is of its declared type or, once it is read, an error that does not show it."""
    files = files_of(source, folder)
    give_duckdb(files)
    header, found = _header_of_all(source, files, schema), partitions(files)
    check_columns(files[0].shown, [*header, *found], [field.name for field in schema.fields])
    check_values(source, found, schema)
    columns = ", ".join(
        name(field.name)
        if field.name in found
        else f"CASE WHEN {not_of_its_type(field, source.decimal)} "
        f"THEN error({literal(f'{source.path}: column {field.name!r} holds something that is not {field.type}')}) "
        f"ELSE {converted(field, source.decimal)} END AS {name(field.name)}"
        for field in schema.fields
    )
    return view(f"SELECT {columns} FROM {_rows(source, files, header, found, schema)}")


def _rows(source: Source, files: list[File], header: list[str], found: dict, schema: Schema) -> str:
    """The SQL of the rows as text."""
    columns = ", ".join(f"{literal(each)}: 'VARCHAR'" for each in header)
    return (
        f"read_csv({listed(file.literal_path for file in files)}, columns = {{{columns}}}, auto_detect = false, "
        f"header = true, delim = {literal(source.delimiter)}, quote = '\"', escape = '\"', "
        f"encoding = {literal(source.encoding)}, nullstr = {listed(schema.missingValues)}, {arguments(found, schema)})"
    )


def _header_of_all(source: Source, files: list[File], schema: Schema) -> list[str]:
    """The first line, which must be the same in all: DuckDB goes by the columns' places."""
    header = _header(source, files[0])
    declared = {field.name for field in schema.fields}
    if not set(header) & declared:
        # Without a header the first line is a patient: nothing of it may be shown.
        other = next((each for each in ",;\t|" if len(header) == 1 and each in header[0]), None)
        expected = "a comma" if source.delimiter == "," else repr(source.delimiter)
        hint = f"the separator seems to be {other!r}, it must be {expected} or declared, delimiter: {other!r}"
        hint = hint if other else "is there a header?"
        raise DataError(f"{files[0].shown}: none of the declared columns is in the first line; {hint}")
    for file in files[1:]:
        its = _header(source, file)
        if its != header:
            if set(its) & declared:
                check_columns(file.shown, its, header)
            raise DataError(
                f"{file.shown}: its first line is not that of {files[0].shown}; all files of a data set have the same "
                "columns in the same order"
            )
    return header


def _header(source: Source, file: File) -> list[str]:
    try:
        with file.open() as content:
            if source.encoding == "utf-16" and content.read(2) == BIG_ENDIAN:
                raise DataError(f"{file.shown}: a UTF-16 in big-endian order; export it again as UTF-8")
            content.seek(0)
            # Of the lines below, DuckDB says by number which is not UTF-8; here only the first is judged.
            text = io.TextIOWrapper(content, CODECS[source.encoding], errors="surrogateescape", newline="")
            header = next(csv.reader(text, delimiter=source.delimiter, strict=True), [])
        "".join(header).encode()
    except (UnicodeError, csv.Error):
        raise DataError(f"{file.shown}: not a CSV file in {_other_encoding(source)}") from None
    except OSError as error:
        raise DataError(f"{file.shown}: cannot be read: {error.strerror or type(error).__name__}") from None
    if not header:
        raise DataError(f"{file.shown}: the file is empty; its first line must be the columns' names")
    return header


def csv_problem(source: Source, folder: Path, schema: Schema, error: Exception) -> str | None:
    """Why DuckDB could not read a CSV, in words without a value; None if the file is not the reason."""
    files = files_of(source, folder)
    structure = re.search(r"CSV Error on Line: (\d+)", str(error))
    if structure:
        reasons = {
            "unicode": f"is not {_other_encoding(source)}",
            "unterminated quote": "opens a quote that is never closed",
            "Number of Columns": "has another number of columns than the first line",
        }
        reason = next((text for key, text in reasons.items() if key in str(error)), "is no CSV")
        told = re.search(r"^  file = (.+)$", str(error), re.MULTILINE)
        shown = next((file.shown for file in files if told and file.path == told[1]), source.path)
        return f"{shown}: line {structure[1]} {reason}"
    if re.search(r"File is not \S+ encoded", str(error)):
        return f"{source.path}: not {_other_encoding(source)}"

    header, found = _header(source, files[0]), partitions(files)
    text = _rows(source, files, header, found, schema)
    fields = [field for field in schema.fields if field.name not in found]
    other = "," if source.decimal == "." else "."
    counts = ", ".join(
        f"count(*) FILTER (WHERE {not_of_its_type(field, decimal)})"
        for field in fields
        for decimal in (source.decimal, other)
    )
    (bad,) = rows(f"SELECT {counts} FROM {text}")
    lines = [
        f"  column {field.name!r}: not {field.type}: {n} row{'s' if n > 1 else ''}"
        for field, n in zip(fields, bad[::2], strict=True)
        if n
    ]
    if not lines:
        return None
    remedy = "Mend the file; if such an entry stands for a missing value, add it to missingValues in the catalogue."
    if sum(bad[1::2]) < sum(bad[::2]):
        remedy += f" With {other!r} before the decimals there are fewer: then declare decimal: {other!r}."
    return "\n".join([f"{source.path}: values of another type than declared:", *lines, remedy])


def _other_encoding(source: Source) -> str:
    others = " or ".join(each for each in CODECS if each != source.encoding)
    return f"{source.encoding.upper()}; export the file again with that encoding, or declare encoding: {others}"
