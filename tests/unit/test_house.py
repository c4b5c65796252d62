"""The house keeps its order: floors, light imports, one licence, a lock that holds what is asked for."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from importlinter.cli import lint_imports
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "shared_lib"


def test_rooms_import_only_from_floors_below(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import paillasse", {"pandas", "numpy", "pydantic", "yaml", "plotly", "papermill"}),
        ("import paillasse.catalog", {"ibis", "duckdb", "pandera", "pandas", "pyarrow"}),
        ("import paillasse.cohort", {"tableone", "plotly", "matplotlib"}),
        ("import paillasse.effects", {"ibis", "duckdb", "scipy.stats", "plotly", "sklearn", "xgboost", "matplotlib"}),
        ("import paillasse.survival", {"scipy.stats", "plotly", "lifelines", "sksurv", "matplotlib"}),
        (
            "from paillasse.runs import record",
            {"papermill", "pydantic", "nbconvert", "nbformat", "pandas", "plotly", "rich", "yaml"},
        ),
        ("import paillasse.project.doctor", {"packaging", "pydantic", "yaml", "jupyter_client", "psutil"}),
        ("import paillasse.runs.together", {"dask", "distributed", "cryptography"}),
        ("import paillasse.notebooks.plugin", {"nbformat", "plotly", "pandas", "nbval", "nbdime"}),
        (
            "from paillasse.cli import main; main(['--help'], standalone_mode=False)",
            {"papermill", "pydantic", "nbconvert", "nbformat", "pandas", "plotly", "rich", "yaml", "duckdb"},
        ),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(statement, heavy):
    code = f"import sys; {statement}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "paillasse" in loaded
    assert not heavy & set(loaded)


def test_the_library_imports_nothing_under_the_gpl():
    for file in LIBRARY.rglob("*.py"):
        assert not re.search(r"^\s*(import|from) sksurv", file.read_text(encoding="utf-8"), re.MULTILINE), file


def test_the_lock_holds_every_requirement_with_hashes_and_never_the_library():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)", lock, re.MULTILINE):
        locked.setdefault(name.lower().replace("_", "-"), []).append(version)
    asked = tomllib.loads((LIBRARY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    lines = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    asked += [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]
    for requirement in map(Requirement, asked):
        versions = locked.get(requirement.name.lower(), [])
        assert versions, f"{requirement} is not locked: make lock"
        assert all(requirement.specifier.contains(version) for version in versions), f"{requirement}: make lock"
    assert "paillasse" not in locked
    assert len(re.findall(r"^\S+==", lock, re.MULTILINE)) <= lock.count("--hash=")
    assert "http" not in re.sub(r"httpx|httpcore|aiohttp\w*|httptools", "", lock)


def test_the_two_licences_are_one():
    assert (ROOT / "LICENSE").read_bytes() == (LIBRARY / "LICENSE").read_bytes()
