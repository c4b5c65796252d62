"""Drivers: a source of the catalogue → a lazy ibis table with the declared columns and types.

The list is closed; none can run what the catalogue names, and none fetches anything but the data. Files, tables of
DuckDB files and stand-ins are tables of one DuckDB, in which they can be joined; a table on a PostgreSQL server stays
there. Whatever goes wrong, no value of a row is in the message.
"""

from pathlib import Path

from paillasse.catalog.drivers.csv import csv_problem, csv_table
from paillasse.catalog.drivers.duckdb_file import duckdb_table
from paillasse.catalog.drivers.files import files_of
from paillasse.catalog.drivers.parquet import parquet_table
from paillasse.catalog.drivers.postgres import postgres_rows, postgres_table
from paillasse.catalog.drivers.synthetic import stand_in
from paillasse.catalog.model import Dataset, Schema, Source
from paillasse.errors import DataError, InputError, PaillasseError

DRIVERS = {
    "csv": lambda name, datasets, source, folder: csv_table(source, folder, datasets[name].table_schema),
    "parquet": lambda name, datasets, source, folder: parquet_table(source, folder, datasets[name].table_schema),
    "duckdb": lambda name, datasets, source, folder: duckdb_table(source, folder, datasets[name].table_schema),
    "postgres": lambda name, datasets, source, folder: postgres_table(source, datasets[name].table_schema),
    "synthetic": lambda name, datasets, source, folder: stand_in(name, datasets),
}


def open_table(name: str, datasets: dict[str, Dataset], source: Source, folder: Path):
    """The source's table, lazy.

    Parameters
    ----------
    name
        The data set's.
    datasets
        All of the catalogue: a stand-in may be linked to another's.
    source
        One of the data set's, as the catalogue declares it.
    folder
        The catalogue's own, which a relative path must not leave.

    Returns
    -------
    ibis.Table
        The columns of the schema, in its order; integer and year as int64, number as float64, string, boolean, date.

    Raises
    ------
    CatalogError
        A path that leaves its root, a variable that is not set, an address by which data would travel unprotected.
    DataError
        No such file, table or server, another content than the one declared, or other columns.
    """
    return DRIVERS[source.driver](name, datasets, source, folder)


def state_of(source: Source, folder: Path) -> str:
    """What differs once the source has changed: what is declared of it, checksum or version, else the files' state.

    Raises
    ------
    CatalogError, DataError
        As `open_table`.
    """
    if source.path is None:
        return source.version or ""
    files = files_of(source, folder)  # are they the declared ones?
    return source.sha256 or str([(file.relative, file.state()) for file in files])


def rows_of(table, source: Source, folder: Path, schema: Schema):
    """The rows of an expression over the source's table.

    Parameters
    ----------
    table : ibis.Table
        Made from what `open_table` gave.
    source, folder, schema
        As the table was opened with.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    InputError
        The expression is one that cannot be computed where the table is.
    DataError
        The rows cannot be read or computed: why, where that is known, and never a value.
    """
    import duckdb
    import ibis

    try:
        return postgres_rows(table, source) if source.driver == "postgres" else table.to_pyarrow()
    except ibis.IbisError as error:
        kind = type(error).__name__
        raise InputError(
            f"{source.place}: `where` needs a table that is elsewhere, or what is not computed there ({kind}); read "
            "the data first and choose the rows afterwards"
        ) from None
    except PaillasseError:
        raise
    except Exception as error:  # DuckDB's, or that of a storage's client
        # DuckDB's message quotes the row, and so would the traceback: neither is passed on.
        is_csv = source.driver == "csv" and isinstance(error, duckdb.Error)
        problem = csv_problem(source, folder, schema, error) if is_csv else None
        kind = type(error).__name__
        raise DataError(problem or f"{source.place}: DuckDB cannot read it, or compute `where` ({kind})") from None
