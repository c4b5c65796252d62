"""Where a wheelhouse is to be installed: which Python on which platform, in the words of pip and of markers."""

import platform
import re
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass

from paillasse.errors import ProjectError
from paillasse.project.lock import Locked

OLDEST_GLIBC = 28  # of the default platform: Debian 10, Ubuntu 18.10, Red Hat 8 and all that came later
PATCHES = range(40)  # of a Python's minor version: which one the enclave has is not known

# The beginning of a platform's tag → os_name, sys_platform, platform_system of markers.
SYSTEMS = {
    "manylinux": ("posix", "linux", "Linux"),
    "musllinux": ("posix", "linux", "Linux"),
    "macosx": ("posix", "darwin", "Darwin"),
    "win": ("nt", "win32", "Windows"),
}


@dataclass(frozen=True)
class Target:
    """A CPython on a platform.

    Attributes
    ----------
    python
        The minor version, such as `3.11`.
    platform
        A wheel's platform tag: `manylinux_2_28_x86_64`, `musllinux_1_2_aarch64`, `macosx_13_0_arm64`, `win_amd64`.

    Raises
    ------
    ProjectError
        Not one of these.
    """

    python: str
    platform: str

    def __post_init__(self):
        if not re.fullmatch(r"3\.\d{1,2}", self.python) or self.python < "3.11":
            raise ProjectError(f"--python: expected 3.11 or a later version such as 3.12; got {self.python!r}")
        if not re.fullmatch(r"(manylinux_2|musllinux_1|macosx_\d+)_\d+_\w+|win_(amd64|arm64)", self.platform):
            known = "manylinux_2_28_x86_64, musllinux_1_2_x86_64, macosx_13_0_arm64, win_amd64"
            raise ProjectError(f"--platform: expected a wheel's platform such as {known}; got {self.platform!r}")

    @classmethod
    def here(cls, python: str | None = None, platform_: str | None = None) -> "Target":
        """This machine's, but for what is named.

        Examples
        --------
        >>> Target.here("3.12", "win_amd64")
        Target(python='3.12', platform='win_amd64')
        """
        tag = re.sub(r"\W", "_", sysconfig.get_platform())
        if tag.startswith("linux"):
            tag = f"manylinux_2_{OLDEST_GLIBC}_{platform.machine()}"
        return cls(python or f"{sys.version_info.major}.{sys.version_info.minor}", platform_ or tag)

    def __str__(self) -> str:
        return f"cp{self.python.replace('.', '')}-{self.platform}"

    def tags(self) -> list[str]:
        """The platform tags of wheels that run there, the newest first; pip itself knows those of macOS.

        Examples
        --------
        >>> Target("3.11", "manylinux_2_6_x86_64").tags()
        ['manylinux_2_6_x86_64', 'manylinux_2_5_x86_64', 'manylinux1_x86_64']
        """
        family, _, rest = self.platform.partition("_")
        if family not in ("manylinux", "musllinux"):
            return [self.platform]
        major, newest, machine = rest.split("_", 2)
        oldest = 5 if family == "manylinux" else 0
        tags = []
        for minor in range(int(newest), oldest - 1, -1):
            tags.append(f"{family}_{major}_{minor}_{machine}")
            older_name = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}.get(minor)
            tags += [f"{older_name}_{machine}"] if family == "manylinux" and older_name else []
        return tags

    def needed(self, packages: Iterable[Locked]) -> list[Locked]:
        """Those of a lock's packages that are needed there, with whichever patch of that Python."""
        environments = [self._markers(patch) for patch in PATCHES]
        return [each for each in packages if any(map(each.applies, environments))]

    def _markers(self, patch: int) -> dict[str, str]:
        family, _, rest = self.platform.partition("_")
        os_name, sys_platform, system = SYSTEMS[family]
        machine = rest.split("_", 2)[-1]
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.{patch}",
            "os_name": os_name,
            "platform_machine": machine.upper() if system == "Windows" else machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": system,
            "platform_version": "",
            "python_full_version": f"{self.python}.{patch}",
            "python_version": self.python,
            "sys_platform": sys_platform,
        }
