"""`paillasse doctor`: what is broken is said, with the command that mends it, and nothing that is secret."""

import copy
import datetime
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from paillasse.catalog.access import VARIABLE
from paillasse.cli import main
from paillasse.project import doctor, installed
from paillasse.project.doctor import Finding, examine, find_project

TODAY = datetime.date.today()
SECRET = "postgresql://me:hunter2@server/db"
RECORD = {"template": "https://example.org/paillasse.git", "commit": "0123456789abcdef", "answers": {}}
LOCK = "numpy==2.4.6 \\\n    --hash=sha256:aa\ncolorama==0.4.6 ; sys_platform == 'win32' \\\n    --hash=sha256:bb\n"


class Project:
    """A small healthy project, what its environment is said to hold, and what the doctor says."""

    def __init__(self, folder: Path, outside: Path):
        self.folder, self.outside = folder, outside
        (folder / "notebooks").mkdir(parents=True)
        (folder / "shared_lib").mkdir()
        (folder / ".venv").symlink_to(sys.prefix)
        self.write("shared_lib/pyproject.toml", '[project]\nname = "paillasse"\n')
        self.write("pyproject.toml", '[project]\nname = "lung_study"\n')
        self.write("requirements.lock", LOCK)
        self.write(".paillasse.json", json.dumps(RECORD))
        self.write("few.csv", "age\n50\n")
        self.describe()
        self.notebook("python3")
        subprocess.run(["git", "init", "--quiet", "--template=", str(folder)], check=True)
        (folder / ".git/hooks").mkdir()
        self.hook(f"INSTALL_PYTHON={shlex.quote(sys.executable)}\n# pre-commit\n")
        self.installed = {
            "numpy": ("2.4.6", None),
            "paillasse": ("0.1.0", folder / "shared_lib"),
            "lung-study": ("0.1.0", folder),
        }

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def notebook(self, kernel: str) -> None:
        self.write("notebooks/a.ipynb", json.dumps({"metadata": {"kernelspec": {"name": kernel}}, "cells": []}))

    def hook(self, text: str, mode: int = 0o755) -> None:
        self.write(".git/hooks/pre-commit", text)
        (self.folder / ".git/hooks/pre-commit").chmod(mode)

    def describe(self, **more) -> None:
        """Write a catalogue of a public and a pseudonymised data set; `more` is of the latter."""
        schema = {"fields": [{"name": "age", "type": "integer", "description": "Age"}]}
        common = {
            "title": "A few",
            "description": "Patients.",
            "steward": {"name": "A. Steward", "email": "steward@example.org"},
            "publisher": "The hospital",
            "licence": "MR-004",
            "unit_of_observation": "patient",
            "schema": schema,
        }
        few = common | {"sensitivity": "public", "sources": {"public": {"driver": "csv", "path": "few.csv"}}}
        sources = {
            "synthetic": {"driver": "synthetic"},
            "secure": {"driver": "postgres", "dsn": "${LUNG_DSN}", "table": "research.lung"},
        }
        lung = common | {"sensitivity": "pseudonymised", "sources": sources} | more
        datasets = {"few": copy.deepcopy(few), "lung": lung}  # no object twice, of which YAML would make an anchor
        self.write("data_catalog.yaml", yaml.safe_dump({"project": "combo", "datasets": datasets}))

    def approve(self, left: int = 400, **more) -> dict:
        """Write the steward's file: an approval that has so many days left."""
        approval = {
            "reference": "CNIL 2026-17",
            "projects": ["combo"],
            "valid_until": TODAY + datetime.timedelta(days=left),
            "purposes": ["scientific-research"],
        } | more
        audit = {"driver": "postgres", "dsn": "${AUDIT_DSN}", "table": "audit.reads"}
        text = yaml.safe_dump({"approvals": {"lung": approval}, "audit": audit})
        (self.outside / "steward.yaml").write_text(text, encoding="utf-8")
        return approval

    def findings(self, check: str, profile: str | None = None) -> list[Finding]:
        return [each for each in examine(self.folder, profile) if each.check == check]

    def finding(self, check: str, profile: str | None = None) -> Finding:
        (found,) = self.findings(check, profile)
        return found


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("PAILLASSE", "GIT_", "JUPYTER"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "outside").mkdir()
    project = Project(tmp_path / "project", tmp_path / "outside")
    monkeypatch.setattr(installed, "installed_packages", lambda: project.installed)
    monkeypatch.setattr("paillasse.runs.memory.available_mb", lambda: 8000.0)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage(0, 0, 80e9))
    monkeypatch.chdir(project.folder)
    return project


@pytest.fixture
def secure(project, monkeypatch):
    """The project where secure reads are approved and every variable is set."""
    project.approve()
    monkeypatch.setenv(VARIABLE, str(project.outside / "steward.yaml"))
    monkeypatch.setenv("PAILLASSE_PROFILE", "secure")
    monkeypatch.setenv("PAILLASSE_PURPOSE", "scientific-research")
    monkeypatch.setenv("LUNG_DSN", SECRET)
    monkeypatch.setenv("AUDIT_DSN", SECRET)
    monkeypatch.setattr("paillasse.catalog.access.os.geteuid", lambda: 0)
    return project


def test_of_a_healthy_project_nothing_is_wrong(project):
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 0, done.output
    names = ["environment", "kernel", "catalogue", "approvals", "variables", "hooks", "template", "disk", "memory"]
    lines = done.output.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [["ok", name] for name in names]
    assert lines[-1] == "Nothing is wrong."


def test_what_is_wrong_is_counted_and_each_has_its_command(project):
    (project.folder / ".git/hooks/pre-commit").unlink()
    project.installed["numpy"] = ("2.4.5", None)
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 1
    assert "→ make hooks" in done.output and "→ make clean setup" in done.output
    assert done.output.splitlines()[-1].startswith("2 of 9 findings are wrong.")


def test_outside_a_project_it_says_where_to_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 1
    assert done.stderr.startswith("There is neither .paillasse.json nor runs.yaml in")


def test_it_finds_the_project_from_a_folder_in_it(project):
    assert find_project(project.folder / "notebooks") == project.folder.resolve()


# The environment

BROKEN_ENVIRONMENTS = {
    "another version": ({"numpy": ("2.4.5", None)}, "numpy is 2.4.5 instead of 2.4.6"),
    "more than the lock": ({"cowsay": ("6", None)}, "cowsay is there and not locked"),
    "of another platform": ({"colorama": ("0.4.6", None)}, "colorama is there and not locked"),
    "library from an index": ({"paillasse": ("9.9", None)}, "paillasse is not the one of shared_lib"),
    "library of another project": ({"paillasse": ("0.1.0", Path("/elsewhere"))}, "paillasse is not the one of"),
}


@pytest.mark.parametrize(("more", "seen"), BROKEN_ENVIRONMENTS.values(), ids=BROKEN_ENVIRONMENTS)
def test_an_environment_that_is_not_the_lock_s_is_wrong(project, more, seen):
    project.installed |= more
    found = project.finding("environment")
    assert (found.state, found.mend) == ("wrong", "make clean setup")
    assert seen in found.seen


@pytest.mark.parametrize(("name", "seen"), [("numpy", "numpy is missing"), ("lung-study", "lung-study is not inst")])
def test_a_missing_package_is_wrong(project, name, seen):
    del project.installed[name]
    assert seen in project.finding("environment").seen


def test_packages_are_read_from_the_environment_whatever_an_interrupted_installer_left(tmp_path, monkeypatch):
    def package(folder: str, metadata: str, **files: str) -> None:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "METADATA").write_text(metadata, encoding="utf-8")
        for name, text in files.items():
            (tmp_path / folder / f"{name}.json").write_text(text, encoding="utf-8")

    package("Six_x-1.dist-info", "Name: Six_x\nVersion: 1\n")
    package("own-2.dist-info", "Name: own\nVersion: 2\n", direct_url='{"url": "file:///a%20b", "dir_info": {}}')
    package("odd-3.dist-info", "Name: odd\nVersion: of mine\n", direct_url="[")
    package("~nd-4.dist-info", "")
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    assert installed.installed_packages() == {
        "six-x": ("1", None),
        "own": ("2", Path("/a b")),
        "odd": ("of mine", None),
        "a folder of a package that is half removed": ("unknown", None),
    }
    assert installed.differences({"odd": "3"}, {"odd": "of mine"}) == ["odd is of mine instead of 3"]


def test_whatever_a_damaged_environment_raises_the_other_checks_go_on(project, monkeypatch):
    def broken(*arguments):
        raise AttributeError("module 'numpy' has no attribute '__version__'")

    monkeypatch.setattr("paillasse.catalog.drivers.files.files_of", broken)
    found = project.finding("catalogue")
    assert found.seen == "cannot be looked at: AttributeError in the environment"
    assert project.finding("memory").state == "ok"


def test_an_environment_made_offline_is_made_anew_offline(project, monkeypatch):
    del project.installed["numpy"]
    own = project.folder / ".venv"
    own.unlink()
    own.mkdir()
    (own / "made-offline").touch()
    monkeypatch.setattr(sys, "prefix", str(own))
    assert project.finding("environment").mend == "make clean setup-offline"


def test_the_python_of_another_environment_is_told(project, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    found = project.finding("environment")
    assert (found.state, found.mend) == ("wrong", "python3 in_env.py paillasse doctor")


@pytest.mark.parametrize("lock", ["numpy>=2 --hash=sha256:aa\n", "numpy==2.4.6\n", "numpy==\n", "\x00"])
def test_a_lock_that_pins_nothing_is_wrong(project, lock):
    project.write("requirements.lock", lock)
    found = project.finding("environment")
    assert found.state == "wrong" and "make lock" in found.seen


def test_a_package_that_cannot_be_imported_does_not_stop_the_other_checks(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "paillasse.catalog.drivers.files", None)
    found = project.finding("catalogue")
    assert found.state == "wrong" and found.mend == "make clean setup"
    assert project.finding("hooks").state == "ok"


# Kernels


def kernelspec(project, name: str, program: str) -> None:
    folder = project.outside.parent / "jupyter/kernels" / name
    folder.mkdir(parents=True)
    spec = {"argv": [program, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": name}
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")


def test_a_kernel_that_is_not_installed_is_wrong(project):
    project.notebook("conda-env-old-py")
    found = project.finding("kernel")
    assert found.state == "wrong"
    assert "notebooks/a.ipynb asks for the kernel 'conda-env-old-py'" in found.seen and "make lab" in found.mend


def test_a_kernel_that_is_another_python_is_wrong(project):
    kernelspec(project, "elsewhere", "/opt/conda/bin/python")
    project.notebook("elsewhere")
    assert "which is another Python: /opt/conda/bin/python" in project.finding("kernel").seen


def test_a_users_own_kernel_before_the_project_s_can_be_removed(project, monkeypatch):
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    kernelspec(project, "python3", "/usr/bin/python3")
    found = project.finding("kernel")
    assert found.state == "wrong" and found.mend == "python3 in_env.py jupyter kernelspec remove python3"


def test_a_kernel_of_another_name_in_the_project_s_python_is_well(project):
    kernelspec(project, "lung_study", sys.executable)
    project.notebook("lung_study")
    assert project.finding("kernel").state == "ok"


@pytest.mark.parametrize("content", ["<<<<<<< HEAD", "[]", '{"metadata": []}', ""])
def test_a_notebook_that_is_none_is_restored(project, content):
    project.write("notebooks/a.ipynb", content)
    found = project.finding("kernel")
    assert (found.state, found.mend) == ("wrong", "git restore notebooks/a.ipynb")


# The data


def test_a_catalogue_with_a_mistake_is_told_once_with_its_line(project):
    project.write("data_catalog.yaml", "datasets:\n  few: {title: [1]}\n")
    assert "data_catalog.yaml:2: " in project.finding("catalogue").seen
    later = [project.finding(check) for check in ("approvals", "variables")]
    assert [each.seen for each in later] == ["cannot be looked at before that is mended"] * 2


def test_a_public_file_that_is_gone_is_restored(project):
    (project.folder / "few.csv").unlink()
    found = project.finding("catalogue")
    assert (found.state, found.mend) == ("wrong", "git restore few.csv")


def test_in_the_profile_synthetic_no_approval_and_no_variable_is_needed(project):
    assert "none is needed in the profile synthetic" in project.finding("approvals").seen
    assert project.finding("variables").seen == "none is needed in the profile synthetic"


def test_an_approved_project_is_well(secure):
    assert secure.finding("approvals").seen == "1 data sets approved by the steward's file, 0 not"
    assert secure.finding("variables").state == "ok"


@pytest.mark.parametrize(("left", "state"), [(-1, "wrong"), (0, "note"), (30, "note"), (31, "ok")])
def test_an_approval_is_told_before_and_after_it_ends(secure, left, state):
    secure.approve(left)
    found = secure.findings("approvals")[0]
    assert found.state == state
    if state != "ok":
        assert found.mend == "ask A. Steward, steward@example.org, to prolong CNIL 2026-17"
        assert str(TODAY + datetime.timedelta(days=left)) in found.seen


def test_an_approval_that_the_catalogue_itself_knows_is_told_without_the_steward_s_file(project):
    project.describe(approval=project.approve(-1))
    assert project.findings("approvals")[0].state == "wrong"


def test_an_approval_of_another_project_is_none(secure):
    secure.approve(projects=["other"])
    found = secure.finding("approvals")
    assert found.state == "wrong" and found.seen.startswith("no data set under access control may be read")


def test_another_purpose_is_refused_as_a_read_would_be(secure, monkeypatch):
    secure.approve(purposes=["public-health"])
    assert "is not for the purpose 'scientific-research'" in secure.findings("approvals")[0].seen


def test_a_steward_s_file_with_mistakes_is_wrong(secure):
    (secure.outside / "steward.yaml").write_text("approvals: 5\n", encoding="utf-8")
    assert "steward.yaml:1: " in secure.finding("approvals").seen


@pytest.mark.parametrize("name", [VARIABLE, "PAILLASSE_PURPOSE", "LUNG_DSN", "AUDIT_DSN"])
def test_each_variable_that_is_not_set_is_named(secure, monkeypatch, name):
    monkeypatch.delenv(name)
    found = secure.finding("variables")
    assert found.state == "wrong" and found.seen.startswith(f"not set: {name} (")
    assert f"export {name}=…" in found.mend


def test_no_value_of_a_variable_is_shown(secure):
    shown = doctor.report(examine(secure.folder))
    assert "LUNG_DSN" in shown
    assert "hunter2" not in shown


def test_a_profile_can_be_tried(project):
    done = CliRunner().invoke(main, ["doctor", "--profile", "secure"])
    assert done.exit_code == 1
    assert "LUNG_DSN (where lung is)" in done.output


# The repository


def test_without_the_hook_nothing_is_scanned(project):
    (project.folder / ".git/hooks/pre-commit").unlink()
    assert project.finding("hooks").mend == "make hooks"


@pytest.mark.parametrize(
    ("text", "mode", "seen"),
    [
        ("#!/bin/sh\nexit 0\n", 0o755, "is not scanned"),
        ("INSTALL_PYTHON='/moved from/.venv/bin/python'\n# pre-commit\n", 0o755, "an environment that is gone"),
        (f"INSTALL_PYTHON={shlex.quote(sys.executable)}\n# pre-commit\n", 0o644, "not executable"),
    ],
)
def test_a_hook_that_does_not_scan_is_wrong(project, text, mode, seen):
    project.hook(text, mode)
    found = project.finding("hooks")
    assert (found.state, found.mend) == ("wrong", "make hooks") and seen in found.seen


def test_a_hook_that_lies_elsewhere_is_found(project):
    (project.folder / ".git/hooks").rename(project.outside / "hooks")
    subprocess.run(["git", "config", "core.hooksPath", str(project.outside / "hooks")], cwd=project.folder, check=True)
    assert project.finding("hooks").state == "ok"


def test_a_folder_without_git_is_told(project):
    shutil.rmtree(project.folder / ".git")
    assert project.finding("hooks").mend == "git init; make hooks"


@pytest.mark.parametrize("content", [None, "", "[]", "{}", "<<<<<<<"])
def test_a_project_whose_record_is_lost_cannot_be_updated(project, content):
    (project.folder / ".paillasse.json").unlink()
    project.write("runs.yaml", "runs: []\n")
    if content is not None:
        project.write(".paillasse.json", content)
    found = project.finding("template")
    assert (found.state, found.mend) == ("wrong", "git restore .paillasse.json")


def test_a_template_without_a_commit_is_noted(project):
    project.write(".paillasse.json", json.dumps(RECORD | {"commit": None}))
    assert project.finding("template").state == "note"


def test_a_newer_template_is_noted_once_somebody_has_looked_and_the_doctor_itself_asks_nobody(project, tmp_path):
    def git(folder: Path, *arguments: str) -> str:
        person = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        told = ["git", "-C", str(folder), *person, *arguments]
        return subprocess.run(told, check=True, capture_output=True, encoding="utf-8").stdout.strip()

    def commit(tag: str) -> str:
        git(origin, "commit", "--quiet", "--allow-empty", "--message", tag)
        git(origin, "tag", tag)
        return git(origin, "rev-parse", "HEAD")

    origin = tmp_path / "origin"
    subprocess.run(["git", "init", "--quiet", "--template=", str(origin)], check=True)
    first = commit("v1")
    project.write(".paillasse.json", json.dumps(RECORD | {"template": str(origin), "commit": first}))
    assert "make template says" in project.finding("template").seen
    assert CliRunner().invoke(main, ["update", "--check"]).exit_code == 0
    commit("v2")
    found = project.finding("template")
    assert found.state == "ok" and found.seen.startswith("The project has the newest template, v1 (")
    assert CliRunner().invoke(main, ["update", "--check"]).exit_code == 1
    found = project.finding("template")
    assert (found.state, found.mend) == ("note", "python3 in_env.py paillasse update")
    assert "A newer template is there: v2 (" in found.seen and f"Seen on {TODAY}" in found.seen


def test_an_update_that_stopped_half_way_is_wrong(project):
    commit = ["commit", "--quiet", "--allow-empty", "--message", "first"]
    person = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", *person, *commit], cwd=project.folder, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project.folder, capture_output=True, text=True).stdout
    (project.folder / ".git/paillasse").mkdir()
    note = {"state": "applying", "before": head.strip(), "tree": head.strip(), "to": "v2", "conflicts": []}
    project.write(".git/paillasse/update.json", json.dumps(note))
    found = project.findings("template")[0]
    assert (found.state, found.mend) == ("wrong", "python3 in_env.py paillasse update --undo")


# The machine


@pytest.mark.parametrize(("free", "state"), [(0.9e9, "wrong"), (4e9, "note"), (6e9, "ok")])
def test_a_full_disk_is_told(project, monkeypatch, free, state):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: namedtuple("usage", "free")(free))
    assert project.finding("disk").state == state


@pytest.mark.parametrize(("free", "state"), [(400.0, "wrong"), (1500.0, "note"), (3000.0, "ok")])
def test_full_memory_is_told(project, monkeypatch, free, state):
    monkeypatch.setattr("paillasse.runs.memory.available_mb", lambda: free)
    assert project.finding("memory").state == state
