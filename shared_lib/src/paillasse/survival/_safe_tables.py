"""The safe forms of tests, restricted means and measures of prediction."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from paillasse.disclosure.counts import NOT_SHOWN, in_words, rounded
from paillasse.disclosure.estimates import as_a_mean, significant
from paillasse.disclosure.policy import Policy
from paillasse.disclosure.safe import MARK, ROUNDED, Safe, rule_in_words, unnamed
from paillasse.errors import DisclosureError
from paillasse.survival._input import half_width

if TYPE_CHECKING:
    from paillasse.survival.brier import Brier
    from paillasse.survival.concordance import Concordance
    from paillasse.survival.gray import GrayTest
    from paillasse.survival.logrank import LogRank
    from paillasse.survival.rmst import RestrictedMean
    from paillasse.survival.time_dependent_auc import TimeDependentAUC

TESTED = "Statistic with three significant digits, its p-value from that."
FEW = f"{NOT_SHOWN}: too few patients or events"


@dataclass(frozen=True, repr=False)
class SafeRestrictedMean(Safe):
    """Restricted mean survival times that may leave: `table`, `difference`, `ratio` as in RestrictedMean."""

    @property
    def difference(self) -> pd.DataFrame:
        return self.tables["difference"]

    @property
    def ratio(self) -> pd.DataFrame:
        return self.tables["ratio"]


def need_full_cells(counts, what: str, policy: Policy) -> None:
    """Refuse a result that rests on fewer than the minimum somewhere."""
    if policy.minimum_cell > 1 and (np.asarray(counts) < policy.minimum_cell).any():
        raise DisclosureError(f"no safe form: {what} fewer than {policy.minimum_cell}; join groups, or leave it out.")


def left_out(n_dropped: int, policy: Policy) -> str:
    return f"Left out for missing values: {in_words(n_dropped, policy)}."


def safe_logrank(result: "LogRank", policy: Policy) -> Safe:
    """The test, where each group has enough patients and events."""
    need_full_cells(result.table[["n", "observed"]], "a group has patients or (weighted) events,", policy)
    statistic, p = _of_test(result.statistic, result.df)
    numbers = {name: rounded(result.table[name], policy) for name in ("n", "observed", "expected")}
    table = pd.DataFrame({"group": result.table["group"], **numbers, MARK: ROUNDED})
    test = pd.DataFrame({"statistic": [statistic], "df": result.df, "p_value": p})
    name = "Log-rank test" if result.rho == 0 else f"Fleming-Harrington test (ρ = {result.rho:g})"
    title = f"{name}: χ² = {statistic:g} on {result.df} df, p = {p:g}"
    notes = (rule_in_words(policy), TESTED, left_out(result.n_dropped, policy))
    return Safe("LogRank", title, {"table": table, "test": test}, notes, policy)


def safe_gray(result: "GrayTest", policy: Policy) -> Safe:
    """The tests of the causes of which each group has enough events."""
    need_full_cells(result.totals["n"], "a group has patients,", policy)
    rows = []
    for row in result.table.itertuples(index=False):
        events = result.totals.loc[result.totals["cause"] == row.cause, "events"]
        if policy.minimum_cell > 1 and (events < policy.minimum_cell).any():
            rows.append([row.cause, np.nan, row.df, np.nan, FEW])
        else:
            rows.append([row.cause, *_of_test(row.statistic, row.df, between=row.df), ROUNDED])
    table = pd.DataFrame(rows, columns=["cause", "statistic", "df", "p_value", MARK])
    if not (table[MARK] == ROUNDED).any():
        raise DisclosureError(
            f"no safe form: for each cause a group has fewer than {policy.minimum_cell} events; join groups."
        )
    notes = (rule_in_words(policy), TESTED, left_out(result.n_dropped, policy))
    return Safe("GrayTest", f"Gray's test: {in_words(result.n, policy)} patients", {"table": table}, notes, policy)


def _of_test(statistic: float, df: int, between: int | None = None) -> tuple:
    told = float(significant(statistic))
    p = float(significant(chdtrc(df, told), 2))
    return (told, p) if between is None else (told, between, p)


def safe_rmst(result: "RestrictedMean", policy: Policy) -> SafeRestrictedMean:
    """The means, each rounded by what a few patients could move it; differences and ratios from these."""
    from paillasse.survival.rmst import difference, ratio

    z, rows = half_width(result.conf_level), []
    for row, counted in zip(result.table.itertuples(), result._totals.itertuples()):
        if counted.n < policy.minimum_cell:
            continue
        if counted.events < policy.minimum_cell:
            rows.append([row.group, np.nan, np.nan, np.nan, np.nan, FEW])
            continue
        n = rounded(counted.n, policy)
        mean, error = float(as_a_mean(row.rmst, n, result.tau, policy)), float(significant(row.std_err, 2))
        rows.append([row.group, mean, error, mean - z * error, mean + z * error, ROUNDED])
    table = pd.DataFrame(rows, columns=["group", "rmst", "std_err", "lower", "upper", MARK])
    shown = table[table[MARK] == ROUNDED]
    if not len(shown):
        raise DisclosureError(
            f"no safe form: no group has {policy.minimum_cell} patients and events up to tau; join groups."
        )
    notes = (
        f"Each mean is rounded to what {policy.rounding} patients could move it by; errors have two digits, limits, "
        "differences and ratios are computed from these. " + rule_in_words(policy),
        left_out(result.n_dropped, policy),
        *unnamed(len(rows) < len(result.table), "Groups", policy),
    )
    tables = {"table": table, "difference": difference(shown, z), "ratio": ratio(shown, z)}
    title = f"Restricted mean survival time up to {result.tau:g}"
    return SafeRestrictedMean("RestrictedMean", title, tables, notes, policy)


def safe_concordance(result: "Concordance", policy: Policy) -> Safe:
    """The index, rounded by what a few patients could move it, and the pairs with two digits."""
    cells = [result.n_events, result.n - result.n_events]
    need_full_cells(cells, "patients with or without event are", policy)
    n = rounded(result.n, policy)
    value, error = float(as_a_mean(result.value, n, 1, policy)), float(significant(result.std_err, 2))
    width = half_width(result.conf_level) * error
    table = {"concordance": [value], "std_err": error, "lower": max(value - width, 0), "upper": min(value + width, 1)}
    pairs = {name: significant([getattr(result, name)], 2) for name in ("concordant", "discordant", "tied_risk")}
    notes = (_of_mean(policy), "Pairs have two significant digits.", left_out(result.n_dropped, policy))
    until = "" if result.tau is None else f", events up to {result.tau:g}"
    title = f"{result.method.capitalize()}'s concordance{until}: about {n:,} rows, "
    title += f"{in_words(result.n_events, policy)} events"
    tables = {"table": pd.DataFrame({**table, MARK: ROUNDED}), "pairs": pd.DataFrame(pairs)}
    return Safe("Concordance", title, tables, notes, policy)


def safe_auc(result: "TimeDependentAUC", policy: Policy) -> Safe:
    """The areas at times with enough cases since the time before and enough controls beyond."""
    table = _at_times(result.table, result.table, ["auc"], result.n, policy)
    counts = {
        name: pd.Series(rounded(result.table[name], policy)).where(table[MARK] == ROUNDED).astype("Int64")
        for name in ("n_cases", "n_controls")
    }
    table = pd.concat([table[["time", "auc"]], pd.DataFrame(counts), table[[MARK]]], axis=1)
    notes = (_of_mean(policy), _times_shown(policy), left_out(result.n_dropped, policy))
    title = f"Time-dependent AUC: {in_words(result.n, policy)} patients"
    return Safe("TimeDependentAUC", title, {"table": table}, notes, policy, {"time": 1, "n_cases": 0, "n_controls": 0})


def safe_brier(result: "Brier", policy: Policy) -> Safe:
    """The scores at times with enough events since the time before and enough patients beyond."""
    table = _at_times(result.table, result._seen, ["brier", "null_brier"], result.n, policy)
    notes = (_of_mean(policy), _times_shown(policy), left_out(result.n_dropped, policy))
    title = f"Brier score: {in_words(result.n, policy)} patients"
    return Safe("Brier", title, {"table": table}, notes, policy, {"time": 1})


def _at_times(table, seen, names: list[str], n: int, policy: Policy) -> pd.DataFrame:
    """Measures at times that lie at least the minimum of events apart; the others are marked."""
    told, last, shown = rounded(n, policy), 0, []
    for cases, controls in zip(seen["n_cases"], seen["n_controls"]):
        shown.append(cases - last >= policy.minimum_cell and controls >= policy.minimum_cell)
        last = cases if shown[-1] else last
    if not any(shown):
        raise DisclosureError(
            f"no safe form: at no time are there {policy.minimum_cell} events before and as many patients after it."
        )
    measures = {name: np.where(shown, as_a_mean(table[name], told, 1, policy), np.nan) for name in names}
    mark = np.where(shown, ROUNDED, f"{NOT_SHOWN}: too few events since the time before")
    return pd.DataFrame({"time": table["time"], **measures, MARK: mark})


def _of_mean(policy: Policy) -> str:
    return f"Rounded to what {policy.rounding} patients could move it by. {rule_in_words(policy)}"


def _times_shown(policy: Policy) -> str:
    return f"A time is shown where {policy.minimum_cell} events lie between it and the one shown before."
