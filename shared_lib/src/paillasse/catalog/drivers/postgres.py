"""A table on a PostgreSQL server, where columns and rows are chosen; only what is asked for travels.

The address is a variable's: a URI or key=value pairs, as libpq has them. The session only reads; what it may read the
server's GRANT decides. To another machine it goes by TLS (better say sslmode=verify-full and sslrootcert in the
address: only that proves that it is the right server). No message has any part of an address in it, nor a value.
"""

import os
import threading

from paillasse.catalog.drivers.contract import check_columns, check_types
from paillasse.catalog.model import Field, Schema, Source
from paillasse.errors import CatalogError, DataError

ROWS_AT_ONCE = 50_000
# A server that is down, or dies while it is asked, is noticed; an answer may take as long as it needs.
WAITS = {
    "connect_timeout": "10",  # seconds
    "keepalives_idle": "20",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",  # milliseconds
}
LOCAL = {"localhost", "127.0.0.1", "::1"}
TOO_OPEN = ("disable", "allow", "prefer")

_backends: dict[tuple, object] = {}  # process and address → ibis' connection, one for all tables there
_one_at_a_time = threading.RLock()  # ibis' transactions on one line must not be interleaved


def postgres_table(source: Source, schema: Schema):
    """The lazy table, on the server."""
    import ibis

    schema_name, _, table_name = source.table.rpartition(".")
    try:
        with _one_at_a_time:
            table = connection(source.dsn).table(table_name, database=schema_name or None)
    except ibis.common.exceptions.TableNotFound:
        raise DataError(
            f"{source.place}: there is no such table, or your role on the server may not see its schema; write "
            "schema.table, in the server's upper and lower case"
        ) from None
    found = dict(table.schema())
    check_columns(source.place, found, [field.name for field in schema.fields])
    check_types(source.place, found, schema.fields)
    # A whole number of any width is int64 to us without a cast, which would keep the server from using its index.
    wide = {name: "int64" if kind.is_integer() else kind for name, kind in found.items()}
    table = table.op().copy(schema=ibis.schema(wide)).to_expr()
    return table.select(**{field.name: _in_declared_type(table[field.name], field) for field in schema.fields})


def _in_declared_type(column, field: Field):
    if field.type == "integer" and column.type().is_decimal():
        return column.cast("int64")
    if field.type == "number":
        # NaN, which the server takes for a number above all others, is a missing value.
        return column.cast("float64").nullif(float("nan"))
    if field.type == "string":
        return column.cast("string")  # character(5) without the blanks that fill it up
    return column


def postgres_rows(table, source: Source):
    """The rows of an expression over the source's table, fetched a part at a time.

    Returns
    -------
    pyarrow.Table
    """
    import psycopg

    try:
        with _one_at_a_time:
            return table.to_pyarrow(chunk_size=ROWS_AT_ONCE)
    except psycopg.errors.InsufficientPrivilege:
        problem = "your role on the server may not read it; ask the steward"
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        problem = f"the server broke off ({type(error).__name__}); ask again"
    except psycopg.Error as error:
        problem = f"PostgreSQL cannot read it, or compute `where` ({type(error).__name__})"
    raise DataError(f"{source.place}: {problem}")


def connection(dsn: str):
    """ibis' connection to the server whose address the variable holds: one a process, made anew after it broke.

    Parameters
    ----------
    dsn
        `${VARIABLE}`.

    Returns
    -------
    ibis.backends.postgres.Backend

    Raises
    ------
    CatalogError
        The variable is not set or holds no address, or one by which data would travel unprotected.
    DataError
        The server does not answer, or refuses.
    """
    import psycopg

    address = _address(dsn)
    key = os.getpid(), address  # a forked process needs its own: two cannot speak on one line
    backend = _backends.get(key)
    try:
        if backend is not None:
            backend.con.execute("SELECT 1")
    except psycopg.Error:
        backend = None
    if backend is None:
        backend = _backends[key] = _connected(dsn, address)
    return backend


def _connected(dsn: str, address: str):
    import ibis
    import psycopg

    try:
        line = psycopg.connect(address, autocommit=True)
        line.execute("SET default_transaction_read_only = on")
        return ibis.postgres.from_connection(line)
    except psycopg.Error as error:
        reason = _reason(str(error))
    raise DataError(f"{dsn}: the PostgreSQL server {reason}")


def _reason(message: str) -> str:
    """libpq's message in our words: its own quotes the host, which is a part of the password in a mistyped address."""
    reasons = {
        "timeout expired": "does not answer in time; is it running, and do you reach its network?",
        "Connection refused": "is not running at the address that the variable holds",
        "translate host name": "cannot be found by the name that the variable holds",
        "resolve host": "cannot be found by the name that the variable holds",
        "password authentication failed": "refuses the role or its password",
        "no password supplied": "asks for a password, which the variable does not hold",
        "certificate": "has a certificate that is not trusted; is sslrootcert right?",
        "does not support SSL": "does not offer TLS",
        "no pg_hba.conf entry": "does not admit this role from this machine",
        "does not exist": "has no such role or database",
    }
    return next((text for key, text in reasons.items() if key in message), "cannot be reached, or refuses")


def _address(dsn: str) -> str:
    """What the variable holds, with bounded waits and TLS."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    variable = dsn[2:-1]
    given = os.environ.get(variable, "")
    expected = f"set {variable} to postgresql://ROLE:PASSWORD@HOST/DATABASE, or to host=… dbname=… user=… password=…"
    if not given.strip():
        raise CatalogError(f"{dsn}: the environment variable {variable} is not set; {expected}")
    try:
        parts = conninfo_to_dict(given)
    except psycopg.Error:
        parts = None  # not raised in here: the message that is being handled quotes the address
    if parts is None:
        raise CatalogError(f"{dsn}: no address that PostgreSQL understands; {expected} (an @ in a password is %40)")

    if parts.get("service") or os.environ.get("PGSERVICE"):
        raise CatalogError(f"{dsn}: a service file is not used, for it may say anything; {expected}")
    hosts = parts.get("hostaddr") or os.environ.get("PGHOSTADDR") or parts.get("host") or os.environ.get("PGHOST") or ""
    mode = parts.get("sslmode") or os.environ.get("PGSSLMODE")
    if not all(host in LOCAL or host.startswith(("/", "@")) or not host for host in hosts.split(",")):
        if mode in TOO_OPEN:
            raise CatalogError(
                f"{dsn}: with sslmode={mode} the data could travel in the clear; set sslmode=verify-full and "
                "sslrootcert, or at least sslmode=require"
            )
        parts["sslmode"] = mode or "require"
    waits = {key: value for key, value in WAITS.items() if key not in parts}
    if os.environ.get("PGCONNECT_TIMEOUT"):
        waits.pop("connect_timeout", None)
    return make_conninfo(**parts, **waits)
