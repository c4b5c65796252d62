"""git, as the update of a project asks it: its answer, or an error with git's own words and no password."""

import os
import re
import subprocess
from pathlib import Path

from paillasse.errors import UpdateError

NEEDED = (2, 38)  # October 2022: the first whose `merge-tree` merges without a working tree
# Of these git says by `rev-parse --local-env-vars` that they belong to one repository. A hook sets some of them.
OF_A_REPOSITORY = {
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
}
WITHOUT_SETTINGS = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
NOBODY = {f"GIT_{role}_{key}": "paillasse" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}


def git(*arguments: str | Path, given: str | bytes = "", codes: tuple[int, ...] = (0,), **variables: str) -> str:
    """What git answers, without the line end.

    Parameters
    ----------
    arguments
        Of the command; `-C FOLDER` or `--git-dir` among them says which repository is meant.
    given
        Its standard input.
    codes
        The exit codes that are an answer.
    variables
        Set in its environment.

    Raises
    ------
    UpdateError
        git is not installed, or exits with another code.
    """
    return git_bytes(*arguments, given=given, codes=codes, **variables).decode("utf-8", "surrogateescape").rstrip("\n")


def git_bytes(
    *arguments: str | Path, given: str | bytes = "", codes: tuple[int, ...] = (0,), **variables: str
) -> bytes:
    """The same, as it is."""
    environment = environment_without_repository() | variables
    content = given.encode("utf-8", "surrogateescape") if isinstance(given, str) else given
    try:
        done = subprocess.run(
            ["git", *arguments], env=environment, input=content, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise UpdateError("git is not installed. Install it: an update compares with it what has changed.") from None
    if done.returncode not in codes:
        said = without_password(done.stderr.decode("utf-8", "replace").strip())
        command = next((each for each in map(str, arguments) if re.fullmatch("[a-z][a-z-]+", each)), "")
        raise UpdateError(f"git {command} could not be done. It says: {said}")
    return done.stdout


def environment_without_repository() -> dict[str, str]:
    """The environment, but for what it says about which repository is meant."""
    return {name: value for name, value in os.environ.items() if name not in OF_A_REPOSITORY}


def without_password(text: str) -> str:
    """A text without what stands before the host in its addresses.

    Examples
    --------
    >>> without_password("cannot read https://somebody@example.org/paillasse.git")
    'cannot read https://example.org/paillasse.git'
    """
    return re.sub(r"://[^/@\s]*@", "://", text)


def refuse_old_git() -> None:
    """An update needs a git that merges without a working tree."""
    version = tuple(map(int, re.findall(r"\d+", git("version"))[:2]))
    if version < NEEDED:
        here, wanted = (".".join(map(str, each)) for each in (version, NEEDED))
        raise UpdateError(f"git {wanted} or newer is needed; this is {here}. Install a newer one.")


def names(listing: str) -> list[str]:
    """What a command with `-z` lists."""
    return [each for each in listing.split("\0") if each]
