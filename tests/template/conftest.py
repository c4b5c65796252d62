"""A template repository of its own for these tests: what a fresh clone of this one would hold, committed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def clean_environment() -> Callable[[Path], dict[str, str]]:
    """The environment of somebody with an empty home, whose git knows nobody."""

    def clean_environment(home: Path) -> dict[str, str]:
        theirs = ("GIT_", "COOKIECUTTER", "XDG_", "UV_CACHE", "VIRTUAL_ENV", "PYTEST", "PAILLASSE", "MAKE", "MFLAGS")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
        path = [folder for folder in environment["PATH"].split(os.pathsep) if not folder.startswith(sys.prefix)]
        home.mkdir(parents=True, exist_ok=True)
        return environment | {"HOME": str(home), "PATH": os.pathsep.join(path), "GIT_CONFIG_NOSYSTEM": "1"}

    return clean_environment


@pytest.fixture(scope="session")
def person(tmp_path_factory, clean_environment) -> dict[str, str]:
    """The environment of somebody whose git knows her name, and nothing else."""
    home = tmp_path_factory.mktemp("home")
    environment = clean_environment(home)
    (home / ".gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n", encoding="utf-8")
    return environment


@pytest.fixture(scope="session")
def commit_all() -> Callable[[Path], None]:
    """Make a folder a git repository with one commit."""

    def commit_all(folder: Path) -> None:
        identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false"]
        steps = [["init", "--quiet", "--template="], ["add", "--all"], [*identity, "commit", "--quiet", "-m", "all"]]
        for arguments in steps:
            subprocess.run(["git", *arguments], cwd=folder, check=True)

    return commit_all


@pytest.fixture(scope="session")
def files_of() -> Callable[[Path], dict[str, bytes]]:
    """Path and content of every file of a folder but git's own."""

    def files_of(folder: Path) -> dict[str, bytes]:
        paths = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
        return {name.as_posix(): path.read_bytes() for name, path in paths.items() if name.parts[0] != ".git"}

    return files_of


def copy_of_repository(target: Path) -> Path:
    """What is committed or could be, as files; `.venv` only while nobody ignores it."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--exclude=.venv"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True).stdout.decode().rstrip("\0").split("\0")
    for name in names:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    return target


@pytest.fixture(scope="session")
def template(tmp_path_factory, commit_all) -> Path:
    """The template as a git repository. Tests read it; who changes it takes `own_template`."""
    folder = copy_of_repository(tmp_path_factory.mktemp("origin") / "paillasse")
    commit_all(folder)
    return folder


@pytest.fixture
def own_template(template, tmp_path) -> Path:
    return shutil.copytree(template, tmp_path / "own" / "paillasse")


@pytest.fixture
def generate(template, tmp_path, monkeypatch) -> Callable[..., Path]:
    """Generate a project in this process, with default answers but for those given."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    settings = {"replay_dir": str(tmp_path / "replay"), "cookiecutters_dir": str(tmp_path / "clones")}

    def generate(*, source: Path | str = template, into: str = "projects", **answers: str) -> Path:
        output = tmp_path / into
        output.mkdir(exist_ok=True)
        given = {"output_dir": str(output), "default_config": settings, "extra_context": answers, "no_input": True}
        return Path(cookiecutter(str(source), **given))

    return generate


@pytest.fixture
def command(tmp_path, clean_environment) -> Callable[..., subprocess.CompletedProcess]:
    """Run `cookiecutter` as people do, with an empty home, in the empty folder `tmp_path / "here"`."""
    here = tmp_path / "here"
    here.mkdir()
    environment = clean_environment(tmp_path / "home")

    def run(*arguments: str | Path, cwd: Path = here, **variables: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "cookiecutter", *map(str, arguments)],
            cwd=cwd,
            env=environment | variables,
            check=False,
            capture_output=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
        )

    return run
