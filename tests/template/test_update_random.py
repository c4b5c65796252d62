"""Whatever team and template do to a few files, nothing of the team's is lost and an undo restores all."""

import os
import random
from pathlib import Path

import pytest
from repository import Repository

from paillasse.project.merge import Scratch, merge
from paillasse.project.worktree import Note, WorkTree

pytestmark = pytest.mark.slow

NAMES = ["a", "a/b", "b", "d/a", "d/b", "d/e/c", "e", "x.ipynb", "t.csv", "f.md", "requirements.lock", "r", "d2/a"]
Files = dict[str, str]


def fits(name: str, files: Files) -> bool:
    """Whether a name is neither taken nor a folder's, nor in a folder that is a file."""
    return all(name != each and not f"{name}/".startswith(f"{each}/") for each in files) and not any(
        each.startswith(f"{name}/") for each in files
    )


def text(chance: random.Random) -> str:
    return "".join(f"line {number} {chance.choice('xyz')}\n" for number in range(chance.randint(3, 12)))


def started(chance: random.Random) -> Files:
    files = {}
    for name in NAMES:
        if chance.random() < 0.6 and fits(name, files):
            files[name] = text(chance)
    return files


def edited(chance: random.Random, before: Files, mark: str) -> Files:
    """Some files deleted, edited, renamed, new; an edited line has the mark of who did it."""
    files = dict(before)
    for name in before:
        match chance.choice(["delete", "edit", "edit", "rename", *["leave"] * 4]):
            case "delete":
                del files[name]
            case "edit":
                lines = files[name].splitlines(keepends=True)
                lines[chance.randrange(len(lines))] = f"{mark} {name}\n"
                files[name] = "".join(lines)
            case "rename":
                content, new_name = files.pop(name), chance.choice(NAMES)
                files[new_name if fits(new_name, files) else name] = content
    for name in NAMES:
        if chance.random() < 0.15 and fits(name, files):
            files[name] = f"{mark} {name}\n" + text(chance)
    return files


def write(folder: Path, files: Files) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")


@pytest.mark.parametrize("seed", range(25))
def test_nothing_of_the_team_s_is_lost_and_an_undo_restores_all(seed, person, tmp_path, monkeypatch, files_of):
    monkeypatch.setenv("HOME", person["HOME"])
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    chance = random.Random(seed)
    old = started(chance)
    states = {"old": old, "team": edited(chance, old, "ours"), "new": edited(chance, old, "theirs")}
    for place, files in states.items():
        write(tmp_path / place, files | {"shared_lib/code.py": "", ".paillasse.json": "{}"})
    project = Repository(tmp_path / "team", person)
    project.git("init", "--quiet")
    project.commit("before")
    before = files_of(project.folder)

    scratch, work = Scratch(project.folder, tmp_path), WorkTree(project.folder)
    trees = [scratch.tree_of(tmp_path / place) for place in ("old", "team", "new")]
    merged = merge(scratch, *trees, b"{}")
    note = Note("applying", work.head(), merged.tree, "v2", sorted(merged.stages))
    with work.held():
        work.apply(note, merged.stages)
        unmerged = project.git("diff", "--name-only", "--diff-filter=U").splitlines()
        assert set(unmerged) == set(merged.conflicts)
        after = files_of(project.folder)
        left = b"\n".join(after.values()).decode("utf-8").splitlines()
        ours = {line for content in states["team"].values() for line in content.splitlines() if line.startswith("ours")}
        assert ours <= set(left)
        assert merged.conflicts or not any(line.startswith("<<<<<<<") for line in left)
        assert work.undo() is None
        assert (files_of(project.folder), project.git("status", "--porcelain")) == (before, "")
        work.apply(note, merged.stages)
        assert files_of(project.folder) == after
        for name in merged.conflicts:
            if (project.folder / name).is_file():
                (project.folder / name).write_text("resolved", encoding="utf-8")
        work.undo()
        assert (files_of(project.folder), project.git("status", "--porcelain")) == (before, "")
