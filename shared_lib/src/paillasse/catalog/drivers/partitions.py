"""Columns that are written in folders' names, as in `year=2020/part.parquet` (Hive partitions)."""

from urllib.parse import unquote

from paillasse.catalog.drivers.engine import listed, literal, name, rows
from paillasse.catalog.drivers.files import File
from paillasse.catalog.drivers.text import not_of_its_type
from paillasse.catalog.model import Schema, Source
from paillasse.errors import CatalogError, DataError

MISSING = "__HIVE_DEFAULT_PARTITION__"
TYPES = {
    "integer": "BIGINT",
    "year": "BIGINT",
    "number": "DOUBLE",
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "date": "DATE",
}


def partitions(files: list[File]) -> dict[str, list[str]]:
    """The columns in the names of the files' folders: name → the values as they are written.

    Raises
    ------
    CatalogError
        The root's own path has such a folder: DuckDB would take it for a column too.
    DataError
        Not all files lie in such folders of the same names.
    """
    found = {file.shown: dict(_named_folders(file.shown)) for file in files}
    first, columns = next(iter(found.items()))
    for shown, values in found.items():
        if list(values) != list(columns):
            raise DataError(f"{shown}: lies in folders of other partitions (name=value) than {first}; move one of them")
    if columns and len(_named_folders(files[0].path)) > len(columns):
        raise CatalogError(f"{first}: a folder of the root is called name=value too; give the data another root")
    return {column: list(dict.fromkeys(values[column] for values in found.values())) for column in columns}


def _named_folders(path: str) -> list[list[str]]:
    """Each folder's name and value, as DuckDB sees them: exactly one `=`."""
    return [folder.split("=") for folder in path.split("/")[:-1] if folder[1:].count("=") == 1]


def check_values(source: Source, found: dict[str, list[str]], schema: Schema) -> None:
    """Refuse folders whose values are not of the declared types.

    Raises
    ------
    DataError
        Every such column, with the number of values.
    """
    problems = []
    for field in schema.fields:
        if field.name in found:
            values = [unquote(value) for value in found[field.name] if value != MISSING]
            texts = f"(SELECT unnest(CAST({listed(values)} AS VARCHAR[])) AS {name(field.name)})"
            ((n,),) = rows(f"SELECT count(*) FROM {texts} WHERE {not_of_its_type(field)}")
            problems += [f"  column {field.name!r}: not {field.type}: {n} of {len(values)}"] if n else []
    if problems:
        remedy = "Rename the folders, or correct the type in the catalogue."
        raise DataError("\n".join([f"{source.path}: folders' names of another type than declared:", *problems, remedy]))


def arguments(found: dict[str, list[str]], schema: Schema) -> str:
    """How DuckDB's readers are told."""
    types = ", ".join(f"{literal(field.name)}: {TYPES[field.type]}" for field in schema.fields if field.name in found)
    return f"hive_partitioning = true, hive_types = {{{types}}}" if types else "hive_partitioning = false"
