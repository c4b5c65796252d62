"""A project is the same from wherever the template comes, and whatever the machine's git is like."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cookiecutter import generate as cookiecutter_generate
from cookiecutter.main import _patch_import_path_for_repo
from cookiecutter.prompt import prompt_for_config


@pytest.fixture
def contents(files_of) -> Callable[[Path], dict[str, bytes]]:
    """All files of a project but the record of the template's source."""

    def contents(project: Path) -> dict[str, bytes]:
        return {name: content for name, content in files_of(project).items() if name != ".paillasse.json"}

    return contents


def record(project: Path) -> dict:
    return json.loads((project / ".paillasse.json").read_text(encoding="utf-8"))


def head(repository: Path) -> str:
    command = ["git", "-C", str(repository), "rev-parse", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout.strip()


@pytest.fixture
def reference(generate, contents) -> dict[str, bytes]:
    return contents(generate(into="reference"))


@pytest.fixture(params=["relative", "absolute", "git url", "archive", "zip of the worktree", "the folder itself"])
def source(request, template, tmp_path) -> tuple[str, Path, str, str | None]:
    """What is typed, where; then the source and the commit that are to be recorded."""
    here = tmp_path / "here"
    match request.param:
        case "relative":
            return os.path.relpath(template, here), here, template.as_posix(), head(template)
        case "absolute":
            return str(template), here, template.as_posix(), head(template)
        case "the folder itself":
            return ".", template, template.as_posix(), head(template)
        case "git url":
            bare = tmp_path / "paillasse.git"
            subprocess.run(["git", "clone", "--quiet", "--bare", str(template), str(bare)], check=True)
            url = bare.as_uri()
            return url, here, url, head(template)
        case "archive":
            archive = tmp_path / "paillasse.zip"
            zipped = ["git", "-C", str(template), "archive", "--prefix=paillasse/", "-o", str(archive), "HEAD"]
            subprocess.run(zipped, check=True)
        case "zip of the worktree":
            files = tmp_path / "files/paillasse"
            shutil.copytree(template, files, ignore=shutil.ignore_patterns(".git"))
            archive = Path(shutil.make_archive(str(tmp_path / "worktree"), "zip", files.parent, "paillasse"))
    return str(archive), here, str(archive), None


def test_every_source_gives_the_same_project(command, reference, source, tmp_path, contents):
    typed, cwd, recorded, commit = source
    done = command(typed, "--no-input", "--output-dir", tmp_path / "out", cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    project = tmp_path / "out/oncology_project"
    assert contents(project) == reference
    assert (record(project)["template"], record(project)["commit"]) == (recorded, commit)


def test_a_replay_gives_the_same_project(template, command, tmp_path, contents):
    answers = ["project_name=L'étude « {x} »", "notebooks=survival only", "licence=MIT", "ci=gitlab"]
    assert command(template, "--no-input", *answers).returncode == 0
    replay_file = tmp_path / "answers.json"
    shutil.copy(tmp_path / "home/.cookiecutter_replay/paillasse.json", replay_file)
    relative = os.path.relpath(template, tmp_path / "here")
    for options in (["--replay"], ["--replay-file", replay_file]):
        again = tmp_path / options[0].strip("-")
        done = command(relative, *options, "--output-dir", again)
        assert done.returncode == 0, done.stdout + done.stderr
        assert contents(again / "l_etude_x") == contents(tmp_path / "here/l_etude_x")


def test_two_templates_in_one_process_give_each_its_own(template, own_template, generate, monkeypatch):
    (own_template / "in_env.py").write_text("# the second one\n", encoding="utf-8")
    questions = own_template / "paillasse_answers.py"
    questions.write_text(
        questions.read_text(encoding="utf-8").replace("LAYOUT = {", 'LAYOUT = {"colon", '), encoding="utf-8"
    )
    monkeypatch.chdir(own_template.parent)
    second = generate(source="paillasse", into="second")
    monkeypatch.chdir(template.parent)
    first = generate(source="paillasse", into="first", project_name="Colon")
    assert (second / "in_env.py").read_text(encoding="utf-8") == "# the second one\n"
    assert (first / "in_env.py").read_bytes() == (template / "in_env.py").read_bytes()
    with pytest.raises(Exception, match="a project has something else of that name"):
        generate(source=own_template, into="third", project_name="Colon")


def test_the_template_is_the_one_named_not_the_one_people_are_in(template, own_template, command, reference, contents):
    (own_template / "in_env.py").write_text("# another one\n", encoding="utf-8")
    assert command(template, "--no-input", cwd=own_template).returncode == 0
    assert contents(own_template / "oncology_project") == reference


def test_other_tools_that_set_no_source_give_the_same_project(template, reference, tmp_path, contents):
    context = cookiecutter_generate.generate_context(str(template / "cookiecutter.json"))
    with _patch_import_path_for_repo(str(template)):
        context["cookiecutter"] = prompt_for_config(context, no_input=True)
        project = Path(cookiecutter_generate.generate_files(template, context, output_dir=str(tmp_path / "out")))
    assert contents(project) == reference
    assert record(project)["template"] == template.as_posix()


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        ("https://somebody:secret@example.org/paillasse.git", "https://example.org/paillasse.git"),
        ("git+https://token@example.org/paillasse.git", "git+https://example.org/paillasse.git"),
        ("ssh://git:secret@example.org/paillasse.git", "ssh://git@example.org/paillasse.git"),
        ("git@example.org:cluster/paillasse.git", "git@example.org:cluster/paillasse.git"),
        ("gh:cluster/paillasse", "gh:cluster/paillasse"),
    ],
)
def test_no_password_is_recorded(template, tmp_path, given, recorded):
    context = cookiecutter_generate.generate_context(str(template / "cookiecutter.json"))
    with _patch_import_path_for_repo(str(template)):
        context["cookiecutter"] = prompt_for_config(context, no_input=True) | {
            "_template": given,
            "_repo_dir": "elsewhere",
        }
        project = Path(cookiecutter_generate.generate_files(template, context, output_dir=str(tmp_path / "out")))
    assert record(project)["template"] == recorded


def test_the_answers_are_recorded_sorted(template, generate):
    answers = record(generate(team="Équipe"))["answers"]
    assert list(answers) == sorted(answers)
    asked = json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))
    assert set(answers) == {question for question in asked if not question.startswith("_")}
    assert answers["team"] == "Équipe"


def test_a_template_unpacked_inside_another_repository_has_no_commit(own_template, generate, commit_all):
    shutil.rmtree(own_template / ".git")
    commit_all(own_template.parent)
    assert record(generate(source=own_template))["commit"] is None


def test_uncommitted_changes_of_the_template_are_said(own_template, command):
    with (own_template / "in_env.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert "changes that are not committed" in command(own_template, "--no-input").stdout


def log(project: Path) -> list[str]:
    command = ["git", "-C", str(project), "log", "--all", "--format=%an <%ae> %s%d"]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout.splitlines()


def test_without_a_git_identity_the_team_commits(template, command, tmp_path):
    assert command(template, "--no-input", "team=Équipe côlon").returncode == 0
    message = "Start the project from the Paillasse template"
    assert log(tmp_path / "here/oncology_project") == [f"Équipe côlon <team@example.org> {message} (HEAD -> main)"]


def test_a_person_with_a_git_identity_commits(template, command, tmp_path):
    (tmp_path / "home/.gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n", encoding="utf-8")
    assert command(template, "--no-input").returncode == 0
    assert log(tmp_path / "here/oncology_project")[0].startswith("Ada <ada@example.org>")


def test_a_team_without_letters_can_commit_too(template, command, tmp_path):
    assert command(template, "--no-input", "team=<...>").returncode == 0
    assert log(tmp_path / "here/oncology_project")[0].startswith("oncology_project <team@example.org>")


def test_a_hostile_git_changes_nothing(template, command, reference, tmp_path, files_of, contents):
    home = tmp_path / "home"
    (home / ".config/git").mkdir(parents=True)
    (home / ".config/git/ignore").write_text("*.csv\ntests/\n", encoding="utf-8")
    (home / ".config/git/attributes").write_text("*.md working-tree-encoding=UTF-16\n", encoding="utf-8")
    hooks = home / "git-template/hooks"
    hooks.mkdir(parents=True)
    for name in ("pre-commit", "commit-msg"):
        (hooks / name).write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        (hooks / name).chmod(0o755)
    settings = f"""
        [commit]\ngpgsign = true\ntemplate = {home}/none\n[init]\ntemplateDir = {hooks.parent}\ndefaultBranch = x y
        [core]\nhooksPath = {hooks}\nautocrlf = true\nsafecrlf = true\n[user]\nuseConfigOnly = true\n"""
    (home / ".gitconfig").write_text(settings, encoding="utf-8")
    done = command(template, "--no-input", GIT_DIR=str(tmp_path / "elsewhere"), GIT_INDEX_FILE=str(tmp_path / "index"))
    assert done.returncode == 0, done.stdout + done.stderr
    project = tmp_path / "here/oncology_project"
    assert contents(project) == reference
    assert len(log(project)) == 1
    listing = ["git", "-C", str(project), "ls-tree", "-r", "-z", "--name-only", "HEAD"]
    names = subprocess.run(listing, check=True, capture_output=True, encoding="utf-8").stdout.rstrip("\0").split("\0")
    assert set(names) == set(files_of(project))
    assert not (project / ".git/hooks").exists()


def test_without_git_the_project_is_made_and_the_lack_is_said(template, command, tmp_path):
    done = command(template, "--no-input", PATH=str(tmp_path / "no-programs"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "git is not installed" in done.stdout
    project = tmp_path / "here/oncology_project"
    assert (project / "notebooks/survival_analysis.ipynb").is_file()
    assert record(project)["commit"] is None


def test_an_existing_repository_is_written_over_but_not_committed(generate, template, tmp_path, command):
    project = generate(into="here")
    (project / "mine.py").write_text("mine", encoding="utf-8")
    assert command(template, "--no-input", "--overwrite-if-exists").returncode == 0
    assert (project / "mine.py").read_text(encoding="utf-8") == "mine"
    assert len(log(project)) == 1


def test_scaffolding_takes_less_than_two_seconds(template, command):
    before = os.times()
    assert command(template, "--no-input").returncode == 0
    after = os.times()  # processor time: other tests run beside this one
    assert after.children_user + after.children_system - before.children_user - before.children_system < 2


@pytest.mark.slow
def test_a_project_is_set_up_run_and_tested_on_a_machine_with_an_empty_home(
    template, generate, tmp_path, clean_environment
):
    """The README's commands, in a folder with a space and an accent, with empty caches; and the hook before commits."""
    project = generate(into="dossier d'étude")
    environment = clean_environment(tmp_path / "empty home")
    base = Path(sys.base_prefix, "bin")

    def call(*command: str) -> subprocess.CompletedProcess:
        return subprocess.run(command, cwd=project, env=environment, check=False, capture_output=True, encoding="utf-8")

    for recipe in ("setup", "run", "test", "hooks"):
        done = call("make", recipe, f"PYTHON={base / 'python3'}")
        assert done.returncode == 0, f"make {recipe}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    pages = {page: page.read_text(encoding="utf-8") for page in (project / "runs").rglob("*.html")}
    addresses = {page: re.findall(r"https?://[^\s\"<]+", text) for page, text in pages.items()}
    assert len(pages) > 1 and not any(addresses.values()), addresses
    assert call("git", "status", "--porcelain").stdout == ""
    commit = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "--message", "more"]
    (project / "notes.md").write_text("Patiente née le 12/04/1957.\n", encoding="utf-8")
    call("git", "add", "notes.md")
    refused = call(*commit)
    assert refused.returncode != 0
    assert "notes.md" in refused.stdout + refused.stderr and "1957" not in refused.stdout + refused.stderr
    (project / "notes.md").write_text("A thought.\n", encoding="utf-8")
    call("git", "add", "notes.md")
    done = call(*commit)
    assert done.returncode == 0, done.stderr
