"""Whether the process that a `running` result belongs to is still there: a killed one could not write that it ended.

Of a process of this machine the system knows. One of another machine, which shares the folder, gives a sign of life in
it: while it works there it touches a file every some seconds.
"""

import contextlib
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

HEARTBEAT = "heartbeat"
BEAT = 10  # seconds between two signs of life
SILENCE = 60  # seconds without one after which a process of another machine is dead


@cache
def this_process() -> dict:
    """This process, told apart from any other that gets its number later, also after the machine was started anew."""
    return {"host": socket.gethostname(), "boot": _boot(), "pid": os.getpid(), "since": _started(os.getpid())}


def is_dead(owner: dict | None, folder: Path) -> bool:
    """Whether the process that works, or worked, in a folder is known to have ended; one without a name has."""
    if owner is None:
        return True
    if owner["host"] != socket.gethostname():
        return _is_silent(folder)
    return owner["boot"] != _boot() or not _exists(owner["pid"]) or owner["since"] != _started(owner["pid"])


@contextlib.contextmanager
def beating(folder: Path) -> Iterator[None]:
    """Give signs of life in a folder. After an error, of which the folder may say nothing, the last one stays."""
    heartbeat, done = folder / HEARTBEAT, threading.Event()

    def beat():
        while not done.wait(BEAT):
            with contextlib.suppress(OSError):  # the file system may come back
                os.utime(heartbeat)

    heartbeat.touch()
    heart = threading.Thread(target=beat, daemon=True)
    heart.start()
    try:
        yield
        heartbeat.unlink(missing_ok=True)
    finally:
        done.set()
        heart.join()


def _is_silent(folder: Path) -> bool:
    """Whether the last sign of life is old, by the one clock that all machines share: the file system's."""
    try:
        with (folder / HEARTBEAT).open("rb") as heartbeat:  # opened, because NFS answers a mere stat from memory
            last = os.fstat(heartbeat.fileno()).st_mtime
    except OSError:  # it has just ended, or is an older version's, of which nothing is known
        return False
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            now = os.fstat(probe.fileno()).st_mtime
    except OSError:  # a folder that we may only read
        now = time.time()
    return now - last > SILENCE


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
