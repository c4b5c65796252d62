"""All defensible analyses of one question beside each other: the specification curve."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.errors import InputError
from paillasse.survival._input import numbers, refuse
from paillasse.tables import View, need_columns


@dataclass(frozen=True, repr=False)
class SpecificationCurve(Result):
    """One estimate under many analysis choices.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a specification, by its estimate: the columns of the choices, `estimate`, `lower`, `upper`.
    choices : tuple of str
        Columns of the choices.
    by_choice : pandas.DataFrame
        A row a value of a choice: `choice`, `value`, `specifications`, `median`, `least`, `most` of their estimates.
    n_without : int
        Specifications without an estimate.
    """

    table: pd.DataFrame
    choices: tuple[str, ...]
    by_choice: pd.DataFrame
    n_without: int
    axis: str

    def figure(self, title: str = ""):
        """The estimates in rising order, and the choices of each below it."""
        from paillasse.figures import specification_curve as drawn

        return drawn(self.table, list(self.choices), "estimate", "lower", "upper", self.axis, title)

    def _safe(self, policy: Policy):
        from paillasse.effects._safe_combinations import safe_specifications

        return safe_specifications(self, policy)

    def view(self) -> View:
        estimate = self.table["estimate"]
        positive, apart = int((estimate > 0).sum()), int(((self.table["lower"] > 0) | (self.table["upper"] < 0)).sum())
        notes = [
            f"{self.axis}: median {estimate.median():.2f}, from {estimate.min():.2f} to {estimate.max():.2f}; "
            f"{positive} of {len(estimate)} above 0, {apart} with limits that leave 0 out.",
            "The specifications share their patients: their number is no evidence. What one choice moves is.",
        ]
        if self.n_without:
            notes.append(f"{self.n_without} specifications have no estimate.")
        decimals = dict.fromkeys(("median", "least", "most"), 2)
        return View(f"{len(estimate)} specifications", self.by_choice, tuple(notes), decimals)


def specification_curve(
    table: pd.DataFrame,
    choices: Sequence[str],
    estimate: str = "delta_rmst",
    lower: str = "delta_rmst_lower",
    upper: str = "delta_rmst_upper",
    axis: str = "Months gained",
) -> SpecificationCurve:
    """Put the estimates of a sweep over analysis choices in order, and show what each choice moves.

    The table is what :func:`paillasse.runs.collect` gives of a sweep: a row a run, a column a parameter.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a specification; of many partners, the rows of one.
    choices : list of str
        Columns of the choices.
    estimate, lower, upper : str
        Columns of the estimate and its limits; a row without an estimate is counted and left out.
    axis : str
        What the estimate is, for the figure.

    Returns
    -------
    SpecificationCurve

    Raises
    ------
    InputError
        A column is missing, two rows are of the same specification, limits do not hold their estimate, or no row has
        an estimate.

    References
    ----------
    Simonsohn, Simmons and Nelson (2020), Nat Hum Behav 4:1208.

    Examples
    --------
    >>> import pandas as pd
    >>> sweep = pd.DataFrame({"horizon": [12, 24], "gain": [0.4, 1.1], "low": [0.1, 0.3], "high": [0.7, 1.9]})
    >>> specification_curve(sweep, ["horizon"], "gain", "low", "high").table["estimate"].tolist()
    [0.4, 1.1]
    """
    choices = list(choices)
    need_columns(table, [*choices, estimate, lower, upper])
    if not choices:
        raise InputError("choices names the columns in which the specifications differ, at least one.")
    if table.duplicated(choices).any():
        raise InputError(
            f"Two rows have the same {', '.join(choices)}: a specification has one estimate. Of a sweep of many "
            "partners, give the rows of one; or name the other columns in which they differ."
        )
    known = np.flatnonzero(table[estimate].notna().to_numpy())
    if not len(known):
        raise InputError(f"No specification has an estimate: column {estimate!r} is empty.")
    kept = table.iloc[known]
    low, value, high = (numbers(kept, name, known) for name in (lower, estimate, upper))
    refuse(~((low <= value) & (value <= high)), f"{lower!r} and {upper!r} do not hold {estimate!r}", known)
    made = kept[choices].assign(estimate=value, lower=low, upper=high)
    made = made.sort_values("estimate", kind="stable", ignore_index=True)
    parts = []
    for name in choices:
        part = made.groupby(name, sort=True)["estimate"].agg(["size", "median", "min", "max"]).reset_index()
        part.columns = ["value", "specifications", "median", "least", "most"]
        part["value"] = part["value"].astype(str)
        parts.append(part.assign(choice=name))
    by_choice = pd.concat(parts, ignore_index=True)
    by_choice.insert(0, "choice", by_choice.pop("choice"))
    return SpecificationCurve(made, tuple(choices), by_choice, len(table) - len(known), axis)
