"""Parquet: columns of the declared types, in one file or in many."""

from pathlib import Path

from paillasse.catalog.drivers.contract import check_columns, check_types, in_declared_type
from paillasse.catalog.drivers.engine import listed, name, rows, view
from paillasse.catalog.drivers.files import File, files_of, give_duckdb
from paillasse.catalog.drivers.partitions import arguments, check_values, partitions
from paillasse.catalog.model import Schema, Source
from paillasse.errors import DataError

Layout = tuple[tuple[str, str], ...]  # the columns of a file, each with DuckDB's type


def parquet_table(source: Source, folder: Path, schema: Schema):
    """The lazy table. Files may hold a column in several types, if each fits the declared one."""
    from ibis.backends.sql.datatypes import DuckDBType

    files = files_of(source, folder)
    give_duckdb(files)
    found = partitions(files)
    fields = [field for field in schema.fields if field.name not in found]
    layouts = _layouts(files)
    types = {}
    for layout, shown in layouts.items():
        check_columns(shown, [*(column for column, _ in layout), *found], [field.name for field in schema.fields])
        of_file = {column: DuckDBType.from_string(text or "STRUCT()") for column, text in layout}
        check_types(shown, of_file, fields)
        types |= {column: kind for column, kind in of_file.items() if column not in types or kind.is_floating()}
    check_values(source, found, schema)
    columns = ", ".join(
        name(field.name)
        if field.name in found
        else f"{in_declared_type(types[field.name], field)} AS {name(field.name)}"
        for field in schema.fields
    )
    return view(
        f"SELECT {columns} FROM read_parquet({listed(file.literal_path for file in files)}, "
        f"union_by_name = {len(layouts) > 1}, {arguments(found, schema)})"
    )


def _layouts(files: list[File]) -> dict[Layout, str]:
    """The columns that there are, from the files' last bytes; each with the first file that has them."""
    import duckdb

    try:
        nodes = _schema(files)
    except duckdb.Error:
        raise DataError("\n".join(map(_incomplete, filter(_is_incomplete, files)))) from None
    by_path = {}
    for path, *node in nodes:
        by_path.setdefault(path, []).append(node)
    layouts = {}
    for file in files:
        layouts.setdefault(_top_level(by_path[file.path]), file.shown)
    return layouts


def _schema(files: list[File]) -> list[tuple]:
    paths = listed(file.literal_path for file in files)
    columns = "file_name, name, duckdb_type, coalesce(num_children, 0)"
    return rows(f"SELECT {columns} FROM parquet_schema({paths}) ORDER BY file_name, column_id")


def _is_incomplete(file: File) -> bool:
    import duckdb

    try:
        _schema([file])
    except duckdb.Error:
        return True
    return False


def _incomplete(file: File) -> str:
    return f"{file.shown}: not a complete parquet file; restore it or write it again"


def _top_level(nodes: list[tuple]) -> Layout:
    """Of a file's tree, written with each node before its children, the root's children."""
    columns, inner = [], 0
    for column, kind, children in nodes[1:]:
        if inner:
            inner -= 1
        else:
            columns.append((column, kind))
        inner += children
    return tuple(columns)
