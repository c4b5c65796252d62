"""A project's working tree, brought to another state so that nothing is lost, by a crash or by a change of mind.

What is about to happen is noted in `.git/paillasse/update.json` before the first file is touched. The note stays until
the update is committed or taken back, and both an undo and the repair of an interrupted update go by it: each file that
the update touches gets the content of the last commit again. Only a tree in which all is committed is ever changed.
"""

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from paillasse.errors import UpdateError, some_of
from paillasse.files import write_atomically
from paillasse.project.git import NOBODY, git, names
from paillasse.project.merge import Blob

LEFT = "refs/paillasse/update"  # all files as the update has left them: git prunes nothing that has a name
KEPT = "refs/paillasse/undone"  # what somebody had done to files of an update that was taken back
IN_PROGRESS = {
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
}
MARK = b"paillasse update\n"


@dataclass(frozen=True)
class Note:
    """What an update does, noted before it does it.

    Attributes
    ----------
    state
        `applying`, `applied`, `undoing`.
    before
        The commit from which it started.
    tree
        All files as it leaves them.
    to
        The template's version, in words.
    conflicts
        The paths that are in conflict: in these, the index too is other than before.
    """

    state: str
    before: str
    tree: str
    to: str
    conflicts: list[str]


def kept_aside(commit: str | None) -> str:
    """Where what somebody has done to files that were taken back is kept, in words."""
    return f"What was done to its files since is kept: git show {commit[:12]}" if commit else ""


def unfinished(project: Path) -> bool:
    """Whether an update, or its undo, has stopped half-way."""
    note = WorkTree(project).note()
    return note is not None and note.state != "applied"


class WorkTree:
    """A project's folder, which is a git repository's."""

    def __init__(self, project: Path):
        self.project = project
        top = git("-C", project, "rev-parse", "--show-cdup")
        if top:
            raise UpdateError(f"{project} is not the top of its git repository; an update works only there.")
        self.git_folder = Path(git("-C", project, "rev-parse", "--absolute-git-dir"))
        self.own = self.git_folder / "paillasse"
        self._index = {"GIT_INDEX_FILE": str(self.own / "index")}

    def head(self) -> str:
        """The commit that is checked out."""
        try:
            return self.git("rev-parse", "--verify", "--quiet", "HEAD")
        except UpdateError:
            raise UpdateError("Nothing is committed yet. First: git add --all; git commit") from None

    def note(self) -> Note | None:
        """What an update has noted that is neither committed nor taken back."""
        try:
            note = Note(**json.loads(self._note.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            raise UpdateError(f"{self._note} is not as an update writes it. Look at git status; remove it.") from None
        return note if note.before == self.head() else None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """One update at a time."""
        self.own.mkdir(exist_ok=True)
        lock = FileLock(self.own / "lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise UpdateError("Another update of this project is running. Wait until it has ended.") from None
        try:
            yield
        finally:
            lock.release()

    def refuse_unless_committed(self) -> None:
        """Only what is committed is safe from an update; files that git does not track may be there."""
        going_on = [what for name, what in IN_PROGRESS.items() if (self.git_folder / name).exists()]
        if going_on:
            raise UpdateError(f"A {going_on[0]} is not finished. Finish or abort it first: git status")
        options = ["--porcelain", "-z", "--no-renames", "--untracked-files=no"]
        changed = [each[3:] for each in names(self.git("status", *options))]
        if not changed:
            return
        if note := self.note():
            raise UpdateError(
                f"The update to {note.to} is not committed yet. Commit it, or take it back: paillasse update --undo"
            )
        raise UpdateError(f"Not everything is committed: {some_of(changed)}. First commit it, or: git stash")

    def apply(self, note: Note, stages: dict[str, dict[int, Blob]]) -> None:
        """Bring files and index to the tree of a note, those in conflict as git marks them.

        Whatever stops it, Ctrl-C too, all is as before; where it is killed, the next update or undo sees to that.
        """
        self.refuse_unless_committed()  # once more: making the two projects took its time
        if self.head() != note.before:
            raise UpdateError("Something was committed while the update was made ready. Update again.")
        before = self.git("rev-parse", f"{note.before}^{{tree}}")
        added = [path for path, kind in self._touched(before, note.tree).items() if kind == "A"]
        if in_the_way := self._in_the_way(added):
            raise UpdateError(
                f"The template brings files where others are that git does not track: {some_of(in_the_way)}. "
                "Move them away, or add and commit them."
            )
        self.git("update-ref", LEFT, note.tree)
        self._write(note)
        try:
            with self._index_held():
                self.git("update-index", "-q", "--refresh", codes=(0, 1), **self._index)
                self.git("read-tree", "-m", "-u", before, note.tree, **self._index)
                self._set_stages(stages)
        except UpdateError as error:
            raise UpdateError(f"{error} {kept_aside(self.undo())}") from None
        except BaseException:
            self.undo()
            raise
        self._write(note, state="applied")

    def undo(self) -> str | None:
        """Give each file that an update has touched the content of the last commit again.

        Returns
        -------
        str or None
            The commit that keeps what somebody had done to those files since; None where nobody had.

        Raises
        ------
        UpdateError
            There is no update that is not committed.
        """
        note = self.note()
        if note is None:
            raise UpdateError(
                "There is no update to take back that is not committed. A committed one is a commit like others: "
                "git log --oneline -- .paillasse.json shows it, git revert COMMIT takes it back."
            )
        (self.own / "index.lock").unlink(missing_ok=True)
        lock = self.git_folder / "index.lock"
        if lock.is_file() and lock.read_bytes() == MARK:
            lock.unlink()
        before = self.git("rev-parse", f"{note.before}^{{tree}}")
        touched = self._touched(before, note.tree).keys() | set(note.conflicts)
        kept = self._keep(note, before, touched) if note.state != "undoing" else None
        self._write(note, state="undoing")
        with self._index_held():
            restored = {path: blob for path, blob in self._files(before).items() if path in touched}
            for path in touched - restored.keys():
                self._remove(path)
            gone = "0" * len(before)
            lines = [f"0 {gone}\t{path}" for path in touched]
            lines += [f"{blob.mode} {blob.id}\t{path}" for path, blob in restored.items()]
            self.git("update-index", "-z", "--index-info", given="".join(f"{each}\0" for each in lines), **self._index)
            paths = "".join(f"{path}\0" for path in restored)
            self.git("checkout-index", "--force", "--index", "-z", "--stdin", given=paths, **self._index)
        self._note.unlink()
        self.git("update-ref", "-d", LEFT)
        return kept

    def repair(self) -> str:
        """Take back what an interrupted update or undo has begun; what was done, in words, if anything."""
        note = self.note()
        if note is None or note.state == "applied":
            return ""
        return f"an update that was interrupted before was taken back first. {kept_aside(self.undo())}".strip()

    def git(self, *arguments: str | Path, **more) -> str:
        return git("-C", self.project, *arguments, **more)

    @property
    def _note(self) -> Path:
        return self.own / "update.json"

    def _write(self, note: Note, **changes: str) -> None:
        write_atomically(self._note, json.dumps(asdict(note) | changes))

    @contextlib.contextmanager
    def _index_held(self) -> Iterator[None]:
        """The index's lock, as git itself takes it, and a copy to work on, which replaces the index at the end."""
        index, lock = self.git_folder / "index", self.git_folder / "index.lock"
        try:
            with lock.open("xb") as file:
                file.write(MARK)
        except FileExistsError:
            raise UpdateError(f"Another git is at work here. If none is: remove {lock}") from None
        try:
            copy = self.own / "index"
            shutil.copyfile(index, copy)
            yield
            copy.replace(index)
        finally:
            lock.unlink(missing_ok=True)

    def _set_stages(self, stages: dict[str, dict[int, Blob]]) -> None:
        lines = []
        for path, sides in stages.items():
            lines.append(f"0 {'0' * len(next(iter(sides.values())).id)}\t{path}")
            lines += [f"{blob.mode} {blob.id} {stage}\t{path}" for stage, blob in sides.items()]
        self.git("update-index", "-z", "--index-info", given="".join(f"{each}\0" for each in lines), **self._index)

    def _touched(self, before: str, after: str) -> dict[str, str]:
        """Path → A (added), D (deleted), M or T (changed)."""
        listed = names(self.git("diff-tree", "-r", "-z", "--no-renames", "--name-status", before, after))
        return dict(zip(listed[1::2], listed[::2], strict=True))

    def _files(self, tree: str) -> dict[str, Blob]:
        listed = [each.partition("\t") for each in names(self.git("ls-tree", "-r", "-z", tree))]
        return {path: Blob(about.split()[0], about.split()[2]) for about, _, path in listed}

    def _keep(self, note: Note, before: str, touched: set[str]) -> str | None:
        """Commit, aside, the files of an update that are neither as before nor as the update has left them."""
        index = {"GIT_INDEX_FILE": str(self.own / "kept")}
        self.git("read-tree", note.tree, **index)
        paths = "".join(f"{path}\0" for path in touched if not self._is_folder(path))
        self.git("update-index", "--add", "--remove", "--replace", "-z", "--stdin", given=paths, **index)
        now = self.git("write-tree", **index)
        if not self._touched(before, now).keys() & self._touched(note.tree, now).keys():
            return None
        message = f"Files of the update to {note.to} as they were when it was taken back"
        kept = self.git("commit-tree", now, "-p", note.before, "-m", message, **NOBODY)
        self.git("update-ref", KEPT, kept)
        return kept

    def _in_the_way(self, added: list[str]) -> list[str]:
        """What git does not track, and may even ignore, where new files are to be, or folders of theirs."""
        tracked = {self.project / name for name in names(self.git("ls-files", "-z"))}
        found = []
        for path in added:
            file = self.project / path
            above = [folder for folder in file.parents if folder.is_relative_to(self.project)]
            there = [each for each in (file, *above) if each.is_symlink() or each.is_file()]
            if self._is_folder(path):
                there += [each for each in file.rglob("*") if not each.is_dir()]
            found += [each.relative_to(self.project).as_posix() for each in there if each not in tracked]
        return sorted(set(found))

    def _is_folder(self, path: str) -> bool:
        return (self.project / path).is_dir() and not (self.project / path).is_symlink()

    def _remove(self, path: str) -> None:
        file = self.project / path
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            file.unlink()
        with contextlib.suppress(OSError):  # a folder in which something else is stays
            for folder in file.parents:
                if folder == self.project:
                    break
                folder.rmdir()
