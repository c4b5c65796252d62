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
