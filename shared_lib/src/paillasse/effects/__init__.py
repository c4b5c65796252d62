"""Treatment effects from data that nobody randomised: the target trial first, then weights, estimates and their checks.

A data frame and a :class:`TargetTrial` in, a result object out. Standard errors are from influence functions, with the
estimated weights accounted for where theory gives the correction; each function says which.
"""

__all__: list[str] = []
