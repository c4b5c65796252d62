"""What is installed in the environment, and what a project's lock and folders say should be."""

import json
import sysconfig
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from paillasse.errors import ProjectError


def installed_packages() -> dict[str, tuple[str, Path | None]]:
    """Name → version, and the folder of one that is installed from a folder, of all that this Python would import."""
    found = {}
    places = list(dict.fromkeys(sysconfig.get_path(each) for each in ("purelib", "platlib")))
    for distribution in distributions(path=places):
        try:
            about = distribution.metadata
        except FileNotFoundError:  # what importlib_metadata, where something has imported it, says of an empty one
            about = {}
        name = about.get("Name") or "a folder of a package that is half removed"
        try:
            origin = json.loads(distribution.read_text("direct_url.json") or "{}")
            url = urlsplit(origin["url"])
            folder = Path(url2pathname(url.path)) if url.scheme == "file" and "dir_info" in origin else None
        except (ValueError, LookupError, TypeError):  # most come from an index and have none
            folder = None
        found[canonicalize_name(name)] = about.get("Version") or "unknown", folder
    return found


def local_packages(project: Path) -> dict[str, Path]:
    """Name → folder of the packages that no index serves: the shared library and the team's own."""
    found = {}
    for folder in (project / "shared_lib", project):
        try:
            declared = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
            found[canonicalize_name(declared["project"]["name"])] = folder
        except (OSError, ValueError, LookupError):
            file = (folder / "pyproject.toml").relative_to(project).as_posix()
            raise ProjectError(f"{file} is not there, or names no package. Bring it back: git restore {file}") from None
    return found


def differences(locked: dict[str, str], there: dict[str, str]) -> list[str]:
    """What is other than the lock says, a package each.

    Parameters
    ----------
    locked, there
        Name → version: of the lock for this environment, and of what is installed, without local packages.

    Examples
    --------
    >>> differences({"numpy": "2.4.6", "scipy": "1.17.1", "six": "1.17"}, {"numpy": "2.4.6", "scipy": "1.18", "x": "1"})
    ['scipy is 1.18 instead of 1.17.1', 'six is missing', 'x is there and not locked']
    """
    found = []
    for name in sorted(locked.keys() | there.keys()):
        if name not in there:
            found.append(f"{name} is missing")
        elif name not in locked:
            found.append(f"{name} is there and not locked")
        elif not _is_same(there[name], locked[name]):
            found.append(f"{name} is {there[name]} instead of {locked[name]}")
    return found


def _is_same(a: str, b: str) -> bool:
    try:
        return Version(a) == Version(b)  # 2026.6 and 2026.06
    except InvalidVersion:
        return False
