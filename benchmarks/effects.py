"""Whether the intervals of `paillasse.effects` can be trusted: `python benchmarks/effects.py`.

Worlds with known truth are drawn (`paillasse.effects.simulated_world`), analysed, and the answers scored, beside those
of the methods in common use. `--seeds 50 --to benchmarks/effects_50.csv --summary data/effects_benchmark.csv` makes the
table that the notebook draws.
"""

import argparse
import os
import resource
import sys
import time
from datetime import date
from pathlib import Path

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import effects_rivals as rivals
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from figure import save
from plotly.subplots import make_subplots
from scipy.special import ndtr
from survival import cpu, markdown

from paillasse.effects import combination_effects, rank, simulated_world
from paillasse.effects.simulation import COVARIATES

HERE = Path(__file__).resolve().parent
SEEDS = 5
PATIENTS = 100_000
HORIZON, WINDOW = 24, 730  # months, and the same in days
BEST, Q, PENALTY, Z = 10, 0.1, 6, 1.959964
MOST_SECONDS, MOST_GB = 60, 2
TRIALS, SHRUNK = "sequential trials", "sequential trials, shrunk by class"
METHODS = {
    "crude": "Ever against never, from the backbone's start, unweighted",
    "ever treated": "The same with overlap weights",
    "permuted dates": "Random starting days for the never treated, overlap weights",
    "naive empirical Bayes": "Our estimates, drawn to the class's mean with plugged-in spreads",
    TRIALS: "`combination_effects`",
    SHRUNK: "`rank`: the same, shrunk with the uncertainty of the shrinkage",
}
SETTINGS = {
    "as assumed": {},
    "performance status not measured": {"without": "poor_performance"},
    "stage not measured": {"without": "stage_iv"},
    "10 % of partners misclassified": {"misclassified": 0.1},
    "20 % of partners misclassified": {"misclassified": 0.2},
    "a fifth of partners without any effect, whatever their class": {"without_effect": 0.2},
}
# What must hold over all seeds: method, measure, and the range.
FLOORS = [
    (TRIALS, "bias", -0.1, 0.1),
    (TRIALS, "coverage", 0.93, 0.97),
    (TRIALS, "toxicity_coverage", 0.93, 0.97),
    (SHRUNK, "bias", -0.1, 0.1),
    (SHRUNK, "coverage", 0.93, 0.97),
    (SHRUNK, "false_discoveries", 0.0, 0.1),
    (SHRUNK, "spearman", 0.75, 1.0),
    (SHRUNK, "regret", 0.0, 0.15),
]
WORDS = {
    "bias": "bias, months",
    "coverage": "coverage of 95 % limits",
    "width": "width, months",
    "rmse": "root mean square error, months",
    "spearman": "Spearman with the truth",
    "regret": "regret of the best ten, months",
    "discoveries": "discoveries",
    "false_discoveries": "false among them (q = 0.1)",
    "toxicity_bias": "bias of the risk of toxicity",
    "toxicity_coverage": "coverage, risk of toxicity",
}


def scored(seed: int, n: int = PATIENTS) -> pd.DataFrame:
    """All scores of one seed: `seed`, `setting`, `method`, `measure`, `value`."""
    rows = []
    for setting, changed in SETTINGS.items():
        covariates = [name for name in COVARIATES if name != changed.get("without")]
        if setting == "as assumed" or "without_effect" in changed:
            world = simulated_world(seed, without_effect=changed.get("without_effect", 0.0))
            truth = world.truth(HORIZON).set_index("partner")
        patients = world.patients(n, seed, misclassified=changed.get("misclassified", 0.0))
        began = time.process_time()
        effects = combination_effects(world.trial(covariates), patients, horizon=HORIZON)
        ranking = rank(effects, penalties=[0, PENALTY], best=BEST, q=Q, seed=seed)
        seconds = time.process_time() - began
        partners = effects.table["partner"].tolist()
        true = truth.loc[partners]
        own = effects.table.rename(columns={"delta_rmst": "estimate", "delta_rmst_std_err": "std_err"})
        answers = {TRIALS: own[["partner", "estimate", "std_err"]]}
        if setting == "as assumed":
            given = (patients, covariates, partners, WINDOW)
            answers |= {"crude": rivals.crude(*given), "ever treated": rivals.ever_treated(*given)}
            answers |= {"permuted dates": rivals.permuted_dates(*given)}
            answers |= {"naive empirical Bayes": rivals.naive_empirical_bayes(effects.table)}
            rows.append((setting, TRIALS, "seconds", seconds))
            rows.append((setting, TRIALS, "gigabytes", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))
            rows.append((setting, TRIALS, "not_estimable", len(effects.not_estimable)))
            rows += _calibration(setting, ranking, truth)
        for method, answer in answers.items():
            rows += [(setting, method, *each) for each in _scores(answer, true["delta_rmst"].to_numpy())]
        rows += [(setting, SHRUNK, *each) for each in _scores_of_ranking(ranking, truth)]
        toxic, harm = effects.table, true["delta_toxicity"].to_numpy()
        rows.append((setting, TRIALS, "toxicity_bias", (toxic["delta_toxicity"] - harm).mean()))
        inside = (toxic["delta_toxicity_lower"] <= harm) & (harm <= toxic["delta_toxicity_upper"])
        rows.append((setting, TRIALS, "toxicity_coverage", inside.mean()))
    table = pd.DataFrame(rows, columns=["setting", "method", "measure", "value"])
    table.insert(0, "seed", seed)
    table["value"] = [float(f"{value:.6g}") for value in table["value"]]
    return table


def _scores(answer: pd.DataFrame, true: np.ndarray) -> list[tuple[str, float]]:
    estimate, error = answer["estimate"].to_numpy(), answer["std_err"].to_numpy()
    found = _benjamini_hochberg(2 * ndtr(-np.abs(estimate / error))) & (estimate > 0)
    return _common(estimate, estimate - Z * error, estimate + Z * error, found, true)


def _scores_of_ranking(ranking, truth: pd.DataFrame) -> list[tuple[str, float]]:
    first = ranking.table[ranking.table["penalty"] == 0].set_index("partner").loc[ranking.effects["partner"]]
    true = truth.loc[first.index]
    scores = _common(
        *(first[name].to_numpy() for name in ("utility", "lower", "upper", "discovery")), true["delta_rmst"].to_numpy()
    )
    second = ranking.table[ranking.table["penalty"] == PENALTY].set_index("partner").loc[first.index]
    utility = (true["delta_rmst"] - PENALTY * true["delta_toxicity"]).to_numpy()
    scores.append(("utility_regret", _regret(second["probability_best"].to_numpy(), utility)))
    scores.append(("utility_coverage", ((second["lower"] <= utility) & (utility <= second["upper"])).mean()))
    inside = [
        (ranking.effects["delta_toxicity_lower"] <= true["delta_toxicity"].to_numpy()),
        (true["delta_toxicity"].to_numpy() <= ranking.effects["delta_toxicity_upper"]),
    ]
    return [*scores, ("toxicity_coverage", (inside[0] & inside[1]).mean())]


def _common(estimate, lower, upper, found, true) -> list[tuple[str, float]]:
    return [
        ("bias", (estimate - true).mean()),
        ("coverage", ((lower <= true) & (true <= upper)).mean()),
        ("width", (upper - lower).mean()),
        ("rmse", np.sqrt(((estimate - true) ** 2).mean())),
        ("spearman", pd.Series(estimate).corr(pd.Series(true), "spearman")),
        ("regret", _regret(estimate, true)),
        ("discoveries", found.sum()),
        ("false_discoveries", (true[found.astype(bool)] <= 0).sum() / max(1, found.sum())),
    ]


def _regret(value: np.ndarray, true: np.ndarray) -> float:
    chosen = np.argsort(-value, kind="stable")[:BEST]
    return np.sort(true)[::-1][:BEST].mean() - true[chosen].mean()


def _benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    order = np.argsort(p)
    passed = np.flatnonzero(p[order] <= Q * np.arange(1, len(p) + 1) / len(p))
    found = np.zeros(len(p), bool)
    found[order[: passed[-1] + 1 if len(passed) else 0]] = True
    return found


def _calibration(setting: str, ranking, truth: pd.DataFrame) -> list[tuple]:
    """By tenths of the probability of being among the best: how many partners, how many expected, how many are."""
    own = ranking.table[ranking.table["penalty"] == 0].set_index("partner")
    place = truth["delta_rmst"].loc[own.index].rank(ascending=False, method="first")
    tenth = np.minimum((own["probability_best"] * 10).astype(int), 9)
    rows = []
    for number in range(10):
        inside = tenth == number
        rows.append((setting, SHRUNK, f"tenth_{number}_n", inside.sum()))
        rows.append((setting, SHRUNK, f"tenth_{number}_expected", own.loc[inside, "probability_best"].sum()))
        rows.append((setting, SHRUNK, f"tenth_{number}_best", (place[inside] <= BEST).sum()))
    return rows


def summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Each score over the worlds: `setting`, `method`, `measure`, `mean`, `low` and `high` (95 % of worlds between).

    Calibration is told as shares, `tenth_K_expected` and `tenth_K_best`, over all partners of all worlds.
    """
    counted = scores["measure"].str.startswith("tenth_")
    plain = scores[~counted & ~scores["measure"].isin(["seconds", "gigabytes", "not_estimable"])]
    values = plain.groupby(["setting", "method", "measure"], sort=False)["value"]
    table = values.agg(mean="mean", low=lambda each: each.quantile(0.025), high=lambda each: each.quantile(0.975))
    rows = []
    for tenth in calibration(scores).itertuples():
        width = Z * np.sqrt(tenth.observed * (1 - tenth.observed) / max(tenth.n, 1))
        key = ["as assumed", SHRUNK]
        rows.append([*key, f"tenth_{tenth.tenth}_expected", *[tenth.expected] * 3])
        rows.append([*key, f"tenth_{tenth.tenth}_best", tenth.observed, tenth.observed - width, tenth.observed + width])
    table = pd.concat([table.reset_index(), pd.DataFrame(rows, columns=[*table.index.names, *table.columns])])
    return table.dropna().round(4).reset_index(drop=True)


def report(scores: pd.DataFrame, command: str) -> str:
    """The Markdown page: what must hold, beside what people do, calibration, robustness."""
    seeds = scores["seed"].nunique()
    mean = scores.groupby(["setting", "method", "measure"])["value"].mean()
    spread = scores.groupby(["setting", "method", "measure"])["value"].sem()
    usual = mean["as assumed"]
    lines = []
    for method, measure, least, most in FLOORS:
        value, noise = usual[method, measure], spread["as assumed"][method, measure]
        mark = "✓" if least <= value <= most else "✗"
        lines.append([method, WORDS[measure], f"{least:g} to {most:g}", f"{value:.3f} ± {1.96 * noise:.3f}", mark])
    seconds = scores.loc[scores["measure"] == "seconds", "value"].max()
    lines.append(
        [
            "both",
            "CPU of one analysis",
            f"< {MOST_SECONDS} s",
            f"{seconds:.1f} s",
            "✓" if seconds < MOST_SECONDS else "✗",
        ]
    )
    memory = scores.loc[scores["measure"] == "gigabytes", "value"].max()
    if memory == memory:
        kept = "✓" if memory < MOST_GB else "✗"
        lines.append(["both", "memory of the whole process", f"< {MOST_GB} GB", f"{memory:.2f} GB", kept])
    parts = [
        "# Are the effects of many combinations right?\n",
        f"{date.today().isoformat()}, `{command}`: {seeds} worlds of {PATIENTS:,} patients and 60 partners beside a "
        f"backbone immunotherapy, with known truth; one thread of an {cpu()}. ± is 1.96 standard errors over seeds.\n",
        "## What must hold\n",
        markdown(["method", "measure", "range", "reached", ""], lines),
        "## Beside what people do\n",
        "Months of mean survival within 24, each method against the same truth: the effect of starting the partner, "
        "when it was started, in those who started it.\n",
        _table(
            usual,
            list(METHODS),
            ["bias", "coverage", "width", "rmse", "spearman", "regret", "discoveries", "false_discoveries"],
        ),
        *(f"- *{method}*: {words}.\n" for method, words in METHODS.items()),
        "Discoveries of `rank` are those with a probability of at most 0.1 of being no gain; of the others, those of "
        "Benjamini and Hochberg at 0.1.\n",
        "## Calibration of the probability of being among the best ten\n",
        "Partners of all seeds by that probability, and the share that truly was.\n",
        _calibrated(scores),
        "## When an assumption fails\n",
        "The same worlds, analysed without a covariate that moves choice and survival, or with partners that the "
        "records confuse, or drawn "
        "so that classes tell less than the shrinkage takes for granted.\n",
        _robust(mean),
    ]
    return "\n".join(parts)


def _table(mean: pd.Series, methods: list[str], measures: list[str]) -> str:
    lines = []
    for method in methods:
        values = [f"{mean[method, measure]:.2f}" for measure in measures]
        lines.append([method, *values])
    return markdown(["method", *(WORDS[measure] for measure in measures)], lines)


def calibration(scores: pd.DataFrame) -> pd.DataFrame:
    """Over all seeds: `tenth`, `n`, `expected` and `observed` (shares)."""
    parts = scores[scores["measure"].str.startswith("tenth_")]
    keys = parts["measure"].str.extract(r"tenth_(?P<tenth>\d)_(?P<what>\w+)")
    total = parts.assign(**keys).pivot_table(index="tenth", columns="what", values="value", aggfunc="sum").reset_index()
    n = total["n"].where(total["n"] > 0)
    return pd.DataFrame(
        {
            "tenth": total["tenth"].astype(int),
            "n": total["n"].astype(int),
            "expected": total["expected"] / n,
            "observed": total["best"] / n,
        }
    )


def _calibrated(scores: pd.DataFrame) -> str:
    lines = [
        [f"{row.tenth / 10:.1f} to {row.tenth / 10 + 0.1:.1f}", row.n, f"{row.expected:.3f}", f"{row.observed:.3f}"]
        for row in calibration(scores).itertuples()
    ]
    return markdown(["probability", "partners", "mean of it", "were among the best ten"], lines)


def _robust(mean: pd.Series) -> str:
    lines = []
    for setting in SETTINGS:
        for method in (TRIALS, SHRUNK):
            values = [
                f"{mean[setting, method, measure]:.2f}"
                for measure in ("bias", "coverage", "rmse", "spearman", "regret", "false_discoveries")
            ]
            lines.append([setting, method, *values])
    names = ("bias", "coverage", "rmse", "spearman", "regret", "false_discoveries")
    return markdown(["setting", "method", *(WORDS[name] for name in names)], lines)


def drawn(scores: pd.DataFrame) -> go.Figure:
    """Bias, coverage and regret of each method, a point a world."""
    usual = scores[scores["setting"] == "as assumed"]
    shown = {"bias": None, "coverage": 0.95, "regret": None}
    figure = make_subplots(1, len(shown), subplot_titles=[WORDS[each] for each in shown], shared_yaxes=True)
    for place, (measure, promised) in enumerate(shown.items(), start=1):
        part = usual[usual["measure"] == measure]
        for method in reversed(METHODS):
            values = part.loc[part["method"] == method, "value"].tolist()
            marker = {"color": "#0b5fa5" if method in (TRIALS, SHRUNK) else "#d1690e", "size": 6, "opacity": 0.6}
            figure.add_scatter(
                x=values, y=[method] * len(values), mode="markers", marker=marker, showlegend=False, row=1, col=place
            )
        if promised:
            figure.add_vline(x=promised, line={"dash": "dot", "color": "#888"}, row=1, col=place)
    return figure.update_layout(
        template="simple_white", width=1300, height=420, title=f"{usual['seed'].nunique()} worlds, a point each",
        margin={"l": 230},
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seeds", type=int, default=SEEDS, metavar="N", help=f"worlds; {SEEDS} by default, some minutes"
    )
    parser.add_argument("--to", type=Path, default=HERE / "effects.csv", metavar="CSV", help="where the scores go")
    parser.add_argument("--summary", type=Path, metavar="CSV", help="where the means over the worlds go, if anywhere")
    parser.add_argument("--resume", action="store_true", help="keep the worlds that are in that file already")
    asked = parser.parse_args()
    done = pd.read_csv(asked.to) if asked.resume and asked.to.is_file() else None
    for seed in range(1, asked.seeds + 1):
        if done is None or not (done["seed"] == seed).any():
            scores = scored(seed)
            done = scores if done is None else pd.concat([done, scores], ignore_index=True)
            done.to_csv(asked.to, index=False, lineterminator="\n")
            print(f"seed {seed}: {time.process_time():.0f} CPU s so far", flush=True)
    if asked.summary:
        summary(done).to_csv(asked.summary, index=False, lineterminator="\n")
    words = [word for word in sys.argv[1:] if word != "--resume"]
    page = report(done, " ".join(["python benchmarks/effects.py", *words]))
    name = "effects" if asked.seeds == SEEDS else f"effects_{asked.seeds}"
    (HERE / f"{name}.md").write_text(page, encoding="utf-8")
    save(drawn(done), HERE, name)
    print(page)


if __name__ == "__main__":
    main()
