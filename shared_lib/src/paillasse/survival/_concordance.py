"""Pairs of patients counted by whether the earlier event had the higher risk, in O(n log n).

A pair is a *case*, who has an event, and an *other*, who is at risk then and stays so beyond it. Each pair has the
mass (case's weight × weight of the time) × other's weight; whatever is counted is a sum of such masses.
"""

from dataclasses import dataclass

import numpy as np

from paillasse.survival._counts import TimeAxis, distinct_times


@dataclass(frozen=True)
class Pairs:
    """Masses of the pairs of each kind, and each row's influence on the concordance (the infinitesimal jackknife).

    `tied_risk`: comparable, but of equal risk. `tied_time`, `tied_both`: events at the same time, of different and of
    equal risk; they are not comparable.
    """

    concordant: float
    discordant: float
    tied_risk: float
    tied_time: float
    tied_both: float
    influence: np.ndarray

    @property
    def comparable(self) -> float:
        return self.concordant + self.discordant + self.tied_risk

    @property
    def value(self) -> float:
        """The concordance, ties of risk counted half; NaN without a comparable pair."""
        return (self.concordant + self.tied_risk / 2) / self.comparable if self.comparable > 0 else np.nan

    def std_err(self, cluster: np.ndarray | None = None) -> float:
        """The standard error of the concordance; the rows of a cluster (codes from 0) are added up first."""
        influence = self.influence if cluster is None else np.bincount(cluster, weights=self.influence)
        return float(np.sqrt(influence @ influence))


def count_pairs(duration, event, risk, weights=None, entry=None, stratum=None, time_weight=None) -> Pairs:
    """Count the pairs within strata (codes from 0); `time_weight` gives the weights of event times."""
    n = len(duration)
    stratum = np.zeros(n, dtype=np.int64) if stratum is None else stratum.astype(np.int64)
    # Everything is counted with the rows in order of risk, so that memory is read from one end to the other.
    by_risk = np.lexsort((risk, stratum)) if stratum.any() else np.argsort(risk)
    duration, event, risk, stratum = duration[by_risk], event[by_risk], risk[by_risk], stratum[by_risk]
    rank = np.append(0, np.cumsum((risk[1:] != risk[:-1]) | (stratum[1:] != stratum[:-1])))
    other = np.ones(n, dtype=np.int8) if weights is None else weights[by_risk]  # bytes move faster than floats
    died = other * event
    # An element's key is how many event times lie before its own. A row censored at t is still there after the
    # events at t, so its key is larger than theirs.
    axis = TimeAxis(distinct_times(duration[event]))
    key = axis.up_to(duration) - event
    case = died if time_weight is None else died * np.append(time_weight(axis.distinct), 0)[key]
    if entry is not None:
        # Who enters at t or later is beyond t too, but not at risk there: an element takes the pairs away again.
        none = np.zeros(n, dtype=np.int8)
        key, rank = np.append(key, axis.up_to(entry[by_risk])), np.append(rank, rank)
        stratum, other = np.append(stratum, stratum), np.append(other, -other)
        case, died = np.append(case, none), np.append(died, none)

    comparable, same_time = _pairs_within(stratum, key, case, other, died)
    if rank.max() + 1 == n:
        tied, same_both = np.zeros(len(key)), 0.0
    else:
        tied, same_both = _pairs_within(rank, key, case, other, died)
    concordant = _concordant(stratum, rank, key, case, other)
    discordant = comparable - concordant - tied

    def each_once(mass):  # both partners of a pair carry its mass
        return float(mass.sum() / 2)

    every, excess = each_once(comparable), concordant - discordant
    influence = np.full(n, np.nan)
    if every > 0:
        somers_d = each_once(excess) / every
        change = (excess - somers_d * comparable) / (2 * every)
        influence[by_risk] = change if entry is None else change[:n] + change[n:]
    return Pairs(
        concordant=each_once(concordant),
        discordant=each_once(discordant),
        tied_risk=each_once(tied),
        tied_time=same_time - same_both,
        tied_both=same_both,
        influence=influence,
    )


def _pairs_within(group, key, case, other, died) -> tuple[np.ndarray, float]:
    """For each element the mass of its pairs (case with the smaller key) in its group, and that of events tied."""
    label = _narrow(group * (key.max() + 1) + key)
    order = np.argsort(label, kind="stable")
    label, group, case, other, died = label[order], group[order], case[order], other[order], died[order]
    start, end = _runs(label)  # of elements with the same group and key
    first, last = _runs(group)
    cases, others = _running(case), _running(other)
    mass = np.empty(len(key))
    mass[order] = case * (others[last] - others[end]) + other * (cases[start] - cases[first])
    twice = case * (_running(died)[end] - _running(died)[start] - died)
    return mass, float(twice.sum(dtype=float) / 2)


def _concordant(stratum, rank, key, case, other) -> np.ndarray:
    """For each element the mass of its pairs in which the case has the smaller key and the higher rank.

    With the elements in order of rank, the bits of the key are taken from the highest. Elements that agree in all
    higher bits form a block; in it, those with the bit at 0 are earlier than those with it at 1, and running sums over
    the block say how much of the one lies below the other. Then each block is cut in two, its order kept. Every pair
    of different keys is met once, at the first bit in which they differ. (A wavelet tree, never stored.)
    """
    bits = int(key.max()).bit_length()
    # At equal rank the earlier come first: a tie is no concordance.
    order = np.argsort(rank * (key.max() + 1) + key, kind="stable").astype(np.int32)
    label = _narrow((stratum << bits) + key)[order]
    case, other, mass = case[order], other[order], np.zeros(len(key))
    for bit in reversed(range(bits)):
        is_late = (label >> bit) & 1 == 1
        early, late = np.flatnonzero(~is_late), np.flatnonzero(is_late)
        block = np.append(_starts(label >> (bit + 1)), len(label))
        of_early = np.searchsorted(early, block)
        of_late = block - of_early
        cut, middle = np.concatenate([early, late]), len(early)
        label, case, other, mass, order = label[cut], case[cut], other[cut], mass[cut], order[cut]
        cases, others = _running(case[:middle]), _running(other[middle:])
        others_below = others[early - np.arange(middle)] - np.repeat(others[of_late[:-1]], np.diff(of_early))
        cases_above = np.repeat(cases[of_early[1:]], np.diff(of_late)) - cases[late - np.arange(len(late))]
        mass[:middle] += case[:middle] * others_below
        mass[middle:] += other[middle:] * cases_above
    result = np.empty(len(key))
    result[order] = mass
    return result


def _narrow(label: np.ndarray) -> np.ndarray:
    """Small labels in two bytes, which are moved and sorted several times faster."""
    return label.astype(np.uint16) if label.max() < 2**16 else label


def _starts(values: np.ndarray) -> np.ndarray:
    """Where runs of equal values begin."""
    return np.append(0, np.flatnonzero(values[1:] != values[:-1]) + 1)


def _runs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each element, where its run of equal values begins, and where it ends (exclusive)."""
    edges = np.append(_starts(values), len(values))
    length = np.diff(edges)
    return np.repeat(edges[:-1], length), np.repeat(edges[1:], length)


def _running(values: np.ndarray) -> np.ndarray:
    """Sums before each place, and the whole at the end."""
    sums = np.zeros(len(values) + 1, dtype=np.int32 if values.dtype.kind == "i" else float)
    np.cumsum(values, out=sums[1:])
    return sums
