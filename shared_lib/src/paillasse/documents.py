"""YAML documents that people write (`data_catalog.yaml`, `runs.yaml`): read strictly, checked against a model.

Whatever is wrong is said with file, line, key and what was expected, all mistakes at once. Built on the YAML parser's
events instead of `yaml.safe_load`, because that forgets the lines, lets a repeated key win silently, and kills the
process on a few thousand open brackets.
"""

import gc
import re
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, TypeVar, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError
from yaml import AliasEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent

from paillasse.errors import PaillasseError, did_you_mean

MAX_DEPTH = 20  # the deepest place of a catalogue is a constraint's list, at 8
MAX_BYTES = 20_000_000  # a thousand data sets of eleven columns need 4 MB and 150,000 values
MAX_VALUES = 500_000
MOST_TOLD = 100  # mistakes
LONGEST_NUMBER = 100  # in characters; Python needs minutes for some of a million
DIRECTIVE = re.compile("%(?:(?<=\\A%)|(?<=[\n\r\x85\u2028\u2029\ufeff]%))")  # % begins a line; looks only where a % is
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
FIRST_LETTERS = LOADER.yaml_implicit_resolvers.keys()  # of what is not text though it has no quotes

Place = tuple[str | int | float, ...]
Model = TypeVar("Model", bound=BaseModel)

EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "date_type": "a date",
    "date_from_datetime_inexact": "a date",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
}


class Strict(BaseModel):
    """A part of a document: unknown keys are errors, and 1 is not taken for "1"."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def mistake(message: str) -> PydanticCustomError:
    """What a model's validator raises: its message is shown as it is, behind file, line and key."""
    return PydanticCustomError("mistake", "{message}", {"message": message})


@dataclass(frozen=True)
class Matching(AfterValidator):
    """A check of a text whose pattern is also shown in a JSON Schema."""

    pattern: str

    def __get_pydantic_json_schema__(self, schema, handler) -> dict:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


def text_of(pattern: str, expected: str, secret: bool = False) -> Matching:
    """For a text's annotation: the whole of it must match the pattern, which `expected` puts into words.

    What may hold a credential, a `secret`, is not repeated in the message.
    """
    fullmatch = re.compile(pattern).fullmatch

    def check(text: str) -> str:
        if not fullmatch(text):
            given = "never a password in this file" if secret else f"got {shortened(text)}"
            raise mistake(f"expected {expected}; {given}")
        return text

    return Matching(check, pattern)


Text = Annotated[str, text_of(r"[\s\S]*\S[\s\S]*", "some text")]


class Lines:
    """Place (the keys that lead there) → line, counted from 1; found when first asked for: few files have mistakes."""

    def __init__(self, text: str, values: object):
        self._text = text
        self._values = values

    def __getitem__(self, place: Place) -> int:
        """The line of the place, or of the nearest one around it: a missing key has none of its own."""
        while place and place not in self._noted:
            place = place[:-1]
        return self._noted.get(place, 1)

    @cached_property
    def _noted(self) -> dict[Place, int]:
        """The parser's events once more, beside the values that were built from them."""
        lines: dict[Place, int] = {}
        events = LOADER(self._text)

        def walk(values: dict | list, place: Place) -> None:
            events.get_event()  # its start
            for key in values if isinstance(values, dict) else range(len(values)):
                lines[*place, key] = events.peek_event().start_mark.line + 1
                if isinstance(values, dict):
                    events.get_event()  # the key
                if isinstance(values[key], (dict, list)):
                    walk(values[key], (*place, key))
                else:
                    events.get_event()
            events.get_event()  # its end

        events.get_event()  # the stream's start
        events.get_event()  # the document's start
        if isinstance(self._values, (dict, list)):
            walk(self._values, ())
        return lines


@contextmanager
def without_collector():
    """Python's search for garbage in cycles waits: there is none here, and it takes a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@without_collector()
def read_document(path: Path, model: type[Model], error: type[PaillasseError]) -> tuple[Model, Lines]:
    """Read a document and check it.

    Parameters
    ----------
    path
        The file, UTF-8.
    model
        What the document may say.
    error
        The class to raise, one of `paillasse.errors`.

    Returns
    -------
    document, lines
        The model's instance; and where in the file its values stand.

    Raises
    ------
    error
        Not a readable UTF-8 text, not YAML, too large, a tag, an anchor, a directive, a key given twice; or, one a
        line, the first hundred things that the model does not allow:
        `data_catalog.yaml:17: datasets.gbsg.sensitivity: expected one of …`.
    """
    values, lines = _values(path, model, error)
    try:
        return model.model_validate(values), lines
    except ValidationError as refusal:
        found = refusal.errors(include_url=False)
    by_place: dict[Place, list[dict]] = {}
    for each in found[: 100 * MOST_TOLD]:
        by_place.setdefault(_place(values, each), []).append(each)
    first = sorted(by_place, key=lines.__getitem__)[:MOST_TOLD]
    text = told(path.name, lines, [(place, _wording(place, by_place[place], model)) for place in first])
    more = f"\n{path.name}: and more mistakes; these are the first {MOST_TOLD}" if len(by_place) > MOST_TOLD else ""
    raise error(text + more)


def told(file_name: str, lines: Lines, mistakes: Iterable[tuple[Place, str]]) -> str:
    """Mistakes as a reader needs them: one a line, in the order of the file, each with line and key."""
    placed = sorted((lines[place], f"{_dotted(place)}{what}") for place, what in mistakes)
    return "\n".join(f"{file_name}:{line}: {text}" for line, text in placed)


# Text → values and lines


def _values(path: Path, model: type[BaseModel], error: type[PaillasseError]) -> tuple[object, Lines]:
    text = _text(path, error)
    if directive := DIRECTIVE.search(text):  # libyaml needs over a minute for 400,000 of them
        line = text.count("\n", 0, directive.end()) + 1
        raise error(f"{path.name}:{line}: a line that begins with '%' is not allowed; remove or indent it")
    try:
        reader = _Reader(path.name, text, error)
        if reader.is_empty():
            key = next(name for name, field in model.model_fields.items() if field.is_required())
            raise error(f"{path.name}: the file is empty; it needs the key {key!r}")
        values = reader.document()
        return values, Lines(text, values)
    except yaml.MarkedYAMLError as problem:
        line = (problem.problem_mark or problem.context_mark).line + 1
        hint = " (indent with spaces, YAML allows no tab)" if "\t" in _line_of_text(text, line) else ""
        raise error(f"{path.name}:{line}: not valid YAML: {problem.problem}{hint}") from None
    except yaml.reader.ReaderError as problem:
        line = text.count("\n", 0, problem.position) + 1 if isinstance(problem.position, int) else 1
        raise error(f"{path.name}:{line}: not valid YAML: a control character; remove it") from None


def _text(path: Path, error: type[PaillasseError]) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise error(f"{path.name}: larger than {MAX_BYTES:,} bytes; no text that people write is so large")
        content = path.read_bytes()
    except OSError as problem:
        raise error(f"{path.name}: cannot be read: {problem.strerror}") from None
    try:
        return content.decode("utf-8-sig")  # an editor's byte order mark does no harm
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise error(f"{path.name}:{line}: not UTF-8 text; save the file as UTF-8") from None


def _line_of_text(text: str, number: int) -> str:
    lines = text.split("\n")
    return lines[number - 1] if number <= len(lines) else ""


class _Reader:
    """Builds the values from the parser's events: the same as YAML 1.1's safe values, without tags and aliases."""

    def __init__(self, file_name: str, text: str, error: type[PaillasseError]):
        self.loader = LOADER(text)
        self.next_event = self.loader.get_event
        self.file_name = file_name
        self.error = error
        self.plain: dict[str, object] = {}  # texts without quotes that were resolved: most are there many times
        self.count = 0

    def is_empty(self) -> bool:
        """Whether there is nothing but comments; leaves the loader before the document's start."""
        self.next_event()  # the stream's start
        return self.loader.check_event(yaml.StreamEndEvent)

    def document(self) -> object:
        self.next_event()  # the document's start
        values = self.value(self.next_event(), 0)
        self.next_event()  # the document's end
        if not self.loader.check_event(yaml.StreamEndEvent):
            raise self.refusal(self.loader.peek_event(), "a second document begins here ('---'); keep one in the file")
        return values

    def value(self, event, depth: int) -> object:
        kind = type(event)
        if kind is AliasEvent or event.anchor is not None:
            raise self.refusal(event, "anchors and aliases (& and *) are not used here; write the value out")
        if event.tag is not None and event.tag != "!":
            raise self.refusal(event, "a tag ('!…') is not allowed; write the plain value")
        if depth > MAX_DEPTH:
            raise self.refusal(event, f"nested deeper than {MAX_DEPTH} levels")
        self.count += 1
        if self.count > MAX_VALUES:
            raise self.refusal(event, f"more than {MAX_VALUES:,} keys and values; no text of people has so many")
        if kind is ScalarEvent:
            # Quoted, a text block, or no number, date, true or false begins like this.
            if not event.implicit[0] or event.value[:1] not in FIRST_LETTERS:
                return event.value
            if event.value not in self.plain:
                self.plain[event.value] = self.resolved(event)
            return self.plain[event.value]
        return self.mapping(depth + 1) if kind is MappingStartEvent else self.sequence(depth + 1)

    def mapping(self, depth: int) -> dict:
        values, marks = {}, []
        while type(event := self.next_event()) is not MappingEndEvent:
            key = self.value(event, depth)
            if isinstance(key, (dict, list)):
                raise self.refusal(event, "a key must be a word or a number")
            if key in values:
                first = marks[list(values).index(key)].line + 1
                raise self.refusal(event, f"the key {shortened(key)} is given twice (first on line {first})")
            marks.append(event.start_mark)
            values[key] = self.value(self.next_event(), depth)
        return values

    def sequence(self, depth: int) -> list:
        values = []
        while type(event := self.next_event()) is not SequenceEndEvent:
            values.append(self.value(event, depth))
        return values

    def resolved(self, event) -> object:
        """The text without quotes as a number, a date, true, false or nothing where it is one."""
        tag = self.loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        if tag.rpartition(":")[2] in ("str", "merge", "value"):  # also `<<` and `=`, which mean nothing here
            return event.value
        try:
            if len(event.value) > LONGEST_NUMBER:
                raise OverflowError
            node = yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark)
            return self.loader.construct_object(node)
        except (ValueError, OverflowError):  # 2020-13-45, or a number of 5000 digits
            raise self.refusal(event, "neither a date nor a number, though it looks like one; quote it") from None

    def refusal(self, event, message: str) -> PaillasseError:
        return self.error(f"{self.file_name}:{event.start_mark.line + 1}: {message}")


# What the model does not allow → words


def _place(values: object, mistake: dict) -> Place:
    """Where in the file: pydantic's location without what it adds (a union's branch, `[key]`)."""
    place = []
    for part in mistake["loc"]:
        inside = isinstance(values, dict) and part in values
        if inside or (isinstance(values, list) and isinstance(part, int)):
            values = values[part]
            place.append(part)
    if mistake["type"] == "missing":
        place.append(mistake["loc"][-1])
    return tuple(place)


def _dotted(place: Place) -> str:
    """`datasets.gbsg.schema.fields[3].type: `, as a reader would write it."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{_cut(str(part))}"
    return text.lstrip(".") + ": " if text else ""


def _wording(place: Place, mistakes: list[dict], model: type[BaseModel]) -> str:
    """What is wrong at one place. Several mistakes there are the branches of a union: each says one way to be right."""
    first = mistakes[0]
    given = first["input"]
    match first["type"]:
        case "missing":
            return "required, but not there"
        case "extra_forbidden":
            return f"unknown key. {did_you_mean(_cut(str(place[-1])), _keys_of(model, place[:-1]))}"
        case "literal_error":
            known = re.findall(r"'([^']*)'", first["ctx"]["expected"])
            expected = f"expected one of {', '.join(known)}"
            return f"{expected}; got {shortened(given)}. {did_you_mean(_cut(str(given)), known)}"
        case "mistake":
            return first["ctx"]["message"]
        case "too_short":
            return "expected at least one; got none"
        case "greater_than":
            return f"expected a number above {first['ctx']['gt']:g}; got {shortened(given)}"
        case "greater_than_equal":
            return f"expected at least {first['ctx']['ge']:g}; got {shortened(given)}"
    expected = dict.fromkeys(EXPECTED.get(each["type"], _pydantic_wording(each)) for each in mistakes)
    could_be_text = "text" in expected and "a finite number" not in expected
    quoted = " (put it in quotes)" if could_be_text and not isinstance(given, (dict, list, type(None))) else ""
    return f"expected {' or '.join(expected)}; got {shortened(given)}{quoted}"


def _pydantic_wording(mistake: dict) -> str:
    return re.sub(r"^Input should be ", "", mistake["msg"])


def shortened(value: object) -> str:
    """What was given, for a message; not an address, in which a password may be."""
    match value:
        case dict():
            return "keys with values"
        case list():
            return "a list"
        case None:
            return "nothing"
        case str() if "://" in value:
            return "an address"
        case str():
            return repr(_cut(value))
    return _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _keys_of(model: type[BaseModel], place: Place) -> list[str]:
    """The keys that the model knows at a place."""
    here = model
    for part in place:
        if isinstance(here, type) and issubclass(here, BaseModel):
            fields = {field.alias or name: field.annotation for name, field in here.model_fields.items()}
            here = fields[part]
            if type(None) in get_args(here):  # an optional block
                here = get_args(here)[0]
        else:
            here = get_args(here)[-1]  # the items of a list, the values of a dictionary
    return [field.alias or name for name, field in here.model_fields.items()]
