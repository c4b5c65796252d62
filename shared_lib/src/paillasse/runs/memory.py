"""How much memory is free for another run: of the machine, and of what a container or a batch system allows."""

from collections.abc import Iterator
from pathlib import Path

import psutil

# For each version of Linux's control groups: the limit, what is used, and the part of this that the system takes back.
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = ("memory.max", "memory.current", "inactive_file")


def available_mb() -> float:
    """Memory that can still be taken, in millions of bytes, without swapping and without meeting a limit.

    Examples
    --------
    >>> available_mb() > 0
    True
    """
    return min([psutil.virtual_memory().available, *left_in_groups()]) / 1e6


def left_in_groups(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> Iterator[int]:
    """What is left under the memory limit of each control group that this process is in, in bytes.

    Parameters
    ----------
    root
        Where control groups are mounted.
    own
        The file in which the system says which groups this process is in.
    """
    lines = own.read_text().splitlines() if own.is_file() else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            top, names = root, V2
        elif "memory" in controllers.split(","):
            top, names = root / "memory", V1
        else:
            continue
        group = top / path.lstrip("/")  # in a container this path may be the outer system's; the top is there
        for folder in [group, *group.parents]:
            yield from _left(folder, *names)
            if folder == top:
                break


def _left(folder: Path, limit_file: str, used_file: str, reclaimable: str) -> Iterator[int]:
    try:
        limit = (folder / limit_file).read_text().strip()
        used = int((folder / used_file).read_text())
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such group here, or the top of all, which has no limit
        return
    if limit != "max":
        yield max(0, int(limit) - used + int(statistics.get(reclaimable, 0)))
