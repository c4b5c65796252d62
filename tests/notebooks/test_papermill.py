"""Each notebook runs under plain papermill too, with another parameter than its own."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
OTHER = {
    "adjuvant_combination": ["-p", "tau_years", "3.0"],
    "cohort_overview": ["-p", "by", "ph.ecog"],
    "combination_ranking": ["-p", "n_patients", "30000", "-p", "least", "20"],
    "effects_benchmark": ["-p", "n_patients", "20000"],
    "risk_model": ["-p", "trees", "20"],
    "survival_analysis": ["-p", "formula", "age + nodes"],
    "trial_emulation": ["-p", "subsamples", "3"],
}


def test_every_notebook_is_known_here():
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(OTHER)


@pytest.mark.parametrize("order", [["papermill", "paillasse.runs.engine"], ["paillasse.runs.engine", "papermill"]])
def test_papermill_finds_the_engine_whichever_is_imported_first(order):
    code = "; ".join(f"import {module}" for module in order)
    code += "; from papermill.engines import papermill_engines as known; print(known.get_engine('paillasse').__name__)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "Engine\n"


@pytest.mark.slow
@pytest.mark.parametrize("engine", [[], ["--engine", "paillasse"]], ids=["own engine", "ours"])
@pytest.mark.parametrize("name", OTHER)
def test_a_notebook_runs_under_plain_papermill(name, engine, tmp_path):
    command = [sys.executable, "-m", "papermill", f"{name}.ipynb", tmp_path / "out.ipynb", *OTHER[name], *engine]
    done = subprocess.run(command, cwd=NOTEBOOKS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert any("injected-parameters" in cell.metadata.get("tags", []) for cell in cells)
    assert all(cell.execution_count for cell in cells if cell.cell_type == "code" and cell.source.strip())
