"""Files: written so that a reader, or a crash, sees the old content or the new, never a part; the nearest one found."""

import contextlib
import os
import secrets
from pathlib import Path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file in one step: written under another name beside it, synced, then renamed.

    Parameters
    ----------
    path
        The file, in a folder that exists. One that is there keeps its mode.
    content
        Bytes as they are; text as UTF-8 with its own line ends.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder, "a.txt"), "été")
    ...     Path(folder, "a.txt").read_text(encoding="utf-8")
    'été'
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def nearest(start: Path, *names: str) -> Path | None:
    """The nearest folder from `start` upward in which one of these files is; None where there is none."""
    for folder in (start, *start.parents):
        with contextlib.suppress(OSError):  # a name longer than a name can be
            if any((folder / name).is_file() for name in names):
                return folder
    return None
