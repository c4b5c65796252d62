"""What a notebook hands to the run that executes it: tables and one headline."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from paillasse.errors import InputError
from paillasse.files import write_atomically

if TYPE_CHECKING:
    import pandas

FOLDER_VARIABLE = "PAILLASSE_RUN_FOLDER"  # set by `paillasse run` in the kernel's environment, by nothing else
HEADLINE = "headline.txt"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def record(name: str, table: "pandas.DataFrame", headline: str | None = None) -> None:
    """Keep a table as an artefact of the run that executes this notebook.

    Under ``paillasse run`` the table becomes ``NAME.csv`` (UTF-8) in the run's folder, and the headline stands in
    the list of runs. In JupyterLab, under nbval or plain papermill nothing is written: the same notebook serves all.

    Parameters
    ----------
    name : str
        Name of the artefact: letters, digits, ``-`` and ``_``. Recorded twice, the last table stays.
    table : pandas.DataFrame
        A tidy table. Its index is written only where it has a name.
    headline : str, optional
        One plain sentence with the number that a reader wants first. The last one of a run stays.

    Raises
    ------
    InputError
        The name cannot be a file's name, the table is no DataFrame, or the headline is longer than one line.

    Examples
    --------
    >>> import pandas
    >>> record("hr", pandas.DataFrame({"term": ["rx"], "hazard_ratio": [0.6]}), "Hazard ratio 0.60")
    """
    if not NAME.fullmatch(str(name)):
        raise InputError(f"An artefact's name is letters, digits, '-' and '_', at most 64; this is {name!r}.")
    if not hasattr(table, "to_csv"):
        raise InputError(f"The artefact {name!r} must be a pandas DataFrame; this is a {type(table).__name__}.")
    if headline is not None and len(str(headline).splitlines()) != 1:
        raise InputError(f"The headline of {name!r} must be one line.")
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return
    has_named_index = any(level is not None for level in table.index.names)
    write_atomically(Path(folder, f"{name}.csv"), table.to_csv(index=has_named_index, lineterminator="\n"))
    if headline is not None:
        write_atomically(Path(folder, HEADLINE), str(headline).strip())
