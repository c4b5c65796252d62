"""The intruder: what can be found out about few patients from what was released.

An intruder has the released objects, knows the rules and how they are applied, and computes whatever follows. To
*isolate* means, here and in docs/disclosure.md:

- from one release: some class of patients (a group, a stretch of time, with an event or lost) is sure to hold
  somebody, and sure to hold fewer than k. `sure`: it is so in every data set that has this release.
- from two releases that differ by one patient, which the intruder knows: what is sure of this patient (a stretch of
  time, an event or not) is true of fewer than k patients.

Two releases that differ by an unknown few are a third case, which rounding alone decides: see the tests on them.
"""

import collections
import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from survival_attack import guyot_of_exact, guyot_of_safe, read_trials

from paillasse import open_catalog
from paillasse.cohort import flow, table_one
from paillasse.disclosure import DEFAULT, Policy
from paillasse.disclosure.counts import behind
from paillasse.disclosure.steps import nearness, product_limit, released_steps
from paillasse.errors import DisclosureError
from paillasse.release.subtraction import Curve, Intruder, subtracted
from paillasse.survival import cumulative_incidence, kaplan_meier, subgroups

K = DEFAULT.minimum_cell


@pytest.fixture(scope="module")
def trials() -> dict[str, pd.DataFrame]:
    return read_trials()


def released(data: pd.DataFrame, policy: Policy = DEFAULT) -> pd.DataFrame:
    return kaplan_meier(data, "time", "event").disclose(policy).table


def shares_found(found: pd.DataFrame, data: pd.DataFrame) -> float:
    """Of the true events, how many the reconstruction has at their very day, each counted once."""
    true = collections.Counter(data.loc[data["event"] == 1, "time"].round().astype(int))
    guessed = collections.Counter(found.loc[found["event"] == 1, "time"].round().astype(int))
    return sum((true & guessed).values()) / sum(true.values())


@pytest.mark.parametrize("name", ["veteran", "lung", "gbsg", "colon"])
def test_guyot_finds_the_patients_of_an_exact_curve_and_not_those_of_a_released_one(trials, name):
    """On the released curve the attack does no better than one who draws lots within the steps."""
    random = np.random.default_rng(4)
    for _, arm in trials[name].groupby("arm"):
        assert shares_found(guyot_of_exact(arm), arm) > 0.9
        table = released(arm)
        found, cuts = shares_found(guyot_of_safe(table), arm), table["time"].to_numpy()
        lots = [
            shares_found(
                pd.DataFrame(
                    {
                        "time": random.uniform(
                            np.repeat(cuts[:-1], table["n_event"][1:]), np.repeat(cuts[1:], table["n_event"][1:])
                        ),
                        "event": 1,
                    }
                ),
                arm,
            )
            for _ in range(200)
        ]
        assert found <= max(lots)


@pytest.mark.parametrize("name", ["veteran", "lung", "gbsg", "colon"])
def test_each_record_that_guyot_reconstructs_fits_as_many_patients_as_a_cell_needs(trials, name):
    for _, arm in trials[name].groupby("arm"):
        table = released(arm)
        cuts = table["time"][(table["n_event"] > 0) | (table["time"] == 0)].to_numpy()
        for record in guyot_of_safe(table).itertuples():
            step = np.searchsorted(cuts, record.time)
            if record.event and step > 0:
                fitting = arm["time"].between(cuts[step - 1], cuts[step], inclusive="right") & (arm["event"] == 1)
                assert fitting.sum() >= K


# Every data set that has the release


@pytest.mark.parametrize(("causes", "times"), [(1, 3), (2, 2)])
def test_no_class_of_patients_is_isolated_in_any_small_data_set(monkeypatch, causes, times):
    """All data sets of up to 14 patients at a few times, by their release: an exhaustive search, the rules known."""
    policy, most = Policy(3, 2), 14
    monkeypatch.setattr("paillasse.disclosure.steps._round_times", lambda longest, cells: np.arange(1.0, longest + 1))
    same_release = collections.defaultdict(list)
    for counts in itertools.product(range(most + 1), repeat=(causes + 1) * times):
        if 6 <= sum(counts) <= most:  # fewer have no release
            by_kind = np.array(counts).reshape(causes + 1, times)
            left = by_kind.sum(axis=0)
            steps = released_steps(np.arange(1, times + 1), by_kind[:-1], left, policy)
            if steps is not None:
                release = steps.time.tobytes(), steps.n, steps.n_event.tobytes(), steps.n_lost.tobytes()
                same_release[release].append(np.vstack([by_kind, left]))
    tried = [members for release, members in same_release.items() if release[1] + policy.rounding <= most - 2]
    assert len(tried) >= 8  # those of which every data set is here
    for members in tried:
        for first, last in itertools.combinations(range(times + 1), 2):
            sizes = np.array(members)[:, :, first:last].sum(axis=2)
            isolated = (sizes.min(axis=0) >= 1) & (sizes.max(axis=0) < policy.minimum_cell)
            assert not isolated.any(), (members[0], first, last)


EVENT, LOST, ANY = ("event",), ("lost",), ("event", "lost")


def curve(table: pd.DataFrame, policy: Policy = DEFAULT) -> Curve:
    told = {"event": table["n_event"].to_numpy(int), "lost": table["n_lost"].to_numpy(int)}
    return Curve("", table["time"].to_numpy(), int(table["n_risk"].iloc[0]), told, policy)


def who_knows(table: pd.DataFrame, policy: Policy = DEFAULT) -> Intruder:
    """An intruder to whom one curve was released."""
    one = curve(table, policy)
    intruder = Intruder([one], 1)
    intruder.read(one, [0])
    return intruder


def isolates(intruder: Intruder, kinds: tuple, start: float, end: float, few: int = K) -> bool:
    """Whether the class is sure to hold somebody, and fewer than `few`."""
    weights = intruder.counts([0], kinds, start, end)
    least = intruder.data_set(weights)
    assert least is not None, "the true data set itself must be possible"
    return least @ weights >= 1 and intruder.data_set(weights, most=True) @ weights < few


@pytest.mark.parametrize("name", ["veteran", "lung", "gbsg"])
def test_no_class_of_patients_is_isolated_by_all_whole_numbers_that_fit(trials, name):
    """Of each arm: events, losses and departures between any two cuts, by integer programming."""
    for _, arm in trials[name].groupby("arm"):
        table = released(arm)
        intruder = who_knows(table)
        edges = [*table["time"], np.inf]
        near = itertools.pairwise(edges) if len(edges) > 12 else itertools.combinations(edges, 2)
        for start, end in near:
            for kinds in (EVENT, LOST, ANY):
                assert not isolates(intruder, kinds, start, end), (start, end, kinds)


@pytest.mark.parametrize("policy", [Policy(11, 1), Policy(20, 5), Policy(30, 10)])
def test_a_cell_is_safe_whatever_the_rounding(trials, policy):
    for _, arm in trials["gbsg"].groupby("arm"):
        table = released(arm, policy)
        intruder = who_knows(table, policy)
        for start, end in itertools.pairwise([*table["time"], np.inf]):
            for kinds in (EVENT, LOST, ANY):
                assert not isolates(intruder, kinds, start, end, policy.minimum_cell), (start, end, kinds)


def test_the_same_intruder_does_isolate_patients_from_a_curve_that_is_cut_too_finely(trials):
    """Without which the tests above would say nothing."""
    for _, arm in trials["veteran"].groupby("arm"):
        table = released(arm, Policy(2, 1))
        intruder = who_knows(table, Policy(2, 1))
        pairs = list(itertools.pairwise([*table["time"], np.inf]))
        found = [isolates(intruder, kinds, *pair) for pair in pairs for kinds in (EVENT, LOST)]
        assert sum(found) > len(pairs) / 2


@given(st.integers(0, 2**32 - 1), st.integers(30, 120), st.floats(0.2, 1))
@settings(max_examples=15, deadline=None)
def test_no_class_of_patients_is_isolated_in_simulated_cohorts(seed, n, share):
    random = np.random.default_rng(seed)
    data = pd.DataFrame({"time": random.weibull(0.8, n) * 400, "event": random.random(n) < share})
    try:
        table = released(data)
    except DisclosureError:
        return
    intruder = who_knows(table)
    for start, end in itertools.pairwise([*table["time"], np.inf]):
        for kinds in (EVENT, LOST, ANY):
            assert not isolates(intruder, kinds, start, end)


# Subtracting releases


def what_is_sure_of_one_more(before: pd.DataFrame, after: pd.DataFrame, policy: Policy) -> list[tuple]:
    """The stretches of time and kinds of departure that one patient more can have, from the releases without and with.

    Each is tried: is there a data set that has the first release and, with this patient, the second?
    """
    possible, curves = [], [curve(before, policy), curve(after, policy)]
    for kind, place in itertools.product((EVENT, LOST), range(len(Intruder(curves, 2).edges))):
        intruder = Intruder(curves, 2)  # those of the first release, and the patient
        stretch = intruder.stretches[place]
        intruder.know(intruder.counts([1], kind, *stretch), 1, 1)
        intruder.know(intruder.counts([1], ANY, 0, np.inf), 1, 1)
        intruder.read(curves[0], [0])
        intruder.read(curves[1], [0, 1])
        if intruder.data_set() is not None:
            possible.append((int(kind == LOST), *stretch))
    return possible


@pytest.mark.parametrize("policy", [DEFAULT, Policy(11, 10)], ids=["rounded to 5", "rounded to 10"])
@pytest.mark.parametrize("name", ["veteran", "lung"])
def test_two_releases_with_one_patient_more_say_of_him_what_is_true_of_a_full_cell(trials, name, policy):
    arm = trials[name][trials[name]["arm"] == 1]
    after = released(arm, policy)
    for patient in arm.index[:: len(arm) // 10]:
        before = released(arm.drop(patient), policy)
        possible = what_is_sure_of_one_more(before, after, policy)
        time, event = arm.loc[patient, ["time", "event"]]
        assert any(kind == 1 - event and start < time <= end for kind, start, end in possible), "the truth is possible"
        fitting = sum(
            ((arm["event"] == 1 - kind) & (arm["time"] > start) & (arm["time"] <= end)).sum()
            for kind, start, end in possible
        )
        assert fitting >= K


def test_with_exact_counts_one_patient_more_is_found_among_few(trials):
    """Without which the test above would say nothing."""
    arm = trials["veteran"][trials["veteran"]["arm"] == 1]
    policy, after = Policy(2, 1), released(arm, Policy(2, 1))
    patient = arm.index[20]
    possible = what_is_sure_of_one_more(released(arm.drop(patient), policy), after, policy)
    fitting = sum(
        ((arm["event"] == 1 - kind) & arm["time"].between(start, end, inclusive="right")).sum()
        for kind, start, end in possible
    )
    assert 1 <= fitting < K


def known_difference(whole: int, part: int, policy: Policy) -> tuple[int, int]:
    """What two rounded counts tell of those who are in the first and not in the second."""
    (low, high), (less, more) = behind(whole, policy), behind(part, policy)
    return max(low - more, 0), high - less


@given(st.integers(11, 2000), st.integers(0, 10))
def test_the_difference_of_two_releases_is_never_known_exactly(n, few):
    """By the default policy, "between 1 and 9" can follow from two releases, and never a number."""
    from paillasse.disclosure import rounded

    least, most = known_difference(rounded(n + few, DEFAULT), rounded(n, DEFAULT), DEFAULT)
    assert least <= few <= most
    assert most - least >= DEFAULT.rounding - 1


@pytest.mark.parametrize("name", ["veteran", "lung", "gbsg", "colon", "mgus2", "rotterdam"])
def test_the_curve_of_all_beside_those_of_its_arms_tells_of_few_and_a_release_finds_it(trials, name):
    whole, by_arm = (kaplan_meier(trials[name], "time", "event", by=by).disclose() for by in (None, "arm"))
    assert subtracted(whole, by_arm) and subtracted(by_arm, whole)


@pytest.mark.parametrize("name", ["veteran", "lung"])
def test_what_is_found_by_subtraction_is_true_and_never_a_number(trials, name):
    data = trials[name]
    arms = [part for _, part in data.groupby("arm")]
    curves = [curve(released(each)) for each in (*arms, data)]
    intruder = Intruder(curves, len(arms))
    for number, arm in enumerate(curves[:-1]):
        intruder.read(arm, [number])
    intruder.read(curves[-1], range(len(arms)))
    found = list(itertools.islice(intruder.isolated(K), 20))
    assert len(found) > 10
    for each in found:
        arm = arms[each.group]
        inside = (arm["time"] > each.start) & (arm["time"] <= each.end)
        kinds = arm["event"].map({1: "event", 0: "lost"})
        assert each.least <= (inside & kinds.isin(each.kinds)).sum() <= each.most
        assert each.least < each.most


@pytest.mark.parametrize("name", ["veteran", "lung", "gbsg", "colon"])
def test_all_less_an_arm_isolates_nobody_of_the_others_with_rounding_of_half_a_cell(trials, name):
    """At every cut time that two releases share, and at the start, if 2 · rounding - 1 ≥ k."""
    data, policy = trials[name], Policy(11, 10)
    whole = kaplan_meier(data, "time", "event").disclose(policy).table
    for arm, part in kaplan_meier(data, "time", "event", by="arm").disclose(policy).table.groupby("group"):
        shared = whole.merge(part, on="time", suffixes=("", "_part"))
        assert len(shared) >= 1, arm
        for row in shared.itertuples():
            least, most = known_difference(row.n_risk, row.n_risk_part, policy)
            assert least == 0 or most >= K


def test_all_less_all_but_a_few_isolates_none_of_the_few_with_rounding_of_half_a_cell(trials):
    data, policy = trials["lung"], Policy(11, 10)
    whole = released(data, policy)
    for few in range(1, 11):
        rest = released(data.iloc[few:], policy)
        for row in whole.merge(rest, on="time", suffixes=("", "_rest")).itertuples():
            for name in ("n_risk",):
                least, most = known_difference(getattr(row, name), getattr(row, f"{name}_rest"), policy)
                assert least == 0 or most >= K


def test_a_group_of_few_is_neither_shown_nor_named_nor_in_a_total(trials):
    data = trials["lung"].assign(arm=lambda d: np.where(np.arange(len(d)) < 7, "rare", d["arm"].astype(str)))
    curves = kaplan_meier(data, "time", "event", by="arm").disclose()
    assert "rare" not in repr(curves) + repr(curves.tables)
    sizes = curves.median["n"].sum()
    assert f"about {sizes:,} patients" in curves.title


def test_the_parts_of_a_subgroup_give_no_small_level_back(trials):
    data = trials["gbsg"].assign(level=lambda d: np.where(np.arange(len(d)) < 9, "rare", d["grade"].astype(str)))
    effects = subgroups(data, "time", "event", "hormon", ["level"]).disclose().table
    levels = effects[effects["subgroup"] == "level"]
    assert "rare" not in repr(effects)
    _, high = behind(int(effects["n"].iloc[0]), DEFAULT)
    shown = [behind(int(n), DEFAULT) for n in levels["n"].dropna()]
    assert high - sum(each[0] for each in shown) >= K
    assert levels["n"].isna().any()


def test_the_steps_of_a_flow_chart_differ_by_full_cells(trials):
    exclusions = {f"below {age}": f"age < {age}" for age in range(40, 70)}
    result = flow(trials["lung"], exclusions)
    exact = dict(zip(result.table["step"], result.table["left"]))
    safe = result.disclose().table
    ends = [exact[step.split("; ")[-1]] for step in safe["step"]]
    assert len(safe) > 5
    assert (-np.diff(ends) >= K).all()
    assert (safe["excluded"].iloc[1:] == -np.diff(safe["left"])).all()


def test_percentages_give_no_more_than_the_rounded_counts(trials):
    table = table_one(trials["lung"], ["ph.ecog", "ph.karno"], by="sex").disclose().table
    n = {name: int(table.loc[0, name]) for name in ("Overall", "1", "2")}
    cells = [(name, text) for name in n for text in table.loc[1:, name] if "(" in text]
    assert len(cells) > 5
    for name, text in cells:
        count, percent = int(text.split(" ")[0]), float(text.split("(")[1].rstrip(")"))
        assert count % 5 == 0 and count >= 10
        possible = [known for known in (n[name], n[name] - 5) if round(100 * count / known, 1) == percent]
        assert possible, text


def test_causes_of_death_isolate_nobody(trials):
    """Each cause's events between two cuts, and those of any cause, are nobody or may be a full cell."""
    data = open_catalog()["mgus2"].read()
    data = data.assign(cause=np.where(data["pstat"] == 1, 1, 2 * data["death"]))
    safe = cumulative_incidence(data, "ptime", "cause", by="sex").disclose()
    for _, curve in safe.table.groupby(["group", "cause"]):
        told = np.cumsum(curve["n_event"].to_numpy(int))
        for first, last in itertools.combinations(told, 2):
            low, high = known_difference(last, first, DEFAULT)
            assert low == 0 or high >= K
            assert last == first or last - first >= 10  # what is told at once came to a cell together


@given(st.integers(0, 2**32 - 1), st.integers(40, 400), st.floats(0.1, 1))
@settings(max_examples=300, deadline=None)
def test_the_exact_curve_lies_as_near_as_is_said(seed, n, share):
    random = np.random.default_rng(seed)
    time, event = np.ceil(random.weibull(0.8, n) * 300), random.random(n) < share
    distinct = np.unique(time)
    place = np.searchsorted(distinct, time)
    died, left = np.bincount(place[event], minlength=len(distinct)), np.bincount(place)
    steps = released_steps(distinct, [died], left, DEFAULT)
    if steps is None:
        return
    exact = kaplan_meier(pd.DataFrame({"time": time, "event": event}), "time", "event").at(steps.time)["survival"]
    assert (np.abs(product_limit(steps)[0] - exact) <= nearness(steps) + 1e-9).all()
