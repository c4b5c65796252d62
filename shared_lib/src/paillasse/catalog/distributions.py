"""A distribution of a `generator:` block as a quantile function: uniform numbers → values, cut to limits.

Everything is drawn by quantile functions, so that a correlation or a shift of the number behind a value moves the value
in the same direction, and so that one uniform number makes one value.
"""

import math
from datetime import date

import numpy as np
from scipy.special import betainc, betaincinv, gammainc, gammaincinv, ndtr, ndtri, pdtr

from paillasse.catalog.generator import Distribution
from paillasse.errors import CatalogError

DAY_0 = date(1970, 1, 1).toordinal()
LEAST_LEFT = 1e-6  # of a distribution between its limits; below, its quantiles have no digits left


def number(value) -> float:
    """A number, a truth or a date (in days since 1970) as a number."""
    if isinstance(value, date):
        return float(value.toordinal() - DAY_0)
    try:
        return float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return math.inf if value > 0 else -math.inf


def quantiles(distribution: Distribution, u: np.ndarray, low: float, high: float, whole: bool, key: str) -> np.ndarray:
    """Values of a distribution of numbers or dates.

    Parameters
    ----------
    distribution
        Any but `categorical`.
    u
        Between 0 and 1, neither of them.
    low, high
        The limits, within which all values are.
    whole
        Whether they are whole numbers.
    key
        Where the distribution stands, for the message.

    Raises
    ------
    CatalogError
        Nothing of the distribution is between the limits.
    """
    if distribution.constant is not None:
        return np.full(len(u), number(distribution.constant))
    with np.errstate(all="ignore"):  # what is no number in the end is refused
        try:
            below, at = _whole(distribution, low, high) if whole else _continuous(distribution, low, high)
        except _NothingLeftError:
            raise CatalogError(
                f"{key}: (almost) nothing of {distribution.way!r} is between the limits {low:g} and {high:g}; "
                "correct it, or the field's constraints"
            ) from None
        values = at(u) if not distribution.spikes else _with_spikes(distribution.spikes, u, below, at)
        values = np.clip(np.rint(values) if whole else values, low, high)
    if not np.isfinite(values).all():
        raise CatalogError(f"{key}: the parameters of {distribution.way!r} are too large or too small to compute with")
    return values


class _NothingLeftError(Exception):
    pass


# Each of these gives two functions: the probability of less than a value, and the value at a probability.


def _whole(distribution: Distribution, low: float, high: float):
    match distribution.way:
        case "uniform":
            first, last = (number(end) for end in distribution.uniform)
            first, last = max(math.ceil(first), low), min(math.floor(last), high)
            if first > last:
                raise _NothingLeftError
            n = last - first + 1
            return lambda x: min(max((x - first) / n, 0.0), 1.0), lambda u: first + np.floor(u * n)
        case "poisson":
            return _poisson(distribution.poisson.mean, low, high)
    return _continuous(distribution, low - 0.5, high + 0.5)  # each whole number has what rounds to it


def _poisson(mean: float, low: float, high: float):
    reach = 12 * math.sqrt(mean) + 30  # beyond, there is less than 1e-16
    first, last = max(low, math.floor(mean - reach), 0.0), min(high, math.ceil(mean + reach))
    if first > last:
        raise _NothingLeftError
    up_to = pdtr(np.arange(first, last + 1), mean)
    before = pdtr(first - 1, mean) if first > 0 else 0.0
    if up_to[-1] - before < LEAST_LEFT:
        raise _NothingLeftError
    up_to = (up_to - before) / (up_to[-1] - before)

    def below(x):
        place = math.ceil(x) - first  # as many values are below
        return 0.0 if place <= 0 else float(up_to[int(min(place, len(up_to))) - 1])

    return below, lambda u: first + np.searchsorted(up_to, u)


def _continuous(distribution: Distribution, low: float, high: float):
    match distribution.way:
        case "uniform":
            first, last = max(number(distribution.uniform[0]), low), min(number(distribution.uniform[1]), high)
            if first > last or math.isinf(first) or math.isinf(last):
                raise _NothingLeftError
            # (x - first) / (last - first), in an order that does not overflow
            return (
                lambda x: min(max((x / 2 - first / 2) / (last / 2 - first / 2), 0.0), 1.0) if last > first else 0.0,
                lambda u: first * (1 - u) + last * u,
            )
        case "beta":
            a, b = distribution.beta.a, distribution.beta.b
            first, last = (low, high) if math.isfinite(low) and math.isfinite(high) else (0.0, 1.0)
            width = last - first

            def cdf(x):
                return betainc(a, b, np.clip((x - first) / width, 0, 1)) if width else float(x > first)

            return _cut(cdf, lambda p: first + width * betaincinv(a, b, p), low, high)
        case "normal":
            mean, sd = distribution.normal.mean, distribution.normal.sd
            return _cut(lambda x: ndtr((x - mean) / sd), lambda p: mean + sd * ndtri(p), low, high)
        case "lognormal":
            median, sd = distribution.lognormal.median, distribution.lognormal.sd_log
            return _cut(
                lambda x: ndtr(np.log(max(x, 0) / median) / sd), lambda p: median * np.exp(sd * ndtri(p)), low, high
            )
        case "gamma":
            shape = np.float64(distribution.gamma.mean / distribution.gamma.sd) ** 2
            scale = distribution.gamma.mean / shape
            return _cut(
                lambda x: gammainc(shape, max(x, 0) / scale), lambda p: scale * gammaincinv(shape, p), low, high
            )
        case "weibull":
            median, shape = distribution.weibull.median, distribution.weibull.shape
            return _cut(
                lambda x: -np.expm1(-math.log(2) * (max(x, 0) / median) ** shape),
                lambda p: median * (-np.log1p(-p) / math.log(2)) ** (1 / shape),
                low,
                high,
            )
        case "poisson":
            return _poisson(distribution.poisson.mean, math.ceil(low) if math.isfinite(low) else low, high)
    raise AssertionError(distribution.way)


def _cut(cdf, quantile, low: float, high: float):
    """Between limits, what is left of a distribution is stretched to probability 1."""
    p_low = cdf(np.float64(low)) if math.isfinite(low) else 0.0
    p_high = cdf(np.float64(high)) if math.isfinite(high) else 1.0
    left = p_high - p_low
    if not left >= LEAST_LEFT:
        raise _NothingLeftError
    return lambda x: min(max((cdf(np.float64(x)) - p_low) / left, 0.0), 1.0), lambda u: quantile(p_low + left * u)


def _with_spikes(spikes: dict[float, float], u: np.ndarray, below, at) -> np.ndarray:
    """Spikes take their share of the probabilities, each at its place in the order of the values."""
    left = 1 - math.fsum(spikes.values())
    rest, hits, passed = u.copy(), [], 0.0
    for value, share in sorted(spikes.items()):
        first = left * below(value) + passed
        hits.append((value, (u >= first) & (u < first + share)))
        rest[u >= first + share] -= share
        passed += share
    values = at(np.clip(rest / left, 2.0**-53, 1 - 2.0**-53)).astype(float)
    for value, hit in hits:
        values[hit] = value
    return values
