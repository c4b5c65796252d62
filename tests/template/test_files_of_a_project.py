"""What a generated project consists of, for every choice of answers."""

import ast
import itertools
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]

RENDERED = [
    ".gitattributes",
    ".gitignore",
    ".pre-commit-config.yaml",
    "CITATION.cff",
    "LICENSE",
    "Makefile",
    "README.md",
    "pyproject.toml",
    "runs.yaml",
    "src/oncology_project/__init__.py",
    "tests/test_project.py",
]
COPIED = [
    "data/README.md",
    "docs/disclosure.md",
    "docs/enclave.md",
    "docs/more-than-one-machine.md",
    "docs/release.md",
    "docs/secure-data.md",
    "data/colon.csv",
    "data/export.R",
    "data/gbsg.csv",
    "data/heart.csv",
    "data/lung.csv",
    "data/mgus2.csv",
    "data/pbc.csv",
    "data/rotterdam.csv",
    "data/veteran.csv",
    "data_catalog.yaml",
    "in_env.py",
    "requirements.in",
    "requirements.lock",
    "setup_offline.py",
    "shared_lib/LICENSE",
    "shared_lib/README.md",
    "shared_lib/pyproject.toml",
]
NOTEBOOKS = {
    "all": [
        "notebooks/adjuvant_combination.ipynb",
        "notebooks/cohort_overview.ipynb",
        "notebooks/risk_model.ipynb",
        "notebooks/survival_analysis.ipynb",
        "notebooks/trial_emulation.ipynb",
    ],
    "survival only": ["notebooks/survival_analysis.ipynb"],
}
LICENCES = {
    "Apache-2.0": "Apache License",
    "MIT": "MIT License",
    "BSD-3-Clause": "BSD 3-Clause License",
    "all rights reserved": "Copyright (c) Oncology research team",
}
CI = {"github": [".github/workflows/test.yml"], "gitlab": [".gitlab-ci.yml"], "none": []}


def committed(folder: Path, *pathspec: str) -> set[str]:
    listing = ["git", "ls-files", "-z", *pathspec]
    names = subprocess.run(listing, cwd=folder, check=True, capture_output=True, encoding="utf-8").stdout
    return set(names.rstrip("\0").split("\0"))


@pytest.fixture(params=itertools.product(NOTEBOOKS, LICENCES, CI), ids=lambda each: "-".join(each).replace(" ", "_"))
def configuration(request) -> dict[str, str]:
    return dict(zip(("notebooks", "licence", "ci"), request.param, strict=True))


def test_each_configuration_has_exactly_its_files(template, generate, configuration, files_of):
    project = generate(**configuration)
    expected = {".paillasse.json", *RENDERED, *COPIED, *NOTEBOOKS[configuration["notebooks"]], *CI[configuration["ci"]]}
    expected |= committed(template, "shared_lib/src")  # every source file of the library travels
    assert set(files_of(project)) == expected
    assert not [
        path for path in project.rglob("*") if path.is_dir() and not any(path.iterdir()) and ".git" not in path.parts
    ]
    assert committed(project) == expected

    licence = configuration["licence"]
    assert LICENCES[licence] in (project / "LICENSE").read_text(encoding="utf-8")
    declared = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]["license"]
    assert declared == ("LicenseRef-AllRightsReserved" if licence == "all rights reserved" else licence)
    citation = yaml.safe_load((project / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation.get("license", "all rights reserved") == licence

    runs = yaml.safe_load((project / "runs.yaml").read_text(encoding="utf-8"))["runs"]
    assert sorted({run["notebook"] for run in runs}) == NOTEBOOKS[configuration["notebooks"]]
    named_in_readme = re.findall(r"notebooks/\w+\.ipynb", (project / "README.md").read_text(encoding="utf-8"))
    assert sorted(named_in_readme) == NOTEBOOKS[configuration["notebooks"]]


def test_copied_files_are_those_of_the_template_byte_for_byte(template, generate):
    project = generate()
    copied = [*COPIED, *NOTEBOOKS["all"], "LICENSE", *committed(template, "shared_lib/src")]
    assert [name for name in copied if (project / name).read_bytes() != (template / name).read_bytes()] == []


def test_no_file_of_a_project_is_kept_twice_in_the_repository(template):
    inside = committed(template, ":(glob){{cookiecutter.project_slug}}/**")
    names = {name.partition("/")[2].replace("{{cookiecutter.project_slug}}", "oncology_project") for name in inside}
    assert names == set(RENDERED)


def test_no_template_brace_survives(generate):
    project = generate(project_name="Étude « côlon »", notebooks="survival only")
    rendered = [name.replace("oncology_project", project.name) for name in RENDERED]
    texts = {name: (project / name).read_text(encoding="utf-8") for name in [*rendered, ".paillasse.json"]}
    assert {name: re.findall(r"\{\{|\{%|\{#|%\}|#\}|\}\}|cookiecutter", text) for name, text in texts.items()} == {
        name: [] for name in texts
    }


def test_no_file_is_executable(generate, files_of):
    project = generate()
    assert [name for name in files_of(project) if os.access(project / name, os.X_OK)] == []


@pytest.mark.parametrize("ci", CI)
def test_every_file_is_valid_in_its_language(generate, ci, files_of):
    project = generate(ci=ci)
    for name, content in files_of(project).items():
        match name.rpartition(".")[2]:
            case "json" | "ipynb":
                json.loads(content)
            case "toml":
                tomllib.loads(content.decode())
            case "yaml" | "yml" | "cff":
                assert isinstance(yaml.safe_load(content), dict)
            case "py":
                ast.parse(content)


def test_the_citation_has_what_the_format_requires(generate):
    citation = yaml.safe_load((generate() / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert set(citation) <= {"cff-version", "message", "title", "abstract", "authors", "license", "type"}
    assert set(citation["authors"][0]) == {"name", "email"}
    assert re.fullmatch(r"\S+@\S+\.\S{2,}", citation["authors"][0]["email"])  # the pattern of its schema


def test_a_project_never_depends_on_the_library_by_name(generate):
    project = generate()
    declared = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    locked = re.findall(r"^([\w.-]+)==", (project / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    assert "paillasse" not in {re.split(r"\W", each)[0] for each in declared} | set(locked)


def test_workflows_name_actions_by_commit_and_may_only_read(generate):
    workflow = yaml.safe_load((generate(ci="github") / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    actions = [step["uses"] for step in workflow["jobs"]["test"]["steps"] if "uses" in step]
    assert actions and all(re.search(r"@[0-9a-f]{40}$", action) for action in actions)


def test_ci_and_the_pre_commit_hook_scan_for_patients(generate):
    project = generate(ci="github")
    workflow = yaml.safe_load((project / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    assert "make scan" in [step.get("run") for step in workflow["jobs"]["test"]["steps"]]
    assert "make scan" in yaml.safe_load((ROOT / "hooks/ci/gitlab.yml").read_text(encoding="utf-8"))["test"]["script"]
    (hook,) = yaml.safe_load((project / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    assert (hook["language"], hook["entry"]) == ("system", "python3 in_env.py paillasse scan")


def test_nothing_of_a_new_project_is_taken_for_a_patient(generate, monkeypatch):
    from paillasse.scan.scanner import files_of_git, scan

    monkeypatch.chdir(generate())
    report = scan(files_of_git())
    assert report.files > 100
    assert report.ok, [(each.file, each.kind, each.place) for each in report.leaks]


def test_make_help_lists_every_recipe(generate):
    project = generate()
    recipes = set(re.findall(r"^([\w-]+):", (project / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=project, check=True, capture_output=True, encoding="utf-8"
    ).stdout
    assert {line.split()[1] for line in listed.splitlines()} == recipes
    daily = {"help", "doctor", "lab", "run", "scan", "hooks", "test", "refresh"}
    assert recipes == daily | {"setup", "setup-offline", "wheelhouse", "lock", "clean"}


def test_jupyterlab_asks_nobody_for_news_or_updates(generate):
    for makefile in (ROOT / "Makefile", generate() / "Makefile"):
        (recipe,) = re.findall(r"(?m)^\t.*jupyter lab.*$", makefile.read_text(encoding="utf-8"))
        assert "--LabApp.news_url=None" in recipe
        assert "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate" in recipe


def test_clean_keeps_the_results(generate):
    project = generate()
    for name in (".venv/bin/python", "runs/risk_model/1/run.json"):
        (project / name).parent.mkdir(parents=True)
        (project / name).touch()
    subprocess.run(["make", "clean", "PYTHON=python3"], cwd=project, check=True, capture_output=True)
    assert not (project / ".venv").exists()
    assert (project / "runs/risk_model/1/run.json").exists()


def test_runs_and_environments_are_never_committed(generate):
    project = generate()
    left = [
        "runs/risk_model/1/notebook.ipynb",
        ".venv/x.py",
        "notebooks/.ipynb_checkpoints/x.ipynb",
        "src/__pycache__/x.pyc",
    ]
    for name in left:
        (project / name).parent.mkdir(parents=True)
        (project / name).touch()
    seen = subprocess.run(
        ["git", "status", "--porcelain"], cwd=project, check=True, capture_output=True, encoding="utf-8"
    )
    assert seen.stdout == ""


def test_leftovers_in_the_template_do_not_travel(own_template, generate, files_of):
    before = set(files_of(generate(source=own_template)))
    for name in [
        ".venv/lib/x.py",
        "runs/a/1/run.json",
        "scratch.ipynb",
        "notebooks/patients.ipynb",
        "data/patients.csv",
        "notebooks/.ipynb_checkpoints/survival_analysis-checkpoint.ipynb",
        "shared_lib/.venv/x.py",
        "shared_lib/build/x.py",
        "shared_lib/scratch.ipynb",
        "shared_lib/src/paillasse.egg-info/PKG-INFO",
        "shared_lib/src/paillasse/patients.csv",
        "shared_lib/src/paillasse/scratch.ipynb",
        "shared_lib/src/paillasse/__pycache__/errors.cpython-311.pyc",
        "shared_lib/src/paillasse/.ipynb_checkpoints/errors-checkpoint.py",
        "shared_lib/src/paillasse/.ruff_cache/x.json",
        "{{cookiecutter.project_slug}}/.venv/x.py",
        "{{cookiecutter.project_slug}}/tests/__pycache__/test_project.pyc",
        "{{cookiecutter.project_slug}}/src/{{cookiecutter.project_slug}}/__pycache__/__init__.pyc",
    ]:
        (own_template / name).parent.mkdir(parents=True, exist_ok=True)
        (own_template / name).write_text("left", encoding="utf-8")
    after = generate(source=own_template, into="second")
    assert set(files_of(after)) == before
    assert not [path for path in after.rglob("*") if path.name in {"__pycache__", ".venv", ".ipynb_checkpoints"}]


def test_git_ignores_no_source_of_the_template():
    listing = [
        "git",
        "ls-files",
        "-z",
        "--others",
        "--ignored",
        "--exclude-standard",
        "shared_lib/src",
        "notebooks",
        "data",
    ]
    ignored = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, encoding="utf-8").stdout.split("\0")
    hidden = [name for name in ignored if name and not re.search(r"(^|/)(\.|__pycache__)", name)]
    assert hidden == []


def test_the_library_carries_the_licence_of_the_repository():
    assert (ROOT / "shared_lib/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_an_incomplete_template_says_which_file_is_missing(own_template, command, tmp_path):
    (own_template / "notebooks/survival_analysis.ipynb").unlink()
    done = command(own_template, "--no-input")
    assert done.returncode == 1
    assert "These files are missing:" in done.stderr and "survival_analysis.ipynb" in done.stderr
    assert not any((tmp_path / "here").iterdir())
