"""How fast `paillasse.survival` is, beside lifelines, scikit-survival, comprisk and R: `python benchmarks/survival.py`.

Each measurement is a process of its own with one thread; the answer is a table and a figure in this folder.
"""

import argparse
import csv
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).resolve().parent
SIZES = (10_000, 100_000, 1_000_000)
REPEATS = {10_000: 3, 100_000: 3, 1_000_000: 2}
QUICK_SIZE = 2_000
LONG = 20  # CPU seconds beyond which once is enough
CPU_LIMIT = 60  # seconds a process may use, imports included
MEMORY_LIMIT = 16 * 2**30  # address space; a peer that wants more has no answer
PACKAGES = ("paillasse", "lifelines", "sksurv", "comprisk", "R")
TASKS = {
    "km": "Kaplan-Meier, 4 groups",
    "logrank": "Log-rank, 4 groups",
    "cox": "Cox, 27 columns, Efron",
    "cox_entry": "Cox with delayed entry",
    "cox_cluster": "Cox, cluster-robust",
    "ph_test": "Proportional-hazards test",
    "aalen_johansen": "Aalen-Johansen, 2 causes, variance",
    "fine_gray": "Fine-Gray, robust",
    "harrell": "Harrell's C",
    "uno": "Uno's C",
    "bootstrap": "200 bootstrap Cox fits",
}
MOST_ROWS = {"bootstrap": 10_000}
LIMIT = {"pass_outcome": "once over 3 columns", "pass_design": "once over 27 columns"}

# The floors: n, task, the peer, and how many times less CPU than it we use at least.
FLOORS = [
    *((1_000_000, task, peer, times) for task in ("km", "logrank") for peer, times in (("lifelines", 10), ("R", 50))),
    (1_000_000, "cox", "lifelines", 2.5),
    (1_000_000, "cox", "R", 4.5),
    (10_000, "cox_cluster", "lifelines", 60),
    (10_000, "cox_cluster", "R", 40),
    (100_000, "ph_test", "R", 10),
    (100_000, "aalen_johansen", "lifelines", 20),
    (100_000, "fine_gray", "comprisk", 2),
    (1_000_000, "harrell", "lifelines", 10),
    (1_000_000, "harrell", "R", 5),
    (1_000_000, "uno", "R", 5),  # lifelines has no Uno
    (10_000, "bootstrap", "R", 4),
]
MOST_OF_PLAIN_COX = 1.5  # at a million, for these
BESIDE_COX = ("cox_entry", "cox_cluster", "ph_test")
MOST_SECONDS_OF_C = 2


def measure(task: str, package: str, folder: Path) -> dict:
    """One answer of one process; `state` is ok, absent, failed or timeout."""
    if package == "R":
        if shutil.which("Rscript") is None:
            return {"state": "absent", "note": "R is not installed"}
        command = ["Rscript", "--vanilla", HERE / "survival.R", task, folder]
    else:
        command = [sys.executable, HERE / "tasks.py", task, package, folder]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    done = subprocess.run(
        [str(part) for part in command],
        env=os.environ | threads,
        preexec_fn=_limited,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    lines = done.stdout.strip().splitlines()
    if lines and lines[-1].startswith("{"):
        return json.loads(lines[-1])
    if done.returncode < 0:  # ended by the limit of CPU time
        return {"state": "timeout", "note": f"no answer in {CPU_LIMIT} s"}
    return {"state": "failed", "note": f"ended with exit code {done.returncode}"}


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))


def measured(task: str, packages, n: int, folder: Path, repeats: int) -> list[dict]:
    """A row a package: the median of several answers. Packages take turns, so that a busy hour slows all alike."""
    answers = {package: [] for package in packages}
    for _ in range(repeats):
        for package, given in answers.items():
            # The first that is no answer ends it, and what takes long is measured once: its noise is small beside it.
            if not given or (given[-1]["state"] == "ok" and given[-1]["seconds"] < LONG):
                given.append(measure(task, package, folder))
    return [_row(task, package, n, given) for package, given in answers.items()]


def _row(task: str, package: str, n: int, answers: list[dict]) -> dict:
    row = {"task": task, "package": package, "n": n, "state": answers[-1]["state"], "repeats": len(answers)}
    if row["state"] == "ok":
        seconds = [answer["seconds"] for answer in answers]
        row |= {"seconds": _four_digits(statistics.median(seconds)), "least": _four_digits(min(seconds))}
        row |= {"most": _four_digits(max(seconds))}
        row |= {name: round(max(answer[name] for answer in answers)) for name in ("peak_mb", "before_mb")}
    return row | {"note": answers[-1].get("note", "")}


def _four_digits(value: float) -> float:
    return float(f"{value:.4g}")


def run_all(tasks, packages, sizes, repeats, cohorts: Path) -> list[dict]:
    """Every measurement; a package without an answer at one size is not asked at a larger one."""
    rows, silent = [], {}
    asked = {**dict.fromkeys(tasks, packages), **dict.fromkeys(LIMIT, ("memory",))}
    for n in sizes:
        # In a process of its own, so that this one stays small.
        code = "import sys, pathlib, cohorts; cohorts.write_cohort(pathlib.Path(sys.argv[1]), int(sys.argv[2]))"
        subprocess.run([sys.executable, "-c", code, str(cohorts / str(n)), str(n)], check=True, cwd=HERE)
        for task in asked:
            if n > MOST_ROWS.get(task, n):
                continue
            told = [package for package in asked[task] if (task, package) in silent]
            rows += [
                {"task": task, "package": package, "n": n, "state": "skipped", "note": silent[task, package]}
                for package in told
            ]
            others = [package for package in asked[task] if package not in told]
            for row in measured(task, others, n, cohorts / str(n), repeats.get(n, 1)):
                if row["state"] in ("timeout", "failed", "absent"):
                    silent[task, row["package"]] = row["note"] + (f" at {n:,}" if row["state"] != "absent" else "")
                if row["state"] != "absent":
                    shown = f"{row['seconds']:9.3f} s {row['peak_mb']:6} MB" if row["state"] == "ok" else row["note"]
                    print(f"{n:>9,} {task:16} {row['package']:10} {shown}", flush=True)
                rows.append(row)
    return rows


def floors(rows: list[dict]) -> list[dict]:
    """Each floor with what was reached; `reached` is None where something was not measured."""
    at = {(row["n"], row["task"], row["package"]): row for row in rows}

    def value(n, task, package, name="seconds"):
        return at.get((n, task, package), {}).get(name)

    def ratio(above, below):
        return above / below if above is not None and below else None

    result = []
    for n, task, peer, least in FLOORS:
        reached, no_answer = ratio(value(n, task, peer), value(n, task, "paillasse")), False
        if reached is None and value(n, task, peer, "state") == "timeout":
            reached, no_answer = ratio(CPU_LIMIT, value(n, task, "paillasse")), True
        result.append(
            _floor(n, task, f"CPU of {peer} / ours", f"≥ {least:g}×", reached, "×", lambda r, b=least: r >= b)
        )
        if no_answer:
            result[-1]["reached"] = "more than " + result[-1]["reached"]
    n = 1_000_000
    for task in BESIDE_COX:
        reached = ratio(value(n, task, "paillasse"), value(n, "cox", "paillasse"))
        told = f"≤ {MOST_OF_PLAIN_COX:g}×"
        result.append(_floor(n, task, "our CPU / our plain Cox", told, reached, "×", lambda r: r <= MOST_OF_PLAIN_COX))
    reached = ratio(value(n, "cox", "paillasse", "peak_mb"), value(n, "cox", "R", "peak_mb"))
    result.append(_floor(n, "cox", "our peak memory / R's", "≤ 1×", reached, "×", lambda r: r <= 1))
    for task in ("harrell", "uno"):
        reached = value(n, task, "paillasse")
        told = f"< {MOST_SECONDS_OF_C} s"
        result.append(_floor(n, task, "our CPU", told, reached, " s", lambda r: r < MOST_SECONDS_OF_C))
    return result


def _floor(n, task, what, told, reached, unit, passes) -> dict:
    shown = "not measured" if reached is None else f"{reached:.3g}{unit}"
    mark = "—" if reached is None else "✓" if passes(reached) else "✗"
    return {"n": n, "task": TASKS[task], "what": what, "floor": told, "reached": shown, "mark": mark}


def report(rows: list[dict]) -> str:
    """The Markdown page: floors, CPU seconds, memory, growth and the limit."""
    parts = [f"# `paillasse.survival` beside its peers\n\n{_machine()}\n"]
    parts.append("## Floors\n")
    parts.append(markdown(["n", "task", "what", "floor", "reached", ""], [list(f.values()) for f in floors(rows)]))
    sizes = sorted({row["n"] for row in rows})
    at = {(row["n"], row["task"], row["package"]): row for row in rows}
    tasks = [task for task in TASKS if any(row["task"] == task for row in rows)]
    packages = [name for name in PACKAGES if any(row["package"] == name for row in rows)]
    for title, name, digits in (("CPU seconds", "seconds", 3), ("Peak memory of the process, MB", "peak_mb", 0)):
        parts.append(f"## {title}\n")
        lines = []
        for task in tasks:
            for n in sizes:
                cells = [_cell(at.get((n, task, package), {}), name, digits) for package in packages]
                if any(cells):
                    lines.append([TASKS[task], n, *cells])
        parts.append(markdown(["task", "n", *packages], lines))
    parts.append("## Growth and the limit\n")
    parts.append(
        "*Growth* is the CPU seconds at the largest n over those at the n before it (n log n: about 11 to 12 for ten "
        "times the rows). *Passes* is our CPU at the largest n in units of reading the task's columns once from "
        "memory: nothing that looks at every value can need less than 1.\n"
    )
    lines = []
    for task in tasks:
        largest, before = at.get((sizes[-1], task, "paillasse"), {}), at.get((sizes[-2:][0], task, "paillasse"), {})
        columns = "pass_outcome" if task in ("km", "logrank", "aalen_johansen", "harrell", "uno") else "pass_design"
        once = at.get((sizes[-1], columns, "memory"), {})
        if largest.get("seconds") and once.get("seconds"):
            growth = f"{largest['seconds'] / before['seconds']:.1f}" if before.get("seconds") and len(sizes) > 1 else ""
            passes = f"{largest['seconds'] / once['seconds']:,.0f}"
            lines.append([TASKS[task], sizes[-1], growth, f"{once['seconds']:.2g} s {LIMIT[columns]}", passes])
    parts.append(markdown(["task", "n", "growth", "the limit", "passes"], lines))
    return "\n".join(parts)


def _cell(row: dict, name: str, digits: int) -> str:
    if row.get("state") == "ok":
        return f"{row[name]:,.{digits}f}"
    return row.get("note", "") if row.get("state") in ("timeout", "failed", "skipped") else ""


def markdown(header: list[str], lines: list[list]) -> str:
    texts = [[f"{cell:,}" if isinstance(cell, int) else str(cell).replace("|", "/") for cell in line] for line in lines]
    rows = ["| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *texts]]
    return "\n".join(rows) + "\n"


def cpu() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        return info.read_text().split("model name")[1].split("\n")[0].strip(" \t:")
    return platform.processor() or platform.machine()


def _machine() -> str:
    """What was measured, where and with which versions."""
    names = ("numpy", "pandas", "lifelines", "scikit-survival", "comprisk")
    versions = [f"Python {platform.python_version()}"]
    for name in names:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name} not installed")
    if shutil.which("Rscript"):
        code = 'cat(as.character(getRversion()), "with survival", as.character(packageVersion("survival")))'
        versions.append("R " + subprocess.run(["Rscript", "-e", code], capture_output=True, text=True).stdout.strip())
    return f"{date.today().isoformat()}, one thread of an {cpu()}; {', '.join(versions)}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=TASKS, default=list(TASKS), metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("--packages", nargs="+", choices=PACKAGES, default=list(PACKAGES), metavar="PACKAGE")
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), metavar="N")
    parser.add_argument(
        "--quick", action="store_true", help=f"all tasks once at n = {QUICK_SIZE}, to see that they run"
    )
    parser.add_argument("--to", type=Path, help="folder to write to; a run of everything writes beside this file")
    chosen = parser.parse_args()
    sizes = [QUICK_SIZE] if chosen.quick else sorted(chosen.sizes)
    everything = not chosen.quick and sizes == list(SIZES) and len(chosen.only) == len(TASKS)
    everything = everything and len(chosen.packages) == len(PACKAGES)
    folder = chosen.to or (HERE if everything else None)
    with tempfile.TemporaryDirectory() as cohorts:
        rows = run_all(chosen.only, chosen.packages, sizes, {} if chosen.quick else REPEATS, Path(cohorts))
    page = report(rows)
    if folder is None:
        print(page)
        return
    folder.mkdir(parents=True, exist_ok=True)
    names = ["task", "package", "n", "state", "seconds", "least", "most", "peak_mb", "before_mb", "repeats", "note"]
    with (folder / "survival.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (folder / "survival.md").write_text(page, encoding="utf-8")
    subprocess.run([sys.executable, HERE / "figure.py", folder], check=True)
    print(page)


if __name__ == "__main__":
    main()
