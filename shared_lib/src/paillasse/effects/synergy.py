"""Whether a combination does better than either of its parts alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr

from paillasse.disclosure import Policy, Result
from paillasse.effects._trials import DAYS_A_MONTH
from paillasse.effects.combinations import CombinationEffects
from paillasse.effects.estimates import rmst_difference
from paillasse.effects.target_trial import TargetTrial
from paillasse.effects.weights import weigh
from paillasse.errors import InputError
from paillasse.survival._design import parsed
from paillasse.survival._input import half_width, outcome_by_cause
from paillasse.tables import View, need_columns

TOGETHER, TIME, DIED = "together", "time", "died"


@dataclass(frozen=True, repr=False)
class Synergy(Result):
    """Combinations against both of their parts.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a partner with a single-agent arm: `partner`, `partner_class`, `n` (together), `n_alone`,
        `deaths_alone`, `versus_backbone`, `versus_partner` (months gained against each part), `excess` (the lesser of
        both), `lower`, `upper`, `p_value` (that the excess is not positive, one-sided).
    not_estimable : pandas.DataFrame
        The other partners: `partner`, `reason`.
    horizon : float
        Months.
    """

    table: pd.DataFrame
    not_estimable: pd.DataFrame
    horizon: float
    conf_level: float

    def _safe(self, policy: Policy):
        from paillasse.effects._safe_combinations import safe_synergy

        return safe_synergy(self, policy)

    def view(self) -> View:
        notes = (
            f"Scale: months of mean survival within {self.horizon:g} beyond the better part alone (highest single "
            f"agent); {100 * self.conf_level:g}% limits. Above 0, the combination beats both parts; that is no synergy "
            "in the sense of more than additive, which needs patients treated with neither.",
            f"{len(self.not_estimable)} partners are not estimable: see `not_estimable`.",
        )
        decimals = dict.fromkeys(("versus_backbone", "versus_partner", "excess", "lower", "upper"), 2)
        return View("Combinations against their better part", self.table, notes, decimals)


def synergy(
    effects: CombinationEffects,
    data: pd.DataFrame,
    alone: pd.DataFrame,
    least: int = 40,
) -> Synergy:
    r"""Compare each combination with the better of its parts, where patients had the partner alone.

    The declared scale is the highest single agent on mean survival time: with S the combination, B the backbone and P
    the partner alone,

    .. math:: \text{excess} = \min(\mu_S - \mu_B,\ \mu_S - \mu_P).

    The first difference is that of :func:`combination_effects`; the second compares those who started the partner
    beside the backbone, from its start, with those who started it alone, by overlap weights. The excess is positive
    only if both are: the test is the larger of the two one-sided p-values (an intersection-union test, of its level
    without correction), the limits are the lesser of the two lower and of the two upper ones.

    Parameters
    ----------
    effects : CombinationEffects
        Of the same data.
    data : pandas.DataFrame
        As given to :func:`combination_effects`.
    alone : pandas.DataFrame
        A row a patient who started a partner without the backbone: the partner, the covariates, and the duration and
        event counted from that start, in the columns of `data`.
    least : int
        Patients with the partner alone below which there is no estimate.

    Returns
    -------
    Synergy

    Raises
    ------
    InputError
        A column is missing or holds what it cannot, or no partner has enough patients alone.

    References
    ----------
    Foucquier and Guedj (2015), Pharmacol Res Perspect 3:e00149 (highest single agent). Berger (1982), Technometrics
    24:295 (intersection-union tests).

    Examples
    --------
    >>> from paillasse.effects import combination_effects, simulated_world
    >>> world = simulated_world(seed=1, n_partners=3, n_classes=1)
    >>> patients = world.patients(6000, seed=1)
    >>> effects = combination_effects(world.trial(["age", "poor_performance"]), patients)
    >>> others = world.patients(6000, seed=2)
    >>> others = others[others["partner"] == "partner_01"]
    >>> made = synergy(effects, patients, others)
    >>> made.table["partner"].tolist(), len(made.not_estimable)
    (['partner_01'], 2)
    """
    told = effects.trial
    partner, start, duration, death = told.treatment, told.treatment_start, told.duration, told.event
    need_columns(data, [start])
    for frame in (data, alone):
        need_columns(frame, [partner, *parsed(told.covariates, frame)[1]])
        outcome_by_cause(frame, duration, death)
    z = half_width(effects.conf_level)
    rows, lost = [], []
    known = effects.table.set_index("partner")
    for name, first in known.iterrows():
        single = alone[alone[partner] == name]
        if len(single) < least:
            lost.append([name, f"fewer than {least} patients had it alone"])
            continue
        if single[death].sum() == 0:
            lost.append([name, "nobody who had it alone died"])
            continue
        both = data[(data[partner] == name) & (data[start] < data[duration])]
        joined = pd.concat(
            [
                both.assign(**{TOGETHER: 1, TIME: both[duration] - both[start], DIED: both[death]}),
                single.assign(**{TOGETHER: 0, TIME: single[duration], DIED: single[death]}),
            ],
            ignore_index=True,
        )
        trial = _trial(told.covariates, effects.horizon)
        try:
            contrast = rmst_difference(weigh(trial, joined, "overlap"), tau=round(effects.horizon * DAYS_A_MONTH))
        except InputError as error:
            lost.append([name, str(error).rstrip(".")])
            continue
        second = contrast.difference.iloc[0]
        values = np.array([first["delta_rmst"], second["difference"] / DAYS_A_MONTH])
        errors = np.array([first["delta_rmst_std_err"], second["std_err"] / DAYS_A_MONTH])
        excess, p = values.min(), ndtr(-values / errors).max()
        limits = (values - z * errors).min(), (values + z * errors).min()
        counted = len(single), int(single[death].sum())
        rows.append([name, first["partner_class"], first["n"], *counted, *values, excess, *limits, p])
    if not rows:
        raise InputError(f"No partner can be compared with itself alone. {lost[0][0]!r}: {lost[0][1]}.")
    columns = ["partner", "partner_class", "n", "n_alone", "deaths_alone", "versus_backbone", "versus_partner"]
    table = pd.DataFrame(rows, columns=[*columns, "excess", "lower", "upper", "p_value"])
    return Synergy(table, pd.DataFrame(lost, columns=["partner", "reason"]), effects.horizon, effects.conf_level)


def _trial(covariates: str | Sequence[str], horizon: float) -> TargetTrial:
    return TargetTrial(
        eligibility="Starters of the partner", time_zero="Start of the partner", assignment=("By lot", "As if by lot"),
        follow_up=f"{horizon:g} months", outcome="Death", contrast="In the overlap", analysis="Overlap weights",
        arms={0: "partner alone", 1: "with the backbone"}, treatment=TOGETHER, duration=TIME, event=DIED,
        covariates=covariates, time_unit="days",
    )  # fmt: skip
