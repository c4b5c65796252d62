"""What all tests share: the same behaviour wherever they are started from; a page of Debian's Chromium, and pictures of
it for the documentation."""

import os
import shutil
import signal
from pathlib import Path

import pytest
import yaml
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).parents[1]
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync"]

# A shell that starts the tests in the background makes them, and all that they start, deaf to Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def declared_runs(tmp_path_factory) -> list[dict]:
    """The entries of runs.yaml in a project with default answers: every data set of the catalogue is in them."""
    folder = tmp_path_factory.mktemp("declared")
    settings = {"replay_dir": str(folder / "replay"), "cookiecutters_dir": str(folder / "clones")}
    without_hooks = {"no_input": True, "accept_hooks": False, "output_dir": str(folder), "default_config": settings}
    project = cookiecutter(str(ROOT), **without_hooks)
    return yaml.safe_load(Path(project, "runs.yaml").read_text(encoding="utf-8"))["runs"]


@pytest.fixture
def page():
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "The browser tests need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        yield browser.new_page(viewport={"width": 1400, "height": 1000})
        browser.close()


@pytest.fixture
def picture(page):
    """A function that takes a picture, where PAILLASSE_SCREENSHOTS names a folder for them."""
    folder = os.environ.get("PAILLASSE_SCREENSHOTS")

    def take(name: str) -> None:
        if folder:
            page.wait_for_timeout(500)
            page.screenshot(path=str(Path(folder, f"{name}.png")))

    return take
