"""From a Frictionless table schema, in which the French Health Data Hub publishes the dictionary of the SNDS."""

import datetime
import json
from pathlib import Path

from paillasse.catalog.drafts.started import Column, Started, points_to, short_name
from paillasse.catalog.model import PYTHON_TYPES
from paillasse.errors import InputError

OF_FIELD = {"name", "type", "title", "description", "unit", "constraints"}
OF_SCHEMA = {"name", "title", "description", "fields", "missingValues", "primaryKey", "foreignKeys"}
VALUES = {"example", "examples"}  # may be a patient's: their being there is told, not what they are
LONGEST = 200  # letters of another key's value


def from_frictionless(path: Path) -> Started:
    """The table that the schema describes; what has no place in an entry is kept as a comment."""
    schema = _read(path)
    started = Started(
        origin=path.name,
        name=_text(schema.get("name")) or path.stem,
        columns=[_column(field) for field in schema["fields"]],
        source={"driver": "postgres", "dsn": "${TODO}", "table": "TODO"},
        title=_text(schema.get("title")),
        description=_text(schema.get("description")),
        remarks=_others(schema, OF_SCHEMA),
    )
    _keys(schema, started)
    return started


def _read(path: Path) -> dict:
    try:
        schema = json.loads(path.read_bytes().decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise InputError(f"{path.name}:{error.lineno}: not valid JSON") from None
    except (ValueError, RecursionError):  # other bytes, a number of 5000 digits, 100,000 open brackets
        raise InputError(f"{path.name}: not JSON in UTF-8 that can be read") from None
    fields = schema.get("fields") if isinstance(schema, dict) else None
    if not isinstance(fields, list) or not all(_text(_dict(each).get("name")) for each in fields):
        raise InputError(
            f"{path.name}: not a Frictionless table schema: expected the key 'fields', a list of columns with names; "
            "of a data package, give the schema of one resource"
        )
    return schema


def _column(field: dict) -> Column:
    kind = field.get("type", "string")
    known = isinstance(kind, str) and kind in PYTHON_TYPES
    column = Column(field["name"], kind if known else "string", unit=_text(field.get("unit")))
    title, column.description = _text(field.get("title")), _text(field.get("description"))
    if title and not column.description:
        column.description = title
    elif title and title != column.description:
        column.remarks.append(f"title: {title}")
    if not known:
        column.remarks.append(f"TODO: its Frictionless type is {_short(kind)}, which the catalogue has not")
    for key, value in _dict(field.get("constraints")).items():
        taken = _constraint(key, value, column.type)
        if taken is None:
            column.remarks.append(f"constraint {key}: {_short(value)}")
        else:
            column.constraints[key] = taken
    column.remarks += _others(field, OF_FIELD)
    if "constraints" in field and not isinstance(field["constraints"], dict):
        column.remarks.append(f"constraints: {_short(field['constraints'])}")
    return column


def _constraint(key: str, value, kind: str):
    """The constraint's value as the catalogue takes it; None where it does not."""
    match key:
        case "required" | "unique":
            return value if isinstance(value, bool) else None
        case "minimum" | "maximum" if kind not in ("string", "boolean"):
            return of_type(value, kind)
        case "enum" if isinstance(value, list) and value:
            values = [of_type(each, kind) for each in value]
            return None if None in values else values
    return None


def of_type(value, kind: str):
    """A value, which in JSON may stand as a text, in the column's type; None if it is none."""
    try:
        if isinstance(value, str) and kind != "string":
            match kind:
                case "date":
                    value = datetime.date.fromisoformat(value)
                case "boolean":
                    value = {"true": True, "false": False}.get(value.lower())
                case "number" if not value.lstrip("+-").isdigit():
                    value = float(value)
                case _:
                    value = int(value)
    except ValueError:
        return None
    fits = isinstance(value, PYTHON_TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
    finite = not isinstance(value, float) or abs(value) < float("inf")
    return value if fits and finite else None


def _keys(schema: dict, started: Started) -> None:
    """`missingValues`, `primaryKey` and `foreignKeys`, as far as the catalogue has such ones."""
    names = {column.name for column in started.columns}
    missing = schema.get("missingValues")
    if isinstance(missing, list) and missing and all(isinstance(each, str) for each in missing):
        if missing != [""]:
            started.schema_keys["missingValues"] = missing
    elif missing is not None:
        started.remarks.append(f"missingValues: {_short(missing)}")
    primary = _names(schema.get("primaryKey"))
    if primary and set(primary) <= names:
        started.schema_keys["primaryKey"] = primary
    elif schema.get("primaryKey"):
        started.remarks.append(f"primaryKey: {_short(schema['primaryKey'])}")
    keys = schema.get("foreignKeys")
    for key in keys if isinstance(keys, list) else []:
        reference = _dict(_dict(key).get("reference"))
        mine, theirs = _names(_dict(key).get("fields")), _names(reference.get("fields"))
        if mine and theirs and set(mine) <= names and _text(reference.get("resource")):
            target = short_name(reference["resource"])
            taken = {"fields": mine, "reference": {"resource": target, "fields": theirs}}
            started.schema_keys.setdefault("foreignKeys", []).append(taken)
            started.remarks.append(points_to(target))
        else:
            started.remarks.append(f"foreignKeys: {_short(key)}")
    if keys is not None and not isinstance(keys, list):
        started.remarks.append(f"foreignKeys: {_short(keys)}")


def _others(mapping: dict, known: set[str]) -> list[str]:
    """The keys that have no place in an entry, as remarks."""
    remarks = []
    for key, value in mapping.items():
        if key in VALUES:
            remarks.append(f"{key}: not copied, for it may be a patient's")
        elif key not in known and value is not None and (key, value) != ("format", "default"):
            remarks.append(f"{key}: {_short(value)}")
    return remarks


def _text(value) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _dict(value) -> dict:
    return value if isinstance(value, dict) else {}


def _names(value) -> list[str]:
    """One name or several."""
    names = [value] if isinstance(value, str) else value
    return names if isinstance(names, list) and all(isinstance(each, str) for each in names) else []


def _short(value) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"
