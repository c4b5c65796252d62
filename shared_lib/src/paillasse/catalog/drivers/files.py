"""The files that a source's path names: one, all of a folder, or those that match `*` and `**`; here or in S3.

A path lies below the catalogue's folder or below the root that its variable holds, `${ROOT}/…`: an absolute folder,
or an address such as `s3://bucket/prefix`. After links, too: a link that leads out of the root is refused. `*` stands
for any part of a name and `**` for any folders, in the catalogue's path only; in a root they stand for themselves.
Names that begin with `.` or `_` are left out, as by those who write them (`_SUCCESS`, `_delta_log`).

The checksum of several files is that of what `sha256sum` says of them, by name from the folder that holds all::

    cd FOLDER && find * -name '*.parquet' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
"""

import functools
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from paillasse.catalog.drivers.engine import connection
from paillasse.catalog.model import Source
from paillasse.errors import CatalogError, DataError, PaillasseError


@dataclass(frozen=True)
class File:
    """One file.

    Attributes
    ----------
    shown
        Its name in a message: the catalogue's path, without what a variable holds.
    relative
        Its name from the folder that holds all files of the source.
    path
        Absolute, or an address.
    storage
        The fsspec file system of an address; None for a file of this machine.
    """

    shown: str
    relative: str
    path: str
    storage: Any = None

    def open(self) -> BinaryIO:
        return Path(self.path).open("rb") if self.storage is None else self.storage.open(self.path, "rb")

    def state(self) -> tuple:
        """What differs once the file has changed."""
        if self.storage is None:
            state = Path(self.path).stat()
            return state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino
        info = self.storage.info(self.path)
        return info["size"], str(info["mtime"])

    @property
    def literal_path(self) -> str:
        """As DuckDB is told: in a folder called `[2024]` its wildcards must stand for themselves."""
        return re.sub(r"([*?\[])", r"[\1]", self.path)


def files_of(source: Source, folder: Path) -> list[File]:
    """The files that the source names, sorted by name.

    Parameters
    ----------
    source
        With a path.
    folder
        The catalogue's own, under which a relative path lies.

    Raises
    ------
    CatalogError
        A variable that is not set or holds no root, a link that leads out of the root.
    DataError
        No such file, none that matches, another content than the one declared.
    """
    variable = re.match(r"\$\{(.+?)\}/", source.path)
    parts = [part for part in source.path[variable.end() if variable else 0 :].split("/") if part not in ("", ".")]
    fixed = next((i for i, part in enumerate(parts) if "*" in part), len(parts))
    start, pattern = parts[:fixed], parts[fixed:]
    shown = "/".join([variable[0][:-1], *start] if variable else start)
    root = _root(variable[1], source.path) if variable else folder
    find = _files_here if isinstance(root, Path) else _files_there
    try:
        files = find(root, start, pattern, shown, source)
        _check_sha256(source, files)
    except PaillasseError:
        raise
    except Exception as error:  # the system's, or that of a storage's client
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise DataError(f"{source.path}: cannot be read: {reason}") from None
    return files


def _root(variable: str, path: str) -> "Path | tuple[Any, str]":
    """What the variable holds: a folder, or a file system and the address in it."""
    value = os.environ.get(variable)
    scheme = re.match(r"([a-z][a-z0-9+]*)://[^/]", value or "")
    if scheme and scheme[1] == "s3":
        return _s3(), value.rstrip("/")
    if not value or scheme or not Path(value).is_absolute():
        state = "is not set" if not value else "is not an absolute path"
        state = "holds an address that cannot be read; known: s3://" if scheme else state
        raise CatalogError(f"{path}: the environment variable {variable} {state}; set it to the data's folder")
    return Path(value)


def _s3():
    """S3 by pyarrow's own client, as fsspec speaks of it: s3fs would bring a second one, and older versions of ours.

    Endpoint and credentials come from where AWS's own tools have them, the environment or ~/.aws.
    """
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import S3FileSystem

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")  # pyarrow looks for neither
    return ArrowFSWrapper(S3FileSystem(endpoint_override=endpoint, connect_timeout=10, request_timeout=60))


def give_duckdb(files: list[File]) -> None:
    """Let DuckDB read files behind an address through fsspec; it has no extension of its own for that."""
    storage = files[0].storage
    if storage is not None and not connection().con.filesystem_is_registered(storage.protocol):
        connection().con.register_filesystem(storage)


# Files of this machine


def _files_here(root: Path, start: list[str], pattern: list[str], shown: str, source: Source) -> list[File]:
    root = root.resolve()
    place = root.joinpath(*start).resolve()
    if not place.is_relative_to(root):
        raise CatalogError(f"{source.path}: a link leads out of its folder; put the file itself there")
    if not pattern and place.is_file():
        return [File(source.path, place.name, str(place))]
    if not place.is_dir():
        raise DataError(f"{source.path}: the file is not there; restore it, or correct the path in the catalogue")
    matches = _regex(pattern, source)
    depth = None if "**" in pattern or not pattern else len(pattern)
    files = []
    for path in _walk(place, root, shown, depth):
        relative = path.relative_to(place).as_posix()
        if not matches.fullmatch(relative):
            continue
        real = path.resolve()
        if not real.is_relative_to(root):
            raise CatalogError(f"{shown}/{relative}: a link leads out of its folder; put the file itself there")
        if not real.is_file():
            raise DataError(f"{shown}/{relative}: is no file; perhaps a link to one that is not there")
        # The name, not what it links to: a link's folders are its partitions.
        files.append(File(f"{shown}/{relative}" if shown else relative, relative, str(path)))
    return _some(files, source)


def _walk(folder: Path, root: Path, shown: str, depth: int | None) -> Iterator[Path]:
    """What is in the folder and, down to `depth`, in those in it; links to folders inside the root are followed."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")):
            continue
        if not path.is_dir():
            yield path
        elif depth is None or depth > 1:
            if path.is_symlink():
                real = path.resolve()
                if not real.is_relative_to(root) or folder.resolve().is_relative_to(real):
                    where = "back to itself" if real.is_relative_to(root) else "out of the data's folder"
                    raise CatalogError(f"{shown}: the link {path.name} in it leads {where}; remove it")
            yield from _walk(path, root, shown, depth and depth - 1)


# Files of a file system behind an address


def _files_there(root: tuple[Any, str], start: list[str], pattern: list[str], shown: str, source: Source) -> list[File]:
    from pyarrow.fs import FileSelector

    storage, address = root
    place = "/".join([address, *start])
    scheme, _, bucket_and_path = place.partition("://")
    try:
        if not pattern and storage.isfile(place):
            return [File(source.path, start[-1], place, storage)]
        # Not fsspec's `find`: a server that is down gives it no files.
        found = storage.fs.get_file_info(FileSelector(bucket_and_path, allow_not_found=True, recursive=True))
    except Exception as error:  # whatever the client raises; its message may hold the address or a key
        raise DataError(
            f"{source.path}: the storage cannot be reached, or refuses ({type(error).__name__}); check its address, "
            "your credentials and the network"
        ) from None
    prefix = bucket_and_path + "/"
    names = sorted(each.path.removeprefix(prefix) for each in found if each.is_file)
    matches = _regex(pattern, source)
    visible = [each for each in names if not any(part.startswith((".", "_")) for part in each.split("/"))]
    files = [
        File(f"{shown}/{each}", each, f"{scheme}://{prefix}{each}", storage)
        for each in visible
        if matches.fullmatch(each)
    ]
    return _some(files, source)


# Both


def _regex(pattern: list[str], source: Source) -> re.Pattern:
    """The names that match; of a folder, those that end as the driver's files do."""
    if not pattern or pattern[-1] == "**":
        pattern = [*pattern, "**", f"*.{source.driver}"]
    parts = ["(?:[^/]+/)*" if part == "**" else re.escape(part).replace(r"\*", "[^/]*") + "/" for part in pattern]
    return re.compile("".join(parts).removesuffix("/"))


def _some(files: list[File], source: Source) -> list[File]:
    if not files:
        what = "no file matches" if "*" in source.path else f"the folder holds no file that ends in .{source.driver}"
        raise DataError(f"{source.path}: {what}; restore the files, or correct the path in the catalogue")
    return sorted(files, key=lambda file: file.relative.encode())


def _check_sha256(source: Source, files: list[File]) -> None:
    if source.sha256 is None:
        return
    found = checksum(files)
    if found != source.sha256:
        what = "the file" if len(files) == 1 else "the files"
        raise DataError(
            f"{source.path}: not {what} that the catalogue declares (sha256 {found[:12]}… instead of "
            f"{source.sha256[:12]}…). Restore {what}; if the change is meant, write the checksum into the catalogue: "
            f"{found}"
        )


def checksum(files: list[File]) -> str:
    """The sha256 of one file; of several, that of the lines `sha256  name`, sorted by name."""
    sums = [_sha256(file, file.state()) for file in files]
    if len(files) == 1:
        return sums[0]
    lines = [f"{each}  {file.relative}\n" for each, file in zip(sums, files, strict=True)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@functools.lru_cache(maxsize=10_000)  # a file of 10 GB is read once, as long as it does not change
def _sha256(file: File, state: tuple) -> str:
    with file.open() as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
