"""What runners that were killed, or had no room on the disk, have left behind is put in order by the next one."""

import contextlib
import json
import re
import shutil
from pathlib import Path

from paillasse.files import write_atomically
from paillasse.runs.locks import held
from paillasse.runs.owner import HEARTBEAT
from paillasse.runs.pages import write_page
from paillasse.runs.processes import end_what_is_left
from paillasse.runs.provenance import CRATE, write_crate
from paillasse.runs.results import (
    FOLDER,
    NOTEBOOK,
    RUN_ID,
    WORKING_NOTEBOOK,
    is_left_behind,
    read_state,
    write_state,
)

ENDED = ("ok", "error", "killed", "timeout", "cancelled")


def repair(project: Path) -> list[str]:
    """Write the truth about runs whose process was killed before it could, end what they left running, remove half
    files, and make the pages that are missing.

    Returns
    -------
    list of str
        The runs of which something was put in order.
    """
    repaired = []
    for run in sorted((project / FOLDER).glob("*/")):
        # One that is damaged, or for which there is no room now, must not keep the others from being run.
        with contextlib.suppress(Exception):
            if not _out_of_order(run):
                continue
            with held(project, run.name) as ours:
                if ours:
                    repair_held(project, run.name)
                    repaired.append(run.name)
    return repaired


def repair_held(project: Path, name: str) -> None:
    """The same for one run, whose lock the caller holds: what is called running is not."""
    for folder in _out_of_order(project / FOLDER / name):
        _repair(folder)


def _out_of_order(run: Path) -> list[Path]:
    return [each for each in sorted(run.glob("*")) if re.fullmatch(RUN_ID, each.name) and _needs_repair(each)]


def _needs_repair(folder: Path) -> bool:
    if not (folder / "run.json").is_file():  # killed before the first word of it was written
        return True
    ended = read_state(folder).get("state") in ENDED and not (folder / CRATE).is_file()
    return ended or is_left_behind(folder)


def _repair(folder: Path) -> None:
    if not (folder / "run.json").is_file():
        shutil.rmtree(folder)
        return
    if is_left_behind(folder):
        end_what_is_left(folder)
        declare_killed(folder, read_state(folder)["error"]["message"])
    write_page(folder)
    write_crate(folder)


def declare_killed(folder: Path, why: str) -> None:
    """Write that a run was killed, for the process that cannot any more."""
    keep_notebook(folder, "killed")
    remove_half_files(folder)
    write_state(folder, state="killed", error={"exception": "KilledError", "message": why})
    (folder / HEARTBEAT).unlink(missing_ok=True)


def keep_notebook(folder: Path, state: str) -> None:
    """Give the executed notebook its final name, with the truth about the cells that never ran. One that papermill
    could not write to its end is removed.

    Raises
    ------
    OSError
        There is no room for it, and papermill's own would not be true; it is removed.
    """
    working = folder / WORKING_NOTEBOOK
    if not working.is_file():
        return
    try:
        notebook = json.loads(working.read_text(encoding="utf-8"))
    except ValueError:
        working.unlink()
        return
    notebook["metadata"]["papermill"]["output_path"] = str(folder / NOTEBOOK)
    if state not in ("ok", "error"):
        notebook["metadata"]["papermill"]["exception"] = True
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code" and cell["execution_count"] is None:
                cell["metadata"]["papermill"]["status"] = "pending"
    try:
        write_atomically(folder / NOTEBOOK, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    except OSError:
        if state not in ("ok", "error"):  # as papermill left it, it would not tell the truth about its cells
            raise
        working.replace(folder / NOTEBOOK)  # no room for a second one; only its own path in it is not the final one
    finally:
        working.unlink(missing_ok=True)


def remove_half_files(folder: Path) -> None:
    """Remove what a process was writing when it was killed, and the room kept for `run.json`: all hidden files."""
    for file in folder.glob(".*"):
        if file.is_file():
            file.unlink()
