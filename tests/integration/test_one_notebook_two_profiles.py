"""The same notebook reads a stand-in on a laptop and the real table in the enclave: one parameter differs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas
import psycopg
import pytest
import yaml

from paillasse import open_catalog
from paillasse.catalog import audit
from paillasse.catalog.access import VARIABLE

ROOT = Path(__file__).parents[2]
DATABASE = "enclave"
READER = "lung_reader"
# What every secure pseudonym begins with: no error, state or record may show it.
PSEUDONYM = "SECRET-PSEUDONYM"


@pytest.fixture(scope="module")
def secure(postgres, tmp_path_factory):
    """The enclave: the cohort's table, an audit table, a role that may read the one and insert into the other."""
    folder = tmp_path_factory.mktemp("enclave")
    postgres.new_database(DATABASE)
    postgres.new_role(READER)
    entry = open_catalog(ROOT / "data_catalog.yaml", profile="synthetic")["lung_io"]
    rows = entry.read()
    identifier = next(field.name for field in entry.fields if field.role == "identifier")
    # The "real" patients are others than the stand-in's: every second one, younger, with other pseudonyms.
    rows = rows.iloc[::2].assign(age=lambda d: d["age"].clip(lower=20) - 1)
    rows[identifier] = [f"SECRET-PSEUDONYM-{i}" for i in range(len(rows))]
    load(postgres, entry, rows)
    postgres.run_sql(audit.TABLE_SQL.read_text(encoding="utf-8"), DATABASE)
    postgres.run_sql(f"GRANT paillasse_reader TO {READER}", DATABASE)

    (folder / "steward.yaml").write_text(
        yaml.safe_dump(
            {
                "approvals": {
                    "lung_io": {
                        "reference": "MR-004 2026-17",
                        "projects": ["combo"],
                        "valid_until": "2099-12-31",
                        "purposes": ["scientific-research"],
                    }
                },
                "audit": {"driver": "postgres", "dsn": "${PAILLASSE_AUDIT_DSN}", "table": "audit.reads"},
            }
        ).replace("'2099-12-31'", "2099-12-31")
    )
    address = postgres.dsn(READER, DATABASE)
    return {
        entry.about.sources["secure"].dsn.strip("${}"): address,
        "PAILLASSE_AUDIT_DSN": address,
        "PAILLASSE_PURPOSE": "scientific-research",
        VARIABLE: str(folder / "steward.yaml"),
    }


def load(postgres, entry, rows: pandas.DataFrame) -> None:
    """A table as a hospital's warehouse would have it, where the catalogue says that it is."""
    types = {"integer": "bigint", "year": "bigint", "number": "double precision", "string": "text", "date": "date"}
    columns = ", ".join(f'"{field.name}" {types.get(field.type, field.type)}' for field in entry.fields)
    table = entry.about.sources["secure"].table
    schema = table.rpartition(".")[0] or "public"
    whole = [field.name for field in entry.fields if field.type in ("integer", "year")]
    with psycopg.connect(postgres.dsn(database=DATABASE)) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        connection.execute(f"CREATE TABLE {table} ({columns})")
        with connection.cursor().copy(f"COPY {table} FROM STDIN (FORMAT csv)") as copy:
            copy.write(rows.astype(dict.fromkeys(whole, "Int64")).to_csv(index=False, header=False))
        connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {READER}")
        connection.execute(f"GRANT SELECT ON {table} TO {READER}")


@pytest.fixture
def project(tmp_path):
    """A project with the repository's notebook, and one run of it in each profile."""
    (tmp_path / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / "survival_analysis.ipynb", tmp_path / "notebooks")
    shutil.copytree(ROOT / "data", tmp_path / "data")
    text = (ROOT / "data_catalog.yaml").read_text(encoding="utf-8")
    (tmp_path / "data_catalog.yaml").write_text("project: combo\n" + text, encoding="utf-8")
    return tmp_path


def test_the_same_notebook_runs_on_synthetic_and_on_secure_by_one_changed_parameter(
    project, secure, postgres, declared_runs
):
    (shared,) = [run["parameters"] for run in declared_runs if run["name"] == "survival_lung_io"]
    runs = [
        {"name": profile, "notebook": "notebooks/survival_analysis.ipynb", "parameters": shared | {"profile": profile}}
        for profile in ("synthetic", "secure")
    ]
    (project / "runs.yaml").write_text(json.dumps({"runs": runs}))
    command = [sys.executable, "-m", "paillasse.cli", "run"]
    done = subprocess.run(command, cwd=project, env=os.environ | secure, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

    states = {run["name"]: newest_state(project, run["name"]) for run in runs}
    assert {name: state["state"] for name, state in states.items()} == {"synthetic": "ok", "secure": "ok"}
    assert states["synthetic"]["headline"] != states["secure"]["headline"]
    assert [each["restricted"] for each in states["secure"]["inputs"]["data_sets"]] == [True]

    asked = "SELECT data_set, project, outcome, rows, db_role, columns FROM audit.reads ORDER BY number"
    (data_set, who, outcome, rows, role, columns), scan = postgres.run_sql(asked, DATABASE)
    assert (data_set, who, outcome, role) == ("lung_io", "combo", "read", READER)
    assert rows > 100
    assert not [name for name in columns if "patient" in name]
    assert scan == ("lung_io", "combo", "read", rows, READER, ["patient"])  # looks for pseudonyms in what the run left
    shown = "".join(path.read_text(encoding="utf-8") for path in (project / "runs" / "secure").rglob("*.json"))
    assert PSEUDONYM not in shown + done.stdout + done.stderr


LEAKING = """\
from paillasse import open_catalog
entry = open_catalog(profile="secure")["lung_io"]
entry.read(columns=["age"], where=lambda t: t.age > 30)
entry.read(columns=["patient", "age"], where=lambda t: t.age > int(t.patient.to_pandas()[0].split("-")[1]))
"""


def test_the_record_names_the_columns_of_the_condition_and_its_error_names_no_patient(project, secure, postgres):
    cell = nbformat.v4.new_code_cell(LEAKING)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), project / "notebooks" / "leak.ipynb")
    (project / "runs.yaml").write_text('{"runs": [{"name": "leak", "notebook": "notebooks/leak.ipynb"}]}')
    postgres.run_sql("DELETE FROM audit.reads; UPDATE audit.head SET number = 0, hash = repeat('0', 64)", DATABASE)
    command = [sys.executable, "-m", "paillasse.cli", "run"]
    done = subprocess.run(command, cwd=project, env=os.environ | secure, capture_output=True, text=True)
    assert newest_state(project, "leak")["error"]["exception"] == "InputError"
    written = "".join(path.read_text(encoding="utf-8") for path in (project / "runs").rglob("*") if path.is_file())
    assert "SECRET" not in written + done.stdout + done.stderr
    records = postgres.run_sql("SELECT columns, filter_columns FROM audit.reads ORDER BY number", DATABASE)
    assert records[0] == (["age"], ["age"])
    assert [columns for columns, _ in records[1:]] == [["patient"]]  # the scan's, not the refused condition's


def test_the_reader_s_role_can_neither_write_the_table_nor_change_its_records(secure, postgres):
    table = open_catalog(ROOT / "data_catalog.yaml")["lung_io"].about.sources["secure"].table
    for statement in (
        f"DELETE FROM {table}",
        f"UPDATE {table} SET age = 1",
        "UPDATE audit.reads SET rows = 0",
        "DELETE FROM audit.reads",
        "TRUNCATE audit.reads",
    ):
        with (
            psycopg.connect(secure["PAILLASSE_AUDIT_DSN"]) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)


def newest_state(project: Path, name: str) -> dict:
    (file,) = (project / "runs" / name).glob("*/run.json")
    return json.loads(file.read_text(encoding="utf-8"))
