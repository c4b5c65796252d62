"""Three states of a project's files (the old template's, the team's, the new template's) merged into one.

git merges what is text, and follows renames. Not so
- `shared_lib/` and the record of the template, which are the new template's, whole;
- a notebook that both changed, which nbdime merges cell by cell, so that it stays a notebook;
- `requirements.lock`, merged package by package, so that each keeps its own hashes;
- a file that the team has deleted: it stays deleted, whatever the template does to it;
- a CSV that both changed, of which each row may be a patient and the catalogue has a checksum: the team's stays.

All are trees in the project's object store, merged in a scratch repository beside it: the project's working tree is not
touched, and the team's own settings and merge drivers have no say.
"""

import json
import logging
import shlex
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from paillasse.errors import ProjectError
from paillasse.project.git import NOBODY, WITHOUT_SETTINGS, git, git_bytes, names
from paillasse.project.lock import FILE as LOCK
from paillasse.project.lock import merge_locks
from paillasse.project.template import RECORD

LIBRARY = "shared_lib"
NOT_AS_TEXT = f"*.ipynb -merge\n*.csv -merge\n/{LOCK} -merge\n"
SETTINGS = {
    "merge.directoryRenames": "false",  # what the team put into a folder stays there when the template renames its own
    "merge.renames": "true",
    "merge.conflictStyle": "merge",
    "core.bare": "true",
}
# Of nbdime. Outputs that both have changed are the team's: another execution replaces them, no person has to.
OF_NOTEBOOKS = SimpleNamespace(
    merge_strategy="inline", input_strategy=None, output_strategy="use-local", ignore_transients=True, log_level="ERROR"
)
# nbdime's marks → with the names that git's have in the other files.
MARKS = {
    b"<<<<<<< local": b"<<<<<<< yours",
    b">>>>>>> remote": b">>>>>>> template",
    b"<<<<<<< LOCAL CELL DELETED": b"<<<<<<< yours: cell deleted",
    b"<<<<<<< REMOTE CELL DELETED": b"<<<<<<< template: cell deleted",
}
OLD, TEAM, NEW = 1, 2, 3  # git's stages: the common ancestor, ours, theirs


@dataclass(frozen=True)
class Blob:
    """A file's content and its mode, as git names them."""

    mode: str
    id: str


@dataclass
class Merged:
    """What came of it.

    Attributes
    ----------
    tree
        All files; those in conflict in the form in which a person goes on with them.
    stages
        Path in conflict → stage → that side's file.
    conflicts
        The same paths → what is to be done, in words.
    notes
        What else a person should know.
    """

    tree: str
    stages: dict[str, dict[int, Blob]] = field(default_factory=dict)
    conflicts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Scratch:
    """A repository for a moment, whose objects are the project's."""

    def __init__(self, project: Path, folder: Path):
        self.folder = folder / "scratch.git"
        objects = Path(git("-C", project, "rev-parse", "--path-format=absolute", "--git-path", "objects"))
        form = git("-C", project, "rev-parse", "--show-object-format")
        self.nobody = WITHOUT_SETTINGS | NOBODY
        git("init", "--quiet", "--bare", "--template=", f"--object-format={form}", self.folder, **self.nobody)
        self.objects = {"GIT_OBJECT_DIRECTORY": str(objects)}
        (self.folder / "info").mkdir(exist_ok=True)
        (self.folder / "info" / "attributes").write_text(NOT_AS_TEXT, encoding="utf-8")
        for key, value in SETTINGS.items():
            self.git("config", key, value)

    def git(self, *arguments: str | Path, **more) -> str:
        return git(f"--git-dir={self.folder}", *arguments, **self.nobody, **self.objects, **more)

    def content(self, blob: Blob) -> bytes:
        return git_bytes(f"--git-dir={self.folder}", "cat-file", "blob", blob.id, **self.nobody, **self.objects)

    def blob(self, content: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", given=content)

    def tree_of(self, folder: Path) -> str:
        """The tree of a folder's files, line ends as its own `.gitattributes` says, whatever is ignored there."""
        index = {"GIT_INDEX_FILE": str(self.folder / "index")}
        self.git("read-tree", "--empty", **index)
        self.git("-c", "core.bare=false", f"--work-tree={folder}", "add", "--all", "--force", ".", **index)
        return self.git("write-tree", **index)

    def entries(self, tree: str) -> dict[str, str]:
        """Name at the top of a tree → its entry, as `mktree` reads it."""
        listed = names(self.git("ls-tree", "-z", tree))
        return {entry.partition("\t")[2]: entry for entry in listed}

    def tree(self, entries: dict[str, str]) -> str:
        return self.git("mktree", "-z", "--missing", given="".join(f"{entry}\0" for entry in entries.values()))

    def without_the_template_s(self, tree: str) -> str:
        """A tree without what is never merged."""
        return self.tree({name: entry for name, entry in self.entries(tree).items() if name not in (LIBRARY, RECORD)})

    def changed(self, tree: str, files: dict[str, Blob | None]) -> str:
        """A tree in which some files are others, or None: gone."""
        index = {"GIT_INDEX_FILE": str(self.folder / "index")}
        self.git("read-tree", tree, **index)
        gone = "0" * len(tree)
        lines = [f"{blob.mode} {blob.id}\t{path}" if blob else f"0 {gone}\t{path}" for path, blob in files.items()]
        self.git("update-index", "-z", "--index-info", given="".join(f"{line}\0" for line in lines), **index)
        return self.git("write-tree", **index)


def merge(scratch: Scratch, old: str, team: str, new: str, record: bytes) -> Merged:
    """Apply the difference from one tree to another to a third.

    Parameters
    ----------
    scratch
        Where it is done.
    old, team, new
        The trees: the project as the old template makes it, as it is, and as the new template makes it. The first two
        have the same `shared_lib`.
    record
        The content of the new `.paillasse.json`.
    """
    trees = {OLD: old, TEAM: team, NEW: new}
    own = {side: scratch.without_the_template_s(tree) for side, tree in trees.items()}
    base = scratch.git("commit-tree", own[OLD], "-m", "old")
    for name, tree in (("yours", own[TEAM]), ("template", own[NEW])):  # the names that stand beside the markers
        commit = scratch.git("commit-tree", tree, "-p", base, "-m", name)
        scratch.git("update-ref", f"refs/heads/{name}", commit)
    said = scratch.git("merge-tree", "--write-tree", "--no-messages", "-z", "yours", "template", codes=(0, 1))
    tree, *listed = names(said)
    stages: dict[str, dict[int, Blob]] = {}
    for each in listed:
        about, _, path = each.partition("\t")
        mode, blob, stage = about.split()
        stages.setdefault(path, {})[int(stage)] = Blob(mode, blob)

    merged = Merged(tree)
    files: dict[str, Blob | None] = {}
    for path, sides in stages.items():
        settled = settle(scratch, path, sides, merged)
        if settled is not None:
            files[path] = settled.file
        if settled is None or settled.todo:
            merged.stages[path] = sides
            merged.conflicts[path] = settled.todo if settled else in_words(scratch, tree, path, sides)
    entries = scratch.entries(scratch.changed(tree, files) if files else tree)
    entries |= {name: entry for name, entry in scratch.entries(new).items() if name == LIBRARY}
    entries[RECORD] = f"100644 blob {scratch.blob(record)}\t{RECORD}"
    merged.tree = scratch.tree(entries)
    return merged


@dataclass(frozen=True)
class Settled:
    """What becomes of a file that git could not merge: its content, None for none; what is left to do, if anything."""

    file: Blob | None
    todo: str = ""


def settle(scratch: Scratch, path: str, sides: dict[int, Blob], merged: Merged) -> Settled | None:
    """What becomes of a file that git could not merge; None where it stays as git has left it."""
    if sides.keys() == {OLD, NEW}:
        merged.notes.append(f"{path}: you have deleted it, so it stays deleted; the template has changed it")
        return Settled(None)
    if sides.keys() != {OLD, TEAM, NEW} or any(each.mode[:3] != "100" for each in sides.values()):
        return None
    # Of the mode, as of the content, the change counts.
    mode = sides[NEW].mode if sides[TEAM].mode == sides[OLD].mode else sides[TEAM].mode
    contents = {side: scratch.content(blob) for side, blob in sides.items()}
    if path == LOCK:
        try:
            content, taken = merge_locks(*(contents[side].decode("utf-8") for side in (OLD, TEAM, NEW)))
        except (ProjectError, UnicodeDecodeError):
            return None
        merged.notes.append(f"{path}: merged package by package; prove that all fit together, with internet: make lock")
        if taken:
            merged.notes.append(f"{path}: where both had changed, the template's was taken: {', '.join(taken)}")
        return Settled(Blob(mode, scratch.blob(content.encode("utf-8"))))
    if path.endswith(".ipynb"):
        try:
            content, in_conflict = merge_notebooks(contents[OLD], contents[TEAM], contents[NEW])
        except Exception:  # of what is no notebook, or of nbdime: the team's stays, in conflict
            return None
        if not in_conflict:
            merged.notes.append(f"{path}: merged cell by cell; execute it anew: make refresh")
            return Settled(Blob(mode, scratch.blob(content)))
        todo = "both have changed a cell: open it in JupyterLab, keep what is right in the cells with the marks <<<<<<<"
        return Settled(Blob(mode, scratch.blob(content)), f"{todo} and >>>>>>>, remove the marks, save")
    return None


def in_words(scratch: Scratch, tree: str, path: str, sides: dict[int, Blob]) -> str:
    """What a person has to decide about a file in conflict, as git has left it in a tree."""
    if sides.keys() == {OLD, TEAM}:
        return f"the template has deleted it, you have changed it: keep it, or git rm {shlex.quote(path)}"
    if not sides.keys() >= {TEAM, NEW}:
        return "it has got two names: keep one, git rm the other"
    how = "both have changed it" if OLD in sides else "the template brings a file of this name, you have one"
    if scratch.git("rev-parse", f"{tree}:{path}") == sides[TEAM].id:
        return f"{how}: yours is in the folder; to take the template's: git checkout --theirs {shlex.quote(path)}"
    return f"{how}: between the marks <<<<<<< and >>>>>>> keep what is right"


def merge_notebooks(old: bytes, team: bytes, new: bytes) -> tuple[bytes, bool]:
    """A notebook that two sides have changed.

    Parameters
    ----------
    old, team, new
        The contents of the file, UTF-8 JSON of notebook format 4.

    Returns
    -------
    content, in_conflict
        A valid notebook; whether cells of it have marks of a conflict.

    Raises
    ------
    Exception
        One of the three is no notebook, or in another format.
    """
    from paillasse.light_imports import without_iri_grammar
    from paillasse.notebooks.stored import as_bytes

    with without_iri_grammar():
        import nbformat
        from nbdime.merging.notebooks import merge_notebooks as merged_by_nbdime

    logging.getLogger("nbdime").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of cells without an id, which old notebooks have, and nbdime's with marks
        if {json.loads(content)["nbformat"] for content in (old, team, new)} != {4}:
            raise ValueError("not notebook format 4")
        versions = [nbformat.reads(content.decode("utf-8"), as_version=4) for content in (old, team, new)]
        merged, decisions = merged_by_nbdime(*versions, OF_NOTEBOOKS)
        _, merged = nbformat.validator.normalize(merged)
    nbformat.validate(merged)
    content = as_bytes(merged)
    for of_nbdime, ours in MARKS.items():
        content = content.replace(of_nbdime, ours)
    return content, any(decision.conflict for decision in decisions)
