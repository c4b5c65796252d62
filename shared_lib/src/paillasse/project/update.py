"""`paillasse update`: what the template has changed since the project was made from it comes into the project.

The old and the new template are both made into a project with the kept answers, and their difference is applied to the
project three-way. It starts from the commit that the project has recorded, not from a branch that somebody had to keep,
so squash-merges, rebases and fresh clones do no harm. The result is staged, in the working tree, and not committed.
"""

import json
import shlex
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from paillasse.errors import UpdateError, some_of
from paillasse.project.git import git_bytes, names, refuse_old_git
from paillasse.project.merge import LIBRARY, Scratch, merge
from paillasse.project.render import Rendered, render
from paillasse.project.template import RECORD, Record, Standing, Template, Version, read_record
from paillasse.project.worktree import Note, WorkTree


@dataclass(frozen=True)
class Update:
    """What an update did.

    Attributes
    ----------
    here, to
        The template's versions before and after.
    files
        How many files of the project are others now.
    conflicts
        Path → what a person has to do. Where there is one, the update is not finished.
    notes
        What else is worth knowing.
    """

    here: Version
    to: Version
    files: int
    conflicts: dict[str, str]
    notes: tuple[str, ...]

    def report(self) -> str:
        """What happened and what comes next, for the terminal."""
        if self.here.commit == self.to.commit:
            return f"Nothing to do: the project is already at {self.to}."
        lines = [f"  {each}" for each in self.notes]
        undo = "Take all of it back: paillasse update --undo"
        if self.conflicts:
            first = f"NOT FINISHED, from {self.here} to {self.to}: {self.files} files changed, and these need you:"
            lines = [first, *(f"  {path}: {todo}" for path, todo in self.conflicts.items()), *lines]
            lines += ["Then, for each: git add FILE; then: make test; git commit.", undo]
        else:
            first = f"From {self.here} to {self.to}: {self.files} files changed. They are staged, not committed."
            lines = [first, *lines]
            commit = f"git commit -m {shlex.quote(f'Update the template to {self.to.name}')}"
            lines += [f"Look: git diff --staged. Then: make test; {commit}", undo]
        return "\n".join(lines)


def standing(project: Path, source: str | None = None) -> Standing:
    """Look where a project stands; nothing in it is changed.

    Parameters
    ----------
    project
        Its folder.
    source
        Where the template is; by default what the project has recorded.

    Raises
    ------
    UpdateError
        The template cannot be reached, or the project's version is not in it.
    """
    work, template, record = WorkTree(project), Template(project), read_record(project)
    with work.held():
        template.fetch(source)
        return template.standing(template.seen(recorded_commit(record, template, work)).commit)


def undo(project: Path) -> str | None:
    """Take back the update that is not committed: see `WorkTree.undo`."""
    work = WorkTree(project)
    with work.held():
        return work.undo()


def update(project: Path, source: str | None = None, to: str | None = None) -> Update:
    """Bring a newer version of the template into a project.

    Parameters
    ----------
    project
        Its folder, the top of a git repository in which all is committed.
    source
        Where the template is: an address, a folder, a git bundle; by default what the project has recorded. It runs the
        template's code.
    to
        A tag, a branch or a commit of the template; by default the newest version.

    Returns
    -------
    Update
        With its conflicts, which are in the files.

    Raises
    ------
    UpdateError
        Nothing was updated: the message says why, and what to do.
    """
    refuse_old_git()
    work = WorkTree(project)
    with work.held():
        repaired = work.repair()
        work.refuse_unless_committed()
        record, template = read_record(project), Template(project)
        template.fetch(source)
        here = template.seen(recorded_commit(record, template, work))
        wanted = template.version(to) if to else newest_for(template, here)
        if wanted.commit == here.commit:
            return Update(here, wanted, 0, {}, ())
        done = brought(work, template, record, here, wanted)
    first = [repaired] if repaired else []
    return Update(here, wanted, done.files, done.conflicts, (*first, *done.notes))


def newest_for(template: Template, here: Version) -> Version:
    """The newest version; the project's own where that is not older: it may have been made from between two tags."""
    there = template.standing(here.commit)
    return there.newest if there.behind else here


def brought(work: WorkTree, template: Template, record: Record, here: Version, wanted: Version) -> Update:
    """Make both projects, merge their difference into this one, and bring its files to the result."""
    before = work.head()
    with tempfile.TemporaryDirectory(prefix="paillasse-") as folder:
        scratch = Scratch(work.project, Path(folder))
        with ThreadPoolExecutor(2) as both:
            versions = [(here, Path(folder, "old")), (wanted, Path(folder, "new"))]
            made = both.map(lambda each: render(template, each[0], record.answers, each[1]), versions)
            old_made, new_made = made
        old, new = (scratch.tree_of(each.folder) for each in (old_made, new_made))
        team = work.git("rev-parse", f"{before}^{{tree}}")
        refuse_changed_library(work, scratch, old, team, new)
        content = new_made.record | {"template": record.template, "commit": wanted.commit}
        text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        merged = merge(scratch, old, team, new, text.encode("utf-8"))
    files = len(names(work.git("diff-tree", "-r", "-z", "--no-renames", "--name-only", team, merged.tree)))
    notes = (*told_about_answers(record.answers, new_made), *merged.notes, *told_about_lock(work, team, merged.tree))
    work.apply(Note("applying", before, merged.tree, wanted.name, sorted(merged.stages)), merged.stages)
    return Update(here, wanted, files, merged.conflicts, notes)


def recorded_commit(record: Record, template: Template, work: WorkTree) -> str:
    """The template's commit that a project is from; of one made from an archive, nobody has noted it."""
    if record.commit is not None:
        return record.commit
    library = work.git("rev-parse", f"{work.head()}:{LIBRARY}")
    same = template.commits_with(library)
    told = f"{RECORD} names no commit of the template: the project was made from an archive. "
    if same:
        one = f"Its {LIBRARY} is that of {same[0]}" + (f" and of {len(same) - 1} more commits" if same[1:] else "")
        told += f'{one}. If that is what it was made from, write "commit": "{same[0].commit}" into {RECORD}, '
    else:
        told += f'Find out which version it was, write its commit, "commit": "0123abc…", into {RECORD}, '
    raise UpdateError(told + "commit that, and update again.")


def refuse_changed_library(work: WorkTree, scratch: Scratch, old: str, team: str, new: str) -> None:
    """The shared library is replaced whole, so what the team has changed in it would be lost: save it and stop."""
    untracked = work.git("status", "--porcelain", "-z", "--untracked-files=all", "--", LIBRARY)
    theirs = {side: scratch.entries(side).get(LIBRARY) for side in (old, team, new)}
    if theirs[team] in (theirs[old], theirs[new]) and not untracked:
        return
    index = {"GIT_INDEX_FILE": str(scratch.folder / "library")}
    work.git("read-tree", team, **index)
    work.git("add", "--all", "--", LIBRARY, **index)
    now = work.git("write-tree", **index)
    options = ["--binary", "--full-index", "--no-renames"]
    patch = git_bytes("-C", work.project, "diff-tree", "-r", "-p", *options, old, now, "--", LIBRARY)
    changed = names(work.git("diff-tree", "-r", "-z", "--no-renames", "--name-only", old, now, "--", LIBRARY))
    file = work.project / f"{LIBRARY}-{now[:8]}.patch"
    file.write_bytes(patch)
    raise UpdateError(
        f"Nothing was updated: {LIBRARY}/ is replaced whole, and you have changed {some_of(changed)}.\n"
        f"Your changes are saved in {file.name}. Send it to those who look after the template, for every project.\n"
        f"Then take them out here: git apply --reverse {file.name} && git add --all {LIBRARY} && git commit -m "
        f"'Leave {LIBRARY} as the template has it'; and update again."
    )


def told_about_answers(kept: dict, made: Rendered) -> list[str]:
    """What a person should know about the answers with which the new version was made."""
    notes, answers = [], made.record["answers"]
    for question, answer in answers.items():
        if question not in kept:
            notes.append(f"{RECORD}: a new question has its default: {question} = {answer}")
        elif answer != kept[question]:
            notes.append(f"{RECORD}: {question} was {kept[question]}, which is no choice any more; now {answer}")
    gone = [question for question in kept if question not in answers]
    return [*notes, *(f"{RECORD}: {question} is not asked any more" for question in gone)]


def told_about_lock(work: WorkTree, before: str, after: str) -> list[str]:
    """That the environment has to follow."""
    changed = work.git("diff-tree", "-r", "--name-only", before, after, "--", "requirements.lock")
    if not changed:
        return []
    return ["requirements.lock: the environment follows at the next make; in an enclave, carry in a new wheelhouse"]
