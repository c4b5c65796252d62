"""Natural cubic splines, for a coefficient that may change with time."""

import numpy as np


def natural_spline(values: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Basis of the natural cubic splines with these knots, the first and last at the ends: constant, line, bends.

    A natural spline is linear beyond its end knots; the space, and so a fit, is that of R's `ns` with an intercept.
    """
    first, last, before_last = knots[0], knots[-1], knots[-2]

    def cube(knot):
        return np.maximum(values - knot, 0) ** 3

    def slope(knot):
        return (cube(knot) - cube(last)) / (last - knot)

    bends = [(slope(knot) - slope(before_last)) / (last - first) ** 2 for knot in knots[:-2]]
    return np.column_stack([np.ones_like(values), (values - first) / (last - first), *bends])


def smoothed(x: np.ndarray, y: np.ndarray, at: np.ndarray, df: int) -> tuple[np.ndarray, np.ndarray]:
    """A natural spline of `df` coefficients fitted to each column of y: its values and its leverages at `at`."""
    together = np.concatenate([at, x])
    knots = np.quantile(together, np.linspace(0, 1, df))
    fitted, drawn = natural_spline(x, knots), natural_spline(at, knots)
    q, r = np.linalg.qr(fitted)
    carried = np.linalg.solve(r.T, drawn.T).T
    return carried @ (q.T @ y), (carried**2).sum(axis=1)
