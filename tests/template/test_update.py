"""A project over four versions of the template, while its team works on every kind of file."""

import json
import re
import resource
import shutil
import stat
import subprocess
import time
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from cookiecutter.main import cookiecutter
from repository import Repository

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(range(256))


def cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def lock_of(package: str, version: str) -> str:
    return f"{package}=={version} \\\n    --hash=sha256:{version.replace('.', '') * 8}\n    # via somebody\n"


OF_PROJECT = "{{cookiecutter.project_slug}}"
SURVIVAL, RISK = "notebooks/survival_analysis.ipynb", "notebooks/risk_model.ipynb"


def second_version(template: Repository) -> None:
    """A change of every kind: text, new, deleted and renamed files, a question more, the library, a package."""
    template.edit(f"{OF_PROJECT}/README.md", "## Two commands", "## The two commands")
    template.edit(f"{OF_PROJECT}/Makefile", "lab:  ## open JupyterLab\n", "lab:  ## open JupyterLab in the browser\n")
    template.edit(f"{OF_PROJECT}/pyproject.toml", "[build-system]", "# Built by hatch.\n[build-system]")
    template.append("data_catalog.yaml", "\n# second version\n")
    template.edit("in_env.py", "ROOT = Path", "# second version\nROOT = Path")
    template.edit_cell(SURVIVAL, 0, "# Second version of the title")
    template.append("shared_lib/src/paillasse/errors.py", "\n# second version\n")
    template.append("shared_lib/src/paillasse/second.py", '"""Second version."""\n')
    template.write("docs/second.md", "# Second\n")
    template.git("mv", "docs/more-than-one-machine.md", "docs/machines.md")
    template.edit("hooks/post_gen_project.py", '    "docs/release.md",\n', '    "docs/second.md",\n')
    template.edit("hooks/post_gen_project.py", "docs/more-than-one-machine.md", "docs/machines.md")
    template.edit("cookiecutter.json", '  "ci":', '  "region": "Île-de-France",\n  "ci":')
    template.edit("paillasse_answers.py", '"team": 120,', '"team": 120, "region": 80,')
    text = template.read("requirements.lock")
    template.write("requirements.lock", re.sub(r"(?m)^click==\S+", "click==99.0", text))


@pytest.fixture(scope="module")
def origin(template, tmp_path_factory, person) -> Repository:
    """The template with four versions."""
    origin = Repository(shutil.copytree(template, tmp_path_factory.mktemp("four") / "paillasse"), person)
    origin.git("tag", "v0.1.0")
    (origin.folder / "shared_lib/src/paillasse/second.py").touch()
    second_version(origin)
    origin.commit("second", "v0.2.0")
    origin.edit_cell(SURVIVAL, 2, "Third version of a text.")
    origin.append("shared_lib/src/paillasse/second.py", "# third version\n")
    origin.write("docs/machines.md", "Third version.\n\n" + origin.read("docs/machines.md"))
    origin.commit("third", "v0.3.0")
    origin.git("rm", "--quiet", "shared_lib/src/paillasse/second.py")
    origin.edit(f"{OF_PROJECT}/README.md", "## What is where", "## What is where, fourth version")
    origin.append(f"{OF_PROJECT}/CITATION.cff", "# fourth version\n")
    origin.commit("fourth", "v0.4.0")
    origin.git("tag", "v0.5.0rc1")
    return origin


@pytest.fixture(scope="module")
def young(origin, tmp_path_factory, person) -> Repository:
    """A project of the first version, as it was on its first day. Tests take a copy."""
    folder = tmp_path_factory.mktemp("young")
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", "--branch", "v0.1.0", origin.folder, clone], check=True, stderr=-3)
    settings = {"replay_dir": str(folder / "replay"), "cookiecutters_dir": str(folder / "clones")}
    answers = {"team": "Équipe côlon", "licence": "MIT"}
    made = cookiecutter(
        str(clone), no_input=True, output_dir=str(folder), default_config=settings, extra_context=answers
    )
    project = Repository(Path(made), person)
    content = project.record() | {"template": origin.folder.as_posix()}
    project.write(".paillasse.json", json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    project.commit("The template is where it is for everybody")
    return project


@pytest.fixture
def project(young, tmp_path) -> Repository:
    return Repository(shutil.copytree(young.folder, tmp_path / "project"), young.environment)


def work_of_the_team(project: Repository) -> None:
    """A change of every kind of file, none where the second version has one."""
    project.append("src/oncology_project/__init__.py", "\n\ndef ours():\n    return 1\n")
    project.edit("README.md", "## Licences", "## Our rules\n\nBe kind.\n\n## Licences")
    project.append("Makefile", "\nours:  ## ours\n\techo ours\n")
    project.append("runs.yaml", "# ours\n")
    project.append("docs/more-than-one-machine.md", "\nOur cluster is called Gustave.\n")
    project.append("pyproject.toml", '\n[tool.ours]\nkey = "value"\n')
    project.edit("data_catalog.yaml", "datasets:", "# ours\ndatasets:")
    project.add_cell(SURVIVAL, "Our conclusion.")
    project.write("requirements.lock", project.read("requirements.lock") + lock_of("zzz-ours", "1.0"))
    project.write("data/ours.csv", "site,count\nA,12\n")
    project.write("docs/ours.png", PNG)
    project.git("rm", "--quiet", "CITATION.cff")
    project.git("mv", "tests/test_project.py", "tests/test_ours.py")
    project.write("ours.sh", "#!/bin/sh\n")
    (project.folder / "ours.sh").chmod(0o755)
    project.commit("Our work")


def test_over_four_versions_the_team_s_work_stays_and_the_template_s_comes(project, origin, tmp_path):
    work_of_the_team(project)

    # From the first to the second, on a branch that is merged as one commit.
    project.git("switch", "--quiet", "--create", "update")
    start, cpu = time.perf_counter(), cpu_of_children()
    said = project.updated("--to", "v0.2.0")
    cpu = cpu_of_children() - cpu
    print(f"an update without conflict took {time.perf_counter() - start:.1f} s, {cpu:.1f} s of CPU")
    assert cpu < 5
    assert "From v0.1.0" in said and "to v0.2.0" in said
    assert ".paillasse.json: a new question has its default: region = Île-de-France" in said
    assert "requirements.lock: merged package by package" in said
    record = project.record()
    assert record["commit"] == origin.git("rev-parse", "v0.2.0^{commit}")
    assert record["template"] == origin.folder.as_posix()
    assert (record["answers"]["team"], record["answers"]["region"]) == ("Équipe côlon", "Île-de-France")
    assert "## The two commands" in project.read("README.md") and "Be kind." in project.read("README.md")
    assert "in the browser" in project.read("Makefile") and "echo ours" in project.read("Makefile")
    assert "# second version" in project.read("in_env.py")
    assert tomllib.loads(project.read("pyproject.toml"))["tool"]["ours"] == {"key": "value"}
    assert "# Built by hatch." in project.read("pyproject.toml")
    catalogue = project.read("data_catalog.yaml")
    assert "# ours" in catalogue and "# second version" in catalogue and yaml.safe_load(catalogue)
    cells = project.cells(SURVIVAL)
    assert (cells[0], cells[-1]) == ("# Second version of the title", "Our conclusion.")
    lock = project.read("requirements.lock")
    assert "\nclick==99.0 " in lock and lock.endswith(lock_of("zzz-ours", "1.0"))
    assert project.read("shared_lib/src/paillasse/errors.py").endswith("# second version\n")
    assert project.read("docs/second.md") == "# Second\n"
    assert not (project.folder / "docs/release.md").exists()
    assert not (project.folder / "docs/more-than-one-machine.md").exists()
    assert project.read("docs/machines.md").endswith("Our cluster is called Gustave.\n")
    assert project.git("status", "--porcelain", "--untracked-files=no")
    project.commit("Update to v0.2.0")
    project.git("switch", "--quiet", "main")
    project.git("merge", "--quiet", "--squash", "update")
    project.commit("Update, squashed")
    project.git("branch", "--quiet", "-D", "update")

    # To the third, on a branch that is rebased.
    project.git("switch", "--quiet", "--create", "update")
    project.updated("--to", "v0.3.0")
    project.commit("Update to v0.3.0")
    project.git("switch", "--quiet", "main")
    project.append("runs.yaml", "# ours too\n")
    project.commit("Meanwhile")
    project.git("switch", "--quiet", "update")
    project.git("rebase", "--quiet", "main")
    project.git("switch", "--quiet", "main")
    project.git("merge", "--quiet", "--ff-only", "update")
    assert "Third version of a text." in project.cells(SURVIVAL)
    assert project.read("docs/machines.md").startswith("Third version.\n")

    # To the fourth, in a fresh clone without any other place than a bundle: an enclave.
    bundle = tmp_path / "template.bundle"
    origin.git("bundle", "create", "--quiet", bundle, "--all")
    clone = tmp_path / "clone"
    project.git("clone", "--quiet", project.folder, clone)
    inside = Repository(clone, project.environment)
    there = origin.folder.rename(origin.folder.with_name("away"))
    try:
        said = inside.updated("--from", bundle)
    finally:
        there.rename(origin.folder)
    assert "to v0.4.0" in said  # not the release candidate
    assert "CITATION.cff: you have deleted it, so it stays deleted" in said
    assert not (clone / "CITATION.cff").exists()
    assert not (clone / "shared_lib/src/paillasse/second.py").exists()
    assert "fourth version" in inside.read("README.md") and "Be kind." in inside.read("README.md")
    assert inside.record()["template"] == origin.folder.as_posix()
    inside.commit("Update to v0.4.0")

    # What the team alone has, all this time.
    assert inside.read("data/ours.csv") == "site,count\nA,12\n"
    assert (clone / "docs/ours.png").read_bytes() == PNG
    assert stat.S_IMODE((clone / "ours.sh").stat().st_mode) & 0o100
    assert "def ours" in inside.read("src/oncology_project/__init__.py")
    assert (clone / "tests/test_ours.py").is_file() and not (clone / "tests/test_project.py").exists()
    assert "# ours too" in inside.read("runs.yaml")
    assert "Nothing to do" in inside.updated("--from", bundle)
    assert inside.paillasse("update", "--check", "--from", bundle).returncode == 0


def test_a_conflict_is_never_success_and_one_command_takes_it_back(project, files_of):
    project.edit_cell(SURVIVAL, 0, "# Our own title")
    project.edit("README.md", "## Two commands", "## Our commands")
    project.append("docs/release.md", "Our rule.\n")
    project.git("mv", "Makefile", "GNUmakefile")
    project.commit("Our work")
    project.write("notes.txt", "not tracked\n")
    before, head = files_of(project.folder), project.git("rev-parse", "HEAD")

    done = project.paillasse("update", "--to", "v0.2.0")
    assert done.returncode == 1
    assert done.stdout.startswith("NOT FINISHED")
    assert "files changed. They are staged" not in done.stdout
    assert f"{SURVIVAL}: both have changed a cell: open it in JupyterLab" in done.stdout
    assert "README.md: both have changed it: between the marks" in done.stdout
    assert "docs/release.md: the template has deleted it, you have changed it" in done.stdout
    notebook = nbformat.read(project.folder / SURVIVAL, as_version=4)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells[:3])
    assert "# Our own title" in text and "# Second version of the title" in text and "<<<<<<<" in text
    assert "<<<<<<< yours" in project.read("README.md") and ">>>>>>> template" in project.read("README.md")
    assert project.read("docs/release.md").endswith("Our rule.\n")
    assert "in the browser" in project.read("GNUmakefile")
    assert project.run("git", "commit", "--all", "--dry-run").returncode == 0  # people may conclude it, as any merge
    assert project.run("git", "commit", "--message", "too early").returncode != 0
    assert project.paillasse("update").returncode == 10  # one after the other

    done = project.paillasse("update", "--undo")
    assert done.returncode == 0, done.stderr
    assert files_of(project.folder) == before
    assert project.git("rev-parse", "HEAD") == head
    assert project.git("status", "--porcelain") == "?? notes.txt"
