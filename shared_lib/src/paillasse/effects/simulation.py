"""A world of combinations in which the truth is known: what estimates of treatment effects are scored against.

Patients start a backbone immunotherapy for lung cancer; over the first three months some start one of many partners,
whom the treating team chooses by the patient's state, each partner by its own habits (confounding by indication). Who
dies early never starts one (immortal time). Each partner changes the hazard of death, after a delay, and that of a
hospital stay for immune toxicity, with which death competes.

Marginals are those of the French cohort EVIDENS of 1,420 patients under nivolumab (Barlesi and others 2020,
OncoImmunology 9:1744898; 36 months: Barlesi and others 2025): median age 66, squamous 30.8 %, stage IV 91.4 %, brain
metastases 19.9 %, performance status of 2 or more 17.1 %, third line or later 26.1 %; median overall survival 11.2
months, 19.7 % alive at 36 months. The share with a hospital stay for immune toxicity under the backbone alone is of
the order of 4 %, as among 3,137 patients of one hospital (PMID 37335906). Sex, liver metastases, comorbidities and
PD-L1 are assumptions; so are all effects.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from paillasse.effects._trials import DAYS_A_MONTH
from paillasse.effects.target_trial import TargetTrial
from paillasse.errors import InputError

GRACE = 91  # days in which a partner may be started
WEEKS = 13
# Columns of the analysis table: log hazard ratios of death and of toxicity a unit of each.
COVARIATES = {
    "age": (0.012, 0.005),
    "woman": (-0.15, 0.10),
    "squamous": (0.15, 0.0),
    "stage_iv": (0.40, 0.0),
    "brain_metastases": (0.25, 0.0),
    "liver_metastases": (0.40, 0.0),
    "poor_performance": (0.75, 0.15),
    "later_line": (0.15, 0.0),
    "comorbidities": (0.10, 0.10),
    "pdl1_high": (-0.40, 0.20),
}
SPREAD = np.array([10.0, *np.ones(len(COVARIATES) - 1)])  # a unit of choice: ten years, yes or no, one disease
SHAPE, SCALE = 0.80, 570.0  # Weibull hazard of death under the backbone alone, for a patient of linear predictor 0
TOXICITY = 0.05 / 365.25  # hazard of toxicity a day, for the same patient
DELAY = 60  # days until a partner acts on death
FITTER = 0.6  # how much the choice of any partner avoids who is ill: log rate a unit of the log hazard of death
HABITS = 0.35  # spread of a partner's own habits: log rate a unit of a covariate
RARE = 1 / 6  # share of partners that few are given


@dataclass(frozen=True)
class World:
    """Partners with their true effects and the habits of their use; made by :func:`simulated_world`.

    Attributes
    ----------
    partners : pandas.DataFrame
        A row a partner: `partner`, `partner_class`, `log_hazard_ratio` (death, from 60 days after its start),
        `log_toxicity_ratio` (from its start).
    """

    partners: pd.DataFrame
    _habits: np.ndarray  # covariates × partners: log rate of its start a unit of the covariate
    _weekly: np.ndarray  # weeks × partners: rate of its start a day, for a patient of linear predictor 0

    def patients(self, n: int, seed: int, misclassified: float = 0.0) -> pd.DataFrame:
        """Draw patients: the analysis table, a row a patient.

        Parameters
        ----------
        n : int
            Patients.
        seed : int
        misclassified : float
            Share of those with a partner whose record names another one, drawn by how often each is used: of drugs
            paid within the stay, claims see the stay alone.

        Returns
        -------
        pandas.DataFrame
            `patient`, the covariates (:data:`COVARIATES`), `partner` (``"none"`` without), `partner_start` (days from
            the start of the backbone, missing without), `duration` (days to death or end of follow-up), `death`,
            `toxicity_time` (days), `toxicity` (0 censored, 1 hospital stay for immune toxicity, 2 death without),
            `partner_class`.

        Examples
        --------
        >>> patients = simulated_world(seed=1).patients(1000, seed=1)
        >>> bool((patients["partner"] == "none").any() and (patients["duration"] > 0).all())
        True
        """
        rng = np.random.default_rng(seed)
        covariates, death, toxicity = _drawn(n, rng)
        rate = np.exp(self._choice(covariates))
        start, partner = self._starts(rate, rng)
        unstarted = np.exp(-death) * -np.log(rng.random(n)), -np.log(rng.random(n)) / np.exp(toxicity) / TOXICITY
        early = SCALE * unstarted[0] ** (1 / SHAPE)
        partner = np.where(start < early, partner, -1)
        has = partner >= 0
        ratio = np.where(has, self.partners["log_hazard_ratio"].to_numpy()[partner], 0.0)
        died = _dies(unstarted[0], np.where(has, start + DELAY, np.inf), np.exp(ratio))
        harm = np.exp(np.where(has, self.partners["log_toxicity_ratio"].to_numpy()[partner], 0.0))
        since = np.where(
            has, np.maximum(unstarted[1] - np.where(has, start, 0), 0), 0.0
        )  # of the time to toxicity, what is after the start
        ill = unstarted[1] - since + since / harm
        end = np.minimum(rng.uniform(850, 2200, n), -np.log(rng.random(n)) * 12_000)  # the study's end, or lost
        duration, first = np.minimum(died, end), np.minimum(np.minimum(ill, died), end)
        if misclassified:
            partner = self._mistaken(partner, misclassified, rng)
        has &= start < np.ceil(duration)
        names = np.append(self.partners["partner"].to_numpy(dtype=object), "none")
        classes = np.append(self.partners["partner_class"].to_numpy(dtype=object), "none")
        told = np.where(has, partner, len(self.partners))
        return pd.DataFrame(
            {
                "patient": np.arange(n),
                **{name: covariates[:, place] for place, name in enumerate(COVARIATES)},
                "partner": names[told],
                "partner_start": np.where(has, start, np.nan),
                "duration": np.ceil(duration),
                "death": (died <= end).astype(int),
                "toxicity_time": np.ceil(first),
                "toxicity": np.select([ill == first, died == first], [1, 2], 0),
                "partner_class": classes[told],
            }
        )

    def trial(self, covariates: Sequence[str] = tuple(COVARIATES)) -> TargetTrial:
        """The trial that its patients stand in for.

        Parameters
        ----------
        covariates : list of str
            What is adjusted for; fewer than all leave confounding.

        Returns
        -------
        TargetTrial

        Examples
        --------
        >>> simulated_world(seed=1).trial().table["target_trial"].iloc[1]
        'backbone alone; or backbone and the partner (to be started within 90 days)'
        """
        return TargetTrial(
            eligibility=("Lung cancer, alive without a partner on the day of the start", "Patients as drawn"),
            arms={"none": "backbone alone", "partner": "backbone and the partner"},
            assignment=("By lot on each day", "By the team; as if by lot among patients alike in the covariates"),
            time_zero="The day on which the partner is started, or is not",
            follow_up="To death or the end of follow-up",
            outcome=("Death; a hospital stay for immune toxicity, death competing", "As drawn"),
            contrast="Starting the partner against staying alone, in those who start it",
            analysis="Sequential trials by day, weighted by how readily a patient starts the partner",
            treatment="partner", duration="duration", event="death", covariates=list(covariates),
            grace_period=GRACE - 1, treatment_start="partner_start", time_unit="days",
        )  # fmt: skip

    def truth(self, horizon: float = 24, toxicity_horizon: float = 12, n: int = 10_000, seed: int = 0) -> pd.DataFrame:
        """The true effect of starting each partner, in those who start it, when they start it.

        Among patients alive without a partner at a day, weighted by how readily each would start this one on it, the
        survival if they do less that if they never start any; no outcome is drawn, so little of chance is left.

        Parameters
        ----------
        horizon, toxicity_horizon : float
            Months from the start to which mean survival and the risk of toxicity are compared.
        n : int
            Patients over whom the effects are averaged.
        seed : int

        Returns
        -------
        pandas.DataFrame
            `partner`, `delta_rmst` (months), `delta_toxicity` (risk).
        """
        rng = np.random.default_rng([seed, 1])
        covariates, death, toxicity = _drawn(n, rng)
        rate = np.exp(self._choice(covariates))
        start = rng.permutation((np.arange(n) + 0.5) / n * GRACE)
        week = np.minimum(start // 7, WEEKS - 1).astype(int)
        begun = np.vstack([np.zeros(len(self.partners)), np.cumsum(7 * self._weekly, axis=0)])
        waited = (rate * (begun[week] + (start - 7 * week)[:, None] * self._weekly[week])).sum(axis=1)
        ill, hazard = np.exp(toxicity) * TOXICITY, np.exp(death)
        mass = rate * self._weekly[week] * np.exp(-waited - hazard * _cumulative(start))[:, None]
        days = np.linspace(0, horizon * DAYS_A_MONTH, 74)
        before = np.minimum(days, DELAY)
        untouched = hazard[:, None] * (_cumulative(start[:, None] + before) - _cumulative(start)[:, None])
        touched = hazard[:, None] * (_cumulative(start[:, None] + days) - _cumulative(start[:, None] + before))
        alone = np.exp(-untouched - touched)
        soon = np.searchsorted(days, toxicity_horizon * DAYS_A_MONTH - 1e-9) + 1
        gone = np.exp(-ill * start)
        rows = []
        for place, partner in enumerate(self.partners.itertuples()):
            with_partner = np.exp(-untouched - touched * np.exp(partner.log_hazard_ratio))
            gained = np.trapezoid(with_partner - alone, days, axis=1) / DAYS_A_MONTH
            risks = [
                np.trapezoid(
                    each[:, None] * np.exp(-each[:, None] * days[:soon]) * survival[:, :soon], days[:soon], axis=1
                )
                for each, survival in ((ill * np.exp(partner.log_toxicity_ratio), with_partner), (ill, alone))
            ]
            weight = mass[:, place]
            harmed = np.average(risks[0] - risks[1], weights=weight * gone)
            rows.append([partner.partner, np.average(gained, weights=weight), harmed])
        return pd.DataFrame(rows, columns=["partner", "delta_rmst", "delta_toxicity"])

    def _choice(self, covariates: np.ndarray) -> np.ndarray:
        return (covariates - _CENTRE) @ self._habits

    def _starts(self, rate: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The day on which each patient would start a partner if alive, infinite for none, and which."""
        n = len(rate)
        any_start = np.cumsum(7 * rate @ self._weekly.T, axis=1)
        reached = -np.log(rng.random(n))
        week = (any_start < reached[:, None]).sum(axis=1)
        never = week == WEEKS
        week = np.minimum(week, WEEKS - 1)
        before = np.where(week > 0, any_start[np.arange(n), week - 1], 0.0)
        within = any_start[np.arange(n), week] - before
        day = np.floor(7 * (week + (reached - before) / within))
        share = np.cumsum(rate * self._weekly[week], axis=1)
        which = (share < (rng.random(n) * share[:, -1])[:, None]).sum(axis=1)
        return np.where(never, np.inf, day), np.where(never, -1, which)

    def _mistaken(self, partner: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
        has = np.flatnonzero(partner >= 0)
        wrong = has[rng.random(len(has)) < share]
        mistaken = partner.copy()
        mistaken[wrong] = rng.choice(partner[has], len(wrong))
        return mistaken


def simulated_world(
    seed: int, n_partners: int = 60, n_classes: int = 8, started: float = 0.6, without_effect: float = 0.0
) -> World:
    """Draw a world: partners in classes, their effects, and by whom and when they are started.

    Parameters
    ----------
    seed : int
        The same world for the same seed.
    n_partners, n_classes : int
        Partners, and the classes that they are spread over.
    started : float
        About the share of patients who start one if they live.
    without_effect : float
        Share of partners that change no hazard of death, whatever their class. Log hazard ratios of the others scatter
        about their class's (standard deviation 0.12), and these about -0.06 (0.18).

    Returns
    -------
    World

    Raises
    ------
    InputError
        Fewer partners than classes, or a share outside 0 to 1.

    Examples
    --------
    >>> world = simulated_world(seed=1, n_partners=12, n_classes=3)
    >>> world.partners["partner_class"].nunique()
    3
    """
    if not 1 <= n_classes <= n_partners:
        raise InputError("n_classes must be at least 1 and at most n_partners.")
    if not 0 < started < 1 or not 0 <= without_effect <= 1:
        raise InputError("started and without_effect are shares: they lie between 0 and 1.")
    rng = np.random.default_rng([seed, 0])
    place = np.arange(n_partners) % n_classes
    hazard = rng.normal(-0.06, 0.18, n_classes)[place] + rng.normal(0, 0.12, n_partners)
    hazard[rng.random(n_partners) < without_effect] = 0.0
    harm = rng.normal(0.25, 0.25, n_classes)[place] + rng.normal(0, 0.20, n_partners)
    partners = pd.DataFrame(
        {
            "partner": [f"partner_{number:02d}" for number in range(1, n_partners + 1)],
            "partner_class": [f"class_{chr(ord('a') + each)}" for each in place],
            "log_hazard_ratio": hazard,
            "log_toxicity_ratio": harm,
        }
    )
    ill = np.array([effect for effect, _ in COVARIATES.values()])
    habits = -FITTER * ill[:, None] + rng.normal(0, HABITS, (len(COVARIATES), n_partners)) / SPREAD[:, None]
    sooner = np.exp(-rng.normal(0.4, 0.5, n_partners) * np.linspace(0, 1, WEEKS)[:, None])
    often = np.exp(rng.normal(0, 0.5, n_partners)) * sooner
    often[:, rng.random(n_partners) < RARE] *= 0.15
    often *= -np.log1p(-started) / (7 * often.sum())
    return World(partners, habits, often)


def _drawn(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covariates of patients, and their linear predictors of death and of toxicity."""
    age = np.clip(np.round(rng.normal(66, 9.5, n)), 30, 95)
    older = (age - 66) / 10
    poor = rng.random(n) < 1 / (1 + np.exp(1.65 - 0.35 * older))
    drawn = [
        age,
        rng.random(n) < 0.31,
        rng.random(n) < 0.308,
        rng.random(n) < 0.914,
        rng.random(n) < 0.199,
        rng.random(n) < 0.20,
        poor,
        rng.random(n) < 0.261,
        np.minimum(rng.poisson(0.8 * np.exp(0.3 * older)), 6),
        rng.random(n) < 0.30,
    ]
    covariates = np.column_stack(drawn).astype(float)
    death, toxicity = ((covariates - _CENTRE) @ np.array(list(COVARIATES.values()))).T
    return covariates, death, toxicity


# Near the covariates' means, so that rates and hazards are those of a usual patient.
_CENTRE = np.array([66, 0.31, 0.308, 0.914, 0.199, 0.20, 0.171, 0.261, 0.8, 0.30])


def _cumulative(days: np.ndarray) -> np.ndarray:
    return (days / SCALE) ** SHAPE


def _dies(spent: np.ndarray, change: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """The day at which the cumulative hazard reaches `spent`; it is multiplied by `ratio` from day `change` on."""
    at_change = _cumulative(np.where(np.isfinite(change), change, 0.0))
    later = np.isfinite(change) & (spent > at_change)
    return SCALE * np.where(later, at_change + (spent - at_change) / ratio, spent) ** (1 / SHAPE)
