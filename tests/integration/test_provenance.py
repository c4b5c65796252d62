"""Where a result comes from: each result's folder is a Process Run Crate, and nothing in it shows a patient."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from crate_validator import issues_of
from run_project import Project
from toy_catalog import entry

from paillasse.runs.provenance import LARGEST_PATCH, Code, code_of, origin, write_crate
from paillasse.runs.repair import repair
from paillasse.runs.results import new_folder, write_state

PATIENT = "DUPONT"
RECORD = """\
import pandas
from paillasse import open_catalog
from paillasse.runs import record
open_catalog()["toy"].read()
record("hr", pandas.DataFrame({"hazard_ratio": [tau / 10]}), f"Hazard ratio {tau / 10}")
"""


def git(folder, *command: str) -> str:
    identity = ["-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.org", "-c", "core.quotepath=false"]
    return subprocess.run(["git", *identity, *command], cwd=folder, check=True, capture_output=True, text=True).stdout


def under_git(project: Project) -> None:
    (project.folder / ".gitignore").write_text("/runs/\n.env\n")
    git(project.folder, "init", "--quiet")
    git(project.folder, "add", ".")
    git(project.folder, "commit", "--quiet", "-m", "start")


def crate(folder: Path) -> dict[str, dict]:
    """The entities of a crate by their id."""
    text = (folder / "ro-crate-metadata.json").read_text(encoding="utf-8")
    assert PATIENT not in text
    return {each["@id"]: each for each in json.loads(text)["@graph"]}


def action(folder: Path) -> dict:
    entities = crate(folder)
    return entities[entities["./"]["mentions"]["@id"]]


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """A project under git, changed since its commit, in which a run has ended well and one has failed."""
    project = Project(tmp_path_factory.mktemp("provenance") / "projet d'été {1}")
    entry(project.folder)
    (project.folder / "src").mkdir()
    (project.folder / "src" / "old.py").write_text("x = 1\n")
    project.run("km", RECORD, parameters="tau = 5\ngroups = []", grid={"tau": [2, 5]}, profile="public")
    project.run("bad", f"raise ValueError('{PATIENT}')", profile="secure")
    under_git(project)
    git(project.folder, "config", "user.name", "Ada Lovelace")
    git(project.folder, "remote", "add", "origin", "https://ada:hunter2@git.example.org/lung.git")
    (project.folder / "src" / "old.py").write_text("x = 2\n")
    (project.folder / "src" / "new été.py").write_text("y = 1\n")
    (project.folder / "patients.yaml").write_text(f"name: {PATIENT}\n")
    (project.folder / "data").mkdir()
    (project.folder / "data" / "patients.yaml").write_text(f"name: {PATIENT}\n")
    (project.folder / ".env").write_text(f"PASSWORD={PATIENT}\n")
    notebook = project.folder / "notebooks" / "km.ipynb"
    notebook.write_text(notebook.read_text() + " ")
    before = git(project.folder, "status", "--short")
    done = project.paillasse("run", "--jobs", "1")
    assert "3 runs: 2 ok, 1 error" in done.stdout, done.stdout + done.stderr
    assert git(project.folder, "status", "--short") == before
    return project


def test_the_crate_says_what_ran_with_what_and_what_came_of_it(several):
    folder = several.result("km-tau=2")
    entities, run = crate(folder), action(folder)
    assert entities[run["instrument"]["@id"]]["description"] == "The notebook notebooks/km.ipynb."
    assert len(entities[run["instrument"]["@id"]]["sha256"]) == 64
    objects = [entities[each["@id"]] for each in run["object"]]
    assert [(each["name"], each.get("value")) for each in objects] == [("toy", None), ("tau", 2)]
    assert objects[0]["version"] == several.state("km-tau=2")["inputs"]["data_sets"][0]["version"]
    assert [each["@id"] for each in run["result"]] == ["hr.csv", "notebook.ipynb"]
    assert run["actionStatus"] == "http://schema.org/CompletedActionStatus"
    assert run["description"] == "Hazard ratio 0.2"


def test_the_crate_says_who_and_at_which_commit(several):
    entities = crate(several.result("km-tau=2"))
    assert entities[action(several.result("km-tau=2"))["agent"]["@id"]]["name"] == "Ada Lovelace"
    assert entities["#project"]["version"] == git(several.folder, "rev-parse", "HEAD").strip()
    assert entities["#project"]["codeRepository"] == "https://git.example.org/lung.git"
    assert "notebooks/km.ipynb, src/new été.py, src/old.py" in entities["#project"]["description"]


def test_every_file_of_a_result_is_in_its_crate(several):
    folder = several.result("km-tau=2")
    listed = {each["@id"] for each in crate(folder)["./"]["hasPart"]}
    assert {file.name for file in folder.iterdir()} == listed | {"ro-crate-metadata.json"}


def test_a_failed_run_says_where_it_failed_and_shows_no_value(several):
    run = action(several.result("bad"))
    assert run["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert run["error"] == "error: cell 1, ValueError"


def test_the_patch_and_the_commit_give_the_code_that_ran(several, tmp_path):
    git(tmp_path, "clone", "--quiet", several.folder, "clone")
    git(tmp_path / "clone", "apply", several.result("km-tau=2") / "changes.patch")
    assert (tmp_path / "clone" / "src" / "old.py").read_text() == "x = 2\n"
    assert (tmp_path / "clone" / "src" / "new été.py").read_text() == "y = 1\n"


def test_the_patch_holds_neither_data_nor_notebooks_nor_what_git_ignores(several):
    patch = (several.result("km-tau=2") / "changes.patch").read_text()
    assert PATIENT not in patch
    assert "ipynb" not in patch


def test_no_password_of_the_repositorys_address_is_kept(several):
    for file in several.result("km-tau=2").iterdir():
        assert b"hunter2" not in file.read_bytes()


@pytest.mark.slow
def test_the_crates_are_valid_process_run_crates(several, tmp_path):
    wrong = shutil.copytree(several.result("bad"), tmp_path / "wrong")
    text = (wrong / "ro-crate-metadata.json").read_text()
    (wrong / "ro-crate-metadata.json").write_text(text.replace('"instrument"', '"description"'))
    # The validator finds no words where a path has spaces and accents.
    names = ["km-tau=2", "km-tau=5", "bad"]
    folders = [shutil.copytree(several.result(name), tmp_path / str(at)) for at, name in enumerate(names)]
    *good, bad = issues_of([*folders, wrong], tmp_path)
    assert [issue for issues in good for issue in issues if issue.startswith("REQUIRED")] == []
    assert any("MUST have an instrument" in issue for issue in bad)


def test_a_crate_that_cannot_be_written_is_told_and_the_result_stands(project):
    block = "import os; os.mkdir(os.environ['PAILLASSE_RUN_FOLDER'] + '/ro-crate-metadata.json')"
    project.run("km", block)
    done = project.paillasse("run")
    assert done.returncode == 1
    assert "km: the result could not be written" in done.stdout
    assert project.state("km")["state"] == "ok"


def test_a_project_without_git_has_crates_too(project):
    project.run("km", "1")
    assert project.paillasse("run").returncode == 0
    assert crate(project.result("km"))["#project"]["version"] == "unknown"
    assert not (project.result("km") / "changes.patch").exists()


def test_a_commit_of_a_repository_that_ignores_the_project_is_not_its_commit(project):
    under_git(project)
    inner = project.folder / "runs" / "inner"
    inner.mkdir(parents=True)
    assert code_of(project.folder).commit
    assert code_of(inner) == Code()


def test_a_clean_project_has_no_patch(project):
    under_git(project)
    code = code_of(project.folder)
    assert (code.changed, code.patch) == ((), b"")


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        (b"+" * (LARGEST_PATCH + 1), "larger than"),
        (b"+url = 'postgresql://ada:hunter2@db/lung'\n", "looks like a secret"),
    ],
)
def test_a_patch_that_is_too_large_or_holds_a_secret_is_not_kept(project, patch, why):
    project.run("km", "1")
    folder = new_folder(project.folder, "km")
    noted = origin(project.folder, project.folder / "notebooks" / "km.ipynb", folder, Code(commit="c", patch=patch))
    assert why in noted["patch"]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("known", [{}, {"name": "km", "title": "Survival?", "parameters": {"groups": ["a"]}}])
def test_what_a_killed_runner_left_is_described_by_the_next(tmp_path, known):
    folder = new_folder(tmp_path, "km")
    write_state(folder, state="running", owner=None, **known)
    repair(tmp_path)
    run = action(folder)
    assert run["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert run["error"].startswith("killed: KilledError")


def test_a_crate_is_the_same_when_it_is_written_again(several):
    folder = several.result("km-tau=2")
    before = (folder / "ro-crate-metadata.json").read_bytes()
    write_crate(folder)
    assert (folder / "ro-crate-metadata.json").read_bytes() == before
