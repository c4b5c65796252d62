"""A sweep's results as one table: what each run has recorded under one name, with the parameters that differ."""

import json
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from paillasse.errors import InputError, RunError, did_you_mean
from paillasse.files import write_atomically
from paillasse.runs.results import latest, read_state

if TYPE_CHECKING:
    import pandas

    from paillasse.runs.declared import Run

MOST_NAMED = 10  # runs in an error


def collect(name: str, artefact: str, incomplete: bool = False, project: Path | None = None) -> "pandas.DataFrame":
    """One tidy table of what all runs of a sweep have recorded under a name.

    The newest result of each run counts, if it is ok and was made with the same code and data as the newest of all:
    results of before and after a change are not mixed.

    Parameters
    ----------
    name : str
        A run of `runs.yaml`: an entry's name means all of its grid.
    artefact : str
        The name that the notebook gave to :func:`paillasse.runs.record`.
    incomplete : bool
        Also give a table if runs are missing; `attrs["left_out"]` then says which and why.
    project : Path, optional
        A folder in the project; by default the working directory.

    Returns
    -------
    pandas.DataFrame
        `run` (its name), a column for each parameter that differs between the runs of the entry, then the recorded
        columns; runs in the order of `runs.yaml`. A recorded column that has a parameter's name and other values keeps
        the name, and the parameter's is called `NAME_of_run`. `attrs`: `runs` (how many are in it) and `left_out`.

    Raises
    ------
    RunError
        There is no such run; or, unless `incomplete`, runs without a result that counts, each with the reason.
    InputError
        No run has recorded this.

    Examples
    --------
    A specification curve of a grid, in one line: ``plotly.express.scatter(collect("survival", "hr").sort_values(
    "hazard_ratio"), y="hazard_ratio", color="endpoint", hover_name="run")``. Here with two runs made by hand:

    >>> import json, tempfile
    >>> from paillasse.runs.results import new_folder, write_state
    >>> folder = Path(tempfile.mkdtemp())
    >>> cell = {"cell_type": "code", "source": "tau = 5", "metadata": {"tags": ["parameters"]}}
    >>> _ = Path(folder, "km.ipynb").write_text(json.dumps({"cells": [cell], "nbformat": 4}))
    >>> _ = Path(folder, "runs.yaml").write_text("runs: [{name: km, notebook: km.ipynb, grid: {tau: [2, 5]}}]")
    >>> for tau in (2, 5):
    ...     result = new_folder(folder, f"km-tau={tau}")
    ...     _ = write_state(result, name=f"km-tau={tau}", state="ok", parameters={"tau": tau})
    ...     _ = Path(result, "hr.csv").write_text(f"term,hazard_ratio\\nrx,{0.5 + tau / 100}\\n")
    >>> collect("km", "hr", project=folder)
            run  tau term  hazard_ratio
    0  km-tau=2    2   rx          0.52
    1  km-tau=5    5   rx          0.55
    """
    from paillasse.runs.declared import choose, find_project, read_runs

    project = find_project(project)
    declared = read_runs(project)
    chosen = choose(declared, (name,))
    folders, left_out = _standing(project, chosen)
    known = sorted({file.stem for folder in folders.values() for file in folder.glob("*.csv")})
    if folders and artefact not in known:
        raise InputError(f"No run of {name!r} has recorded {artefact!r}. {did_you_mean(artefact, known)}")
    tables = {run: _recorded(folder, artefact) for run, folder in folders.items()}
    left_out |= {run: f"it has recorded no row of {artefact!r}" for run, table in tables.items() if table is None}
    if left_out and (not incomplete or len(left_out) == len(chosen)):
        raise RunError(_incomplete(name, left_out, len(chosen)))
    complete = [run for run in chosen if run.name not in left_out]
    table = _joined(complete, [tables[run.name] for run in complete], _differing(declared, chosen[0].entry))
    table.attrs = {"runs": len(complete), "left_out": left_out}
    return table


def save(table: "pandas.DataFrame", file: Path) -> None:
    """Write a collected table as `.csv` or `.parquet`.

    Raises
    ------
    InputError
        The file's name ends otherwise, or its folder is not there.

    Examples
    --------
    >>> import pandas, tempfile
    >>> file = Path(tempfile.mkdtemp(), "curve.parquet")
    >>> save(pandas.DataFrame({"run": ["km"], "hazard_ratio": [0.6]}), file)
    >>> pandas.read_parquet(file)
      run  hazard_ratio
    0  km           0.6
    """
    if not file.absolute().parent.is_dir():
        raise InputError(f"There is no folder {file.parent}; make it first.")
    if file.suffix == ".csv":
        write_atomically(file, table.to_csv(index=False, lineterminator="\n"))
    elif file.suffix == ".parquet":
        write_atomically(file, table.to_parquet(index=False))
    else:
        raise InputError(f"A table is written as .csv or .parquet; this is {file.name!r}.")


def _standing(project: Path, runs: "list[Run]") -> tuple[dict[str, Path], dict[str, str]]:
    """The folders of the results that count, by name of the run; and why others do not."""
    folders, results, left_out = {}, {}, {}
    for run in runs:
        folder = latest(project, run.name)
        result = read_state(folder) if folder else {}
        if folder is None:
            left_out[run.name] = "it has not run yet"
        elif result["state"] != "ok":
            left_out[run.name] = f"its newest result is {result['state']}"
        elif result.get("parameters") != run.parameters:
            left_out[run.name] = "its parameters in runs.yaml have changed since"
        else:
            folders[run.name], results[run.name] = folder, result.get("inputs", {})
    if folders:
        newest = results[max(folders, key=lambda name: folders[name].name)]
        for name, inputs in results.items():
            if changed := _changes(inputs, newest):
                left_out[name] = f"changed since it ran: {', '.join(changed)}"
                del folders[name]
    return folders, left_out


def _changes(before: dict, newest: dict) -> list[str]:
    """What a result depended on that was another when the newest was made; that it read other data is no change."""
    from paillasse.runs.inputs import WORDS

    changed = [words for part, words in WORDS.items() if part != "parameters" and before.get(part) != newest.get(part)]
    versions = {each["data_set"]: each["version"] for each in newest.get("data_sets", [])}
    for read in before.get("data_sets", []):
        if versions.get(read["data_set"], read["version"]) != read["version"]:
            changed.append(f"the data set {read['data_set']}")
    return changed


def _recorded(folder: Path, artefact: str) -> "pandas.DataFrame | None":
    """A recorded table, each value as it is written; None where there is no row."""
    import pandas as pd

    try:
        table = pd.read_csv(folder / f"{artefact}.csv", dtype=str, keep_default_na=False)
    except (FileNotFoundError, pd.errors.EmptyDataError):
        return None
    return None if table.empty else table


def _differing(declared: "list[Run]", entry: str) -> list[str]:
    """The parameters that differ between the runs of an entry."""
    of_entry = [run.parameters for run in declared if run.entry == entry]
    parameters = dict.fromkeys(name for each in of_entry for name in each)
    return [name for name in parameters if any(each.get(name) != of_entry[0].get(name) for each in of_entry)]


def _joined(runs: "list[Run]", tables: "list[pandas.DataFrame]", parameters: list[str]) -> "pandas.DataFrame":
    """The tables below each other, behind a column for the run and one for each parameter."""
    import pandas as pd

    # Types are found in all runs' values together: a group called 1 in one run and A in another is text in both.
    text = pd.concat(tables, ignore_index=True).to_csv(index=False)
    joined = pd.read_csv(StringIO(text), keep_default_na=False, na_values=[""], low_memory=False)
    labels = {"run": [run.name for run in runs]}
    labels |= {name: [_plain(run.parameters.get(name)) for run in runs] for name in parameters}
    for at, (name, values) in enumerate(labels.items()):
        label = pd.Series(values).repeat([len(table) for table in tables]).reset_index(drop=True)
        if name in joined and (joined[name] == label).all():
            del joined[name]
        joined.insert(at, f"{name}_of_run" if name in joined else name, label)
    return joined


def _plain(value):
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _incomplete(name: str, left_out: dict[str, str], total: int) -> str:
    lines = [f"  {run}: {why}" for run, why in list(left_out.items())[:MOST_NAMED]]
    if len(left_out) > MOST_NAMED:
        lines.append(f"  … and {len(left_out) - MOST_NAMED} more")
    what = f"{len(left_out)} of {total} runs of {name!r} have no result that counts:"
    mend = f"`paillasse run {name}` makes them; incomplete=True (--incomplete) leaves them out."
    return "\n".join([what, *lines, mend])
