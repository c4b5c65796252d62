"""The JSON Schema that editors read: it is the model's, the shipped catalogue is right by it, and mistakes are not."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from paillasse.catalog.editor import FILE, json_schema
from paillasse.catalog.model import Document

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = (ROOT / "data_catalog.yaml").read_text(encoding="utf-8")
SCHEMA = json.loads(json_schema())


def as_an_editor_sees_it(text: str) -> dict:
    """Dates are texts, and all keys are."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


def mistakes(values: dict) -> list[str]:
    return [each.json_path for each in jsonschema.Draft7Validator(SCHEMA).iter_errors(values)]


def test_the_committed_file_is_the_models_schema():
    assert FILE.read_text(encoding="utf-8") == json_schema(), "run `python -m paillasse.catalog.editor`"


def test_the_catalogues_first_line_names_the_file():
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", SHIPPED.splitlines()[0])
    assert (ROOT / named[1]).samefile(FILE)


def test_it_is_a_json_schema_of_draft_7():
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_the_shipped_catalogue_is_right_by_it():
    assert mistakes(as_an_editor_sees_it(SHIPPED)) == []


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ((), "profil", "secure"),
        ((), "profile", "public-ish"),
        (("datasets",), "GBSG", {}),
        (("datasets", "gbsg"), "sensitivity", "secret"),
        (("datasets", "gbsg"), "title", "  "),
        (("datasets", "gbsg", "steward"), "email", "nobody"),
        (("datasets", "gbsg", "sources", "public"), "driver", "python"),
        (("datasets", "gbsg", "sources", "public"), "sha256", "abc"),
        (("datasets", "gbsg", "sources", "public"), "driver", "duckdb"),  # which needs a table
        (("datasets", "gbsg", "sources", "public"), "table", "t"),  # which a CSV has not
        (("datasets", "gbsg", "sources", "public"), "dsn", "postgresql://user:password@server/db"),
        (("datasets", "gbsg", "schema", "fields", 0), "type", "int"),
        (("organisations", "cluster"), "homepage", "www.example.org"),
    ],
)
def test_a_mistake_is_found_where_it_is(place, key, value):
    values = as_an_editor_sees_it(SHIPPED)
    there = values
    for step in place:
        there = there[step]
    there[key] = value
    assert mistakes(values) != []


def test_the_blocks_are_explained():
    descriptions = {name: block.get("description") for name, block in SCHEMA["$defs"].items()}
    assert descriptions["Dataset"] == "One entry of the catalogue."
    assert SCHEMA["description"] == Document.__doc__


def test_patterns_are_ones_that_editors_know_too():
    patterns = re.findall(r'"pattern": "(.*)"', json_schema())
    assert patterns
    assert not [each for each in patterns if re.search(r"\(\?(?!:)", each)]  # inline flags, named groups
