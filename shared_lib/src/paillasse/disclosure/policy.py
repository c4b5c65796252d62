"""The disclosure policy: a process starts without one, reading secure data puts theirs in force, none is ever eased."""

from dataclasses import dataclass


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


_in_force = Policy()


def policy_in_force() -> Policy:
    """The policy that this process is held to, by the data that it has read.

    Examples
    --------
    >>> policy_in_force().minimum_cell >= 1
    True
    """
    return _in_force


def tighten(policy: Policy) -> None:
    """Hold this process to a policy too, beside what is in force already."""
    global _in_force
    _in_force = _in_force.tightened(policy)
