"""Results of patients' data and their safe forms: shown safely where a policy is in force, exactly when asked for."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import wraps

import pandas as pd

from paillasse.disclosure.policy import Policy, exact_is_shown, is_held, policy_for
from paillasse.errors import DisclosureError
from paillasse.tables import Shown, View

MARK = "mark"  # the column that says of each row what was done to it
ROUNDED = "rounded"


@dataclass(frozen=True, repr=False)
class Safe(Shown):
    """A result in its safe form. It holds what it shows and nothing else, so it may be pickled, drawn and released.

    Attributes
    ----------
    of : str
        The class of the result, such as ``"KaplanMeier"``.
    title : str
        What it is.
    tables : mapping of str to pandas.DataFrame
        All its numbers. The first, ``"table"``, is the result's; a column `mark` says what was suppressed or rounded.
    notes : tuple of str
        What was done to the numbers, in sentences; also in a figure's caption.
    policy : Policy
        The rules that hold for it.
    decimals : mapping of str to int
        As in :class:`paillasse.tables.View`.
    """

    of: str
    title: str
    tables: Mapping[str, pd.DataFrame]
    notes: tuple[str, ...]
    policy: Policy
    decimals: Mapping[str, int] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        return self.tables["table"]

    def disclose(self, policy: Policy | None = None) -> "Safe":
        """Itself, where it was made under no laxer policy; the exact numbers are gone."""
        asked = policy_for(policy)
        if self.policy.tightened(asked) != self.policy:
            raise DisclosureError(
                f"This safe form was made with {self.policy}, which is laxer than {asked}. Disclose the result itself."
            )
        return self

    def view(self) -> View:
        return View(f"{self.title} (safe form)", self.table, self.notes, self.decimals)

    def captioned(self, figure):
        """The figure with the notes below it."""
        lines = [line for note in (f"Safe form. {self.notes[0]}", *self.notes[1:]) for line in textwrap.wrap(note, 110)]
        height = 17 * len(lines) + 10
        below = figure.layout.margin.b or 50
        figure.update_layout(height=(figure.layout.height or 450) + height, margin={"b": below + height})
        return figure.add_annotation(
            text="<br>".join(lines), xref="paper", x=0, xanchor="left", yref="paper", y=0, yanchor="top",
            yshift=-below, showarrow=False, align="left", font={"size": 11, "color": "#555"},
        )  # fmt: skip


class Result(Shown):
    """A result of patients' data: what a subclass shows and draws is its safe form where a policy is in force.

    A subclass has `view()` and `_safe(policy)`, which gives a :class:`Safe` or raises DisclosureError with the reason.
    Its methods that are named `figure…` draw the exact numbers; here each is made to draw the safe form's instead, by
    the safe form's method of that name, where a policy is in force. Where there is none the reason is shown.
    """

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        for name, method in list(vars(cls).items()):
            if name.startswith("figure") and callable(method):
                setattr(cls, name, _drawn_safely(method))

    def disclose(self, policy: Policy | None = None) -> Safe:
        """The safe form: a new object that holds no finer number.

        Parameters
        ----------
        policy : Policy, optional
            Rules instead of the default (no count below 11, rounding to 5). What is in force in this process holds too.

        Returns
        -------
        Safe

        Raises
        ------
        DisclosureError
            There is none: why, and what to do.
        """
        return self._safe(policy_for(policy))

    def exact(self) -> "Exact":
        """The exact numbers shown and drawn, which is recorded where a policy is in force; they are not for release."""
        if is_held():
            exact_is_shown(type(self).__name__)
        return Exact(self)

    def _safe(self, policy: Policy) -> Safe:
        raise DisclosureError(f"no safe form: none is known for {type(self).__name__}.")

    def _as_shown(self) -> View:
        if not is_held():
            return self.view()
        try:
            return self.disclose().view()
        except DisclosureError as error:
            return _refusal(self, str(error), ".exact()")

    def _repr_html_(self) -> str:
        return self._as_shown()._repr_html_()

    def __repr__(self) -> str:
        return repr(self._as_shown())


class Exact(Shown):
    """The exact numbers of a result, by request. A figure is drawn by the method of the result's own name for it."""

    def __init__(self, result: Result):
        self._result = result

    def view(self) -> View:
        view = self._result.view()
        recorded = " That they were asked for is recorded." if is_held() else ""
        return View(view.title, view.table, (*view.notes, f"Exact numbers: not for release.{recorded}"), view.decimals)

    def __getattr__(self, name: str):
        method = getattr(type(self._result), name, None) if name.startswith("figure") else None
        if method is None:
            raise AttributeError(f"there is no figure of the name {name!r}")
        return method.__wrapped__.__get__(self._result)


def _drawn_safely(method):
    @wraps(method)
    def draw(self, *arguments, **options):
        if not is_held():
            return method(self, *arguments, **options)
        name = method.__name__
        try:
            safe = self.disclose()
        except DisclosureError as error:
            return _refusal(self, str(error), f".exact().{name}()")
        if not hasattr(safe, name):
            reason = f"no safe form: {name} shows numbers of single patients."
            return _refusal(self, reason, f".exact().{name}()")
        return getattr(safe, name)(*arguments, **options)

    return draw


def _refusal(result: Result, reason: str, way: str) -> View:
    """What stands in place of a result without a safe form: a notebook goes on, and its reader sees why."""
    return View(type(result).__name__, pd.DataFrame(), (f"{reason} To see it here, which is recorded: {way}",))


def unnamed(is_any: bool, what: str, policy: Policy) -> tuple[str, ...]:
    """The sentence on groups that are too small to be named: that a value occurs at all tells of somebody.

    Examples
    --------
    >>> unnamed(True, "Groups", Policy(11, 5))
    ('Groups of fewer than 11 patients are left out, their names too.',)
    """
    return (f"{what} of fewer than {policy.minimum_cell} patients are left out, their names too.",) if is_any else ()


def rule_in_words(policy: Policy) -> str:
    """The sentence on rounding and suppression that every safe form carries.

    Examples
    --------
    >>> rule_in_words(Policy(11, 5))
    'Counts are rounded to multiples of 5, and none below 11 is shown.'
    """
    return f"Counts are rounded to multiples of {policy.rounding}, and none below {policy.minimum_cell} is shown."
