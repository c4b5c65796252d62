"""The safe forms of the flow chart, table 1, follow-up and missing values."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from paillasse.disclosure.counts import NOT_SHOWN, in_words, rounded, suppressed
from paillasse.disclosure.estimates import significant
from paillasse.disclosure.policy import Policy
from paillasse.disclosure.safe import MARK, ROUNDED, Safe, rule_in_words, unnamed
from paillasse.errors import DisclosureError

if TYPE_CHECKING:
    from paillasse.cohort.flow import Flow
    from paillasse.cohort.follow_up import FollowUp
    from paillasse.cohort.missing import Missing
    from paillasse.cohort.table_one import TableOne


@dataclass(frozen=True, repr=False)
class SafeFlow(Safe):
    """A flow of exclusions that may leave: `table` has `step`, `excluded`, `left`, `mark`."""

    def figure(self, title: str = ""):
        """The flow chart of the steps that are left, as a plotly figure."""
        from paillasse.figures import flow_chart

        return self.captioned(flow_chart(self.table, title))


def safe_flow(result: "Flow", policy: Policy) -> SafeFlow:
    """The steps, those that leave out few patients joined with the next, so that no difference of two is small."""
    exact, least = result.table, policy.minimum_cell
    if exact["left"].iloc[-1] < least:
        raise DisclosureError(f"no safe form: fewer than {least} patients are left.")
    joined, waiting, out = [], [], 0
    for step, excluded in zip(exact["step"].iloc[1:], exact["excluded"].iloc[1:]):
        waiting, out = [*waiting, str(step)], out + excluded
        if out >= least:
            joined.append(waiting)
            waiting, out = [], 0
    if waiting and joined:  # the last steps leave out few: they belong to the step before
        joined[-1] = joined[-1] + waiting
    notes = [rule_in_words(policy)]
    notes.append(f"A step that leaves out fewer than {least} patients, or none, is joined with others.")
    told = [0, *np.cumsum([len(steps) for steps in joined], dtype=int)]
    if waiting and not joined:
        told = [len(exact) - 1]
        notes.append(f"All steps together leave out fewer than {least}: only who is left is told.")
    left = rounded(exact["left"].iloc[told], policy)
    table = pd.DataFrame({"step": [str(exact["step"].iloc[0]), *("; ".join(steps) for steps in joined)]})
    table["excluded"], table["left"] = -np.diff(left, prepend=left[0]), left
    together = [f"{ROUNDED}; {len(steps)} steps together" if len(steps) > 1 else ROUNDED for steps in joined]
    table[MARK] = [ROUNDED, *together]
    return SafeFlow("Flow", "Cohort", {"table": table}, tuple(notes), policy)


def safe_missing(result: "Missing", policy: Policy) -> Safe:
    """The columns with enough missing values and enough known ones, their shares from rounded counts."""
    least, n = policy.minimum_cell, rounded(result.n, policy)
    if result.n < least:
        raise DisclosureError(f"no safe form: there are fewer than {least} rows.")
    count = result.table["missing"]
    shown = (count >= least) & ((result.n - count >= least) | (count == result.n))
    table = pd.DataFrame({"column": result.table["column"], "missing": rounded(count, policy)})[shown]
    table = table.reset_index(drop=True)
    table["percent"] = significant(100 * table["missing"] / n)
    table[MARK] = ROUNDED
    incomplete = result.n - result.n_complete
    notes = (
        f"{rule_in_words(policy)} Percentages are of rounded counts.",
        f"Columns with fewer than {least} values missing, none included, or known are left out.",
        f"Rows with a missing value: {in_words(incomplete, policy)}; complete: {in_words(result.n_complete, policy)}.",
    )
    return Safe("Missing", f"Missing values in about {n:,} rows", {"table": table}, notes, policy, {"percent": 1})


def safe_follow_up(result: "FollowUp", policy: Policy) -> Safe:
    """The medians of the released reverse curves."""
    curves = result._reversed.disclose(policy)
    table = curves.median.rename(columns={"median": "median_follow_up"}).drop(columns="events")
    how = "By reverse Kaplan-Meier (the event censors the follow-up), in the unit of the durations."
    decimals = {"median_follow_up": curves.decimals["median"], **curves.decimals}
    return Safe("FollowUp", "Median follow-up", {"table": table}, (how, *curves.notes), policy, decimals)


def safe_table_one(result: "TableOne", policy: Policy) -> Safe:
    """Counts rounded, shares from rounded counts, quantiles as means of many patients' values, small cells hidden.

    The column Overall counts the groups that are shown, so that it less these tells of nobody.
    """
    data, by, levels = result._described.data, result._described.by, result._described.levels
    least, names, is_any_small = policy.minimum_cell, [], False
    if by:
        names = [name for name in levels[by] if (data[by] == name).sum() >= least]
        is_any_small = len(names) < len(levels[by])
        data = data[data[by].isin(names)]
    if len(data) < least:
        raise DisclosureError(f"no safe form: there are fewer than {least} patients, or no group has as many.")
    parts = {"Overall": data, **{name: data[data[by] == name] for name in names}}
    told = {name: f"{rounded(len(part), policy):,}" for name, part in parts.items()}
    rows = [{"characteristic": "n", "value": "", "missing": "", **told, MARK: ROUNDED}]
    for name, label in result._described.labels.items():
        if name in levels:
            lines = _levels(name, parts, levels[name], policy)
        else:
            lines = [{"value": "", **{each: _quartiles(part[name], policy) for each, part in parts.items()}}]
        for line in lines:
            line |= {MARK: f"{ROUNDED}; some {NOT_SHOWN}" if NOT_SHOWN in line.values() else ROUNDED}
        lines[0] |= {"characteristic": label, "missing": in_words(int(data[name].isna().sum()), policy)}
        rows += lines
    table = pd.DataFrame(rows)[["characteristic", "value", "missing", *parts, MARK]].fillna("")
    around = least + 1 - least % 2
    notes = (
        f"Median [first quartile, third quartile], each the mean of the {around} values around it; or n (%) of those "
        "whose value is known, from rounded counts.",
        f"{rule_in_words(policy)} More is hidden where a total less the cells shown would give a cell back.",
        f"Levels of fewer than {least} patients are left out, their names too.",
        *unnamed(is_any_small, "Groups", policy),
    )
    if by:
        without = in_words(result.n_without_group, policy)
        notes = (*notes, f"Overall counts the groups shown. Without a group: {without}.")
    return Safe("TableOne", "Characteristics", {"table": table}, notes, policy)


def _levels(name: str, parts: dict[str, pd.DataFrame], levels: list[str], policy: Policy) -> list[dict]:
    """The lines of one category: its levels, by all and by group."""
    cells = np.array([[int((part[name] == level).sum()) for part in parts.values()] for level in levels])
    known = [int(part[name].notna().sum()) for part in parts.values()]
    hidden = np.zeros(cells.shape, bool)
    hidden[:, 0] = suppressed(cells[:, 0], policy)
    if len(parts) > 1:
        hidden[:, 1:] = suppressed(cells[:, 1:], policy, np.repeat(hidden[:, :1], len(parts) - 1, axis=1))
    lines = []
    for level, counts, are_hidden in zip(levels, cells, hidden):
        if counts[0] >= policy.minimum_cell:
            shares = [_share(*each, policy) for each in zip(counts, known, are_hidden)]
            lines.append({"value": level, **dict(zip(parts, shares))})
    return lines or [{"value": "", **dict.fromkeys(parts, NOT_SHOWN)}]


def _share(count: int, known: int, is_hidden: bool, policy: Policy) -> str:
    if is_hidden:
        return NOT_SHOWN
    count, known = rounded(count, policy), rounded(known, policy)
    return f"{count:,} ({min(100 * count / known, 100):.1f})"


def _quartiles(values: pd.Series, policy: Policy) -> str:
    """Median and quartiles, each the mean of the minimum of patients' values around it, with three digits."""
    window = policy.minimum_cell + 1 - policy.minimum_cell % 2  # odd, so that it has a middle
    values = np.sort(values.dropna().to_numpy())
    if len(values) < 2 * window:
        return NOT_SHOWN
    told = []
    for share in (0.5, 0.25, 0.75):
        first = int(np.clip(round(share * (len(values) - 1)) - window // 2, 0, len(values) - window))
        told.append(f"{significant(values[first : first + window].mean()):g}")
    return f"{told[0]} [{told[1]},{told[2]}]"
