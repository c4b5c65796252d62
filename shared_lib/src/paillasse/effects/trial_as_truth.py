"""A randomised trial as its own truth: confounded samples drawn by design, whose right answer is the trial's."""

import numpy as np
import pandas as pd

from paillasse.effects._input import cohort
from paillasse.effects.target_trial import TargetTrial
from paillasse.survival._input import refuse
from paillasse.tables import need_columns


def confounded_sample(trial: TargetTrial, data: pd.DataFrame, chance: str, seed: int) -> pd.DataFrame:
    """Draw patients of a randomised trial so that treatment looks as if doctors had chosen it.

    As many patients as the trial has are drawn with replacement, each arm's with a probability in proportion to the
    chance q that such a patient is treated, or 1 − q in the reference arm. Of each kind of patient as many are drawn as
    the trial has, so that the effect over everybody is the trial's; but the arms are no longer alike, and the true
    propensity score is q (at equal randomisation). An estimator that is right gives the trial's answer back.

    Parameters
    ----------
    trial : TargetTrial
        The randomised comparison.
    data : pandas.DataFrame
        A row a patient; rows with a missing value in a column used are left out.
    chance : str
        Column of the probability q to be treated, between 0 and 1, both excluded.
    seed : int
        Of the draw.

    Returns
    -------
    pandas.DataFrame
        The rows drawn. A patient who is drawn twice counts as two.

    Raises
    ------
    InputError
        If q is not between 0 and 1.

    References
    ----------
    Gentzel, Pruthi and Jensen (2021), Proc Mach Learn Res 139 (observational samples of randomised trials).

    Examples
    --------
    >>> from paillasse.effects import TargetTrial
    >>> trial = TargetTrial(
    ...     eligibility="Stage III", time_zero="By lot", assignment="By lot", follow_up="5 years", outcome="Death",
    ...     contrast="Intention to treat", analysis="Cox", arms={0: "observed", 1: "treated"}, treatment="arm",
    ...     duration="years", event="died", covariates="age",
    ... )
    >>> age = np.arange(400) % 40 + 40
    >>> data = pd.DataFrame({"age": age, "arm": np.arange(400) // 40 % 2, "years": 5, "died": 0, "chance": age / 100})
    >>> sample = confounded_sample(trial, data, "chance", seed=1)
    >>> bool(sample.query("arm == 1")["age"].mean() > sample.query("arm == 0")["age"].mean() + 1)
    True
    """
    need_columns(data, [chance])
    seen = cohort(trial, data)
    q = pd.to_numeric(data[chance].iloc[seen.positions], errors="coerce").to_numpy(dtype=float)
    refuse(~((q > 0) & (q < 1)), f"Column {chance!r} holds what is no probability between 0 and 1", seen.positions)
    share = np.where(seen.treated, q / seen.treated.mean(), (1 - q) / (1 - seen.treated.mean()))
    drawn = np.random.default_rng(seed).choice(seen.positions, seen.n, p=share / share.sum())
    return data.iloc[drawn].reset_index(drop=True)
