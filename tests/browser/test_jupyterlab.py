"""JupyterLab in a real browser: the survival notebook runs all cells, and its figure is on screen."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from lab_server import lab_server

from paillasse import open_catalog

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
HERE = ("localhost", "127.0.0.1")


@pytest.fixture
def bench(tmp_path):
    """The template's notebooks, catalogue and data, copied, so that a run never touches the stored outputs."""
    folder = tmp_path / "bench é 1"
    for name in ("notebooks", "data"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "data_catalog.yaml", folder)
    return folder


@pytest.fixture
def lab(bench, tmp_path):
    """A JupyterLab server of our own, started as `make lab` does; gives the survival notebook's address."""
    options = re.search(r"jupyter lab (.*) notebooks", (ROOT / "Makefile").read_text(encoding="utf-8"))[1].split()
    chosen = {name: value for name, value in os.environ.items() if name == "PAILLASSE_PROFILE"}
    with lab_server(bench, tmp_path / "settings", *options, **chosen) as running:
        yield running.page("notebooks/survival_analysis.ipynb")


def test_the_survival_notebook_runs_all_cells_and_shows_its_curves(lab, page, bench, picture):
    notebook = bench / "notebooks" / "survival_analysis.ipynb"
    stored = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in stored["cells"]:  # what is on screen then is of this run
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    notebook.write_text(json.dumps(stored), encoding="utf-8")
    cells = sum(cell["cell_type"] == "code" for cell in stored["cells"])

    elsewhere = []
    page.on("request", lambda request: urlsplit(request.url).hostname in (*HERE, None) or elsewhere.append(request.url))
    page.goto(lab)
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=90_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=90_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    curve = page.locator(".js-plotly-plot", has_text="Number at risk")
    curve.first.wait_for(timeout=180_000)
    page.keyboard.press("Control+s")
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:  # the file says which cells have been executed, the screen only those in view
        page.wait_for_timeout(1000)
        page.keyboard.press("Control+s")
        executed = [c for c in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
        if all(cell["execution_count"] for cell in executed):
            break
    assert [cell["execution_count"] for cell in executed] == list(range(1, cells + 1))
    assert not [out for cell in executed for out in cell["outputs"] if out["output_type"] == "error"]

    curve.first.scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    assert curve.first.is_visible()
    assert curve.first.locator("path.js-line").count() >= 2
    buttons = curve.first.locator(".modebar-btn").evaluate_all("all => all.map(each => each.dataset.title)")
    assert any("PNG" in button or "png" in button for button in buttons), buttons
    assert not [button for button in buttons if "Share" in button or "loud" in button], buttons
    assert not elsewhere
    page.get_by_role("button", name="No", exact=True).click()  # JupyterLab's offer of news
    picture("jupyterlab")


def test_the_catalogue_shown_in_a_cell_can_be_searched(lab, page, bench):
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None}
    cell["source"] = "from paillasse import open_catalog\nopen_catalog()"
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    notebook = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (bench / "notebooks" / "catalogue.ipynb").write_text(json.dumps(notebook))
    page.goto(lab.replace("survival_analysis", "catalogue"))
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=90_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    rows, box = page.locator(".jp-OutputArea tbody tr:visible"), page.locator(".jp-OutputArea input[type=search]")
    box.fill("claims lung")
    assert [row.split()[0] for row in rows.all_inner_texts()] == ["snds_patients", "snds_drugs", "snds_stays"]
    box.fill("")
    assert rows.count() == len(open_catalog(bench / "data_catalog.yaml"))


@pytest.fixture
def secure(monkeypatch):
    monkeypatch.setenv("PAILLASSE_PROFILE", "secure")


def test_what_is_shown_in_the_profile_secure_is_saved_nowhere(secure, lab, page, bench):
    source = 'import pandas\n'
    source += 'df = pandas.DataFrame({"name": ["Dup" + "ont", "Pe" + "tit"], "age": [54, 61]})\ndf.head()'
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    file = bench / "notebooks" / "shown.ipynb"
    file.write_text(json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    identity = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org"]
    for step in (["git", "init", "--quiet"], ["git", "add", "--all"], [*identity, "commit", "--quiet", "-m", "before"]):
        subprocess.run(step, cwd=bench, check=True)

    page.goto(lab.replace("survival_analysis", "shown"))
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=90_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.locator(".jp-OutputArea td", has_text="Dupont").wait_for(timeout=90_000)
    before = file.stat().st_mtime_ns
    page.locator(".jp-CodeCell .cm-content").first.click()
    page.keyboard.press("End")
    page.keyboard.type("  # looked at")
    page.keyboard.press("Control+s")
    deadline = time.monotonic() + 30
    while "looked at" not in file.read_text(encoding="utf-8") and time.monotonic() < deadline:
        page.wait_for_timeout(250)
    page.wait_for_timeout(1000)

    assert file.stat().st_mtime_ns > before
    assert "looked at" in file.read_text(encoding="utf-8")
    assert page.locator(".jp-OutputArea td", has_text="Dupont").count() == 1  # it stays on screen
    on_disk = [each for each in bench.rglob("*.ipynb") if each.name.startswith("shown")]
    assert any(".ipynb_checkpoints" in each.parts for each in on_disk)
    assert not [each for each in on_disk if "Dupont" in each.read_text(encoding="utf-8")]
    subprocess.run(["git", "add", "--all", "--force"], cwd=bench, check=True)
    staged = subprocess.run(["git", "diff", "--cached"], cwd=bench, check=True, capture_output=True, encoding="utf-8")
    assert "looked at" in staged.stdout and "Dupont" not in staged.stdout
