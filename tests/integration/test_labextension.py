"""The JupyterLab extension as it is committed: it is what its sources build to, small, and found by JupyterLab."""

import ast
import inspect
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from paillasse.catalog.model import Role, Sensitivity, Type
from paillasse.catalog.show import facts
from paillasse.runs.results import STATES
from paillasse.scan.findings import KINDS

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "labextension"
BUILT = ROOT / "shared_lib" / "src" / "paillasse" / "lab" / "labextension"


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_it_is_installed_enabled_and_the_one_that_is_committed():
    command = [sys.executable, "-m", "jupyter", "labextension", "list", "--verbose"]
    told = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
    assert re.search(r"paillasse v\S+ .*enabled.* .*OK", told.stdout + told.stderr)
    installed = files_of(Path(sys.prefix, "share", "jupyter", "labextensions", "paillasse"))
    del installed["install.json"]
    assert installed == files_of(BUILT)


def test_it_adds_less_than_300_kb_to_a_page():
    assert sum(len(content) for name, content in files_of(BUILT).items() if name.endswith(".js")) < 300_000


def test_no_lock_file_names_a_registry():
    lock = (SOURCES / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    assert "integrity" in lock
    assert "://registry" not in lock


def test_each_of_its_files_comes_into_a_project():
    """cookiecutter's hook copies files of the library by how their names end."""
    hook = (ROOT / "hooks" / "post_gen_project.py").read_text(encoding="utf-8")
    suffixes = set(re.findall(r'"(\.\w+)"', re.search(r"LIBRARY_SUFFIXES = {(.*)}", hook)[1]))
    assert {Path(name).suffix for name in files_of(BUILT)} <= suffixes


def sayings() -> set[str]:
    """The library's sentences for which the extension has a translation, %1, %2, … in place of values."""
    script = (SOURCES / "src" / "sayings.ts").read_text(encoding="utf-8")
    listed = re.search(r"const SAYINGS = \[\n(.*?)\n\];", script, re.DOTALL)[1]
    return {line.strip().rstrip(",")[1:-1] for line in listed.splitlines()}


def said_by_the_library() -> set[str]:
    """Every text in the library's sources, %1, %2, … in place of the values in it."""
    said = set()
    for file in BUILT.parents[1].rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.add(node.value)
            if isinstance(node, ast.JoinedStr):
                number = itertools.count(1)
                parts = [part.value if isinstance(part, ast.Constant) else f"%{next(number)}" for part in node.values]
                said.add("".join(parts))
    return said


def test_what_is_translated_is_what_the_library_says():
    by_the_extension = "This server has no Paillasse. Start JupyterLab in the project: make lab"
    assert sayings() - said_by_the_library() == {by_the_extension}
    assert by_the_extension in (SOURCES / "src" / "ask.ts").read_text(encoding="utf-8")


def test_every_text_has_its_french_and_no_french_is_left_over():
    scripts = "".join(file.read_text(encoding="utf-8") for file in (SOURCES / "src").glob("*.ts"))
    texts = set(re.findall(r"__\(\s*'([^']*)'", scripts)) | set(re.findall(r"_n\('([^']*)'", scripts))
    texts |= {*STATES, "unknown", "not run yet", *get_args(Sensitivity), *get_args(Type), *get_args(Role)} | sayings()
    texts |= {text for kind in KINDS.values() for text in kind}
    texts |= set(re.findall(r'(?m)^        "(.*?)": ', inspect.getsource(facts)))
    french = json.loads((BUILT.parent / "locale/fr_FR/LC_MESSAGES/paillasse.json").read_text(encoding="utf-8"))
    assert french.keys() - {""} == texts
    for text, translations in french.items():
        if text:
            assert all(re.findall("%[0-9]", each) == re.findall("%[0-9]", text) for each in translations), text


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs node and npm")
def test_its_sources_build_to_what_is_committed(tmp_path):
    leftovers = shutil.ignore_patterns("node_modules", "lib", "*.tsbuildinfo")
    shutil.copytree(SOURCES, tmp_path / "labextension", ignore=leftovers)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for command in (["npm", "ci", "--no-audit", "--no-fund"], ["npm", "run", "build"]):
        done = subprocess.run(
            command, cwd=tmp_path / "labextension", env=os.environ | {"PATH": path}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    built = files_of(tmp_path / BUILT.relative_to(ROOT))
    assert built.keys() == files_of(BUILT).keys(), "make labextension"
    assert built == files_of(BUILT), "make labextension"
    assert json.loads(built["package.json"])["jupyterlab"]["_build"]
