"""Reading a data set: declared types, columns and rows pushed down, and each way in which a file is not as declared."""

import hashlib
import json

import ibis
import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest
from toy_catalog import ABOUT, CSV, FIELDS, SECRET, entry, refused

from paillasse import open_catalog
from paillasse.catalog.drivers import engine
from paillasse.errors import CatalogError, DataError, InputError

# --- what is read --------------------------------------------------------------------------------------------------


def test_columns_have_the_declared_types(tmp_path):
    data = entry(tmp_path).read()
    assert data.dtypes.astype(str).to_dict() == {
        "id": "int64",
        "age": "float64",  # an integer column with a missing value
        "bmi": "float64",
        "arm": "object",
        "alive": "float64",  # so too a boolean one
        "seen": "datetime64[ms]",
        "since": "float64",
    }
    assert data.age.tolist()[:1] == [34.0]
    assert data.isna().sum().to_dict() == {"id": 0, "age": 1, "bmi": 1, "arm": 1, "alive": 1, "seen": 1, "since": 1}
    assert data.seen[0] == pandas.Timestamp("2020-01-05")


def test_without_missing_values_integers_and_booleans_stay_what_they_are(tmp_path):
    data = entry(tmp_path).read(where=lambda t: t.id == 1)
    assert data.dtypes.astype(str)[["age", "alive", "since"]].tolist() == ["int64", "bool", "int64"]


def test_types_are_declared_not_guessed_from_the_content(tmp_path):
    fields = [{"name": "code", "type": "string"}, {"name": "dose", "type": "number"}]
    data = entry(tmp_path, "code,dose\n007,1\n012,2\n", fields).read()
    assert data.code.tolist() == ["007", "012"]
    assert data.dose.dtype == np.float64


def test_numbers_keep_every_digit(tmp_path):
    fields = [{"name": "x", "type": "number"}, {"name": "n", "type": "integer"}]
    data = entry(tmp_path, "x,n\n58.76522929500342,9007199254740993\n", fields).read()
    assert data.x[0] == 58.76522929500342
    assert data.n[0] == 9007199254740993


def test_other_marks_of_missing_values_can_be_declared(tmp_path):
    data = entry(tmp_path, "age\n34\nNA\n-9\n", FIELDS[1:2], missingValues=["", "NA", "-9"]).read()
    assert data.age.isna().tolist() == [False, True, True]


def test_the_columns_of_the_file_may_stand_in_another_order(tmp_path):
    data = entry(tmp_path, "bmi,age\n21.5,34\n", FIELDS[1:3]).read()
    assert data.to_dict("records") == [{"age": 34, "bmi": 21.5}]


def test_windows_files_with_a_byte_order_mark_and_quotes_are_read(tmp_path):
    fields = [
        {"name": "a b", "type": "string"},
        {"name": "ph.ecog", "type": "integer"},
        {"name": 'q"', "type": "string"},
    ]
    content = '"a b",ph.ecog,"q"""\r\n"x, ""y""",1,\'z\r\n'.encode("utf-8-sig")
    assert entry(tmp_path, content, fields).read().to_numpy().tolist() == [['x, "y"', 1, "'z"]]


def test_columns_are_read_in_the_order_asked_for(tmp_path):
    assert entry(tmp_path).read(columns=["bmi", "id"]).columns.tolist() == ["bmi", "id"]


def test_where_keeps_the_rows_of_a_condition_on_any_column(tmp_path):
    data = entry(tmp_path).read(columns=["id"], where=lambda t: (t.age > 40) | (t.arm == "B"))
    assert data.id.tolist() == [2, 3]


def test_a_table_without_rows_has_its_columns(tmp_path):
    data = entry(tmp_path).read(where=lambda t: t.id > 99)
    assert data.shape == (0, 7)


def test_the_table_is_lazy_and_columns_and_rows_are_pushed_down(tmp_path):
    parquet = tmp_path / "toy.parquet"
    pandas.DataFrame({"age": [20, 70], "bmi": [1.0, 2.0]}).to_parquet(parquet)
    toy = entry(tmp_path, None, FIELDS[1:3], "toy.parquet")
    table = toy.table()
    assert isinstance(table, ibis.Table)
    query = ibis.to_sql(table.filter(table.age > 60).select("age"))
    plan = engine.rows(f"EXPLAIN {query}")[0][1]
    scan = plan[plan.index("PARQUET") :]
    assert "age" in scan
    assert "bmi" not in scan
    assert "60" in scan


def test_tables_of_two_data_sets_can_be_joined(tmp_path):
    (tmp_path / "other").mkdir()
    left, right = entry(tmp_path).table(), entry(tmp_path / "other").table()
    assert left.join(right, "id").count().execute() == 3


def test_parquet_gives_the_same_as_csv(tmp_path):
    toy = entry(tmp_path)
    expected = toy.read()
    engine.rows(f"COPY ({ibis.to_sql(toy.table())}) TO '{tmp_path}/toy.parquet'")
    pandas.testing.assert_frame_equal(entry(tmp_path, None, file="toy.parquet").read(), expected)


def test_not_a_number_in_a_parquet_is_a_missing_value_to_conditions_too(tmp_path):
    table = pyarrow.table({"id": [1, 2, 3], "bmi": [21.5, float("nan"), 30.0]})
    pyarrow.parquet.write_table(table, tmp_path / "toy.parquet")
    toy = entry(tmp_path, None, [FIELDS[0], FIELDS[2]], "toy.parquet")
    assert toy.read().bmi.isna().tolist() == [False, True, False]
    assert toy.read(where=lambda t: t.bmi > 25).id.tolist() == [3]


def test_wildcards_in_a_folder_name_stand_for_themselves(tmp_path):
    (tmp_path / "data 2").mkdir()
    (tmp_path / "data 2" / "toy.csv").write_text("age\n99\n")
    toy = entry(tmp_path, "age\n34\n", FIELDS[1:2], "data [2]/toy.csv")
    assert toy.read().age.tolist() == [34]


def test_nothing_is_fetched_by_duckdb():
    names = ["autoinstall_known_extensions", "autoload_known_extensions"]
    values = [engine.rows(f"SELECT current_setting('{name}')")[0][0] for name in names]
    assert values == [False, False]


# --- what is asked wrongly -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": ["agee"]}, r"toy: no column 'agee'. Did you mean 'age'?"),
        ({"columns": "age"}, "columns: expected a list of names; write ['age']"),
        ({"columns": []}, "at least one name, each once"),
        ({"columns": ["age", "age"]}, "at least one name, each once"),
        ({"where": "age > 60"}, "where: this is str. Expected a function of the table"),
        ({"where": lambda t: t.agee > 60}, "over id, age, bmi"),
        ({"where": lambda t: t.age}, "where: the result is no condition"),
        ({"where": lambda t: True}, "where: the result is no condition"),
    ],
)
def test_a_wrong_argument_is_explained(tmp_path, arguments, message):
    assert message in refused(entry(tmp_path), InputError, **arguments)


def test_a_condition_that_cannot_be_computed_shows_no_value(tmp_path):
    fields = [{"name": "arm", "type": "string"}]
    message = refused(entry(tmp_path, f"arm\n{SECRET}\n", fields), where=lambda t: t.arm.cast("int64") > 1)
    assert "or compute `where`" in message


# --- a file that is not as declared ----------------------------------------------------------------------------------


def test_a_changed_file_is_refused(tmp_path):
    checksum = hashlib.sha256(CSV.encode()).hexdigest()
    toy = entry(tmp_path, source={"sha256": checksum})
    assert len(toy.read()) == 3
    (tmp_path / "toy.csv").write_text(CSV + "4,20,,,,,\n")
    assert "toy.csv: not the file that the catalogue declares" in refused(toy)
    with pytest.raises(DataError, match="Restore the file"):
        toy.table()


def test_a_missing_file_is_named(tmp_path):
    assert refused(entry(tmp_path, None)).startswith("toy.csv: the file is not there")


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "outside.csv").write_text(CSV)
    toy = entry(inner, None)
    try:
        (inner / "toy.csv").symlink_to(tmp_path / "outside.csv")
    except OSError:
        pytest.skip("this system lets no links be made")
    assert "a link leads out of its folder" in refused(toy, CatalogError)


def test_an_absolute_root_comes_from_a_variable(tmp_path, monkeypatch):
    root = tmp_path / "elsewhere"
    root.mkdir()
    (root / "toy.csv").write_text(CSV)
    (tmp_path / "project").mkdir()
    toy = entry(tmp_path / "project", None, source={"path": "${TOY_ROOT}/toy.csv"})
    monkeypatch.delenv("TOY_ROOT", raising=False)
    assert "the environment variable TOY_ROOT is not set" in refused(toy, CatalogError)
    monkeypatch.setenv("TOY_ROOT", "elsewhere")
    assert "TOY_ROOT is not an absolute path" in refused(toy, CatalogError)
    monkeypatch.setenv("TOY_ROOT", str(root))
    assert len(toy.read()) == 3


COLUMNS = {
    "renamed": ("id,agee\n1,34\n", "column 'age' is missing; perhaps it was renamed. Did you mean 'agee'?"),
    "missing": ("id\n1\n", "column 'age' is missing"),
    "additional": ("id,age,name\n1,34,x\n", "column 'name' is not in the schema"),
    "twice": ("id,age,age\n1,34,34\n", "column 'age' is there twice"),
    "semicolons": ("id;age\n1;34\n", "seems to be ';', it must be a comma or declared, delimiter: ';'"),
    "tabs": ("id\tage\n1\t34\n", r"seems to be '\t', it must be a comma or declared, delimiter: '\t'"),
    "no header": (f"{SECRET},34\n2,35\n", "none of the declared columns is in the first line; is there a header?"),
    "empty": ("", "the file is empty"),
}


@pytest.mark.parametrize(("content", "message"), COLUMNS.values(), ids=COLUMNS)
def test_other_columns_than_declared_are_refused(tmp_path, content, message):
    toy = entry(tmp_path, content, FIELDS[:2])
    assert message in refused(toy)
    with pytest.raises(DataError):
        toy.table()


CONTENT = {
    "another encoding": (
        f"id,age\n1,{SECRET}\xe9\n".encode("latin-1"),
        "line 2 is not UTF-8; export the file again with that encoding, or declare encoding: latin-1 or utf-16",
    ),
    "another encoding in the header": ("id,âge\n".encode("latin-1"), "toy.csv: not a CSV file in UTF-8"),
    "utf-16": ("id,age\n1,34\n".encode("utf-16"), "toy.csv: not a CSV file in UTF-8"),
    "too many columns": (f"id,age\n1,34\n2,35,{SECRET}\n", "toy.csv: line 3 has another number of columns"),
    "too few columns": ("id,age\n1,34\n2\n", "toy.csv: line 3 has another number of columns"),
    "an open quote": (f'id,age\n1,"{SECRET}\n', "toy.csv: line 2 opens a quote that is never closed"),
    "words for numbers": (f"id,age\n1,{SECRET}\n2,x\n3,30\n", "column 'age': not integer: 2 rows"),
    "fractions for integers": ("id,age\n1,34.7\n", "column 'age': not integer: 1 row\n"),
}


@pytest.mark.parametrize(("content", "message"), CONTENT.values(), ids=CONTENT)
def test_a_file_that_cannot_be_read_as_declared_is_refused(tmp_path, content, message):
    assert message in refused(entry(tmp_path, content, FIELDS[:2]))


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("integer", ["3", "3.0", "-2"], ["3.7", "1e400", "0x10", "three"]),
        ("number", ["3", "3.5", "-1e-3"], ["nan", "inf", "3,5", "x"]),
        ("boolean", ["true", "false", "1", "0"], ["2", "maybe"]),
        ("date", ["2020-02-29"], ["2021-02-29", "29/02/2020", "2020-02-29 10:00"]),
        ("year", ["1999"], ["1999-5", "x"]),
    ],
)
def test_a_value_is_of_its_type_or_refused(tmp_path, kind, good, bad):
    fields = [{"name": "x", "type": kind}]
    assert entry(tmp_path, "x\n" + "\n".join(good), fields).read().x.notna().all()
    for text in bad:
        assert f"column 'x': not {kind}: 1 row\n" in refused(entry(tmp_path, f'x\n{good[0]}\n"{text}"\n', fields))


def test_the_lazy_table_shows_no_value_either(tmp_path):
    table = entry(tmp_path, f"id,age\n1,{SECRET}\n", FIELDS[:2]).table()
    with pytest.raises(Exception, match="toy.csv: column 'age' holds something that is not integer") as error:
        table.execute()
    assert SECRET not in str(error.value)


def test_a_truncated_parquet_is_refused(tmp_path):
    toy = entry(tmp_path)
    whole = tmp_path / "whole.parquet"
    toy.read().to_parquet(whole)
    content = whole.read_bytes()
    for part in (b"", content[:100], content[:-20], b"PAR1" + b"\x00" * 200 + content[-8:]):
        assert "not a complete parquet file" in refused(entry(tmp_path, part, file="toy.parquet"))


def test_a_parquet_with_another_type_is_refused(tmp_path):
    pandas.DataFrame({"age": ["34"]}).to_parquet(tmp_path / "toy.parquet")
    message = refused(entry(tmp_path, None, FIELDS[1:2], "toy.parquet"))
    assert "column 'age' is string in the source, integer in the catalogue" in message


def test_an_infinite_number_in_a_parquet_is_refused(tmp_path):
    pandas.DataFrame({"bmi": [21.5, np.inf, -np.inf]}).to_parquet(tmp_path / "toy.parquet")
    assert "column 'bmi': an infinite number: 2 rows" in refused(entry(tmp_path, None, FIELDS[2:3], "toy.parquet"))


# --- values that break the schema ------------------------------------------------------------------------------------


def test_every_broken_rule_is_named_with_the_number_of_rows_and_no_value(tmp_path):
    content = (
        f"id,age,bmi,arm,alive,seen,since\n1,17,1,{SECRET},,1999-12-31,\n1,12,1,A,,2001-01-01,\n,111,1,C,,2001-01-01,\n"
    )
    assert refused(entry(tmp_path, content)).splitlines() == [
        "toy.csv (toy in the catalogue): the data break their schema:",
        "  column 'id': missing, but required: 1 row",
        "  column 'id': not unique: 2 rows",
        "  column 'age': below the minimum 18: 2 rows",
        "  column 'age': above the maximum 110: 1 row",
        "  column 'arm': a value that is none of its codes: 2 rows",
        "  column 'seen': below the minimum 2000-01-01: 1 row",
        "Mend the data at their source or, if a rule is wrong, the schema in the catalogue.",
    ]


def test_only_what_is_read_is_validated(tmp_path):
    toy = entry(tmp_path, "id,age\n1,17\n2,30\n", FIELDS[:2])
    assert len(toy.read(columns=["id"])) == 2
    assert len(toy.read(where=lambda t: t.id == 2)) == 1
    assert "1 row" in refused(toy)


def test_the_primary_key_is_unique_over_its_columns_together(tmp_path):
    fields = [{"name": "id", "type": "integer"}, {"name": "visit", "type": "integer"}]
    good = entry(tmp_path, "id,visit\n1,1\n1,2\n", fields, primaryKey=["id", "visit"])
    assert len(good.read()) == 2
    assert len(good.read(columns=["id"])) == 2
    bad = entry(tmp_path, "id,visit\n1,1\n1,1\n2,1\n", fields, primaryKey=["id", "visit"])
    assert "primary key id, visit: not unique: 2 rows" in refused(bad)


def test_an_enum_is_a_closed_list(tmp_path):
    fields = [{"name": "stage", "type": "string", "constraints": {"enum": ["I", "II"]}}]
    assert entry(tmp_path, "stage\nI\nII\nI\n", fields).read().stage.tolist() == ["I", "II", "I"]
    assert "column 'stage': a value that is not in its enum: 1 row" in refused(entry(tmp_path, "stage\nIII\n", fields))


def test_whole_numbers_that_would_lose_digits_are_refused(tmp_path):
    fields = [{"name": "age", "type": "integer"}]
    assert entry(tmp_path, "age\n9007199254740993\n", fields).read().age.tolist() == [9007199254740993]
    message = refused(entry(tmp_path, "age\n9007199254740993\n\n", fields))
    assert "column 'age': beside missing values, whole numbers above 2**53 would lose digits" in message


# --- links between data sets ---------------------------------------------------------------------------------------


def linked(folder, fields="id", reference=None, visits: str = "id\n1\n3\n"):
    """A catalogue of patients and their visits, the latter's entry."""
    patients = ABOUT | {
        "schema": {"fields": [{"name": "id", "type": "integer", "description": "Patient"}]},
        "sources": {"public": {"driver": "csv", "path": "patients.csv"}},
    }
    key = {"fields": fields, "reference": reference or {"resource": "patients", "fields": "id"}}
    schema = patients["schema"] | {"foreignKeys": [key]}
    other = patients | {"schema": schema, "sources": {"public": {"driver": "csv", "path": "visits.csv"}}}
    (folder / "patients.csv").write_text("id\n1\n2\n")
    (folder / "visits.csv").write_text(visits)
    file = folder / "data_catalog.yaml"
    file.write_text(json.dumps({"datasets": {"patients": patients, "visits": other}}))
    return open_catalog(file)["visits"]


def test_a_check_counts_the_rows_whose_patient_is_not_there(tmp_path):
    with pytest.raises(DataError, match="visits: foreign keys lead nowhere:\n  id: not in patients: 1 row"):
        linked(tmp_path).check()
    assert linked(tmp_path, visits="id\n1\n1\n").check() == "2 rows, 1 columns"


def test_a_check_says_which_data_set_it_could_not_look_into(tmp_path):
    visits = linked(tmp_path, reference={"resource": "elsewhere", "fields": "id"})
    assert visits.check() == "2 rows, 1 columns; not in this catalogue: elsewhere"


@pytest.mark.parametrize(
    ("fields", "reference", "problem"),
    [
        ("id", {"resource": "patients", "fields": "nr"}, "visits: foreignKeys: patients has no field 'nr'"),
        ("nr", {"resource": "patients", "fields": "id"}, "foreignKeys: there is no field 'nr'"),
        (["id"], {"resource": "patients", "fields": ["id", "id"]}, "foreignKeys: as many fields as the reference has"),
    ],
)
def test_a_foreign_key_that_names_what_is_not_there_is_a_mistake_of_the_catalogue(tmp_path, fields, reference, problem):
    with pytest.raises(CatalogError) as error:
        linked(tmp_path, fields, reference)
    assert problem in str(error.value)
