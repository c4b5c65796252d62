"""A result is kept as long as nothing that it depends on changes; and what a killed runner left is told truly."""

import hashlib
import json
import os
import shutil
import signal

import nbformat
import pytest
from run_project import Project, alive, wait_until
from toy_catalog import entry

CONTENT = b"age\n34\n"
READ = "from paillasse import open_catalog; open_catalog()['toy'].read()"


def results(project, name: str = "km") -> int:
    return len(list((project.folder / "runs" / name).iterdir()))


def plan(project) -> dict[str, str]:
    """Name → why it would run; empty if it is kept."""
    lines = project.paillasse("run", "--plan").stdout.splitlines()
    found = [line.removeprefix("run ").removeprefix("keep").strip().partition(": ") for line in lines]
    return {name: reason for name, _, reason in found}


def catalogue(project, **source) -> None:
    """A catalogue with the data set `toy`, in a file."""
    entry(project.folder, CONTENT, [{"name": "age", "type": "integer", "description": "Age"}], source=source)


def change_cell(project, kind: str, name: str = "km") -> None:
    path = project.folder / "notebooks" / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    next(cell for cell in notebook.cells if cell.cell_type == kind).source += "\n# and more"
    nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def done_once(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("done") / "project")
    catalogue(project, sha256=hashlib.sha256(CONTENT).hexdigest())
    project.run("km", READ)
    project.run("other", "1")
    assert project.paillasse("run").returncode == 0
    return project


@pytest.fixture
def done(project, done_once):
    """A project whose two runs are done; one of them reads data."""
    shutil.copytree(done_once.folder, project.folder, dirs_exist_ok=True)
    project.entries = list(done_once.entries)
    return project


def test_a_run_of_which_nothing_has_changed_is_kept(done):
    again = done.paillasse("run")
    assert again.returncode == 0
    assert again.stdout == "2 runs kept: nothing has changed that the result depends on (--fresh runs all)\n"
    assert (results(done), results(done, "other")) == (1, 1)


def test_all_runs_can_be_asked_for(done):
    assert "2 runs ok" in done.paillasse("run", "--fresh").stdout
    assert results(done) == 2


def test_prose_is_not_what_a_result_depends_on(done):
    change_cell(done, "markdown")
    assert plan(done) == {"km": "", "other": ""}


def test_changed_code_runs_that_notebook_again_and_no_other(done):
    change_cell(done, "code")
    assert plan(done) == {"km": "changed: the notebook's code", "other": ""}
    assert "1 run kept" in done.paillasse("run").stdout
    assert (results(done), results(done, "other")) == (2, 1)


def test_a_changed_parameter_or_profile_is_seen(project):
    project.run("km", "tau", parameters="tau = 1", profile="public")
    project.paillasse("run")
    project.entries[0] |= {"profile": "synthetic"}
    (project.folder / "runs.yaml").write_text(json.dumps({"runs": project.entries}))
    assert plan(project) == {"km": "changed: the profile"}
    project.entries[0]["parameters"] = {"tau": 2}
    (project.folder / "runs.yaml").write_text(json.dumps({"runs": project.entries}))
    assert plan(project) == {"km": "changed: the parameters, the profile"}


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("src/lung/__init__.py", "the project's code"),
        ("notebooks/helper.py", "the project's code"),
        ("notebooks/helpers/models.py", "the project's code"),
        ("requirements.lock", "the environment"),
    ],
)
def test_changed_code_beside_the_notebook_and_packages_run_all_again(done, file, what):
    path = done.folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# new")
    assert plan(done) == dict.fromkeys(["km", "other"], f"changed: {what}")


def test_code_that_was_another_only_while_others_ran_is_not_what_their_results_stand_for(project):
    code = project.folder / "src/lung/__init__.py"
    code.parent.mkdir(parents=True)
    code.write_text("# as ever")
    project.run("first", f"open({str(code)!r}, 'w').write('# for a moment')")
    project.run("second", "1")
    assert project.paillasse("run", "--jobs", "1").returncode == 0
    code.write_text("# as ever")
    assert plan(project)["second"] == "changed: the project's code"


def test_changed_data_run_what_has_read_them_again(done):
    (done.folder / "toy.csv").write_text("age\n35\n")
    assert plan(done) == {"km": "changed: the data set toy", "other": ""}


def test_changed_data_without_a_declared_checksum_are_seen_too(project):
    catalogue(project)
    project.run("km", READ)
    project.paillasse("run")
    assert plan(project) == {"km": ""}
    (project.folder / "toy.csv").write_text("age\n35\n")
    assert plan(project) == {"km": "changed: the data set toy"}


def test_what_the_catalogue_says_of_the_data_is_part_of_them(done):
    file = done.folder / "data_catalog.yaml"
    file.write_text(file.read_text().replace("description: Age", "description: Years of age"))
    assert plan(done) == {"km": "changed: the data set toy", "other": ""}


def test_data_that_went_away_are_for_the_run_to_tell(done):
    (done.folder / "toy.csv").unlink()
    assert plan(done)["km"] == "changed: the data set toy"


def test_a_run_that_failed_is_not_kept(project):
    project.run("km", "1 / 0")
    project.paillasse("run")
    assert plan(project) == {"km": "its last run was not ok (error)"}


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_killed_runner_leaves_a_killed_run_no_kernel_and_the_earlier_result(project):
    project.run("km", "1")
    project.paillasse("run")
    (earlier,) = (project.folder / "runs" / "km").iterdir()
    kept = {file.name: file.read_bytes() for file in earlier.iterdir()}
    project.entries.clear()
    endless = ["import os; from pathlib import Path", "Path('pid').write_text(str(os.getpid()))\nwhile True: pass"]
    project.run("km", *endless)
    runner = project.start("run")
    pid = project.folder / "notebooks" / "pid"
    wait_until(lambda: pid.exists() and pid.read_text())
    runner.send_signal(signal.SIGKILL)
    runner.communicate()
    assert "killed" in project.paillasse("status").stdout
    wait_until(lambda: not alive(int(pid.read_text())))

    project.entries.clear()
    project.run("km", "2")
    assert project.paillasse("run").returncode == 0
    states = [json.loads(file.read_text())["state"] for file in sorted(earlier.parent.glob("*/run.json"))]
    assert states == ["ok", "killed", "ok"]
    assert {file.name: file.read_bytes() for file in earlier.iterdir()} == kept
    assert not list(earlier.parent.glob("*/running.ipynb"))
