"""Treatment effects of known truth: no bias beyond Monte Carlo error, 95 % limits that hold it 95 times in 100."""

import numpy as np
import pandas as pd
import pytest

from paillasse.effects import (
    TargetTrial,
    clones,
    doubly_robust,
    hazard_ratio,
    incidence_difference,
    reweigh_lost,
    rmst_difference,
    sequential_trials,
    survival_by_arm,
    weigh,
)

TAU, GRACE, EVERY = 5.0, 0.5, 0.05
FEW, MANY, PATIENTS = 40, 300, 400  # draws by default and in the slow tests
TOLD = ("eligibility", "time_zero", "assignment", "follow_up", "outcome", "contrast", "analysis")


def trial(**columns):
    told = dict.fromkeys(TOLD, "as simulated") | dict(arms={0: "control", 1: "treated"}, treatment="treated")
    return TargetTrial(**(told | dict(duration="time", event="cause", covariates="x + z") | columns))


class Confounded:
    """Two confounders x, z; constant hazards of two causes; treatment at time zero more often given to who fares worse.

    Patients of large x are lost more often too, so that censoring is not independent either.
    """

    def __init__(self):
        grid = np.random.default_rng(1).normal(size=200_000)
        self.x, self.z = np.repeat(grid, 2), np.tile([0, 1], len(grid))  # the population, for the truth
        self.p = np.tile([0.6, 0.4], len(grid))

    @staticmethod
    def score(x, z):
        return 1 / (1 + np.exp(0.4 - 0.8 * x - 0.7 * z))

    @staticmethod
    def hazards(x, z, treated):
        return 0.25 * np.exp(0.5 * x + 0.4 * z - 0.6 * treated), 0.08 * np.exp(-0.2 * x + 0.3 * z)

    def draw(self, random):
        x, z = random.normal(size=PATIENTS), (random.random(PATIENTS) < 0.4).astype(int)
        treated = (random.random(PATIENTS) < self.score(x, z)).astype(int)
        first, second = (random.exponential(1 / hazard) for hazard in self.hazards(x, z, treated))
        lost, end = random.exponential(1 / (0.08 * np.exp(0.7 * x))), random.uniform(6, 9, PATIENTS)
        time = np.minimum(first, second)
        ends = np.minimum.reduce([time, lost, end])
        cause = np.where(time > ends, 0, np.where(first < second, 1, 2))
        gone = ((lost == ends) & (cause == 0)).astype(int)
        return pd.DataFrame({"x": x, "z": z, "treated": treated, "time": ends, "cause": cause, "gone": gone})

    def truth(self, what, everybody):
        """The difference in the population, or in the one that overlap weights stand for."""
        e = self.score(self.x, self.z)
        mass = self.p * (1 if everybody else e * (1 - e))
        values = []
        for treated in (0, 1):
            first, second = self.hazards(self.x, self.z, treated)
            total = first + second
            gone = -np.expm1(-total * TAU)
            value = {"mean": gone / total, "risk": first / total * gone, "survival": 1 - gone}[what]
            values.append((mass @ value) / mass.sum())
        return values[1] - values[0]


def check(found, truth):
    """`found` has an estimate, its error and its limits of each draw."""
    estimate, error, lower, upper = np.array(found).T
    draws = len(estimate)
    bias = estimate.mean() - truth
    assert abs(bias) < 3.5 * estimate.std() / np.sqrt(draws), f"bias {bias:.5f}"
    assert error.mean() == pytest.approx(estimate.std(), rel=3.5 / np.sqrt(2 * draws) + 0.02)
    covered = np.mean((lower <= truth) & (truth <= upper))
    slack = 3.5 * np.sqrt(0.95 * 0.05 / draws)
    assert 0.95 - slack <= covered <= 0.95 + slack, f"coverage {covered:.3f}"


def told(result):
    return result.difference[["difference", "std_err", "lower", "upper"]].iloc[0].to_numpy(float)


DRAWS = [FEW, pytest.param(MANY, marks=pytest.mark.slow)]


@pytest.mark.parametrize("draws", DRAWS)
@pytest.mark.parametrize("kind", ["overlap", "iptw", "stabilised"])
def test_weights_with_those_for_the_lost_give_the_difference_of_their_population(kind, draws):
    world, random, means, risks = Confounded(), np.random.default_rng(20261125), [], []
    for _ in range(draws):
        data = world.draw(random)
        found = reweigh_lost(weigh(trial(), data, kind), data, "gone", every=1.5)
        means.append(told(rmst_difference(found, TAU)))
        risks.append(told(incidence_difference(found, 1, TAU)))
    check(means, world.truth("mean", kind != "overlap"))
    check(risks, world.truth("risk", kind != "overlap"))


@pytest.mark.parametrize("draws", DRAWS)
@pytest.mark.parametrize("folds", [1, 5])
def test_the_doubly_robust_estimate_gives_the_difference_of_everybody(folds, draws):
    world, random, found = Confounded(), np.random.default_rng(20261126), []
    for _ in range(draws):
        found.append(told(doubly_robust(trial(), world.draw(random), TAU, folds=folds)))
    check(found, world.truth("mean", everybody=True))


def test_the_crude_difference_is_wrong_here():
    """The test of the tests: in this world there is something to mend."""
    world, random = Confounded(), np.random.default_rng(20261127)
    crude = [told(rmst_difference(weigh(trial(), world.draw(random), "none"), TAU))[0] for _ in range(50)]
    assert np.mean(crude) < world.truth("mean", everybody=True) - 0.3


def test_the_hazard_ratio_of_no_effect_is_one():
    class Nothing(Confounded):
        @staticmethod
        def hazards(x, z, treated):
            return Confounded.hazards(x, z, 0)

    world, random, found = Nothing(), np.random.default_rng(20261128), []
    for _ in range(FEW):
        data = world.draw(random)
        line = hazard_ratio(reweigh_lost(weigh(trial(), data), data, "gone", every=1.5)).table.iloc[0]
        found.append([line["coef"], line["std_err"], np.log(line["lower"]), np.log(line["upper"])])
    check(found, 0.0)


class Later:
    """Treatment starts in the first half year or never, sooner for who fares worse, and lowers the hazard from then."""

    def __init__(self, effect):
        self.effect = effect

    @staticmethod
    def starting(x, z):
        return 1.2 * np.exp(0.5 * x - 0.4 * z)

    def deaths(self, random, x, z, start):
        """Times of death where treatment starts at `start`."""
        hazard, spent = 0.25 * np.exp(0.6 * x + 0.4 * z), random.exponential(size=len(x))
        before = np.minimum(spent / hazard, start)
        return before + (spent - hazard * before) / (hazard * np.exp(self.effect))

    def draw(self, random, n=PATIENTS):
        x, z = random.normal(size=n), (random.random(n) < 0.4).astype(int)
        start = random.exponential(1 / self.starting(x, z))
        start[start > GRACE] = np.inf
        death, end = self.deaths(random, x, z, start), random.uniform(5.5, 9, n)
        time = np.minimum(death, end)
        started = start < time
        data = {"x": x, "z": z, "time": time, "cause": (death <= end).astype(int)}
        return pd.DataFrame(data | {"start": np.where(started, start, np.nan), "treated": started.astype(int)})

    def truth(self, starts):
        """Of a million patients who do as the arms say."""
        random, n = np.random.default_rng(2), 1_000_000
        x, z = random.normal(size=n), (random.random(n) < 0.4).astype(int)
        natural = random.exponential(1 / self.starting(x, z))
        if starts == "natural":  # who has not started by the last interval starts in it
            rate = self.starting(x, z)
            last = -np.log1p(random.random(n) * np.expm1(-rate * EVERY)) / rate
            start = np.where(natural < GRACE - EVERY, natural, GRACE - EVERY + last)
        else:
            died = self.deaths(random, x, z, np.where(natural <= GRACE, natural, np.inf))
            start = random.choice(natural[(natural <= GRACE) & (natural < died)], n)
        treated, never = (self.deaths(random, x, z, each) for each in (start, np.full(n, np.inf)))
        return np.minimum(treated, TAU).mean() - np.minimum(never, TAU).mean()


@pytest.mark.parametrize("draws", DRAWS)
@pytest.mark.parametrize("starts", ["natural", "observed"])
def test_clones_give_the_effect_of_the_strategies(starts, draws):
    world, random, found = Later(effect=-0.7), np.random.default_rng(20261129), []
    emulated = trial(treatment_start="start", grace_period=GRACE)
    for _ in range(draws):
        found.append(told(rmst_difference(clones(emulated, world.draw(random, 800), EVERY, starts), TAU)))
    check(found, world.truth(starts))


@pytest.mark.parametrize("draws", DRAWS)
def test_sequential_trials_find_nothing_where_there_is_nothing_and_the_ever_treated_seem_to_live_longer(draws):
    world, random, found, naive = Later(effect=0.0), np.random.default_rng(20261130), [], []
    emulated = trial(treatment_start="start", grace_period=GRACE)
    for _ in range(draws):
        data = world.draw(random)
        trials = sequential_trials(emulated, data, controls=4, seed=int(random.integers(2**31)))
        weighted = reweigh_lost(weigh(trials.trial, trials.data), trials.data, "lost", every=EVERY)
        found.append(told(rmst_difference(weighted, TAU)))
        naive.append(told(rmst_difference(weigh(trial(), data), TAU))[0])
    check(found, 0.0)
    assert np.mean(naive) > 0.1  # immortal time


def test_curves_of_iptw_are_those_of_the_whole_population():
    world, random, found = Confounded(), np.random.default_rng(20261131), []
    for _ in range(FEW):
        data = world.draw(random)
        curves = survival_by_arm(reweigh_lost(weigh(trial(), data, "iptw"), data, "gone", every=1.5), [TAU]).table
        found.append(curves["survival"].iloc[1] - curves["survival"].iloc[0])
    truth = world.truth("survival", everybody=True)
    assert abs(np.mean(found) - truth) < 3.5 * np.std(found) / np.sqrt(FEW)
