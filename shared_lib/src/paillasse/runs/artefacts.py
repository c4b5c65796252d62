"""What a notebook hands to the run that executes it: tables, results with their safe forms, and one headline."""

import hashlib
import os
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from paillasse.errors import DisclosureError, InputError
from paillasse.files import write_atomically

if TYPE_CHECKING:
    import pandas

    from paillasse.disclosure import Result, Safe

FOLDER_VARIABLE = "PAILLASSE_RUN_FOLDER"  # set by `paillasse run` in the kernel's environment, by nothing else
HEADLINE = "headline.txt"
SUFFIX = ".safe.json"  # of a result's safe form
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def record(name: str, table: "pandas.DataFrame | Result | Safe", headline: str | None = None) -> None:
    """Keep a table, or a result of this library, as an artefact of the run that executes this notebook.

    Under ``paillasse run`` the table becomes ``NAME.csv`` (UTF-8) in the run's folder, and the headline stands in
    the list of runs. In JupyterLab, under nbval or plain papermill nothing is written: the same notebook serves all.

    Of a result ``NAME.csv`` is its exact `table`, which stays in the run's folder, and ``NAME.safe.json`` its safe
    form, from which ``paillasse release`` makes what may leave. A result that has no safe form is kept, with a warning
    that says why.

    Parameters
    ----------
    name : str
        Name of the artefact: letters, digits, ``-`` and ``_``. Recorded twice, the last table stays.
    table : pandas.DataFrame, Result or Safe
        A tidy table, whose index is written only where it has a name; what an analysis returned; or its safe form.
    headline : str, optional
        One plain sentence with the number that a reader wants first. The last one of a run stays.

    Raises
    ------
    InputError
        The name cannot be a file's name, the table is no DataFrame or result, or the headline is longer than one line.
    DisclosureError
        A safe form was made with a laxer policy than the default or the one in force.

    Examples
    --------
    >>> import pandas
    >>> record("hr", pandas.DataFrame({"term": ["rx"], "hazard_ratio": [0.6]}), "Hazard ratio 0.60")
    """
    if not NAME.fullmatch(str(name)):
        raise InputError(f"An artefact's name is letters, digits, '-' and '_', at most 64; this is {name!r}.")
    if not hasattr(table, "to_csv") and not hasattr(table, "disclose"):
        raise InputError(
            f"The artefact {name!r} must be a pandas DataFrame or a result of this library; this is a "
            f"{type(table).__name__}."
        )
    if headline is not None and len(str(headline).splitlines()) != 1:
        raise InputError(f"The headline of {name!r} must be one line.")
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return
    if hasattr(table, "disclose"):
        _keep_safe_form(name, table, Path(folder))
        table = table.table
    else:
        Path(folder, f"{name}{SUFFIX}").unlink(missing_ok=True)  # of a result recorded before under this name
    has_named_index = any(level is not None for level in table.index.names)
    write_atomically(Path(folder, f"{name}.csv"), table.to_csv(index=has_named_index, lineterminator="\n"))
    if headline is not None:
        write_atomically(Path(folder, HEADLINE), str(headline).strip())


def _keep_safe_form(name: str, result: "Result | Safe", folder: Path) -> None:
    from paillasse.disclosure import Safe
    from paillasse.disclosure.kept import as_json

    file = folder / f"{name}{SUFFIX}"
    file.unlink(missing_ok=True)
    try:
        safe = result.disclose()
    except DisclosureError as error:
        if isinstance(result, Safe):
            raise
        warnings.warn(f"{name} cannot be released: {error}", stacklevel=3)
        return
    write_atomically(file, as_json(safe))


def safe_forms(folder: Path) -> dict[str, str]:
    """The safe forms in a run's folder, each with its SHA-256: noted in `run.json`, so that a later edit is seen."""
    files = sorted(folder.glob(f"*{SUFFIX}"))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
