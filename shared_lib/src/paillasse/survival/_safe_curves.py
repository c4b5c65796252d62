"""The safe forms of curves: computed anew from the counts that the disclosure rules release, and from nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from paillasse.disclosure.counts import NOT_SHOWN, in_words
from paillasse.disclosure.estimates import significant
from paillasse.disclosure.policy import Policy
from paillasse.disclosure.safe import MARK, ROUNDED, Safe, rule_in_words, unnamed
from paillasse.disclosure.steps import incidence, nearness, product_limit, released_steps
from paillasse.errors import DisclosureError, InputError
from paillasse.survival._input import half_width
from paillasse.survival.kaplan_meier import limits
from paillasse.tables import View, time_decimals

if TYPE_CHECKING:
    from paillasse.survival.cumulative_incidence import CumulativeIncidence
    from paillasse.survival.kaplan_meier import KaplanMeier

COUNTS = ("n_risk", "n_event", "n_lost")
FEW = f"{NOT_SHOWN}: too few events, or patients ahead of them"


@dataclass(frozen=True, repr=False)
class SafeKaplanMeier(Safe):
    """A Kaplan-Meier estimate that may leave.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each group and cut time, from 0 on: `group`, `time`, `n_risk` (still followed after it), `n_event` and
        `n_lost` (who left by an event or otherwise, since they were last told), `survival`, `std_err`, `lower`,
        `upper`, `within` (how far the exact estimate can lie, at most), `mark`. Between two times the curve is a
        straight line. A group with too few events has one row, its mark the reason; one with too few patients has none.
    median : pandas.DataFrame
        `group`, `n`, `events` (up to the last cut time), `median`, `lower`, `upper`, `mark`.
    """

    @property
    def median(self) -> pd.DataFrame:
        return self.tables["median"]

    def at(self, times: Sequence[float]) -> pd.DataFrame:
        """Survival at given times, on the lines between the cut times; NaN after a group's last.

        Returns
        -------
        pandas.DataFrame
            `group`, `time`, `survival`, `lower`, `upper`.
        """
        times, parts = np.sort(np.atleast_1d(np.asarray(times, dtype=float))), []
        for group, curve in _shown(self.table).groupby("group", sort=False, observed=True):
            values = {name: _between(times, curve["time"], curve[name]) for name in ("survival", "lower", "upper")}
            parts.append(pd.DataFrame({"group": group, "time": times, **values}))
        return pd.concat(parts, ignore_index=True)

    def figure(self, time_unit: str = "", title: str = "", divide_time_by: float = 1.0):
        """The released curves, their limits and numbers at risk; as `KaplanMeier.figure`."""
        from paillasse.figures import survival_curves

        table = _shown(self.table)
        table = table.assign(time=table["time"] / divide_time_by)
        return self.captioned(survival_curves(table, time_unit, title, self.policy.rounding))

    def view(self) -> View:
        return View(f"{self.title} (safe form)", self.median, self.notes, self.decimals)


@dataclass(frozen=True, repr=False)
class SafeCumulativeIncidence(Safe):
    """Cumulative incidences that may leave.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each group, cause and cut time, from 0 on: `group`, `cause`, `time`, `n_event` (since it was last
        told), `incidence`, `std_err`, `lower`, `upper`, `mark`.
    at_risk : pandas.DataFrame
        `group`, `time`, `n_risk` (still followed after it), `n_lost` (told then).
    totals : pandas.DataFrame
        A row for each group and cause: `group`, `cause`, `n`, `events` (up to the last cut time), `time` (that one),
        `incidence`, `lower`, `upper`, `mark`.
    """

    @property
    def at_risk(self) -> pd.DataFrame:
        return self.tables["at_risk"]

    @property
    def totals(self) -> pd.DataFrame:
        return self.tables["totals"]

    def figure(
        self,
        causes: Mapping[int, str] | None = None,
        time_unit: str = "",
        title: str = "",
        divide_time_by: float = 1.0,
    ):
        """The released curves, their limits and numbers at risk; as `CumulativeIncidence.figure`."""
        from paillasse.figures import cumulative_incidence_curves

        table = _shown(self.table)
        known = table["cause"].unique()
        causes = {int(cause): f"Cause {cause}" for cause in known} if causes is None else causes
        causes = {cause: name for cause, name in causes.items() if cause in known}
        if not causes:
            raise InputError(f"causes must name some of the causes shown: {', '.join(map(str, known))}.")
        table, at_risk = (each.assign(time=each["time"] / divide_time_by) for each in (table, self.at_risk))
        figure = cumulative_incidence_curves(table, at_risk, causes, time_unit, title, self.policy.rounding)
        return self.captioned(figure)

    def view(self) -> View:
        return View(f"{self.title} (safe form)", self.totals, self.notes, self.decimals)


def safe_kaplan_meier(result: "KaplanMeier", policy: Policy) -> SafeKaplanMeier:
    """The safe form of a Kaplan-Meier estimate, or the reason why it has none."""
    z, curves, medians, farthest, is_any_small = half_width(result.conf_level), [], [], 0.0, False
    n_rows = (result.table["n_event"] + result.table["n_censor"]).sum()
    if n_rows != result.n or result.table["n_risk"].mod(1).any():
        raise DisclosureError("no safe form: numbers at risk are weighted, so they count no patients.")
    for group, at in _groups(result.table):
        left = (at["n_event"] + at["n_censor"]).to_numpy()
        if at["n_risk"].iloc[0] != left.sum():
            raise DisclosureError(
                "no safe form: with delayed entry patients come as well as leave, so the numbers at risk hide nobody."
            )
        steps = released_steps(at["time"], [at["n_event"]], left, policy)
        if left.sum() < policy.minimum_cell:
            is_any_small = True
            continue
        if steps is None:
            curves.append({"group": [group], "time": np.nan, MARK: FEW})
            medians.append({"group": group, MARK: FEW})
            continue
        survival, relative = product_limit(steps)
        lower, upper = limits(survival, relative, result.conf_type, z)
        values = {"survival": survival, "std_err": survival * relative, "lower": lower, "upper": upper}
        numbers = {"time": steps.time, "n_risk": steps.n_risk, "n_event": steps.n_event[0], "n_lost": steps.n_lost}
        within = np.ceil(100 * nearness(steps)) / 100
        curves.append({"group": [group] * len(steps.time), **numbers, **values, "within": within, MARK: ROUNDED})
        crossed = {
            name: _crossed(steps.time, values[each])
            for name, each in {"median": "survival", "lower": "lower", "upper": "upper"}.items()
        }
        counted = {"n": steps.n, "events": steps.n_event.sum()}
        medians.append({"group": group, **counted, **crossed, MARK: ROUNDED})
        farthest = max(farthest, within.max())
    _need_something(curves)
    table, median = _stacked(curves, COUNTS), _stacked([pd.DataFrame([row]) for row in medians], ("n", "events"))
    notes = (
        _how_cut(policy),
        f"Largest difference from the exact estimate that these numbers allow: {100 * farthest:.0f} percentage points "
        "at the times told, by time in the column `within`; between two of them it lies between their values, as near.",
        f"Median with {100 * result.conf_level:g}% limits ({result.conf_type}), empty where not reached.",
        *unnamed(is_any_small, "Groups", policy),
        *_left_out(result.n_dropped, policy),
    )
    n, events = median["n"].sum(), median["events"].sum()
    title = f"Kaplan-Meier: about {n:,} patients, {events:,} events shown"
    decimals = dict.fromkeys(("median", "lower", "upper"), time_decimals(table["time"]))
    return SafeKaplanMeier("KaplanMeier", title, {"table": table, "median": median}, notes, policy, decimals)


def safe_cumulative_incidence(result: "CumulativeIncidence", policy: Policy) -> SafeCumulativeIncidence:
    """The safe form of cumulative incidences, or the reason why they have none."""
    if result._weighted:
        raise DisclosureError("no safe form: the curves are weighted, so they count no patients.")
    z, curves, risks, totals, is_any_small = half_width(result.conf_level), [], [], [], False
    causes = result.totals["cause"].unique()
    events = result.totals.groupby("cause", sort=False)["events"].sum()
    rare = set(events[events < policy.minimum_cell].index) if policy.minimum_cell > 1 else set()
    for (group, at), n_event in zip(_groups(result.at_risk), result._n_event):
        left = (at["n_event"] + at["n_censor"]).to_numpy()
        if at["n_risk"].iloc[0] != left.sum():
            raise DisclosureError(
                "no safe form: with delayed entry patients come as well as leave, so the numbers at risk hide nobody."
            )
        steps = released_steps(at["time"], n_event, left, policy)
        if left.sum() < policy.minimum_cell:
            is_any_small = True
            continue
        if steps is not None:
            estimates = incidence(steps)
            numbers = {"time": steps.time, "n_risk": steps.n_risk, "n_lost": steps.n_lost}
            risks.append(pd.DataFrame({"group": [group] * len(steps.time), **numbers}))
        for place, cause in enumerate(causes):
            if cause in rare:
                continue
            if steps is None or not steps.n_event[place].any():
                curves.append({"group": [group], "cause": cause, "time": np.nan, MARK: FEW})
                totals.append({"group": group, "cause": cause, MARK: FEW})
                continue
            known = slice(0, np.flatnonzero(steps.n_event[place])[-1] + 1)
            values = _with_limits(estimates[0][place, known], estimates[1][place, known], z)
            numbers = {"time": steps.time[known], "n_event": steps.n_event[place, known]}
            curves.append({"group": [group] * len(numbers["time"]), "cause": cause, **numbers, **values, MARK: ROUNDED})
            counted = {"n": steps.n, "events": steps.n_event[place].sum(), "time": numbers["time"][-1]}
            last = {name: values[name][-1] for name in ("incidence", "lower", "upper")}
            totals.append({"group": group, "cause": cause, **counted, **last, MARK: ROUNDED})
    _need_something(curves)
    table = _stacked(curves, ("n_event",))
    totals = _stacked([pd.DataFrame([row]) for row in totals], ("n", "events"))
    notes = (
        _how_cut(policy),
        "A cause that is not shown counts as still followed.",
        f"Incidence by the last time cut, with {100 * result.conf_level:g}% limits (log).",
        *unnamed(is_any_small, "Groups", policy),
        *unnamed(bool(rare), "Causes", policy),
        *_left_out(result.n_dropped, policy),
    )
    at_risk = pd.concat(risks, ignore_index=True)
    n = at_risk[at_risk["time"] == 0]["n_risk"].sum()
    tables = {"table": table, "at_risk": at_risk, "totals": totals}
    title = f"Cumulative incidence: about {n:,} patients"
    return SafeCumulativeIncidence("CumulativeIncidence", title, tables, notes, policy, {"time": 1})


def _how_cut(policy: Policy) -> str:
    least = policy.minimum_cell
    return (
        f"Sums of events and of those lost are told at the first round time by which they grew by {least}, if {least} "
        f"patients are ahead; curves and numbers at risk are computed from these sums, straight between. "
        f"{rule_in_words(policy)}"
    )


def _with_limits(curve: np.ndarray, std_err: np.ndarray, z: float) -> dict[str, np.ndarray]:
    """An incidence with its limits, symmetric on the log scale."""
    with np.errstate(divide="ignore", invalid="ignore"):
        width = np.exp(z * std_err / curve)
        lower, upper = (np.where(curve > 0, each, 0.0) for each in (curve / width, np.minimum(curve * width, 1)))
    return {"incidence": curve, "std_err": std_err, "lower": lower, "upper": upper}


def _groups(table: pd.DataFrame) -> Iterator[tuple]:
    return iter(table.groupby("group", sort=False, observed=True))


def _stacked(parts: list, counts: Sequence[str]) -> pd.DataFrame:
    """One table of all parts, its counts whole numbers or missing, the marks last."""
    table = pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True)
    for name in counts:
        table[name] = table[name].astype("Int64") if name in table else pd.NA
    return table[[*(name for name in table if name != MARK), MARK]]


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    return table[table[MARK] == ROUNDED]


def _need_something(curves: list[dict]) -> None:
    if not any(curve[MARK] == ROUNDED for curve in curves):
        raise DisclosureError(
            "no safe form: no group has enough events behind and patients ahead of any time; join groups, or show all "
            "patients together."
        )


def _left_out(n_dropped: int, policy: Policy) -> tuple[str, ...]:
    return (f"Left out for missing values: {in_words(n_dropped, policy)}.",)


def _between(times, known, values) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    return np.interp(times, np.asarray(known, dtype=float), values, left=np.nan, right=np.nan)


def _crossed(time: np.ndarray, curve: np.ndarray) -> float:
    """When a falling broken line comes down to one half; NaN where it does not."""
    known = np.isfinite(curve)
    if not (curve[known] <= 0.5).any():
        return np.nan
    return float(significant(np.interp(-0.5, -curve[known], time[known])))
