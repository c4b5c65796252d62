"""Treatment effects from data that nobody randomised: the target trial first, then weights, estimates and their checks.

A data frame and a :class:`TargetTrial` in, a result object out; from claims, :func:`analysis_table` makes the frame.
Standard errors are from influence functions, with the estimated weights accounted for where theory gives the
correction; each function says which.
"""

from paillasse.effects.analysis_table import AnalysisTable, analysis_table
from paillasse.effects.by_arm import WeightedIncidence, WeightedSurvival, incidence_by_arm, survival_by_arm
from paillasse.effects.claims import event_table, exposures, lines, named, pooled, sessions_of_unknown_molecule
from paillasse.effects.clones import clones
from paillasse.effects.codes import CodeList, code_list
from paillasse.effects.combinations import CombinationEffects, combination_effects
from paillasse.effects.diagnostics import (
    Balance,
    EValue,
    NegativeControls,
    balance,
    e_value,
    negative_controls,
)
from paillasse.effects.doubly_robust import doubly_robust
from paillasse.effects.estimates import (
    Contrast,
    MarginalHazardRatio,
    hazard_ratio,
    incidence_difference,
    rmst_difference,
)
from paillasse.effects.ipcw import reweigh_lost
from paillasse.effects.propensity import Propensity, propensity
from paillasse.effects.ranking import Ranking, rank
from paillasse.effects.sequential import SequentialTrials, sequential_trials
from paillasse.effects.simulation import World, simulated_world
from paillasse.effects.specifications import SpecificationCurve, specification_curve
from paillasse.effects.synergy import Synergy, synergy
from paillasse.effects.target_trial import TargetTrial, TrialCheck
from paillasse.effects.trial_as_truth import confounded_sample
from paillasse.effects.weights import WeightedTrial, weigh

__all__ = [
    "AnalysisTable",
    "Balance",
    "CodeList",
    "CombinationEffects",
    "Contrast",
    "EValue",
    "MarginalHazardRatio",
    "NegativeControls",
    "Propensity",
    "Ranking",
    "SequentialTrials",
    "SpecificationCurve",
    "Synergy",
    "TargetTrial",
    "TrialCheck",
    "WeightedIncidence",
    "WeightedSurvival",
    "WeightedTrial",
    "World",
    "analysis_table",
    "balance",
    "clones",
    "code_list",
    "combination_effects",
    "confounded_sample",
    "doubly_robust",
    "e_value",
    "event_table",
    "exposures",
    "hazard_ratio",
    "incidence_by_arm",
    "incidence_difference",
    "lines",
    "named",
    "negative_controls",
    "pooled",
    "propensity",
    "rank",
    "reweigh_lost",
    "rmst_difference",
    "sequential_trials",
    "sessions_of_unknown_molecule",
    "simulated_world",
    "specification_curve",
    "survival_by_arm",
    "synergy",
    "weigh",
]
