"""The process's DuckDB, and how names and texts are written in its SQL."""

import contextlib
import functools
import itertools
import os


def connection():
    """DuckDB in memory: one of the process, so that tables of several data sets can be joined.

    Nothing is fetched: its extensions are neither installed nor loaded on the way.
    """
    return _connection(os.getpid())  # a forked process needs its own: the threads stay behind


@functools.cache
def _connection(process: int):
    import duckdb
    import ibis

    backend = ibis.duckdb.connect(autoinstall_known_extensions="false", autoload_known_extensions="false")
    # A progress bar would end up in a notebook's stored outputs; in one without ipywidgets it is off and cannot be set.
    with contextlib.suppress(duckdb.InvalidInputException):
        backend.raw_sql("SET enable_progress_bar = false")
    return backend


_numbers = itertools.count(1)


def new_name() -> str:
    """A name that nothing else in the connection has."""
    return f"source_{next(_numbers)}"


def rows(query: str) -> list[tuple]:
    """All rows of a query: DuckDB 2 refuses much while a result is not fetched to its end."""
    return connection().raw_sql(query).fetchall()


def view(query: str):
    """A query as a lazy table.

    Returns
    -------
    ibis.Table
    """
    name = new_name()
    rows(f"CREATE TEMP VIEW {name} AS {query}")
    return connection().table(name)


def name(text: str) -> str:
    """The SQL of a column's or a table's name."""
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    """The SQL of a text."""
    return "'" + text.replace("'", "''") + "'"


def listed(texts) -> str:
    """The SQL of a list of texts."""
    return f"[{', '.join(map(literal, texts))}]"
