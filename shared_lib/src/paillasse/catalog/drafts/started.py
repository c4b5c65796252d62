"""What is known of a table once its description or its file has been read, and how its parts are written in YAML."""

import re
from dataclasses import dataclass, field

import yaml

from paillasse.errors import DataError

# Parts of the names of columns that tell who a patient is, or which of several.
IDENTIFYING = {"ano", "enq", "id", "iep", "identifiant", "identifier", "ids", "ipp", "nda", "nir", "patient", "pseudo"}
IDENTIFYING |= {"pseudonym", "pseudonyme", "ssn", "subject", "usubjid"}


@dataclass
class Column:
    """A column; `remarks` become comments beside it."""

    name: str
    type: str
    description: str = ""
    unit: str = ""
    constraints: dict = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


@dataclass
class Started:
    """A table; `origin` is what it was read from, `schema_keys` are primaryKey and the like."""

    origin: str
    name: str
    columns: list[Column]
    source: dict
    title: str = ""
    description: str = ""
    schema_keys: dict = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.name = short_name(self.name)
        check_names(self.origin, [column.name for column in self.columns])

    def may_identify(self, column: Column) -> bool:
        """A guess: the name says so, or no two rows have the same text or whole number."""
        words = set(re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.name).lower()))
        unique = column.constraints.get("unique") or self.schema_keys.get("primaryKey") == [column.name]
        return bool(words & IDENTIFYING) or bool(unique and column.type in ("string", "integer"))


def check_names(origin: str, names: list[str]) -> None:
    """Refuse names that the catalogue cannot have, without showing them: where a header is missing they are data."""
    wrong = [
        f"column {i}"
        for i, name in enumerate(names, start=1)
        if names.count(name) > 1 or not re.fullmatch(r"[^\s\x00-\x1f]([^\x00-\x1f]*[^\s\x00-\x1f])?", name)
    ]
    if wrong or not names:
        what = f"{', '.join(wrong)}: the name is empty, there twice, or begins or ends with a space"
        raise DataError(f"{origin}: {what if names else 'there are no columns'}; mend it at the source")


def short_name(text: str) -> str:
    """A data set's name: `ER_PRS_F` → `er_prs_f`."""
    short = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return short if re.match(r"[a-z]", short) else f"todo_{short}".rstrip("_")


def points_to(target: str) -> str:
    """The remark on a foreign key."""
    return f"TODO: a foreign key points to the data set {target}: add it, or take the key out."


def scalar(value) -> str:
    """A value as YAML, on one line."""
    style = {"default_flow_style": True, "sort_keys": False, "allow_unicode": True, "width": float("inf")}
    return yaml.dump(value, Dumper=_OneLine, **style).removesuffix("...\n").strip()


class _OneLine(yaml.SafeDumper):
    def ignore_aliases(self, data) -> bool:
        return True

    def represent_str(self, text: str):
        """A line break or a control character needs its escape."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_OneLine.add_representer(str, _OneLine.represent_str)
