"""A file taken apart: one object that collects the containers, and sends each wrapping to those who can open it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from paillasse.scan.containers import DEEPEST, Budget, Column, Place, Table, Text, TooMuch, Unreadable

LARGEST = 250_000_000  # bytes of a file that is read at all
TOO_LARGE = f"it is larger than {LARGEST:,} bytes"


@dataclass
class Dissection:
    """What has been found in one file so far, and how much more of it is unpacked."""

    tables: list[Table] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    budget: Budget = field(default_factory=Budget)
    depth: int = 0
    originals: dict[tuple, object] = field(default_factory=dict)  # (cell, output) → its JSON, for its hash

    def add(self, place: Place, columns: dict[str, Column], kind: str = "frame", total: int = 0) -> Table | None:
        """Note a table; columns of another length than most are left out."""
        columns = {str(name): column for name, column in columns.items() if len(column)}
        if not columns:
            return None
        table = Table(place, columns, kind, total)
        self.tables.append(table)
        return table

    def cannot_read(self, place: Place, why: str) -> None:
        self.unreadable.append(Unreadable(place, why))

    def text(self, text: str, place: Place, is_code: bool = False) -> None:
        """A text: noted, and looked into for tables, arrays, markup and encoded content."""
        from paillasse.scan.texts import take_text_apart

        self._deeper(take_text_apart, text, place, len(text), is_code=is_code)

    def value(self, value, place: Place) -> None:
        """A value of JSON."""
        from paillasse.scan.values import take_value_apart

        self._deeper(take_value_apart, value, place, 0)

    def markup(self, text: str | bytes, place: Place, is_html: bool = True) -> None:
        """HTML, SVG or other XML."""
        from paillasse.scan.markup import take_markup_apart

        self._deeper(take_markup_apart, text, place, len(text), is_html=is_html)

    def content(self, data: bytes, place: Place, must_read: bool = True) -> None:
        """The bytes of a file or of something embedded; where they `must_read`, what nobody knows is a finding."""
        from paillasse.scan.formats import take_content_apart

        self._deeper(take_content_apart, data, place, len(data), must_read=must_read)

    def _deeper(self, take_apart, what, place: Place, size: int, **options) -> None:
        if self.depth >= DEEPEST:
            self.cannot_read(place, f"it is wrapped more than {DEEPEST} times")
            return
        self.budget.spend(size)
        self.depth += 1
        try:
            take_apart(self, what, place, **options)
        finally:
            self.depth -= 1


def dissect(path: Path, name: str) -> Dissection:
    """Take a file apart.

    Parameters
    ----------
    path
        The file.
    name
        What findings call it.

    Returns
    -------
    Dissection
        Its tables and texts; and, in `unreadable`, each part that nobody could take apart.
    """
    found = Dissection()
    place = Place(name)
    with _never_a_crash(found, place):
        if not path.is_file():
            found.cannot_read(place, "it is no regular file")
        elif path.stat().st_size > LARGEST:
            found.cannot_read(place, TOO_LARGE)
        else:
            found.content(path.read_bytes(), place)
    return found


def dissect_content(content: bytes, name: str) -> Dissection:
    """Take apart what a file of this name would hold.

    Parameters
    ----------
    content
        All of it.
    name
        What findings call the file; by its end the format is known.

    Returns
    -------
    Dissection
        As `dissect`.
    """
    found = Dissection()
    place = Place(name)
    with _never_a_crash(found, place):
        if len(content) > LARGEST:
            found.cannot_read(place, TOO_LARGE)
        else:
            found.content(content, place)
    return found


@contextmanager
def _never_a_crash(found: Dissection, place: Place) -> Iterator[None]:
    """What cannot be taken apart is said to be, whatever the reason."""
    try:
        yield
    except TooMuch as reason:
        found.cannot_read(place, str(reason))
    except OSError as error:
        found.cannot_read(place, error.strerror or type(error).__name__)
    except (RecursionError, MemoryError):
        found.cannot_read(place, "it is nested too deep, or too large")
    except Exception as error:  # a parser's, of any kind, on a file that may be anything: never passed, never a crash
        found.cannot_read(place, f"it cannot be taken apart ({type(error).__name__})")
