"""What integration tests share: one PostgreSQL server for all of a worker's tests, and projects to run."""

from collections.abc import Iterator

import pytest
from postgres_server import PostgresServer, postgres_server
from run_project import Project

collect_ignore = ["validate_crate.py"]  # a script for another environment, no module of tests


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server with TLS. Tests share it: take a database of your own, `postgres.new_database(name)`."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def project(tmp_path) -> Project:
    """An empty project, in a folder whose name has all that a path may have."""
    return Project(tmp_path / "projet d'été {1}")
