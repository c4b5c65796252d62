"""Who has cruft already can make a project with it, and ask it whether the template has gone on."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from repository import Repository

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def cruft(tmp_path_factory) -> Path:
    uv = shutil.which("uv", path=Path(sys.executable).parent)
    folder = tmp_path_factory.mktemp("cruft") / "env"
    subprocess.run([uv, "venv", "--quiet", folder], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", folder, "--require-hashes", "-r"]
    subprocess.run([*install, HERE / "cruft.lock"], check=True)
    return folder / "bin" / "cruft"


def test_cruft_creates_a_project_and_checks_it_and_an_update_brings_it_on(own_template, cruft, person, tmp_path):
    template = Repository(own_template, person)
    done = template.run(cruft, "create", own_template, "--no-input", "--output-dir", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    project = Repository(tmp_path / "oncology_project", person)
    assert project.record()["template"] == own_template.as_posix()
    assert project.record()["commit"] == template.git("rev-parse", "HEAD")
    project.commit("What cruft has noted")
    assert project.run(cruft, "check").returncode == 0
    assert project.paillasse("update", "--check").returncode == 0

    template.append("docs/enclave.md", "\nMore.\n")
    newest = template.commit("More")
    assert project.run(cruft, "check").returncode == 1
    assert project.paillasse("update", "--check").returncode == 1
    project.updated()
    assert project.record()["commit"] == newest
    noted = json.loads(project.read(".cruft.json"))
    assert noted["commit"] != newest  # its note is cruft's own: nothing here writes it
