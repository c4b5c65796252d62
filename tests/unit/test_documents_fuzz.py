"""Whatever is in data_catalog.yaml: a catalogue or a clear error, in bounded time and memory, and no code is run."""

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from test_catalog_mistakes import GOOD

from paillasse.catalog import Catalog, open_catalog
from paillasse.documents import Strict, read_document
from paillasse.errors import CatalogError

SHIPPED = (Path(__file__).resolve().parents[2] / "data_catalog.yaml").read_text(encoding="utf-8")
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def catalogue_or_error(folder: Path, content: str | bytes) -> CatalogError | None:
    file = folder / "data_catalog.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        catalog = open_catalog(file)
    except CatalogError as error:
        assert str(error).startswith("data_catalog.yaml")
        assert len(str(error)) < 100_000
        return error
    assert isinstance(catalog, Catalog)
    assert repr(catalog) and catalog._repr_html_()
    return None


# --- damage to a good file -----------------------------------------------------------------------------------------

ODD_TEXTS = st.sampled_from(
    ["", " ", "\n", "\t", ":", "- ", "{", "}", "[", "]", "&a ", "*a", "!!python/name:os.system ", "? ", "|", ">", "'",
     '"', "#", "%", "@", "`", "---\n", "...", "<<: ", "\x00", "\ud7ff", "\ufeff", "é", "𝒳", "\u2028", "=", "~", "0x",
     "1e999"]
) | st.text(max_size=5)  # fmt: skip


@FUZZ
@given(st.data())
def test_any_damage_to_the_text(tmp_path, data):
    text = SHIPPED
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 30)))
        text = text[:start] + data.draw(ODD_TEXTS) + text[end:]
    catalogue_or_error(tmp_path, text)


@settings(FUZZ, max_examples=200)
@given(st.data())
def test_lines_deleted_doubled_or_moved(tmp_path, data):
    lines = GOOD.splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(lines) - 1))
        taken = lines[place] if data.draw(st.booleans()) else lines.pop(place)
        if data.draw(st.booleans()):
            lines.insert(data.draw(st.integers(0, len(lines))), taken)
    catalogue_or_error(tmp_path, "".join(lines))


@settings(FUZZ, max_examples=200)
@given(st.binary() | st.text().map(lambda text: text.encode()))
def test_anything_at_all(tmp_path, content):
    catalogue_or_error(tmp_path, content)


ODD_VALUES = st.sampled_from(
    [None, True, 0, -1, 1.5, float("nan"), 10**30, "", " ", "x", "${X}/y", "/etc", [], {}, [[]], {"a": {}},
     {1: 2}, ["é"]]
) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9) | st.integers(), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
PARSED = yaml.load(SHIPPED, LOADER)
EVERY_KEY = PARSED | {"datasets": {name: PARSED["datasets"][name] for name in ("colon", "lung_io", "skin_readers")}}


@settings(FUZZ, max_examples=300)
@given(st.data())
def test_any_value_in_any_place(tmp_path, data):
    document = copy.deepcopy(EVERY_KEY)
    for _ in range(data.draw(st.integers(1, 3))):
        inside, key = a_place(document, data)
        value = inside.pop(key)
        match data.draw(st.sampled_from(["replace", "rename", "delete"])):
            case "replace":
                odd = copy.deepcopy(data.draw(ODD_VALUES))
                inside.insert(key, odd) if isinstance(inside, list) else inside.update({key: odd})
            case "rename" if isinstance(inside, dict):
                inside[data.draw(st.sampled_from([0, True, None, "x", 1.5]))] = value
    catalogue_or_error(tmp_path, yaml.dump(document, Dumper=DUMPER, allow_unicode=True))


def a_place(document: dict, data) -> tuple[dict | list, str | int]:
    """A dictionary or list in the document, and one of its keys: any, however deep."""
    places = [(document, key) for key in document]
    assume(places)
    for inside, key in places:  # grows while it is walked
        below = inside[key]
        if isinstance(below, (dict, list)):
            places += [(below, each) for each in (below if isinstance(below, dict) else range(len(below)))]
    return places[data.draw(st.integers(0, len(places) - 1))]


# --- no code, no aliases -------------------------------------------------------------------------------------------

CODE = st.sampled_from(
    ["!!python/object/apply:os.system ['touch owned']", "!!python/object/new:os.system [touch owned]",
     "!!python/object/apply:subprocess.check_call [[touch, owned]]", "!!python/object/apply:builtins.open [owned, w]",
     "!!python/object/apply:builtins.exec ['open(\"owned\", \"w\")']", "!!python/name:os.system x",
     "!!python/module:antigravity x", "!<tag:yaml.org,2002:python/object/apply:os.system> [touch owned]", "!!map {}",
     "!own x", "!!binary b3duZWQ=", "&a x", "*a"]
)  # fmt: skip
VALUES = [place for place in range(len(GOOD)) if GOOD[place - 2 : place] in (": ", "- ")]


@settings(FUZZ, max_examples=200)
@given(CODE, st.sampled_from(VALUES))
def test_a_tag_an_anchor_or_an_alias_is_refused_in_front_of_any_value(tmp_path, code, place):
    imported = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert catalogue_or_error(tmp_path, GOOD[:place] + code + "\n" + GOOD[place:]) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["data_catalog.yaml"]
    assert not {"antigravity"} & (set(sys.modules) - imported)


# --- bounded time and memory ---------------------------------------------------------------------------------------

MILLION = 1_000_000


def numbered(pattern: str, n: int) -> str:
    return "".join(pattern.replace("#", str(i)) for i in range(n))


def in_place_of(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


BOMBS = {
    "one long text": lambda: "a: " + "x" * 10 * MILLION,
    "one long choice": lambda: in_place_of("sensitivity: public", "sensitivity: " + "x" * 10 * MILLION),
    "one long key": lambda: GOOD + "? " + "x" * 10 * MILLION + "\n: 1\n",
    "one long number": lambda: "a: 1" + ":59" * 3 * MILLION,
    "one long hexadecimal number": lambda: "a: 0x" + "f" * 10 * MILLION,
    "one long e-mail": lambda: in_place_of("steward@example.org", "a@" + "." * MILLION + "@"),
    "one long blank": lambda: in_place_of("title: Toys", "title: '" + " " * 10 * MILLION + "'"),
    "a list of numbers": lambda: in_place_of("    schema:", f"    keywords: [{'1,' * 5 * MILLION}]\n    schema:"),
    "as many wrong values as there may be": lambda: in_place_of(
        "    schema:", f"    keywords: [{'1,' * 490_000}]\n    schema:"
    ),
    "a million keys": lambda: GOOD + numbered("k#:\n", MILLION),
    "a million data sets": lambda: "datasets:\n" + numbered("  k#: {}\n", MILLION),
    "very many fields": lambda: in_place_of(
        "      primaryKey: age",
        numbered("        - {name: n#, type: integer, description: x}\n", 50_000)
        + f"      primaryKey: [{'age, ' * 50_000}]",
    ),
    "very many codes": lambda: in_place_of("{a: wooden, b: woollen}", "{" + numbered("c#: x, ", 200_000) + "}"),
    "a billion laughs": lambda: "a: &a [x]\n" + numbered("b#: &b# [" + "*a, " * 9 + "]\n", 9),
    "directives": lambda: numbered("%TAG !a#! tag:x#\n", 400_000) + "--- a",
    "directives behind the document": lambda: GOOD + "...\n" + numbered("%TAG !a#! tag:x#\n", 400_000) + "--- a",
    "brackets": lambda: "[" * 10 * MILLION,
    "question marks": lambda: "? " * 5 * MILLION,
    "indentation": lambda: "".join(" " * i + "a:\n" for i in range(4000)),
    "documents": lambda: "---\n" * 2 * MILLION,
    "line ends": lambda: GOOD + "\n" * 10 * MILLION,
    "zeros": lambda: "\0" * 10 * MILLION,
    "too many bytes": lambda: "#" * 21 * MILLION,
}
OPENED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
from paillasse.catalog import open_catalog
from paillasse.errors import CatalogError
try:
    print(len(open_catalog(sys.argv[1])))
except CatalogError as error:
    print(error)
"""


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_document_that_is_a_bomb_needs_less_than_20_cpu_seconds_and_1_gb(tmp_path, bomb):
    pytest.importorskip("resource", reason="the limits are Unix's")
    file = tmp_path / "data_catalog.yaml"
    file.write_text(bomb(), encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", OPENED, str(file)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1\n" or done.stdout.startswith("data_catalog.yaml")


# --- what is read --------------------------------------------------------------------------------------------------


class Anything(Strict):
    """A document with one key."""

    a: Any


def values_and_lines(folder: Path, text: str):
    file = folder / "a.yaml"
    file.write_bytes(text.encode())
    document, lines = read_document(file, Anything, CatalogError)
    return document.a, lines


WORDS = st.sampled_from(
    ["yes", "No", "on", "~", "null", "Null", "=", "<<", "1_000", "0o7", "017", "0b11", "1:30", "1e3", "1.e+3", ".5",
     "-.inf", ".nan", "2020-01-02", "2020-1-2", "2020-01-02 03:04:05", "+1", "- 1", "x", "a b", "y", "n", "0x1F",
     "TRUE", "-", "."]
)  # fmt: skip


@settings(FUZZ, max_examples=300)
@given(WORDS | st.integers().map(str) | st.dates().map(str) | st.floats().map(str))
@example("1" * 90)
def test_a_word_without_quotes_means_what_it_means_to_safe_load(tmp_path, word):
    text = f"a: {word}\n"
    try:
        expected = yaml.load(text, LOADER)["a"]
    except (yaml.YAMLError, ValueError):
        assume(False)
    found, _ = values_and_lines(tmp_path, text)
    assert repr(found) == repr(expected)


@FUZZ
@given(ODD_VALUES, st.booleans())
def test_values_are_those_of_safe_load_and_each_line_is_where_its_key_stands(tmp_path, value, flow):
    text = yaml.dump({"a": value}, Dumper=DUMPER, default_flow_style=flow, allow_unicode=True)
    assume("&" not in text and "*" not in text)
    found, lines = values_and_lines(tmp_path, text)
    assert repr(found) == repr(yaml.load(text, LOADER)["a"])
    nodes = [(("a",), yaml.compose(text, LOADER).value[0][1], found)]
    for place, node, inside in nodes:  # grows while it is walked
        if isinstance(inside, dict):
            for (key_node, below), key in zip(node.value, inside):
                assert lines[(*place, key)] == key_node.start_mark.line + 1
                nodes.append(((*place, key), below, inside[key]))
        elif isinstance(inside, list):
            for i, below in enumerate(node.value):
                assert lines[(*place, i)] == below.start_mark.line + 1
                nodes.append(((*place, i), below, inside[i]))
