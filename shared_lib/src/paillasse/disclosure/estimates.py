"""Rules for estimates: no more digits than a few patients could not change."""

import numpy as np

from paillasse.disclosure.policy import Policy


def significant(values, digits: int = 3) -> np.ndarray:
    """Values with so many significant digits; what a model estimates leaves with three.

    Examples
    --------
    >>> significant([0.69512, 1234.5]).tolist()
    [0.695, 1230.0]
    """
    values = np.asarray(values, dtype=float)
    known = np.isfinite(values) & (values != 0)
    scale = np.zeros(values.shape)
    scale[known] = digits - 1 - np.floor(np.log10(np.abs(values[known])))
    out = values.astype(float)
    for place in np.ndindex(values.shape):  # round() gives the nearest double of the decimal text; powers of 10 do not
        if known[place]:
            out[place] = round(float(values[place]), int(scale[place]))
    return out


def as_a_mean(values, n: int, span: float, policy: Policy) -> np.ndarray:
    """A mean over `n` patients, rounded so that it tells no more of one than a rounded count would.

    One patient moves a mean of values within `span` by at most span/n. It is rounded to `rounding` times that, upwards
    to 1, 2 or 5 times a power of ten: two releases of which one has a patient more differ by no digit of his.

    Parameters
    ----------
    values : array of float
    n : int
        Patients, rounded.
    span : float
        The range in which a patient's own value can lie: 1 for a share.

    Examples
    --------
    >>> as_a_mean([0.67312], 685, 1, Policy(11, 5)).tolist()
    [0.67]
    """
    unit = round_number(policy.rounding * span / n, up=True)
    digits = max(0, int(-np.floor(np.log10(unit))))
    return np.round(np.rint(np.asarray(values, dtype=float) / unit) * unit, digits)


def round_number(value: float, up: bool) -> float:
    """The next of 1, 2 and 5 times a power of ten.

    Examples
    --------
    >>> round_number(0.0073, up=True), round_number(37, up=False)
    (0.01, 20.0)
    """
    power = 10.0 ** np.floor(np.log10(value))
    if up:
        return float(next(step for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-12)) * power)
    return float(next(step for step in (5, 2, 1) if step * power <= value * (1 + 1e-12)) * power)
