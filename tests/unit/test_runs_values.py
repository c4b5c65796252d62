"""What values a parameter may have, as its line in the parameters cell says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paillasse.errors import NotebookError
from paillasse.runs.parameters import _assignments as assignments
from paillasse.runs.values import Values


def values(line: str) -> Values:
    (parameter,) = assignments(line)
    return parameter.values


ALLOWED = [
    ('x: Literal["a", "b"] = "a"', ["b"]),
    ('x: typing.Literal["a", "b"] = "a"', ["b"]),
    ('x: Literal["a", "b"] | None = None', ["b", None]),
    ('x: list[Literal["a", "b"]] = ["a"]', [["b", "a"], []]),
    ("x: Literal[1, 2] = 1", [2]),
    ("x: Literal[Colour.RED] = 1", ["anything"]),
    ('x: Literal["a"] | int = 1', [7]),
    ("x: Optional[float] = None", [1, 2.5, None]),
    ("x: str | list[str] = ''", ["a", ["a"]]),
    ("x: dict[str, float] = {}", [{"a": 1}]),
    ("x: dict[str, list[int]] = {}", [{"a": [1]}]),
    ("x: tuple[float, float] = (0, 1)", [[2, 3]]),
    ("x: list[str] | dict = {}", [["a"], {"a": 1}]),
    ("x: Path | None = None", ["anything", 5]),
    ("x = (0, 1)", [[2]]),
    ('x = "death"  # what is counted; one of: death, relapse', ["relapse"]),
    ('x = "death"  # One of: death, relapse; relapse is local', ["relapse"]),
    ("x = ''  # one of: '', \"CR/PR\", partial response", ["CR/PR", "partial response", ""]),
    ("x = 1  # one of: 1, 2.5, -3", [2.5, -3]),
    ('x = "1"  # one of: 1, 2', ["2"]),
    ('x = ["a"]  # one of: a, b', [["b"], []]),
    ("x = [1]  # one of: 1, 2", [[2, 1]]),
    ("x = None  # one of: a, b", [None, "b"]),
    ("x: str | None = None  # one of: a, b", [None, "b"]),
    ("x = 0.95  # level; from 0 to 1", [0, 1, 0.5]),
    ("x = None  # from 0 to 1", [None, 0.5]),
    ("x = [0, 1]  # from 0 to 1", [[0.5]]),
]


@pytest.mark.parametrize(("line", "value"), [(line, value) for line, allowed in ALLOWED for value in allowed])
def test_a_value_that_the_line_allows_is_no_problem(line, value):
    assert values(line).problem(value) is None


REFUSED = [
    ('x: Literal["a", "b"] = "a"', "c", "expected one of a, b; got 'c'"),
    ('x: Literal["a", "b"] = "a"', None, "expected one of a, b; got nothing"),
    ('x: Literal["a", "b"] | None = None', "c", "expected one of a, b or null; got 'c'"),
    ('x: Literal["death", "b"] = "b"', "deaht", "expected one of death, b; got 'deaht'. Did you mean 'death'?"),
    ('x: list[Literal["a", "b"]] = []', ["a", "c"], "[1]: expected one of a, b; got 'c'"),
    ("x: Literal[1, 2] = 1", True, "expected one of 1, 2; got True"),
    ("x: Literal[1, 2] = 1", 1.0, "expected one of 1, 2; got 1.0"),
    ("x: list[str] = []", ["a", 1], "[1]: expected text; got 1 (put it in quotes)"),
    ("x: list[str] = []", "a", "expected a list; got 'a'"),
    ("x: dict[str, float] = {}", {"a": 1, "b": "x"}, "[b]: expected a number; got 'x'"),
    ("x: dict[str, list[int]] = {}", {"a": [2.5]}, "[a][0]: expected a whole number; got 2.5"),
    ("x: str | list[str] = ''", [1], "[0]: expected text; got 1 (put it in quotes)"),
    ('x = "no"  # one of: yes, no', False, "expected one of yes, no; got False (put it in quotes)"),
    ('x = "1"  # one of: 1, 2', 2, "expected one of 1, 2; got 2 (put it in quotes)"),
    ("x = ''  # one of: '', a", "b", "expected one of '', a; got 'b'"),
    ("x = 1  # one of: 1, 2", "1", "expected one of 1, 2; got '1'"),
    ("x: int = 1  # one of: 1, 2", 1.0, "expected one of 1, 2; got 1.0"),
    ("x = []  # one of: a, b", ["c"], "[0]: expected one of a, b; got 'c'"),
    ("x = 0.95  # level; from 0.5 to 0.999", 95, "expected a number from 0.5 to 0.999; got 95"),
    ("x: int | None = 1  # from 0 to 10", 11, "expected a whole number from 0 to 10 or null; got 11"),
    ("x = [0, 1]  # from 0 to 1", [0, 2], "[1]: expected a number from 0 to 1; got 2"),
]


@pytest.mark.parametrize(("line", "value", "problem"), REFUSED)
def test_a_value_that_the_line_does_not_allow_is_told_with_what_it_does(line, value, problem):
    assert values(line).problem(value) == problem


@pytest.mark.parametrize(
    "line",
    [
        'x = "a"  # one of the columns, death or relapse',
        'x = "a"  # "a" or "b"',
        'x = "a"  # not one of: a, b',
        "x = 5  # years, from 0 to 9",
        "x = 5  # follow-up; from 0 to 9 years",
        'x = "a"  # from 0 to 1',
        'x = ["a"]  # from 0 to 1',
    ],
)
def test_a_comment_in_prose_is_no_rule(line):
    plain = values(line.partition("#")[0])
    found = values(line)
    assert (found.types, found.choices, found.least) == (plain.types, (), None)
    assert found.problem(["anything"] if list in found.types else plain.types[0](7)) is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('x = "a"  # one of: a', "two or more words or numbers with a comma between"),
        ('x = "a"  # one of: a or b', "two or more words or numbers with a comma between"),
        ('x = "a"  # one of: a, b or c', "two or more words or numbers with a comma between"),
        ('x = "a"  # one of: a, b (local)', "two or more words or numbers with a comma between"),
        ('x = "a"  # one of: a, , b', "two or more words or numbers with a comma between"),
        ("x = {}  # one of: a, b", "two or more words or numbers with a comma between"),
        ("x: int = 1  # one of: 1, b", "not of its type: expected a whole number; got 'b'"),
        ("x = True  # one of: yes, no", "not of its type: expected true or false; got 'yes'"),
        ('x: Literal["a", "b"] = "a"  # one of: a, c', "not of its type: expected one of a, b; got 'c'"),
        ('x = "c"  # one of: a, b', "its default breaks its own rule: expected one of a, b; got 'c'"),
        ("x = 95  # level; from 0 to 1", "its default breaks its own rule: expected a number from 0 to 1; got 95"),
        ('x: Literal["a", "b"] = "c"', "its default breaks its own rule"),
        ("x: float = None", "its default breaks its own rule: expected a number; got nothing"),
        ('x: list[int] = [1, "a"]', "its default breaks its own rule: [1]: expected a whole number; got 'a'"),
    ],
)
def test_a_line_that_contradicts_itself_is_a_mistake_in_the_notebook(line, expected):
    with pytest.raises(NotebookError) as error:
        values(line)
    assert str(error.value).startswith("line 1 of its parameters cell: x: ")
    assert expected in str(error.value)


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
INSIDE = dict(max_size=3)
ANY_VALUE = st.recursive(PLAIN, lambda part: st.lists(part, **INSIDE) | st.dictionaries(st.text(), part, **INSIDE))
LINES = [line for line, _ in ALLOWED]


@given(st.sampled_from(LINES), ANY_VALUE)
def test_every_value_is_allowed_or_refused_in_words(line, value):
    problem = values(line).problem(value)
    assert problem is None or "expected " in problem


@given(st.lists(st.from_regex(r"[a-zA-Z][\w.+-]*", fullmatch=True), min_size=2, unique=True), st.data())
def test_choices_in_a_comment_are_those_of_a_literal(choices, data):
    default = data.draw(st.sampled_from(choices))
    literal = values(f"x: Literal[{', '.join(map(repr, choices))}] = {default!r}")
    assert values(f"x = {default!r}  # text; one of: {', '.join(choices)}") == literal
