"""The ranking's notebook swept over choices of the analysis by runs.yaml, and drawn as one specification curve."""

import json
import shutil
from pathlib import Path

import pytest
from run_project import Project

from paillasse.effects import specification_curve
from paillasse.runs import collect

ROOT = Path(__file__).parents[2]
HORIZONS = [12.0, 24.0]
ADJUSTMENTS = ["ben_sex_cod + ben_nai_ann", "ben_sex_cod + ben_nai_ann + comorbidities + surgery"]


@pytest.mark.slow
def test_a_sweep_over_analysis_choices_is_one_specification_curve(tmp_path):
    project = Project(tmp_path / "study")
    shutil.copy(ROOT / "data_catalog.yaml", project.folder)
    shutil.copytree(ROOT / "data", project.folder / "data")
    shutil.copy(ROOT / "notebooks" / "combination_ranking.ipynb", project.folder / "notebooks")
    sweep = {
        "name": "choices",
        "notebook": "notebooks/combination_ranking.ipynb",
        "parameters": {"n_patients": 30_000, "least": 20},
        "grid": {"horizon": HORIZONS, "adjusted_for": ADJUSTMENTS},
        "profile": "synthetic",
    }
    (project.folder / "runs.yaml").write_text(json.dumps({"runs": [sweep]}), encoding="utf-8")
    done = project.paillasse("run")
    assert done.returncode == 0, done.stdout + done.stderr

    effects = collect("choices", "effects", project=project.folder)
    commonest = effects.groupby("partner")["n"].min().idxmax()
    curve = specification_curve(effects[effects["partner"] == commonest], ["horizon", "adjusted_for"])
    chosen = set(zip(curve.table["horizon"], curve.table["adjusted_for"], strict=True))
    assert chosen == {(horizon, adjusted) for horizon in HORIZONS for adjusted in ADJUSTMENTS}
    assert curve.table["estimate"].is_monotonic_increasing
    assert sum(len(trace.x) for trace in curve.figure().data if trace.mode == "markers") >= 4
