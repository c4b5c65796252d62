"""A trial as its own truth: confounded samples of the randomised colon trial, and what each estimator makes of them.

    python benchmarks/effects_colon.py [SAMPLES]        500 by default: some five minutes

Writes `effects_colon.csv`: for each estimator the trial's answer, the bias, its Monte Carlo error, the spread of the
estimates, the mean standard error, and how many of 100 intervals of 95 % hold the trial's answer.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from paillasse.effects import (
    TargetTrial,
    WeightedTrial,
    confounded_sample,
    doubly_robust,
    hazard_ratio,
    rmst_difference,
    weigh,
)

ROOT = Path(__file__).parents[1]
KINDS = {"none": "crude", "iptw": "inverse probability", "stabilised": "stabilised", "overlap": "overlap"}
TAU = 5.0
TRIAL = TargetTrial(
    eligibility="Resected stage III colon cancer",
    arms={"Obs": "observation", "Lev+5FU": "levamisole + fluorouracil"},
    assignment="By lot; in the samples by a chance that depends on the covariates",
    time_zero="Randomisation",
    follow_up="To death or the end of follow-up",
    outcome="Death",
    contrast="Effect of being assigned",
    analysis="Each estimator",
    treatment="rx",
    duration="years",
    event="status",
    covariates="age + node4 + obstruct + extent",
    time_unit="years",
)


def colon() -> pd.DataFrame:
    """The two arms, with the chance by which the samples are confounded: who fares worse is treated less often."""
    data = pd.read_csv(ROOT / "data" / "colon.csv").query("etype == 2 and rx != 'Lev'").reset_index(drop=True)
    worse = 1.2 * data["node4"] + 0.6 * data["obstruct"] + 0.5 * (data["extent"] - 3) - 0.03 * (60 - data["age"])
    return data.assign(years=data["time"] / 365.25, chance=1 / (1 + np.exp(worse - 0.3)))


def answers(weighted: WeightedTrial) -> dict[str, tuple]:
    """The estimates with their standard errors and limits, the hazard ratio's on the log scale."""
    mean, ratio = rmst_difference(weighted, TAU).difference.iloc[0], hazard_ratio(weighted).table.iloc[0]
    return {
        "restricted mean": (mean["difference"], mean["std_err"], mean["lower"], mean["upper"]),
        "log hazard ratio": (ratio["coef"], ratio["std_err"], np.log(ratio["lower"]), np.log(ratio["upper"])),
    }


def truths(data: pd.DataFrame) -> dict[tuple, float]:
    """The whole trial's answers, adjusted for the covariates; for overlap weights in the population they stand for."""
    everybody = weigh(TRIAL, data, "iptw")
    chance = data["chance"].to_numpy()[everybody._cohort.positions]
    rows = everybody._rows
    tilted = replace(everybody, _rows=replace(rows, weights=rows.weights * chance * (1 - chance)))
    found = {}
    for kind, name in KINDS.items():
        for measure, values in answers(tilted if kind == "overlap" else everybody).items():
            found[measure, name] = values[0]
    return found | {("restricted mean", "doubly robust"): found["restricted mean", "inverse probability"]}


def scores(data: pd.DataFrame, samples: int) -> pd.DataFrame:
    """What each estimator makes of the samples."""
    lines = []
    for seed in range(samples):
        sample = confounded_sample(TRIAL, data, "chance", seed)
        for kind, name in KINDS.items():
            lines += [[measure, name, *told] for measure, told in answers(weigh(TRIAL, sample, kind)).items()]
        robust = doubly_robust(TRIAL, sample, TAU).difference.iloc[0]
        told = robust[["difference", "std_err", "lower", "upper"]]
        lines.append(["restricted mean", "doubly robust", *told])
    found = pd.DataFrame(lines, columns=["measure", "estimator", "estimate", "std_err", "lower", "upper"])
    truth = truths(data)
    found["trial"] = [truth[key] for key in zip(found["measure"], found["estimator"])]
    found["bias"] = found["estimate"] - found["trial"]
    found["covered"] = 100 * ((found["lower"] <= found["trial"]) & (found["trial"] <= found["upper"]))
    by = found.groupby(["measure", "estimator"], sort=False)
    table = by.agg(
        samples=("bias", "size"), trial=("trial", "first"), bias=("bias", "mean"), spread=("estimate", "std"),
        mean_std_err=("std_err", "mean"), coverage=("covered", "mean"),
    )  # fmt: skip
    table.insert(3, "mc_error", table["spread"] / np.sqrt(samples))
    return table.reset_index()


if __name__ == "__main__":
    result = scores(colon(), int(sys.argv[1]) if len(sys.argv) > 1 else 500)
    result.round(5).to_csv(Path(__file__).with_suffix(".csv"), index=False, lineterminator="\n")
    print(result.round(4).to_string(index=False))
