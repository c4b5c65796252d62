"""Reading from a real PostgreSQL server: what travels, by which line, and each way in which it does not answer."""

import os
import re
import socket
import threading
import time

import ibis
import psycopg
import pytest
from postgres_server import PASSWORD, postgres_server
from toy_catalog import CSV, FIELDS, SECRET, entry, refused

from paillasse.catalog.drivers import postgres as driver
from paillasse.errors import CatalogError, InputError

TABLES = f"""
CREATE TYPE arm AS ENUM ('A', 'B');
CREATE TABLE toy (
    id smallint PRIMARY KEY, age integer, bmi numeric, arm char(3), alive boolean, seen date, since integer
);
INSERT INTO toy VALUES
    (1, 34, 21.5, 'A', true, '2020-01-05', 1999), (2, NULL, NULL, 'B', false, '2021-12-31', 2000),
    (3, 60, 30, NULL, NULL, NULL, NULL);
CREATE TABLE types (id numeric(10), bmi real, arm arm, seen timestamp);
CREATE VIEW typed AS SELECT id, bmi, arm FROM types;
CREATE TABLE changed (id integer, agee integer);
INSERT INTO types VALUES (9000000000, 0.5, 'A', '2020-01-05 10:00'), (2, 'NaN', NULL, NULL);
CREATE TABLE many AS SELECT i AS id, i % 7 AS age, 'x' || i AS name FROM generate_series(1, 200000) AS i;
CREATE INDEX ON many (id);
CREATE TABLE secret (id integer);
CREATE TABLE bad (id integer, arm text, seen date);
INSERT INTO bad VALUES (1, '{SECRET}', 'infinity');
CREATE SCHEMA snds;
CREATE TABLE snds."Séjours" (id integer, "x"";DROP TABLE toy;--" integer);
INSERT INTO snds."Séjours" VALUES (7, 8);
GRANT USAGE ON SCHEMA snds TO reader;
GRANT SELECT ON toy, types, typed, changed, many, bad, snds."Séjours" TO reader;
"""


@pytest.fixture(scope="module")
def server(postgres):
    """The shared server with a database `secure` and a role `reader` that may read most of it."""
    postgres.new_role("reader")
    postgres.new_database("secure")
    postgres.run_sql(TABLES, "secure")
    return postgres


@pytest.fixture
def table(server, tmp_path, monkeypatch):
    """A data set of the catalogue whose source is a table of the server."""
    monkeypatch.setenv("TOY_DSN", server.dsn("reader", "secure"))

    def table(name: str, fields=FIELDS):
        return entry(tmp_path, None, fields, source={"driver": "postgres", "dsn": "${TOY_DSN}", "table": name})

    return table


def fields(**types):
    return [{"name": name, "type": kind} for name, kind in types.items()]


def statements_since(server, start: int) -> str:
    return server.log.read_text()[start:]


# --- what is read ----------------------------------------------------------------------------------------------------


def test_a_table_of_the_server_reads_as_a_file_does(table, tmp_path):
    (tmp_path / "file").mkdir()
    expected = entry(tmp_path / "file", CSV).read()
    assert table("toy").read().equals(expected)
    assert table("public.toy").read(columns=["bmi", "id"]).equals(expected[["bmi", "id"]])


def test_decimals_reals_and_enums_become_the_declared_types(table):
    typed = table("typed", fields(id="integer", bmi="number", arm="string"))
    data = typed.read()
    assert data.dtypes.astype(str).tolist() == ["int64", "float64", "object"]
    assert data.id.tolist() == [9_000_000_000, 2]
    assert data.bmi.isna().tolist() == [False, True]
    assert typed.read(where=lambda t: t.bmi > 0).shape == (1, 3)


def test_a_time_where_a_date_is_declared_is_refused(table):
    message = refused(table("types", fields(id="integer", bmi="number", arm="string", seen="date")))
    assert "column 'seen' is timestamp(6) in the source, date in the catalogue" in message


def test_only_the_columns_and_rows_asked_for_travel(table, server):
    many = table("many", fields(id="integer", age="integer", name="string"))
    start = len(server.log.read_text())
    data = many.read(columns=["age"], where=lambda t: t.id == 4)
    assert data.age.tolist() == [4]
    query = re.search(r'CURSOR FOR (.*"many".*)', statements_since(server, start))[1]
    assert re.findall(r'"t0"\."(\w+)"', query.partition(" FROM ")[0]) == ["age"]
    plan = str(server.run_sql(f"EXPLAIN {query}", "secure"))
    assert "Index" in plan


def test_names_stand_for_themselves_whatever_is_in_them(table):
    name = 'x";DROP TABLE toy;--'
    data = table("snds.Séjours", [FIELDS[0], *fields(**{name: "integer"})]).read(where=lambda t: t[name] > 0)
    assert data.to_numpy().tolist() == [[7, 8]]
    assert len(table("toy").read()) == 3


def test_many_rows_are_fetched_a_part_at_a_time(table, monkeypatch):
    monkeypatch.setattr(driver, "ROWS_AT_ONCE", 30_000)
    many = table("many", fields(id="integer", age="integer", name="string"))
    assert many.read(columns=["id"]).id.sum() == 200_000 * 200_001 // 2


def test_the_same_expression_gives_the_same_totals_on_duckdb_and_on_the_server(table, tmp_path):
    (tmp_path / "file").mkdir()
    rows = "\n".join(f"{i},{i % 7},x{i}" for i in range(1, 200_001))
    of_file = entry(tmp_path / "file", "id,age,name\n" + rows, fields(id="integer", age="integer", name="string"))
    of_server = table("many", fields(id="integer", age="integer", name="string"))

    def totals(data):
        long = data.filter(data.name.length() > 3)
        by_age = long.group_by("age").agg(n=long.count(), ids=long.id.sum(), mean=long.id.mean())
        return by_age.order_by("age").to_pandas()

    assert totals(of_server.table()).equals(totals(of_file.table()))
    assert of_file.table().get_backend().name == "duckdb"
    assert of_server.table().get_backend().name == "postgres"


# --- what is not joined, not written ---------------------------------------------------------------------------------


def test_tables_of_the_server_are_joined_there(table):
    joined = table("toy").table().join(table("many", fields(id="integer", age="integer", name="string")).table(), "id")
    assert joined.count().execute() == 3


def test_a_table_of_the_server_and_a_file_are_joined_after_reading(table, tmp_path):
    (tmp_path / "file").mkdir()
    here, there = entry(tmp_path / "file", CSV), table("toy")
    with pytest.raises(ibis.common.exceptions.IbisError, match="Multiple backends"):
        here.table().join(there.table(), "id").execute()
    assert here.table().join(ibis.memtable(there.read(columns=["id"])), "id").count().execute() == 3


def test_a_condition_on_another_server_s_table_is_refused(table, tmp_path):
    (tmp_path / "file").mkdir()
    other = entry(tmp_path / "file", CSV).table()
    message = refused(table("toy"), InputError, where=lambda t: other.age > 40)
    assert "where: the condition is on another table" in message
    message = refused(table("toy"), InputError, where=lambda t: t.age > other.age.mean())
    assert "`where` needs a table that is elsewhere" in message


def test_the_session_only_reads(server, table, monkeypatch):
    server.run_sql("GRANT ALL ON toy TO reader", "secure")
    line = table("toy").table().get_backend().con
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        line.execute("DELETE FROM toy")
    server.run_sql("REVOKE ALL ON toy FROM reader; GRANT SELECT ON toy TO reader", "secure")
    assert len(table("toy").read()) == 3


# --- a source that is not as declared --------------------------------------------------------------------------------


def test_columns_renamed_and_dropped_at_the_source_are_said_as_for_files(table):
    message = refused(table("changed", FIELDS[:3]))
    assert message.splitlines()[:2] == [
        "${TOY_DSN}, table changed: other columns than declared:",
        "  column 'age' is missing; perhaps it was renamed. Did you mean 'agee'?",
    ]
    assert "  column 'bmi' is missing" in message


def test_a_table_that_is_not_there_or_may_not_be_read_is_said(table):
    assert "${TOY_DSN}, table nowhere.toy: there is no such table, or your role" in refused(table("nowhere.toy"))
    assert "your role on the server may not read it" in refused(table("secret", fields(id="integer")))


def test_what_the_server_or_its_driver_says_of_a_value_is_not_passed_on(table):
    bad = table("bad", fields(id="integer", arm="string", seen="date"))
    assert "PostgreSQL cannot read it, or compute `where`" in refused(bad)
    assert "or compute `where`" in refused(bad, columns=["id"], where=lambda t: t.arm.cast("int64") > 1)


# --- the line to the server ------------------------------------------------------------------------------------------


def refusal(toy, kind=None) -> str:
    """The error, in which nothing of the address may be: not in the message, nor in what led to it."""
    with pytest.raises(Exception) as error:
        toy.read()
    shown, cause = "", error.value
    while cause is not None:
        shown, cause = shown + str(cause), cause.__cause__ or cause.__context__
    assert not any(part in shown for part in (PASSWORD, *re.findall(r"\w{3,}", PASSWORD)))
    return str(error.value)


def listening() -> tuple[socket.socket, int]:
    silent = socket.create_server(("127.0.0.1", 0))
    return silent, silent.getsockname()[1]


def test_a_server_that_is_down_is_said_at_once(table, server, monkeypatch):
    silent, port = listening()
    silent.close()
    monkeypatch.setenv("TOY_DSN", server.dsn("reader", "secure").replace(f":{server.port}/", f":{port}/"))
    start = time.monotonic()
    assert refusal(table("toy")) == (
        "${TOY_DSN}: the PostgreSQL server is not running at the address that the variable holds"
    )
    assert time.monotonic() - start < 5


def test_a_server_that_never_answers_is_waited_for_a_bounded_time(table, server, monkeypatch):
    silent, port = listening()
    address = server.dsn("reader", "secure", connect_timeout="2").replace(f":{server.port}/", f":{port}/")
    monkeypatch.setenv("TOY_DSN", address)
    start = time.monotonic()
    with silent:
        assert "does not answer in time" in refusal(table("toy"))
    assert 1 < time.monotonic() - start < 10


WRONG = {
    "another password": ("postgresql://reader:s3cr@localhost:PORT/secure", "refuses the role or its password"),
    "no such database": ("postgresql://reader:QUOTED@localhost:PORT/nowhere", "has no such role or database"),
    "an @ in the password": ("postgresql://reader:s3cr:t/p@ss w#rd@localhost:PORT/secure", "PostgreSQL"),
    "a host that is part of the password": ("postgresql://reader:x@ss-w-rd.invalid/secure", "cannot be found"),
    "no pairs": ("s3cr:t/p@ss w#rd", "no address that PostgreSQL understands"),
    "an unknown key": ("host=localhost pasword=s3cr", "no address that PostgreSQL understands"),
    "nothing": ("", "the environment variable TOY_DSN is not set"),
    "blanks": ("  ", "the environment variable TOY_DSN is not set"),
    "a service": ("service=secure", "a service file is not used"),
}


@pytest.mark.parametrize(("address", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_address_is_said_without_any_of_it(table, server, monkeypatch, address, message):
    quoted = server.dsn("reader").split("reader:")[1].split("@")[0]
    monkeypatch.setenv("TOY_DSN", address.replace("PORT", str(server.port)).replace("QUOTED", quoted))
    assert message in refusal(table("toy"))


def test_pairs_are_an_address_too(table, server, monkeypatch):
    parts = psycopg.conninfo.conninfo_to_dict(server.dsn("reader", "secure"))
    monkeypatch.setenv("TOY_DSN", psycopg.conninfo.make_conninfo(**parts))
    assert len(table("toy").read()) == 3


def test_a_certificate_of_somebody_else_is_refused(table, server, monkeypatch, tmp_path):
    with postgres_server() as other:
        monkeypatch.setenv("TOY_DSN", server.dsn("reader", "secure", sslrootcert=str(other.certificate)))
        assert "has a certificate that is not trusted" in refusal(table("toy"))


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
@pytest.mark.parametrize("place", ["address", "environment"])
def test_to_another_machine_nothing_travels_in_the_clear(table, monkeypatch, mode, place):
    monkeypatch.setenv("TOY_DSN", "postgresql://reader:x@db.example.org/secure")
    if place == "address":
        monkeypatch.setenv("TOY_DSN", f"postgresql://reader:x@db.example.org/secure?sslmode={mode}")
    else:
        monkeypatch.setenv("PGSSLMODE", mode)
    message = refused(table("toy"), CatalogError)
    assert f"with sslmode={mode} the data could travel in the clear; set sslmode=verify-full" in message


@pytest.mark.parametrize(
    ("address", "mode"),
    [
        ("postgresql://reader@db.example.org/secure", "require"),
        ("postgresql://reader@localhost/secure?hostaddr=192.0.2.1", "require"),
        ("host=/run/postgresql,db.example.org", "require"),
        ("postgresql://reader@db.example.org/secure?sslmode=verify-full", "verify-full"),
        ("postgresql://reader@localhost/secure", None),
        ("host=/run/postgresql", None),
        ("dbname=secure", None),
    ],
)
def test_tls_is_asked_for_wherever_another_machine_is_meant(monkeypatch, address, mode):
    monkeypatch.setenv("TOY_DSN", address)
    parts = psycopg.conninfo.conninfo_to_dict(driver._address("${TOY_DSN}"))
    assert parts.get("sslmode") == mode
    assert parts["connect_timeout"] == "10"


def test_a_line_is_shared_and_made_anew_after_it_broke(table, server):
    first, second = (table("toy").table().get_backend() for _ in range(2))
    assert first is second
    server.run_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'")
    assert len(table("toy").read()) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_a_line_of_its_own(table):
    toy = table("toy")
    assert len(toy.read()) == 3
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"ok" if len(toy.table().execute()) == 3 else b"no")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 2) == b"ok"
    assert len(toy.read()) == 3


def test_threads_share_the_line(table):
    toy, seen = table("toy"), []
    threads = [threading.Thread(target=lambda: seen.append(len(toy.read()))) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert seen == [3] * 8
