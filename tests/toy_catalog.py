"""A small catalogue for tests of reading: the data set `toy`, in whatever form a test gives it."""

from pathlib import Path

import pytest
import yaml

from paillasse.catalog import open_catalog
from paillasse.catalog.entries import Entry
from paillasse.errors import DataError

FIELDS = [
    {"name": "id", "type": "integer", "constraints": {"required": True, "unique": True}},
    {"name": "age", "type": "integer", "constraints": {"minimum": 18, "maximum": 110}},
    {"name": "bmi", "type": "number"},
    {"name": "arm", "type": "string", "codes": {"A": "old", "B": "new"}},
    {"name": "alive", "type": "boolean"},
    {"name": "seen", "type": "date", "constraints": {"minimum": "DATE"}},
    {"name": "since", "type": "year"},
]
CSV = """\
id,age,bmi,arm,alive,seen,since
1,34,21.5,A,true,2020-01-05,1999
2,,,B,false,2021-12-31,2000
3,60,30,,,,
"""
SECRET = "SECRET9"
ABOUT = {
    "title": "Toys",
    "description": "Toys.",
    "steward": {"name": "A. Steward", "email": "steward@example.org"},
    "publisher": "The cluster",
    "licence": "CC0-1.0",
    "sensitivity": "public",
    "unit_of_observation": "toy",
}


def entry(folder: Path, content: str | bytes = CSV, fields=FIELDS, file: str = "toy.csv", **more) -> Entry:
    """A catalogue in the folder with the data set `toy`, whose file is written too."""
    source = more.pop("source", {})
    if "driver" not in source:
        source = {"driver": Path(file).suffix[1:], "path": file} | source
    toy = ABOUT | {
        "schema": {"fields": [{"description": "x", **field} for field in fields], **more},
        "sources": {"public": source},
    }
    catalogue = folder / "data_catalog.yaml"
    catalogue.write_text(yaml.safe_dump({"datasets": {"toy": toy}}).replace("DATE", "2000-01-01"), encoding="utf-8")
    if content is not None:
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_catalog(catalogue)["toy"]


def refused(toy: Entry, kind=DataError, **arguments) -> str:
    with pytest.raises(kind) as error:
        toy.read(**arguments)
    assert SECRET not in str(error.value)
    assert error.value.__suppress_context__ or SECRET not in str(error.value.__context__)
    return str(error.value)
