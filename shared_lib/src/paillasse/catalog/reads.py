"""What a process has read, told to the run that started it: which data sets, in which form and version."""

import json
import os
from collections.abc import Callable
from pathlib import Path

FILE_VARIABLE = "PAILLASSE_READS_FILE"  # set by `paillasse run` in the kernel's environment, by nothing else


def note(name: str, profile: str, restricted: bool, version: Callable[[], str | None]) -> None:
    """Tell the run, if there is one, that a data set is about to be read."""
    file = os.environ.get(FILE_VARIABLE)
    if file:
        line = {"data_set": name, "profile": profile, "restricted": restricted, "version": version()}
        with Path(file).open("a", encoding="utf-8") as notes:
            notes.write(json.dumps(line) + "\n")


def noted(file: Path) -> list[dict]:
    """What was told, each read once, in the order of the first."""
    if not file.is_file():
        return []
    lines = dict.fromkeys(file.read_text(encoding="utf-8").splitlines())
    return [json.loads(line) for line in lines if line.endswith("}")]  # a killed kernel may leave half a line
