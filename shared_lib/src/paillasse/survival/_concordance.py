"""Harrell's C of a fitted model, counted in O(n log² n)."""

import numpy as np


def harrell(duration, event, risk, weights=None, entry=None, stratum=None) -> float:
    """Share of comparable pairs in which the one with the earlier event had the higher risk; ties of risk count half.

    A pair is comparable if one has an event while the other is at risk and stays so beyond it (a censoring at the
    same time counts as beyond). Pairs are made within strata. NaN without a comparable pair.
    """
    weights = np.ones(len(duration)) if weights is None else weights
    stratum = np.zeros(len(duration), int) if stratum is None else stratum
    rank = np.unique(risk, return_inverse=True)[1]
    good = tied = every = 0.0
    for code in range(stratum.max() + 1):
        rows = np.flatnonzero(stratum == code)
        case = rows[event[rows]]
        # Later = a larger key; an event at t precedes a censoring at t, so a censored row's key is a little higher.
        moment = np.unique(duration[rows], return_inverse=True)[1] * 2
        others = [(moment + ~event[rows], 1.0)]
        if entry is not None:  # those not yet at risk at the event are taken away again
            entered = np.searchsorted(np.unique(duration[rows]), entry[rows], side="right") * 2 - 1
            others.append((entered, -1.0))
        of_case = moment[event[rows]]
        for key, sign in others:
            lower, equal, total = _later_by_rank(of_case, rank[case], key, rank[rows], weights[rows])
            good += sign * weights[case] @ lower
            tied += sign * weights[case] @ equal
            every += sign * weights[case] @ total
    return (good + tied / 2) / every if every > 0 else np.nan


def _later_by_rank(case_key, case_rank, key, rank, weights):
    """For each case, the weight of rows with a larger key and a lower, an equal and any rank."""
    lower = _weight_below(case_key, case_rank, key, rank, weights)
    lower_or_equal = _weight_below(case_key, case_rank + 1, key, rank, weights)
    order = np.argsort(key)
    beyond = np.append(np.cumsum(weights[order][::-1])[::-1], 0.0)
    total = beyond[np.searchsorted(key[order], case_key, side="right")]
    return lower, lower_or_equal - lower, total


def _weight_below(case_key, case_rank, key, rank, weights):
    """For each case, the weight of rows with key > case_key and rank < case_rank.

    Rows sorted by key are cut into blocks of 1, 2, 4, …; the rows beyond a case are a union of at most one block of
    each size, and within a block sorted by rank one binary search counts.
    """
    order = np.argsort(key, kind="stable")
    key, rank, weights = key[order], rank[order], weights[order]
    n = len(key)
    begin = np.searchsorted(key, case_key, side="right")
    result = np.zeros(len(case_key))
    span = int(rank.max(initial=0)) + 2
    position, size = begin.copy(), 1
    while size <= n:
        # A block of this size is used where the position is not yet a multiple of the next size.
        use = (position < n) & (position // size % 2 == 1)
        block = np.arange(n) // size
        keyed = block * span + rank
        inside = np.argsort(keyed, kind="stable")
        before = np.append(0.0, np.cumsum(weights[inside]))
        which = position[use] // size
        low = np.searchsorted(keyed[inside], which * span)
        high = np.searchsorted(keyed[inside], which * span + case_rank[use])
        result[use] += before[high] - before[low]
        position[use] += size
        size *= 2
    # What is left begins at a multiple of the largest size: the first block of it, or nothing.
    use = position < n
    if use.any():
        inside = np.argsort(rank, kind="stable")
        before = np.append(0.0, np.cumsum(weights[inside]))
        result[use] += before[np.searchsorted(rank[inside], case_rank[use])]
    return result
