"""What a generated project consists of, for every choice of answers."""

import ast
import datetime
import itertools
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from cookiecutter.main import cookiecutter

from paillasse import open_catalog

ROOT = Path(__file__).parents[2]

RENDERED = [
    ".devcontainer/devcontainer.json",
    ".dockerignore",
    ".gitattributes",
    ".gitignore",
    ".pre-commit-config.yaml",
    ".vscode/settings.json",
    "CITATION.cff",
    "Dockerfile",
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
    "docs/updates.md",
    "data/colon.csv",
    "data/effects_benchmark.csv",
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
    "cohort": "notebooks/cohort_overview.ipynb",
    "survival": "notebooks/survival_analysis.ipynb",
    "adjuvant": "notebooks/adjuvant_combination.ipynb",
    "prognosis": "notebooks/risk_model.ipynb",
    "emulation": "notebooks/trial_emulation.ipynb",
    "ranking": "notebooks/combination_ranking.ipynb",
    "benchmark": "notebooks/effects_benchmark.ipynb",
}
CLAIMS = {"snds_patients", "snds_drugs", "snds_stays"}
RANKED = CLAIMS | {"profiler"}
RESTRICTED = {"lung_io", "head_neck_rt", "profiler", "skin_readers"} | CLAIMS
LICENCES = {
    "Apache-2.0": "Apache License",
    "MIT": "MIT License",
    "BSD-3-Clause": "BSD 3-Clause License",
    "all rights reserved": "Copyright (c) Oncology research team",
}
CI = {"github": [".github/workflows/test.yml"], "gitlab": [".gitlab-ci.yml"], "none": []}


# What is answered to the questions that belong together, and to all others.
LAST_DAY = f"{datetime.date.today().year + 2}-12-31"
LEGAL = {
    "in preparation": {},
    "public data only": {},
    "MR-004": {"approval_valid_until": LAST_DAY},
    "CNIL authorisation": {"approval_valid_until": LAST_DAY, "authorisation_number": "DR-2026: 'x' #1"},
    "Health Data Hub authorisation": {"approval_valid_until": LAST_DAY, "authorisation_number": "F2026_1"},
}
QUESTIONS = {
    "legal_basis": list(LEGAL),
    "datasets": ["all", "none", "lung_io", "head_neck_rt", "snds_patients, snds_stays", "skin_readers,profiler,gbsg"],
    "notebooks": ["all", "survival", "cohort, prognosis", "adjuvant"],
    "licence": list(LICENCES),
    "ci": list(CI),
    "compute": ["this machine", "dask", "slurm"],
    "disease_area": ["several or other", "C00-C14, C30-C32 head and neck", "C33-C34 lung"],
    "language": ["en", "fr"],
    "project_name": ["Oncology project", "L'étude « {x} » d'Orsay"],
}


def makes_sense(answers: dict[str, str]) -> bool:
    """Whether the data sets that are named are ones that the legal basis allows."""
    named = set(answers.get("datasets", "").replace(" ", "").split(",")) & RESTRICTED
    basis = answers.get("legal_basis")
    return not (named and basis == "public data only") and not (named & CLAIMS and basis == "MR-004")


def pairwise(questions: dict[str, list[str]]) -> list[dict[str, str]]:
    """Answers in which each two answers to two questions occur together, if that makes sense."""
    left = {
        pair
        for one, other in itertools.combinations(questions, 2)
        for pair in itertools.product([(one, each) for each in questions[one]], [(other, e) for e in questions[other]])
        if makes_sense(dict(pair))
    }
    rows = []
    while left:
        row = dict(min(left))  # the first pair that is not there yet, then for each question what brings most pairs
        for question in questions:
            if question not in row:
                possible = [row | {question: answer} for answer in questions[question]]
                row = max(filter(makes_sense, possible), key=lambda each: len(left & pairs_of(each, questions)))
        left -= pairs_of(row, questions)
        rows.append(row)
    return rows


def pairs_of(row: dict[str, str], questions: dict) -> set[tuple]:
    return set(itertools.combinations([(each, row[each]) for each in questions if each in row], 2))


PROJECTS = pairwise(QUESTIONS)


def committed(folder: Path, *pathspec: str) -> set[str]:
    listing = ["git", "ls-files", "-z", *pathspec]
    names = subprocess.run(listing, cwd=folder, check=True, capture_output=True, encoding="utf-8").stdout
    return set(names.rstrip("\0").split("\0"))


@pytest.fixture(scope="module", params=PROJECTS, ids=range(len(PROJECTS)))
def answers(request) -> dict[str, str]:
    return request.param | LEGAL[request.param["legal_basis"]]


@pytest.fixture(scope="module")
def project(template, answers, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    settings = {"replay_dir": str(folder / "replay"), "cookiecutters_dir": str(folder / "clones")}
    given = {"no_input": True, "extra_context": answers, "default_config": settings}
    return Path(cookiecutter(str(template), output_dir=str(folder / "out"), **given))


@pytest.fixture
def notebooks(answers, restricted) -> list[str]:
    words = list(NOTEBOOKS) if answers["notebooks"] == "all" else answers["notebooks"].split(", ")
    if answers["notebooks"] == "all" and RANKED - restricted:
        words.remove("ranking")  # it reads these
    return sorted(NOTEBOOKS[word] for word in words)


@pytest.fixture
def restricted(answers) -> set[str]:
    """The data sets under access control that the answers ask for."""
    if answers["datasets"] != "all":
        return set(answers["datasets"].replace(" ", "").split(",")) & RESTRICTED
    without = {"MR-004": CLAIMS, "public data only": RESTRICTED}
    return RESTRICTED - without.get(answers["legal_basis"], set())


def of(project: Path, names: list[str]) -> set[str]:
    return {name.replace("oncology_project", project.name) for name in names}


def test_the_projects_are_at_least_thirty_and_have_every_pair_of_answers_that_makes_sense():
    assert len(PROJECTS) >= 30
    for one, other in itertools.combinations(QUESTIONS, 2):
        wanted = set(itertools.product(QUESTIONS[one], QUESTIONS[other]))
        missing = wanted - {(row[one], row[other]) for row in PROJECTS}
        assert not [pair for pair in missing if makes_sense(dict(zip((one, other), pair, strict=True)))]


def test_each_project_has_exactly_its_files(template, project, answers, notebooks, files_of):
    expected = {".paillasse.json", *of(project, RENDERED), *COPIED, *notebooks, *CI[answers["ci"]]}
    expected |= committed(template, "shared_lib/src")  # every source file of the library travels
    assert set(files_of(project)) == expected
    assert not [
        path for path in project.rglob("*") if path.is_dir() and not any(path.iterdir()) and ".git" not in path.parts
    ]
    assert committed(project) == expected


def test_each_project_has_the_licence_that_was_chosen(project, answers):
    licence = answers["licence"]
    assert LICENCES[licence] in (project / "LICENSE").read_text(encoding="utf-8")
    declared = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]["license"]
    assert declared == ("LicenseRef-AllRightsReserved" if licence == "all rights reserved" else licence)
    citation = yaml.safe_load((project / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation.get("license", "all rights reserved") == licence


def test_each_project_runs_and_lists_its_notebooks_on_its_data_alone(project, answers, notebooks, restricted):
    catalogue = yaml.safe_load((project / "data_catalog.yaml").read_text(encoding="utf-8"))["datasets"]
    runs = yaml.safe_load((project / "runs.yaml").read_text(encoding="utf-8"))["runs"]
    assert sorted({run["notebook"] for run in runs}) == notebooks
    assert len({run["name"] for run in runs}) == len(runs)
    read = {run["parameters"]["dataset"] for run in runs if "dataset" in run.get("parameters", {})}
    assert read <= set(catalogue)
    if answers["notebooks"] == "all":
        assert restricted <= read  # each has a run to start from
    named_in_readme = re.findall(r"notebooks/\w+\.ipynb", (project / "README.md").read_text(encoding="utf-8"))
    assert sorted(named_in_readme) == notebooks


def test_each_project_s_catalogue_has_the_public_and_the_chosen_data_with_the_team_s_approval(
    template, project, answers, restricted
):
    whole = yaml.safe_load((template / "data_catalog.yaml").read_text(encoding="utf-8"))
    catalogue = yaml.safe_load((project / "data_catalog.yaml").read_text(encoding="utf-8"))
    public = {name for name, entry in whole["datasets"].items() if entry["sensitivity"] == "public"}
    assert set(catalogue["datasets"]) == public | restricted
    approvals = {name: entry.pop("approval", None) for name, entry in catalogue["datasets"].items()}
    whole["datasets"] = {name: whole["datasets"][name] for name in catalogue["datasets"]}
    assert catalogue == whole
    expected = None
    if "approval_valid_until" in answers:
        expected = {
            "reference": f"{answers['legal_basis']} {answers.get('authorisation_number', '')}".strip(),
            "projects": [project.name],
            "valid_until": datetime.date.fromisoformat(LAST_DAY),
            "purposes": ["scientific-research"],
        }
    assert approvals == {name: expected if name in restricted else None for name in approvals}
    open_catalog(project / "data_catalog.yaml")  # no mistake in it


def test_each_project_s_readme_and_recipes_follow_language_and_machines(project, answers):
    readme = (project / "README.md").read_text(encoding="utf-8")
    assert ("## Two commands" in readme, "## Deux commandes" in readme) == (
        answers["language"] == "en",
        answers["language"] == "fr",
    )
    assert answers["disease_area"] in readme
    executed = ["make", "--dry-run", "--no-print-directory", "run", "PYTHON=python3"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    told = {"cwd": project, "env": environment, "check": True, "capture_output": True, "encoding": "utf-8"}
    where = [] if answers["compute"] == "this machine" else ["--on", answers["compute"]]
    assert subprocess.run(executed, **told).stdout.split()[1:] == ["in_env.py", "paillasse", "run", *where]
    assert subprocess.run([*executed, "ON="], **told).stdout.split()[1:] == ["in_env.py", "paillasse", "run"]


def test_each_project_is_without_a_mistake_that_ruff_sees(project):
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "--no-cache"], cwd=project, capture_output=True)
    assert done.returncode == 0, done.stdout.decode()


def test_no_mark_of_the_template_survives_in_a_project(project):
    texts = {name: (project / name).read_text(encoding="utf-8") for name in [*of(project, RENDERED), ".paillasse.json"]}
    assert {name: re.findall(r"\{\{|\{%|\{#|%\}|#\}|\}\}|cookiecutter", text) for name, text in texts.items()} == {
        name: [] for name in texts
    }


def test_copied_files_are_those_of_the_template_byte_for_byte(template, generate):
    project = generate()
    copied = [*COPIED, *NOTEBOOKS.values(), "LICENSE", *committed(template, "shared_lib/src")]
    assert [name for name in copied if (project / name).read_bytes() != (template / name).read_bytes()] == []


def test_no_file_of_a_project_is_kept_twice_in_the_repository(template):
    inside = committed(template, ":(glob){{cookiecutter.project_slug}}/**")
    names = {name.partition("/")[2].replace("{{cookiecutter.project_slug}}", "oncology_project") for name in inside}
    assert names == set(RENDERED)


def test_no_file_is_executable(generate, files_of):
    project = generate()
    assert [name for name in files_of(project) if os.access(project / name, os.X_OK)] == []


def test_every_file_is_valid_in_its_language(generate, files_of):
    files = {name: content for ci in CI for name, content in files_of(generate(ci=ci, into=ci)).items()}
    for name, content in files.items():
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
    citation = yaml.safe_load((generate(disease_area="C50 breast") / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["keywords"] == ["C50 breast"]
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert set(citation) <= {"cff-version", "message", "title", "abstract", "authors", "license", "type", "keywords"}
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
    (local,) = yaml.safe_load((project / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert local["repo"] == "local"
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
    assert "python3 in_env.py paillasse scan" in [hook["entry"] for hook in local["hooks"]]


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
    daily = {"help", "doctor", "lab", "run", "scan", "lint", "hooks", "test", "refresh", "template"}
    assert recipes == daily | {"setup", "setup-offline", "wheelhouse", "lock", "clean"}


@pytest.mark.parametrize("archive", ["carried.zip", "Clé USB de l'été/carried.zip"])
def test_an_archive_may_be_in_a_folder_with_blanks_and_accents(generate, archive):
    done = subprocess.run(
        ["make", "setup-offline", f"PYTHON={sys.executable}", f"WHEELHOUSE={archive}"],
        cwd=generate(),
        capture_output=True,
        encoding="utf-8",
    )
    assert f"There is no archive {archive}. Make one where there is internet" in done.stderr


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


def test_what_may_show_a_patient_is_in_no_image_either(generate):
    project = generate()
    kept_out = [
        {line.removeprefix("**/").strip("/") for line in (project / name).read_text(encoding="utf-8").splitlines()}
        for name in (".gitignore", ".dockerignore")
    ]
    assert {"runs", ".env", ".ipynb_checkpoints"} <= kept_out[0] & kept_out[1]


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
