"""The safe forms of weighted trials, their estimates and their diagnostics."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from paillasse.disclosure.counts import NOT_SHOWN, in_words, rounded, suppressed
from paillasse.disclosure.estimates import as_a_mean, significant
from paillasse.disclosure.policy import Policy
from paillasse.disclosure.safe import MARK, ROUNDED, Safe, rule_in_words
from paillasse.errors import DisclosureError
from paillasse.survival._input import half_width
from paillasse.survival._safe_models import SafeHazardRatios
from paillasse.survival._safe_tables import left_out, need_full_cells
from paillasse.survival.kaplan_meier import limits
from paillasse.tables import View

if TYPE_CHECKING:
    from paillasse.effects.by_arm import WeightedIncidence, WeightedSurvival
    from paillasse.effects.diagnostics import Balance, EValue, NegativeControls
    from paillasse.effects.estimates import Contrast, MarginalHazardRatio
    from paillasse.effects.propensity import Propensity
    from paillasse.effects.sequential import SequentialTrials
    from paillasse.effects.target_trial import TargetTrial, TrialCheck
    from paillasse.effects.weights import WeightedTrial

RATIOS = ("coef", "hazard_ratio", "std_err", "fixed_std_err", "lower", "upper", "z")
FEW = f"{NOT_SHOWN}: too few patients"


@dataclass(frozen=True, repr=False)
class SafePropensity(Safe):
    """Propensity scores that may leave: `table` and `bins` as in Propensity, and `mark`."""

    @property
    def bins(self) -> pd.DataFrame:
        return self.tables["bins"]

    def figure(self, title: str = ""):
        """The scores of both arms, back to back, without the bins that are not shown."""
        from paillasse.figures import mirrored_histogram

        return self.captioned(mirrored_histogram(self.bins, "Propensity score", title))


@dataclass(frozen=True, repr=False)
class SafeContrast(Safe):
    """A contrast that may leave: `table` and `difference` as in Contrast, and `mark`."""

    @property
    def difference(self) -> pd.DataFrame:
        return self.tables["difference"]

    def view(self) -> View:
        line = self.difference.rename(columns={"contrast": "arm", "difference": "estimate"})
        table = pd.concat([self.table, line.drop(columns="fixed_std_err")], ignore_index=True)
        columns = ["arm", "estimate", "std_err", "lower", "upper", "p_value", MARK]
        return View(f"{self.title} (safe form)", table[columns], self.notes, self.decimals)


@dataclass(frozen=True, repr=False)
class SafeWeightedSurvival(Safe):
    """Weighted curves that may leave: `table` as in WeightedSurvival at round times, straight between them."""

    time_unit: str = ""

    def figure(self, title: str = ""):
        """The curves at the round times and the numbers at risk."""
        from paillasse.figures import survival_curves

        return self.captioned(survival_curves(self.table, self.time_unit, title, self.policy.rounding))


@dataclass(frozen=True, repr=False)
class SafeWeightedIncidence(Safe):
    """Weighted incidences that may leave: `table` as in WeightedIncidence at round times, straight between them."""

    cause: int = 1
    time_unit: str = ""

    def figure(self, title: str = ""):
        """The curves at the round times and the numbers at risk."""
        from paillasse.figures import cumulative_incidence_curves

        causes = {self.cause: f"cause {self.cause}"}
        drawn = cumulative_incidence_curves(self.table, self.table, causes, self.time_unit, title, self.policy.rounding)
        return self.captioned(drawn)


@dataclass(frozen=True, repr=False)
class SafeBalance(Safe):
    """Standardised differences that may leave: `table` as in Balance, and `mark`."""

    threshold: float = 0.1

    def figure(self, title: str = ""):
        """The Love plot of the covariates that are shown."""
        from paillasse.figures import love_plot

        return self.captioned(love_plot(self.table[self.table[MARK] == ROUNDED], self.threshold, title))


def safe_check(result: "TrialCheck", policy: Policy) -> Safe:
    """The checks: there is no number in them."""
    table = result.table.assign(**{MARK: "no number"})
    return Safe("TrialCheck", "The data against the target trial", {"table": table}, (), policy)


def safe_trial(result: "TargetTrial", policy: Policy) -> Safe:
    """The trial's own words."""
    table = result.table.assign(**{MARK: "no number"})
    return Safe("TargetTrial", "Target trial", {"table": table}, (result.adjusted,), policy)


def safe_e_value(result: "EValue", policy: Policy) -> Safe:
    """Three digits, as of the ratio that it is of; whether that may be told is known to the ratio alone."""
    from paillasse.effects.diagnostics import E_VALUE

    table = result.table.copy()
    for name in ("ratio", "risk_ratio", "e_value"):
        table[name] = significant(table[name])
    notes = (E_VALUE, "Three significant digits. It may leave where the ratio may that it was made from.")
    return Safe("EValue", "E-value", {"table": table.assign(**{MARK: ROUNDED})}, notes, policy, {"e_value": 2})


def safe_propensity(result: "Propensity", policy: Policy) -> SafePropensity:
    """Counts rounded, few hidden; no lowest or highest score."""
    exact = result.table
    need_full_cells(exact["n"], "an arm has patients,", policy)
    mean = [float(as_a_mean(value, rounded(n, policy), 1, policy)) for value, n in zip(exact["mean"], exact["n"])]
    table = pd.DataFrame({"arm": exact["arm"], "n": rounded(exact["n"], policy), "mean": mean})
    for name in ("low", "high", "alone"):
        hidden = [suppressed([count, n - count], policy)[0] for count, n in zip(exact[name], exact["n"])]
        table[name] = pd.Series(rounded(exact[name], policy)).mask(hidden).astype("Int64")
    table[MARK] = ROUNDED
    bins = []
    for _, part in result.bins.groupby("arm", sort=False):
        hidden = suppressed(part["n"], policy)
        n = pd.Series(rounded(part["n"], policy), index=part.index).mask(hidden).astype("Int64")
        bins.append(part.assign(n=n, **{MARK: np.where(hidden, FEW, ROUNDED)}))
    notes = (rule_in_words(policy), "An empty cell is a small count or none.", left_out(result.n_dropped, policy))
    tables = {"table": table, "bins": pd.concat(bins, ignore_index=True)}
    return SafePropensity("Propensity", "Propensity score", tables, notes, policy)


def safe_weighted(result: "WeightedTrial", policy: Policy) -> Safe:
    """Counts rounded, effective sizes with two digits; the largest weight is one patient's and stays."""
    exact = result.table
    need_full_cells(exact[["patients", "events"]], "an arm has patients or events,", policy)
    table = pd.DataFrame({"arm": exact["arm"]})
    for name in ("patients", "events"):
        table[name] = rounded(exact[name], policy)
    table["effective"], table["top_share"] = significant(exact["effective"], 2), significant(exact["top_share"], 2)
    few = exact["patients"] < 100 * policy.minimum_cell  # a hundredth of the patients is then few
    table["top_share"] = table["top_share"].mask(few & (policy.minimum_cell > 1))
    table[MARK] = ROUNDED
    notes = (
        f"Weights: {result.how}. {rule_in_words(policy)}",
        "Effective sample sizes have two digits; the share of the largest weights is shown where they are of enough "
        "patients.",
        left_out(result.n_dropped, policy),
    )
    return Safe("WeightedTrial", "Weighted trial", {"table": table}, notes, policy, {"effective": 0})


def safe_contrast(result: "Contrast", policy: Policy) -> SafeContrast:
    """The arms' estimates, each rounded by what a few patients could move it; the difference from these."""
    totals = result._totals
    need_full_cells([totals["n"], totals["events"], totals["n"] - totals["events"]], _CELLS, policy)
    z, values = half_width(result.conf_level), []
    for value, effective in zip(result.table["estimate"], totals["effective"]):
        told = max(rounded(effective, policy), policy.rounding)
        values.append(float(as_a_mean(value, told, result._span, policy)))
    errors = significant(result.table["std_err"], 2)
    table = pd.DataFrame({"arm": result.table["arm"], "estimate": values, "std_err": errors})
    table["lower"], table["upper"] = table["estimate"] - z * errors, table["estimate"] + z * errors
    exact = result.difference.iloc[0]
    value = float(significant(values[1] - values[0], 6))
    error, fixed = (float(significant(exact[name], 2)) for name in ("std_err", "fixed_std_err"))
    line = {"contrast": exact["contrast"], "difference": value, "std_err": error, "fixed_std_err": fixed}
    line |= {"lower": value - z * error, "upper": value + z * error, "p_value": significant(exact["p_value"], 2)}
    notes = (
        f"{result.how[:1].upper()}{result.how[1:]}. Each estimate is rounded to what {policy.rounding} patients could "
        f"move it by, given the effective sample size; errors have two digits. {rule_in_words(policy)}",
        left_out(result.n_dropped, policy),
    )
    tables = {"table": table.assign(**{MARK: ROUNDED}), "difference": pd.DataFrame([line]).assign(**{MARK: ROUNDED})}
    return SafeContrast("Contrast", result.measure, tables, notes, policy)


def safe_hazard_ratio(result: "MarginalHazardRatio", policy: Policy) -> SafeHazardRatios:
    """The ratio with three digits, where each arm has enough patients with and without the event."""
    totals = result._totals
    need_full_cells([totals["n"], totals["events"], totals["n"] - totals["events"]], _CELLS, policy)
    table = result.table.copy()
    for name in RATIOS:
        table[name] = significant(table[name])
    table["p_value"] = significant(table["p_value"], 2)
    notes = (_ratio_note(result.how, result.conf_level, policy), left_out(result.n_dropped, policy))
    tables = {"table": table.assign(**{MARK: ROUNDED})}
    title = f"Marginal hazard ratio: {in_words(int(totals['n'].sum()), policy)} patients"
    shown = {"conf_level": result.conf_level, "label": "contrast"}
    return SafeHazardRatios("MarginalHazardRatio", title, tables, notes, policy, {}, **shown)


def safe_controls(result: "NegativeControls", policy: Policy) -> SafeHazardRatios:
    """The ratios of the outcomes of which each arm has enough patients with and without."""
    table = result.table.copy()
    few = np.array([_has_few(totals, policy) for totals in result._totals])
    if few.all():
        raise DisclosureError(f"no safe form: of each outcome an arm has fewer than {policy.minimum_cell} events.")
    for name in ("hazard_ratio", "std_err", "lower", "upper"):
        table[name] = np.where(few, np.nan, significant(table[name]))
    table["p_value"] = np.where(few, np.nan, significant(table["p_value"], 2))
    table[MARK] = np.where(few, f"{NOT_SHOWN}: too few patients or events in an arm", ROUNDED)
    notes = (_ratio_note(result.how, result.conf_level, policy),)
    title = "Negative-control outcomes"
    shown = {"conf_level": result.conf_level, "label": "outcome"}
    return SafeHazardRatios("NegativeControls", title, {"table": table}, notes, policy, {}, **shown)


def safe_survival(result: "WeightedSurvival", policy: Policy) -> SafeWeightedSurvival:
    """The curves at round times between which enough have the event and after which enough are at risk."""
    table, notes = _safe_curves(result, "survival", 1.0, policy)
    tables, unit = {"table": table}, result.trial.time_unit
    return SafeWeightedSurvival("WeightedSurvival", "Survival by arm", tables, notes, policy, {"time": 1}, unit)


def safe_incidence(result: "WeightedIncidence", policy: Policy) -> SafeWeightedIncidence:
    """As the curves of survival; who has another cause's event is lost to this one."""
    table, notes = _safe_curves(result, "incidence", 0.0, policy)
    table.insert(1, "cause", result.cause)
    title, own = "Cumulative incidence by arm", (result.cause, result.trial.time_unit)
    return SafeWeightedIncidence("WeightedIncidence", title, {"table": table}, notes, policy, {"time": 1}, *own)


def _safe_curves(
    result: "WeightedSurvival | WeightedIncidence", name: str, start: float, policy: Policy
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    parts, z = [], half_width(result.conf_level)
    for group, curve in result._round.groupby("group", sort=False):
        n, effective = int(curve["patients"].iloc[0]), curve["effective"].iloc[0]
        if n < policy.minimum_cell:
            raise DisclosureError(f"no safe form: an arm has fewer than {policy.minimum_cell} patients.")
        shown, last, gone, least = [], 0, 0, policy.minimum_cell
        for place, (events, lost, n_risk) in enumerate(zip(curve["events"], curve["lost"], curve["n_risk"])):
            few_lost = 0 < lost - gone < least  # who counts may subtract
            if events - last >= least and n_risk >= least and not few_lost:
                shown.append(place)
                last, gone = events, lost
        told = curve.iloc[shown]
        size = max(rounded(effective, policy), policy.rounding)
        value = np.append(start, as_a_mean(told[name], size, 1, policy))
        error = np.append(0.0, significant(told["std_err"], 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            lower, upper = limits(value, error / value, "log", z)
        lower[0] = upper[0] = start
        n_risk = rounded(np.append(n, told["n_risk"]), policy)
        columns = {"group": group, "time": np.append(0.0, told["time"]), "n_risk": n_risk, name: value}
        parts.append(pd.DataFrame(columns | {"std_err": error, "lower": lower, "upper": upper, MARK: ROUNDED}))
    table = pd.concat(parts, ignore_index=True)
    if not (table["time"] > 0).any():
        raise DisclosureError("no safe form: no arm has enough events before and patients after any time.")
    notes = (
        f"{result.how[:1].upper()}{result.how[1:]}. Told at round times with {policy.minimum_cell} events since the "
        f"one before, nobody lost or as many, and as many at risk; rounded to what {policy.rounding} patients could "
        f"move it by, given the effective sample size. {rule_in_words(policy)}",
        left_out(result.n_dropped, policy),
    )
    return table, notes


def safe_sequential(result: "SequentialTrials", policy: Policy) -> Safe:
    """The counts, rounded or hidden."""
    exact = result.table
    need_full_cells(exact["patients"], "an arm has patients,", policy)
    table = pd.DataFrame({"arm": exact["arm"]})
    for name in ("rows", "patients", "events", "left_arm"):
        hidden = (exact[name] < policy.minimum_cell) & (policy.minimum_cell > 1)
        table[name] = pd.Series(rounded(exact[name], policy)).mask(hidden).astype("Int64")
    notes = (rule_in_words(policy), "An empty cell is a small count or none.", left_out(result.n_dropped, policy))
    return Safe("SequentialTrials", "Sequential trials", {"table": table.assign(**{MARK: ROUNDED})}, notes, policy)


def safe_balance(result: "Balance", policy: Policy) -> SafeBalance:
    """The differences, rounded; of a covariate of two values only where each arm has enough patients of both."""
    from paillasse.effects.diagnostics import BALANCED

    need_full_cells(result._n, "an arm has patients,", policy)
    few = (result._smallest < policy.minimum_cell) & (policy.minimum_cell > 1)
    table = result.table.copy()
    for name in ("before", "after"):
        table[name] = np.where(few, np.nan, as_a_mean(table[name], rounded(result._n, policy), 1, policy))
    table[MARK] = np.where(few, FEW, ROUNDED)
    table = table[~few].reset_index(drop=True)  # that a level occurs tells of somebody
    if not len(table):
        raise DisclosureError("no safe form: each covariate has a level of too few patients in an arm.")
    notes = (
        f"{result.how[:1].upper()}{result.how[1:]}. Rounded to what {policy.rounding} patients could move them by. "
        f"{rule_in_words(policy)}",
        *(("Covariates of which an arm has few patients at a level are left out.",) if few.any() else ()),
    )
    return SafeBalance("Balance", "Standardised differences", {"table": table}, notes, policy, {}, BALANCED)


_CELLS = "in an arm, patients with or without the event are"


def _has_few(totals: pd.DataFrame, policy: Policy) -> bool:
    cells = np.array([totals["n"], totals["events"], totals["n"] - totals["events"]])
    return policy.minimum_cell > 1 and bool((cells < policy.minimum_cell).any())


def _ratio_note(how: str, conf_level: float, policy: Policy) -> str:
    first = f"{how[:1].upper()}{how[1:]}. Estimates have three significant digits; limits of {100 * conf_level:g}%."
    return f"{first} {rule_in_words(policy)}"
