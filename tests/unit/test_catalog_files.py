"""Sources of several files, CSV as French hospitals export it, and DuckDB files; and each way to go wrong with them."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import ibis
import pyarrow
import pyarrow.parquet
import pytest
from toy_catalog import FIELDS, SECRET, entry, refused

from paillasse.catalog.drivers import engine, files
from paillasse.errors import CatalogError

ID = FIELDS[:1]
YEAR = {"name": "year", "type": "year"}


def parquet(path: Path, **columns) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def claims(folder: Path, path: str, fields=(*ID, YEAR), **source):
    driver = source.pop("driver", "parquet")
    return entry(folder, None, fields, source={"driver": driver, "path": path, **source})


@pytest.fixture
def years(tmp_path) -> Path:
    """Claims of two years, a file each, in folders `year=…`."""
    parquet(tmp_path / "claims/year=2020/a.parquet", id=[1, 2])
    parquet(tmp_path / "claims/year=2021/a.parquet", id=[3])
    return tmp_path


# --- several files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["claims", "claims/", "claims/**", "claims/**/*.parquet", "claims/*/a.parquet", "claims/year=*/*", "cl*/**"]
)
def test_a_folder_and_a_wildcard_name_several_files(years, path):
    data = claims(years, path).read()
    assert sorted(data.to_numpy().tolist()) == [[1, 2020], [2, 2020], [3, 2021]]


def test_a_star_stays_within_a_folder(tmp_path):
    for name in ("a", "b", "inner/c"):
        parquet(tmp_path / f"claims/{name}.parquet", id=[ord(name[-1])])
    assert sorted(claims(tmp_path, "claims/*.parquet", ID).read().id) == [97, 98]
    assert sorted(claims(tmp_path, "claims/**/*.parquet", ID).read().id) == [97, 98, 99]
    assert sorted(claims(tmp_path, "claims/**/c.parquet", ID).read().id) == [99]


def test_csv_files_are_read_together_too(tmp_path):
    for year in (2020, 2021):
        folder = tmp_path / f"claims/year={year}"
        folder.mkdir(parents=True)
        (folder / "part.csv").write_text(f"id\n{year + 1}\n")
    data = claims(tmp_path, "claims", driver="csv").read()
    assert sorted(data.to_numpy().tolist()) == [[2021, 2020], [2022, 2021]]


def test_what_others_leave_in_the_folder_is_not_read(years):
    (years / "claims/_SUCCESS").touch()
    (years / "claims/.part.parquet.crc").write_text(SECRET)
    (years / "claims/README.md").write_text("Claims.")
    parquet(years / "claims/_temporary/year=2022/a.parquet", id=[9])
    assert len(claims(years, "claims").read()) == 3


def test_wildcards_in_the_root_stand_for_themselves(tmp_path, monkeypatch):
    root = tmp_path / "data *[2]?"
    for folder in (root, tmp_path / "data xx2y"):
        parquet(folder / "claims [x]/a?.parquet", id=[len(folder.name)])
    monkeypatch.setenv("TOY_ROOT", str(root))
    assert claims(tmp_path, "${TOY_ROOT}/claims [x]/*.parquet", ID).read().id.tolist() == [len(root.name)]
    assert claims(tmp_path, "${TOY_ROOT}/claims [x]/a?.parquet", ID).read().id.tolist() == [len(root.name)]


def test_a_column_may_be_wider_in_one_file_than_in_another(tmp_path):
    parquet(tmp_path / "claims/a.parquet", id=pyarrow.array([1], "int8"), bmi=[20])
    parquet(tmp_path / "claims/b.parquet", bmi=[21.5, float("nan")], id=[2**40, 3])
    data = claims(tmp_path, "claims", [FIELDS[0], FIELDS[2]]).read()
    assert data.dtypes.astype(str).tolist() == ["int64", "float64"]
    assert sorted(data.id) == [1, 3, 2**40]
    assert data.bmi.sum() == 41.5


# --- partitions -----------------------------------------------------------------------------------------------------


def test_only_the_folders_asked_for_are_opened(years):
    table = claims(years, "claims").table()
    query = ibis.to_sql(table.filter(table.year == 2021).count().as_table())
    assert "Scanning Files: 1/2" in engine.rows(f"EXPLAIN {query}")[0][1]


def test_the_values_of_folders_are_of_the_declared_type(tmp_path):
    folder = tmp_path / "claims/centre=01/site=L%27%20Haÿ/seen=2020-02-29/year=__HIVE_DEFAULT_PARTITION__"
    parquet(folder / "a.parquet", id=[1])
    names = [{"name": "centre", "type": "string"}, {"name": "site", "type": "string"}, {"name": "seen", "type": "date"}]
    row = claims(tmp_path, "claims", [*ID, *names, YEAR]).read().iloc[0]
    assert (row.centre, row.site, str(row.seen.date())) == ("01", "L' Haÿ", "2020-02-29")
    assert row.isna().year


@pytest.mark.parametrize("value", ["2020.5", SECRET, "", "20 20"])
def test_a_folder_with_another_type_is_refused(years, value):
    parquet(years / f"claims/year={value}/a.parquet", id=[4])
    assert "column 'year': not year: 1 of 3" in refused(claims(years, "claims"))


def test_files_in_other_partitions_are_named(years):
    parquet(years / "claims/month=1/b.parquet", id=[4])
    message = refused(claims(years, "claims"))
    assert message.startswith("claims/year=2020/a.parquet: lies in folders of other partitions")
    assert "than claims/month=1/b.parquet" in message


def test_a_partition_that_the_schema_does_not_know_is_refused(years):
    assert "column 'year' is not in the schema" in refused(claims(years, "claims", ID))


def test_a_root_that_looks_like_a_partition_adds_no_column(years, monkeypatch):
    monkeypatch.setenv("TOY_ROOT", str(years / "claims/year=2020"))
    assert claims(years, "${TOY_ROOT}/a.parquet", ID).read().id.tolist() == [1, 2]
    parquet(years / "claims/year=2020/year=1/a.parquet", id=[1])
    assert "a folder of the root" in refused(claims(years, "${TOY_ROOT}/*/a.parquet"), CatalogError)


# --- several files that are not as declared --------------------------------------------------------------------------


def test_no_file_is_said(tmp_path):
    (tmp_path / "claims").mkdir()
    assert "claims: the folder holds no file that ends in .parquet" in refused(claims(tmp_path, "claims"))
    assert "claims/*.csv: no file matches" in refused(claims(tmp_path, "claims/*.csv"))
    assert "nowhere/*.csv: the file is not there" in refused(claims(tmp_path, "nowhere/*.csv"))


def test_a_file_with_other_columns_is_named(years):
    parquet(years / "claims/year=2022/a.parquet", idd=[4])
    message = refused(claims(years, "claims"))
    assert message.startswith("claims/year=2022/a.parquet: other columns than declared")
    assert "column 'id' is missing; perhaps it was renamed. Did you mean 'idd'?" in message


def test_a_file_with_another_type_is_named(years):
    parquet(years / "claims/year=2022/a.parquet", id=["4"])
    assert refused(claims(years, "claims")).startswith("claims/year=2022/a.parquet: other types than declared")


def test_truncated_files_among_good_ones_are_named(years):
    content = (years / "claims/year=2020/a.parquet").read_bytes()
    for year in (2018, 2019):
        folder = years / f"claims/year={year}"
        folder.mkdir()
        (folder / "a.parquet").write_bytes(content[:-9])
    assert refused(claims(years, "claims")).splitlines() == [
        f"claims/year={year}/a.parquet: not a complete parquet file; restore it or write it again"
        for year in (2018, 2019)
    ]


def test_csv_files_with_columns_in_another_order_are_refused(tmp_path):
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims/a.csv").write_text("id,year\n1,2020\n")
    (tmp_path / "claims/b.csv").write_text("year,id\n2020,1\n")
    both = claims(tmp_path, "claims", driver="csv")
    assert "claims/b.csv: its first line is not that of claims/a.csv" in refused(both)
    (tmp_path / "claims/b.csv").write_text("id,yaer\n1,2020\n")
    assert "claims/b.csv: other columns than declared" in refused(both)


def test_the_csv_with_a_broken_line_is_named(tmp_path):
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims/a.csv").write_text("id,year\n1,2020\n")
    (tmp_path / "claims/b.csv").write_text(f"id,year\n1,2020,{SECRET}\n")
    assert "claims/b.csv: line 2 has another number" in refused(claims(tmp_path, "claims", driver="csv"))


def test_columns_of_the_nested_kind_are_refused(tmp_path):
    parquet(tmp_path / "toy.parquet", id=[{"id": [1]}], year=[2020])
    message = refused(claims(tmp_path, "toy.parquet"))
    assert "column 'id' is struct<" in message
    assert "'year'" not in message


# --- links and checksums ----------------------------------------------------------------------------------------------

LINKS = pytest.mark.skipif(os.name == "nt", reason="links need a privilege")


@LINKS
def test_links_that_lead_out_of_the_root_are_refused(tmp_path, years):
    parquet(tmp_path / "outside/b.parquet", id=[9])
    project = tmp_path / "project"
    project.mkdir()
    (years / "claims").rename(project / "claims")
    (project / "claims/year=2022").symlink_to(tmp_path / "outside")
    assert "the link year=2022 in it leads out of the data's folder" in refused(claims(project, "claims"), CatalogError)
    assert "leads out" in refused(claims(project, "claims/*/*.parquet"), CatalogError)
    (project / "claims/year=2022").unlink()
    (project / "claims/year=2020/b.parquet").symlink_to(tmp_path / "outside/b.parquet")
    assert "claims/year=2020/b.parquet: a link leads out of" in refused(claims(project, "claims"), CatalogError)


@LINKS
def test_links_inside_the_root_are_followed_but_not_in_circles(years):
    (years / "archive").mkdir()
    (years / "claims/year=2020").rename(years / "archive/2020")
    (years / "claims/year=2020").symlink_to(years / "archive/2020")
    assert len(claims(years, "claims").read()) == 3
    (years / "archive/2020/again").symlink_to(years / "archive")
    assert "the link again in it leads back to itself" in refused(claims(years, "claims"), CatalogError)


@LINKS
def test_a_link_to_nothing_is_not_left_out_in_silence(years):
    (years / "claims/year=2020/b.parquet").symlink_to(years / "gone.parquet")
    assert "claims/year=2020/b.parquet: is no file" in refused(claims(years, "claims"))


@pytest.mark.skipif(os.name == "nt", reason="a command of POSIX")
def test_the_checksum_of_several_files_is_that_of_the_documented_command(years):
    documented = next(line for line in files.__doc__.splitlines() if "cd FOLDER" in line)

    def checksum() -> str:
        command = ["bash", "-c", documented.replace("FOLDER", "claims")]
        return subprocess.run(command, cwd=years, capture_output=True, text=True, check=True).stdout.split()[0]

    found = checksum()
    assert len(claims(years, "claims", sha256=found).read()) == 3
    assert len(claims(years, "claims/**/*.parquet", sha256=found).read()) == 3
    (years / "claims/year=2021").rename(years / "claims/year=2022")
    message = refused(claims(years, "claims", sha256=found))
    assert "claims: not the files that the catalogue declares" in message
    assert message.endswith(checksum())


def test_a_file_is_hashed_once_as_long_as_it_does_not_change(tmp_path, monkeypatch):
    parquet(tmp_path / "toy.parquet", id=[1])
    checksum = hashlib.sha256((tmp_path / "toy.parquet").read_bytes()).hexdigest()
    toy = claims(tmp_path, "toy.parquet", ID, sha256=checksum)
    hashed = []
    whole = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *arguments: hashed.append(1) or whole(*arguments))
    toy.read()
    toy.read()
    assert len(hashed) == 1
    content = bytearray((tmp_path / "toy.parquet").read_bytes())
    content[10] ^= 1
    (tmp_path / "toy.parquet").write_bytes(content)
    assert "not the file that the catalogue declares" in refused(toy)


# --- CSV of another making -------------------------------------------------------------------------------------------

FRENCH = [{"name": "dépistage", "type": "string"}, {"name": "dose", "type": "number"}, {"name": "n", "type": "integer"}]
HOSPITAL = "dépistage;dose;n\nPrélevé;1,5;2\n« à revoir »;;-3\n"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8"])
def test_semicolons_decimal_commas_and_other_encodings_can_be_declared(tmp_path, encoding):
    dialect = {"encoding": encoding, "delimiter": ";", "decimal": ","}
    data = entry(tmp_path, HOSPITAL.encode(encoding), FRENCH, source=dialect).read()
    assert data.dépistage.tolist() == ["Prélevé", "« à revoir »"]
    assert data.dose.tolist()[0] == 1.5
    assert data.n.tolist() == [2, -3]


def test_a_large_file_in_utf_16_is_read_to_its_end(tmp_path):
    lines = [f"é€{'x' * (i % 97)};{i},5;{i}" for i in range(30_000)]
    content = "\r\n".join(["dépistage;dose;n", *lines]).encode("utf-16")
    data = entry(tmp_path, content, FRENCH, source={"encoding": "utf-16", "delimiter": ";", "decimal": ","}).read()
    assert data.n.tolist() == list(range(30_000))
    assert (data.dépistage.str.len() == 2 + data.n % 97).all()


def test_with_a_decimal_comma_a_point_is_no_decimal(tmp_path):
    toy = entry(tmp_path, f"dose\n1.234\n{SECRET}\n", FRENCH[1:2], source={"delimiter": ";", "decimal": ","})
    message = refused(toy)
    assert "column 'dose': not number: 2 rows" in message
    assert "With '.' before the decimals there are fewer: then declare decimal: '.'" in message


@pytest.mark.parametrize(
    ("encoding", "source", "message"),
    [
        ("latin-1", {}, "not a CSV file in UTF-8; export the file again with that encoding, or declare encoding: lat"),
        ("utf-16", {}, "not a CSV file in UTF-8"),
        ("utf-16-le", {"encoding": "utf-16"}, "toy.csv: not a CSV file in UTF-16"),
        ("utf-8", {"encoding": "utf-16"}, "toy.csv: not a CSV file in UTF-16"),
        ("utf-8", {"encoding": "latin-1"}, "column 'dépistage' is missing"),
    ],
)
def test_another_encoding_than_declared_is_refused(tmp_path, encoding, source, message):
    toy = entry(tmp_path, HOSPITAL.encode(encoding), FRENCH, source={"delimiter": ";", "decimal": ",", **source})
    assert message in refused(toy)


def test_utf_16_in_the_order_that_duckdb_does_not_read_is_refused(tmp_path):
    content = b"\xfe\xff" + HOSPITAL.encode("utf-16-be")
    toy = entry(tmp_path, content, FRENCH, source={"encoding": "utf-16", "delimiter": ";", "decimal": ","})
    assert "a UTF-16 in big-endian order; export it again as UTF-8" in refused(toy)


def test_signs_that_latin_1_does_not_have_are_refused(tmp_path):
    content = "dépistage;dose;n\nsœur à 3 €;1;1\n".encode("cp1252")
    toy = entry(tmp_path, content, FRENCH, source={"encoding": "latin-1", "delimiter": ";"})
    assert "toy.csv: not LATIN-1" in refused(toy)


def test_a_decimal_comma_that_is_not_declared_is_suggested(tmp_path):
    message = refused(entry(tmp_path, "dose;n\n1,5;2\n", FRENCH[1:], source={"delimiter": ";"}))
    assert "With ',' before the decimals there are fewer: then declare decimal: ','" in message


# --- a synthetic stand-in --------------------------------------------------------------------------------------------


def test_a_stand_in_is_made_once_and_again_when_the_catalogue_says_something_else(tmp_path, monkeypatch):
    made = []

    def synthetic_table(name, dataset, datasets):
        made.append((name, dataset is datasets[name]))
        return pyarrow.table({"id": [1, 2]})

    monkeypatch.setattr("paillasse.catalog.synthetic.synthetic_table", synthetic_table)
    toy = entry(tmp_path, None, ID, source={"driver": "synthetic"})
    assert toy.read().id.tolist() == [1, 2]
    assert len(toy.read(where=lambda t: t.id > 1)) == 1
    entry(tmp_path, None, ID, source={"driver": "synthetic"}).read()
    assert made == [("toy", True)]
    entry(tmp_path, None, [{**ID[0], "description": "Another."}], source={"driver": "synthetic"}).read()
    assert len(made) == 2


def test_fields_that_duckdb_cannot_tell_apart_are_refused(tmp_path):
    with pytest.raises(CatalogError, match="two fields called 'id' differ in upper and lower case only"):
        claims(tmp_path, "toy.parquet", [*ID, {"name": "ID", "type": "integer"}])


# --- a table of a DuckDB file -----------------------------------------------------------------------------------------


def store(path: Path, *statements: str) -> None:
    with duckdb.connect(str(path)) as file:
        for statement in statements:
            file.execute(statement)


def stored(folder: Path, table: str, fields=ID, path: str = "toy.duckdb"):
    return entry(folder, None, fields, source={"driver": "duckdb", "path": path, "table": table})


def test_a_table_of_a_duckdb_file_has_the_declared_types(tmp_path):
    types = "id SMALLINT, age HUGEINT, bmi FLOAT, arm ENUM('A', 'B'), alive BOOLEAN, seen DATE, since UINTEGER"
    store(
        tmp_path / "toy.duckdb",
        f"CREATE TABLE toy ({types})",
        "INSERT INTO toy VALUES (1, 34, 21.5, 'A', true, '2020-01-05', 1999), (2, NULL, 'NaN', NULL, NULL, NULL, NULL)",
        "CREATE SCHEMA inner_",
        "CREATE TABLE inner_.two AS SELECT 7 AS id",
    )
    data = stored(tmp_path, "toy", FIELDS).read()
    assert data.dtypes.astype(str).tolist()[:4] == ["int64", "float64", "float64", "object"]
    assert data.dtypes.astype(str).tolist()[4:] == ["float64", "datetime64[ms]", "float64"]
    assert data.arm.tolist() == ["A", None]
    assert data.bmi.isna().tolist() == [False, True]
    assert stored(tmp_path, "inner_.two").read().id.tolist() == [7]


def test_tables_of_files_of_several_kinds_can_be_joined(tmp_path):
    (tmp_path / "other").mkdir()
    store(tmp_path / "toy.duckdb", "CREATE TABLE toy AS SELECT 2 AS id")
    left, right = stored(tmp_path, "toy").table(), entry(tmp_path / "other").table()
    assert left.join(right, "id").execute().age.isna().tolist() == [True]


def test_views_of_a_duckdb_file_are_refused(tmp_path):
    (tmp_path / "elsewhere.csv").write_text(f"id\n{SECRET}\n")
    store(tmp_path / "toy.duckdb", f"CREATE VIEW toy AS SELECT * FROM read_csv('{tmp_path}/elsewhere.csv')")
    assert "toy.duckdb: 'toy' is a view, which is not read; make a table of it" in refused(stored(tmp_path, "toy"))


def test_what_a_duckdb_file_defines_does_not_replace_what_we_use(tmp_path):
    store(
        tmp_path / "toy.duckdb",
        "CREATE TABLE toy AS SELECT 1.5::DOUBLE AS bmi",
        "CREATE MACRO isfinite(x) AS false",
        "CREATE MACRO isinf(x) AS false",
    )
    assert stored(tmp_path, "toy", FIELDS[2:3]).read().bmi.tolist() == [1.5]


def test_a_duckdb_file_is_not_written(tmp_path):
    store(tmp_path / "toy.duckdb", "CREATE TABLE toy AS SELECT 1 AS id")
    content = (tmp_path / "toy.duckdb").read_bytes()
    table = stored(tmp_path, "toy").table()
    database = engine.rows("SELECT max(database_name) FROM duckdb_tables()")[0][0]
    with pytest.raises(duckdb.Error, match="read-only"):
        engine.rows(f"INSERT INTO {database}.toy VALUES (2)")
    assert table.count().execute() == 1
    assert (tmp_path / "toy.duckdb").read_bytes() == content


def test_a_duckdb_file_that_was_replaced_is_read_anew(tmp_path):
    for value in (1, 2):
        store(tmp_path / "new.duckdb", f"CREATE TABLE toy AS SELECT {value} AS id")
        (tmp_path / "new.duckdb").replace(tmp_path / "toy.duckdb")
        assert stored(tmp_path, "toy").read().id.tolist() == [value]


def test_a_duckdb_file_with_changes_beside_it_is_refused(tmp_path):
    store(tmp_path / "toy.duckdb", "CREATE TABLE toy AS SELECT 1 AS id")
    (tmp_path / "toy.duckdb.wal").write_bytes(b"x")
    assert "whoever writes it closes it first" in refused(stored(tmp_path, "toy"))


def test_a_duckdb_file_that_another_process_writes_is_refused(tmp_path):
    code = "import duckdb, sys; file = duckdb.connect(sys.argv[1]); print(1, flush=True); sys.stdin.read()"
    store(tmp_path / "toy.duckdb", "CREATE TABLE toy AS SELECT 1 AS id")
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "toy.duckdb"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        writer.stdout.readline()
        assert "another process has it open for writing" in refused(stored(tmp_path, "toy"))


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_a_damaged_duckdb_file_is_refused(tmp_path, keep):
    store(tmp_path / "toy.duckdb", "CREATE TABLE toy AS SELECT 1 AS id")
    (tmp_path / "toy.duckdb").write_bytes((tmp_path / "toy.duckdb").read_bytes()[:keep])
    assert "toy.duckdb: not a DuckDB file" in refused(stored(tmp_path, "toy"))


def test_another_table_another_column_and_another_type_are_said(tmp_path):
    store(tmp_path / "toy.duckdb", "CREATE TABLE toy AS SELECT 1 AS ident", "CREATE TABLE two AS SELECT 'x' AS id")
    assert "no table 'toys' in it. Did you mean 'toy'?" in refused(stored(tmp_path, "toys"))
    assert "toy.duckdb, table toy: other columns than declared" in refused(stored(tmp_path, "toy"))
    assert "column 'id' is string in the source, integer in the catalogue" in refused(stored(tmp_path, "two"))


def test_a_column_with_sql_in_its_name_is_a_column(tmp_path):
    name = 'x"; DROP TABLE toy; --'
    sql = engine.name(name)
    store(tmp_path / "toy.duckdb", f"CREATE TABLE toy AS SELECT 1 AS {sql}")
    fields = [{"name": name, "type": "integer"}]
    assert stored(tmp_path, "toy", fields).read()[name].tolist() == [1]
    parquet(tmp_path / "toy.parquet", **{name: [2]})
    assert claims(tmp_path, "toy.parquet", fields).read()[name].tolist() == [2]
    parquet(tmp_path / f"claims/{name}=3/a.parquet", id=[1])
    assert claims(tmp_path, "claims", [*ID, *fields]).read()[name].tolist() == [3]


def test_a_folder_of_duckdb_files_is_no_source(tmp_path):
    (tmp_path / "many").mkdir()
    store(tmp_path / "many/toy.duckdb", "CREATE TABLE toy AS SELECT 1 AS id")
    assert "is one file" in refused(stored(tmp_path, "toy", path="many"), CatalogError)
