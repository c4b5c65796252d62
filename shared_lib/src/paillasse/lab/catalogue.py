"""The catalogue as its panel shows it: a line for each data set, a card, the first rows of what is nobody's secret."""

import os
from functools import lru_cache
from pathlib import Path

from paillasse.catalog import Catalog, open_catalog
from paillasse.catalog.entries import FILE_NAME
from paillasse.catalog.show import facts, rules
from paillasse.errors import CatalogError

ROWS = 5  # of a preview
VARIABLES = ("PAILLASSE_PROFILE", "PAILLASSE_PURPOSE")  # on which, beside the file, an opened catalogue depends


# What an opened catalogue depends on: its file, the file's state, the variables.
Key = tuple[Path, tuple, tuple]


def key_of(project: Path) -> Key:
    """What the project's catalogue depends on: while it is the same, so is the catalogue.

    Raises
    ------
    CatalogError
        There is none.
    """
    file = project / FILE_NAME
    try:
        state = file.stat()
    except OSError:
        raise CatalogError(f"There is no {FILE_NAME} in the project's folder {project.name}.") from None
    return file, (state.st_mtime_ns, state.st_size, state.st_ino), tuple(map(os.environ.get, VARIABLES))


@lru_cache(maxsize=4)
def opened(key: Key) -> Catalog:
    """A project's catalogue, read once: a thousand data sets take half a second.

    Raises
    ------
    CatalogError
        It has mistakes: all of them, with line and key.
    """
    return open_catalog(key[0])


def listed(project: Path) -> dict:
    """Every data set with what is searched and filtered by; the profile in force."""
    catalog = opened(key_of(project))
    return {
        "project": catalog.project or project.name,
        "profile": catalog.profile,
        "data_sets": [
            {
                "name": entry.name,
                "title": entry.title,
                "description": entry.description,
                "sensitivity": entry.about.sensitivity,
                "keywords": entry.about.keywords,
                "steward": entry.about.steward.name,
                "columns": [field.name for field in entry.fields],
                "profiles": _profiles(entry),
            }
            for entry in catalog.entries.values()
        ],
    }


def _profiles(entry) -> list[str]:
    """The profiles in which the data set has a form; what is nobody's secret has one in all."""
    every = ["public", "synthetic", "secure"]
    return list(entry.about.sources) if entry.about.sensitivity == "pseudonymised" else every


def card(project: Path, name: str) -> dict:
    """What the data are, whose, may I and until when, what to beware of, and the columns."""
    entry = opened(key_of(project))[name]
    return {
        "name": name,
        "title": entry.title,
        "description": entry.description,
        "sensitivity": entry.about.sensitivity,
        "keywords": entry.about.keywords,
        "caveats": entry.caveats,
        "facts": list(facts(entry).items()),
        "fields": [
            {
                "name": field.name,
                "type": field.type,
                "description": field.description,
                "unit": field.unit or "",
                "codes": [[str(value), label] for value, label in (field.codes or {}).items()],
                "rules": rules(field),
                "role": field.role or "",
            }
            for field in entry.fields
        ],
    }


def preview(project: Path, name: str) -> dict:
    """The first rows of the stand-in, in every profile; of public data, of these themselves. Never a patient's secret.

    Raises
    ------
    CatalogError
        The data set has no stand-in, or there is no such data set.
    DataError
        The stand-in is not what the catalogue declares.
    """
    entry = opened(key_of(project)).in_profile("synthetic")[name]
    rows = entry.table().limit(ROWS).execute()
    return {
        "kind": "public" if entry.about.sensitivity == "public" else "synthetic",
        "columns": list(rows.columns),
        "rows": [[_shown(value) for value in row] for row in rows.itertuples(index=False)],
    }


def _shown(value) -> str:
    """A cell's text; missing values are empty, dates have no time."""
    import pandas

    if pandas.isna(value):
        return ""
    if isinstance(value, pandas.Timestamp):
        return f"{value:%Y-%m-%d}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
