"""Rows against the schema: what counts as broken, and that a wholly broken table is refused as fast as a good one."""

import time

import pandas
import pytest

from paillasse.catalog.model import Schema
from paillasse.catalog.validation import validate
from paillasse.errors import DataError

MANY = 200_000


def schema(*fields: dict, **more) -> Schema:
    return Schema.model_validate({"fields": [{"description": "x", **field} for field in fields], **more})


def refused(data: pandas.DataFrame, against: Schema) -> list[str]:
    with pytest.raises(DataError) as error:
        validate(data, against, "toy")
    assert error.value.__context__ is None
    return str(error.value).splitlines()[1:-1]


def test_a_missing_value_is_not_there_twice():
    validate(
        pandas.DataFrame({"id": [1.0, None, None]}),
        schema(dict(name="id", type="integer", constraints={"unique": True})),
        "toy",
    )


def test_of_a_primary_key_the_rows_where_it_is_complete_are_compared():
    against = schema(dict(name="a", type="integer"), dict(name="b", type="integer"), primaryKey=["a", "b"])
    data = pandas.DataFrame({"a": [1.0, 1, 1, None, None], "b": [1, 1, 2, 3, 3]})
    assert refused(data, against) == [
        "  primary key a, b: not unique: 2 rows",
        "  column 'a': missing, but required: 2 rows",
    ]


def test_mistakes_are_told_in_the_order_of_the_schema():
    against = schema(
        dict(name="age", type="integer", constraints={"required": True, "minimum": 18}),
        dict(name="arm", type="string", codes={"A": "old"}, constraints={"required": True}),
    )
    data = pandas.DataFrame({"arm": ["B", None, "A"], "age": [None, 3, 4]})
    assert refused(data, against) == [
        "  column 'age': missing, but required: 1 row",
        "  column 'age': below the minimum 18: 2 rows",
        "  column 'arm': missing, but required: 1 row",
        "  column 'arm': a value that is none of its codes: 1 row",
    ]


def test_no_row_is_no_mistake():
    against = schema(
        dict(name="age", type="integer", constraints={"required": True, "unique": True, "maximum": 9}),
        dict(name="seen", type="date", constraints={"required": True}),
        primaryKey="age",
    )
    validate(
        pandas.DataFrame({"age": pandas.Series(dtype="int64"), "seen": pandas.Series(dtype="datetime64[ms]")}),
        against,
        "toy",
    )


def test_a_table_that_is_wrong_everywhere_is_refused_within_two_seconds():
    against = schema(
        dict(name="id", type="integer", constraints={"unique": True, "minimum": 1}),
        dict(name="arm", type="string", codes={"A": "old"}),
        dict(name="dose", type="number", constraints={"required": True}),
        primaryKey="id",
    )
    data = pandas.DataFrame({"id": 0, "arm": "B", "dose": None}, index=range(MANY))
    validate(data.head(1).assign(id=1, arm="A", dose=1.0), against, "toy")  # the imports
    start = time.process_time()
    assert [line.rsplit(": ", 1)[1] for line in refused(data, against)] == [f"{MANY} rows"] * 5
    assert time.process_time() - start < 2
