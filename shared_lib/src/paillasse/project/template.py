"""The template that a project was made from: what the project has recorded of it, and which of its versions is newest.

Its history is fetched into the project's own `.git`, below `paillasse/`: there it is in nobody's way, is never pushed,
and the next look fetches what is new. The address is given to git each time and stored by nobody but the record.
"""

import datetime
import json
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from paillasse.errors import UpdateError
from paillasse.project.git import WITHOUT_SETTINGS, git, names, without_password

RECORD = ".paillasse.json"
HEAD = "refs/paillasse/head"
# The short forms that cookiecutter itself takes.
SHORT = {"gh": "https://github.com/{}.git", "gl": "https://gitlab.com/{}.git", "bb": "https://bitbucket.org/{}"}


@dataclass(frozen=True)
class Record:
    """`.paillasse.json`.

    Attributes
    ----------
    template
        Where the template is: an address or a folder.
    commit
        Its commit from which the project is; None where it came from an archive.
    answers
        Question → answer.
    """

    template: str
    commit: str | None
    answers: dict


def read_record(project: Path) -> Record:
    """What a project has recorded of its template.

    Raises
    ------
    UpdateError
        There is no such file, or it is not as the template wrote it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = '{"template": "gh:cluster/paillasse", "commit": "0123abc", "answers": {"team": "Lung"}}'
    ...     _ = Path(folder, ".paillasse.json").write_text(text)
    ...     read_record(Path(folder))
    Record(template='gh:cluster/paillasse', commit='0123abc', answers={'team': 'Lung'})
    """
    try:
        content = json.loads((project / RECORD).read_text(encoding="utf-8"))
        template, commit, answers = content["template"], content["commit"], content["answers"]
    except (OSError, ValueError, LookupError, TypeError):
        template = commit = answers = None
    known = commit is None or (isinstance(commit, str) and re.fullmatch("[0-9a-f]{7,64}", commit))
    if not (isinstance(template, str) and isinstance(answers, dict) and known):
        lack = f"{RECORD} is not there, or not as the template wrote it: no update is possible"
        raise UpdateError(f"{lack}. Bring it back: git restore {RECORD}")
    return Record(template, commit, answers)


@dataclass(frozen=True)
class Version:
    """A commit of the template, and how people call it."""

    commit: str
    name: str

    def __str__(self) -> str:
        return self.commit[:12] if self.commit.startswith(self.name) else f"{self.name} ({self.commit[:12]})"


@dataclass(frozen=True)
class Standing:
    """Where a project stands.

    Attributes
    ----------
    here, newest
        The template's version that the project has, and its newest: by number among its tags, or where it has no tags
        that are numbers, the tip of its main branch.
    behind
        The commits between them; 0 where nothing is newer.
    """

    here: Version
    newest: Version
    behind: int

    def __str__(self) -> str:
        if not self.behind:
            return f"The project has the newest template, {self.here}."
        commits = "1 commit" if self.behind == 1 else f"{self.behind} commits"
        return f"A newer template is there: {self.newest}, {commits} after {self.here}."


class Template:
    """The template's history, as it was when it was last looked at."""

    def __init__(self, project: Path):
        self.folder = Path(git("-C", project, "rev-parse", "--absolute-git-dir")) / "paillasse" / "template.git"
        self.recorded = read_record(project).template
        self.source = without_password(self.recorded)

    def fetch(self, source: str | None = None) -> None:
        """Fetch what the template has now; `seen` says whether it is this project's.

        Parameters
        ----------
        source
            An address, a folder or a git bundle; by default what the project has recorded.

        Raises
        ------
        UpdateError
            It cannot be reached, or is no git repository.
        """
        source = located(self.recorded if source is None else source)
        shown = without_password(source)
        git("init", "--quiet", "--bare", "--template=", self.folder)  # does nothing where there is one
        for lock in self.folder.rglob("*.lock"):  # of a fetch that was killed: one update of a project runs at a time
            lock.unlink()
        # Nobody can be asked in CI.
        alone = {} if sys.stdin is not None and sys.stdin.isatty() else {"GIT_TERMINAL_PROMPT": "0"}
        try:
            offered = git("ls-remote", "--", source, **alone).replace("\t", " ")
            if not offered:
                raise UpdateError("It is empty.")
            has_head = " HEAD" in offered
            refs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", *([f"+HEAD:{HEAD}"] if has_head else [])]
            options = ["--quiet", "--prune", "--no-write-fetch-head", "--no-auto-maintenance"]
            self._looked.unlink(missing_ok=True)
            self._git("fetch", *options, "--", source, *refs, **alone)
        except UpdateError as error:
            told = f"The template at {shown} cannot be read.{self._last_look()} {error}"
            raise UpdateError(f"{told}\nIf it is elsewhere, or carried in as a git bundle: --from SOURCE") from None
        self.source = shown

    def seen(self, commit: str) -> Version:
        """The version that a project is from, in what was fetched just now: from now on the last look.

        Raises
        ------
        UpdateError
            It is not there, or what was fetched has nothing in common with it: it is another repository's.
        """
        here, newest = self.version(commit), self.newest()
        if not self._git("merge-base", here.commit, newest.commit, codes=(0, 1)):
            raise UpdateError(
                f"What is at {self.source} is not the template of this project: it has no history in common with "
                f"{here}. Name the template's own repository, or a bundle of it: --from SOURCE"
            )
        self._looked.touch()
        return here

    def standing(self, commit: str) -> Standing:
        """Where a project stands that is from a commit."""
        here, newest = self.version(commit), self.newest()
        return Standing(here, newest, int(self._git("rev-list", "--count", f"{here.commit}..{newest.commit}")))

    def last_standing(self, commit: str) -> tuple[Standing, datetime.date] | tuple[None, None]:
        """The same as it was at the last look, and its day, without a look now; None where there was no look."""
        return (self.standing(commit), self.looked) if self.looked else (None, None)

    def version(self, name: str) -> Version:
        """The version of a tag, a branch or a commit.

        Raises
        ------
        UpdateError
            The template has none of that name.
        """
        try:
            commit = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        except UpdateError:
            tags = ", ".join(sorted(self._tags)) or "none"
            raise UpdateError(
                f"The template at {self.source} has no version {name!r}. Its tags: {tags}. A bundle must hold all its "
                "history: git bundle create FILE --all"
            ) from None
        described = self._git("describe", "--tags", "--always", commit)
        return Version(commit, name if name in self._tags else described)

    def newest(self) -> Version:
        """The newest version: the highest number among the tags, else the tip of the main branch."""
        from packaging.version import InvalidVersion
        from packaging.version import Version as Number

        numbers = {}
        for tag in self._tags:
            try:
                number = Number(tag)
            except InvalidVersion:
                continue
            if not number.is_prerelease:
                numbers[number] = tag
        if numbers:
            return self.version(numbers[max(numbers)])
        branches = names(self._git("for-each-ref", "--format=%(refname)%00", HEAD, "refs/heads").replace("\n", ""))
        for branch in (HEAD, "refs/heads/main", "refs/heads/master", *branches):
            if branch in branches:
                return self.version(branch)
        raise UpdateError(f"The template at {self.source} has neither a tag nor a branch.")

    def check_out(self, commit: str, folder: Path) -> None:
        """Write the files of a version into a folder, byte for byte."""
        folder.mkdir()
        plain = WITHOUT_SETTINGS | {"GIT_INDEX_FILE": f"{folder}.index"}
        self._git("read-tree", commit, **plain)
        self._git(f"--work-tree={folder}", "checkout-index", "--all", **plain)

    def commits_with(self, library: str) -> list[Version]:
        """The versions whose `shared_lib` is a given tree, the newest first."""
        commits = self._git("rev-list", "--all").splitlines()
        asked = "".join(f"{commit}:shared_lib\n" for commit in commits)
        trees = self._git("cat-file", "--batch-check=%(objectname)", given=asked).splitlines()
        return [self.version(commit) for commit, tree in zip(commits, trees, strict=True) if tree == library]

    @property
    def looked(self) -> datetime.date | None:
        """The day of the last look; None where there was none."""
        return datetime.date.fromtimestamp(self._looked.stat().st_mtime) if self._looked.is_file() else None

    @property
    def _looked(self) -> Path:
        return self.folder / "looked"

    def _last_look(self) -> str:
        return f" It was last looked at on {self.looked}, when the newest was {self.newest()}." if self.looked else ""

    @cached_property
    def _tags(self) -> set[str]:
        return set(self._git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/tags").splitlines())

    def _git(self, *arguments: str | Path, **more) -> str:
        return git(f"--git-dir={self.folder}", *arguments, **more)


def located(source: str) -> str:
    """A source as git takes it: a folder in full, cookiecutter's short forms written out.

    Examples
    --------
    >>> located("gh:cluster/paillasse"), located("git+https://example.org/paillasse.git")
    ('https://github.com/cluster/paillasse.git', 'https://example.org/paillasse.git')
    """
    path = Path(source).expanduser()
    if path.exists():
        if path.suffix == ".zip":
            raise UpdateError(
                f"{source} is an archive, which has no history. Name a git repository or a bundle of it: --from"
            )
        return str(path.resolve())
    prefix, _, rest = source.partition(":")
    return SHORT[prefix].format(rest) if prefix in SHORT else source.removeprefix("git+")
