"""A treatment's effect in subgroups, each with the test that it differs between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from paillasse.disclosure import Policy, Result
from paillasse.errors import InputError
from paillasse.survival.cox import cox
from paillasse.tables import View, need_columns


@dataclass(frozen=True, repr=False)
class SubgroupEffects(Result):
    """Hazard ratios of a treatment in subgroups.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for all, then for each level of each subgroup: `subgroup`, `level`, `n`, `events`, `hazard_ratio`,
        `lower`, `upper` (NaN where a level has no estimate), `p_interaction` (on a subgroup's first row; NaN where a
        level has no estimate).
    n_missing : dict of str to int
        Rows without a value, for each subgroup that has any; they are in no level of it.
    """

    table: pd.DataFrame
    n_missing: dict[str, int]
    treatment: str
    conf_level: float
    _arms: pd.DataFrame  # a row a row of the table: the smaller arm's `n` and `events`

    def figure(self, title: str = "", axis: str = "Hazard ratio (log scale)"):
        """The hazard ratios as a forest plot, a heading for each subgroup."""
        return drawn(self.table, title, axis, self.conf_level)

    def _safe(self, policy: Policy):
        from paillasse.survival._safe_models import safe_subgroups

        return safe_subgroups(self, policy)

    def view(self) -> View:
        notes = [
            "p interaction: likelihood ratio test that the effect is the same at all levels.",
            "Empty where a level has no estimate: one arm only, or an arm without events.",
        ]
        for name, count in self.n_missing.items():
            notes.append(f"{count} rows without a value of {name} are in none of its levels.")
        return View(f"Effect of {self.treatment} in subgroups (hazard ratio)", self.table, tuple(notes))


def subgroups(
    data: pd.DataFrame,
    duration: str,
    event: str,
    treatment: str,
    by: Sequence[str],
    conf_level: float = 0.95,
) -> SubgroupEffects:
    """Estimate a treatment's hazard ratio within the levels of each subgroup, and test whether they differ.

    Parameters
    ----------
    data, duration, event
        As in :func:`cox`.
    treatment : str
        Column of 0 and 1 (or True and False).
    by : list of str
        Columns whose values make the subgroups, looked at one after the other. A row with a missing value there is
        left out of that column's rows.

    Returns
    -------
    SubgroupEffects

    Raises
    ------
    InputError
        If the treatment is not 0 and 1, or has no estimate in all patients.

    Notes
    -----
    A difference between subgroups is shown by the interaction test, not by one level's limits excluding 1.
    """
    need_columns(data, [treatment, *by])
    if not set(data[treatment].dropna().unique()) <= {0, 1}:
        raise InputError(f"Column {treatment!r} (treatment) must hold 0 and 1.")
    if not len(by):
        raise InputError("by names no subgroup; give one column or more.")
    data = data.assign(**{treatment: data[treatment].astype(float)})
    missing = {name: int(data[name].isna().sum()) for name in by if data[name].isna().any()}
    rows = [_row(data, duration, event, treatment, conf_level, "All", "All patients", np.nan)]
    for name in by:
        known = data[data[name].notna()].assign(_level=lambda d, name=name: pd.Categorical(d[name]))
        p_interaction = _interaction(known, duration, event, treatment)
        for level, part in known.groupby("_level", observed=True):
            rows.append(_row(part, duration, event, treatment, conf_level, name, level, p_interaction))
            p_interaction = np.nan
    table = pd.DataFrame(rows)
    arms = pd.DataFrame({name: table.pop(f"_{name}") for name in ("n", "events")})
    return SubgroupEffects(table, missing, treatment, conf_level, arms)


def drawn(table: pd.DataFrame, title: str, axis: str, conf_level: float):
    """A forest plot of the table, a heading for each subgroup."""
    from paillasse.figures import forest

    rows = []
    for name, part in table.groupby("subgroup", sort=False):
        if len(part) > 1:
            tested = part["p_interaction"].iloc[0]
            rows.append({"label": str(name) + ("" if np.isnan(tested) else f", p interaction {tested:.2f}")})
        rows += part.assign(label=part["level"].astype(str)).to_dict("records")
    return forest(pd.DataFrame(rows), label="label", title=title, axis=axis, conf_level=conf_level)


def _row(data, duration, event, treatment, conf_level, subgroup, level, p_interaction) -> dict:
    row = {"subgroup": subgroup, "level": level, "n": len(data), "events": int(data[event].sum())}
    size = data.groupby(treatment)[event].agg(["size", "sum"]).reindex([0.0, 1.0], fill_value=0)
    row |= {"_n": int(size["size"].min()), "_events": int(size["sum"].min())}
    try:
        model = cox(data, duration, event, [treatment], conf_level=conf_level)
        row |= {"n": model.n} | model.table[["hazard_ratio", "lower", "upper"]].iloc[0].to_dict()
    except InputError:  # one arm only, or no event in an arm: shown without an estimate
        if level == "All patients":
            raise
        row |= dict.fromkeys(("hazard_ratio", "lower", "upper"), np.nan)
    return row | {"p_interaction": p_interaction}


def _interaction(data, duration, event, treatment) -> float:
    levels = data["_level"].nunique()
    if levels < 2:
        return np.nan
    try:
        apart = cox(data, duration, event, f"`{treatment}` * _level")
        together = cox(data, duration, event, f"`{treatment}` + _level")
    except InputError:
        return np.nan
    return float(chdtrc(levels - 1, 2 * (apart.log_likelihood - together.log_likelihood)))
