"""The safe form of the analysis table: how many patients each partner has."""

from typing import TYPE_CHECKING

import numpy as np

from paillasse.disclosure.counts import NOT_SHOWN, rounded, suppressed
from paillasse.disclosure.policy import Policy
from paillasse.disclosure.safe import MARK, ROUNDED, Safe, rule_in_words, unnamed
from paillasse.errors import DisclosureError

if TYPE_CHECKING:
    from paillasse.effects.analysis_table import AnalysisTable

DECIMALS = {"deaths": 0, "toxicities": 0}


def safe_analysis_table(result: "AnalysisTable", policy: Policy) -> Safe:
    """The partners with enough patients, and their deaths and toxicities where neither these nor the others are few."""
    least = policy.minimum_cell
    is_shown = result.table["n"] >= least
    table = result.table[is_shown].reset_index(drop=True)
    if not len(table):
        raise DisclosureError(f"no safe form: no partner has {least} patients.")
    any_hidden = np.zeros(len(table), dtype=bool)
    for name in ("deaths", "toxicities"):
        with_and_without = np.column_stack([table[name], table["n"] - table[name]])
        hidden = suppressed(with_and_without, policy)[:, 0]
        table[name] = np.where(hidden, np.nan, rounded(table[name], policy))
        any_hidden |= hidden
    table["n"] = rounded(table["n"], policy)
    table[MARK] = np.where(any_hidden, f"{ROUNDED}; some {NOT_SHOWN}", ROUNDED)
    notes = (rule_in_words(policy), *unnamed(not is_shown.all(), "Partners", policy), *result.notes)
    return Safe("AnalysisTable", "Patients by the partner of their backbone", {"table": table}, notes, policy, DECIMALS)
