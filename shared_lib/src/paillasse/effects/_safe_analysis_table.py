"""The safe form of the analysis table: how many patients each partner has."""

from typing import TYPE_CHECKING

import pandas as pd

from paillasse.disclosure.counts import NOT_SHOWN, rounded, suppressed
from paillasse.disclosure.policy import Policy
from paillasse.disclosure.safe import MARK, ROUNDED, Safe, rule_in_words, unnamed
from paillasse.errors import DisclosureError

if TYPE_CHECKING:
    from paillasse.effects.analysis_table import AnalysisTable



def safe_analysis_table(result: "AnalysisTable", policy: Policy) -> Safe:
    """The partners with enough patients; of their deaths and toxicities the counts that neither they nor the rest of
    the patients make small."""
    least = policy.minimum_cell
    is_shown = result.table["patients"] >= least
    exact = result.table[is_shown].reset_index(drop=True)
    if not len(exact):
        raise DisclosureError(f"no safe form: no partner has {least} patients.")
    table = exact[["partner", "partner_class"]].copy()
    table["patients"] = [f"{rounded(count, policy):,}" for count in exact["patients"]]
    some_hidden = pd.Series(False, index=table.index)
    for name in ("deaths", "toxicities"):
        with_and_without = pd.DataFrame({"with": exact[name], "without": exact["patients"] - exact[name]})
        hidden = suppressed(with_and_without.to_numpy(), policy)[:, 0]
        shown = [NOT_SHOWN if hide else f"{rounded(count, policy):,}" for hide, count in zip(hidden, exact[name])]
        table[name] = shown
        some_hidden |= hidden
    table[MARK] = [f"{ROUNDED}; some {NOT_SHOWN}" if some else ROUNDED for some in some_hidden]
    notes = (rule_in_words(policy), *unnamed(not is_shown.all(), "Partners", policy), *result.notes)
    return Safe("AnalysisTable", "Patients by the partner of their backbone", {"table": table}, notes, policy)
