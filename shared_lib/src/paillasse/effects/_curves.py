"""Weighted curves of one arm and the derivatives of what is computed from them by the rows' log weights."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from paillasse.survival._counts import TimeAxis, counts, inverse
from paillasse.survival.kaplan_meier import product_limit


@dataclass(frozen=True)
class Curve:
    """The weighted product-limit estimate of one arm, and the place of each row on its times.

    With n the weighted number at risk and d the weighted events, a row's martingale is dM = dN − Y d/n, and
    ∂S(t)/∂log w = −S(t) w Σ_{u ≤ t} dM(u) / (n(u) − d(u)).
    """

    time: np.ndarray
    n_risk: np.ndarray
    n_event: np.ndarray
    survival: np.ndarray
    weights: np.ndarray
    event: np.ndarray
    leave: np.ndarray  # how many times are up to the row's stop; its own time is the one before
    enter: np.ndarray | None  # how many are up to its entry

    def before(self) -> np.ndarray:
        """S just before each time."""
        return np.append(1.0, self.survival[:-1])

    def martingale(self, at: np.ndarray, drift: np.ndarray) -> np.ndarray:
        """Each row's w Σ (at dN − Y drift): `at` at its own event, less `drift` where it is at risk."""
        spent = np.append(0.0, np.cumsum(drift))
        total = np.where(self.event, at[self.leave - 1], 0.0) - spent[self.leave]
        if self.enter is not None:
            total += spent[self.enter]
        return self.weights * total


def curve(stop, event, weights, entry=None) -> Curve:
    """Estimate the curve of some rows."""
    at = counts(stop, event, entry, weights)
    # What rounding leaves of a risk set that all have left is nobody.
    n_risk = np.where(at.n_risk > 1e-12 * weights.sum(), at.n_risk, 0.0)
    axis = TimeAxis(at.time)
    enter = None if entry is None else axis.up_to(entry)
    survival = product_limit(at)
    survival[survival < 1e-14] = 0.0  # all at risk had the event, rounding apart
    return Curve(at.time, n_risk, at.n_event, survival, weights, event, axis.up_to(stop), enter)


def survival_at(seen: Curve, times: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
    """S at some times with ψ of the rows, time by time, since all together would be rows × times."""
    jump = inverse(seen.n_risk - seen.n_event, seen.n_risk)
    drift = jump * seen.n_event * inverse(seen.n_risk)
    for last in np.searchsorted(seen.time, times, side="right"):
        level = seen.survival[last - 1] if last else 1.0
        inside = np.arange(len(seen.time)) < last
        yield level, -level * seen.martingale(np.where(inside, jump, 0.0), np.where(inside, drift, 0.0))


def restricted_mean(seen: Curve, tau: float) -> tuple[float, np.ndarray]:
    """∫ S up to τ, and ψ: ∂/∂log w = −w Σ dM(u) (∫_u^τ S) / (n(u) − d(u))."""
    early = np.count_nonzero(seen.time < tau)
    edges = np.concatenate([[0.0], seen.time[:early], [tau]])
    area = np.diff(edges) * np.append(1.0, seen.survival[:early])
    ahead = np.zeros(len(seen.time))
    ahead[:early] = np.cumsum(area[::-1])[::-1][1:]
    pull = ahead * inverse(seen.n_risk - seen.n_event, seen.n_risk)
    return float(area.sum()), -seen.martingale(pull, pull * seen.n_event * inverse(seen.n_risk))


def incidence_at(seen: Curve, own: np.ndarray, tau: float) -> tuple[float, np.ndarray]:
    """The cumulative incidence at τ of the cause whose events `own` marks (Aalen and Johansen), and ψ.

    ∂F(τ)/∂log w = w [Σ S(u−) dM_own(u) / n(u) − Σ (F(τ) − F(u)) dM(u) / (n(u) − d(u))], u ≤ τ.
    """
    inside = seen.time <= tau
    mass = np.bincount(seen.leave - 1, np.where(own, seen.weights, 0.0), len(seen.time))
    step = np.where(inside, seen.before() * inverse(seen.n_risk), 0.0)
    grown = np.cumsum(step * mass)
    pull = np.where(inside, (grown[-1] - grown) * inverse(seen.n_risk - seen.n_event, seen.n_risk), 0.0)
    drift = step * mass * inverse(seen.n_risk) - pull * seen.n_event * inverse(seen.n_risk)
    psi = seen.martingale(-pull, drift) + np.where(own, seen.weights * step[seen.leave - 1], 0.0)
    return float(grown[-1]), psi
