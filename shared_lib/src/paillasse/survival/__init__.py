"""Time to event: Kaplan-Meier, log-rank, restricted mean survival time and Cox's model.

A data frame and column names in, a result object out. Definitions are those of R's `survival`.
"""

from paillasse.survival.cox import CoxModel, cox
from paillasse.survival.kaplan_meier import KaplanMeier, kaplan_meier
from paillasse.survival.logrank import LogRank, logrank
from paillasse.survival.rmst import RestrictedMean, rmst
from paillasse.survival.subgroups import SubgroupEffects, subgroups

__all__ = [
    "CoxModel",
    "KaplanMeier",
    "LogRank",
    "RestrictedMean",
    "SubgroupEffects",
    "cox",
    "kaplan_meier",
    "logrank",
    "rmst",
    "subgroups",
]
