"""What runs hand to a release: the safe forms that they recorded, as they were when the run ended."""

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from paillasse.disclosure import Safe
from paillasse.disclosure.kept import from_json
from paillasse.errors import DisclosureError, ReleaseError
from paillasse.release.documents import DataSet, Origin
from paillasse.runs.artefacts import NAME, SUFFIX
from paillasse.runs.results import latest, read_state


@dataclass(frozen=True)
class Recorded:
    """A safe form in the folder of a run."""

    run: str
    name: str
    content: bytes  # of its file
    safe: Safe

    @property
    def item(self) -> str:
        return f"{self.run}/{self.name}"


@dataclass(frozen=True)
class Gathered:
    """All that the named runs have for a release.

    Attributes
    ----------
    origins
        A run each.
    recorded
        Their safe forms.
    staying
        Tables that were recorded without a safe form, as `RUN/NAME`; they stay where they are.
    """

    origins: list[Origin]
    recorded: list[Recorded]
    staying: list[str]


def gather(project: Path, names: list[str]) -> Gathered:
    """The safe forms of the newest results of runs.

    Parameters
    ----------
    project
        Its folder.
    names
        Runs of `runs.yaml`.

    Raises
    ------
    ReleaseError
        A run has not ended well or has recorded no result, or a safe form is not as it was when its run ended: all
        that is wrong, a line each.
    """
    gathered, wrong = Gathered([], [], []), []
    for name in names:
        folder = latest(project, name)
        state = read_state(folder) if folder else {"state": "not run yet"}
        if state["state"] != "ok":
            wrong.append(f"{name}: its newest result is not ok ({state['state']}); execute it: paillasse run {name}")
            continue
        try:
            recorded = _recorded(folder, name, state.get("safe_forms", {}))
        except (ReleaseError, DisclosureError) as error:
            wrong.append(str(error))
            continue
        if not recorded:
            wrong.append(f"{name}: it has recorded no result that may leave; record(name, result) in its notebook does")
            continue
        gathered.origins.append(_origin(name, folder, state))
        gathered.recorded.extend(recorded)
        with_safe_form = {each.name for each in recorded}
        tables = sorted(file.stem for file in folder.glob("*.csv"))
        gathered.staying.extend(f"{name}/{table}" for table in tables if table not in with_safe_form)
    if wrong:
        raise ReleaseError("\n".join(wrong))
    return gathered


def _recorded(folder: Path, run: str, noted: dict[str, str]) -> list[Recorded]:
    found = sorted(file.name for file in folder.glob(f"*{SUFFIX}"))
    recorded = []
    for file in dict.fromkeys([*noted, *found]):
        name, place = file.removesuffix(SUFFIX), f"{run}/{file}"
        if file not in found:
            raise ReleaseError(f"{place} is not there any more. Execute the run again: paillasse run {run} --fresh")
        content = (folder / file).read_bytes()
        if hashlib.sha256(content).hexdigest() != noted.get(file):
            raise ReleaseError(
                f"{place} is not as it was when the run ended. Execute the run again: paillasse run {run} --fresh"
            )
        safe = from_json(content, place)
        if not all(map(NAME.fullmatch, [name, *safe.tables])):
            raise ReleaseError(f"{place}: its name or a table's cannot be a file's name.")
        recorded.append(Recorded(run, name, content, safe))
    return recorded


def _origin(run: str, folder: Path, state: dict) -> Origin:
    came_from, notebook = state.get("provenance", {}), state.get("notebook", "unknown")
    if PurePosixPath(notebook).is_absolute() or PureWindowsPath(notebook).is_absolute():
        notebook = PureWindowsPath(notebook).name  # splits at both kinds of strokes; a path of the enclave stays here
    return Origin(
        run=run,
        run_id=folder.name,
        title=state.get("title", run),
        notebook=notebook,
        notebook_sha256=came_from.get("notebook_sha256"),
        profile=state.get("profile"),
        finished=state.get("finished") or "unknown",
        data_sets=[
            DataSet(
                data_set=read["data_set"],
                profile=read["profile"],
                version=read["version"],
                restricted=bool(read.get("restricted")),
            )
            for read in state.get("inputs", {}).get("data_sets", [])
        ],
        commit=came_from.get("commit"),
        is_changed=bool(came_from.get("changed")),
        lock_sha256=came_from.get("lock_sha256"),
        python=came_from.get("python"),
        paillasse=came_from.get("paillasse"),
    )
