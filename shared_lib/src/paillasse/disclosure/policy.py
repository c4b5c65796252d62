"""The disclosure policy: the rules' constants with their sources, and the policy that a process is held to.

A process starts without a policy; reading secure data puts theirs in force; none is ever eased.
"""

from collections.abc import Callable
from dataclasses import dataclass

# No count below 11: the rule of France's secure data access centre (CASD) for data on persons.
MINIMUM_CELL = 11
# Counts are multiples of 5: OpenSAFELY's rule for the NHS, midpoint aside.
ROUNDING = 5
# A model leaves with at least 10 residual degrees of freedom: Eurostat's guidelines for output checking (Bond, Brandt
# and de Wolf 2015) and the SDC Handbook (Welpton 2019), section on regressions.
RESIDUAL_FREEDOM = 10
# Of a sum of magnitudes no contributor makes more than 85 %, as in French official statistics (Insee, CASD); and nobody
# who knows his own share may come nearer than 10 % to the largest (the p % rule: Hundepool et al. 2012, section 4.2).
DOMINANT_SHARE = 0.85
NEAREST_ESTIMATE = 0.10
# No minimum, no maximum, no residual, no influence value leaves, whatever the number of patients: each is one patient's
# (the same guidelines). There is no constant for that; nothing in a safe form holds one.


@dataclass(frozen=True)
class Policy:
    """What a released number may be.

    Parameters
    ----------
    minimum_cell : int
        No count below it; 1 allows every count.
    rounding : int
        Counts are multiples of it; 1 leaves them as they are.
    """

    minimum_cell: int = 1
    rounding: int = 1

    def tightened(self, other: "Policy") -> "Policy":
        """The stricter of both, rule by rule."""
        return Policy(max(self.minimum_cell, other.minimum_cell), max(self.rounding, other.rounding))


DEFAULT = Policy(MINIMUM_CELL, ROUNDING)

_in_force = Policy()
_recorders: dict[str, Callable[[str], None]] = {}


def policy_in_force() -> Policy:
    """The policy that this process is held to, by the data that it has read.

    Examples
    --------
    >>> policy_in_force().minimum_cell >= 1
    True
    """
    return _in_force


def is_held() -> bool:
    """Whether this process has read data whose policy hides anything: then results are shown in their safe form."""
    return _in_force != Policy()


def tighten(policy: Policy) -> None:
    """Hold this process to a policy too, beside what is in force already."""
    global _in_force
    _in_force = _in_force.tightened(policy)


def policy_for(asked: Policy | None) -> Policy:
    """The policy of a safe form: the one asked for or the default, and never laxer than what is in force.

    Examples
    --------
    >>> policy_for(Policy(minimum_cell=20, rounding=10))
    Policy(minimum_cell=20, rounding=10)
    """
    return (DEFAULT if asked is None else asked).tightened(_in_force)


def record_exact_with(data_set: str, record: Callable[[str], None]) -> None:
    """From now on tell `record` the kind of each result whose exact numbers are asked for; one recorder a data set."""
    _recorders[data_set] = record


def exact_is_shown(kind: str) -> None:
    """Record that the exact numbers of a result were asked for; raises what the recorder raises, and then none show."""
    for record in _recorders.values():
        record(kind)
