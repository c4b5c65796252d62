"""What hundreds of short runs cost beside their computing: `python benchmarks/runs.py`.

A sweep of 24 runs, once of about 1 CPU second each and once of about 5, by `paillasse run`, by papermill in a pool of
two processes, by nbmake where it is installed; the answer is a table and a figure in this folder.
"""

import argparse
import csv
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import plotly.graph_objects as go
from figure import save
from survival import cpu, markdown

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RUNS = 24
REPEATS = 3
SWEEPS = {"1 s": 130, "5 s": 700}  # resamples that take about so long
WAYS = {
    "pure": "the computing alone, two warm processes",
    "paillasse": "`paillasse run`",
    "papermill": "papermill in a pool of two",
    "nbmake": "pytest --nbmake -n 2",
}
COLOURS = {"pure": "#999999", "paillasse": "#0b5fa5", "papermill": "#d1690e", "nbmake": "#3a8f4d"}
CELLS = [
    "seed = 1  # of the resampling\nresamples = 100  # how often",
    "import numpy as np\n"
    "from paillasse import open_catalog\n"
    "from paillasse.runs import record\n"
    "from paillasse.survival import cox, kaplan_meier\n"
    'data = open_catalog()["gbsg"].read()',
    'kaplan_meier(data, duration="rfstime", event="status", by="hormon").figure()',
    "draw = np.random.default_rng(seed)\n"
    "effects = []\n"
    "for _ in range(resamples):\n"
    "    sample = data.iloc[draw.integers(0, len(data), len(data))]\n"
    '    model = cox(sample, "rfstime", "status", "hormon + age + meno + size + grade + nodes + pgr + er")\n'
    "    effects.append(model.table.hazard_ratio.iloc[0])\n"
    "np.percentile(effects, [2.5, 50, 97.5])",
    'record("hr", model.table, f"Hazard ratio {np.median(effects):.3f}")\nmodel.table',
]
GUIDE = """\
- CPU seconds are user and system time of the command and all that it starts, from its first line to its last; wall is
  the same by the clock. Each is the median of {repeats}; the ways take turns, so that a busy hour slows all alike.
- *Pure* is the notebook's cells alone: read `gbsg`, draw Kaplan-Meier, refit a Cox model of 8 columns to resamples,
  format the outputs as a kernel does; in two processes that have imported everything and have run it once. Half its CPU
  seconds is the wall time that two processes could reach.
- Against papermill no more can be reached than its own CPU ÷ pure in the table: the longer the runs, the less there is
  to save.
- *Outputs*: every output of every run is compared with that of papermill's cold kernel, letter by letter.
- A kernel's *memory* is what is its own alone, shared pages not counted. The cold one is measured with the same modules
  imported; bare, before any import, it has {mb_cold_bare:.0f} MB.
- Beside the executed notebook, `paillasse run` writes a page, a crate and `run.json` for each run; the others do not.
"""


def project(folder: Path, resamples: int) -> Path:
    """A project whose only notebook resamples; one copy for each seed for nbmake, which knows no parameters."""
    shutil.copytree(ROOT / "data", folder / "data")
    shutil.copy(ROOT / "data_catalog.yaml", folder)
    title = cell("markdown", "# How stable is the effect of hormonal therapy?")
    made = [title, *(cell("code", code) for code in CELLS)]
    made[1]["metadata"]["tags"] = ["parameters"]
    for number, each in enumerate(made):
        each["id"] = f"cell-{number}"
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": made, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "resampling.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (folder / "copies").mkdir()
    for seed in range(RUNS):
        made[1]["source"] = f"seed, resamples = {seed}, {resamples}"
        (folder / "copies" / f"test_{seed}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    run = {"name": "resampling", "notebook": "notebooks/resampling.ipynb", "parameters": {"resamples": resamples}}
    run |= {"grid": {"seed": list(range(RUNS))}, "profile": "public"}
    (folder / "runs.yaml").write_text(json.dumps({"runs": [run]}), encoding="utf-8")
    return folder


def cell(kind: str, source: str) -> dict:
    outputs = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "source": source, "metadata": {}} | outputs


def measured(way: str, folder: Path, resamples: int) -> dict:
    """CPU and wall seconds of one sweep."""
    tasks = [sys.executable, str(HERE / "runs_tasks.py")]
    commands = {
        "paillasse": [sys.executable, "-m", "paillasse.cli", "run", "--fresh", "--jobs", "2"],
        "nbmake": [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbmake", "-n", "2", "copies"],
    }
    command = commands.get(way, [*tasks, way, str(folder), str(resamples), str(RUNS)])
    environment = os.environ | {"PAILLASSE_PROFILE": "public", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{way} failed:\n{said.decode()}")
    result = {"cpu": used.ru_utime + used.ru_stime, "wall": time.monotonic() - started}
    return result | (json.loads(said) if way in ("pure", "kernels") else {})


def outputs(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [json.dumps(cell["outputs"]) for cell in cells if cell["cell_type"] == "code"]


def differing(folder: Path) -> int:
    """In how many runs the newest outputs of `paillasse run` are not papermill's."""
    ours = [max((folder / "runs" / f"resampling-seed={seed}").glob("2*")) / "notebook.ipynb" for seed in range(RUNS)]
    theirs = [folder / "papermill" / f"{seed}.ipynb" for seed in range(RUNS)]
    return sum(outputs(one) != outputs(other) for one, other in zip(ours, theirs, strict=True))


def is_installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def sweep(name: str, repeats: int, rows: list[dict]) -> dict:
    """Measure every way, add the rows; what else was seen."""
    ways = [way for way in WAYS if way != "nbmake" or is_installed("nbmake")]
    with tempfile.TemporaryDirectory() as scratch:
        folder = project(Path(scratch, "project"), SWEEPS[name])
        given = {way: [] for way in ways}
        for _ in range(repeats):
            for way in ways:
                one = measured(way, folder, SWEEPS[name])
                given[way].append(one)
                print(f"{name:5} {way:10} {one['cpu']:7.1f} CPU s {one['wall']:7.1f} s", flush=True)
        for way in ways:
            medians = {part: statistics.median(each[part] for each in given[way]) for part in ("cpu", "wall")}
            rows.append({"sweep": name, "way": way} | {part: round(value, 2) for part, value in medians.items()})
        seen = {"differing": differing(folder)}
        return seen | (measured("kernels", folder, 1) if name == "1 s" else {})


def floors(rows: list[dict], seen: dict[str, dict]) -> list[list[str]]:
    at = {(row["sweep"], row["way"]): row for row in rows}
    short, long = ({way: at.get((name, way)) for way in WAYS} for name in SWEEPS)
    kernel = seen["1 s"]
    ratio = short["paillasse"]["cpu"] / short["pure"]["cpu"]
    reached = [
        ("1 s: our CPU / pure", "≤ 1.5, aim 1.25", f"{ratio:.2f}", ratio <= 1.5),
        *(
            (f"{name}: our wall / two-process bound", "≤ 1.7", f"{value:.2f}", value <= 1.7)
            for name, each in (("1 s", short), ("5 s", long))
            for value in [each["paillasse"]["wall"] / (each["pure"]["cpu"] / 2)]
        ),
        *(
            (f"{name}: papermill's CPU / ours", f"≥ {least}", f"{value:.2f}", value >= least)
            for name, each, least in (("1 s", short, 2.5), ("5 s", long, 1.5))
            for value in [each["papermill"]["cpu"] / each["paillasse"]["cpu"]]
        ),
        ("kernel ready, CPU", "≤ 0.25 s", f"{kernel['ready']:.2f} s", kernel["ready"] <= 0.25),
        (
            "memory of a forked kernel / of a cold one",
            "≤ 50 %",
            f"{kernel['mb']:.0f} of {kernel['mb_cold']:.0f} MB, {kernel['mb'] / kernel['mb_cold']:.0%}",
            kernel["mb"] <= kernel["mb_cold"] / 2,
        ),
        ("a killed kernel is noticed", "< 1 s", f"{kernel['noticed']:.2f} s", kernel["noticed"] < 1),
        (
            "runs whose outputs differ from a cold kernel's",
            "0",
            " and ".join(str(each["differing"]) for each in seen.values()),
            not any(each["differing"] for each in seen.values()),
        ),
    ]
    return [[what, floor, value, "✓" if ok else "✗"] for what, floor, value, ok in reached]


def report(rows: list[dict], seen: dict[str, dict], repeats: int) -> str:
    names = ("papermill", "ipykernel", "jupyter_client", "nbclient", "pandas", "plotly")
    versions = ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in names)])
    parts = [f"# Runs\n\n{date.today().isoformat()}, {os.cpu_count()} cores of an {cpu()}; {versions}.\n"]
    parts += ["## Floors\n", markdown(["what", "floor", "reached", ""], floors(rows, seen))]
    lines = []
    for row in rows:
        pure = next(each for each in rows if each["sweep"] == row["sweep"] and each["way"] == "pure")
        ratios = [f"{row['cpu'] / pure['cpu']:.2f}", f"{row['wall'] / (pure['cpu'] / 2):.2f}"]
        lines.append([row["sweep"], WAYS[row["way"]], f"{row['cpu']:.1f}", ratios[0], f"{row['wall']:.1f}", ratios[1]])
    head = ["a run", "way", "CPU s", "÷ pure", "wall s", "÷ bound"]
    parts += [f"## A sweep of {RUNS} runs\n", markdown(head, lines)]
    guide = GUIDE.format(repeats=repeats, mb_cold_bare=seen["1 s"]["mb_cold_bare"])
    return "\n".join([*parts, "## How to read it\n", guide])


def drawn(rows: list[dict]) -> go.Figure:
    figure = go.Figure()
    for way in WAYS:
        bars = [row for row in rows if row["way"] == way]
        if bars:
            figure.add_bar(
                x=[f"{RUNS} runs of about {row['sweep']}" for row in bars],
                y=[row["cpu"] for row in bars],
                name=WAYS[way].replace("`", ""),
                marker={"color": COLOURS[way]},
                text=[f"{row['cpu']:.0f}" for row in bars],
                textposition="outside",
            )
    figure.update_yaxes(title="CPU seconds, all processes together")
    legend = {"orientation": "h", "y": -0.1}
    figure.update_layout(template="simple_white", width=1000, height=560, title="What a sweep costs", legend=legend)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=REPEATS, metavar="N")
    parser.add_argument("--to", type=Path, help="folder to write to; a full run writes beside this file")
    chosen = parser.parse_args()
    folder = chosen.to or (HERE if chosen.repeats >= REPEATS else None)
    rows: list[dict] = []
    seen = {name: sweep(name, chosen.repeats, rows) for name in SWEEPS}
    page = report(rows, seen, chosen.repeats)
    print(page)
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "runs.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["sweep", "way", "cpu", "wall"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (folder / "runs.md").write_text(page, encoding="utf-8")
    save(drawn(rows), folder, "runs")


if __name__ == "__main__":
    main()
