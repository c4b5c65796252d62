"""What integration tests share: one PostgreSQL server for all of a worker's tests."""

from collections.abc import Iterator

import pytest
from postgres_server import PostgresServer, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server with TLS. Tests share it: take a database of your own, `postgres.new_database(name)`."""
    with postgres_server() as server:
        yield server
