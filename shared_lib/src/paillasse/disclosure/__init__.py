"""What may leave: the disclosure policy, and the one that is in force in this process.

>>> Policy(minimum_cell=5).tightened(Policy(minimum_cell=11, rounding=5))
Policy(minimum_cell=11, rounding=5)
"""

from paillasse.disclosure.policy import Policy, policy_in_force, tighten

__all__ = ["Policy", "policy_in_force", "tighten"]
