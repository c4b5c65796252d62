"""An entry started from a table on a real PostgreSQL server: what the table declares, and no value of a row."""

import pytest
from postgres_server import PostgresServer

from paillasse.catalog.drafts import draft
from paillasse.catalog.model import Document
from paillasse.documents import read_document
from paillasse.errors import CatalogError, DataError, InputError

TABLES = """
CREATE SCHEMA cohort;
CREATE TYPE cohort.stage AS ENUM ('I', 'II', 'III');
CREATE DOMAIN cohort.percentage AS double precision NOT NULL;
CREATE TABLE cohort.centre (code text PRIMARY KEY);
CREATE TABLE cohort."Lung" (
    patient text PRIMARY KEY,
    centre text REFERENCES cohort.centre,
    age integer CHECK (age >= 18 AND age <= 110),
    temperature numeric(4, 1) CHECK (temperature > 30),
    shift integer CHECK (shift BETWEEN -3 AND 3),
    sex smallint NOT NULL CHECK (sex IN (1, 2)),
    smoking varchar(9) CHECK (smoking IN ('never', 'former', 'it''s current')),
    stage cohort.stage,
    share cohort.percentage,
    included date CHECK (included >= DATE '2016-01-01'),
    measured timestamp with time zone,
    number bigint UNIQUE,
    CHECK (age > 0 OR sex = 1)
);
COMMENT ON TABLE cohort."Lung" IS 'Patients with lung cancer';
COMMENT ON COLUMN cohort."Lung".age IS 'Age at inclusion';
INSERT INTO cohort.centre VALUES ('zqcentre');
INSERT INTO cohort."Lung" VALUES
    ('zqdupont', 'zqcentre', 77, 37.7, -2, 1, 'former', 'III', 0.777, '2017-07-17', '2017-07-17 17:17', 77777777);
"""


@pytest.fixture(scope="module")
def server(postgres: PostgresServer) -> PostgresServer:
    postgres.new_database("drafts")
    postgres.run_sql(TABLES, "drafts")
    postgres.new_role("describer")
    postgres.run_sql("GRANT USAGE ON SCHEMA cohort TO describer", "drafts")
    return postgres


@pytest.fixture(autouse=True)
def address(server, monkeypatch):
    monkeypatch.setenv("LUNG_DSN", server.dsn("describer", "drafts"))


def test_what_the_table_declares_becomes_the_entry(tmp_path):
    text = draft("${LUNG_DSN}", "cohort.Lung")
    (tmp_path / "data_catalog.yaml").write_text(text, encoding="utf-8")
    document, _ = read_document(tmp_path / "data_catalog.yaml", Document, CatalogError)
    lung = document.datasets["lung"]
    found = {
        field.name: (field.type, field.role, field.constraints.model_dump(exclude_defaults=True, mode="json"))
        for field in lung.table_schema.fields
    }
    assert found == {
        "patient": ("string", "identifier", {"required": True}),
        "centre": ("string", None, {}),
        "age": ("integer", None, {"minimum": 18, "maximum": 110}),
        "temperature": ("number", None, {}),
        "shift": ("integer", None, {"minimum": -3, "maximum": 3}),
        "sex": ("integer", None, {"required": True, "enum": [1, 2]}),
        "smoking": ("string", None, {"enum": ["never", "former", "it's current"]}),
        "stage": ("string", None, {"enum": ["I", "II", "III"]}),
        "share": ("number", None, {"required": True}),
        "included": ("date", "date", {"minimum": "2016-01-01"}),
        "measured": ("string", None, {}),
        "number": ("integer", "identifier", {"unique": True}),
    }
    assert lung.description == "Patients with lung cancer"
    assert lung.table_schema.fields[2].description == "Age at inclusion"
    assert lung.table_schema.primaryKey == ["patient"]
    assert lung.table_schema.foreignKeys[0].reference.resource == "centre"
    assert (lung.sources["secure"].dsn, lung.sources["secure"].table) == ("${LUNG_DSN}", "cohort.Lung")


def test_what_cannot_be_declared_here_is_a_comment():
    text = draft("${LUNG_DSN}", "cohort.Lung")
    assert "# also declared: CHECK (age > 0 OR sex = 1)" in text
    assert "# also declared: CHECK (temperature > 30::numeric)" in text
    assert "# also declared: the domain cohort.percentage" in text
    assert "# TODO: its type, timestamp with time zone, cannot be read" in text


def test_a_key_is_guessed_to_identify():
    assert "role: identifier   # ?" in draft("${LUNG_DSN}", "cohort.centre")


def test_no_row_is_read(server):
    before = server.log.stat().st_size
    text = draft("${LUNG_DSN}", "cohort.Lung")  # by a role that may not read the table at all
    with server.log.open("rb") as log:
        log.seek(before)
        asked = log.read().decode()
    assert "pg_attribute" in asked and "FROM cohort" not in asked and 'FROM "cohort"' not in asked
    assert not [value for value in ("zqdupont", "zqcentre", "77", "37.7", "2017", "17:17") if value in text]


def test_the_servers_address_is_not_told(server):
    text = draft("${LUNG_DSN}", "cohort.Lung")
    assert not [part for part in ("localhost", str(server.port), "describer", "s3cr") if part in text]


@pytest.mark.parametrize("table", ["cohort.nothing", "nothing", "elsewhere.lung", "cohort.lung"])
def test_a_table_that_is_not_there_is_refused(table):
    with pytest.raises(InputError, match=f"there is no table '{table}' in which your role may see columns"):
        draft("${LUNG_DSN}", table)


def test_a_schema_that_the_role_may_not_use_is_refused_in_our_words(server):
    server.run_sql("REVOKE USAGE ON SCHEMA cohort FROM describer", "drafts")
    try:
        with pytest.raises((DataError, InputError)) as error:
            draft("${LUNG_DSN}", "cohort.Lung")
    finally:
        server.run_sql("GRANT USAGE ON SCHEMA cohort TO describer", "drafts")
    assert str(error.value).startswith("${LUNG_DSN}")


@pytest.mark.parametrize("table", ["lung; DROP TABLE lung", "a.b.c", 'lung"', ""])
def test_sql_in_a_tables_name_is_refused(table):
    with pytest.raises(InputError, match=r"^table: expected a table's name"):
        draft("${LUNG_DSN}", table)


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("LUNG_DSN")
    with pytest.raises(CatalogError, match="the environment variable LUNG_DSN is not set"):
        draft("${LUNG_DSN}", "cohort.Lung")
