"""The sums of sequential trials as plain loops over days and patients, to compare the matrix products with."""

import numpy as np


def mean_alone(starts, end, cause, start, partner, edges, window, code):
    """Mean days alive within the window of those alone, weighted to the starters of one partner and their days."""
    bands = len(edges) - 1

    def waited(i, place):
        before = sum((edges[b + 1] - edges[b]) * starts.hazard[b] for b in range(min(place, bands)))
        half = 0.5 * (edges[place + 1] - edges[place]) * starts.hazard[place] if place < bands else 0
        return float((starts.relative[i] * (before + half)).sum())

    def band_of(day):
        return next((b for b in range(bands) if edges[b] < day <= edges[b + 1]), bands)

    means = []
    for own in np.flatnonzero(partner == code):
        begin = int(start[own])
        origin = next(b for b in range(bands) if edges[b] <= begin < edges[b + 1])
        survival, total = 1.0, 0.0
        for day in range(begin + 1, begin + window + 1):
            total += survival
            at_risk = died = 0.0
            for i in range(len(end)):
                leaves = min(end[i], start[i])
                if leaves >= day:
                    later = band_of(day)
                    mass = starts.relative[i, code] * np.exp(waited(i, later) - waited(i, origin))
                    mass = starts.relative[i, code] if later == origin else mass
                    at_risk += mass
                    died += mass * (end[i] == day and cause[i] == 1 and start[i] >= day and partner[i] < 0)
            survival *= 1 - died / at_risk
        means.append(total)
    return np.mean(means)
