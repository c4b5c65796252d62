"""The runs' panel in JupyterLab: what it is told, and that it starts and stops the runs of the command line."""

import json
import os
import signal

import pytest
from run_project import wait_until

from paillasse.errors import InputError, RunError
from paillasse.lab.bench import listed, reasons, result, start, stop

RECORD = "from paillasse.runs import record\nimport pandas\n"
RECORD += 'record("hr", pandas.DataFrame({"term": ["rx"], "hr": [0.6]}), "Hazard ratio 0.60")'
FIGURE = "from IPython.display import display\n"
FIGURE += 'display({"application/vnd.plotly.v1+json": {"data": [], "layout": {}}}, raw=True)'


@pytest.fixture
def runner(project):
    """A function that starts `paillasse run` as in a terminal; it is ended with the test."""
    started = []

    def start_runner():
        started.append(project.start("run"))
        return started[-1]

    yield start_runner
    for each in started:
        each.kill()
        each.wait(30)


def told(project, name: str) -> dict:
    (found,) = [each for each in listed(project.folder, project.folder)["runs"] if each["name"] == name]
    return found


def state_of(project, name: str) -> str:
    return told(project, name)["state"]


def test_a_run_that_the_panel_starts_is_one_of_the_command_line(project):
    project.run("km", RECORD, FIGURE, parameters="tau = 5")
    assert (state_of(project, "km"), told(project, "km")["executed"]) == ("not run yet", None)
    assert reasons(project.folder) == {"km": "new"}
    assert start(project.folder, ["km"], fresh=False) == {"started": ["km"]}
    wait_until(lambda: state_of(project, "km") == "ok")
    run = told(project, "km")
    assert run["headline"] == "Hazard ratio 0.60"
    assert run["notebook"] == "notebooks/km.ipynb"
    assert run["executed"] == f"runs/km/{run['result']}/notebook.ipynb"
    assert run["seconds"] > 0
    assert reasons(project.folder) == {"km": None}
    found = result(project.folder, "km", run["result"])
    assert found["tables"] == {"hr": [["term", "hr"], ["rx", "0.6"]]}
    assert found["figures"] == [{"application/vnd.plotly.v1+json": {"data": [], "layout": {}}}]
    json.dumps(found)


def test_a_run_is_followed_by_cell_and_stopped_wherever_it_was_started(project, runner):
    project.run("long", "1", "import time\ntime.sleep(600)", "3")
    process = runner()
    wait_until(lambda: state_of(project, "long") == "running" and told(project, "long")["progress"] == [2, 3])
    assert stop(project.folder, "long") == {"stopping": "long"}
    assert process.wait(30) == 130
    assert state_of(project, "long") == "cancelled"
    with pytest.raises(RunError, match="'long' is not running"):
        stop(project.folder, "long")


def test_while_runs_of_the_panel_are_executed_no_others_are_started(project):
    project.run("long", "import time\ntime.sleep(600)")
    start(project.folder, [], fresh=False)
    with pytest.raises(RunError, match="still being executed"):
        start(project.folder, [], fresh=False)
    wait_until(lambda: state_of(project, "long") == "running")
    stop(project.folder, "long")
    wait_until(lambda: state_of(project, "long") == "cancelled")


def test_a_runner_that_is_killed_leaves_a_run_that_is_killed(project, runner):
    project.run("long", "import time\ntime.sleep(600)")
    process = runner()
    wait_until(lambda: state_of(project, "long") == "running")
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    assert state_of(project, "long") == "killed"


def test_a_run_on_another_machine_is_not_stopped_from_here(project):
    project.run("km", "1")
    folder = project.folder / "runs" / "km" / "20261121T100000000000Z-aaaa"
    folder.mkdir(parents=True)
    owner = {"host": "elsewhere", "boot": "b", "since": "s", "pid": 1}
    (folder / "run.json").write_text(json.dumps({"name": "km", "state": "running", "owner": owner}))
    assert state_of(project, "km") == "running"
    with pytest.raises(RunError, match="executed on elsewhere: stop it there"):
        stop(project.folder, "km")


def test_what_does_not_exist_is_neither_started_nor_shown(project):
    project.run("km", "1")
    with pytest.raises(RunError, match="no run 'kn'"):
        start(project.folder, ["kn"], fresh=False)
    with pytest.raises(InputError, match="no result .* any more"):
        result(project.folder, "km", "20261121T100000000000Z-aaaa")


def test_a_command_that_cannot_begin_is_told_with_its_own_words(project):
    project.run("km", "1")
    (project.folder / "data_catalog.yaml").write_text("datasets: {a: [}\n")
    start(project.folder, [], fresh=False)
    wait_until(lambda: "data_catalog.yaml:1" in listed(project.folder, project.folder)["message"])
