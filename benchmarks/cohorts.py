"""Simulated cohorts, stored a column a file, which Python and R both read without work worth measuring."""

import json
from pathlib import Path

import numpy as np

LEVELS = {  # categorical covariates, the first level is the reference: 1 + 2 + 3 + 3 + 8 columns
    "sex": ["female", "male"],
    "smoking": ["never", "former", "current"],
    "stage": ["I", "II", "III", "IV"],
    "grade": ["G1", "G2", "G3", "GX"],
    "site": ["breast", "colon", "head", "kidney", "lung", "ovary", "pancreas", "prostate", "stomach"],
}
NUMBERS = {  # mean and standard deviation; 10 columns, so 27 in all
    "age": (64, 11),
    "bmi": (26, 4),
    "albumin": (40, 5),
    "ldh": (240, 70),
    "haemoglobin": (12.5, 1.8),
    "creatinine": (80, 20),
    "platelets": (260, 80),
    "neutrophils": (5, 2),
    "tumour_size": (32, 14),
    "marker": (0, 1),
}
FORMULA = " + ".join([*NUMBERS, *LEVELS])
CENSORED = 0.46


def write_cohort(folder: Path, n: int, seed: int = 2026) -> None:
    """Simulate `n` patients with proportional hazards, two causes of the event, and durations in whole days."""
    rng = np.random.default_rng(seed)
    numbers = {name: rng.normal(mean, spread, n) for name, (mean, spread) in NUMBERS.items()}
    codes = {name: rng.integers(0, len(levels), n) for name, levels in LEVELS.items()}
    score = sum(0.15 * (numbers[name] - mean) / spread for name, (mean, spread) in NUMBERS.items())
    score = score + sum(0.1 * code for code in codes.values())
    score = score - score.mean()
    to_event = 900 * (rng.exponential(size=n) / np.exp(score)) ** (1 / 1.2)
    censoring = rng.uniform(size=n)
    follow_up = _follow_up(to_event, censoring)
    event = to_event <= censoring * follow_up
    duration = np.ceil(np.minimum(to_event, censoring * follow_up))
    columns = {
        "duration": duration,
        # Only the time that it takes matters here, so entry is any day before the end of follow-up.
        "entry": np.floor(rng.uniform(size=n) * 0.5 * duration),
        "event": event.astype(np.int32),
        "cause": np.where(event, rng.choice([1, 2], size=n, p=[0.65, 0.35]), 0).astype(np.int32),
        "hospital": rng.integers(0, max(n // 100, 20), n).astype(np.int32),
        "risk": score + rng.normal(0, 0.5, n),
        **numbers,
        **{name: code.astype(np.int32) for name, code in codes.items()},
    }
    folder.mkdir(parents=True)
    for name, column in columns.items():
        column.tofile(folder / name)
    kinds = {name: "double" if column.dtype == float else "integer" for name, column in columns.items()}
    described = [{"name": name, "kind": kind, "levels": LEVELS.get(name, [])} for name, kind in kinds.items()]
    (folder / "columns.json").write_text(json.dumps(described), encoding="utf-8")


def read_cohort(folder: Path):
    """The cohort as a data frame of numbers and categoricals."""
    import pandas as pd

    columns = {}
    for column in json.loads((folder / "columns.json").read_text(encoding="utf-8")):
        values = np.fromfile(folder / column["name"], float if column["kind"] == "double" else np.int32)
        levels = column["levels"]
        columns[column["name"]] = pd.Categorical.from_codes(values, levels) if levels else values
    return pd.DataFrame(columns, copy=False)


def _follow_up(to_event: np.ndarray, censoring: np.ndarray) -> float:
    """The longest follow-up for which the share of censored patients is CENSORED."""
    low, high = 1.0, 1e6
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (to_event > censoring * middle).mean() > CENSORED else (low, middle)
    return high
