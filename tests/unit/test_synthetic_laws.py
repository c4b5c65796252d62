"""Whatever schema and generator: the stand-in satisfies the schema, or the generator is refused with its key."""

import datetime

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from test_synthetic import entry

from paillasse.catalog.synthetic import synthetic_table
from paillasse.catalog.validation import validate
from paillasse.errors import CatalogError


def mostly(usual: st.SearchStrategy, *extremes) -> st.SearchStrategy:
    return st.integers(0, 19).flatmap(lambda i: usual if i else st.sampled_from(extremes))


WHOLE = mostly(st.integers(-50, 50), 10**6, -(10**12), 2**53, 2**63)
REAL = mostly(st.floats(-100, 100), 1e-300, 1e300, -1e308, 5e-324)
DATES = mostly(
    st.dates(datetime.date(2010, 1, 1), datetime.date(2025, 12, 31)),
    datetime.date(1700, 1, 1),
    datetime.date(2200, 12, 31),
)
TEXTS = st.sampled_from(["a", "b", "c", "ICI", "é"])
VALUES = {"integer": WHOLE, "number": REAL | st.integers(-9, 9), "year": st.integers(1950, 2030), "date": DATES}
VALUES |= {"string": TEXTS, "boolean": st.booleans()}
NAMES = ["x", "y", "z", "parent.x"]


@st.composite
def fields(draw, name: str) -> dict:
    kind = draw(st.sampled_from(list(VALUES)))
    constraints = {key: True for key in ("required", "unique") if draw(st.integers(0, 4)) == 0}
    field = {"name": name, "type": kind, "constraints": constraints}
    if kind not in ("string", "boolean"):
        limits = sorted(draw(st.lists(VALUES[kind], max_size=2)))
        constraints |= dict(zip(draw(st.permutations(["minimum", "maximum"])), limits))
        if len(limits) == 2:
            constraints |= {"minimum": limits[0], "maximum": limits[1]}
    several = st.lists(VALUES[kind], min_size=1, max_size=4, unique=True)
    match draw(st.integers(0, 5)):
        case 0 if kind not in ("boolean", "date"):
            field["codes"] = dict.fromkeys(draw(several), "a code")
        case 1:
            constraints["enum"] = draw(several)
    if draw(st.booleans()):
        field["role"] = draw(st.sampled_from(["identifier", "quasi-identifier", "date", "outcome"]))
    return field


@st.composite
def schemas(draw) -> dict:
    columns = [draw(fields(name)) for name in draw(st.sampled_from([["x"], ["x", "y"], ["x", "y", "z"]]))]
    key = draw(st.lists(st.sampled_from([each["name"] for each in columns]), unique=True, max_size=3))
    return {"fields": columns, "primaryKey": key}


POSITIVE = mostly(st.floats(0.1, 50), 1e-300, 1e300)
ANY = st.one_of(WHOLE, REAL, DATES, TEXTS, st.booleans())


def keys(**values) -> st.SearchStrategy:
    return st.fixed_dictionaries(values)


@st.composite
def probabilities(draw, codes=ANY) -> dict:
    values = draw(st.lists(codes, min_size=1, max_size=4, unique=True))
    return dict.fromkeys(values, 1 / len(values))


WAYS = {
    "uniform": st.lists(REAL, min_size=2, max_size=2).map(sorted) | st.lists(DATES, min_size=2, max_size=2).map(sorted),
    "normal": keys(mean=REAL, sd=POSITIVE),
    "lognormal": keys(median=POSITIVE, sd_log=POSITIVE),
    "gamma": keys(mean=POSITIVE, sd=POSITIVE),
    "weibull": keys(median=POSITIVE, shape=st.floats(0.05, 100)),
    "beta": keys(a=POSITIVE, b=POSITIVE),
    "poisson": keys(mean=st.floats(0.1, 50)),
    "categorical": probabilities(),
    "constant": ANY,
}
OTHER_WAYS = {
    "sequence": WHOLE | DATES,
    "pseudonym": st.sampled_from(["", "P", "é"]),
    "order": st.integers(0, 3),
    "between": st.lists(st.sampled_from(NAMES), min_size=2, max_size=2),
    "copy": st.sampled_from(NAMES),
    "after": st.sampled_from(NAMES),
}
DISTRIBUTIONS = st.sampled_from(list(WAYS)).flatmap(lambda way: keys(**{way: WAYS[way]}))


@st.composite
def suiting(draw, field: dict) -> dict:
    """A column that has a chance."""
    codes = field.get("codes") or field["constraints"].get("enum")
    if field["constraints"].get("unique") and field["type"] in ("string", "integer"):
        return {"pseudonym": "P"} if field["type"] == "string" else {"sequence": 1}
    if codes or field["type"] in ("string", "boolean"):
        return {"categorical": draw(probabilities(st.sampled_from(list(codes)) if codes else VALUES[field["type"]]))}
    if field["type"] == "date":
        return {"uniform": sorted(draw(st.lists(DATES, min_size=2, max_size=2)))}
    way = draw(st.sampled_from([way for way in WAYS if way not in ("uniform", "categorical", "constant")]))
    return {way: draw(WAYS[way])}


@st.composite
def columns(draw, field: dict) -> dict:
    if draw(st.integers(0, 5)):
        column = draw(suiting(field))
    else:
        way = draw(st.sampled_from([*WAYS, *OTHER_WAYS]))
        column = {way: draw((WAYS | OTHER_WAYS)[way])}
        if way == "after":
            column |= draw(keys(days=DISTRIBUTIONS) | keys(duration=st.sampled_from(NAMES)))
    for key, value in {
        "missing": st.floats(0, 1),
        "decimals": st.integers(0, 12),
        "spikes": st.dictionaries(st.sampled_from([0.0, 1.0, 2.5]), st.floats(0, 0.4), min_size=1, max_size=2),
        "when": st.dictionaries(st.sampled_from(NAMES), st.lists(ANY, max_size=2), min_size=1, max_size=1),
        "shifts": st.dictionaries(st.sampled_from(NAMES), REAL, max_size=1),
        "intraclass": st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1), min_size=1, max_size=1),
        "times": st.sampled_from(NAMES),
    }.items():
        if draw(st.integers(0, 19)) == 0:
            column[key] = draw(value)
    return column


@st.composite
def outcomes(draw) -> dict:
    ratios = st.dictionaries(st.sampled_from(NAMES), POSITIVE | st.dictionaries(ANY, POSITIVE, max_size=2), max_size=2)
    cause = keys(median=POSITIVE, shape=st.floats(0.05, 100), hazard_ratios=ratios)
    outcome = {
        "event": draw(st.sampled_from(NAMES)),
        "censored": draw(st.sampled_from([0, False, "a"])),
        "causes": draw(st.dictionaries(st.sampled_from([1, 2, True, "b"]), cause, min_size=1, max_size=2)),
        "censoring": draw(st.fixed_dictionaries({}, optional={"at": POSITIVE, "share": st.floats(0, 0.99)})),
    }
    return outcome


@st.composite
def generators(draw, schema: dict) -> dict:
    names = [field["name"] for field in schema["fields"]]
    block = {
        "seed": draw(st.integers(0, 3)),
        "columns": {each["name"]: draw(columns(each)) for each in schema["fields"] if draw(st.booleans())},
    }
    match draw(st.integers(0, 9)):
        case 0:
            few = {each["name"]: bool(each.get("codes") or "enum" in each["constraints"]) for each in schema["fields"]}
            block["crossed"] = {
                name: "codes" if few[name] else draw(st.integers(1, 9))
                for name in draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
            }
            block["columns"] = {name: how for name, how in block["columns"].items() if name not in block["crossed"]}
        case 1 | 2 | 3:
            rows = draw(
                mostly(st.sampled_from([{"constant": 2}, {"poisson": {"mean": 1}}]), {"constant": 0}) | DISTRIBUTIONS
            )
            key = draw(st.sampled_from(names))
            block["for_each"] = {"dataset": "other", "key": key, "parent_key": "x", "rows": rows}
            block["columns"].pop(key, None)
        case _:
            block["rows"] = draw(st.integers(1, 200))
    if draw(st.integers(0, 5)) == 0:
        duration, outcome = draw(st.sampled_from(names)), draw(outcomes())
        block["survival"] = {duration: outcome}
        for name in (duration, outcome["event"]):
            block["columns"].pop(name, None)
    if len(names) > 1 and draw(st.integers(0, 5)) == 0:
        pair = keys(
            between=st.lists(st.sampled_from(names), min_size=2, max_size=2, unique=True),
            spearman=st.floats(-0.99, 0.99),
        )
        block["correlations"] = draw(st.lists(pair, max_size=3))
    return block


def satisfies_its_schema(schema: dict, generator: dict | None, others: dict) -> bool:
    """Whether it was made; if it was refused, in words."""
    dataset = entry(schema["fields"], generator, primaryKey=schema["primaryKey"])
    try:
        table = synthetic_table("toy", dataset, others)
    except CatalogError as error:
        assert "generator: " in str(error)
        return False
    data = table.to_pandas(date_as_object=False)
    for field in dataset.table_schema.fields:
        if field.type == "boolean" and data[field.name].isna().any():
            data[field.name] = data[field.name].astype("float64")
    validate(data, dataset.table_schema, "toy")
    assert table.equals(synthetic_table("toy", dataset, others))
    return True


MANY = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@MANY
@given(st.data())
def test_a_schema_alone_is_satisfied_or_leaves_no_value(data):
    schema = data.draw(schemas())
    try:
        made = satisfies_its_schema(schema, None, {})
    except ValidationError:
        event("no schema")
        return
    event("made" if made else "refused")


@MANY
@given(st.data())
def test_a_generator_is_satisfied_or_refused(data):
    schema, other = data.draw(schemas()), data.draw(schemas())
    try:
        others = {"other": entry(other["fields"], {"rows": 20}, primaryKey=other["primaryKey"])}
        made = satisfies_its_schema(schema, data.draw(generators(schema)), others)
    except ValidationError:
        event("no entry")
        return
    event("made" if made else "refused")
