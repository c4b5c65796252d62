"""Safe forms: each result has one or says why not, it holds nothing finer than it shows, and it is what shows."""

import dataclasses
import json
import pickle
import time

import numpy as np
import pandas as pd
import pytest

import paillasse.cohort
import paillasse.survival
from paillasse import open_catalog
from paillasse.cohort import flow, follow_up, missing, table_one
from paillasse.disclosure import DEFAULT, Policy, Result, Safe, policy, record_exact_with
from paillasse.errors import DisclosureError
from paillasse.survival import (
    brier,
    concordance,
    cox,
    cumulative_incidence,
    fine_gray,
    gray,
    kaplan_meier,
    logrank,
    rmst,
    subgroups,
    time_dependent_auc,
)
from paillasse.tables import View


def cohort() -> pd.DataFrame:
    """Real women, times and ages made unmistakable; a site of nine whose name nobody may learn."""
    data = open_catalog()["gbsg"].read()
    random = np.random.default_rng(5)
    data["time"] = data["rfstime"] + random.random(len(data))
    data["age"] = data["age"] + random.random(len(data))
    data["cause"] = data["status"] * (1 + (random.random(len(data)) < 0.4))
    sites = np.where(np.arange(len(data)) < 9, "RAREPLACE", np.where(random.random(len(data)) < 0.5, "east", "west"))
    data["site"] = pd.Categorical(sites, ["west", "east", "RAREPLACE"])
    data["alive"] = 0.6
    data.loc[:13, "pgr"] = np.nan
    return data


RESULTS = {
    "KaplanMeier": lambda d: kaplan_meier(d, "time", "status", by="site"),
    "CumulativeIncidence": lambda d: cumulative_incidence(d, "time", "cause", by="site"),
    "LogRank": lambda d: logrank(d, "time", "status", by="hormon"),
    "GrayTest": lambda d: gray(d, "time", "cause", by="hormon"),
    "RestrictedMean": lambda d: rmst(d, "time", "status", tau=200, by="site"),
    "CoxModel": lambda d: cox(d, "time", "status", "age + C(site) + hormon"),
    "FineGrayModel": lambda d: fine_gray(d, "time", "cause", 1, "age + C(site) + hormon"),
    "SubgroupEffects": lambda d: subgroups(d, "time", "status", "hormon", ["site", "meno"]),
    "Concordance": lambda d: concordance(d, "time", "status", "nodes"),
    "TimeDependentAUC": lambda d: time_dependent_auc(d, "time", "status", "nodes", [400, 800, 1200]),
    "Brier": lambda d: brier(d, "time", "status", ["alive", "alive"], [400, 800]),
    "Flow": lambda d: flow(d, {"Old": "age > 70", "Rare": "site == 'RAREPLACE'", "Grade 1": "grade == 1"}),
    "FollowUp": lambda d: follow_up(d, "time", "status", by="site"),
    "Missing": lambda d: missing(d),
    "TableOne": lambda d: table_one(d, ["age", "grade", "site"], by="hormon"),
}
FIGURES = ["KaplanMeier", "CumulativeIncidence", "CoxModel", "FineGrayModel", "SubgroupEffects", "Flow"]


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return cohort()


@pytest.fixture(scope="module", params=RESULTS)
def result(request, data):
    return RESULTS[request.param](data if request.param != "RestrictedMean" else data.assign(time=data["time"] / 5))


@pytest.fixture
def held(monkeypatch):
    monkeypatch.setattr(policy, "_in_force", DEFAULT)
    monkeypatch.setattr(policy, "_recorders", {})


def test_every_result_is_one_that_shows_its_safe_form():
    """A new class with a table cannot forget it."""
    rooms = [getattr(room, name) for room in (paillasse.survival, paillasse.cohort) for name in room.__all__]
    classes = [each for each in rooms if isinstance(each, type)]
    assert {each.__name__ for each in classes} == set(RESULTS)
    assert all(issubclass(each, Result) and "_safe" in vars(each) for each in classes)


def all_within(value, seen=None):
    """Every object that can be reached from another by attributes and containers."""
    seen = {} if seen is None else seen
    if id(value) in seen:
        return
    seen[id(value)] = value
    yield value
    inside = list(getattr(value, "__dict__", {}).values()) if not isinstance(value, pd.DataFrame) else [value.attrs]
    if isinstance(value, dict):
        inside += [*value, *value.values()]
    if isinstance(value, (list, tuple, set)):
        inside += value
    for each in inside:
        yield from all_within(each, seen)


def test_a_safe_form_holds_its_tables_and_words_and_nothing_else(result):
    safe = result.disclose()
    assert isinstance(safe, Safe) and safe.of == type(result).__name__
    allowed = (Safe, Policy, pd.DataFrame, dict, tuple, str, int, float)
    assert {type(each) for each in all_within(safe) if not isinstance(each, allowed)} == set()
    assert not any(isinstance(each, Result) for each in all_within(safe))


def test_a_safe_form_s_pickle_holds_no_patient_s_value(result, data):
    """Times and ages have fractions that nothing else has, as doubles and as text."""
    stored = pickle.dumps(result.disclose()) + repr(result.disclose()).encode()
    for values in (data["time"], data["time"] / 5, data["age"]):
        assert not any(value.tobytes() in stored for value in values.to_numpy())
        assert not any(f"{value:.3f}".encode() in stored for value in values)


def test_a_value_that_few_patients_have_is_not_even_named(result):
    if type(result).__name__ == "Flow":
        return  # the names of its steps are the researcher's own words
    safe = result.disclose()
    assert b"RAREPLACE" not in pickle.dumps(safe)
    assert "RAREPLACE" not in repr(safe) + safe._repr_html_()


COUNTS = ("n", "events", "n_risk", "n_event", "n_lost", "observed", "expected", "n_cases", "n_controls", "missing")


def test_every_count_is_rounded(result):
    for table in result.disclose().tables.values():
        for name in set(COUNTS) & set(table):
            numbers = pd.to_numeric(table[name], errors="coerce").dropna()
            assert (numbers % 5 == 0).all(), name


def test_no_number_of_an_exact_table_is_left_with_all_its_digits(result):
    exact = {
        float(value)
        for name in result.table.select_dtypes("float")
        for value in result.table[name].dropna()
        if value % 0.001 > 1e-9 and value not in (0, 1)
    }
    exact -= {float(f"{value:.3g}") for value in exact}
    told = {
        float(value)
        for table in result.disclose().tables.values()
        for name in table.select_dtypes("float")
        for value in table[name].dropna()
    }
    assert not exact & told


def test_what_was_done_is_marked_in_the_table_and_said_below_it(result):
    safe = result.disclose()
    assert "mark" in safe.table and safe.table["mark"].str.len().min() > 0
    text = repr(safe)
    assert "(safe form)" in text and "rounded to multiples of 5" in text
    assert safe.notes[0] in text


def test_a_laxer_safe_form_is_not_taken_for_a_stricter_one(result):
    safe = result.disclose()
    assert safe.disclose() is safe
    with pytest.raises(DisclosureError, match="laxer"):
        safe.disclose(Policy(20, 10))


@pytest.mark.parametrize("name", FIGURES)
def test_a_safe_figure_draws_released_numbers_and_says_what_was_done(name, data):
    safe = RESULTS[name](data).disclose()
    figure = json.loads(safe.figure(title="A title").to_json())
    captions = [each["text"] for each in figure["layout"]["annotations"] if "Safe form." in each.get("text", "")]
    assert len(captions) == 1 and "multiples of 5" in captions[0]
    text = safe.figure().to_json()
    assert "RAREPLACE" not in text or name == "Flow"
    points = [len(np.atleast_1d(trace.x)) for trace in safe.figure().data if trace.x is not None]
    assert max(points, default=0) <= 127


def test_a_safe_curve_has_no_points_but_the_times_cut(data):
    safe = kaplan_meier(data, "time", "status", by="hormon").disclose()
    cut = set(safe.table["time"])
    for trace in safe.figure().data:
        if trace.mode == "lines":
            assert set(trace.x) <= cut
            assert trace.line.shape == "linear"
        assert "markers" not in (trace.mode or "")


def test_numbers_at_risk_below_a_safe_figure_are_rounded(data):
    figure = kaplan_meier(data, "time", "status").disclose().figure()
    texts = [text for trace in figure.data if trace.mode == "text" for text in trace.text if text]
    assert texts and all(int(text.replace(",", "")) % 5 == 0 for text in texts)


def test_where_a_policy_is_in_force_a_result_shows_its_safe_form(result, held):
    assert repr(result) == repr(result.disclose())
    assert result._repr_html_() == result.disclose()._repr_html_()


@pytest.mark.parametrize("name", FIGURES)
def test_where_a_policy_is_in_force_a_figure_is_the_safe_form_s(name, data, held):
    result = RESULTS[name](data)
    assert result.figure().to_json() == result.disclose().figure().to_json()


def test_a_figure_without_a_safe_form_says_so_in_its_place(data, held):
    shown = RESULTS["CoxModel"](data).figure_over_time()
    assert isinstance(shown, View)
    assert "no safe form" in repr(shown) and ".exact().figure_over_time()" in repr(shown)


def test_exact_numbers_are_shown_when_asked_for_and_it_is_said_and_recorded(data, held):
    asked = []
    record_exact_with("gbsg", asked.append)
    result = kaplan_meier(data, "time", "status")
    exact = result.exact()
    assert asked == ["KaplanMeier"]
    assert "686 patients, 299 events" in repr(exact)
    assert "not for release" in repr(exact) and "recorded" in repr(exact)
    assert len(exact.figure().data[2].x) > 250


def test_without_a_policy_results_show_as_they_always_did(data):
    assert "686 patients, 299 events" in repr(kaplan_meier(data, "time", "status"))
    assert "not for release" in repr(kaplan_meier(data, "time", "status").exact())


def few(n_events: int) -> pd.DataFrame:
    n = 60
    place = np.arange(n)
    return pd.DataFrame({"t": place + 1, "e": place < n_events, "arm": place % 2, "x": place % 7})


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (lambda: kaplan_meier(few(10), "t", "e"), "no group has enough events"),
        (lambda: kaplan_meier(few(60).assign(w=0.5), "t", "e", weights="w"), "weighted"),
        (lambda: kaplan_meier(few(60).assign(late=few(60)["t"] / 2), "t", "e", entry="late"), "delayed entry"),
        (lambda: logrank(few(20), "t", "e", "arm"), "fewer than 11"),
        (lambda: gray(few(20).assign(e=few(20)["e"] * 1), "t", "e", "arm"), "fewer than 11"),
        (lambda: rmst(few(10), "t", "e", 40), "no group has 11 patients and events"),
        (lambda: cox(few(10), "t", "e", "x"), "fewer than 11"),
        (lambda: cox(few(12), "t", "e", "x + I(x**2) + I(x**3)"), "fewer than 10 residual degrees of freedom"),
        (lambda: concordance(few(10), "t", "e", "x"), "fewer than 11"),
        (lambda: cox(few(40), "t", "e", "x").bootstrap(5, seed=1), "does not know how many patients"),
        (lambda: table_one(few(10).head(10), ["x"]), "fewer than 11"),
        (lambda: flow(few(10), {"all but ten": "t > 10"}), "fewer than 11 patients are left"),
    ],
)
def test_a_result_of_too_few_is_refused_with_its_reason(refused, reason, held):
    result = refused()
    with pytest.raises(DisclosureError, match=f"no safe form.*{reason}"):
        result.disclose()
    assert "no safe form" in repr(result)


def test_a_term_of_few_patients_is_left_out_of_a_model_and_one_of_few_events_is_marked(data):
    event = data["status"] == 1
    level = np.select([event & (event.cumsum() <= 6), ~event], ["rare_event", "base"], "common")
    level[np.flatnonzero(~event)[:30]] = "rare_event"
    known = data.assign(level=pd.Categorical(level, ["common", "rare_event"])).dropna(subset=["level"])
    model = cox(known, "time", "status", "C(level) + age")
    table = model.disclose().table.set_index("term")
    assert table.loc["C(level)[T.rare_event]", "mark"] == "not shown: fewer than 11 events"
    assert np.isnan(table.loc["C(level)[T.rare_event]", "hazard_ratio"])
    assert table.loc["age", "mark"] == "rounded"


def test_patients_with_several_rows_count_once_in_a_model(data):
    """Nine women with many rows each are nine women."""
    rows = data.iloc[np.repeat(np.arange(200), 3)].assign(woman=np.repeat(np.arange(200), 3))
    nine = np.unique(rows.loc[rows["status"] == 1, "woman"])[:9]
    rows["in_nine"] = rows["woman"].isin(nine).astype(int)
    table = cox(rows, "time", "status", "in_nine + age", cluster="woman").disclose().table
    assert "in_nine" not in set(table["term"][table["mark"] == "rounded"])


def test_the_ratio_of_a_level_with_a_small_arm_is_not_shown(data):
    level = np.where((data["hormon"] == 1) & (np.arange(len(data)) % 2 == 0), "b", "a")
    level[np.flatnonzero((data["hormon"] == 0) & (data["status"] == 0))[:15]] = "b"
    table = subgroups(data.assign(level=level), "time", "status", "hormon", ["level"]).disclose().table
    small = table[table["level"] == "b"].iloc[0]
    assert small["mark"] == "ratio not shown: an arm has fewer than 11 patients or events"
    assert np.isnan(small["hazard_ratio"]) and small["n"] > 0


def test_a_stricter_policy_gives_a_coarser_curve(data):
    curve = kaplan_meier(data, "time", "status")
    default, strict = (curve.disclose(each).table for each in (None, Policy(50, 10)))
    assert len(strict) < len(default) / 2
    assert (strict["n_risk"] % 10 == 0).all()


def test_dataclass_fields_of_a_safe_form_cannot_be_set(data):
    safe = kaplan_meier(data, "time", "status").disclose()
    with pytest.raises(dataclasses.FrozenInstanceError):
        safe.notes = ()


def test_a_million_patients_curve_is_disclosed_within_a_second():
    random, n = np.random.default_rng(1), 1_000_000
    data = pd.DataFrame({"t": random.exponential(5, n), "e": random.random(n) < 0.6})  # each time another patient's
    curve = kaplan_meier(data, "t", "e")
    start = time.process_time()
    curve.disclose()
    assert time.process_time() - start < 1
