"""Records in a PostgreSQL table on which the reader's role may only insert; `table.sql` makes it.

Number, time, role and the chain of hashes are set by the server. `verify` needs another role, which may select.
"""

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import asdict

from paillasse.catalog.audit.model import (
    NAMES,
    NO_HASH,
    SECONDS,
    AuditReport,
    AuditSink,
    ReadRecord,
    Unusable,
    counted,
    resolved,
)


def insert(sink: AuditSink, read: ReadRecord) -> None:
    """Write one row, committed when this returns.

    In a thread, because a server that stops answering in the middle would otherwise hold the reader for ever. It may
    still write the record afterwards. Then one is there of a read that was refused: never the reverse.
    """
    address = resolved(sink.dsn)
    written: Future = Future()

    def insert():
        try:
            written.set_result(_insert_at(address, sink.table, read))
        except BaseException as error:
            written.set_exception(error)

    threading.Thread(target=insert, daemon=True).start()
    with _told_of_server(sink, f"may not insert into {sink.table} (it needs the role paillasse_reader)"):
        written.result(timeout=SECONDS)


def _insert_at(address: str, table: str, read: ReadRecord) -> None:
    import psycopg
    from psycopg import sql

    query = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(*table.split(".")),
        sql.SQL(", ").join(map(sql.Identifier, NAMES)),
        sql.SQL(", ").join(map(sql.Placeholder, NAMES)),
    )
    with psycopg.connect(address, connect_timeout=SECONDS) as connection:
        # Whatever a steward set for the role that reads the data: this one statement writes, and its record is on disk.
        connection.read_only = False
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        # The server gives up first, so that what it was asked to write does not follow a refusal.
        connection.execute(f"SET LOCAL statement_timeout = {SECONDS * 500}")
        connection.execute("SET LOCAL synchronous_commit = on")
        connection.execute(query, asdict(read))


@contextlib.contextmanager
def _told_of_server(sink: AuditSink, without_right: str) -> Iterator[None]:
    """What the server refuses, told without its own message, which may quote an address or a value."""
    import psycopg
    from psycopg import errors

    try:
        yield
    except (TimeoutError, errors.ConnectionTimeout, errors.QueryCanceled):
        raise Unusable(f"the server of {sink.dsn} does not answer within {SECONDS} seconds") from None
    except errors.InsufficientPrivilege:
        raise Unusable(f"who logs in by {sink.dsn} {without_right}") from None
    except (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction, errors.InvalidSchemaName):
        raise Unusable(f"{sink.table} is not there, or not as this version's table.sql makes it") from None
    except errors.UniqueViolation:
        raise Unusable(f"{sink.table} has a record of this read already") from None
    except psycopg.OperationalError as error:
        if error.sqlstate is None:
            raise Unusable(f"the server of {sink.dsn} cannot be reached, or does not let its role in") from None
        raise Unusable(f"the server of {sink.dsn} answers {type(error).__name__}") from None
    except (psycopg.Error, UnicodeError) as error:
        raise Unusable(f"{sink.dsn} or the server there cannot be used ({type(error).__name__})") from None


# Each record with what is wrong with it; only those with something.
BROKEN_LINKS = """
SELECT number, before, intact, follows FROM (
    SELECT number,
           coalesce(lag(number) OVER chain, 0) AS before,
           hash = {digest}(reads) AS intact,
           previous = coalesce(lag(hash) OVER chain, %(no_hash)s) AS follows
    FROM {table} AS reads
    WINDOW chain AS (ORDER BY number)
) AS links
WHERE number <> before + 1 OR NOT intact OR NOT follows
ORDER BY number
"""

LAST = "SELECT number, hash FROM {table} ORDER BY number DESC LIMIT 1"

# Roles that could change or remove records. The owner and the superusers always can and are told only if they have
# themselves written records. Roles `pg_…` are PostgreSQL's own, nobody logs in as them.
MAY_CHANGE = """
SELECT rolname, string_agg(DISTINCT privilege, ', ' ORDER BY privilege)
FROM pg_roles, (VALUES ('UPDATE'), ('DELETE'), ('TRUNCATE'), ('TRIGGER')) AS privileges (privilege), pg_class
WHERE pg_class.oid IN (%(table)s::regclass, %(head)s::regclass)
  AND (has_table_privilege(pg_roles.oid, pg_class.oid, privilege)
       OR privilege = 'UPDATE' AND has_any_column_privilege(pg_roles.oid, pg_class.oid, 'UPDATE'))
  AND (NOT pg_has_role(pg_roles.oid, relowner, 'MEMBER') OR rolname IN (SELECT db_role FROM {table}))
  AND rolname !~ '^pg_'
GROUP BY rolname ORDER BY rolname
"""

TRIGGER_IN_FORCE = """
SELECT count(*) FROM pg_trigger
WHERE tgrelid = %(table)s::regclass AND tgname = 'chain' AND tgenabled IN ('O', 'A')
"""


def verify(sink: AuditSink) -> AuditReport:
    """Check all rows against each other and against the head, and that no reader may do more than insert."""
    import psycopg
    from psycopg import sql

    schema, name = sink.table.split(".")
    names = {
        "table": sql.Identifier(schema, name),
        "head": sql.Identifier(schema, "head"),
        "digest": sql.Identifier(schema, "digest"),
    }
    values = {"no_hash": NO_HASH, "table": f'"{schema}"."{name}"', "head": f'"{schema}"."head"'}

    may_not = f"may not read {sink.table} (it needs the role paillasse_auditor)"
    with _told_of_server(sink, may_not), psycopg.connect(resolved(sink.dsn), connect_timeout=SECONDS) as connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ  # all queries see the same records

        def rows(query: str) -> list[tuple]:
            return connection.execute(sql.SQL(query).format(**names), values).fetchall()

        problems = []
        for number, before, intact, follows in rows(BROKEN_LINKS):
            if number != before + 1:
                missing = counted(number - before - 1, "record")
                problems.append(f"record {number} comes after record {before}: {missing} taken out")
            elif not follows:
                problems.append(f"record {number} was not written after record {before} as that is now")
            if not intact:
                problems.append(f"record {number} was edited")
        last = rows(LAST) or [(0, NO_HASH)]
        head = rows("SELECT number, hash FROM {head}")
        if head != last:
            says = f"number {head[0][0]}" if len(head) == 1 else "nothing"
            end = f"the last record is number {last[0][0]}, {schema}.head says {says}"
            problems.append(f"{end}: records at the end were cut off or edited")
        if rows(TRIGGER_IN_FORCE) == [(0,)]:
            problems.append(f"the trigger `chain` of {sink.table} is not in force: what is inserted is not chained")
        for role, privileges in rows(MAY_CHANGE):
            problems.append(f"the role {role} may change records ({privileges}): revoke that, or let another role read")
        return AuditReport(sink, rows("SELECT count(*) FROM {table}")[0][0], problems, [])
