"""What curves of the same patients tell together: counts of few, by subtraction.

No curve alone isolates anybody. That of all patients beside those of two arms can: where all together have grown by a
full cell and one arm has not, the other has somebody, and few. Whether that follows is found out as an intruder would,
from all whole numbers that fit what is told. The tests of the rules play the same intruder.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, islice, pairwise, product

import numpy as np

from paillasse.disclosure import Policy, Safe
from paillasse.disclosure.counts import behind
from paillasse.disclosure.safe import MARK, ROUNDED

NEAR = 1e-6  # times nearer than that are the same
MOST_TOLD = 3  # classes of patients
IN_WORDS = {"n_event": "events", "n_lost": "losses"}


@dataclass(frozen=True)
class Curve:
    """The counts that a safe form tells of one group over time.

    Attributes
    ----------
    group : str
    time : numpy.ndarray, shape (m + 1,)
        0 and the cut times.
    n : int
        Patients at the start, rounded.
    told : dict of str to numpy.ndarray, each of shape (m + 1,)
        How patients leave → how many, since that was last told.
    policy : Policy
    """

    group: str
    time: np.ndarray
    n: int
    told: Mapping[str, np.ndarray]
    policy: Policy

    @property
    def grid(self) -> float:
        """The distance of the round times at which something may be told: the largest of 1, 2, 5 · 10ⁿ that fits."""
        for power in range(6, -7, -1):
            for step in (5, 2, 1):
                multiples = self.time / (step * 10.0**power)
                if np.allclose(multiples, np.rint(multiples), atol=NEAR):
                    return step * 10.0**power
        return NEAR


@dataclass(frozen=True)
class Isolated:
    """A class of patients that is sure to hold somebody, and sure to hold few."""

    group: int
    kinds: tuple[str, ...]
    start: float
    end: float
    least: int
    most: int


class Intruder:
    """All data sets that fit released curves: of each group, how many left how between two times of which anything is
    known, as whole numbers.

    The rules are known: sums are rounded; each was told at the first round time by which it had grown by the minimum
    cell, with as many patients still ahead.

    Parameters
    ----------
    curves
        All that will be read.
    groups
        How many groups there are whose patients are counted.
    """

    def __init__(self, curves: Sequence[Curve], groups: int):
        cuts = np.unique(np.concatenate([curve.time for curve in curves]))
        edges = np.unique(np.round(np.concatenate([cuts, *(cuts - curve.grid for curve in curves)]), 6))
        self.edges = edges[edges >= 0]
        self.kinds = tuple(dict.fromkeys(kind for curve in curves for kind in curve.told))
        self.shape = groups, len(self.kinds), len(self.edges)
        self._rows: list[np.ndarray] = []
        self._limits: list[tuple[float, float]] = []

    @property
    def stretches(self) -> list[tuple[float, float]]:
        return list(pairwise([*self.edges, np.inf]))

    def counts(self, groups: Sequence[int], kinds: Sequence[str], start: float, end: float) -> np.ndarray:
        """The weights with which the unknown numbers add up to a count: of those who left in (start, end]."""
        weights = np.zeros(self.shape)
        inside = (self.edges >= start - NEAR) & (self.edges < end - NEAR)
        weights[np.ix_(groups, [self.kinds.index(kind) for kind in kinds], inside)] = 1
        return weights.ravel()

    def know(self, weights: np.ndarray, low: float, high: float = np.inf) -> None:
        self._rows.append(weights)
        self._limits.append((low, high))

    def read(self, curve: Curve, groups: Sequence[int]) -> None:
        """Take in what a curve tells of some groups together."""
        k, counts, last = curve.policy.minimum_cell, partial(self.counts, groups), dict.fromkeys(curve.told, 0.0)
        multiples = self.edges / curve.grid
        asked = self.edges[np.abs(multiples - np.rint(multiples)) < NEAR]
        self.know(counts(self.kinds, 0, np.inf), *behind(curve.n, curve.policy))
        for place, (before, cut) in enumerate(pairwise(curve.time), start=1):
            self.know(counts(self.kinds, cut, np.inf), k)
            for kind, told in curve.told.items():
                for time in asked[(asked > before + NEAR) & (asked < cut - NEAR)]:
                    self.know(counts([kind], last[kind], time), 0, k - 1)
                if told[place]:
                    self.know(counts([kind], 0, cut), *behind(int(told[: place + 1].sum()), curve.policy))
                    self.know(counts([kind], last[kind], cut), k)
                    last[kind] = cut
                else:
                    self.know(counts([kind], last[kind], cut), 0, k - 1)

    def data_set(self, weights: np.ndarray | None = None, most: bool = False) -> np.ndarray | None:
        """A data set that fits, with the least of a count, or the most; None where there is none."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        weights = np.zeros(np.prod(self.shape)) if weights is None else weights
        limits = np.array(self._limits).T
        found = milp(
            -weights if most else weights,
            constraints=LinearConstraint(np.array(self._rows), *limits),
            integrality=np.ones(len(weights)),
            bounds=Bounds(0, np.inf),
        )
        return None if found.x is None else np.rint(found.x)

    def isolated(self, few: int) -> Iterator[Isolated]:
        """The classes of one group, one way or any to leave, and one stretch of time, that hold somebody and few."""
        kinds = dict.fromkeys([*((kind,) for kind in self.kinds), self.kinds])
        stretches = combinations([*self.edges, np.inf], 2)
        fits = np.zeros((0, np.prod(self.shape)))
        for (start, end), group, how in product(stretches, range(self.shape[0]), kinds):
            weights = self.counts([group], how, start, end)
            numbers = fits @ weights
            if np.any((numbers == 0) | (numbers >= few)):  # a data set that fits is known in which it is not so
                continue
            fewest, most = self.data_set(weights), self.data_set(weights, most=True)
            if fewest @ weights >= 1 and most @ weights < few:
                yield Isolated(group, how, start, end, int(fewest @ weights), int(most @ weights))
            fits = np.vstack([fits, fewest, most])


def curves_of(safe: Safe) -> list[Curve]:
    """The counts over time of a safe form; none where it is not of curves."""
    try:
        return _curves_of(safe) if safe.of in ("KaplanMeier", "CumulativeIncidence") else []
    except (KeyError, TypeError, ValueError):  # it calls itself curves, and is not
        return []


def _curves_of(safe: Safe) -> list[Curve]:
    by_group = safe.table[safe.table[MARK] == ROUNDED].groupby("group", sort=False, observed=True)
    curves = []
    for group, table in by_group:
        if safe.of == "KaplanMeier":
            at, events = table, {"n_event": table["n_event"]}
        else:
            at = safe.tables["at_risk"]
            at = at[at["group"].astype(str) == str(group)]
            by_cause = table.groupby("cause", sort=False)
            events = {
                f"events of cause {cause}": each.set_index("time")["n_event"].reindex(at["time"], fill_value=0)
                for cause, each in by_cause
            }
        told = {kind: np.asarray(each, dtype=int) for kind, each in {**events, "n_lost": at["n_lost"]}.items()}
        time = at["time"].to_numpy(dtype=float)
        curves.append(Curve(str(group), time, int(at["n_risk"].iloc[0]), told, safe.policy))
    return curves


def told_together(items: Mapping[str, Safe], data: Mapping[str, set[str]]) -> list[str]:
    """What items tell of few patients, each two of them together: sentences, or none.

    Parameters
    ----------
    items
        Name of each → its safe form.
    data
        Name of each → the data sets that it was made from; those of different ones are of different patients.
    """
    return [
        f"{one} and {other} together tell of few patients: {sentence}."
        for one, other in combinations(items, 2)
        if data[one] & data[other] or not (data[one] and data[other])
        for sentence in subtracted(items[one], items[other])
    ]


def subtracted(first: Safe, second: Safe) -> list[str]:
    """What two safe forms tell of few patients together, where both are of the same patients in different groups.

    Returns
    -------
    list of str
        The first few classes of patients that can be found; none where nothing follows, where the groups are the same
        (then the outcomes differ), or where no data set fits both.

    Examples
    --------
    >>> import pandas as pd
    >>> def curve(group, time, n_risk, n_event):
    ...     counts = {"n_risk": n_risk, "n_event": n_event, "n_lost": 0}
    ...     return pd.DataFrame({"group": group, "time": time, **counts, "mark": "rounded"})
    >>> def of(*curves):
    ...     return Safe("KaplanMeier", "", {"table": pd.concat(curves)}, (), Policy(11, 5))
    >>> both = of(curve("A", [0, 24], [50, 35], [0, 15]), curve("B", [0, 24], [50, 35], [0, 15]))
    >>> subtracted(of(curve("all", [0, 12, 24], [100, 85, 70], [0, 15, 15])), both)[0]
    '3 to 10 events of A between 0 and 12'
    """
    sides = [curves_of(first), curves_of(second)]
    if not all(sides) or {curve.group for curve in sides[0]} == {curve.group for curve in sides[1]}:
        return []
    (low, high), (less, more) = (np.sum([behind(curve.n, curve.policy) for curve in side], axis=0) for side in sides)
    if low > more or less > high:
        return []
    curves = [*sides[0], *sides[1]]
    groups = range(len(sides[0])), range(len(sides[0]), len(curves))
    intruder = Intruder(curves, len(curves))
    for number, curve in enumerate(curves):
        intruder.read(curve, [number])
    for kind in intruder.kinds:
        for stretch in intruder.stretches:
            here, there = (intruder.counts(side, [kind], *stretch) for side in groups)
            intruder.know(here - there, 0, 0)
    if intruder.data_set() is None:  # another outcome, or other patients
        return []
    few = max(curve.policy.minimum_cell for curve in curves)
    found = islice(intruder.isolated(few), MOST_TOLD)
    return [_in_words(each, curves[each.group].group, intruder.kinds) for each in found]


def _in_words(each: Isolated, group: str, kinds: tuple[str, ...]) -> str:
    what = "patients" if each.kinds == kinds else IN_WORDS.get(each.kinds[0], each.kinds[0])
    number = f"{each.least}" if each.least == each.most else f"{each.least} to {each.most}"
    if each.end == np.inf:
        when = f" after {each.start:g}" if each.start else ""
    else:
        when = f" between {each.start:g} and {each.end:g}"
    return f"{number} {what} of {group}{when}"
