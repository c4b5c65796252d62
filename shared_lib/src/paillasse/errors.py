"""Every error that a user can see: what is wrong, where, and what to do. Never a patient's value."""

import difflib
from collections.abc import Iterable


class PaillasseError(Exception):
    """Something that a user can mend; the command line prints it without a traceback."""

    exit_code = 1


class CatalogError(PaillasseError):
    """`data_catalog.yaml` cannot be used as it stands."""

    exit_code = 3


class DataError(PaillasseError):
    """A data set is not what the catalogue declares."""

    exit_code = 4


class InputError(PaillasseError):
    """An analysis was given a column, a value or a table for which it has no answer."""

    exit_code = 5


class NotebookError(PaillasseError):
    """A notebook cannot be run or checked as it stands."""

    exit_code = 6


class RunError(PaillasseError):
    """`runs.yaml` cannot be executed as it stands."""

    exit_code = 7


class AccessError(PaillasseError):
    """The read of a secure data set is refused: no approval, or no record of the read."""

    exit_code = 8


class DisclosureError(PaillasseError):
    """A result has no form that may leave."""

    exit_code = 9


class ProjectError(PaillasseError):
    """A project's folder, its lock or its wheelhouse is not as it should be."""


class UpdateError(PaillasseError):
    """A newer template cannot be looked for or brought in; the project is as it was."""

    exit_code = 10


class ReleaseError(PaillasseError):
    """A bundle is not made, decided or reviewed as asked."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that helps with a mistyped name: the nearest known one, or all of them."""
    known = [str(each) for each in known]
    near = difflib.get_close_matches(str(name), known, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    return "Known: " + (", ".join(known) if known else "none") + "."


def some_of(names: list[str]) -> str:
    """The first five of what may be many names, and how many more there are.

    Examples
    --------
    >>> some_of(["a", "b"]), some_of(list("abcdefg"))
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
