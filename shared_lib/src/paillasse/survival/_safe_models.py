"""The safe forms of models: terms that rest on enough patients and events, estimates with three digits."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from paillasse.disclosure.counts import NOT_SHOWN, in_words, is_found, rounded, suppressed
from paillasse.disclosure.estimates import as_a_mean, significant
from paillasse.disclosure.models import FEW_PATIENTS, need_freedom, rests_on_few
from paillasse.disclosure.policy import Policy
from paillasse.disclosure.safe import MARK, ROUNDED, Safe, rule_in_words, unnamed
from paillasse.errors import DisclosureError
from paillasse.survival._safe_tables import left_out, need_full_cells
from paillasse.survival.subgroups import drawn

if TYPE_CHECKING:
    from paillasse.survival._design import Design
    from paillasse.survival.cox import CoxModel
    from paillasse.survival.fine_gray import FineGrayModel
    from paillasse.survival.subgroups import SubgroupEffects

ESTIMATES = ("coef", "hazard_ratio", "std_err", "naive_std_err", "lower", "upper", "z")


@dataclass(frozen=True, repr=False)
class SafeHazardRatios(Safe):
    """Hazard ratios of a model that may leave; `table` as the model's, and `mark`."""

    axis: str = "Hazard ratio (log scale)"
    conf_level: float = 0.95
    label: str = "term"  # the column that names the rows

    def figure(self, title: str = ""):
        """The hazard ratios that are shown, as a forest plot."""
        from paillasse.figures import forest

        shown = self.table[self.table[MARK] == ROUNDED].reset_index(drop=True)
        return self.captioned(forest(shown, self.label, title=title, axis=self.axis, conf_level=self.conf_level))


@dataclass(frozen=True, repr=False)
class SafeSubgroupEffects(Safe):
    """Hazard ratios in subgroups that may leave; `table` as SubgroupEffects', and `mark`."""

    conf_level: float = 0.95

    def figure(self, title: str = "", axis: str = "Hazard ratio (log scale)"):
        """The hazard ratios that are shown, as a forest plot."""
        shown = self.table[self.table["hazard_ratio"].notna()]
        return self.captioned(drawn(shown, title, axis, self.conf_level))


def safe_cox(result: "CoxModel", policy: Policy) -> SafeHazardRatios:
    """The table of a Cox model; its concordance as a note."""
    fit = result._fit
    table = _table(result.table, fit.design, fit.kept, fit.x, fit.outcome.event, fit.outcome.cluster, policy)
    n = rounded(result.n, policy)
    value = float(as_a_mean(result.concordance, n, 1, policy))
    notes = _notes(result.conf_level, policy, result.n_dropped)
    notes = (*notes, f"Concordance {value:g}, rounded to what {policy.rounding} patients could move it by.")
    title = f"Cox model ({result.ties.capitalize()} ties): about {n:,} patients, "
    title += f"{in_words(result.n_events, policy)} events"
    axis = "Hazard ratio (log scale)"
    return SafeHazardRatios("CoxModel", title, {"table": table}, notes, policy, {}, axis, result.conf_level)


def safe_fine_gray(result: "FineGrayModel", policy: Policy) -> SafeHazardRatios:
    """The table of a Fine-Gray model."""
    fit = result._fit
    table = _table(result.table, fit.design, fit.kept, fit.x, fit.event, None, policy)
    title = f"Fine-Gray model of cause {result.cause} ({result.ties.capitalize()} ties): "
    title += f"{in_words(result.n, policy)} patients, {in_words(result.n_events, policy)} events, "
    title += f"{in_words(result.n_competing, policy)} competing events"
    notes = _notes(result.conf_level, policy, result.n_dropped)
    axis = "Subdistribution hazard ratio (log scale)"
    return SafeHazardRatios("FineGrayModel", title, {"table": table}, notes, policy, {}, axis, result.conf_level)


def _table(exact: pd.DataFrame, design: "Design", kept, x, event, cluster, policy: Policy) -> pd.DataFrame:
    """The rows of the coefficients, without those that tell of few patients."""
    if cluster is not None:  # several rows a patient: who has an event in one of them counts once
        first = pd.Series(cluster).where(event).drop_duplicates().dropna().index
        patients, events = len(np.unique(cluster)), np.zeros(len(event), bool)
        events[first] = True
    else:
        patients, events = len(x), event
    need_full_cells([patients, events.sum()], "patients or events are", policy)
    need_freedom(int(events.sum()), int(kept.sum()), policy)
    reasons = dict.fromkeys(range(len(design.names)), "")
    place = np.cumsum(kept) - 1
    for columns in design.terms.values():
        estimated = [column for column in columns if kept[column]]
        for column in estimated:
            reasons[column] = rests_on_few(x[:, place[column]], events, policy)
        if len(estimated) > 1 and (few := _reference_is_small(x[:, place[estimated]], events, policy)):
            told = f"the level it is compared with has {few}"
            reasons |= {column: reasons[column] or told for column in estimated}
    table = exact.copy()
    for name in ESTIMATES:
        table[name] = significant(table[name])
    table["p_value"] = significant(table["p_value"], 2)
    mark = [f"{NOT_SHOWN}: {reason}" if reason else ROUNDED for reason in reasons.values()]
    table[MARK] = np.where(np.asarray(kept), mark, "no estimate")
    table.loc[table[MARK] != ROUNDED, [*ESTIMATES, "p_value"]] = np.nan
    if not (table[MARK] == ROUNDED).any():
        raise DisclosureError(
            f"no safe form: each term rests on fewer than {policy.minimum_cell} patients or events; join categories."
        )
    named = table[MARK] != f"{NOT_SHOWN}: {FEW_PATIENTS}"  # that a level occurs at all tells of somebody
    return table[named].reset_index(drop=True)


def _reference_is_small(x: np.ndarray, event: np.ndarray, policy: Policy) -> str:
    """Why a factor's reference level, where all its columns have their lower value, tells of few patients."""
    if any(len(np.unique(column)) != 2 for column in x.T):
        return ""  # no factor: a spline, an interaction with a number
    reference = (x == x.min(axis=0)).all(axis=1)
    if not reference.any():
        return ""
    return rests_on_few(reference.astype(float), event, policy)


def _notes(conf_level: float, policy: Policy, n_dropped: int) -> tuple[str, ...]:
    few = (
        f"A coefficient is shown where its level and the reference each have at least {policy.minimum_cell} patients "
        "and events; levels with fewer patients are left out, their names too."
    )
    limits = f"lower and upper: {100 * conf_level:g}% limits of the hazard ratio."
    first = f"Estimates have three significant digits. {rule_in_words(policy)}"
    return (first, few, limits, left_out(n_dropped, policy))


def safe_subgroups(result: "SubgroupEffects", policy: Policy) -> SafeSubgroupEffects:
    """The effects in levels that have enough patients and events in both arms, and cannot be found by subtraction."""
    exact, least = result.table, policy.minimum_cell
    table = exact.copy()
    hidden = np.zeros(len(table), bool)
    need_full_cells(exact.loc[:0, ["n", "events"]], "patients or events of all together are", policy)
    for name in exact["subgroup"].iloc[1:].unique():
        rows = np.flatnonzero(exact["subgroup"] == name)
        unseen = result.n_missing.get(name, 0)
        for count in ("n", "events"):
            cells = exact[count].iloc[rows].to_numpy()
            if count == "n" and unseen and is_found(exact["n"].iloc[0], cells, policy):
                cells = np.append(cells, unseen)
            hidden[rows] |= suppressed(cells, policy)[: len(rows)]
    small_arm = ((result._arms["n"] < least) | (result._arms["events"] < least)).to_numpy() & (least > 1)
    for name in ("n", "events"):
        table[name] = pd.Series(rounded(exact[name], policy)).mask(hidden).astype("Int64")
    for name in ("hazard_ratio", "lower", "upper"):
        table[name] = np.where(hidden | small_arm, np.nan, significant(exact[name]))
    mark = np.where(small_arm, f"ratio {NOT_SHOWN}: an arm has fewer than {least} patients or events", ROUNDED)
    table[MARK] = np.where(hidden, f"{NOT_SHOWN}: too few patients or events, or found by subtraction", mark)
    small = (exact["n"] < least).to_numpy() & (least > 1)
    table = table[~small]
    tested = pd.Series(significant(exact["p_interaction"], 2)).groupby(exact["subgroup"]).first()
    is_first = ~table["subgroup"].duplicated()
    table["p_interaction"] = table["subgroup"].map(tested).where(is_first)
    table = table.reset_index(drop=True)
    notes = (
        f"Estimates have three significant digits. {rule_in_words(policy)}",
        "p interaction: likelihood ratio test that the effect is the same at all levels.",
        *(f"Without a value of {name}: {in_words(count, policy)}." for name, count in result.n_missing.items()),
        *unnamed(bool(small.any()), "Levels", policy),
    )
    title = f"Effect of {result.treatment} in subgroups (hazard ratio)"
    return SafeSubgroupEffects("SubgroupEffects", title, {"table": table}, notes, policy, {}, result.conf_level)
