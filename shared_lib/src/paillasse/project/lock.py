"""What `requirements.lock` says: each third-party package with its version, where it is needed, and its hashes."""

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from paillasse.errors import ProjectError

FILE = "requirements.lock"


@dataclass(frozen=True)
class Locked:
    """One package of the lock.

    Attributes
    ----------
    name, version
        The name as the index spells it: small letters, `-` between words.
    marker
        Where it is needed; None for everywhere.
    hashes
        `sha256:…` of each file that may be installed.
    """

    name: str
    version: str
    marker: Marker | None
    hashes: tuple[str, ...]

    def applies(self, environment: dict[str, str] | None = None) -> bool:
        """Whether it is needed in an environment, named by the variables of markers; by default in this one."""
        return self.marker is None or self.marker.evaluate(environment)

    def line(self) -> str:
        """The package as pip and uv are asked for it, without its marker."""
        return " ".join([f"{self.name}=={self.version}", *(f"--hash={each}" for each in self.hashes)])


def read_lock(path: Path) -> list[Locked]:
    """Every package of a lock; one may be there twice, with other versions for other environments.

    Raises
    ------
    ProjectError
        There is no such file, or a line of it pins no version or has no hash.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lock = Path(folder, "requirements.lock")
    ...     _ = lock.write_text("colorama==0.4.6 ; sys_platform == 'win32' \\\\\\n    --hash=sha256:08695f\\n")
    ...     [package] = read_lock(lock)
    >>> package.line(), package.applies({"sys_platform": "linux"})
    ('colorama==0.4.6 --hash=sha256:08695f', False)
    """
    try:
        lines = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        why = getattr(problem, "strerror", None) or "it is no text"
        raise ProjectError(f"{path.name} cannot be read: {why}. Bring it back: git restore {path.name}") from None
    return [_package(line, path.name) for line in lines if line.split("#")[0].strip()]


def _package(line: str, file_name: str) -> Locked:
    asked, *hashes = re.split(r"\s+--hash=", line.split(" #")[0].strip())
    try:
        requirement = Requirement(asked)
        [pin] = requirement.specifier
    except (InvalidRequirement, ValueError):
        requirement = pin = None
    if pin is None or pin.operator != "==" or not hashes:
        raise ProjectError(f"{file_name}: {asked[:60]!r} is not one version with its hashes. Make it anew: make lock")
    return Locked(canonicalize_name(requirement.name), pin.version, requirement.marker, tuple(hashes))


def merge_locks(old: str, team: str, new: str) -> tuple[str, list[str]]:
    """A lock that two sides have changed, package by package: as lines, neighbours would be in conflict all the time.

    Returns
    -------
    text, taken
        The merged lock, sorted by name; the packages that both had changed, of which it has the second's.

    Raises
    ------
    ProjectError
        One of the three is no lock.

    Examples
    --------
    >>> was = "numpy==2.3 --hash=sha256:aa\\nrich==14 --hash=sha256:bb\\n"
    >>> theirs = was.replace("numpy==2.3", "numpy==2.4")
    >>> print(*merge_locks(was, was + "cowsay==6 --hash=sha256:cc\\n", theirs))
    cowsay==6 --hash=sha256:cc
    numpy==2.4 --hash=sha256:aa
    rich==14 --hash=sha256:bb
     []
    """
    was, own, theirs = (_blocks(text) for text in (old, team, new))
    merged, taken = [], []
    for key in sorted(was.keys() | own.keys() | theirs.keys()):
        # What follows the hashes is where the package comes from: no reason for a conflict.
        before, mine, other = (side.get(key, "").split("    # via")[0] for side in (was, own, theirs))
        if mine not in (before, other) and other != before:
            taken.append(key[0])
        merged.append(own.get(key, "") if other == before and mine != before else theirs.get(key, ""))
    return "".join(merged), taken


def _blocks(text: str) -> dict[tuple[str, str], str]:
    """Package and marker → its lines, those of its hashes and origins too; a lock starts with its first package."""
    found = {}
    for block in re.split(r"(?m)^(?=[^\s#])", text):
        asked = re.match(r"([\w.-]+)(?:\[[^\]]*\])?==[^\s;]+ *(;[^\\\n]*)?", block)
        if asked:
            found[asked[1], (asked[2] or "").strip()] = block
        elif block.strip() and block[0] != "#":
            raise ProjectError(f"{FILE}: {block[:60].rstrip()!r} is no package of a lock. Make it anew: make lock")
    return found
