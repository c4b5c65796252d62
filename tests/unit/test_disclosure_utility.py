"""What a released curve is still worth, on public cohorts: the table in docs/disclosure.md is made here.

`pytest -s tests/unit/test_disclosure_utility.py` prints it.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from survival_attack import guyot_of_safe, read_trials

from paillasse.disclosure import Policy
from paillasse.survival import cox, kaplan_meier

PAGE = Path(__file__).parents[2] / "docs" / "disclosure.md"
BY = dict(veteran="treatment", lung="sex", gbsg="hormones", colon="arm", mgus2="sex", rotterdam="hormones")
HEAD = (
    "| cohort | arm | n | steps | difference at the times cut | anywhere | said: at most | median (exact) "
    "| hazard ratio (exact to the curves' ends; in all) |\n|---|---|---|---|---|---|---|---|---|"
)


def followed_to(data: pd.DataFrame, ends: dict) -> pd.DataFrame:
    """The cohort as if each arm had been followed to where its released curve ends."""
    end = data["arm"].map(ends)
    return data.assign(event=data["event"] * (data["time"] <= end), time=data["time"].clip(upper=end))


def hazard_ratio(data: pd.DataFrame) -> float:
    """Of the second arm against the first."""
    first, second = sorted(data["arm"].unique())[:2]
    two = data[data["arm"].isin([first, second])]
    return cox(two.assign(second=two["arm"] == second), "time", "event", "second").table["hazard_ratio"].iloc[0]


def differences(exact, table: pd.DataFrame) -> tuple[float, float]:
    """Between a released and the exact curve: the largest at the times cut, and anywhere up to the last."""
    cuts = table["time"].to_numpy()
    # Just before and at each of the exact curve's steps.
    steps = exact["time"].to_numpy()
    steps = steps[steps <= cuts[-1]]
    after = np.append(1.0, exact["survival"])
    drawn = np.interp(steps, cuts, table["survival"])
    place = np.searchsorted(exact["time"], steps, side="right")
    anywhere = max(np.abs(drawn - after[place]).max(), np.abs(drawn - after[place - 1]).max())
    at_cuts = np.abs(after[np.searchsorted(exact["time"], cuts, side="right")] - table["survival"]).max()
    return at_cuts, max(anywhere, at_cuts)


def utility(name: str, data: pd.DataFrame, policy: Policy | None = None) -> list[dict]:
    """A row an arm."""
    curve = kaplan_meier(data, "time", "event", by="arm")
    safe = curve.disclose(policy)
    found = pd.concat([guyot_of_safe(table).assign(arm=arm) for arm, table in safe.table.groupby("group")])
    short = followed_to(data, safe.table.groupby("group")["time"].max().to_dict())
    ratios = f"{hazard_ratio(found):.2f} ({hazard_ratio(short):.2f}; {hazard_ratio(data):.2f})"
    rows = []
    for (arm, exact), median in zip(curve.table.groupby("group"), curve.median["median"]):
        table = safe.table[safe.table["group"] == arm]
        told = safe.median.set_index("group").loc[arm, "median"]
        at_cuts, anywhere = differences(exact, table)
        medians = ["not reached" if np.isnan(each) else f"{each:.0f}" for each in (told, median)]
        rows.append(
            {
                "cohort": f"{name} by {BY[name]}", "arm": arm, "n": int((data["arm"] == arm).sum()),
                "steps": len(table) - 1, "at_cuts": at_cuts, "anywhere": anywhere, "said": table["within"].max(),
                "median": f"{medians[0]} ({medians[1]})", "ratio": ratios if not rows else "",
            }
        )  # fmt: skip
    return rows


def as_markdown(rows: list[dict]) -> str:
    lines = [
        f"| {row['cohort']} | {row['arm']} | {row['n']} | {row['steps']} | {row['at_cuts']:.3f} "
        f"| {row['anywhere']:.3f} | {row['said']:.2f} | {row['median']} | {row['ratio']} |"
        for row in rows
    ]
    return "\n".join([HEAD, *lines])


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return [row for name, data in read_trials().items() for row in utility(name, data)]


def test_the_documentation_s_table_of_utility_is_what_is_measured(rows):
    table = as_markdown(rows)
    print("\n" + table)
    assert table in PAGE.read_text(encoding="utf-8")


def test_the_documentation_s_figures_for_a_stricter_rounding_are_what_is_measured():
    strict = [row for name, data in read_trials().items() for row in utility(name, data, Policy(11, 10))]
    small = max(row["anywhere"] for row in strict if row["n"] < 150)
    large = max(row["anywhere"] for row in strict if row["n"] >= 150)
    sentence = f"at most {small:.2f} in arms of fewer than 150 patients and {large:.2f} in larger ones"
    print("\n" + sentence)
    assert sentence in " ".join(PAGE.read_text(encoding="utf-8").split())


def test_a_small_trial_stays_readable(rows):
    small = [row for row in rows if row["cohort"].startswith(("veteran", "lung"))]
    assert min(row["steps"] for row in small) >= 4
    assert max(row["anywhere"] for row in small) < 0.1
    assert not any("not reached (" in row["median"] for row in small)


def test_a_large_cohort_is_drawn_within_three_percentage_points(rows):
    assert max(row["anywhere"] for row in rows if row["n"] >= 200) < 0.03


def test_the_difference_is_never_more_than_is_said(rows):
    assert all(row["at_cuts"] <= row["said"] for row in rows)


def test_the_hazard_ratio_can_be_recovered_from_the_released_curves(rows):
    for row in rows:
        if row["ratio"]:
            found, exact, _ = (float(each.strip("();")) for each in row["ratio"].split())
            assert abs(np.log(found / exact)) < 0.15, row
