"""A started entry: it loads, it reads what it was started from, and no value of a row is in it."""

import datetime
import json
from pathlib import Path

import duckdb
import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paillasse.catalog import open_catalog
from paillasse.catalog.drafts import draft
from paillasse.catalog.model import Dataset, Document, Field
from paillasse.documents import read_document
from paillasse.errors import CatalogError, DataError, InputError, PaillasseError

ROOT = Path(__file__).resolve().parents[2]


def loaded(text: str, folder: Path) -> Dataset:
    """The one entry of a draft, as the catalogue's reader has it."""
    file = folder / "data_catalog.yaml"
    file.write_text(text, encoding="utf-8")
    document, _ = read_document(file, Document, CatalogError)
    [dataset] = document.datasets.values()
    return dataset


def fields_of(text: str, folder: Path) -> dict[str, Field]:
    return {field.name: field for field in loaded(text, folder).table_schema.fields}


def frictionless(folder: Path, **schema) -> str:
    file = folder / "dictionary.json"
    file.write_text(json.dumps(schema), encoding="utf-8")
    return draft(file)


def csv(folder: Path, content: str) -> Path:
    file = folder / "cohort.csv"
    file.write_bytes(content.encode())
    return file


# No value

# Values that no text of a draft can hold by accident.
SECRETS = {
    "text": st.from_regex(r"zq[a-z0-9éß' ,;\"]{4,12}x", fullmatch=True),
    "whole": st.integers(10**7, 10**12),
    "number": st.floats(1e6, 1e9).filter(lambda number: number != int(number)),
    "when": st.dates(datetime.date(1900, 1, 1)),
}
TABLES = st.lists(st.fixed_dictionaries(SECRETS), min_size=1, max_size=6)


def written(folder: Path, rows: list[dict], kind: str) -> Path:
    """The table in a file; each row three times, so that some values are seldom and others are not."""
    table = pandas.DataFrame(rows * 3)
    file = folder / f"secrets.{kind}"
    table.to_csv(file, index=False) if kind == "csv" else table.astype({"text": "category"}).to_parquet(file)
    return file


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=TABLES)
def test_no_value_of_a_table_is_in_its_draft(tmp_path, kind, rows):
    text = draft(written(tmp_path, rows, kind))
    assert [value for row in rows for value in row.values() if str(value) in text] == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=TABLES)
def test_the_draft_of_a_file_without_a_header_is_refused_without_showing_it(tmp_path, rows):
    file = tmp_path / "secrets.csv"
    pandas.DataFrame(rows).to_csv(file, index=False, header=False)
    with pytest.raises(DataError) as error:
        draft(file)
    assert [value for row in rows for value in row.values() if str(value) in str(error.value)] == []


@pytest.mark.parametrize(
    "content",
    [
        "name,stage\nDupont,II\nDupont,III,4\n",  # a line too long
        'name,stage\nDupont,II\nDupont,"III\n',  # a quote that is never closed
        "Dupont,II\nMartin,II\nDurand,III\n",  # a header that is a row: its stage comes again
        "name,name\nDupont,II\n",
        ",stage\nDupont,II\n",
        "name,stage\nDup\udcffont,II\n",
    ],
)
def test_a_csv_that_cannot_be_read_is_refused_without_a_value(tmp_path, content):
    file = tmp_path / "cohort.csv"
    file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(DataError) as error:
        draft(file)
    assert "Dup" not in str(error.value) and error.value.__cause__ is None and error.value.__context__ is None


def test_a_parquet_file_that_was_cut_is_refused(tmp_path):
    file = tmp_path / "cohort.parquet"
    pandas.DataFrame({"name": ["Dupont"] * 9}).to_parquet(file)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(DataError, match="cohort.parquet: not a complete parquet file; write it again"):
        draft(file)


def test_an_enumerated_type_does_not_tell_its_values(tmp_path):
    file = tmp_path / "cohort.parquet"
    duckdb.sql(f"COPY (SELECT 'Dupont'::ENUM('Dupont', 'Martin') AS who, {{'a': 1}} AS nested) TO '{file}'")
    text = draft(file)
    assert "Dupont" not in text and "Martin" not in text
    assert "# TODO: its type, STRUCT, cannot be read" in text


def test_an_example_in_a_frictionless_schema_is_named_and_not_copied(tmp_path):
    text = frictionless(tmp_path, fields=[{"name": "nir", "type": "string", "example": "1850578006084"}])
    assert "1850578006084" not in text and "# example: not copied" in text


# What it says


def test_a_file_tells_types_and_what_is_never_missing_or_twice(tmp_path):
    content = (
        "num,age,weight,code,alive,seen,note\n"
        "11,50,60.5,007,true,2020-01-31,\n"
        "12,50,70,008,false,2020-02-29,NA\n"
        "13,NA,80,008,true,,\n"
    )
    fields = fields_of(draft(csv(tmp_path, content)), tmp_path)
    assert {name: field.type for name, field in fields.items()} == {
        "num": "integer",
        "age": "integer",
        "weight": "number",
        "code": "string",  # as a number it would lose its zeros
        "alive": "boolean",
        "seen": "date",
        "note": "string",
    }
    assert [name for name, field in fields.items() if field.constraints.required] == ["num", "weight", "code", "alive"]
    assert [name for name, field in fields.items() if field.constraints.unique] == ["num"]
    assert fields["num"].role == "identifier" and fields["seen"].role == "date"
    assert loaded(draft(csv(tmp_path, content)), tmp_path).table_schema.missingValues == ["", "NA"]


@pytest.mark.parametrize("name", ["gbsg", "colon", "veteran"])
def test_the_started_entry_reads_the_file_it_was_started_from(tmp_path, monkeypatch, name):
    monkeypatch.setenv("TODO_ROOT", str(ROOT / "data"))
    text = draft(ROOT / "data" / f"{name}.csv")
    (tmp_path / "data_catalog.yaml").write_text(
        text.replace("sensitivity: pseudonymised", "sensitivity: public").replace("      secure:", "      public:"),
        encoding="utf-8",
    )
    started, shipped = (open_catalog(folder / "data_catalog.yaml")[name] for folder in (tmp_path, ROOT))
    pandas.testing.assert_frame_equal(started.read(), shipped.read())


def test_another_separator_is_declared(tmp_path):
    source = loaded(draft(csv(tmp_path, "who;age\na;50\nb;60\n")), tmp_path).sources["secure"]
    assert source.delimiter == ";"


def test_a_folders_name_is_not_told(tmp_path):
    assert str(tmp_path) not in draft(csv(tmp_path, "who,age\na,50\n"))


@pytest.mark.parametrize(
    ("name", "identifies"),
    [
        ("patient_id", True),
        ("BEN_NIR_PSA", True),
        ("BEN_IDT_ANO", True),
        ("IPP", True),
        ("patientId", True),
        ("id", True),
        ("age", False),
        ("ideal_weight", False),
        ("idh1", False),
    ],
)
def test_a_name_that_says_who_is_guessed_to_identify(tmp_path, name, identifies):
    text = frictionless(tmp_path, fields=[{"name": name, "type": "string"}])
    assert (fields_of(text, tmp_path)[name].role == "identifier") is identifies
    assert ("role: identifier   # ?" in text) is identifies


def test_a_dictionary_of_the_snds_becomes_an_entry(tmp_path):
    text = frictionless(
        tmp_path,
        fields=[
            {
                "name": "BEN_NIR_PSA",
                "description": "Pseudonyme du bénéficiaire",
                "type": "string",
                "nomenclature": "-",
                "length": "17",
                "format": "default",
            },
            {
                "name": "IMB_ALD_NUM",
                "description": "Numéro d'ALD sur la liste",
                "type": "number",
                "nomenclature": "IR_ALD_V",
                "length": None,
                "constraints": {"required": True, "enum": ["1", "2.5"], "pattern": "[0-9.]+"},
            },
            {"name": "INS_DTE", "type": "datetime"},
        ],
        name="IR_IMB_R",
        title="Référentiel médicalisé des bénéficiaires (ALD)",
        description="",
        produit="DCIR_DCIRS",
        missingValues=[""],
        foreignKeys=[
            {"fields": ["BEN_NIR_PSA"], "reference": {"resource": "IR_BEN_R", "fields": ["BEN_NIR_PSA"]}},
        ],
    )
    assert text == (
        "# Started from dictionary.json. Paste what is below `datasets:` into data_catalog.yaml and see to each TODO.\n"
        "# No value of a row below the columns' names is in it. A role with ? is guessed: the name says so, or no "
        "value comes twice.\n"
        "# produit: DCIR_DCIRS\n"
        "# TODO: a foreign key points to the data set ir_ben_r: add it, or take the key out.\n"
        "datasets:\n"
        "  ir_imb_r:\n"
        "    title: Référentiel médicalisé des bénéficiaires (ALD)\n"
        "    description: 'TODO: what the data are, how they arose, who is in them'\n"
        "    steward: {name: 'TODO: who answers for the data', email: TODO@example.org}\n"
        "    publisher: 'TODO: a short name of organisations, or free text'\n"
        "    licence: 'TODO: a licence, or the terms of access'\n"
        "    sensitivity: pseudonymised   # TODO: public, synthetic or pseudonymised\n"
        "    unit_of_observation: 'TODO: what a row is, such as patient'\n"
        "    # TODO: population_size, period, keywords, approval, disclosure\n"
        "    schema:\n"
        "      # TODO: unit and codes of the columns; role: identifier, quasi-identifier, date or outcome\n"
        "      fields:\n"
        "        - name: BEN_NIR_PSA\n"
        "          type: string\n"
        "          description: Pseudonyme du bénéficiaire\n"
        "          # nomenclature: -\n"
        "          # length: 17\n"
        "          role: identifier   # ?\n"
        "        - name: IMB_ALD_NUM\n"
        "          type: number\n"
        "          description: Numéro d'ALD sur la liste\n"
        "          # constraint pattern: [0-9.]+\n"
        "          # nomenclature: IR_ALD_V\n"
        "          constraints: {required: true, enum: [1, 2.5]}\n"
        "        - name: INS_DTE\n"
        "          type: string\n"
        "          description: 'TODO: what it holds'\n"
        "          # TODO: its Frictionless type is datetime, which the catalogue has not\n"
        "      foreignKeys: [{fields: [BEN_NIR_PSA], reference: {resource: ir_ben_r, fields: [BEN_NIR_PSA]}}]\n"
        "    sources:\n"
        "      synthetic: {driver: synthetic}\n"
        "      secure: {driver: postgres, dsn: '${TODO}', table: TODO}   # TODO: `public` instead, if the data are\n"
    )
    loaded(text, tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
KNOWN_KEYS = ("type", "title", "description", "unit", "constraints", "format", "example", "name", "missingValues")
KNOWN_KEYS += ("primaryKey", "foreignKeys", "required", "minimum", "maximum", "enum", "reference", "resource", "fields")
ANY_KEYS = st.dictionaries(st.sampled_from(KNOWN_KEYS) | st.text(max_size=9), JSON, max_size=5)
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b c", "d:", "- e", "#f", "null", "é", " g"]) | st.text(min_size=1, max_size=9),
        st.sampled_from(["integer", "number", "string", "boolean", "date", "year", "any"]) | JSON,
        ANY_KEYS,
        ANY_KEYS,
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=FIELDS, schema=ANY_KEYS)
def test_any_schema_becomes_an_entry_that_loads_or_a_clear_refusal(tmp_path, fields, schema):
    described = [
        {**others, "name": name, "type": kind, "constraints": constraints} for name, kind, others, constraints in fields
    ]
    try:
        text = frictionless(tmp_path, **{**schema, "fields": described})
    except PaillasseError as error:
        assert str(error)
        return
    loaded(text, tmp_path)


def test_what_has_no_place_in_an_entry_is_kept_as_a_comment(tmp_path):
    text = frictionless(
        tmp_path,
        fields=[{"name": "a", "type": "integer", "rdfType": "https://x.example", "constraints": {"minimum": "many"}}],
        version={"number": 2},
        primaryKey="b",
        missingValues=[],
    )
    for comment in (
        "# rdfType: https://x.example",
        "# constraint minimum: many",
        '# version: {"number": 2}',
        "# primaryKey: b",
        "# missingValues: []",
    ):
        assert comment in text


# What is asked for


@pytest.mark.parametrize(
    ("source", "table", "message"),
    [
        ("a.xlsx", None, "a.xlsx: expected a .json, .csv or .parquet, or ${VARIABLE} with a server's address"),
        ("nowhere.csv", None, "nowhere.csv: there is no such file"),
        ("nowhere.csv", "t", "table: nowhere.csv is a file; a table is named with ${VARIABLE} only"),
        ("${LUNG_DSN}", None, "${LUNG_DSN}: which table of the server? Name it, as in schema.table"),
    ],
)
def test_what_cannot_be_started_from_is_refused(source, table, message):
    with pytest.raises(InputError) as error:
        draft(source, table)
    assert str(error.value) == message


def test_a_file_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    file = csv(tmp_path, "who,age\na,50\n")

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(InputError) as error:
        draft(file)
    assert str(error.value) == "cohort.csv: cannot be read: Permission denied"


@pytest.mark.parametrize("content", ["\ufeffwho,age\r\na,50\r\nb,\r\n", '"who","age"\na,50\nb,\n'])
def test_byte_order_marks_line_ends_and_quotes_do_not_matter(tmp_path, content):
    fields = fields_of(draft(csv(tmp_path, content)), tmp_path)
    assert {name: field.type for name, field in fields.items()} == {"who": "string", "age": "integer"}


def test_a_file_without_rows_tells_only_its_columns(tmp_path):
    text = draft(csv(tmp_path, "who,age\n"))
    assert list(fields_of(text, tmp_path)) == ["who", "age"]
    assert text.count("# TODO: no row has a value here; is the type right?") == 2


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"fields": []}', '{"fields": [{}]}', "\xff", "[" * 99999])
def test_a_json_that_is_no_table_schema_is_refused(tmp_path, content):
    file = tmp_path / "package.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(PaillasseError, match=r"^package\.json"):
        draft(file)
