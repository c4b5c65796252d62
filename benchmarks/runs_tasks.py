"""One way to execute a sweep, in a process of its own: `python runs_tasks.py WAY PROJECT RESAMPLES RUNS`.

Prints one line of JSON. `pure` is the computing alone: the notebook's cells, outputs formatted as a kernel would, again
and again in a process that has imported everything and has run them once.
"""

import contextlib
import io
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

PROCESSES = 2


def cells(project: Path) -> list[str]:
    notebook = json.loads((project / "notebooks" / "resampling.ipynb").read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def computed(project: Path, seeds: list[int], resamples: int) -> float:
    """CPU seconds of some runs' cells in this process, after a first run that is not counted."""
    from IPython.core.interactiveshell import InteractiveShell

    os.chdir(project / "notebooks")
    shell = InteractiveShell.instance(colors="nocolor")
    shell.display_formatter.active_types = shell.display_formatter.format_types
    parameters, *others = cells(project)

    def run(seed: int, resamples: int) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            for code in (parameters, f"seed, resamples = {seed}, {resamples}", *others):
                shell.run_cell(code).raise_error()

    run(0, 2)
    started = time.process_time()
    for seed in seeds:
        run(seed, resamples)
    return time.process_time() - started


def pure(project: Path, resamples: int, runs: int) -> dict:
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        shares = [list(range(first, runs, PROCESSES)) for first in range(PROCESSES)]
        seconds = list(pool.map(computed, [project] * PROCESSES, shares, [resamples] * PROCESSES))
    return {"cpu": sum(seconds), "wall": max(seconds)}


def execute(project: Path, seed: int, resamples: int) -> None:
    import papermill

    notebooks = project / "notebooks"
    to = project / "papermill" / f"{seed}.ipynb"
    given = {"seed": seed, "resamples": resamples}
    source = notebooks / "resampling.ipynb"
    papermill.execute_notebook(source, to, parameters=given, cwd=notebooks, progress_bar=False, kernel_name="python3")


def papermill(project: Path, resamples: int, runs: int) -> dict:
    (project / "papermill").mkdir(exist_ok=True)
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        list(pool.map(execute, [project] * runs, range(runs), [resamples] * runs))
    return {}


def kernels(project: Path, resamples: int, runs: int) -> dict:
    """A warm kernel beside a cold one: CPU seconds until it is ready, memory, and how soon a killed one is noticed.

    Both are measured with the notebook's imports done, which is what the warm one starts with.
    """
    import signal

    from paillasse.kernels.channels import BlockingPrivateKernelManager
    from paillasse.kernels.started import chosen, warm_kernels

    def started(imports: str = "") -> dict:
        manager = BlockingPrivateKernelManager(kernel_name="python3")
        manager.start_kernel(cwd=str(project / "notebooks"))
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        pid = manager.provisioner.pid
        if imports:
            client.execute_interactive(imports, timeout=60)
        used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        rollup = dict(line.split(":") for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
        private = sum(int(rollup[name].split()[0]) for name in ("Private_Dirty", "Private_Clean")) / 1024
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        while manager.is_alive():
            time.sleep(0.001)
        noticed = time.monotonic() - killed
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        ticks = os.sysconf("SC_CLK_TCK")
        return {"ready": (int(used[11]) + int(used[12])) / ticks, "mb": private, "noticed": noticed}

    os.environ |= {"OMP_NUM_THREADS": "1"}
    imports = "import ibis.backends.duckdb, pandera.pandas, paillasse.survival, paillasse.cohort, paillasse.figures"
    with warm_kernels([project / "notebooks" / "resampling.ipynb"]):
        with chosen("/nowhere"):
            cold = [started(), started(imports)]
        _, *warm = [started() for _ in range(4)]
    return {
        "ready": sorted(each["ready"] for each in warm)[1],
        "ready_cold": cold[1]["ready"],
        "mb": sorted(each["mb"] for each in warm)[1],
        "mb_cold": cold[1]["mb"],
        "mb_cold_bare": cold[0]["mb"],
        "noticed": max(each["noticed"] for each in warm),
    }


if __name__ == "__main__":
    way, folder, resamples, runs = sys.argv[1:]
    answer = {"pure": pure, "papermill": papermill, "kernels": kernels}[way]
    print(json.dumps(answer(Path(folder), int(resamples), int(runs))))
