"""Inverse probability of censoring weights: patients who stay stand in for those alike who were lost."""

import numpy as np
import pandas as pd

from paillasse.effects._input import need_same_data
from paillasse.effects._intervals import pieces, pooled_hazard, undecided, undecided_slopes
from paillasse.effects._rows import Nuisance, Rows
from paillasse.effects.weights import WeightedTrial, weighted_trial
from paillasse.errors import InputError
from paillasse.survival._input import refuse
from paillasse.tables import need_columns


def reweigh_lost(weighted: WeightedTrial, data: pd.DataFrame, lost: str, every: float) -> WeightedTrial:
    r"""Weigh those still followed for those alike who were lost before.

    Follow-up is cut into intervals. In each arm a pooled logistic regression on the trial's covariates, with a level
    for each interval, gives the probability :math:`h_{ik}` of being lost in interval k. There a row's weight is
    multiplied by :math:`1/(1 - h_{ik}/2) \prod_{j<k} 1/(1 - h_{ij})`: the interval itself counts by half, since whoever
    is lost in it is there for about half of it. Standard errors take the estimation of this model into
    account as they do the propensity score's.

    Parameters
    ----------
    weighted : WeightedTrial
        As :func:`weigh` gives it.
    data : pandas.DataFrame
        The data that it was made of.
    lost : str
        Column that is 1 or True where the follow-up ended because the patient was lost or left his arm, in a way that
        may depend on the covariates; 0 where it ended by the event or by the end of the study.
    every : float
        Length of the intervals, in the unit of the durations.

    Returns
    -------
    WeightedTrial

    Raises
    ------
    InputError
        If a row is lost and has the event, nobody is lost, the covariates tell perfectly who is, or these are other
        data.

    References
    ----------
    Robins and Finkelstein (2000), Biometrics 56:779.

    Examples
    --------
    >>> from paillasse.effects import sequential_trials, simulated_world, weigh
    >>> world = simulated_world(seed=1, n_partners=1, n_classes=1)
    >>> trials = sequential_trials(world.trial(), world.patients(800, seed=1), controls=2)
    >>> weighted = weigh(trials.trial, trials.data)
    >>> reweigh_lost(weighted, trials.data, "lost", every=30).how
    'overlap weights (patients for whom both arms were likely); inverse probability of staying, in intervals of 30'
    """
    rows, seen, trial = weighted._rows, weighted._cohort, weighted.trial
    if rows.entry is not None:
        raise InputError(
            "These rows are cut already: who is lost is weighed for once, on what weigh() gives. Clones have no such "
            "weights; sequential_trials() may."
        )
    need_same_data(trial, seen, data)
    need_columns(data, [lost])
    own = data[[lost]].iloc[seen.positions]
    neither = ~own[lost].isin([0, 1]).to_numpy()
    refuse(neither, f"Column {lost!r} must be 1 for a lost row and 0 otherwise", seen.positions)
    gone = (own[lost] == 1).to_numpy(dtype=bool)
    if (gone & (seen.cause > 0)).any():
        n = int((gone & (seen.cause > 0)).sum())
        raise InputError(f"{n} rows are lost (column {lost!r}) and have the event (column {trial.event!r}).")
    cuts = cut_times(seen.duration[gone].max(initial=0.0), every)
    if not gone.any():
        raise InputError(f"Nobody is lost in column {lost!r}: no weights are needed.")
    cut = pieces(seen.duration, cuts)
    arm = rows.arm[cut.source]
    factor, nuisances = np.ones(len(arm)), []
    slopes_of = [Nuisance(each.slopes[cut.source], each.influence) for each in rows.nuisances]
    for code in (False, True):
        own = np.flatnonzero(arm == code)
        decided = cut.is_last[own] & gone[cut.source[own]]
        if not decided.any():
            continue
        hazard = pooled_hazard(cut.interval[own], seen.x[cut.source[own]], decided, seen.design.names, "be lost")
        factor[own] = np.exp(-undecided(hazard.probability, cut.source[own]))
        slopes = np.zeros((len(arm), hazard.design.shape[1]))
        slopes[own] = undecided_slopes(hazard.probability, hazard.design, cut.source[own])
        nuisances.append(Nuisance(slopes, by_patient(hazard.influence, seen.patient[cut.source[own]], seen.n_patients)))
    done = Rows(
        patient=seen.patient[cut.source],
        n_patients=seen.n_patients,
        arm=arm,
        entry=cut.entry,
        stop=cut.stop,
        cause=np.where(cut.is_last, seen.cause[cut.source], 0),
        weights=rows.weights[cut.source] * factor,
        source=cut.source,
        nuisances=(*slopes_of, *nuisances),
    )
    how = f"{weighted.how}; inverse probability of staying, in intervals of {every:g}"
    return weighted_trial(trial, seen, done, how, weighted.scores)


def cut_times(last: float, every: float) -> np.ndarray:
    """Cuts from 0 on, so that the last is at or after `last`."""
    if not (np.isfinite(every) and every > 0):
        raise InputError("The length of the intervals (every) is a positive time.")
    return np.arange(int(np.ceil(last / every)) + 1) * float(every)


def by_patient(influence: np.ndarray, patient: np.ndarray, n_patients: int) -> np.ndarray:
    """Sums of rows by patient."""
    return np.column_stack([np.bincount(patient, column, n_patients) for column in influence.T])
