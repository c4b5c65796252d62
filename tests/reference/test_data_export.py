"""The files of data/ are what R's package `survival` holds, and what the catalogue says they are."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pandas
import pytest

from paillasse import open_catalog

ROOT = Path(__file__).resolve().parents[2]
CATALOG = ROOT / "data_catalog.yaml"
NAMES = ["colon", "gbsg", "rotterdam", "veteran", "lung", "mgus2", "pbc", "heart"]


def r_has_survival() -> bool:
    command = ["Rscript", "-e", "quit(status = !requireNamespace('survival', quietly = TRUE))"]
    return bool(shutil.which("Rscript")) and subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    if not r_has_survival():
        pytest.skip("needs R with the package survival (Debian: r-cran-survival)")
    folder = tmp_path_factory.mktemp("a folder, exporté")
    subprocess.run(["Rscript", str(ROOT / "data" / "export.R"), str(folder)], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_r_exports_the_same_bytes(exported, name):
    assert (exported / f"{name}.csv").read_bytes() == (ROOT / "data" / f"{name}.csv").read_bytes()


def test_the_export_leaves_nothing_else(exported):
    assert {path.name for path in exported.iterdir()} == {f"{name}.csv" for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_the_catalogue_has_the_checksum_of_the_file(name):
    file = ROOT / "data" / f"{name}.csv"
    assert open_catalog(CATALOG)[name].source.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_every_data_file_is_in_the_catalogue():
    files = {path.stem for path in (ROOT / "data").glob("*.csv")}
    public = {name for name, entry in open_catalog(CATALOG).entries.items() if entry.about.sensitivity == "public"}
    assert files == public == {*NAMES, "effects_benchmark"}  # which is of no patient, and not R's


@pytest.mark.parametrize("name", NAMES)
def test_every_data_file_has_its_line_in_the_readme(name):
    entry = open_catalog(CATALOG)[name]
    lines = (ROOT / "data" / "README.md").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith(f"| `{name}.csv` ")]
    assert f"| {len(entry.read())} |" in line
    assert all(paper.doi in line for paper in entry.about.papers if paper.doi)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_is_what_the_file_holds(name):
    """By another reader: types, order, missing values and every digit."""
    pandas.testing.assert_frame_equal(
        open_catalog(CATALOG)[name].read(),
        pandas.read_csv(ROOT / "data" / f"{name}.csv", float_precision="round_trip"),
        check_dtype=False,
        rtol=0,
        atol=0,
    )
