"""Records in a local file: lines of JSON, each with the hash of all lines before it; and, elsewhere, the anchor.

The anchor says how many lines there are and their hash. Together they detect accidents and edits by others, and are no
more than that: who writes to both files can also write both anew, or remove them.

The file is only ever appended to. A writer that was killed leaves at worst a torn line at its end; the next one ends
that line, which stays as it is, and goes on behind it. The anchor is brought up to date last, so it is never ahead of
the file: one that is says that the end was cut off, and nothing is recorded, or read, until a person has looked.
Where the system's administrator makes the file append-only (`chattr +a`), its readers cannot rewrite it at all.
"""

import contextlib
import hashlib
import itertools
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from paillasse.catalog.audit.model import (
    NAMES,
    NO_HASH,
    SECONDS,
    AuditReport,
    AuditSink,
    ReadRecord,
    Unusable,
    counted,
    resolved,
)
from paillasse.files import write_atomically

# Said in each anchor, and by `verify` of each file.
ABOUT_FILE = (
    "A local file of records detects accidents and edits by others, and is no more than that: "
    "who writes to both files can write both anew."
)


@dataclass(frozen=True)
class _Chain:
    """How far the lines of a file go: how many, in how many bytes, and their hash."""

    lines: int = 0
    size: int = 0
    hash: str = NO_HASH

    def after(self, line: bytes) -> "_Chain":
        """The chain with one more line, given without its end."""
        link = hashlib.sha256(self.hash.encode() + line).hexdigest()
        return _Chain(self.lines + 1, self.size + len(line) + 1, link)

    def beginning_of_next(self) -> dict:
        return {"number": self.lines + 1, "previous": self.hash}


def _line(chain: _Chain, read: ReadRecord) -> bytes:
    """JSON in ASCII: whatever a name holds, it is one line and has one form."""
    return json.dumps(chain.beginning_of_next() | asdict(read)).encode("ascii")


def append(sink: AuditSink, read: ReadRecord) -> None:
    """Write one line, on disk when this returns."""
    path, anchor = _place(sink.path), _place(sink.anchor)
    with _told_of(sink.path), _locked(sink, path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
        chain = _anchored(sink, anchor)
        size = os.fstat(file).st_size
        if chain is None and size == 0:
            chain = _Chain()
            _write_anchor(sink, anchor, chain)
        if chain is None:
            raise Unusable(f"{sink.path} has records, but its anchor {sink.anchor} is not there")
        if size < chain.size:
            raise Unusable(
                f"{sink.path} was cut: it has {size} bytes, its anchor says {chain.size}; it needs a look, then both "
                "files kept aside (a new pair begins by itself)"
            )
        # What writers left that were stopped before they had updated the anchor: lines, and perhaps a torn one.
        left = os.pread(file, size - chain.size, chain.size)
        torn = left != b"" and not left.endswith(b"\n")
        for line in left.removesuffix(b"\n").split(b"\n") if left else []:
            chain = chain.after(line)
        line = _line(chain, read)
        _write_all(file, (b"\n" if torn else b"") + line + b"\n")
        os.fsync(file)
        _write_anchor(sink, anchor, chain.after(line))


def _place(text: str) -> Path:
    place = Path(resolved(text))
    if not place.is_absolute():
        raise Unusable(f"{text} is not an absolute path")
    return place


@contextlib.contextmanager
def _told_of(name: str) -> Iterator[None]:
    """What the system refuses, told with the file's name as the steward wrote it."""
    try:
        yield
    except OSError as error:
        raise Unusable(f"{name}: {error.strerror}") from None


@contextlib.contextmanager
def _locked(sink: AuditSink, path: Path, flags: int) -> Iterator[int]:
    """The file, open and held against other processes; alone if it is to be written."""
    try:
        import fcntl
    except ImportError:
        raise Unusable("a local file of records needs Linux or macOS; on Windows use a PostgreSQL table") from None
    file = os.open(path, flags, 0o660)
    try:
        deadline = time.monotonic() + SECONDS
        mode = fcntl.LOCK_EX if flags & os.O_RDWR else fcntl.LOCK_SH
        while True:
            try:
                fcntl.flock(file, mode | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unusable(f"another process has held {sink.path} for {SECONDS} seconds") from None
                time.sleep(0.002)
        yield file
    finally:
        os.close(file)  # and with it the lock, as at a process's death


def _write_all(file: int, content: bytes) -> None:
    """On a full disk the first call writes a part and the second says why."""
    while content:
        content = content[os.write(file, content) :]


def _write_anchor(sink: AuditSink, path: Path, chain: _Chain) -> None:
    with _told_of(sink.anchor):
        write_atomically(path, json.dumps({"about": ABOUT_FILE} | asdict(chain)) + "\n")


def _anchored(sink: AuditSink, path: Path) -> _Chain | None:
    """What the anchor says; None if it is not there."""
    try:
        with _told_of(sink.anchor):
            if not path.exists():
                return None
            values = json.loads(path.read_bytes())
        chain = _Chain(values["lines"], values["size"], values["hash"])
        counts = all(type(each) is int and each >= 0 for each in (chain.lines, chain.size))
        if counts and re.fullmatch("[0-9a-f]{64}", chain.hash):
            return chain
    except (ValueError, LookupError, TypeError, RecursionError):
        pass
    raise Unusable(f"{sink.anchor} is no anchor of a file of records, or was edited")


def verify(sink: AuditSink) -> AuditReport:
    """Check all lines against each other and against the anchor."""
    path, anchor_path = _place(sink.path), _place(sink.anchor)
    with _told_of(sink.path):
        if not path.exists():
            if anchor_path.exists():
                return AuditReport(
                    sink, 0, [f"the file is not there, though its anchor {sink.anchor} is"], [ABOUT_FILE]
                )
            return AuditReport(sink, 0, [], ["neither the file nor its anchor is there: no read was recorded yet"])
        with _locked(sink, path, os.O_RDONLY) as file:  # nobody is between the two files; what comes later is not read
            size = os.fstat(file).st_size
            try:
                anchor, problems = _anchored(sink, anchor_path), []
            except Unusable as error:
                anchor, problems = None, [str(error)]
        if anchor is None and not problems:
            problems = [f"the anchor {sink.anchor} is not there: whether the end was cut off cannot be seen"]
        with path.open("rb") as content:
            report = _verify_lines(sink, content, size, anchor)
    return replace(report, problems=[*report.problems, *problems], notes=[*report.notes, ABOUT_FILE])


def _verify_lines(sink: AuditSink, content, size: int, anchor: _Chain | None) -> AuditReport:
    """Line by line; after a problem it goes on from what the next record says of itself: one edit is told once."""
    chain, records, lines_of_ids = _Chain(), 0, {}
    known = True  # whether `chain` is what the next record must follow
    problems, notes = [], []
    met = anchor is None or anchor == chain
    for here in itertools.count(1):
        raw = content.readline(size - content.tell())
        if not raw:
            break
        line = raw.removesuffix(b"\n")
        values = _parsed(line)
        if values:
            records += 1
            if problem := _misplaced(values, chain, here) if known else None:
                problems.append(problem)
            if (first := lines_of_ids.setdefault(values["id"], here)) != here:
                problems.append(f"line {here} records the same read as line {first}: it was put in a second time")
            chain, known = _Chain(values["number"] - 1, chain.size, values["previous"]), True
        elif known and _is_torn(line, chain):
            notes.append(f"line {here} is torn: a writer was stopped in the middle; its read handed over nothing")
        else:
            problems.append(f"line {here} is no record: it was edited, or put in")
            known = False
        chain = chain.after(line)
        if known and anchor and chain.lines == anchor.lines:
            met = True
            if chain.hash != anchor.hash or (chain.size != anchor.size and not problems):
                problems.append(f"line {here} is not the one of which {sink.anchor} has the hash: one was edited")
    if known and not met:
        end = f"the last line is number {chain.lines}, {sink.anchor} says {anchor.lines}"
        problems.append(f"{end}: lines at the end were cut off")
    elif anchor and size < anchor.size and not problems:
        problems.append(f"{size} bytes are left of the {anchor.size} that {sink.anchor} says")
    elif anchor and chain.lines > anchor.lines and not problems:
        n = chain.lines - anchor.lines
        notes.append(f"{counted(n, 'line')} after the anchor: writers were stopped before they had updated it")
    return AuditReport(sink, records, problems, notes)


def _misplaced(values: dict, chain: _Chain, here: int) -> str | None:
    """Why a record cannot have been written behind the lines before it; None if it can."""
    number, expected = values["number"], chain.lines + 1
    if number > expected:
        return f"line {here} is number {number} instead of {expected}: {counted(number - expected, 'line')} taken out"
    if number < expected:
        return f"line {here} is number {number} instead of {expected}: it was moved, or put in"
    if values["previous"] != chain.hash:
        before = f"after line {here - 1} as that is now" if here > 1 else "as a first line"
        return f"line {here} was not written {before}: {'one of them' if here > 1 else 'it'} was edited"
    return None


def _parsed(line: bytes) -> dict | None:
    """The record of a line; None if it is none."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or set(values) != {"number", "previous", *NAMES}:
        return None
    number, previous, own_id = values["number"], values["previous"], values["id"]
    numbered = type(number) is int and 0 < number < 2**63
    hashed = isinstance(previous, str) and re.fullmatch("[0-9a-f]{64}", previous)
    return values if numbered and hashed and isinstance(own_id, str) else None


def _is_torn(line: bytes, chain: _Chain) -> bool:
    """Whether it is the beginning of the record that was to be written here; an edit is hardly ever that."""
    beginning = json.dumps(chain.beginning_of_next()).encode("ascii")[:-1]
    return line.startswith(beginning) or beginning.startswith(line)
