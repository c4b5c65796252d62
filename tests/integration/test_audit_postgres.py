"""Records of secure reads in a real PostgreSQL table: its reader may insert, and nothing else."""

import signal
import socket
import subprocess
import sys
import time
import uuid

import psycopg
import pytest
from postgres_server import PASSWORD, PostgresServer, postgres_server

from paillasse.catalog.audit import TABLE_SQL, AuditSink, ReadRecord, record, verify
from paillasse.errors import AccessError, CatalogError

SINK = AuditSink(driver="postgres", dsn="${AUDIT_DSN}", table="audit.reads")
ABOUT = dict(
    project="lung",
    purpose="scientific-research",
    approval="CSE-12",
    data_set="lung_io",
    profile="secure",
    source_version="2026-10",
    columns=["age", "pd l1", 'a "quoted" {one}, with \\'],
    filter_columns=[],
)


def a_read(**other) -> ReadRecord:
    return ReadRecord(**(ABOUT | other))


@pytest.fixture
def server(postgres: PostgresServer, monkeypatch) -> PostgresServer:
    """The server with an empty table of records; we are the reader `alice`."""
    postgres.new_database("audit")
    postgres.run_sql(TABLE_SQL.read_text(encoding="utf-8"), "audit")
    for person, role in {"alice": "reader", "bruno": "reader", "dominique": "auditor"}.items():
        postgres.new_role(person)
        postgres.run_sql(f"GRANT paillasse_{role} TO {person}")
    monkeypatch.setenv("AUDIT_DSN", postgres.dsn("alice", "audit"))
    return postgres


def rows(server: PostgresServer, columns: str) -> list[tuple]:
    return server.run_sql(f"SELECT {columns} FROM audit.reads ORDER BY number", "audit")


@pytest.fixture
def verified(server, monkeypatch):
    """`verify`, as the auditor."""

    def run():
        with monkeypatch.context() as patch:
            patch.setenv("AUDIT_DSN", server.dsn("dominique", "audit"))
            return verify(SINK)

    return run


# --- a record --------------------------------------------------------------------------------------------------------


def test_a_record_holds_what_the_reader_said_and_what_the_server_knows(server):
    read = a_read(rows=42, outcome="read")
    record(SINK, read)
    columns = "id::text, who, host, project, columns, filter_columns, outcome, rows, source_version"
    said = (read.id, read.who, read.host, "lung", ABOUT["columns"], [], "read", 42, "2026-10")
    assert rows(server, columns) == [said]
    assert rows(server, "number, db_role, recorded_at - started_at < '1 minute'") == [(1, "alice", True)]


def test_a_role_that_only_reads_by_default_can_still_record(server):
    server.run_sql("ALTER ROLE alice SET default_transaction_read_only = on")
    try:
        record(SINK, a_read())
    finally:
        server.run_sql("ALTER ROLE alice RESET ALL")
    assert len(rows(server, "number")) == 1


def test_the_script_makes_the_table_by_psql_and_not_twice(server):
    server.new_database("other")
    command = ["psql", server.dsn(database="other"), "--set=ON_ERROR_STOP=1", f"--file={TABLE_SQL}"]
    assert subprocess.run(command, capture_output=True).returncode == 0
    again = subprocess.run(command, capture_output=True, text=True)
    assert 'schema "audit" already exists' in again.stderr


# --- what a reader cannot do -----------------------------------------------------------------------------------------

FORBIDDEN = {
    "update": "UPDATE audit.reads SET rows = 0",
    "update of its own record": "UPDATE audit.reads SET rows = 0 WHERE db_role = session_user",
    "delete": "DELETE FROM audit.reads",
    "truncate": "TRUNCATE audit.reads",
    "read what others read": "SELECT * FROM audit.reads",
    "count": "SELECT count(*) FROM audit.reads",
    "merge": "MERGE INTO audit.reads r USING (VALUES (1)) v (n) ON r.number = v.n WHEN MATCHED THEN DELETE",
    "learn by a conflict": "INSERT INTO audit.reads (id) VALUES (NULL) ON CONFLICT (id) DO UPDATE SET rows = 0",
    "drop": "DROP TABLE audit.reads",
    "drop the schema": "DROP SCHEMA audit CASCADE",
    "alter": "ALTER TABLE audit.reads ALTER COLUMN recorded_at SET DEFAULT '2020-01-01'",
    "rename": "ALTER TABLE audit.reads RENAME TO old",
    "take over": "ALTER TABLE audit.reads OWNER TO alice",
    "disable the trigger": "ALTER TABLE audit.reads DISABLE TRIGGER chain",
    "disable all triggers": "SET session_replication_role = replica",
    "drop the trigger": "DROP TRIGGER chain ON audit.reads",
    "another trigger": "CREATE TRIGGER z AFTER INSERT ON audit.reads EXECUTE FUNCTION audit.chain()",
    "a rule": "CREATE RULE nothing AS ON INSERT TO audit.reads DO INSTEAD NOTHING",
    "replace the function": "CREATE OR REPLACE FUNCTION audit.chain() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
    "call the function": "SELECT audit.digest(NULL)",
    "move the head": "UPDATE audit.head SET number = 0",
    "empty the head": "TRUNCATE audit.head",
    "read the head": "SELECT * FROM audit.head",
    "hold the head": "SELECT * FROM audit.head FOR UPDATE",
    "lock everybody out": "LOCK TABLE audit.reads IN ACCESS EXCLUSIVE MODE",
    "lock readers out by the head": "LOCK TABLE audit.head IN ROW EXCLUSIVE MODE",
    "a table of its own": "CREATE TABLE audit.mine (a int)",
    "grant": "GRANT DELETE ON audit.reads TO alice",
    "the owner's role": "SET ROLE postgres",
    "another's name": "SET SESSION AUTHORIZATION bruno",
}


@pytest.mark.parametrize("sql", FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_reader_cannot(server, verified, sql):
    record(SINK, a_read())
    before = rows(server, "reads::text")
    with (
        psycopg.connect(server.dsn("alice", "audit")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(sql)
    assert rows(server, "reads::text") == before
    assert verified().ok


NAMES = "id, started_at, who, host, project, purpose, approval, data_set, profile, columns, filter_columns, outcome"
VALUES = "gen_random_uuid(), now(), 'x', 'x', 'x', 'x', 'x', 'x', 'x', '{}', '{}', 'read'"


@pytest.mark.parametrize(
    ("column", "value"),
    [("recorded_at", "'2020-01-01'"), ("db_role", "'bruno'"), ("number", "7"), ("previous", "'0'"), ("hash", "'0'")],
)
def test_what_the_server_sets_cannot_be_forged(server, column, value):
    with psycopg.connect(server.dsn("alice", "audit")) as connection:
        connection.execute(f"INSERT INTO audit.reads ({NAMES}) VALUES ({VALUES})")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"INSERT INTO audit.reads ({NAMES}, {column}) VALUES ({VALUES}, {value})")


def test_the_role_is_who_logged_in_whatever_role_it_takes(server):
    with psycopg.connect(server.dsn("alice", "audit")) as connection:
        connection.execute("SET ROLE paillasse_reader")
        connection.execute(f"INSERT INTO audit.reads ({NAMES}) VALUES ({VALUES})")
    assert rows(server, "db_role") == [("alice",)]


def test_nobody_without_the_role_can_insert(server):
    server.new_role("stranger")
    with (
        psycopg.connect(server.dsn("stranger", "audit")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(f"INSERT INTO audit.reads ({NAMES}) VALUES ({VALUES})")


def test_a_readers_own_functions_do_not_stand_in_for_the_servers(server, verified):
    """The trigger acts with its owner's rights: what it calls must not be found where the reader put it."""
    server.run_sql("CREATE SCHEMA own AUTHORIZATION alice", "audit")
    with psycopg.connect(server.dsn("alice", "audit")) as connection:
        at_2020 = "RETURNS timestamptz LANGUAGE sql AS $$ SELECT timestamptz '2020-01-01' $$"
        connection.execute(f"CREATE FUNCTION own.clock_timestamp() {at_2020}")
        connection.execute("CREATE FUNCTION own.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$")
        connection.execute("CREATE TEMP TABLE head (number bigint, hash text)")
        connection.execute("SET search_path = own, pg_catalog; SET timezone = 'Asia/Tokyo'; SET datestyle = 'German'")
        connection.execute(f"INSERT INTO audit.reads ({NAMES}) VALUES ({VALUES})")
    assert rows(server, "length(hash), recorded_at > '2026-01-01'") == [(64, True)]
    assert verified().ok


# --- the read is refused ---------------------------------------------------------------------------------------------


def refused(read: ReadRecord | None = None) -> str:
    with pytest.raises(AccessError) as refusal:
        record(SINK, read or a_read(), "A. Steward")
    message = str(refusal.value)
    assert message.startswith("The read of lung_io is refused, because its record cannot be written: ")
    assert message.endswith(". Ask A. Steward.")
    assert PASSWORD not in message
    assert refusal.value.__suppress_context__  # a chained traceback would show the server's own words
    return message


def test_a_role_that_may_not_insert_is_refused(server, monkeypatch):
    server.new_role("stranger")
    monkeypatch.setenv("AUDIT_DSN", server.dsn("stranger", "audit"))
    assert "by ${AUDIT_DSN} may not insert into audit.reads (it needs the role paillasse_reader)" in refused()


def test_a_missing_table_is_refused(server, monkeypatch):
    monkeypatch.setenv("AUDIT_DSN", server.dsn(database="postgres"))
    assert "audit.reads is not there" in refused()


def test_the_same_record_is_written_once(server):
    read = a_read()
    record(SINK, read)
    assert "has a record of this read already" in refused(read)
    assert len(rows(server, "id")) == 1


def test_a_record_that_the_server_cannot_hold_is_refused_without_its_content(server):
    for bad in ("SECRET9\x00", "SECRET9\udc80"):
        assert "SECRET9" not in refused(a_read(columns=[bad]))
    assert rows(server, "id") == []


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://alice:{password}@localhost:{port}/audit",
        "postgresql://alice:wrong-{password}@localhost:{server}/audit",
        "postgresql://alice:{password}@no.such.host.invalid:{port}/audit",
        "host=localhost port={port} password={password} nonsense",
        "host=localhost nonsense={password}",
        "{password}",
    ],
    ids=["nobody listens", "wrong password", "no such host", "not an address", "no such option", "a password alone"],
)
def test_an_address_that_leads_nowhere_is_refused_without_its_content(server, monkeypatch, address):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("AUDIT_DSN", address.format(port=port, server=server.port, password="hunter2"))
    message = refused()
    assert "hunter2" not in message
    assert "${AUDIT_DSN}" in message


def test_a_variable_that_is_not_set_is_refused(monkeypatch):
    monkeypatch.delenv("AUDIT_DSN", raising=False)
    assert "the environment variable AUDIT_DSN is not set" in refused()


def test_a_server_that_never_answers_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("paillasse.catalog.audit.server.SECONDS", 2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("AUDIT_DSN", f"postgresql://alice:x@127.0.0.1:{silent.getsockname()[1]}/audit")
        begun = time.monotonic()
        assert "does not answer within 2 seconds" in refused()
        assert time.monotonic() - begun < 4


def test_a_table_that_another_transaction_holds_is_not_waited_for(server, monkeypatch):
    monkeypatch.setattr("paillasse.catalog.audit.server.SECONDS", 4)
    with psycopg.connect(server.dsn("bruno", "audit")) as other:
        other.execute(f"INSERT INTO audit.reads ({NAMES}) VALUES ({VALUES})")  # and does not commit
        begun = time.monotonic()
        assert "does not answer within 4 seconds" in refused()
        assert time.monotonic() - begun < 6
    record(SINK, a_read())
    assert rows(server, "db_role") == [("bruno",), ("alice",)]


def test_a_server_that_stops_in_the_middle_is_not_waited_for(server, monkeypatch):
    """It has accepted the connection, and its machine still answers for it: only our own clock helps."""
    monkeypatch.setattr("paillasse.catalog.audit.server.SECONDS", 2)
    stopping = (
        "CREATE FUNCTION public.stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); END $$;"
    )
    stopping += "CREATE TRIGGER a BEFORE INSERT ON audit.reads EXECUTE FUNCTION public.stop();"
    server.run_sql(stopping, "audit")
    pause = subprocess.Popen([sys.executable, "-c", PAUSE, server.dsn()], stdout=subprocess.PIPE, text=True)
    assert pause.stdout.readline() == "ready\n"
    begun = time.monotonic()
    try:
        assert "does not answer within 2 seconds" in refused()
        assert time.monotonic() - begun < 4
    finally:
        said, _ = pause.communicate(timeout=30)
    assert said == "stopped\n"


# Stops the server's process that sleeps, for as long as the reader would wait, then lets it go on.
PAUSE = """
import os, signal, sys, time, psycopg
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    print("ready", flush=True)
    for _ in range(1000):
        found = connection.execute("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchone()
        if found:
            os.kill(found[0], signal.SIGSTOP)
            print("stopped", flush=True)
            time.sleep(5)
            os.kill(found[0], signal.SIGCONT)
            break
        time.sleep(0.01)
"""


# --- what a verification finds ---------------------------------------------------------------------------------------


def test_records_as_they_were_written_have_no_problem(verified):
    for i in range(3):
        record(SINK, a_read(rows=i))
    assert str(verified()) == "audit.reads at ${AUDIT_DSN}: 3 records checked, no problem found."


def test_an_empty_table_has_no_problem(verified):
    assert (verified().checked, verified().ok) == (0, True)


def test_a_reader_cannot_verify(server):
    with pytest.raises(CatalogError, match=r"may not read audit.reads \(it needs the role paillasse_auditor\)"):
        verify(SINK)


MAY_CHANGE = "the role {} may change records ({}): revoke that, or let another role read"
FOUND = {
    "an edit": ("UPDATE audit.reads SET rows = 7 WHERE number = 3", ["record 3 was edited"]),
    "an edited time": ("UPDATE audit.reads SET recorded_at = now() WHERE number = 3", ["record 3 was edited"]),
    "an edit with its hash": (
        "UPDATE audit.reads r SET rows = 7 WHERE number = 3; "
        "UPDATE audit.reads r SET hash = audit.digest(r) WHERE number = 3",
        ["record 4 was not written after record 3 as that is now"],
    ),
    "a deletion": ("DELETE FROM audit.reads WHERE number = 3", ["record 4 comes after record 2: 1 record taken out"]),
    "a deleted beginning": (
        "DELETE FROM audit.reads WHERE number < 3",
        ["record 3 comes after record 0: 2 records taken out"],
    ),
    "a cut end": (
        "DELETE FROM audit.reads WHERE number > 3",
        ["the last record is number 3, audit.head says number 5: records at the end were cut off or edited"],
    ),
    "an emptied table": (
        "TRUNCATE audit.reads",
        ["the last record is number 0, audit.head says number 5: records at the end were cut off or edited"],
    ),
    "another order": (
        "UPDATE audit.reads SET number = -number WHERE number IN (2, 3); "
        "UPDATE audit.reads SET number = 5 + number WHERE number < 0",
        [
            "record 2 was not written after record 1 as that is now",
            "record 2 was edited",
            "record 3 was not written after record 2 as that is now",
            "record 3 was edited",
            "record 4 was not written after record 3 as that is now",
        ],
    ),
    "an insertion without the trigger": (
        "ALTER TABLE audit.reads DISABLE TRIGGER chain; "
        f"INSERT INTO audit.reads (number, recorded_at, db_role, previous, hash, {NAMES}) "
        f"VALUES (6, now(), 'bruno', '0', '0', {VALUES})",
        [
            "record 6 was not written after record 5 as that is now",
            "record 6 was edited",
            "the last record is number 6, audit.head says number 5: records at the end were cut off or edited",
            "the trigger `chain` of audit.reads is not in force: what is inserted is not chained",
        ],
    ),
    "a right too many": (
        "GRANT UPDATE ON audit.reads TO bruno",
        [MAY_CHANGE.format("bruno", "UPDATE")],
    ),
    "a right on one column": (
        "GRANT UPDATE (rows) ON audit.reads TO bruno",
        [MAY_CHANGE.format("bruno", "UPDATE")],
    ),
    "a right to the head": (
        "GRANT UPDATE ON audit.head TO bruno",
        [MAY_CHANGE.format("bruno", "UPDATE")],
    ),
    "an owner who reads": (
        "ALTER TABLE audit.reads OWNER TO alice",
        [MAY_CHANGE.format("alice", "DELETE, TRIGGER, TRUNCATE, UPDATE")],
    ),
}


@pytest.mark.parametrize(("sql", "problems"), FOUND.values(), ids=FOUND)
def test_a_verification_finds(server, verified, sql, problems):
    for i in range(5):
        record(SINK, a_read(rows=i))
    server.run_sql(sql, "audit")
    assert verified().problems == problems


def test_a_column_that_is_added_later_breaks_no_record(server, verified):
    record(SINK, a_read())
    server.run_sql("ALTER TABLE audit.reads ADD COLUMN remark text", "audit")
    record(SINK, a_read())
    assert verified().ok


# --- several processes, and their deaths -----------------------------------------------------------------------------

WRITER = """
import sys
from paillasse.catalog.audit import AuditSink, ReadRecord, record

sink = AuditSink(driver="postgres", dsn="${AUDIT_DSN}", table="audit.reads")
for i in range(int(sys.argv[1])):
    read = ReadRecord(project="lung", purpose="statistics", approval="CSE-12", data_set="lung_io", profile="secure",
                      source_version=None, columns=["age"], filter_columns=[], rows=i, outcome="read")
    record(sink, read)
    print(read.id, flush=True)
"""


def writer(n: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(n)], stdout=subprocess.PIPE, text=True)


def test_records_of_eight_processes_at_once_are_all_there(server, verified):
    writers = [writer(50) for _ in range(8)]
    said = [uuid.UUID(line) for each in writers for line in each.communicate(timeout=120)[0].split()]
    assert [each.returncode for each in writers] == [0] * 8
    report = verified()
    assert (report.checked, report.problems) == (400, [])
    assert sorted(rows(server, "id")) == sorted((each,) for each in said)


def test_killed_writers_leave_a_chain_that_verifies_and_goes_on(server, verified):
    said = set()
    for moment in range(5):
        writers = [writer(10_000) for _ in range(3)]
        first = [each.stdout.readline().strip() for each in writers]  # all are at work
        time.sleep(0.01 * moment)
        for each in writers:
            each.send_signal(signal.SIGKILL)
        said |= {*first, *(line for each in writers for line in each.communicate()[0].split("\n")[:-1])}
    record(SINK, a_read())
    assert verified().problems == []
    assert said <= {row[0] for row in rows(server, "id::text")}


def test_a_server_that_is_down_is_refused(monkeypatch):
    with postgres_server() as own:
        own.run_sql(TABLE_SQL.read_text(encoding="utf-8"))
        monkeypatch.setenv("AUDIT_DSN", own.dsn())
        record(SINK, a_read())
        assert verify(SINK).checked == 1
    assert "cannot be reached" in refused()
