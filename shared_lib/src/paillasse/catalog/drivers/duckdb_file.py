"""A table in a DuckDB file. Of tables only: a view could read any file of the machine, and say nothing of it."""

import functools
import os
from pathlib import Path

from paillasse.catalog.drivers.contract import check_columns, check_types, in_declared_type
from paillasse.catalog.drivers.engine import literal, name, new_name, rows, view
from paillasse.catalog.drivers.files import files_of
from paillasse.catalog.model import Schema, Source
from paillasse.errors import CatalogError, DataError, did_you_mean


def duckdb_table(source: Source, folder: Path, schema: Schema):
    """The lazy table; the file is opened for reading only."""
    from ibis.backends.sql.datatypes import DuckDBType

    files = files_of(source, folder)
    file = files[0]
    if file.shown != source.path or file.storage is not None:
        raise CatalogError(f"{source.path}: a source of driver duckdb is one file of this machine")
    if Path(file.path + ".wal").exists():
        raise DataError(
            f"{source.path}: changes of it are in a file beside it ({Path(file.path).name}.wal), so that it is not "
            "complete; whoever writes it closes it first"
        )
    database = _attached(os.getpid(), file.path, file.state(), source.path)
    place, columns = source.place, _columns(source, database)
    check_columns(place, columns, [field.name for field in schema.fields])
    types = {column: DuckDBType.from_string(kind) for column, kind in columns.items()}
    check_types(place, types, schema.fields)
    selected = (f"{in_declared_type(types[field.name], field)} AS {name(field.name)}" for field in schema.fields)
    return view(f"SELECT {', '.join(selected)} FROM {'.'.join(map(name, [database, *_parts(source)]))}")


@functools.cache  # by the file's state: one that was replaced is opened anew
def _attached(process: int, path: str, state: tuple, shown: str) -> str:
    import duckdb

    database = new_name()
    try:
        rows(f"ATTACH {literal(path)} AS {database} (TYPE duckdb, READ_ONLY)")
    except duckdb.Error as error:
        if "lock" in str(error):
            raise DataError(f"{shown}: another process has it open for writing; close it there") from None
        raise DataError(f"{shown}: not a DuckDB file of version {duckdb.__version__} or before, or damaged") from None
    return database


def _columns(source: Source, database: str) -> dict[str, str]:
    """The table's columns, each with DuckDB's type."""
    schema, table = _parts(source)
    found = rows(
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
        "JOIN duckdb_tables() USING (database_name, schema_name, table_name) "
        f"WHERE database_name = {literal(database)} ORDER BY column_index"
    )
    tables = {}
    for schema_name, table_name, column, kind in found:
        tables.setdefault((schema_name, table_name), {})[column] = kind
    if (schema, table) not in tables:
        is_view = rows(
            f"SELECT 1 FROM duckdb_views() WHERE database_name = {literal(database)} AND view_name = {literal(table)}"
        )
        what = f"{table!r} is a view, which is not read; make a table of it" if is_view else f"no table {table!r} in it"
        known = [second if first == "main" else f"{first}.{second}" for first, second in tables]
        raise DataError(f"{source.path}: {what}. {did_you_mean(source.table, known)}")
    return tables[schema, table]


def _parts(source: Source) -> tuple[str, str]:
    first, _, second = source.table.rpartition(".")
    return first or "main", second
