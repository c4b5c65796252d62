"""Sequential trials of many partners at once, each day a trial: their estimates and each patient's influence on them.

In the trial of a day who starts partner k on it is followed from it, beside all who are alive without a partner, each
weighted by how readily he would have started k that day, until he starts one himself; who is left stands then for those
who left so. Everything is sums over patients by day: matrix products over the rows of a day, for all partners.
"""

from dataclasses import dataclass

import numpy as np

from paillasse.effects._starts import Starts

DAYS_A_MONTH = 365.25 / 12


@dataclass(frozen=True)
class Followed:
    """Rows of patients followed by day.

    `end` is the day on which follow-up ends, `cause` 0 where nothing happened on it, else 1, 2, …; `start` the day of
    the partner's start, before `end`, infinite where none was started; `partner` its code, else -1.
    """

    end: np.ndarray
    cause: np.ndarray
    start: np.ndarray
    partner: np.ndarray


@dataclass(frozen=True)
class Contrast:
    """For each partner (K): the means of both arms and each patient's influence on the difference (n × K).

    `number` has the starters, `events` those with an event of each cause within the window (causes × K), `longest` the
    longest time any of them was followed without an event, at most the window.
    """

    started: np.ndarray
    alone: np.ndarray
    influence: np.ndarray
    number: np.ndarray
    events: np.ndarray
    longest: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        return self.started - self.alone


def mean_survival(survival, hazards, begin, end):
    """Mean time alive within the window from `begin` to `end`, and how it moves with each cause's hazard.

    Parameters
    ----------
    survival : array, shape (days, ...)
        At the end of each day, from day 0.
    hazards : list of arrays, same shape
        Of each cause.
    begin, end : int
        Days.

    Returns
    -------
    tuple of array and list of array
        The mean in days; its derivatives by the hazards of the days begin + 1 to end.
    """
    area = np.cumsum(survival[begin:end], axis=0)
    left = survival[begin]
    total = hazards[0][begin + 1 : end + 1].copy()
    for hazard in hazards[1:]:
        total += hazard[begin + 1 : end + 1]
    ahead = (area[-1] - area) / left / np.maximum(1 - total, 1e-12)
    return area[-1] / left, [-ahead] * len(hazards)


def first_cause(survival, hazards, begin, end):
    """The risk of cause 1 within the window, and how it moves with each cause's hazard; as :func:`mean_survival`."""
    inside = slice(begin + 1, end + 1)
    before, left = survival[begin:end], survival[begin]
    total = sum(hazard[inside] for hazard in hazards)
    risk = np.cumsum(before * hazards[0][inside], axis=0)
    ahead = -(risk[-1] - risk) / left / np.maximum(1 - total, 1e-12)
    return risk[-1] / left, [ahead + (before / left if place == 0 else 0) for place in range(len(hazards))]


def contrast(starts: Starts, followed: Followed, edges: np.ndarray, window: int, causes: int, functional) -> Contrast:
    """Starters of each partner against those alone, at the days on which it was started.

    Parameters
    ----------
    starts : Starts
        The fitted intensities.
    followed : Followed
    edges : array of int
        Days at which the bands of starting begin, and the end of the last.
    window : int
        Days of follow-up compared.
    causes : int
        Number of causes.
    functional : callable
        :func:`mean_survival` or :func:`first_cause`.
    """
    n, size = starts.relative.shape
    has = np.flatnonzero(followed.partner >= 0)
    partner, day = followed.partner[has], followed.start[has].astype(int)
    number = np.bincount(partner, minlength=size)
    influence = np.zeros((n, size))
    started, within, events, longest = _of_starters(followed, has, number, window, causes, functional)
    influence[has, partner] = within
    alone, at_day, of_controls = _of_controls(starts, followed, edges, day, partner, number, window, causes, functional)
    influence[has, partner] -= (at_day[day, partner] - alone[partner]) / number[partner]
    influence -= of_controls
    influence -= starts.score_along(starts.covariates.T @ of_controls)
    return Contrast(started, alone, influence, number, events, longest)


def _of_starters(followed: Followed, has: np.ndarray, number: np.ndarray, window: int, causes: int, functional):
    """The mean of each partner's starters, followed from their starts, each starter's influence on it, and counts."""
    size, partner = len(number), followed.partner[has]
    time = np.minimum(followed.end[has] - followed.start[has], window + 1).astype(int)
    cause = np.where(time <= window, followed.cause[has], 0)
    left = np.zeros((causes + 1, window + 2, size))
    np.add.at(left, (cause, time, partner), 1)
    at_risk = np.cumsum(left.sum(axis=0)[::-1], axis=0)[::-1][: window + 1]
    at_risk = np.maximum(at_risk, 1)
    hazards = [left[place + 1, : window + 1] / at_risk for place in range(causes)]
    survival = np.cumprod(1 - sum(hazards), axis=0)
    mean, moves = functional(survival, hazards, 0, window)
    pulls = [np.concatenate([np.zeros((1, size)), move / at_risk[1:]]) for move in moves]
    spent = np.cumsum(sum(pull * hazard for pull, hazard in zip(pulls, hazards)), axis=0)
    influence = -spent[np.minimum(time, window), partner]
    for place, pull in enumerate(pulls):
        rows = cause == place + 1
        influence[rows] += pull[time[rows], partner[rows]]
    longest = np.zeros(size, dtype=int)
    np.maximum.at(longest, partner[cause == 0], np.minimum(time, window)[cause == 0])
    return mean, influence, left[1:].sum(axis=1), longest


def _of_controls(starts: Starts, followed: Followed, edges, day, partner, number, window, causes, functional):
    """The mean of those alone, weighted to each partner's starters and their days, and each patient's influence on it.

    A control of the trials of band a, still alone in band b, has weight relative_k times the inverse of the probability
    of remaining alone from the middle of a to that of b.
    """
    n, size = starts.relative.shape
    bands, last = len(edges) - 1, int(edges[-1] + window)
    cause = np.where(followed.partner >= 0, 0, followed.cause)  # who starts a partner leaves without an event
    leaves = np.minimum(np.minimum(followed.end, followed.start), last + 1).astype(int)
    order = np.lexsort([cause, leaves])
    leaves, cause = leaves[order], cause[order]
    relative = starts.relative[order]
    waited = _waited(starts, edges, relative)
    first = np.searchsorted(leaves, np.arange(last + 3))  # where the rows of each day begin
    band_of = (
        np.searchsorted(edges, np.arange(last + 1)) - 1
    )  # day t belongs to the band with edges[b] < t <= edges[b+1]
    at_risk = np.zeros((last + 1, bands, size))
    events = np.zeros((causes, last + 1, bands, size))
    for band in range(bands + 1):
        days = np.flatnonzero(band_of == band)
        if not len(days):
            continue
        rows = slice(first[days[0]], n)
        weight = _alone(waited, band, rows)
        here, offset = min(band + 1, bands), first[days[0]]
        beyond = slice(first[days[-1] + 1], n)
        staying = weight[beyond.start - offset :].T @ relative[beyond]
        for t in days[::-1]:
            for place in range(causes):
                own = slice(
                    first[t] + np.searchsorted(cause[first[t] : first[t + 1]], place + 1),
                    first[t] + np.searchsorted(cause[first[t] : first[t + 1]], place + 2),
                )
                if own.stop > own.start:
                    mass = weight[own.start - offset : own.stop - offset].T @ relative[own]
                    events[place, t, :here] = mass
                    staying += mass
            censored = slice(first[t], first[t] + np.searchsorted(cause[first[t] : first[t + 1]], 1))
            if censored.stop > censored.start:
                staying += weight[censored.start - offset : censored.stop - offset].T @ relative[censored]
            at_risk[t, :here] = staying
    safe = np.where(at_risk > 0, at_risk, 1)
    hazards = [events[place] / safe for place in range(causes)]
    survival = np.cumprod(1 - sum(hazards), axis=0)
    share = np.zeros((edges[-1], size))
    np.add.at(share, (day, partner), 1)
    share /= np.maximum(number, 1)
    mean, at_day = np.zeros(size), np.zeros(share.shape)
    pulls = [np.zeros(at_risk.shape) for _ in range(causes)]
    for band in range(bands):
        for s in range(edges[band], edges[band + 1]):
            at_day[s], moves = functional(survival[:, band], [hazard[:, band] for hazard in hazards], s, s + window)
            mean += share[s] * at_day[s]
            for pull, move in zip(pulls, moves):
                pull[s + 1 : s + window + 1, band] += share[s] * move
    for pull in pulls:
        pull /= safe
    spending = sum(pull * hazard for pull, hazard in zip(pulls, hazards))
    influence = np.zeros((n, size))
    for band in range(bands + 1):
        days = np.flatnonzero(band_of == band)
        if not len(days):
            continue
        rows = slice(first[days[0]], n)
        weight, offset = _alone(waited, band, rows), first[days[0]]
        here = weight.shape[1]
        spent = np.cumsum(spending[days, :here], axis=0)
        for place, t in enumerate(days):
            own = slice(first[t], first[t + 1])
            if own.stop == own.start:
                continue
            mass = weight[own.start - offset : own.stop - offset]
            influence[own] -= mass @ spent[place]
            for which in range(causes):
                hit = cause[own] == which + 1
                if hit.any():
                    influence[own][hit] += mass[hit] @ pulls[which][t, :here]
        beyond = slice(first[days[-1] + 1], n)
        influence[beyond] -= weight[beyond.start - offset :] @ spent[-1]
    influence *= relative
    unsorted = np.empty_like(influence)
    unsorted[order] = influence
    return mean, at_day, unsorted


def _waited(starts: Starts, edges: np.ndarray, relative: np.ndarray) -> np.ndarray:
    """Cumulative intensity of any start at the middle of each band, and at the end of the last: n × (bands + 1)."""
    length = np.diff(edges)[:, None] * starts.hazard
    ends = np.cumsum(length, axis=0)
    return relative @ np.vstack([ends - length / 2, ends[-1:]]).T


def _alone(waited: np.ndarray, band: int, rows: slice) -> np.ndarray:
    """One over the probability of remaining alone from the middle of each band up to this one to this one's."""
    here = min(band + 1, waited.shape[1] - 1)
    return np.exp(waited[rows, band, None] - waited[rows, :here])
