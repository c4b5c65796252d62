"""How fast the catalogue opens, reads and validates, beside DuckDB, pandas and PyYAML: `python benchmarks/catalog.py`.

Each measurement is a process of its own; the answer is a table and a figure in this folder.
"""

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from figure import save
from plotly.subplots import make_subplots
from survival import cpu, markdown

HERE = Path(__file__).resolve().parent
REPEATS = 5
SLOW = 5  # CPU seconds beyond which once is enough
PACKAGES = ("paillasse", "duckdb", "pandas", "pyyaml")
COLOURS = dict(zip(PACKAGES, ("#0b5fa5", "#d1690e", "#3a8f4d", "#8a4fa0")))
TASKS = {
    "import": "`import paillasse.catalog`",
    "open": "Opening 1,000 entries",
    "claims": "20 million claims: patients with one class of drugs",
    "claims_most": "20 million claims: most patients",
    "read": "Reading 10⁶ rows × 10 columns, validated",
    "validate": "Validating 10⁶ rows × 10 columns",
    "validate_broken": "Validating them where 1 row in 100 breaks five rules",
    "stand_in": "Stand-in of 100,000 patients × 32 columns",
}
# The floors: task, what, at most, unit.
FLOORS = [
    ("import", "our CPU", 0.5, " s"),
    ("open", "our CPU", 0.5, " s"),
    ("claims", "our CPU / DuckDB's", 2, "×"),
    ("claims", "our peak memory", 350, " MB"),
    ("validate", "our CPU", 2, " s"),
    ("stand_in", "our CPU", 1, " s"),
]
GUIDE = """\
- Every measurement is a process of its own, and the median of several is told. CPU seconds are user and system time in
  all threads, the imports apart, without a warm-up: a first read. Memory is the peak of the whole process, imports
  included: ibis and pandas alone are 145 MB.
- *Claims* is `catalog["claims"].table()` with a filter and a group by patient in ibis, executed; DuckDB has the same as
  SQL over the same parquet file, pandas reads the whole file and does the same. 1 claim in 100 is of the class of
  drugs, and 130,304 of a million patients had it from 2018 on. *Most patients* is another filter, whose result has
  627,851 rows; no floor is set there, for the result itself, as arrow and as pandas, is what takes memory.
- *Opening* reads, checks and keeps 1,000 entries as long as the shipped `gbsg` (4 MB). PyYAML's `safe_load` with its C
  parser stands beside it; it checks nothing and knows no lines.
- *Reading* is `catalog["cohort"].read()`; pandas reads the same parquet file and checks nothing.
- *Validating* is of rows in memory: integers with a range, numbers, codes, a boolean, dates with limits, required
  columns, a unique primary key.
- *The stand-in* is `lung_io` of the shipped catalogue with 100,000 rows: 32 columns, correlations and two outcomes.
"""


def measure(task: str, package: str, folder: Path) -> dict:
    """One answer of one process; `state` is ok, absent or failed."""
    command = [sys.executable, str(HERE / "catalog_tasks.py"), task, package, str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = done.stdout.strip().splitlines()
    if lines and lines[-1].startswith("{"):
        return json.loads(lines[-1])
    return {"state": "failed", "note": f"ended with exit code {done.returncode}"}


def measured(task: str, folder: Path, repeats: int) -> list[dict]:
    """A row a package: the median of several answers. Packages take turns, so that a busy hour slows all alike."""
    answers = {package: [] for package in PACKAGES}
    for _ in range(repeats):
        for package, given in answers.items():
            if not given or (given[-1]["state"] == "ok" and given[-1]["seconds"] < SLOW):
                given.append(measure(task, package, folder))
    rows = []
    for package, given in answers.items():
        if given[-1]["state"] == "absent":
            continue
        row = {"task": task, "package": package, "state": given[-1]["state"], "repeats": len(given)}
        if row["state"] == "ok":
            seconds = [answer["seconds"] for answer in given]
            row |= {"seconds": statistics.median(seconds), "least": min(seconds), "most": max(seconds)}
            row = {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in row.items()}
            row["peak_mb"] = round(max(answer["peak_mb"] for answer in given))
        rows.append(row | {"note": given[-1].get("note", "")})
    return rows


def floors(rows: list[dict]) -> list[list[str]]:
    """Each floor with what was reached."""
    at = {(row["task"], row["package"]): row for row in rows if row["state"] == "ok"}
    result = []
    for task, what, most, unit in FLOORS:
        ours, duckdb = at.get((task, "paillasse")), at.get((task, "duckdb"))
        reached = None
        if what == "our CPU / DuckDB's":
            reached = ours["seconds"] / duckdb["seconds"] if ours and duckdb else None
        elif ours:
            reached = ours["peak_mb"] if what == "our peak memory" else ours["seconds"]
        shown = "not measured" if reached is None else f"{reached:.3g}{unit}"
        mark = "—" if reached is None else "✓" if reached <= most else "✗"
        result.append([TASKS[task], what, f"≤ {most:g}{unit}", shown, mark])
    return result


def report(rows: list[dict]) -> str:
    """The Markdown page: floors, CPU seconds, memory, and how to read them."""
    names = ("duckdb", "ibis-framework", "pandas", "pandera", "pyarrow", "pydantic", "pyyaml")
    versions = ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in names)])
    parts = [f"# The catalogue\n\n{date.today().isoformat()}, {os.cpu_count()} cores of an {cpu()}; {versions}.\n"]
    parts += ["## Floors\n", markdown(["task", "what", "floor", "reached", ""], floors(rows))]
    at = {(row["task"], row["package"]): row for row in rows}
    tasks = [task for task in TASKS if any(row["task"] == task for row in rows)]
    shown = (("CPU seconds", "seconds", ",.2f"), ("Peak memory of the process, MB", "peak_mb", ",.0f"))
    for title, name, form in shown:
        lines = []
        for task in tasks:
            found = [at.get((task, package), {}) for package in PACKAGES]
            cells = [format(row[name], form) if name in row else row.get("note", "") for row in found]
            lines.append([TASKS[task], *cells])
        parts += [f"## {title}\n", markdown(["task", *PACKAGES], lines)]
    parts += ["## How to read it\n", GUIDE]
    return "\n".join(parts)


def drawn(rows: list[dict]) -> go.Figure:
    """CPU seconds and memory, a bar for each task and package."""
    data = pd.DataFrame([row for row in rows if row["state"] == "ok"])
    figure = make_subplots(1, 2, subplot_titles=["CPU seconds", "Peak memory, MB"], shared_yaxes=True)
    for column, name in ((1, "seconds"), (2, "peak_mb")):
        for package in PACKAGES:
            bars = data[data["package"] == package]
            figure.add_bar(
                x=bars[name].tolist(),
                y=[TASKS[task].replace("`", "") for task in bars["task"]],
                name=package,
                legendgroup=package,
                showlegend=column == 1,
                orientation="h",
                marker={"color": COLOURS[package]},
                text=[f"{value:.2f}" if name == "seconds" else f"{value:.0f}" for value in bars[name]],
                textposition="outside",
                row=1,
                col=column,
            )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(type="log", dtick=1)
    figure.update_xaxes(range=[-1, 1.6], col=1)
    figure.update_xaxes(range=[1.5, 3.7], col=2)
    figure.update_layout(
        template="simple_white",
        width=1300,
        height=800,
        title="The catalogue beside DuckDB, pandas and PyYAML, each task in a process of its own",
        legend={"orientation": "h", "y": -0.08},
        uniformtext={"minsize": 9, "mode": "show"},
    )
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=TASKS, default=list(TASKS), metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("--repeats", type=int, default=REPEATS, metavar="N")
    parser.add_argument("--to", type=Path, help="folder to write to; a run of everything writes beside this file")
    chosen = parser.parse_args()
    folder = chosen.to or (HERE if len(chosen.only) == len(TASKS) and chosen.repeats >= REPEATS else None)
    rows = []
    with tempfile.TemporaryDirectory() as data:
        subprocess.run([sys.executable, str(HERE / "catalog_data.py"), data], check=True)
        for task in chosen.only:
            for row in measured(task, Path(data), chosen.repeats):
                shown = f"{row['seconds']:7.3f} s {row['peak_mb']:6} MB" if row["state"] == "ok" else row["note"]
                print(f"{task:16} {row['package']:10} {shown}", flush=True)
                rows.append(row)
    page = report(rows)
    print(page)
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    names = ["task", "package", "state", "seconds", "least", "most", "peak_mb", "repeats", "note"]
    with (folder / "catalog.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (folder / "catalog.md").write_text(page, encoding="utf-8")
    save(drawn(rows), folder, "catalog")


if __name__ == "__main__":
    main()
