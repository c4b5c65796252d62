"""The keys of `data_catalog.yaml` as a JSON Schema, from which an editor completes, explains and checks.

The file's first line names it. After a change of `catalog.model`, `python -m paillasse.catalog.editor` writes it anew.
"""

import json
from pathlib import Path

from pydantic.json_schema import GenerateJsonSchema

from paillasse.catalog.model import KEYS_OF_DRIVER, Document, Source
from paillasse.files import write_atomically

FILE = Path(__file__).with_name("data_catalog.schema.json")


class _Generator(GenerateJsonSchema):
    def field_title_should_be_set(self, schema) -> bool:
        return False  # pydantic would call each key by its own name once more: `population_size`, "Population Size"

    def dict_schema(self, schema) -> dict:
        """Where names have a pattern, a name that does not match is a mistake; pydantic would let it pass."""
        found = super().dict_schema(schema)
        return {**found, "additionalProperties": False} if "patternProperties" in found else found


def json_schema() -> str:
    """The schema as a text, the same for the same model.

    Examples
    --------
    >>> json.loads(json_schema())["title"]
    'data_catalog.yaml'
    """
    schema = Document.model_json_schema(schema_generator=_Generator)
    schema["$defs"]["Source"]["allOf"] = [_keys_of(driver) for driver in KEYS_OF_DRIVER]
    # Editors know draft 7 best, and nothing that pydantic writes here is newer.
    head = {"$schema": "http://json-schema.org/draft-07/schema#"}
    return json.dumps({**head, **schema, "title": "data_catalog.yaml"}, indent=2, ensure_ascii=False) + "\n"


def _keys_of(driver: str) -> dict:
    """The keys that a source of this driver needs, and those that it has not."""
    required, allowed = KEYS_OF_DRIVER[driver]
    others = sorted(set(Source.model_fields) - {"driver"} - required - allowed)
    return {
        "if": {"properties": {"driver": {"const": driver}}},
        "then": {"required": sorted(required), "properties": dict.fromkeys(others, False)},
    }


if __name__ == "__main__":
    write_atomically(FILE, json_schema())
