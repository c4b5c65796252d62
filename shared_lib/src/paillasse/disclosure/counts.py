"""Rules for counts: rounding, cells that are too small, and cells by which those could be found again."""

import numpy as np

from paillasse.disclosure.policy import DOMINANT_SHARE, NEAREST_ESTIMATE, Policy

NOT_SHOWN = "not shown"


def rounded(count, policy: Policy):
    """Counts rounded to the nearest multiple, halves up.

    Parameters
    ----------
    count : int or array of int

    Returns
    -------
    int or numpy.ndarray of int

    Examples
    --------
    >>> rounded([137, 228], Policy(11, 5)).tolist()
    [135, 230]
    """
    step = policy.rounding
    values = (2 * np.asarray(np.rint(count), dtype=np.int64) + step) // (2 * step) * step
    return int(values) if values.ndim == 0 else values


def behind(count: int, policy: Policy) -> tuple[int, int]:
    """The least and the largest count that are rounded to this one.

    Examples
    --------
    >>> behind(15, Policy(11, 5))
    (13, 17)
    """
    return count - policy.rounding // 2, count + (policy.rounding - 1) // 2


def in_words(count: int, policy: Policy) -> str:
    """A count in a sentence: rounded, or at most how many; none is not told from few.

    Examples
    --------
    >>> in_words(3, Policy(11, 5)), in_words(1384, Policy(11, 5))
    ('at most 10', 'about 1,385')
    """
    if policy.minimum_cell > 1 and count < policy.minimum_cell:
        return f"at most {policy.minimum_cell - 1}"
    return f"about {rounded(count, policy):,}" if policy.rounding > 1 else f"{count:,}"


def suppressed(cells, policy: Policy, hidden=None) -> np.ndarray:
    """Which cells of a table may not be shown beside its totals.

    A cell below the minimum is hidden, none (0) too: a mark for "1 to 10" would tell that there is somebody. A total
    less the cells shown must not give it back, so in each row and column with a hidden cell there are at least two, of
    the minimum together; the next smallest are hidden with them. What is left is tried as an intruder would, who knows
    the rounded totals and cells and that no count is negative: if a hidden cell is sure to hold somebody and fewer than
    the minimum, more is hidden.

    Parameters
    ----------
    cells : array of int, shape (n,) or (rows, columns)
        Exact counts. Of one line the sum is known; of a table the sums of rows and of columns are.
    hidden : array of bool, the shape of `cells`, optional
        Cells that are hidden for another reason.

    Returns
    -------
    numpy.ndarray of bool
        True where a cell is hidden; the shape of `cells`.

    Examples
    --------
    >>> suppressed([3, 60, 14, 50], Policy(11, 5)).tolist()
    [True, False, True, False]
    """
    table = np.atleast_2d(np.asarray(cells, dtype=np.int64))
    least = policy.minimum_cell
    hidden = np.zeros(table.shape, bool) if hidden is None else np.array(hidden, bool).reshape(table.shape)
    if least > 1:
        hidden |= table < least
    lines = _lines(table.shape)
    while True:
        before = hidden.sum()
        for line in lines:
            _protect(table, hidden, line, least)
        if hidden.sum() == before:
            exposed = _first_exposed(table, hidden, lines, policy)
            if exposed is None or not _hide_smallest(table, hidden, exposed):
                return hidden.reshape(np.shape(cells))


def is_found(total: int, parts, policy: Policy) -> bool:
    """Whether a released total less its released parts tells that somebody is in the rest, and fewer than the minimum.

    Examples
    --------
    >>> is_found(686, [290, 391], Policy(11, 1)), is_found(686, [290, 391], Policy(11, 5))
    (True, False)
    """
    most, least = behind(rounded(total, policy), policy)[::-1]
    for part in np.atleast_1d(rounded(parts, policy)):
        low, high = behind(int(part), policy)
        most, least = most - low, least - high
    return least >= 1 and most < policy.minimum_cell


def _lines(shape) -> list[tuple]:
    """The rows and columns whose totals are known; a table of one line has only that."""
    rows = [(row, slice(None)) for row in range(shape[0])] if shape[1] > 1 else []
    columns = [(slice(None), column) for column in range(shape[1])] if shape[0] > 1 else []
    return rows + columns


def _protect(table, hidden, line, least) -> None:
    while hidden[line].any() and (hidden[line].sum() < 2 or table[line][hidden[line]].sum() < least):
        if not _hide_smallest(table, hidden, line):
            return


def _hide_smallest(table, hidden, line) -> bool:
    """Hide the smallest cell of a line that is shown; whether there was one."""
    shown = np.where(hidden[line], np.iinfo(np.int64).max, table[line])
    if hidden[line].all():
        return False
    marked = hidden[line].copy()
    marked[shown.argmin()] = True
    hidden[line] = marked
    return True


def _first_exposed(table, hidden, lines, policy: Policy):
    """The line of a hidden cell whose count is sure to lie from 1 to below the minimum; None where there is none."""
    if min(table.shape) == 1 or not hidden.any() or policy.minimum_cell == 1:
        return None  # of one line the rule above is enough: its hidden cells can only be told together
    from scipy.optimize import linprog

    place = np.flatnonzero(hidden)
    number = np.full(table.size, -1)
    number[place] = np.arange(len(place))
    number = number.reshape(table.shape)
    matrix, low, high = [], [], []
    for line in lines:
        members = number[line][hidden[line]]
        if len(members):
            row = np.zeros(len(place))
            row[members] = 1
            matrix.append(row)
            total = behind(rounded(table[line].sum(), policy), policy)
            shown = [behind(count, policy) for count in rounded(table[line][~hidden[line]], policy)]
            low.append(total[0] - sum(each[1] for each in shown))
            high.append(total[1] - sum(each[0] for each in shown))
    matrix = np.array(matrix)
    limits = {"A_ub": np.vstack([matrix, -matrix]), "b_ub": np.concatenate([high, -np.array(low)])}
    for cell in range(len(place)):
        if _may_be_empty_or_full(table, hidden, *np.unravel_index(place[cell], table.shape), policy.minimum_cell):
            continue
        aim = np.zeros(len(place))
        aim[cell] = 1
        least = linprog(aim, **limits).fun
        if np.ceil(least - 1e-6) >= 1:
            most = linprog(-aim, **limits)
            if most.success and np.floor(-most.fun + 1e-6) < policy.minimum_cell:
                row, column = np.unravel_index(place[cell], table.shape)
                line = (row, slice(None))
                return line if not hidden[line].all() else (slice(None), column)
    return None


def _may_be_empty_or_full(table, hidden, row, column, least) -> bool:
    """Whether a hidden cell plainly isolates nobody: full, empty, or emptied by moving its count within four cells.

    Its count goes to another cell of its row and as much back in another row, all four hidden: no total changes.
    """
    count = table[row, column]
    if count == 0 or count >= least:
        return True
    others = hidden[row] & (np.arange(table.shape[1]) != column)
    rows = hidden[:, column] & (np.arange(table.shape[0]) != row)
    return bool((hidden[np.ix_(rows, others)] & (table[np.ix_(rows, others)] >= count)).any())


def dominated(magnitudes) -> bool:
    """Whether one contributor can be told from a sum: too large a share of it, or found by the second largest.

    By the (1, 85 %) rule the largest makes at most that share. By the p % rule the sum less the two largest is at least
    10 % of the largest, so that the second, who knows his own, comes no nearer to it.

    Parameters
    ----------
    magnitudes : array of float
        Each patient's contribution; its sign does not count.

    Examples
    --------
    >>> dominated([900, 20, 30, 10]), dominated([100, 90, 80, 120, 95])
    (True, False)
    """
    sizes = np.sort(np.abs(np.asarray(magnitudes, dtype=float)))[::-1]
    total = sizes.sum()
    if total == 0:
        return False
    others = total - sizes[:2].sum()
    return bool(sizes[0] > DOMINANT_SHARE * total or others < NEAREST_ESTIMATE * sizes[0])
