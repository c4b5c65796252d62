"""A started entry of the catalogue, from what describes a table or from the table itself.

No value of a row is ever in it. Columns, types, what is never missing and what is unique are told; codes and limits
only where they are declared: by a Frictionless schema, or by a database's types and constraints. What a CSV or parquet
file holds declares nothing, not even where a few values occur often: no count tells which of them somebody would
recognise. What only a person knows is marked `TODO`.
"""

import re
from pathlib import Path

from paillasse.catalog.drafts.files import from_csv, from_parquet
from paillasse.catalog.drafts.frictionless import from_frictionless
from paillasse.catalog.drafts.postgres import from_postgres
from paillasse.catalog.drafts.started import Column, Started, scalar
from paillasse.errors import InputError

READERS = {".json": from_frictionless, ".csv": from_csv, ".parquet": from_parquet}


def draft(source: str | Path, table: str | None = None) -> str:
    """Start an entry of `data_catalog.yaml`.

    Parameters
    ----------
    source
        A Frictionless table schema (.json), a CSV or a parquet file; or `${VARIABLE}`, which holds the address of a
        PostgreSQL server.
    table
        The server's table, alone or behind its schema's name.

    Returns
    -------
    str
        YAML, a catalogue of this one entry: to be pasted into the project's below `datasets:`.

    Raises
    ------
    InputError
        Neither such a file nor a variable, a file that cannot be read, no such table.
    DataError
        The file is not what its name says, its first line is no header, or the server does not answer.
    CatalogError
        The variable is not set.

    Examples
    --------
    >>> print(draft("data/veteran.csv"))  # doctest: +ELLIPSIS
    # Started from veteran.csv. Paste what is below `datasets:` into data_catalog.yaml and see to each TODO.
    ...
    """
    variable = re.fullmatch(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", str(source))
    if variable:
        if table is None:
            raise InputError(f"{source}: which table of the server? Name it, as in schema.table")
        return _text(from_postgres(variable[0], table))
    path = Path(source)
    if path.suffix.lower() not in READERS:
        raise InputError(f"{path.name}: expected a .json, .csv or .parquet, or ${{VARIABLE}} with a server's address")
    if table is not None:
        raise InputError(f"table: {path.name} is a file; a table is named with ${{VARIABLE}} only")
    if not path.is_file():
        raise InputError(f"{path.name}: there is no such file")
    try:
        return _text(READERS[path.suffix.lower()](path))
    except OSError as error:
        problem = error.strerror or type(error).__name__
    raise InputError(f"{path.name}: cannot be read: {problem}")


def _text(started: Started) -> str:
    head = [
        f"Started from {started.origin}. Paste what is below `datasets:` into data_catalog.yaml and see to each TODO.",
        "No value of a row below the columns' names is in it. A role with ? is guessed: the name says so, or no value "
        "comes twice.",
        *started.remarks,
    ]
    lines = [
        *(f"# {_remark(line)}" for line in head),
        "datasets:",
        f"  {started.name}:",
        f"    title: {scalar(started.title or 'TODO: a title')}",
        f"    description: {scalar(started.description or 'TODO: what the data are, how they arose, who is in them')}",
        "    steward: {name: 'TODO: who answers for the data', email: TODO@example.org}",
        "    publisher: 'TODO: a short name of organisations, or free text'",
        "    licence: 'TODO: a licence, or the terms of access'",
        "    sensitivity: pseudonymised   # TODO: public, synthetic or pseudonymised",
        "    unit_of_observation: 'TODO: what a row is, such as patient'",
        "    # TODO: population_size, period, keywords, approval, disclosure",
        "    schema:",
        "      # TODO: unit and codes of the columns; role: identifier, quasi-identifier, date or outcome",
        "      fields:",
        *(f"        {line}" for column in started.columns for line in _field(column, started)),
        *(f"      {key}: {scalar(value)}" for key, value in started.schema_keys.items()),
        "    sources:",
        "      synthetic: {driver: synthetic}",
        f"      secure: {scalar(started.source)}   # TODO: `public` instead, if the data are",
    ]
    return "\n".join(lines) + "\n"


def _field(column: Column, started: Started) -> list[str]:
    lines = [
        f"- name: {scalar(column.name)}",
        f"  type: {column.type}",
        f"  description: {scalar(column.description or 'TODO: what it holds')}",
        *(f"  # {_remark(remark)}" for remark in column.remarks),
    ]
    if column.unit:
        lines.append(f"  unit: {scalar(column.unit)}")
    if column.type == "date":
        lines.append("  role: date")
    elif started.may_identify(column):
        lines.append("  role: identifier   # ?")
    if column.constraints:
        lines.append(f"  constraints: {scalar(column.constraints)}")
    return lines


def _remark(text: str) -> str:
    """On one line, without what YAML does not print."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
