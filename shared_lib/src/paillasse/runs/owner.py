"""Whether the process that a `running` result belongs to is still there: a killed one could not write that it ended."""

import contextlib
import os
import socket
from functools import cache
from pathlib import Path


@cache
def this_process() -> dict:
    """This process, told apart from any other that gets its number later, also after the machine was started anew."""
    return {"host": socket.gethostname(), "boot": _boot(), "pid": os.getpid(), "since": _started(os.getpid())}


def is_dead(owner: dict | None) -> bool:
    """Whether a process is known to have ended. Of another machine's nothing is known; without a name it has."""
    if owner is None:
        return True
    if owner["host"] != socket.gethostname():
        return False
    return owner["boot"] != _boot() or not _exists(owner["pid"]) or owner["since"] != _started(owner["pid"])


def _boot() -> str | None:
    """The start of the machine, where it has a name (Linux)."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return None


def _started(pid: int) -> str | None:
    """When a process started, in ticks since the machine's start (Linux)."""
    with contextlib.suppress(OSError):
        # Behind the name, which may hold anything, the 20th field.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return None


def _exists(pid: int) -> bool:
    if os.name == "nt":  # os.kill would end it there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
