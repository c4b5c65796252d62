"""The safe forms of many combinations, of their ranking, of specification curves and of synergy."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from paillasse.disclosure.counts import NOT_SHOWN, in_words, rounded
from paillasse.disclosure.estimates import as_a_mean, significant
from paillasse.disclosure.policy import Policy
from paillasse.disclosure.safe import MARK, ROUNDED, Safe, rule_in_words, unnamed
from paillasse.errors import DisclosureError
from paillasse.survival._input import half_width
from paillasse.survival._safe_tables import left_out

if TYPE_CHECKING:
    from paillasse.effects.combinations import CombinationEffects
    from paillasse.effects.ranking import Ranking
    from paillasse.effects.specifications import SpecificationCurve
    from paillasse.effects.synergy import Synergy

FEW_TOXICITIES = f"{ROUNDED}; toxicity {NOT_SHOWN}: too few with or without"


@dataclass(frozen=True, repr=False)
class SafeCombinationEffects(Safe):
    """Effects of combinations that may leave: `table` as in CombinationEffects, and `mark`."""

    horizon: float = 24
    conf_level: float = 0.95

    def figure(self, title: str = ""):
        """Each partner's difference that is shown, by class."""
        from paillasse.figures import effects_by_class

        axis = f"Months gained within {self.horizon:g}"
        return self.captioned(effects_by_class(self.table, title, axis, self.conf_level))


@dataclass(frozen=True, repr=False)
class SafeRanking(Safe):
    """A ranking that may leave: `table` and `effects` as in Ranking, and `mark`."""

    best: int = 10
    conf_level: float = 0.95

    @property
    def effects(self) -> pd.DataFrame:
        return self.tables["effects"]

    def figure(self, title: str = ""):
        """The probability of being among the best of the partners that are shown."""
        from paillasse.figures import probabilities_best

        return self.captioned(probabilities_best(self.table, title, self.best))

    def figure_utility(self, penalty: float | None = None, title: str = ""):
        """The utilities that are shown, at one penalty."""
        from paillasse.effects.ranking import at_penalty
        from paillasse.figures import utilities

        return self.captioned(utilities(at_penalty(self.table, penalty), title, self.conf_level))


@dataclass(frozen=True, repr=False)
class SafeSpecifications(Safe):
    """A specification curve that may leave: `table` and `by_choice` as in SpecificationCurve, and `mark`."""

    choices: tuple[str, ...] = ()
    axis: str = ""

    @property
    def by_choice(self) -> pd.DataFrame:
        return self.tables["by_choice"]

    def figure(self, title: str = ""):
        """The estimates in rising order, and the choices of each below it."""
        from paillasse.figures import specification_curve

        drawn = specification_curve(self.table, list(self.choices), "estimate", "lower", "upper", self.axis, title)
        return self.captioned(drawn)


def safe_effects(result: "CombinationEffects", policy: Policy) -> SafeCombinationEffects:
    """Partners with enough starters who died and who did not; toxicities where enough had one and enough had none."""
    exact = result.table[_shown(result.table, "deaths", policy)].reset_index(drop=True)
    if not len(exact):
        raise DisclosureError(
            f"no safe form: no partner has {policy.minimum_cell} starters who died within the horizon and as many who "
            "did not; join partners to classes."
        )
    z = half_width(result.conf_level)
    hidden = ~_shown(exact, "toxicities", policy)
    n = rounded(exact["n"], policy)
    table = exact[["partner", "partner_class"]].assign(n=n, deaths=rounded(exact["deaths"], policy))
    table["toxicities"] = pd.Series(rounded(exact["toxicities"], policy)).mask(hidden).astype("Int64")
    for name, span in (("rmst", result.horizon), ("toxicity", 1.0)):
        for arm in (f"{name}_started", f"{name}_alone"):
            table[arm] = [float(as_a_mean(value, each, span, policy)) for value, each in zip(exact[arm], n)]
        # The difference of the told arms; more digits would tell an arm's own.
        value = significant(table[f"{name}_started"] - table[f"{name}_alone"], 6)
        error = significant(exact[f"delta_{name}_std_err"], 2)
        table[f"delta_{name}"], table[f"delta_{name}_std_err"] = value, error
        table[f"delta_{name}_lower"], table[f"delta_{name}_upper"] = value - z * error, value + z * error
    toxic = [column for column in table if "toxicity" in column]
    table.loc[hidden, toxic] = np.nan
    table[MARK] = np.where(hidden, FEW_TOXICITIES, ROUNDED)
    lost = result.not_estimable
    lost = lost[lost["n"] >= policy.minimum_cell].reset_index(drop=True)
    lost = lost.assign(n=rounded(lost["n"], policy), **{MARK: ROUNDED})
    tables = {"table": table, "not_estimable": lost}
    balance = result.balance.set_index("partner").loc[exact["partner"]].reset_index()
    for name in ("largest_before", "largest_after", "effective_n"):
        balance[name] = significant(balance[name], 2)
    tables["balance"] = balance.assign(**{MARK: ROUNDED})
    any_hidden = len(exact) + len(lost) < len(result.table) + len(result.not_estimable)
    notes = (
        f"Each arm's mean is rounded to what {policy.rounding} of the partner's starters could move it by; differences "
        f"and limits are of these, errors have two digits. {rule_in_words(policy)}",
        left_out(result.n_dropped, policy),
        *unnamed(any_hidden, "Partners", policy),
    )
    title = f"{len(exact)} partners beside the backbone, {in_words(result.n, policy)} patients"
    decimals = {"rmst_started": 2, "rmst_alone": 2}
    return SafeCombinationEffects(
        "CombinationEffects", title, tables, notes, policy, decimals, result.horizon, result.conf_level
    )


def safe_ranking(result: "Ranking", policy: Policy) -> SafeRanking:
    """Partners whose effects may be shown; with a penalty, those with enough toxicities; all with two decimals."""
    source = result.source.table.set_index("partner")
    alive = source.index[_shown(source, "deaths", policy)]
    both = source.index[_shown(source, "deaths", policy) & _shown(source, "toxicities", policy)]
    if not len(alive):
        raise DisclosureError(
            f"no safe form: no partner has {policy.minimum_cell} starters who died within the horizon and as many who "
            "did not; join partners to classes."
        )
    table = result.table
    table = table[table["partner"].isin(both) | (table["partner"].isin(alive) & (table["penalty"] == 0))].copy()
    for name in ("utility", "lower", "upper", "probability_best", "false_sign", "q_value"):
        table[name] = table[name].round(2)
    effects = result.effects[result.effects["partner"].isin(alive)].copy()
    few = ~effects["partner"].isin(both)
    for name in effects.columns[2:]:
        effects[name] = effects[name].round(2)
        if "toxicity" in name:
            effects.loc[few, name] = np.nan
    effects[MARK] = np.where(few, FEW_TOXICITIES, ROUNDED)
    spread = result.spread.copy()
    for name in ("between_classes", "within_classes"):
        spread[name] = significant(spread[name], 2)
    tables = {
        "table": table.assign(**{MARK: ROUNDED}).reset_index(drop=True),
        "effects": effects.reset_index(drop=True),
        "spread": spread.assign(**{MARK: ROUNDED}),
    }
    notes = (
        f"Utilities, effects and probabilities have two decimals. {rule_in_words(policy)}",
        "With a penalty, partners with few toxicities are not shown.",
        *unnamed(len(alive) < len(source), "Partners", policy),
    )
    decimals = dict.fromkeys(("utility", "lower", "upper", "probability_best", "false_sign", "q_value"), 2)
    title = f"Benefit and risk of {len(alive)} partners"
    return SafeRanking("Ranking", title, tables, notes, policy, decimals, result.best, result.conf_level)


def safe_specifications(result: "SpecificationCurve", policy: Policy) -> SafeSpecifications:
    """Estimates with two digits: many of nearly the same patients must not tell them apart."""
    table, by_choice = result.table.copy(), result.by_choice.copy()
    for name in ("estimate", "lower", "upper"):
        table[name] = significant(table[name], 2)
    for name in ("median", "least", "most"):
        by_choice[name] = significant(by_choice[name], 2)
    tables = {"table": table.assign(**{MARK: ROUNDED}), "by_choice": by_choice.assign(**{MARK: ROUNDED})}
    notes = (f"Estimates have two significant digits. {rule_in_words(policy)}",)
    title = f"{len(table)} specifications"
    return SafeSpecifications("SpecificationCurve", title, tables, notes, policy, {}, result.choices, result.axis)


def safe_synergy(result: "Synergy", policy: Policy) -> Safe:
    """Partners of which enough patients died and did not, together and alone; two digits."""
    least, exact = policy.minimum_cell, result.table
    survivors = exact["n_alone"] - exact["deaths_alone"]
    shown = (exact[["n", "n_alone", "deaths_alone"]] >= least).all(axis=1) & (survivors >= least)
    if not shown.any():
        raise DisclosureError(f"no safe form: no partner has {least} patients alone who died and as many who did not.")
    table = exact[shown].reset_index(drop=True)
    for name in ("n", "n_alone", "deaths_alone"):
        table[name] = rounded(table[name], policy)
    for name in ("versus_backbone", "versus_partner", "excess", "lower", "upper", "p_value"):
        table[name] = significant(table[name], 2)
    notes = (
        f"Months have two significant digits. {rule_in_words(policy)}",
        *unnamed(not shown.all(), "Partners", policy),
    )
    return Safe(
        "Synergy", "Combinations against their better part", {"table": table.assign(**{MARK: ROUNDED})}, notes, policy
    )


def _shown(table: pd.DataFrame, events: str, policy: Policy) -> pd.Series:
    """Whether enough starters had the event and enough had not."""
    least = policy.minimum_cell
    return (table["n"] >= least) & (table[events] >= least) & (table["n"] - table[events] >= least)
