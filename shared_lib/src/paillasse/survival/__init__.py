"""Time to event: Kaplan-Meier, log-rank, restricted mean survival time, Cox's model and competing risks.

A data frame and column names in, a result object out. Definitions are those of R's `survival` and `cmprsk`.
"""

from paillasse.survival.brier import Brier, brier
from paillasse.survival.concordance import Concordance, concordance
from paillasse.survival.cox import CoxModel, cox
from paillasse.survival.cumulative_incidence import CumulativeIncidence, cumulative_incidence
from paillasse.survival.fine_gray import FineGrayModel, fine_gray
from paillasse.survival.gray import GrayTest, gray
from paillasse.survival.kaplan_meier import KaplanMeier, kaplan_meier
from paillasse.survival.logrank import LogRank, logrank
from paillasse.survival.rmst import RestrictedMean, rmst
from paillasse.survival.structured import from_structured, to_structured
from paillasse.survival.subgroups import SubgroupEffects, subgroups
from paillasse.survival.time_dependent_auc import TimeDependentAUC, time_dependent_auc

__all__ = [
    "Brier",
    "Concordance",
    "CoxModel",
    "CumulativeIncidence",
    "FineGrayModel",
    "GrayTest",
    "KaplanMeier",
    "LogRank",
    "RestrictedMean",
    "SubgroupEffects",
    "TimeDependentAUC",
    "brier",
    "concordance",
    "cox",
    "cumulative_incidence",
    "fine_gray",
    "from_structured",
    "gray",
    "kaplan_meier",
    "logrank",
    "rmst",
    "subgroups",
    "time_dependent_auc",
    "to_structured",
]
