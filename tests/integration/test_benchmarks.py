"""The benchmarks run: every task of the survival engine is measured. How fast is no test's business."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_every_task_of_the_survival_benchmark_is_measured():
    command = [sys.executable, "benchmarks/survival.py", "--quick", "--packages", "paillasse"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        from survival import TASKS
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    memory = done.stdout.split("## Growth")[0]
    missing = [title for title in TASKS.values() if f"| {title} | 2,000 | " not in memory]
    assert not missing, done.stdout + done.stderr


@pytest.mark.slow
def test_a_small_world_of_the_benchmark_of_effects_is_scored_by_every_method(tmp_path):
    code = "import effects; t = effects.scored(1, n=15_000); t.to_csv('{}'); print(effects.report(t, 'here'))"
    command = [sys.executable, "-c", code.format(tmp_path / "scores.csv")]
    done = subprocess.run(command, cwd=ROOT / "benchmarks", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    beside = done.stdout.split("## Beside what people do")[1].split("## Calibration")[0]
    for method in ("crude", "ever treated", "permuted dates", "naive empirical Bayes", "sequential trials"):
        assert f"| {method} | " in beside
    assert "nan" not in beside
