"""Confounded samples of the randomised colon trial: whoever adjusts gives its answer back, the crude does not."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paillasse.effects import confounded_sample
from paillasse.errors import InputError

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SAMPLES = 25


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("effects_colon", BENCHMARKS / "effects_colon.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def scores(benchmark):
    return benchmark.scores(benchmark.colon(), SAMPLES).set_index(["measure", "estimator"])


@pytest.mark.parametrize("measure", ["restricted mean", "log hazard ratio"])
def test_who_adjusts_gives_the_trial_s_answer_back(scores, measure):
    adjusted = scores.loc[measure].drop(index="crude")
    assert (adjusted["bias"].abs() < 3.5 * adjusted["mc_error"]).all(), adjusted
    crude = scores.loc[(measure, "crude")]
    assert abs(crude["bias"]) > 10 * crude["mc_error"]


def test_the_committed_scores_of_500_samples_are_within_their_floors():
    table = pd.read_csv(BENCHMARKS / "effects_colon.csv").query("estimator != 'crude'")
    assert set(table["samples"]) == {500}
    assert (table["bias"].abs() < 2.6 * table["mc_error"]).all()
    assert table["coverage"].between(93, 97).all()


def test_a_sample_has_the_trial_s_size_and_its_kinds_of_patients(benchmark):
    data = benchmark.colon()
    samples = [confounded_sample(benchmark.TRIAL, data, "chance", seed) for seed in range(200)]
    assert {len(sample) for sample in samples} == {len(data)}
    shares = [sample["node4"].mean() for sample in samples]
    assert np.mean(shares) == pytest.approx(data["node4"].mean(), abs=0.01)
    treated = np.mean([sample.groupby("rx")["node4"].mean()["Lev+5FU"] for sample in samples])
    assert treated < data["node4"].mean() - 0.05


def test_the_same_seed_draws_the_same_sample(benchmark):
    data = benchmark.colon()
    first, second = (confounded_sample(benchmark.TRIAL, data, "chance", 7) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_a_chance_of_one_is_refused(benchmark):
    data = benchmark.colon().assign(chance=1.0)
    with pytest.raises(InputError, match="'chance' holds what is no probability between 0 and 1"):
        confounded_sample(benchmark.TRIAL, data, "chance", 7)
