"""What a project's files for forges, containers and editors say is right, and does what it says in a real project.

With the whole project of test_sources_of_a_template.py these are the projects that are installed, run and tested.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cookiecutter.main import cookiecutter

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROJECTS = {
    "github": {
        "language": "fr",
        "legal_basis": "MR-004",
        "approval_valid_until": "2999-12-31",
        "datasets": "lung_io",
        "notebooks": "survival",
        "compute": "slurm",
    },
    "gitlab": {"legal_basis": "public data only", "notebooks": "cohort, prognosis", "licence": "MIT"},
    "none": {
        "project_name": "L'étude « 5-FU »",
        "legal_basis": "Health Data Hub authorisation",
        "authorisation_number": "F20260101",
        "approval_valid_until": "2999-12-31",
        "datasets": "snds_patients",
        "notebooks": "adjuvant, cohort",
        "compute": "dask",
    },
}


def run(folder: Path, environment: dict[str, str], *command: str | Path) -> str:
    """What a command prints, which must succeed."""
    told = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
    done = subprocess.run(command, cwd=folder, env=environment, check=False, **told)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory, clean_environment) -> dict[str, str]:
    """That of a fresh machine, but for the installer's cache."""
    environment = clean_environment(tmp_path_factory.mktemp("home"))
    python = str(Path(sys.base_prefix, "bin"))
    cache = os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv"))
    return environment | {"UV_CACHE_DIR": cache, "PATH": os.pathsep.join([python, environment["PATH"]])}


@pytest.fixture(scope="module")
def projects(template, tmp_path_factory) -> dict[str, Path]:
    """Forge → a project for it."""
    folder = tmp_path_factory.mktemp("projets de l'équipe")
    settings = {"replay_dir": str(folder / "replay"), "cookiecutters_dir": str(folder / "clones")}
    made = {}
    for forge, answers in PROJECTS.items():
        given = {"no_input": True, "default_config": settings, "extra_context": answers | {"ci": forge}}
        made[forge] = Path(cookiecutter(str(template), output_dir=str(folder / forge), **given))
    return made


@pytest.fixture(scope="module")
def checkers(tmp_path_factory) -> Path:
    """The folder of the programs that check."""
    uv = shutil.which("uv", path=Path(sys.executable).parent)
    folder = tmp_path_factory.mktemp("checkers") / "env"
    subprocess.run([uv, "venv", "--quiet", folder], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", folder, "--require-hashes", "-r"]
    subprocess.run([*install, HERE / "forge_checkers.lock"], check=True)
    return folder / "bin"


@pytest.mark.parametrize(
    "check",
    [
        ["zizmor", "--offline", "--persona", "pedantic", "hooks/ci/github.yml"],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", "hooks/ci/github.yml"],
        [
            *["check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
            "hooks/ci/gitlab.yml",
        ],
    ],
    ids=["zizmor", "github", "gitlab"],
)
def test_nothing_is_dangerous_or_wrong_in_the_files_of_the_forges(checkers, check):
    program, *arguments = check
    run(ROOT, dict(os.environ), checkers / program, *arguments)


def test_nothing_is_wrong_in_the_dockerfile(checkers, projects):
    assert run(projects["none"], dict(os.environ), checkers / "hadolint", "Dockerfile") == ""


def commands_of(project: Path) -> tuple[list[str], list[str]]:
    """What a forge runs, or who has none, and the patterns of what it keeps."""
    github, gitlab = project / ".github/workflows/test.yml", project / ".gitlab-ci.yml"
    if github.is_file():
        steps = yaml.safe_load(github.read_text(encoding="utf-8"))["jobs"]["test"]["steps"]
        (kept,) = [step["with"]["path"] for step in steps if "upload-artifact" in step.get("uses", "")]
        return [step["run"] for step in steps if "run" in step], kept.split()
    if gitlab.is_file():
        job = yaml.safe_load(gitlab.read_text(encoding="utf-8"))["test"]
        return job["script"], job["artifacts"]["paths"]
    return ["make setup run test"], ["runs/index.html"]


@pytest.mark.parametrize("forge", PROJECTS)
def test_the_very_commands_of_each_forge_install_check_test_and_run_a_project(projects, environment, forge):
    project = projects[forge]
    commands, kept = commands_of(project)
    for command in commands:
        run(project, environment, "bash", "-e", "-o", "pipefail", "-c", command)
    assert all(list(project.glob(pattern)) for pattern in kept)
    declared = yaml.safe_load((project / "runs.yaml").read_text(encoding="utf-8"))["runs"]
    assert {path.parent.parent.name for path in project.glob("runs/*/*/notebook.html")} == {
        each["name"] for each in declared
    }
    assert run(project, environment, "git", "status", "--porcelain") == ""


def test_what_a_forge_caches_inside_the_project_is_neither_committed_nor_scanned(projects, environment):
    declared = yaml.safe_load((projects["gitlab"] / ".gitlab-ci.yml").read_text(encoding="utf-8"))["test"]
    (cached,) = declared["cache"]["paths"]
    assert declared["variables"]["UV_CACHE_DIR"] == f"$CI_PROJECT_DIR/{cached}"
    assert run(projects["gitlab"], environment, "git", "check-ignore", f"{cached}/x.csv").strip() == f"{cached}/x.csv"


def test_with_a_warm_cache_the_environment_is_made_in_fifteen_seconds(projects, environment):
    project = projects["github"]
    run(project, environment, "make", "setup")  # warms the cache
    shutil.rmtree(project / ".venv")
    before = os.times()
    run(project, environment, "make", "setup")
    after = os.times()  # processor time: other tests run beside this one
    assert after.children_user + after.children_system - before.children_user - before.children_system < 15


def test_the_dev_container_s_command_leaves_nothing_for_the_doctor_to_find(projects, environment):
    project = projects["gitlab"]
    container = json.loads((project / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    assert container["name"] == "Oncology project"
    run(project, environment, "sh", "-c", container["postCreateCommand"])
    assert run(project, environment, "make", "doctor").splitlines()[-1] == "Nothing is wrong."


def test_vs_code_takes_the_project_s_own_python(projects, environment):
    project = projects["gitlab"]
    run(project, environment, "make", "setup")
    settings = json.loads((project / ".vscode/settings.json").read_text(encoding="utf-8"))
    python = settings["python.defaultInterpreterPath"].replace("${workspaceFolder}", str(project))
    assert run(project, environment, python, "-c", "import sys; print(sys.prefix)").strip() == str(project / ".venv")


def test_the_image_s_kernel_has_the_project_s_name_and_library(projects, environment, tmp_path):
    """The Dockerfile's steps in a folder: what it copies, and the command that it runs there."""
    project = projects["none"]
    text = (project / "Dockerfile").read_text(encoding="utf-8")
    ignored = (project / ".dockerignore").read_text(encoding="utf-8").splitlines()[1:]
    assert "COPY . .\n" in text
    patterns = [each.removeprefix("**/") for each in ignored]
    copied = shutil.copytree(project, tmp_path / project.name, ignore=shutil.ignore_patterns(*patterns))
    assert not [name for name in (".venv", "runs", ".git") if (copied / name).exists()]
    variables = dict(re.findall(r"(\w+)=(\w+)", re.search(r"(?m)^ENV (.*)$", text)[1]))
    del variables["UV_NO_CACHE"]  # or all would be fetched anew
    prefix = tmp_path / "local"
    (command,) = re.findall(r"(?m)^RUN (\[.*\])$", text)
    run(copied, environment | variables, *json.loads(command.replace("/usr/local", prefix.as_posix())))

    kernel = json.loads((prefix / f"share/jupyter/kernels/{project.name}/kernel.json").read_text(encoding="utf-8"))
    assert kernel["display_name"] == "L'étude « 5-FU »"
    assert next((copied / ".venv").rglob("*.pyc"), None)  # compiled: nobody can write there later
    code = f"""if True:
        from jupyter_client.manager import run_kernel
        with run_kernel(kernel_name="{project.name}") as client:
            client.execute_interactive("import paillasse, sys; print(sys.prefix, paillasse.__file__)", timeout=60)
    """
    hub = environment | {"JUPYTER_PATH": str(prefix / "share/jupyter")}
    said = run(tmp_path, hub, copied / ".venv/bin/python", "-c", code).split()
    assert said == [str(copied / ".venv"), str(copied / "shared_lib/src/paillasse/__init__.py")]
