"""No command installs `paillasse` by its name: it is free on the public index, where anybody could offer a package."""

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BY_NAME = re.compile(r"paillasse\s*($|[=<>~!@\[;])", re.IGNORECASE)
ASKS = re.compile(r"(?i)\b(pip|uv|pipx|conda|mamba|poetry)\b.*\b(install|add)\b.*[\s'\"]paillasse\b|^paillasse==")


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project's folder with the modules that make its environment, which a test may import."""
    for folder in ("shared_lib/src/paillasse", "src/lung_study"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "shared_lib"):
        (folder / "pyproject.toml").write_text("", encoding="utf-8")
    for name in ("in_env.py", "setup_offline.py", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "in_env", raising=False)
    monkeypatch.delitem(sys.modules, "setup_offline", raising=False)
    yield tmp_path
    for name in ("in_env", "setup_offline"):
        sys.modules.pop(name, None)


@pytest.fixture
def commands(project, monkeypatch) -> list[list[str]]:
    """Every command that would have been run; those that make an environment make its folder."""
    ran = []

    def run(command, **others):
        ran.append([str(each) for each in command])
        (project / ".venv").mkdir(exist_ok=True)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(shutil, "which", lambda name, **others: f"/bin/{name}")
    return ran


def installs(commands: list[list[str]]) -> tuple[list[list[str]], list[list[str]]]:
    """Those of a list of requirements, and those of a folder."""
    of_list = [each for each in commands if "--require-hashes" in each]
    of_folder = [each for each in commands if "--editable" in each]
    others = [each for each in commands if each not in of_list and each not in of_folder]
    assert [each[2] for each in others] in (["venv"], ["venv", "compileall"])
    return of_list, of_folder


def assert_local(of_folder: list[list[str]], project: Path, without_index: str) -> None:
    assert [each[each.index("--editable") + 1] for each in of_folder] == [str(project / "shared_lib"), str(project)]
    for each in of_folder:
        assert {without_index, "--no-deps", "--no-build-isolation"} <= set(each)


def test_with_internet_local_packages_come_from_their_folders_and_all_else_by_hash(project, commands):
    importlib.import_module("in_env").make_environment()
    of_list, of_folder = installs(commands)
    assert [each[-1] for each in of_list] == [str(project / "requirements.lock")]
    assert_local(of_folder, project, "--offline")
    assert not [word for each in commands for word in each if BY_NAME.match(word)]


def test_the_environment_s_own_uv_is_not_counted_on_while_it_is_made_anew(project, monkeypatch):
    own = project / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    own.mkdir(parents=True)
    shutil.copy(sys.executable, own / ("uv.exe" if os.name == "nt" else "uv"))
    monkeypatch.setenv("PATH", str(own))  # as in a terminal in which somebody has activated it
    assert importlib.import_module("in_env").machines_uv() is None


@pytest.fixture
def made(project, commands, monkeypatch) -> Path:
    """The file that says with which Python the project's finished environment was made: another than this one."""
    in_env = importlib.import_module("in_env")
    in_env.PYTHON.parent.mkdir(parents=True)
    in_env.PYTHON.symlink_to(sys.executable)
    in_env.STAMP.write_text(in_env.fingerprint(), encoding="utf-8")
    about = project / ".venv/pyvenv.cfg"
    about.write_text("home = /usr/bin\nversion = 3.99.1\n", encoding="utf-8")
    return about


def test_a_command_takes_the_environment_with_the_python_that_it_has(made, commands, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["in_env.py", "paillasse", "scan"])
    monkeypatch.setattr(sys, "version", "3.9.18")  # of python3 where a hook runs
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    importlib.import_module("in_env").make_environment()
    assert commands == []


def test_the_python_of_old_enterprise_systems_can_read_the_file():
    tree = ast.parse((ROOT / "in_env.py").read_text(encoding="utf-8"), feature_version=(3, 6))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    asked = [each for node in functions for each in (node.returns, *(one.annotation for one in node.args.args))]
    assert len(functions) > 5 and {type(each) for each in asked} <= {ast.Name, ast.Constant}
    assert "__future__" not in {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_setup_makes_it_anew_for_another_python_and_only_then(made, commands, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["in_env.py"])
    in_env = importlib.import_module("in_env")
    this = made.read_text(encoding="utf-8").replace("3.99.1", "{}.{}.{}".format(*sys.version_info))
    made.write_text(this, encoding="utf-8")
    in_env.make_environment()
    assert commands == []
    made.write_text(this.replace(".", ".9"), encoding="utf-8")
    in_env.make_environment()
    assert commands != []


def test_in_an_enclave_setup_leaves_the_environment_alone(made, commands, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["in_env.py"])
    monkeypatch.setattr(sys, "version", "3.9.18")
    (made.parent / "made-offline").touch()
    importlib.import_module("in_env").make_environment()
    assert commands == []


def test_when_its_python_is_another_one_now_the_environment_is_made_anew(made, commands, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["in_env.py", "paillasse", "scan"])
    in_env = importlib.import_module("in_env")
    in_env.PYTHON.unlink()  # as after an upgrade of the machine
    in_env.make_environment()
    assert commands != []


DAMAGED = {
    "no uv": ("requirements.lock", "numpy==2.4.6\n", "requirements.lock does not name uv"),
    "conflict": ("requirements.lock", "<<<<<<< HEAD\nuv==1\n", "requirements.lock has the marks of a conflict"),
    "no lock": ("requirements.lock", None, "requirements.lock is not there"),
    "no library": ("shared_lib/pyproject.toml", None, "git restore shared_lib/pyproject.toml"),
}


@pytest.mark.parametrize(("name", "content", "message"), DAMAGED.values(), ids=DAMAGED)
def test_of_a_damaged_file_no_environment_is_made_and_the_old_one_stays(project, commands, name, content, message):
    if content is None:
        (project / name).unlink()
    else:
        (project / name).write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit, match=re.escape(message)):
        importlib.import_module("in_env").make_environment()
    assert commands == []


def test_in_an_enclave_without_a_lock_no_environment_is_made_either(project, commands, monkeypatch):
    (project / "requirements.lock").unlink()
    monkeypatch.setattr(sys, "argv", ["setup_offline.py"])
    with pytest.raises(SystemExit, match="git restore requirements.lock"):
        importlib.import_module("setup_offline").main()
    assert commands == []


def test_in_an_enclave_no_command_has_an_index(project, commands):
    archive = project / "wheelhouse-x.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("wheels/pip-26.0-py3-none-any.whl", "")
        packed.writestr("library/paillasse-0.1.0-py3-none-any.whl", "")
    importlib.import_module("setup_offline").make_environment(archive)
    of_list, of_folder = installs(commands)
    assert len(of_list) == 1
    assert_local(of_folder, project, "--no-index")
    for each in [*of_list, *of_folder]:
        assert "--no-index" in each and "--isolated" in each
    assert not [word for each in commands for word in each if BY_NAME.match(word)]


def test_no_file_asks_an_installer_for_it():
    kinds = ["*Makefile", "*.yml", "*.yaml", "*.md", "*.in", "*.lock", "*.toml", "*Dockerfile*", ".ci/*"]
    listing = ["git", "ls-files", "-z", *kinds]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, encoding="utf-8").stdout.rstrip("\0")
    lines = [line for name in names.split("\0") for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    assert len(lines) > 1000
    assert [line for line in lines if ASKS.search(line)] == []


@pytest.mark.parametrize("line", ["paillasse", "paillasse==1", "paillasse[all]", "Paillasse @ file:///x"])
def test_a_command_that_would_is_seen(line):
    assert BY_NAME.match(line)
    assert ASKS.search(f"RUN pip install --upgrade {line}")


def test_where_a_machine_forbids_bytecode_the_environment_s_own_commands_write_it_all_the_same(
    project, commands, monkeypatch
):
    in_env = importlib.import_module("in_env")
    with_environment = []
    monkeypatch.setattr(in_env, "make_environment", lambda: None)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(sys, "argv", ["in_env.py", "python"])
    ran = subprocess.CompletedProcess([], 0)
    monkeypatch.setattr(subprocess, "run", lambda command, env: with_environment.append(env) or ran)
    assert in_env.main() == 0
    (environment,) = with_environment
    assert "PYTHONDONTWRITEBYTECODE" not in environment and environment["VIRTUAL_ENV"] == str(project / ".venv")
