"""A broken data_catalog.yaml: file, line, key and what was expected, all mistakes at once; never a traceback."""
# ruff: noqa: E501 (expected messages stand on one line, as they are shown)

from pathlib import Path

import pytest

from paillasse.catalog import open_catalog
from paillasse.errors import CatalogError

GOOD = """\
profile: synthetic
datasets:
  toy:
    title: Toys
    description: Three toys.
    steward: {name: A. Steward, email: steward@example.org}
    publisher: The cluster
    licence: CC0-1.0
    sensitivity: public
    unit_of_observation: toy
    period: {start: 1984, end: 1989}
    schema:
      fields:
        - {name: age, type: integer, description: Age, constraints: {minimum: 0, maximum: 9}}
        - name: kind
          type: string
          description: Kind
          codes: {a: wooden, b: woollen}
      primaryKey: age
    sources:
      public:
        driver: csv
        path: data/toy.csv
        sha256: 59ab04c250962e49b90ad2fc69db66fd5f472e4530f3b91b5201eaa85eba3750
"""


def mistakes(folder: Path, content: str | bytes) -> str:
    file = folder / "data_catalog.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CatalogError) as error:
        open_catalog(file)
    return str(error.value)


def replaced(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def test_the_good_file_opens(tmp_path):
    (tmp_path / "data_catalog.yaml").write_text(GOOD)
    assert list(open_catalog(tmp_path / "data_catalog.yaml")) == ["toy"]


WRONG_KEYS = {
    "a misspelt choice": (
        "sensitivity: public",
        "sensitivity: publik",
        (
            "data_catalog.yaml:9: datasets.toy.sensitivity: expected one of public, synthetic, pseudonymised; got 'publik'. "
            "Did you mean 'public'?"
        ),
    ),
    "a missing key": (
        "    licence: CC0-1.0\n",
        "",
        "data_catalog.yaml:3: datasets.toy.licence: required, but not there",
    ),
    "an unknown key": (
        "    publisher: The",
        "    titel: T\n    publisher: The",
        "data_catalog.yaml:7: datasets.toy.titel: unknown key. Did you mean 'title'?",
    ),
    "an unknown key at the top": (
        "profile: synthetic",
        "profil: synthetic",
        "data_catalog.yaml:1: profil: unknown key. Did you mean 'profile'?",
    ),
    "an unknown key in constraints": (
        "minimum: 0,",
        "minimun: 0,",
        "data_catalog.yaml:14: datasets.toy.schema.fields[0].constraints.minimun: unknown key. Did you mean 'minimum'?",
    ),
    "an unknown key in an optional block": (
        "end: 1989",
        "ende: 1989",
        "data_catalog.yaml:11: datasets.toy.period.ende: unknown key. Did you mean 'end'?",
    ),
    "a number for text": (
        "title: Toys",
        "title: 2013",
        "data_catalog.yaml:4: datasets.toy.title: expected text; got 2013 (put it in quotes)",
    ),
    "no for a label": (
        "a: wooden",
        "a: no",
        "data_catalog.yaml:18: datasets.toy.schema.fields[1].codes.a: expected text; got False (put it in quotes)",
    ),
    "nothing": ("title: Toys", "title:", "data_catalog.yaml:4: datasets.toy.title: expected text; got nothing"),
    "a list for keys": (
        "steward: {name: A. Steward, email: steward@example.org}",
        "steward: [A. Steward]",
        "data_catalog.yaml:6: datasets.toy.steward: expected keys with values; got a list",
    ),
    "an e-mail without @": (
        "steward@example.org",
        "steward.example.org",
        "data_catalog.yaml:6: datasets.toy.steward.email: expected an e-mail address; got 'steward.example.org'",
    ),
    "an unknown driver": (
        "driver: csv",
        "driver: cvs",
        (
            "data_catalog.yaml:22: datasets.toy.sources.public.driver: expected one of csv, parquet, postgres, duckdb, synthetic; got 'cvs'. "
            "Did you mean 'csv'?"
        ),
    ),
    "an unknown source": (
        "      public:\n",
        "      publik:\n",
        "datasets.toy.sources.publik: expected one of public, synthetic, secure; got 'publik'. Did you mean 'public'?",
    ),
    "public data without a public source": (
        "      public:\n",
        "      secure:\n",
        "data_catalog.yaml:20: datasets.toy.sources: public data need the source 'public'; it serves every profile",
    ),
    "a column's type": (
        "type: integer",
        "type: int",
        (
            "data_catalog.yaml:14: datasets.toy.schema.fields[0].type: expected one of integer, number, string, boolean, date, "
            "year; got 'int'. Did you mean 'integer'?"
        ),
    ),
    "codes of another type": (
        "{a: wooden, b: woollen}",
        "{a: wooden, 1: woollen}",
        "data_catalog.yaml:18: datasets.toy.schema.fields[1].codes: expected values of type string; got 1 (put it in quotes)",
    ),
    "a limit of another type": (
        "minimum: 0,",
        "minimum: zero,",
        "data_catalog.yaml:14: datasets.toy.schema.fields[0].constraints: expected values of type integer; got 'zero'",
    ),
    "limits the wrong way round": (
        "minimum: 0,",
        "minimum: 10,",
        "data_catalog.yaml:14: datasets.toy.schema.fields[0].constraints: the minimum is above the maximum",
    ),
    "two fields of one name": (
        "- name: kind",
        "- name: age",
        "data_catalog.yaml:13: datasets.toy.schema.fields: two fields have the name 'age'",
    ),
    "a primary key that is no field": (
        "primaryKey: age",
        "primaryKey: [age, id]",
        "data_catalog.yaml:19: datasets.toy.schema.primaryKey: there is no field 'id'",
    ),
    "a union": (
        "primaryKey: age",
        "primaryKey: 3",
        "data_catalog.yaml:19: datasets.toy.schema.primaryKey: expected text or a list; got 3 (put it in quotes)",
    ),
    "a checksum that is none": ("59ab04c2", "59ab", "datasets.toy.sources.public.sha256: expected a sha256 checksum"),
    "a name with a capital": ("  toy:\n", "  Toy:\n", "data_catalog.yaml:3: datasets.Toy: expected lower-case letters"),
    "a period that ends before it starts": (
        "end: 1989",
        "end: 1983-12-31",
        "data_catalog.yaml:11: datasets.toy.period.end: the period ends before it starts",
    ),
    "a number of patients below 0": (
        "    unit_of_observation: toy\n",
        "    unit_of_observation: toy\n    population_size: -1\n",
        "datasets.toy.population_size: expected at least 0; got -1",
    ),
    "a limit that is no number": (
        "minimum: 0,",
        "minimum: .inf,",
        "constraints.minimum: expected a whole number or a finite number or text or true or false or a date; got inf",
    ),
    "a profile": (
        "profile: synthetic",
        "profile: real",
        "data_catalog.yaml:1: profile: expected one of public, synthetic",
    ),
}


@pytest.mark.parametrize(("old", "new", "message"), WRONG_KEYS.values(), ids=WRONG_KEYS)
def test_a_mistake_is_named_with_file_line_key_and_what_was_expected(tmp_path, old, new, message):
    assert message in mistakes(tmp_path, replaced(old, new))


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../other/toy.csv", "data/../../toy.csv", "C:/toy.csv", "~/toy.csv", "https://example.org/toy.csv",
     "s3://bucket/toy.csv", "data\\toy.csv", "//server/toy.csv", "data/${ROOT}/toy.csv", "$ROOT/toy.csv", "${ROOT}/../x"],
)  # fmt: skip
def test_a_path_that_leaves_the_catalogue_is_refused(tmp_path, path):
    assert "data_catalog.yaml:23: datasets.toy.sources.public.path: " in mistakes(
        tmp_path, replaced("path: data/toy.csv", f"path: '{path}'")
    )


def test_all_mistakes_are_said_at_once_in_the_order_of_the_file(tmp_path):
    broken = (
        replaced("title: Toys", "title: 1").replace("sensitivity: public", "sensitivity: x").replace("driver: csv", "")
    )
    lines = [message.split(":")[1] for message in mistakes(tmp_path, broken).splitlines()]
    assert lines == ["4", "9", "21"]


NO_CATALOGUE = {
    "empty": ("", "data_catalog.yaml: the file is empty; it needs the key 'datasets'"),
    "only a comment": ("# later\n", "data_catalog.yaml: the file is empty"),
    "a list": ("- toy\n", "data_catalog.yaml:1: expected keys with values; got a list"),
    "a sentence": ("nothing here", "data_catalog.yaml:1: expected keys with values; got 'nothing here'"),
    "no data sets": ("profile: public\n", "data_catalog.yaml:1: datasets: required, but not there"),
    "a tab": ("datasets:\n\ttoy: 1\n", "data_catalog.yaml:2: not valid YAML: found character that cannot start any token"),
    "an open bracket": ("datasets: {toy: [\n", "data_catalog.yaml:2: not valid YAML"),
    "two documents": ("datasets: {}\n---\ndatasets: {}\n", "data_catalog.yaml:2: a second document begins here"),
    "a tag that runs code": (
        "datasets: !!python/object/apply:os.system ['touch owned']\n",
        "data_catalog.yaml:1: a tag ('!…') is not allowed",
    ),
    "an anchor": ("datasets: &all {}\n", "data_catalog.yaml:1: anchors and aliases"),
    "an alias": ("datasets: *all\n", "data_catalog.yaml:1: anchors and aliases"),
    "a directive": ("%YAML 1.2\n---\ndatasets: {}\n", "data_catalog.yaml:1: a line that begins with '%' is not allowed"),
    "a merge key": ("<<: {a: 1}\ndatasets: {}\n", "data_catalog.yaml:1: <<: unknown key."),
    "a key that is a list": ("? [a]\n: b\n", "data_catalog.yaml:1: a key must be a word or a number"),
    "a key given twice": (
        GOOD.replace("    licence", "    title: Again\n    licence"),
        "data_catalog.yaml:8: the key 'title' is given twice (first on line 4)",
    ),
    "a date that is none": ("datasets: 2020-13-45\n", "data_catalog.yaml:1: neither a date nor a number"),
    "a number of 5000 digits": ("datasets: " + "9" * 5000, "data_catalog.yaml:1: neither a date nor a number"),
    "a number of hexadecimal digits that Python does not print": (
        "datasets: 0x" + "f" * 5000,
        "data_catalog.yaml:1: neither a date nor a number",
    ),
    "a control character": ("datasets: {}\n\x00", "data_catalog.yaml:2: not valid YAML: a control character; remove it"),
    "another encoding": ("datasets:\n  # é".encode("latin-1"), "data_catalog.yaml:2: not UTF-8 text; save the file as UTF-8"),
    "another encoding with a mark": ("datasets: {}".encode("utf-16"), "data_catalog.yaml:1: not UTF-8 text"),
    "a bomb of brackets": ("datasets: " + "[" * 100_000, "data_catalog.yaml:1: nested deeper than 20 levels"),
    "a bomb of dashes": ("- " * 100_000, "data_catalog.yaml:1: nested deeper than 20 levels"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), NO_CATALOGUE.values(), ids=NO_CATALOGUE)
def test_a_file_that_is_no_catalogue_is_refused(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    assert mistakes(tmp_path, content).startswith(message)
    assert [path.name for path in tmp_path.iterdir()] == ["data_catalog.yaml"]


def test_limits_of_a_column_whose_type_is_wrong_are_not_compared(tmp_path):
    broken = replaced("type: integer", "type: int").replace("minimum: 0,", "minimum: '',")
    assert [message.split(": ")[1] for message in mistakes(tmp_path, broken).splitlines()] == [
        "datasets.toy.schema.fields[0].type"
    ]


def test_the_byte_order_mark_of_an_editor_does_no_harm(tmp_path):
    (tmp_path / "data_catalog.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert list(open_catalog(tmp_path / "data_catalog.yaml")) == ["toy"]


def test_windows_line_ends_count_as_one_line(tmp_path):
    broken = replaced("sensitivity: public", "sensitivity: publik").replace("\n", "\r\n")
    assert mistakes(tmp_path, broken).startswith("data_catalog.yaml:9: ")


def test_of_very_many_mistakes_the_first_hundred_are_told(tmp_path):
    told = mistakes(tmp_path, GOOD + "".join(f"key_{i}: 1\n" for i in range(1000))).splitlines()
    assert told[0].startswith("data_catalog.yaml:25: key_0: unknown key.")
    assert told[99].startswith("data_catalog.yaml:124: key_99: unknown key.")
    assert told[100:] == ["data_catalog.yaml: and more mistakes; these are the first 100"]
