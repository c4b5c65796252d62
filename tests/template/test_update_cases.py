"""What can stand in the way of an update, with a small template that is made in half a second."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from repository import Repository

import paillasse.project.update as updates
from paillasse.errors import UpdateError
from paillasse.project import git as git_module
from paillasse.project.template import Template
from paillasse.project.worktree import WorkTree

HOOK = """\
import json
answers = {
    "project_slug": "{{ cookiecutter.project_slug }}",
    "team": "{{ cookiecutter.team }}",
    "shape": "{{ cookiecutter.shape }}",
}
with open(".paillasse.json", "w") as file:
    json.dump({"template": "x", "commit": "y", "answers": answers}, file)
"""
LIBRARY = {"pyproject.toml": '[project]\nname = "paillasse"\nrequires-python = ">=3.11"\n', "code.py": "a = 1\n"}
OF_PROJECT = "{{cookiecutter.project_slug}}"
FILES = {
    "cookiecutter.json": '{"project_slug": "small", "team": "Ours", "shape": ["round", "square"]}',
    "hooks/post_gen_project.py": HOOK,
    "requirements.in": "cookiecutter>=2.6  # makes projects\n",
    f"{OF_PROJECT}/README.md": "# {{ cookiecutter.team }}\n\nOne.\n\nTwo.\n\nThree.\n",
    f"{OF_PROJECT}/.gitignore": "/.env\n",
    f"{OF_PROJECT}/data/few.csv": "site,count\nA,20\nB,30\n",
    f"{OF_PROJECT}/picture.png": b"\x89PNG\x00one",
    f"{OF_PROJECT}/run.sh": "#!/bin/sh\n",
}


@pytest.fixture(scope="session")
def small(tmp_path_factory, person) -> tuple[Repository, Repository]:
    """A small template with two versions, and a project of its first."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "template").mkdir()
    template = Repository(folder / "template", person)
    template.git("init", "--quiet", "--initial-branch=main")
    for name, content in FILES.items():
        template.write(name, content)
    for name, content in LIBRARY.items():
        template.write(f"shared_lib/{name}", content)
        template.write(f"{OF_PROJECT}/shared_lib/{name}", content)
    first = template.commit("first", "v1.0")
    template.edit(f"{OF_PROJECT}/README.md", "One.", "The first.")
    template.edit(f"{OF_PROJECT}/data/few.csv", "A,20", "A,21")
    template.write(f"{OF_PROJECT}/picture.png", b"\x89PNG\x00two")
    template.write(f"{OF_PROJECT}/new.md", "New.\n")
    for place in (".", OF_PROJECT):
        template.write(f"{place}/shared_lib/code.py", "a = 2\n")
    (template.folder / OF_PROJECT / "run.sh").chmod(0o755)
    template.commit("second", "v2.0")

    (folder / "small").mkdir()
    project = Repository(folder / "small", person)
    project.git("init", "--quiet", "--initial-branch=main")
    of_project = {name.removeprefix(f"{OF_PROJECT}/"): text for name, text in FILES.items() if OF_PROJECT in name}
    for name, content in of_project.items():
        project.write(name, content.replace("{{ cookiecutter.team }}", "Team") if name == "README.md" else content)
    for name, content in LIBRARY.items():
        project.write(f"shared_lib/{name}", content)
    answers = {"project_slug": "small", "team": "Team", "shape": "square"}
    record = {"template": str(template.folder), "commit": first, "answers": answers}
    project.write(".paillasse.json", json.dumps(record))
    project.commit("first day")
    return template, project


@pytest.fixture
def template(small, tmp_path) -> Repository:
    return Repository(shutil.copytree(small[0].folder, tmp_path / "template"), small[0].environment)


@pytest.fixture
def project(small, template, tmp_path, monkeypatch) -> Repository:
    """Its record names the template of this test, and this process has its person's environment."""
    project = Repository(shutil.copytree(small[1].folder, tmp_path / "small"), small[1].environment)
    record(project, template=str(template.folder))
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "GIT_CONFIG_NOSYSTEM"):
        monkeypatch.setenv(name, project.environment[name])
    return project


def record(project: Repository, **changes) -> None:
    project.write(".paillasse.json", json.dumps(project.record() | changes))
    project.commit("The record")


def refusal(project: Repository, *arguments, **options) -> str:
    """Why nothing is updated; and nothing is."""
    before, head = state(project), project.git("rev-parse", "HEAD")
    with pytest.raises(UpdateError) as refused:
        updates.update(project.folder, *arguments, **options)
    assert (state(project), project.git("rev-parse", "HEAD")) == (before, head)
    return str(refused.value)


def state(project: Repository) -> dict:
    """Every file that git tracks, and what git says of the others."""
    names = project.git("ls-files", "-z").rstrip("\0").split("\0")
    content = {name: (project.folder / name).read_bytes() for name in names if (project.folder / name).is_file()}
    return content | {"git": project.git("diff", "HEAD"), "index": project.git("ls-files", "--stage")}


# Before anything is done


def test_what_is_not_committed_is_never_touched(project):
    project.append("README.md", "Not committed.\n")
    assert "Not everything is committed: README.md." in refusal(project)


def test_in_the_midst_of_a_merge_it_waits(project):
    (project.folder / ".git/MERGE_HEAD").write_text(project.git("rev-parse", "HEAD") + "\n", encoding="utf-8")
    assert "A merge is not finished" in refusal(project)


def test_two_at_once_are_one_after_the_other(project):
    (project.folder / ".git/paillasse").mkdir()
    with FileLock(project.folder / ".git/paillasse/lock"):
        assert "Another update of this project is running" in refusal(project)


def test_a_folder_that_is_no_repository_is_told(project, tmp_path):
    shutil.rmtree(project.folder / ".git")
    done = project.paillasse("update")
    assert done.returncode == 10
    assert "not a git repository" in done.stderr


def test_a_project_inside_another_repository_is_told(project):
    shutil.rmtree(project.folder / ".git")
    outer = Repository(project.folder.parent, project.environment)
    outer.git("init", "--quiet")
    with pytest.raises(UpdateError, match="is not the top of its git repository"):
        updates.update(project.folder)


def test_an_old_git_is_told(project, monkeypatch):
    monkeypatch.setattr(git_module, "NEEDED", (99, 0))
    assert refusal(project).startswith("git 99.0 or newer is needed; this is 2.")


@pytest.mark.parametrize("text", ["", "[]", '{"template": 1}', '{"template": "x", "commit": "--all", "answers": {}}'])
def test_a_record_that_is_none_is_restored(project, text):
    project.write(".paillasse.json", text)
    project.commit("broken")
    assert "git restore .paillasse.json" in refusal(project)


# The template


def test_a_template_that_is_away_is_told_with_what_was_last_seen_and_no_password(project, template):
    assert project.paillasse("update", "--check").returncode == 1
    template.folder.rename(template.folder.with_name("away"))
    done = project.paillasse("update", "--check")
    assert done.returncode == 10
    assert f"The template at {template.folder} cannot be read. It was last looked at on 20" in done.stderr
    assert "when the newest was v2.0 (" in done.stderr
    source = f"https://me:hunter2@localhost:9{template.folder}"
    done = project.paillasse("update", "--from", source)
    assert done.returncode == 10 and "https://localhost:9" in done.stderr
    written = [path.read_bytes() for path in (project.folder / ".git").rglob("*") if path.is_file()]
    assert "hunter2" not in done.stderr + done.stdout
    assert not any(b"hunter2" in each for each in written)


def test_check_tells_ci_by_its_exit_code_and_changes_nothing(project, template):
    before = state(project)
    done = project.paillasse("update", "--check")
    assert done.returncode == 1
    assert done.stdout.startswith("A newer template is there: v2.0 (") and "1 commit after v1.0 (" in done.stdout
    assert done.stdout.endswith("To bring it in: paillasse update\n")
    assert project.paillasse("update", "--check", "--from", str(template.folder)).stdout.endswith(
        f"To bring it in: paillasse update --from {template.folder}\n"
    )
    assert state(project) == before
    record(project, commit=template.git("rev-parse", "v2.0^{commit}"))
    done = project.paillasse("update", "--check")
    assert (done.returncode, done.stdout[:35]) == (0, "The project has the newest template")


def test_options_that_do_not_go_together_are_told(project):
    for options in (["--check", "--undo"], ["--undo", "--to", "v1"], ["--check", "--to", "v2.0"]):
        assert project.paillasse("update", *options).returncode == 2


def test_a_project_made_from_after_the_newest_tag_is_not_behind(project, template):
    template.append("requirements.in", "# third\n")
    record(project, commit=template.commit("third"))
    assert "Nothing to do" in updates.update(project.folder).report()


def test_without_tags_the_newest_is_the_tip_of_the_main_branch(project, template):
    template.git("tag", "--delete", "v1.0", "v2.0")
    template.git("switch", "--quiet", "--create", "an-idea")
    template.append("requirements.in", "# an idea\n")
    template.commit("an idea")
    template.git("switch", "--quiet", "main")
    assert updates.standing(project.folder).newest.commit == template.git("rev-parse", "main")


def test_a_version_that_is_not_there_is_told_with_those_that_are(project):
    assert "has no version 'v9.0'. Its tags: v1.0, v2.0." in refusal(project, to="v9.0")
    assert "has no version '--all'" in refusal(project, to="--all")


def test_a_template_whose_history_was_rewritten_is_told(project):
    record(project, commit="0" * 39 + "1")
    assert "has no version '000000" in refusal(project)


def test_a_bundle_without_its_history_is_told(project, template, tmp_path):
    template.git("bundle", "create", "--quiet", tmp_path / "part.bundle", "v1.0..v2.0")
    assert f"The template at {tmp_path}/part.bundle cannot be read." in refusal(project, str(tmp_path / "part.bundle"))


@pytest.mark.slow
def test_a_bundle_without_a_head_is_enough(project, template, tmp_path):
    template.git("bundle", "create", "--quiet", tmp_path / "tags.bundle", "--tags")
    assert updates.update(project.folder, str(tmp_path / "tags.bundle")).conflicts == {}


def test_another_repository_is_not_taken_for_the_template(project):
    project.paillasse("update", "--check")  # so that the project's version is at hand, whatever is fetched next
    for source in (str(project.folder), "."):
        assert "is not the template of this project" in project.paillasse("update", "--check", "--from", source).stderr
    assert "is not the template of this project" in refusal(project, str(project.folder))
    assert Template(project.folder).last_standing(project.record()["commit"]) == (None, None)  # what the doctor tells


def test_an_empty_repository_is_no_template(project, tmp_path):
    project.git("init", "--quiet", "--bare", str(tmp_path / "empty"))
    project.paillasse("update", "--check")
    assert "It is empty." in refusal(project, str(tmp_path / "empty"))


def test_an_archive_is_no_source(project, tmp_path):
    (tmp_path / "template.zip").touch()
    assert "is an archive, which has no history" in refusal(project, str(tmp_path / "template.zip"))


def test_a_project_from_an_archive_is_told_which_version_its_library_is_of(project, template):
    record(project, commit=None)
    first = template.git("rev-parse", "v1.0^{commit}")
    told = refusal(project)
    assert "the project was made from an archive" in told and f'write "commit": "{first}"' in told
    project.append("shared_lib/code.py", "b = 1\n")
    project.commit("other")
    assert "Find out which version it was" in refusal(project)


# Making the two projects


def version(template: Repository, name: str, **files: str) -> None:
    for path, content in files.items():
        template.write(path, content)
    template.commit(name, name)


def test_a_newer_python_or_cookiecutter_than_there_is_is_told(project, template):
    library = LIBRARY["pyproject.toml"].replace(">=3.11", ">=3.99")
    version(template, "v3.0", **{"shared_lib/pyproject.toml": library})
    assert "needs Python >=3.99; this is 3." in refusal(project)
    version(template, "v4.0", **{"shared_lib/pyproject.toml": "", "requirements.in": "cookiecutter>=99  # new\n"})
    assert "needs cookiecutter>=99; this is 2." in refusal(project)


def test_a_version_that_cannot_be_made_is_told_with_its_own_words(project, template):
    hook = "import sys\nsys.exit('This team has no such number')\n"
    version(template, "v3.0", **{"hooks/post_gen_project.py": hook})
    told = refusal(project)
    assert "v3.0" in told and "makes no project of this one's answers" in told
    assert "This team has no such number" in told
    assert "change it in .paillasse.json, commit that, and update again" in told


def test_questions_that_are_new_gone_or_have_other_choices_are_told(project, template):
    questions = '{"project_slug": "small", "shape": ["round", "oval"], "region": "Île-de-France"}'
    hook = HOOK.replace('    "team": "{{ cookiecutter.team }}",\n', '    "region": "{{ cookiecutter.region }}",\n')
    files = {"cookiecutter.json": questions, "hooks/post_gen_project.py": hook, f"{OF_PROJECT}/README.md": "# X\n"}
    version(template, "v3.0", **files)
    done = updates.update(project.folder)
    assert set(done.notes) == {
        ".paillasse.json: shape was square, which is no choice any more; now round",
        ".paillasse.json: a new question has its default: region = Île-de-France",
        ".paillasse.json: team is not asked any more",
    }
    assert project.record()["answers"] == {"project_slug": "small", "shape": "round", "region": "Île-de-France"}


def test_an_answer_that_is_no_choice_any_more_costs_no_other_answer(project, template):
    record(project, answers={"shape": "square", "team": "Team", "project_slug": "small"})  # those after it too
    questions = '{"project_slug": "other", "team": "Ours", "shape": ["round", "oval"]}'
    version(template, "v3.0", **{"cookiecutter.json": questions})
    done = updates.update(project.folder)
    assert done.notes == (".paillasse.json: shape was square, which is no choice any more; now round",)
    assert project.record()["answers"] == {"project_slug": "small", "team": "Team", "shape": "round"}


@pytest.mark.slow
def test_a_persons_own_settings_of_cookiecutter_have_no_say(project):
    (Path(project.environment["HOME"]) / ".cookiecutterrc").write_text("default_context: {team: Somebody}\n")
    try:
        updates.update(project.folder)
    finally:
        (Path(project.environment["HOME"]) / ".cookiecutterrc").unlink()
    assert project.read("README.md").startswith("# Team\n\nThe first.")


@pytest.mark.slow
def test_the_template_is_told_that_it_makes_an_update(project, template):
    hook = HOOK + 'import os\nassert os.environ["PAILLASSE_UPDATE"]\n'
    version(template, "v3.0", **{"hooks/post_gen_project.py": hook})
    assert updates.update(project.folder).conflicts == {}


# The shared library


def test_changes_of_the_library_stop_the_update_and_are_saved_for_the_template(project, template):
    project.edit("shared_lib/code.py", "a = 1", "a = 3")
    project.commit("Our library")
    project.write("shared_lib/ours.py", "mine = 1\n")
    told = refusal(project)
    assert "you have changed shared_lib/code.py, shared_lib/ours.py" in told
    (patch,) = project.folder.glob("shared_lib-*.patch")
    template.git("switch", "--quiet", "--detach", "v1.0")
    template.git("apply", "--check", patch)
    # What the message says is done, and the update goes on.
    command = re.search(r"git apply --reverse .* && git commit -m '.*?'", told)[0]
    assert project.run("sh", "-c", command).returncode == 0
    updates.update(project.folder)
    assert project.read("shared_lib/code.py") == "a = 2\n"
    assert not (project.folder / "shared_lib/ours.py").exists()
    assert "mine = 1" in patch.read_text(encoding="utf-8")


# The result


def test_a_table_and_a_picture_that_both_changed_are_the_team_s_until_somebody_decides(project):
    project.edit("data/few.csv", "B,30", "B,33")  # git alone would merge these lines
    project.write("picture.png", b"\x89PNG\x00ours")
    project.commit("Ours")
    done = updates.update(project.folder)
    assert set(done.conflicts) == {"data/few.csv", "picture.png"}
    assert "yours is in the folder" in done.conflicts["picture.png"]
    assert project.read("data/few.csv") == "site,count\nA,20\nB,33\n"
    command = re.search("git checkout --theirs .*", done.conflicts["data/few.csv"])[0]
    project.run("sh", "-c", command)
    assert project.read("data/few.csv") == "site,count\nA,21\nB,30\n"
    updates.undo(project.folder)
    assert project.read("data/few.csv") == "site,count\nA,20\nB,33\n"
    assert project.git("status", "--porcelain") == ""


@pytest.mark.slow
def test_a_notebook_that_is_none_is_the_team_s_in_conflict(project, template):
    version(template, "v3.0", **{f"{OF_PROJECT}/a.ipynb": '{"cells": []}'})
    project.write("a.ipynb", "<<<<<<< HEAD\n")
    project.commit("Ours")
    done = updates.update(project.folder)
    assert "the template brings a file of this name" in done.conflicts["a.ipynb"]
    assert project.read("a.ipynb") == "<<<<<<< HEAD\n"


def test_a_mode_is_a_change_like_others(project):
    updates.update(project.folder)
    assert os.access(project.folder / "run.sh", os.X_OK)


def test_a_file_in_the_way_is_never_overwritten_though_git_ignores_it(project, template):
    template.write(f"{OF_PROJECT}/.env", "A=1\n")
    template.git("add", "--force", f"{OF_PROJECT}/.env")
    template.commit("with .env")
    project.write(".env", "PASSWORD=x\n")
    told = refusal(project, to="main")
    assert "where others are that git does not track: .env" in told
    assert project.read(".env") == "PASSWORD=x\n"


@pytest.mark.parametrize(("theirs", "ours"), [("new.md", "new.md/.env"), ("new.md/a.md", "new.md")])
def test_a_folder_where_a_file_comes_or_the_other_way_round_is_in_the_way_too(project, template, theirs, ours):
    template.git("rm", "--quiet", f"{OF_PROJECT}/new.md")
    version(template, "v3.0", **{f"{OF_PROJECT}/{theirs}": "Other.\n"})
    project.write(".gitignore", ".env\n/new.md\n")
    project.commit("Ours")
    project.write(ours, "PASSWORD=x\n")
    assert f"where others are that git does not track: {ours}." in refusal(project)
    assert project.read(ours) == "PASSWORD=x\n"


@pytest.mark.slow
def test_it_goes_back_to_an_older_version_too(project, files_of):
    before = files_of(project.folder)
    updates.update(project.folder)
    project.commit("Update")
    assert "new.md" in files_of(project.folder)
    updates.update(project.folder, to="v1.0")
    after = files_of(project.folder)
    record = ".paillasse.json"
    assert json.loads(after.pop(record)) == json.loads(before.pop(record))
    assert after == before


@pytest.mark.slow
def test_in_a_second_working_tree_of_the_repository_it_works_too(project, tmp_path):
    project.git("worktree", "add", "--quiet", "-b", "update", tmp_path / "second")
    second = Repository(tmp_path / "second", project.environment)
    before = state(second)
    assert updates.update(second.folder).conflicts == {}
    assert "The first." in second.read("README.md") and "One." in project.read("README.md")
    updates.undo(second.folder)
    assert state(second) == before


@pytest.mark.slow
def test_names_with_accents_spaces_and_line_breaks_are_names_like_others(project):
    odd = "é 'tude\n\"x\" #1.md"
    project.write(odd, "Ours.\n")
    project.git("mv", "README.md", "read me «ici».md")
    project.edit("read me «ici».md", "One.", "Ours.")
    project.commit("Ours")
    before = state(project)
    assert set(updates.update(project.folder).conflicts) == {"read me «ici».md"}
    assert "The first." in project.read("read me «ici».md")
    updates.undo(project.folder)
    assert state(project) == before


def test_the_team_s_git_settings_have_no_say(project):
    project.write(".gitattributes", "*.md merge=theirs\n*.csv -text\n")
    project.commit("Ours")
    project.edit("README.md", "Three.", "Ours.")
    project.commit("Ours too")
    for key, value in {"merge.theirs.driver": "false", "core.autocrlf": "true", "merge.renames": "false"}.items():
        project.git("config", key, value)
    done = project.paillasse("update", GIT_DIR="/nowhere", GIT_INDEX_FILE="/nowhere", GIT_WORK_TREE="/nowhere")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The first." in project.read("README.md") and "Ours." in project.read("README.md")


# Interrupted, and taken back

KILLED = """
import os, sys
from paillasse.project.worktree import WorkTree
setattr(WorkTree, sys.argv[1], lambda *arguments: os.kill(os.getpid(), 9))
from paillasse.cli import main
main(sys.argv[2:])
"""


def test_killed_half_way_the_next_update_repairs_and_goes_on(project, files_of):
    before = state(project)
    done = project.run(sys.executable, "-c", KILLED, "_set_stages", "update")
    assert done.returncode == -9
    assert "The first." in project.read("README.md")  # files were written, the index was not
    done = project.paillasse("update")
    assert done.returncode == 0, done.stderr
    assert "an update that was interrupted before was taken back first" in done.stdout
    updated = files_of(project.folder)
    assert project.paillasse("update", "--undo").returncode == 0
    assert state(project) == before
    updates.update(project.folder)
    assert files_of(project.folder) == updated


@pytest.mark.slow
def test_what_was_done_after_a_kill_is_kept_and_told(project):
    assert project.run(sys.executable, "-c", KILLED, "_set_stages", "update").returncode == -9
    project.append("README.md", "Written in between.\n")
    said = project.updated()
    commit = re.search("git show ([0-9a-f]{12})", said)[1]
    assert project.git("show", f"{commit}:README.md").endswith("Written in between.")


def test_what_is_saved_while_an_update_is_made_ready_stops_it(project, monkeypatch):
    def saved(*arguments, **more):
        project.append("README.md", "Saved meanwhile.\n")
        return merge(*arguments, **more)

    merge = updates.merge
    monkeypatch.setattr(updates, "merge", saved)
    with pytest.raises(UpdateError, match=r"Not everything is committed: README.md"):
        updates.update(project.folder)
    assert project.read("README.md").endswith("Saved meanwhile.\n")
    assert "One." in project.read("README.md")


def test_a_fetch_that_was_killed_is_no_hindrance(project):
    (project.folder / ".git/paillasse/template.git/refs/tags").mkdir(parents=True)
    for name in ("packed-refs.lock", "refs/tags/v1.0.lock"):
        (project.folder / ".git/paillasse/template.git" / name).touch()
    assert updates.standing(project.folder).behind == 1


def test_killed_half_way_through_an_undo_the_next_one_ends_it(project, files_of):
    before, files = state(project), files_of(project.folder)
    updates.update(project.folder)
    done = project.run(sys.executable, "-c", KILLED, "_remove", "update", "--undo")
    assert done.returncode == -9
    updates.undo(project.folder)
    assert (state(project), files_of(project.folder)) == (before, files)


def test_stopped_by_ctrl_c_all_is_as_before(project, monkeypatch, files_of):
    def stop(*arguments):
        raise KeyboardInterrupt

    before, files = state(project), files_of(project.folder)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(WorkTree, "_set_stages", stop)
        updates.update(project.folder)
    assert (state(project), files_of(project.folder)) == (before, files)
    assert not (project.folder / ".git/index.lock").exists()


def test_an_undo_keeps_what_was_done_since(project):
    project.edit("README.md", "One.", "Ours.")
    project.commit("Ours")
    done = updates.update(project.folder)
    assert set(done.conflicts) == {"README.md"}
    project.edit("README.md", "<<<<<<< yours\n", "Resolved with care\n")
    project.git("add", "README.md")
    project.write("elsewhere.md", "Not of the update.\n")
    kept = updates.undo(project.folder)
    assert "Resolved with care" in project.git("show", f"{kept}:README.md")
    assert "Ours." in project.read("README.md") and "<<<" not in project.read("README.md")
    assert project.git("status", "--porcelain") == "?? elsewhere.md"


def test_an_undo_without_an_update_or_after_its_commit_says_what_to_do(project):
    with pytest.raises(UpdateError, match="no update to take back that is not committed"):
        updates.undo(project.folder)
    updates.update(project.folder)
    project.commit("Update")
    with pytest.raises(UpdateError, match="git revert"):
        updates.undo(project.folder)
    assert "The first." in project.read("README.md")


@pytest.mark.slow
def test_nothing_is_left_in_the_temporary_folder(project, tmp_path):
    (tmp_path / "tmp").mkdir()
    assert project.paillasse("update", TMPDIR=str(tmp_path / "tmp")).returncode == 0
    assert list((tmp_path / "tmp").iterdir()) == []
