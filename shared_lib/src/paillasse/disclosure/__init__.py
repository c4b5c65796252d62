"""What may leave: the rules on counts, tables and models, safe forms, and the policy that is in force in this process.

>>> Policy(minimum_cell=5).tightened(Policy(minimum_cell=11, rounding=5))
Policy(minimum_cell=11, rounding=5)
"""

from paillasse.disclosure.policy import DEFAULT, Policy, policy_in_force, record_exact_with, tighten

__all__ = [
    "DEFAULT",
    "Policy",
    "Result",
    "Safe",
    "dominated",
    "model_may_leave",
    "policy_in_force",
    "record_exact_with",
    "rounded",
    "suppressed",
    "tighten",
]


def __getattr__(name: str):
    # The catalogue needs the policy alone; numpy and pandas wait until a result is made.
    if name in ("Result", "Safe"):
        from paillasse.disclosure import safe

        return getattr(safe, name)
    if name in ("dominated", "rounded", "suppressed"):
        from paillasse.disclosure import counts

        return getattr(counts, name)
    if name == "model_may_leave":
        from paillasse.disclosure.models import model_may_leave

        return model_may_leave
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
