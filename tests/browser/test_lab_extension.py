"""The extension in a real browser and a generated project: data are found and read, leaks are shown."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from lab_server import lab_server
from toy_catalog import ABOUT

from paillasse.runs.declared import read_runs

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
NO_NEWS = "--LabApp.news_url=None"
SETTINGS = "JUPYTER_CONFIG_DIR/lab/user-settings/@jupyterlab"
BESIDE = "JUPYTER_CONFIG_DIR/labconfig/page_config.json"  # Notebook 7 adds a button to JupyterLab; a project has none
PATIENTS = """\
import pandas
patients = ["Dup" + "ont", "Petit", "Moreau", "Garnier", "Roussel", "Lefort"]
df = pandas.DataFrame({"patient_id": patients, "age": [54, 61, 47, 70, 58, 66]})"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project as cookiecutter makes it."""
    folder = tmp_path_factory.mktemp("projects")
    command = [sys.executable, "-m", "cookiecutter", str(ROOT), "--no-input", "--output-dir", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = folder.iterdir()
    return made


def write_notebook(project: Path, name: str, *sources: str) -> str:
    """A notebook of these cells in the project; its path."""
    empty = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [empty | {"id": f"c{number}", "source": source} for number, source in enumerate(sources)]
    content = {"cells": cells, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}
    (project / "notebooks" / f"{name}.ipynb").write_text(json.dumps(content), encoding="utf-8")
    return f"notebooks/{name}.ipynb"


def make_study(folder: Path) -> str:
    """A project of one notebook with a figure, a recorded table and two runs; the notebook's path."""
    (folder / "notebooks").mkdir(parents=True)
    figure = "import plotly.express\nplotly.express.line(x=[0, tau], y=[1, 0.5], height=300)"
    record = "import pandas\nfrom paillasse.runs import record\n"
    record += 'record("risk", pandas.DataFrame({"tau": [tau], "risk": [tau / 10]}), f"Risk {tau / 10}")'
    path = write_notebook(folder, "risk", "tau = 2", figure, record)
    content = json.loads((folder / path).read_text())
    content["cells"][0]["metadata"] = {"tags": ["parameters"]}
    (folder / path).write_text(json.dumps(content))
    runs = [{"name": "risk", "notebook": path, "grid": {"tau": [2, 5]}}]
    (folder / "runs.yaml").write_text(json.dumps({"runs": runs}))
    return path


@pytest.fixture
def lab(project, tmp_path):
    """A function that starts a server in the project, light or dark, behind a prefix as a hub's."""
    running = []

    def start(theme: str = "Light", language: str = "default", options: Sequence[str] = (), **more: str):
        chosen = {
            "apputils-extension/themes": {"theme": f"JupyterLab {theme}"},
            "apputils-extension/notification": {"fetchNews": "false"},
            "translation-extension/plugin": {"locale": language},
        }
        settings = tmp_path / "settings"
        for name, values in chosen.items():
            file = settings / SETTINGS / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))
        (settings / BESIDE).parent.mkdir(exist_ok=True)
        (settings / BESIDE).write_text('{"disabledExtensions": {"@jupyter-notebook/lab-extension": true}}')
        context = lab_server(project, settings, NO_NEWS, "--ServerApp.base_url=/user/ada/", *options, **more)
        running.append(context)
        return context.__enter__()

    yield start
    for context in running:
        context.__exit__(None, None, None)


def open_notebook(page, address: str) -> None:
    page.goto(address)
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=90_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=90_000)


def open_panel(page, name: str) -> None:
    page.locator(f'.jp-SideBar [data-id="{name}"]').click()
    page.locator(f"#{name}").wait_for()


def time_to_show(page, name: str, selector: str) -> float:
    """Milliseconds from the click that opens a panel to when an element of it is on the screen."""
    page.evaluate(
        """selector => {
             window.took = new Promise(done => document.addEventListener("pointerdown", () => {
               const before = performance.now();
               const shown = () => document.querySelector(selector)?.checkVisibility();
               const look = () => shown() ? done(performance.now() - before) : requestAnimationFrame(look);
               look();
             }, { capture: true, once: true }));
           }""",
        selector,
    )
    open_panel(page, name)
    took = page.evaluate("() => window.took")
    print(f"{name}: {selector} after {took:.0f} ms")
    return took


def tab_to(page, selector: str) -> None:
    """Press the tab key until an element has the focus."""
    page.locator(selector).locator("visible=true").first.wait_for()
    for _ in range(100):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"The tab key does not lead to {selector}")


def call(page, name: str) -> None:
    """Call a command by its name in the palette, with the keyboard alone.

    The palette closes when something else takes the focus, as a notebook does whose kernel has just come: whoever sits
    before it calls it again.
    """
    from playwright.sync_api import TimeoutError as TooLate

    for _ in range(10):
        page.keyboard.press("Control+Shift+c")
        try:
            page.locator(".lm-CommandPalette-input:focus").fill(f"Paillasse {name}", timeout=3_000)
            page.locator(".lm-CommandPalette-item.lm-mod-active", has_text=name).wait_for(timeout=3_000)
        except TooLate:
            page.keyboard.press("Escape")
        else:
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"The palette does not lead to {name}")


def serious_findings(page, selector: str) -> list[str]:
    """What axe, the checker of accessibility, takes for serious in a part of the page."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context={"include": [[selector]]}).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found if each["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_a_data_set_is_found_inserted_and_read(lab, project, page, picture, theme):
    elsewhere = []
    here = ("localhost", "127.0.0.1", None)
    page.on("request", lambda request: urlsplit(request.url).hostname in here or elsewhere.append(request.url))
    server = lab(theme)
    open_notebook(page, server.page(write_notebook(project, f"new_{theme}", "")))
    assert page.locator(".jp-StatusBar-Widget .jp-paillasse-profile").inner_text() == "profile: synthetic"
    open_panel(page, "paillasse-catalogue")
    panel = page.locator("#paillasse-catalogue")
    panel.get_by_role("searchbox").fill("lung_io")
    row = panel.locator(".jp-paillasse-row:visible")
    assert [each.split("\n")[0] for each in row.all_inner_texts()] == ["lung_io"]
    row.press("Enter")
    panel.get_by_label("read the column os_days").wait_for()
    assert panel.get_by_text("made up, nobody's data").count()
    panel.get_by_label("all columns").set_checked(True)
    panel.get_by_label("all columns").set_checked(False)
    for column in ("os_days", "death"):
        panel.get_by_label(f"read the column {column}").set_checked(True)
    panel.get_by_text("First rows").click()
    panel.get_by_text("Of the synthetic stand-in").wait_for(timeout=60_000)
    assert panel.locator(".jp-paillasse-preview tbody tr").count() == 5
    panel.locator(".jp-paillasse-preview").scroll_into_view_if_needed()
    picture(f"lab_preview_{theme.lower()}")
    assert serious_findings(page, "#paillasse-catalogue") == []
    panel.get_by_role("button", name="Insert").click()
    cell = page.locator(".jp-Notebook .jp-CodeCell").first
    assert 'catalog["lung_io"].read(columns=["os_days", "death"])' in cell.locator(".cm-content").inner_text()
    panel.locator(".jp-paillasse-row:visible").scroll_into_view_if_needed()
    picture(f"lab_catalogue_{theme.lower()}")
    page.keyboard.press("Shift+Enter")
    page.locator(".jp-InputPrompt", has_text="[1]:").wait_for(timeout=90_000)
    assert cell.locator(".jp-OutputArea-output").count() == 0
    assert not elsewhere


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_patients_on_screen_make_the_badge_red_and_the_list_leads_to_the_cell(lab, project, page, picture, theme):
    server = lab(theme, PAILLASSE_PROFILE="secure")
    path = write_notebook(project, f"leak_{theme}", "'first'", PATIENTS, "df.head()", "'last'")
    open_notebook(page, server.page(path))
    profile = page.locator(".jp-StatusBar-Widget .jp-paillasse-profile")
    assert profile.inner_text() == "profile: secure"
    badge = page.locator(".jp-paillasse-badge")
    page.locator('.jp-paillasse-badge[data-state="clean"]').wait_for(timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.locator(".jp-OutputArea td", has_text="Dupont").first.wait_for(timeout=90_000)
    page.locator(".jp-InputPrompt", has_text="[4]:").wait_for(timeout=90_000)
    page.keyboard.press("Control+s")
    page.locator('.jp-paillasse-badge[data-state="leak"]').wait_for(timeout=60_000)
    assert "Dupont" not in (project / path).read_text(encoding="utf-8")
    badge.click()
    dialog = page.locator(".jp-Dialog")
    dialog.get_by_text("This must not leave").wait_for()
    assert dialog.get_by_text("saved without outputs").count() == 1
    assert "Dupont" not in dialog.inner_text()
    picture(f"lab_leaks_{theme.lower()}")
    assert serious_findings(page, ".jp-paillasse-findings") == []
    assert serious_findings(page, ".jp-paillasse-leaks") == []
    assert serious_findings(page, ".jp-StatusBar-Widget .jp-paillasse-profile") == []
    dialog.locator("button.jp-paillasse-finding").first.click()
    page.locator(".jp-Notebook .jp-Cell.jp-mod-active", has_text="df.head()").wait_for()


def test_a_broken_catalogue_is_shown_with_file_and_line_and_an_empty_folder_with_what_to_do(lab, project, page):
    (project / "broken").mkdir()
    (project / "broken" / "data_catalog.yaml").write_text("datasets:\n  toy: {title: [}\n")
    content = {"cells": [], "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}
    (project / "broken" / "a.ipynb").write_text(json.dumps(content))
    page.goto(lab().page("broken/a.ipynb"))
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=90_000)
    open_panel(page, "paillasse-catalogue")
    page.locator("#paillasse-catalogue [role=alert]", has_text="data_catalog.yaml:2").wait_for(timeout=30_000)
    assert page.locator('.jp-paillasse-badge[data-state="unknown"]').inner_text() == "not scanned"


def test_a_server_without_the_library_is_said_to_be_one(lab, project, page):
    without = """--ServerApp.jpserver_extensions={"paillasse.lab": False, "paillasse.scan.save_hook": False}"""
    page.goto(lab(options=[without]).page(write_notebook(project, "without", "")))
    page.locator('.jp-paillasse-badge[data-state="unknown"]').wait_for(timeout=90_000)
    for panel in ("paillasse-catalogue", "paillasse-runs", "paillasse-form"):
        open_panel(page, panel)
        page.locator(f"#{panel} [role=alert]", has_text="has no Paillasse").wait_for(timeout=30_000)


def test_a_thousand_data_sets_are_there_within_a_second_and_filtered_at_once(lab, project, page):
    field = {"name": "age", "type": "integer", "description": "Age", "unit": "years"}
    about = ABOUT | {"schema": {"fields": [field | {"name": f"column_{i}"} for i in range(11)]}}
    about["sources"] = {"public": {"driver": "csv", "path": "a.csv"}}
    folder = project / "thousand"
    folder.mkdir()
    many = {f"cohort_{number}": about | {"title": f"Cohort {number}"} for number in range(1000)}
    (folder / "data_catalog.yaml").write_text(json.dumps({"datasets": many}))
    content = {"cells": [], "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}
    (folder / "a.ipynb").write_text(json.dumps(content))
    page.goto(lab().page("thousand/a.ipynb"))
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=90_000)
    page.wait_for_function("document.querySelectorAll('#paillasse-catalogue li').length === 1000", timeout=60_000)
    panel = page.locator("#paillasse-catalogue")
    shown = time_to_show(page, "paillasse-catalogue", "#paillasse-catalogue li")
    assert panel.get_by_text("1000 of 1000 data sets").is_visible()
    assert shown < 1000
    took = panel.get_by_role("searchbox").evaluate(
        """box => {
             const before = performance.now();
             box.value = "cohort 77";
             box.dispatchEvent(new Event("input"));
             return performance.now() - before;
           }"""
    )
    assert panel.locator(".jp-paillasse-row:visible").count() == 19
    assert took < 50


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_runs_are_started_followed_stopped_and_compared(lab, project, page, picture, theme):
    study = project / f"study_{theme}"
    path = make_study(study)
    slow = write_notebook(study, "slow", "import time", "time.sleep(600)")
    dies = write_notebook(study, "dies", "import os, signal", "os.kill(os.getpid(), signal.SIGKILL)")
    runs = json.loads((study / "runs.yaml").read_text())["runs"]
    runs += [{"name": "slow", "notebook": slow}, {"name": "dies", "notebook": dies}]
    (study / "runs.yaml").write_text(json.dumps({"runs": runs}))

    open_notebook(page, lab(theme).page(f"{study.name}/{path}"))
    open_panel(page, "paillasse-runs")
    panel = page.locator("#paillasse-runs")
    panel.locator('.jp-paillasse-tag[data-kind="not run yet"]').nth(3).wait_for(timeout=60_000)
    panel.get_by_text("would run: new").nth(3).wait_for(timeout=60_000)
    panel.get_by_role("button", name="Run what is not done").click()
    panel.get_by_text("cell 2 of 2").wait_for(timeout=120_000)
    panel.get_by_text("Risk 0.5").wait_for(timeout=120_000)
    panel.locator('.jp-paillasse-tag[data-kind="killed"]').wait_for(timeout=120_000)
    panel.get_by_role("button", name="Stop: slow").click()
    panel.locator('.jp-paillasse-tag[data-kind="cancelled"]').wait_for(timeout=60_000)
    panel.get_by_text("would run: its last run was not ok (cancelled)").wait_for(timeout=60_000)
    assert panel.locator('.jp-paillasse-tag[data-kind="ok"]').count() == 2
    assert serious_findings(page, "#paillasse-runs") == []
    picture(f"lab_runs_{theme.lower()}")

    for name in ("risk-tau=2", "risk-tau=5"):
        panel.get_by_label(f"compare {name}").set_checked(True)
    panel.get_by_role("button", name="Compare").click()
    comparison = page.locator(".jp-paillasse-comparison")
    comparison.locator("tr.jp-mod-differs", has_text="tau").wait_for(timeout=30_000)
    assert comparison.get_by_text("Risk 0.2").count() == comparison.get_by_text("Risk 0.5").count() == 1
    comparison.locator(".js-plotly-plot").nth(1).wait_for(timeout=60_000)
    assert serious_findings(page, ".jp-paillasse-comparison > table") == []
    picture(f"lab_comparison_{theme.lower()}")
    panel.get_by_role("button", name="Open: risk-tau=2").click()
    page.locator(".jp-Notebook", has_text="plotly.express").nth(1).wait_for(timeout=60_000)

    shutil.rmtree(study / "runs" / "risk-tau=5")
    panel.locator('.jp-paillasse-tag[data-kind="not run yet"]').wait_for(timeout=30_000)
    assert not panel.get_by_label("compare risk-tau=5").is_checked()
    assert panel.get_by_role("button", name="Compare").is_disabled()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_the_form_of_the_survival_notebook_is_filled_in_run_and_added(lab, project, page, picture, theme):
    open_notebook(page, lab(theme).page("notebooks/survival_analysis.ipynb"))
    form = page.locator("#paillasse-form")
    form.locator(".jp-mod-accept").wait_for(state="attached")  # before anybody asks for it
    time_to_show(page, "paillasse-form", "#paillasse-form .jp-mod-accept")
    form.get_by_label("dataset", exact=True).locator("select").select_option("veteran")
    form.get_by_label("name of the run").fill(f"form_{theme}")
    for name, value in {"formula": "karno + age", "subgroup_columns": "[]", "tau": "1"}.items():
        form.get_by_label(name, exact=True).locator("input").fill(value)
    for name, column in {"duration": "time", "by": "trt", "subgroup_columns": "prior"}.items():
        form.get_by_label(f"Choose a column for {name}").select_option(column)
    assert serious_findings(page, "#paillasse-form") == []
    form.get_by_label("subgroup_columns", exact=True).locator("input").fill("7")
    form.get_by_role("button", name="Run", exact=True).click()
    form.get_by_text("parameters.subgroup_columns: expected a list").wait_for(timeout=30_000)
    form.get_by_label("subgroup_columns", exact=True).locator("input").fill('["prior"]')
    form.get_by_role("button", name="Run", exact=True).click()
    form.get_by_text(f"form_{theme}: running · cell").wait_for(timeout=120_000)
    picture(f"lab_form_{theme.lower()}")
    form.get_by_text(f"form_{theme}: ok").wait_for(timeout=180_000)

    form.get_by_label("Another value of tau").click()
    form.get_by_label("tau", exact=True).locator("input").nth(1).fill("2")
    form.get_by_label("name of the run").fill(f"grid_{theme}")
    form.get_by_role("button", name="Add to runs.yaml").click()
    form.get_by_text("added to runs.yaml").wait_for(timeout=30_000)
    added = [run for run in read_runs(project) if run.entry == f"grid_{theme}"]
    assert [run.parameters["tau"] for run in added] == [1, 2]
    assert added[0].parameters["dataset"] == "veteran"
    assert added[0].parameters["by"] == "trt"
    assert added[0].parameters["subgroup_columns"] == ["prior"]


def test_who_has_chosen_french_reads_french(lab, project, page, picture):
    page.goto(lab(language="fr_FR").page(write_notebook(project, "french", "")))
    page.locator(".jp-StatusBar-Widget .jp-paillasse-profile", has_text="profil : synthetic").wait_for(timeout=90_000)
    page.locator('.jp-paillasse-badge[data-state="clean"]', has_text="rien d’un patient").wait_for(timeout=60_000)
    open_panel(page, "paillasse-catalogue")
    panel = page.locator("#paillasse-catalogue")
    panel.get_by_label("Chercher dans le catalogue").fill("lung_io")
    panel.locator(".jp-paillasse-row:visible").click()
    panel.get_by_text("Puis-je le lire ?").wait_for(timeout=30_000)
    panel.get_by_text("oui, une doublure").wait_for()
    panel.get_by_text("entier · jamais manquant, 18 à 110 · quasi-identifiant").wait_for()
    open_panel(page, "paillasse-form")
    page.locator("#paillasse-form", has_text="Aucune cellule de ce notebook").wait_for(timeout=30_000)
    open_panel(page, "paillasse-runs")
    page.locator("#paillasse-runs").get_by_text("serait exécuté : nouveau").first.wait_for(timeout=60_000)
    picture("lab_french")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_the_launcher_has_the_notebooks_by_their_questions_and_makes_a_new_one(lab, project, page, picture, theme):
    page.goto(lab(theme).page("notebooks"))
    question = "Does a model of recurrence learnt in Rotterdam hold in German patients?"
    page.locator(".jp-LauncherCard", has_text=question).first.wait_for(timeout=90_000)
    picture(f"lab_launcher_{theme.lower()}")
    assert serious_findings(page, '.jp-LauncherCard[data-category="Analyses of this project"]') == []
    tab_to(page, '.jp-LauncherCard[title^="What is wrong with this project"]')
    page.keyboard.press("Enter")
    page.locator(".jp-Dialog .jp-paillasse-finding", has_text="make hooks").wait_for(timeout=60_000)
    assert serious_findings(page, ".jp-Dialog-content") == []
    page.keyboard.press("Escape")
    tab_to(page, '.jp-LauncherCard[title^="A copy of a notebook"]')
    page.keyboard.press("Enter")
    page.locator(".jp-Dialog select:focus").select_option(f"{question} (notebooks/risk_model.ipynb)")
    page.keyboard.press("Enter")
    page.locator(".jp-Dialog", has_text="Its name").locator("input:focus").fill(f"my_model_{theme}")
    page.keyboard.press("Enter")
    page.locator(".jp-Notebook", has_text=question).wait_for(timeout=60_000)
    new = project / "notebooks" / f"my_model_{theme}.ipynb"
    assert not [cell for cell in json.loads(new.read_text(encoding="utf-8"))["cells"] if cell.get("outputs")]
    new.unlink()


def test_the_keyboard_alone_is_enough(lab, project, page):
    path = make_study(project / "keys")
    shutil.copy(project / "data_catalog.yaml", project / "keys")
    open_notebook(page, lab().page(f"keys/{path}"))
    call(page, "Run with other Parameters")
    tab_to(page, '#paillasse-form input[aria-label="tau"]')
    page.keyboard.type("3")
    tab_to(page, "#paillasse-form .jp-mod-accept")
    page.keyboard.press("Enter")
    page.locator("#paillasse-form", has_text="risk_1: ok").wait_for(timeout=120_000)
    call(page, "Data Catalogue")
    page.locator(".jp-paillasse-search:focus").wait_for()
    page.keyboard.type("veteran")
    page.get_by_text("1 of ").wait_for()
    tab_to(page, ".jp-paillasse-row")
    page.keyboard.press("Enter")
    page.locator("#paillasse-catalogue").get_by_label("read the column karno").wait_for()
    tab_to(page, "#paillasse-catalogue .jp-mod-accept")
    page.keyboard.press("Enter")
    page.locator(".jp-Notebook .cm-content", has_text='catalog["veteran"].read(').wait_for()
    call(page, "Runs")
    tab_to(page, '#paillasse-runs [aria-label="Open: risk_1"]')
    call(page, "List what the Scan has Found")
    page.locator(".jp-Dialog .jp-paillasse-findings").wait_for()


def test_no_tab_asks_for_the_runs_faster_than_once_a_second(lab, project, page):
    path = make_study(project / "tabs")
    slow = write_notebook(project / "tabs", "slow", "seconds = 8", "import time", "time.sleep(seconds)")
    content = json.loads((project / "tabs" / slow).read_text())
    content["cells"][0]["metadata"] = {"tags": ["parameters"]}
    (project / "tabs" / slow).write_text(json.dumps(content))
    server = lab()
    since = {}
    for number, (file, panel) in enumerate([(path, "paillasse-runs"), (slow, "paillasse-form")]):
        tab = page if number == 0 else page.context.browser.new_page()
        open_notebook(tab, server.page(f"tabs/{file}"))
        open_panel(tab, panel)
        since[tab] = tab.evaluate("performance.now()")
    tab.locator("#paillasse-form", has_text="seconds").wait_for()  # the tab begins with the notebook of the other one
    tab.locator("#paillasse-form").get_by_role("button", name="Run", exact=True).click()
    tab.locator("#paillasse-form", has_text="slow_1: ok").wait_for(timeout=120_000)
    for tab, start in since.items():
        asked = tab.evaluate(
            "start => performance.getEntriesByType('resource').map(each => [each.name, each.startTime])"
            ".filter(([name, time]) => name.includes('/api/runs?') && time > start).map(([_, time]) => time / 1000)",
            start,
        )
        print(f"{(len(asked) - 1) / (asked[-1] - asked[0]):.2f} requests a second")
        assert len(asked) > 3
        assert min(after - before for before, after in pairwise(asked)) > 0.95


def test_in_notebook_7_the_badge_the_panels_and_the_commands_work(lab, project, page, picture):
    path = make_study(project / "classic")
    page.goto(lab(application="notebook").page(f"classic/{path}"))
    page.locator('.jp-paillasse-badge[data-state="clean"]').wait_for(timeout=90_000)

    call(page, "Runs")
    panel = page.locator("#paillasse-runs")
    panel.get_by_role("button", name="Run what is not done").click()
    panel.locator('.jp-paillasse-tag[data-kind="ok"]').nth(1).wait_for(timeout=120_000)
    for name in ("risk-tau=2", "risk-tau=5"):
        panel.get_by_label(f"compare {name}").set_checked(True)
    panel.get_by_role("button", name="Compare").click()
    page.locator(".jp-paillasse-comparison tr.jp-mod-differs", has_text="tau").wait_for(timeout=30_000)
    page.locator(".jp-paillasse-comparison .js-plotly-plot").nth(1).wait_for(timeout=60_000)
    assert page.locator(".jp-paillasse-comparison").bounding_box()["height"] > 400
    picture("notebook_7")
    with page.expect_popup() as opened:
        panel.get_by_role("button", name="Open: risk-tau=2").click()
    opened.value.locator('.jp-paillasse-badge[data-state="clean"]').wait_for(timeout=90_000)
    opened.value.close()

    call(page, "Run with other Parameters")
    page.locator("#paillasse-form").get_by_label("tau", exact=True).first.wait_for(timeout=30_000)
    call(page, "Doctor")
    page.locator(".jp-Dialog .jp-paillasse-finding", has_text="approvals").wait_for(timeout=60_000)
    page.keyboard.press("Enter")
    call(page, "New Analysis from")
    page.locator(".jp-Dialog select:focus").press("Enter")
    page.locator(".jp-Dialog", has_text="Its name").locator("input").fill("mine")
    with page.expect_popup() as opened:
        page.keyboard.press("Enter")
    assert urlsplit(opened.value.url).path == "/user/ada/notebooks/classic/notebooks/mine.ipynb"


def test_in_notebook_7_data_are_found_and_inserted_and_the_profile_is_always_shown(lab, project, page):
    page.goto(lab(application="notebook", PAILLASSE_PROFILE="secure").page(write_notebook(project, "classic", "")))
    page.locator("#paillasse-profile", has_text="profile: secure").wait_for(timeout=90_000)
    page.locator('.jp-paillasse-badge[data-state="clean"]').wait_for(timeout=60_000)
    call(page, "Data Catalogue")
    panel = page.locator("#paillasse-catalogue")
    page.locator(".jp-paillasse-search:focus").fill("lung_io")
    panel.locator(".jp-paillasse-row:visible").press("Enter")
    panel.get_by_role("button", name="Insert").press("Enter")
    inserted = page.locator(".jp-Notebook .jp-CodeCell").first.locator(".cm-content")
    assert 'catalog["lung_io"].read(columns=[' in inserted.inner_text()
