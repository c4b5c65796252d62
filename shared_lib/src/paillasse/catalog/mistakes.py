"""Values of `data_catalog.yaml` → a validated document, or all its mistakes at once, each with line, key and remedy."""

import re
from typing import get_args

from pydantic import BaseModel, ValidationError

from paillasse.catalog.document import Lines, Place
from paillasse.catalog.model import Document
from paillasse.errors import CatalogError, did_you_mean

EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "date_type": "a date",
    "date_from_datetime_inexact": "a date",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
}


def checked(values: object, lines: Lines, file_name: str) -> Document:
    """The document, if there is no mistake in it.

    Parameters
    ----------
    values, lines
        What `paillasse.catalog.document.read_document` found.
    file_name
        For the messages.

    Raises
    ------
    CatalogError
        One mistake a line, as `data_catalog.yaml:17: datasets.gbsg.sensitivity: expected one of …`.
    """
    try:
        return Document.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)

    by_place: dict[Place, list[dict]] = {}
    for mistake in found:
        by_place.setdefault(_place(values, mistake), []).append(mistake)
    messages = sorted(
        (_line(place, lines), f"{_dotted(place)}{_wording(place, mistakes)}") for place, mistakes in by_place.items()
    )
    raise CatalogError("\n".join(f"{file_name}:{line}: {message}" for line, message in messages))


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


def _line(place: Place, lines: Lines) -> int:
    """The line of the place, or of the nearest one around it: a missing key has none of its own."""
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place, 1)


def _dotted(place: Place) -> str:
    """`datasets.gbsg.schema.fields[3].type: `, as a reader would write it."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") + ": " if text else ""


def _wording(place: Place, mistakes: list[dict]) -> str:
    """What is wrong at one place. Several mistakes there are the branches of a union: each says one way to be right."""
    first = mistakes[0]
    match first["type"]:
        case "missing":
            return "required, but not there"
        case "extra_forbidden":
            return f"unknown key. {did_you_mean(place[-1], _keys_of(place[:-1]))}"
        case "literal_error":
            known = re.findall(r"'([^']*)'", first["ctx"]["expected"])
            given = first["input"]
            return f"expected one of {', '.join(known)}; got {_short(given)}. {did_you_mean(given, known)}"
        case "mistake":
            return first["ctx"]["message"]
        case "too_short":
            return "expected at least one; got none"
    expected = dict.fromkeys(EXPECTED.get(each["type"], _pydantic_wording(each)) for each in mistakes)
    given = first["input"]
    quoted = " (put it in quotes)" if "text" in expected and not isinstance(given, (dict, list, type(None))) else ""
    return f"expected {' or '.join(expected)}; got {_short(given)}{quoted}"


def _pydantic_wording(mistake: dict) -> str:
    return re.sub(r"^Input should be ", "", mistake["msg"])


def _short(value: object) -> str:
    match value:
        case dict():
            return "keys with values"
        case list():
            return "a list"
        case None:
            return "nothing"
    text = repr(value) if isinstance(value, (str, bool)) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _keys_of(place: Place) -> list[str]:
    """The keys that the model knows at a place."""
    here = Document
    for part in place:
        if isinstance(here, type) and issubclass(here, BaseModel):
            fields = {field.alias or name: field.annotation for name, field in here.model_fields.items()}
            here = fields[part]
            if type(None) in get_args(here):  # an optional block
                here = get_args(here)[0]
        else:
            here = get_args(here)[-1]  # the items of a list, the values of a dictionary
    return [field.alias or name for name, field in here.model_fields.items()]
