"""A generated project after its first day: the doctor looks at it, and it goes into an enclave without internet.

One environment, one archive and one project in the enclave serve all tests here.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from cookiecutter.main import cookiecutter
from repository import Repository

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
PYTHON = Path(sys.base_prefix, "bin", "python3")


class Place:
    """A project's folder, and how commands are run in it."""

    def __init__(self, folder: Path, environment: dict[str, str], prefix: list = ()):
        self.folder, self.environment, self.prefix = folder, environment, prefix

    def run(self, *command: str | Path) -> subprocess.CompletedProcess:
        told = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
        return subprocess.run([*self.prefix, *command], cwd=self.folder, env=self.environment, check=False, **told)

    def make(self, *recipes: str) -> str:
        """What the recipes print; they must succeed."""
        done = self.run("make", *recipes, f"PYTHON={PYTHON}")
        assert done.returncode == 0, f"make {recipes}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def doctor(self) -> dict[str, str]:
        """Check → what is wrong."""
        said = self.run(PYTHON, "in_env.py", "paillasse", "doctor").stdout
        return dict(re.findall(r"(?m)^wrong +(\w+) +(.+)$", said))


@pytest.fixture(scope="module")
def strangers_package(tmp_path_factory) -> Path:
    """A folder that offers a newer `paillasse`, as anybody could on the public index."""
    folder = tmp_path_factory.mktemp("stranger")
    with zipfile.ZipFile(folder / "paillasse-99.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("paillasse/__init__.py", "raise SystemExit('a stranger')\n")
        about = "paillasse-99.0.dist-info"
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: paillasse\nVersion: 99.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        names = ["paillasse/__init__.py", *(f"{about}/{name}" for name in ("METADATA", "WHEEL", "RECORD"))]
        wheel.writestr(f"{about}/RECORD", "".join(f"{name},,\n" for name in names))
    return folder


@pytest.fixture(scope="module")
def outside(template, tmp_path_factory, clean_environment, strangers_package) -> Place:
    """A new project with its environment, where there is internet, and a stranger's package is offered."""
    folder = tmp_path_factory.mktemp("outside")
    caches = Path.home() / ".cache"
    environment = clean_environment(folder / "home") | {
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(caches / "uv")),
        "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", str(caches / "pip")),
        "UV_FIND_LINKS": str(strangers_package),
        "PIP_FIND_LINKS": str(strangers_package),
    }
    settings = {"replay_dir": str(folder / "replay"), "cookiecutters_dir": str(folder / "clones")}
    made = cookiecutter(str(template), no_input=True, output_dir=str(folder), default_config=settings)
    place = Place(Path(made), environment)
    place.make("setup")
    return place


@pytest.fixture(scope="module")
def archive(outside) -> Path:
    outside.make("wheelhouse")
    (archive,) = (outside.folder / "dist").glob("*.zip")
    return archive


@pytest.fixture(scope="module")
def enclave() -> list:
    """What is put before a command so that it runs without any network; for root, and where users may do so too."""
    for unshare in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        command = [*unshare, sys.executable, HERE / "enclave.py"]
        if shutil.which("unshare") and subprocess.run([*command, "true"], check=False).returncode == 0:
            return command
    pytest.skip("this machine lets nobody make a network without routes")


@pytest.fixture(scope="module")
def inside(outside, archive, enclave, tmp_path_factory, clean_environment, strangers_package) -> Place:
    """The project in an enclave, from a bundle and the archive, with an environment of its own."""
    folder = tmp_path_factory.mktemp("dossier d'étude")
    bundle = folder / "project.bundle"
    subprocess.run(["git", "bundle", "create", "--quiet", bundle, "--all"], cwd=outside.folder, check=True)
    subprocess.run(["git", "clone", "--quiet", "--branch", "main", bundle, folder / "project"], check=True)
    for file in archive.parent.glob(archive.name + "*"):
        os.link(file, folder / "project" / file.name)
    environment = clean_environment(folder / "empty home") | {"PIP_FIND_LINKS": str(strangers_package)}
    settings = folder / "empty home/.jupyter"
    settings.mkdir()
    (settings / "jupyter_server_config.json").write_text('{"ServerApp": {"allow_root": true}}', encoding="utf-8")
    place = Place(folder / "project", environment, enclave)
    place.make("setup-offline")
    return place


def test_of_a_new_project_only_the_hooks_are_missing_and_one_command_installs_them(outside: Place):
    assert outside.doctor() == {"hooks": "what is committed is not scanned for patients' data"}
    outside.make("hooks")
    assert outside.make("doctor").splitlines()[-1] == "Nothing is wrong."


def test_the_doctor_names_a_package_that_is_missing_though_it_needs_many_itself(outside: Place):
    installed = next(outside.folder.glob(".venv/lib/python*/site-packages"))
    for name in ("pydantic", "jupyter_client"):
        for folder in [installed / name, *installed.glob(f"{name}-*.dist-info")]:
            folder.rename(folder.with_name(folder.name + ".away"))
    try:
        wrong = outside.doctor()
    finally:
        for folder in installed.glob("*.away"):
            folder.rename(folder.with_suffix(""))
    assert "jupyter-client is missing, pydantic is missing" in wrong["environment"]
    assert "the package jupyter_client is missing" in wrong["kernel"]
    assert "the package pydantic is missing" in wrong["catalogue"]


def test_the_archive_is_whole_and_the_stranger_s_package_is_not_in_it(outside: Place, archive):
    with zipfile.ZipFile(archive) as packed:
        names = packed.namelist()
        wheels = {name for name in names if name.startswith("wheels/")}
        locked = packed.read("wheels.lock").decode("utf-8").splitlines()
        components = json.loads(packed.read("sbom.cdx.json"))["components"]
    assert all(name.endswith(".whl") for name in wheels)
    assert len(wheels) == len(locked) == len(components) - 1 > 150
    assert [name for name in names if "paillasse" in name and name.endswith(".whl")] == [
        "library/paillasse-0.1.0-py3-none-any.whl"
    ]
    assert {"hatchling", "pip", "setuptools"} <= {line.partition("==")[0] for line in locked}


def test_a_second_archive_made_by_somebody_else_is_the_same(outside: Place, archive, tmp_path):
    command = f"umask 077; '{PYTHON}' in_env.py paillasse wheelhouse --to '{tmp_path}'"
    done = outside.run("sh", "-c", command)
    assert done.returncode == 0, done.stderr[-4000:]
    sums = f"{archive.name}.sha256"
    assert (tmp_path / sums).read_text() == archive.with_name(sums).read_text()


def test_the_bill_of_materials_is_valid_cyclonedx(archive, tmp_path):
    uv = shutil.which("uv", path=Path(sys.executable).parent)
    subprocess.run([uv, "venv", "--quiet", tmp_path / "env"], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", tmp_path / "env", "--require-hashes", "-r"]
    subprocess.run([*install, HERE / "sbom_validator.lock"], check=True)
    with zipfile.ZipFile(archive) as packed:
        packed.extract("sbom.cdx.json", tmp_path)
    code = """if True:
        import sys
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator
        text = open(sys.argv[1], encoding="utf-8").read()
        sys.exit(JsonStrictValidator(SchemaVersion.V1_6).validate_str(text))
    """
    python = tmp_path / "env" / "bin" / "python"
    said = subprocess.run([python, "-c", code, tmp_path / "sbom.cdx.json"], check=False, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr[-4000:]


def test_in_the_enclave_the_library_is_the_project_s_and_the_environment_the_lock_s(inside: Place):
    where = inside.run(PYTHON, "in_env.py", "python", "-c", "import paillasse; print(paillasse.__file__)").stdout
    assert Path(where.strip()).is_relative_to(inside.folder / "shared_lib/src")
    assert inside.doctor() == {"hooks": "what is committed is not scanned for patients' data"}


def test_in_the_enclave_the_notebooks_run(inside: Place):
    declared = yaml.safe_load((inside.folder / "runs.yaml").read_text(encoding="utf-8"))["runs"]
    assert re.search(rf"\b{len(declared)} runs ok\b", inside.make("run"))


def test_in_the_enclave_the_tests_pass(inside: Place):
    assert " passed" in inside.make("test")


def test_in_the_enclave_what_is_committed_is_scanned(inside: Place):
    inside.make("hooks")
    identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    (inside.folder / "notes.md").write_text("# Notes\n", encoding="utf-8")
    inside.run("git", "add", "notes.md")
    done = inside.run("git", *identity, "commit", "--message", "Notes")
    assert done.returncode == 0, done.stdout + done.stderr
    (inside.folder / "rows.csv").write_text("patient,birth_date,nir\nP1,1950-02-03,150027512345622\n" * 30)
    inside.run("git", "add", "rows.csv")
    done = inside.run("git", *identity, "commit", "--message", "Rows")
    assert done.returncode == 1 and "rows.csv" in done.stdout + done.stderr
    inside.run("git", "rm", "--force", "--quiet", "rows.csv")


def test_in_the_enclave_jupyterlab_opens_with_nothing_from_elsewhere(inside: Place):
    done = inside.run(PYTHON, HERE / "ask_jupyterlab.py", f"PYTHON={PYTHON}")
    assert done.returncode == 0, done.stderr[-4000:]
    seen = json.loads(done.stdout)
    assert seen["kernel"] == 201
    assert seen["elsewhere"] == []
    assert len(seen["files"]) > 1 and set(seen["files"].values()) == {200}


def test_in_the_enclave_a_newer_template_comes_from_a_bundle(inside: Place, own_template, person, tmp_path):
    newer = Repository(own_template, person)
    newer.append("docs/enclave.md", "\nNewer.\n")
    newer.append("shared_lib/README.md", "\nNewer.\n")
    newer.commit("newer")
    newer.git("bundle", "create", "--quiet", tmp_path / "template.bundle", "--all")
    update = [PYTHON, "in_env.py", "paillasse", "update"]
    assert inside.run(*update, "--check", "--from", tmp_path / "template.bundle").returncode == 1
    done = inside.run(*update, "--from", tmp_path / "template.bundle")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("docs/enclave.md", "shared_lib/README.md"):
        assert (inside.folder / name).read_text(encoding="utf-8").endswith("\nNewer.\n")
    assert inside.run(*update, "--undo").returncode == 0
    assert inside.run("git", "status", "--porcelain", "--untracked-files=no").stdout == ""


def test_in_the_enclave_another_lock_asks_for_another_wheelhouse_and_for_no_index(inside: Place):
    lock = inside.folder / "requirements.lock"
    before = lock.read_bytes()
    lock.write_bytes(before + b"# changed\n")
    try:
        done = inside.run("make", "run", f"PYTHON={PYTHON}")
        refused = inside.run("make", "setup-offline", f"PYTHON={PYTHON}")
    finally:
        lock.write_bytes(before)
    assert done.returncode != 0 and "make setup-offline" in done.stderr
    assert "it was made for another requirements.lock" in refused.stderr
    assert inside.run(PYTHON, "in_env.py", "true").returncode == 0  # still there
