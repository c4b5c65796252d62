"""Treatment effects from data that nobody randomised: the target trial first, then weights, estimates and their checks.

A data frame and a :class:`TargetTrial` in, a result object out. Standard errors are from influence functions, with the
estimated weights accounted for where theory gives the correction; each function says which.
"""

from paillasse.effects.estimates import (
    Contrast,
    MarginalHazardRatio,
    WeightedSurvival,
    hazard_ratio,
    incidence_difference,
    rmst_difference,
    survival_by_arm,
)
from paillasse.effects.propensity import Propensity, propensity
from paillasse.effects.target_trial import TargetTrial, TrialCheck
from paillasse.effects.weights import WeightedTrial, weigh

__all__ = [
    "Contrast",
    "MarginalHazardRatio",
    "Propensity",
    "TargetTrial",
    "TrialCheck",
    "WeightedSurvival",
    "WeightedTrial",
    "hazard_ratio",
    "incidence_difference",
    "propensity",
    "rmst_difference",
    "survival_by_arm",
    "weigh",
]
