"""Treatment effects from data that nobody randomised: the target trial first, then weights, estimates and their checks.

A data frame and a :class:`TargetTrial` in, a result object out. Standard errors are from influence functions, with the
estimated weights accounted for where theory gives the correction; each function says which.
"""

from paillasse.effects.analysis_table import AnalysisTable, analysis_table
from paillasse.effects.claims import event_table, exposures, lines, named, pooled, sessions_of_unknown_molecule
from paillasse.effects.codes import CodeList, code_list

__all__ = [
    "AnalysisTable",
    "CodeList",
    "analysis_table",
    "code_list",
    "event_table",
    "exposures",
    "lines",
    "named",
    "pooled",
    "sessions_of_unknown_molecule",
]
