"""Shapes of arrays: a grid, a smooth line, a curve in steps; or values that came one from each patient."""

import numpy as np

FEWEST = 20  # values, from which on an array can be a cohort
FEWEST_CODED = 100  # of an array of a few codes
LEVELS = 12  # at most, of codes


def finite(numbers: np.ndarray) -> np.ndarray:
    return numbers[np.isfinite(numbers)]


def is_constant(numbers: np.ndarray) -> bool:
    values = finite(numbers)
    return not len(values) or bool(values.min() == values.max())


def is_grid(numbers: np.ndarray) -> bool:
    """Whether the values are evenly spaced, each as often as any other.

    >>> is_grid(np.array([0.0, 0.5, 1.0, 0.0, 0.5, 1.0])), is_grid(np.array([0.0, 0.5, 1.1]))
    (True, False)
    """
    return _are_grid(*np.unique(finite(numbers), return_counts=True))


def _are_grid(levels: np.ndarray, counts: np.ndarray) -> bool:
    if len(levels) < 3:
        return len(levels) == 2 and bool(counts[0] == counts[1])
    steps = np.diff(levels)
    return bool(counts.min() == counts.max() and np.ptp(steps) <= 1e-5 * steps.mean() + 1e-12)


def is_evenly_spaced(numbers: np.ndarray) -> bool:
    """Whether the levels are evenly spaced, or evenly on a logarithmic scale, however often each."""
    levels = np.unique(finite(numbers))
    if len(levels) < 3:
        return True
    steps = np.diff(levels)
    if np.ptp(steps) <= 1e-4 * steps.mean():
        return True
    if levels[0] <= 0:
        return False
    ratios = np.diff(np.log(levels))
    return bool(np.ptp(ratios) <= 1e-4 * ratios.mean())


def is_smooth(numbers: np.ndarray) -> bool:
    """Whether neighbours follow each other as on a drawn line: the steps change slowly and the way seldom.

    >>> is_smooth(np.exp(-np.linspace(0, 5, 60))), is_smooth(np.sort(np.random.default_rng(1).exponential(size=60)))
    (True, False)
    """
    values = finite(numbers)
    if len(values) < 8:
        return False
    steps = np.diff(values)
    if np.count_nonzero(steps) < 0.6 * len(steps):
        return False
    turns = np.count_nonzero(np.diff(np.sign(steps[steps != 0])))
    change = np.median(np.abs(np.diff(steps)))
    # Of sorted values of patients the ratio is near 1; in 500 samples of 20 it was never below 0.24, of 40 below 0.43.
    limit = 0.22 if len(values) < 36 else 0.38
    return bool(turns <= len(values) / 8 and change <= limit * np.median(np.abs(steps)))


def is_smooth_over(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether points lie on a smooth line over a grid, or over places that are themselves evenly or smoothly chosen."""
    if len(x) != len(y) or not np.isfinite(x).all() or not np.isfinite(y).all():
        return False
    ways = np.diff(x)
    if len(x) < 8 or not (np.all(ways > 0) or np.all(ways < 0)) or not (is_grid(x) or is_smooth(x)):
        return False
    slopes = np.diff(y) / ways
    if np.count_nonzero(slopes) < 0.6 * len(slopes):  # steps
        return False
    turns = np.count_nonzero(np.diff(np.sign(slopes)))
    limit = 0.38
    if turns and len(y) >= 36:  # where it turns, slopes change; then it must lie close to its own neighbours
        between = (y[:-2] * ways[1:] + y[2:] * ways[:-1]) / (ways[1:] + ways[:-1])
        limit = 0.75 if np.median(np.abs(y[1:-1] - between)) <= 0.02 * np.ptp(y) else 0.0
    return bool(turns <= len(y) / 8 and np.median(np.abs(np.diff(slopes))) <= limit * np.median(np.abs(slopes)))


def is_trend(numbers: np.ndarray) -> bool:
    """Whether values follow a line with a little of noise that goes both ways, as a model's loss over epochs does.

    Values that were sorted go one way; values in patients' order follow nothing.

    >>> noise = np.random.default_rng(1).normal(size=60) / 100
    >>> is_trend(np.exp(-np.linspace(0, 4, 60)) + noise), is_trend(np.sort(noise)), is_trend(noise)
    (True, False, False)
    """
    values = finite(numbers)
    steps = np.diff(values)
    if len(values) < 20 or np.count_nonzero(np.diff(np.sign(steps[steps != 0]))) < 3:
        return False
    return bool(np.mean(steps**2) < 0.1 * np.var(values))


def is_curve(numbers: np.ndarray) -> bool:
    """Whether values in [0, 1], or whole numbers at risk, go one way: a survival curve, its limits, an incidence."""
    values = finite(numbers)
    if len(values) < 3 or values.min() < 0:
        return False
    steps = np.diff(values)
    if values.max() > 1.0:
        return not np.any(values % 1) and bool(np.all(steps <= 0)) and values[0] >= len(values)
    return bool(min((steps > 1e-12).sum(), (steps < -1e-12).sum()) <= 0.03 * len(steps))


def one_each(numbers: np.ndarray, sizes: set[int] = frozenset()) -> int:
    """How many patients an array can have a value of, 0 where it is a grid, a drawn line, or short.

    Parameters
    ----------
    numbers
        The values in their order; missing ones are NaN.
    sizes
        Lengths at which an array has just one value for each patient of a cohort.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> one_each(rng.normal(size=50)), one_each(np.linspace(0, 1, 50)), one_each(rng.normal(size=9))
    (50, 0, 0)
    """
    if len(numbers) < FEWEST or len(values := finite(numbers)) < FEWEST:
        return 0
    different, counts = np.unique(values, return_counts=True)
    levels = len(different)
    if levels == 1 or _are_grid(different, counts) or _are_shares(values):
        return 0
    if len(numbers) in sizes and not is_evenly_spaced(different):
        return len(numbers)
    if levels <= LEVELS:
        coded = len(numbers) >= FEWEST_CODED or len(numbers) in sizes
        return len(numbers) if coded and not is_tiled(values) else 0
    if is_smooth(values) or is_trend(values):
        return 0
    if np.all(np.diff(values) >= 0) or np.all(np.diff(values) <= 0):
        return len(values) if levels >= FEWEST else 0
    return len(values) if levels >= FEWEST or len(values) >= 2 * FEWEST else 0


def _are_shares(values: np.ndarray) -> bool:
    """Whether numbers of four digits at most add up to 1: those of categories. Weights of patients have all digits."""
    few_digits = np.abs(values * 1e4 - np.round(values * 1e4)) < 1e-6
    return bool(np.all(values > 0) and np.all(few_digits) and abs(values.sum() - 1) < 1e-9)


def is_tiled(values: np.ndarray) -> bool:
    """Whether codes stand in a pattern: runs of one length, or one row again and again."""
    changes = np.flatnonzero(np.diff(values)) + 1
    if not len(changes):
        return True
    runs = np.diff(np.concatenate([[0], changes, [len(values)]]))
    if runs.min() == runs.max() and len(runs) <= 60:
        return True
    for period in range(2, 13):
        if len(values) % period == 0 and np.all(values.reshape(-1, period) == values[:period]):
            return True
    return False
