"""A real PostgreSQL server for tests: Debian's package, its own folder and port, TLS, passwords by SCRAM."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

SUPERUSER = "postgres"  # in the server; the same name is the system's user that Debian's package makes
PASSWORD = "s3cr:t/p@ss w#rd"  # of every role; with what an address must quote
SECONDS_TO_START = 60


@dataclass(frozen=True)
class PostgresServer:
    """A running server.

    Attributes
    ----------
    port
        On which it listens, at `localhost` only.
    certificate
        What a client trusts: `sslrootcert` of `sslmode=verify-full`. None without TLS.
    log
        The server's log, in which every statement stands.
    """

    port: int
    certificate: Path | None
    log: Path

    def dsn(self, role: str = SUPERUSER, database: str = "postgres", **options: str) -> str:
        """The address for a role made by `new_role`; further options of libpq, such as `sslmode`, win."""
        safe = {"sslmode": "verify-full", "sslrootcert": str(self.certificate)} if self.certificate else {}
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in (safe | options).items())
        who = f"{quote(role, safe='')}:{quote(PASSWORD, safe='')}"
        return f"postgresql://{who}@localhost:{self.port}/{quote(database, safe='')}" + (f"?{query}" if query else "")

    @property
    def superuser_dsn(self) -> str:
        return self.dsn()

    def run_sql(self, sql: str, database: str = "postgres") -> list[tuple]:
        """Run statements as the superuser; the rows of the last one, if it gives any."""
        with psycopg.connect(self.dsn(database=database), autocommit=True) as connection:
            cursor = connection.execute(sql)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def copy_in(self, table: str, rows, database: str = "postgres") -> None:
        """Fill a table from an Arrow table with the same columns, in the same order."""
        columns = [column.to_pylist() for column in rows.columns]
        with psycopg.connect(self.dsn(database=database)) as connection, connection.cursor() as cursor:  # noqa: SIM117
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in zip(*columns, strict=True):
                    copy.write_row(row)

    def new_role(self, name: str) -> None:
        """A role that may log in and no more; one that is there keeps what it may."""
        with contextlib.suppress(psycopg.errors.DuplicateObject):
            self.run_sql(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{PASSWORD}'")

    def new_database(self, name: str) -> None:
        """An empty database; one that is there is emptied."""
        self.run_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.run_sql(f'CREATE DATABASE "{name}"')


@contextlib.contextmanager
def postgres_server(tls: bool = True) -> Iterator[PostgresServer]:
    """Start a server in a folder of its own, and stop it whatever happens; skips the test where there is none.

    The folder is not pytest's: that one admits root only, and PostgreSQL refuses to run as root.
    """
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a Unix socket's path has at most 107 bytes
    process = None
    try:
        process, server = _start(programs, folder, tls)
        yield server
    finally:
        if process is not None:
            _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not found:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return found[-1].parent


def _start(programs: Path, folder: Path, tls: bool) -> tuple[subprocess.Popen, PostgresServer]:
    # As a user of its own where we are root; and killed by the system should this process be killed.
    become = ["--reuid", SUPERUSER, "--regid", SUPERUSER, "--init-groups"] if os.geteuid() == 0 else []
    as_user = ["setpriv", *become, "--pdeathsig", "INT", "--"]

    data, log, certificate, key = (folder / name for name in ("data", "log", "server.crt", "server.key"))
    password = folder / "password"
    password.write_text(PASSWORD)
    if tls:
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        files = ["-keyout", str(key), "-out", str(certificate)]
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files]
        subprocess.run(make, check=True, capture_output=True)
        key.chmod(0o600)
    if become:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, SUPERUSER, SUPERUSER)

    options = ["--username", SUPERUSER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"]
    initdb = [programs / "initdb", "--pgdata", data, "--pwfile", password, *options]
    subprocess.run([*as_user, *map(str, initdb)], check=True, capture_output=True, cwd=folder)
    if tls:
        rules = data / "pg_hba.conf"  # whoever comes without TLS is turned away
        rules.write_text(rules.read_text().replace("\nhost ", "\nhostssl "))

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "port": port,
        "listen_addresses": "localhost",
        "unix_socket_directories": folder,
        "fsync": "off",
        "log_statement": "all",
    }
    if tls:
        settings |= {"ssl": "on", "ssl_cert_file": certificate, "ssl_key_file": key}
    command = [*as_user, str(programs / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=folder)
    try:
        server = PostgresServer(port, certificate if tls else None, log)
        _wait_until_it_answers(process, server)
    except BaseException:  # Ctrl-C too: the caller does not know the process yet
        _stop(process)
        raise
    return process, server


def _wait_until_it_answers(process: subprocess.Popen, server: PostgresServer) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            server.run_sql("SELECT 1")
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start:\n{server.log.read_text()}") from None
            time.sleep(0.05)


def _stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGINT)  # PostgreSQL's "fast shutdown": clients are cut off
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
