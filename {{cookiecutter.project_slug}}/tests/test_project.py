"""What every project can rely on: its own package, its runs and its data. Tests of the team's code go beside this."""

from pathlib import Path

import pytest
import yaml

import {{ cookiecutter.project_slug }}
from paillasse import open_catalog

ROOT = Path(__file__).parents[1]
CATALOG = ROOT / "data_catalog.yaml"


def test_the_package_is_the_one_of_this_project():
    assert Path({{ cookiecutter.project_slug }}.__file__).is_relative_to(ROOT / "src")


def test_every_run_has_its_notebook():
    runs = yaml.safe_load((ROOT / "runs.yaml").read_text(encoding="utf-8"))["runs"]
    assert runs
    assert all((ROOT / run["notebook"]).is_file() for run in runs)


@pytest.mark.parametrize("name", yaml.safe_load(CATALOG.read_text(encoding="utf-8"))["datasets"])
def test_every_data_set_of_the_catalogue_reads(name):
    data = open_catalog(CATALOG)[name].read()
    assert len(data) > 0
