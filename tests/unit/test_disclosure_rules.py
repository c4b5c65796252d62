"""The disclosure rules on counts, sums, estimates and models."""

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from paillasse.disclosure import DEFAULT, Policy, dominated, model_may_leave, policy, rounded, suppressed
from paillasse.disclosure.counts import behind, in_words
from paillasse.disclosure.estimates import as_a_mean, significant
from paillasse.disclosure.models import need_freedom, rests_on_few
from paillasse.errors import DisclosureError

SMALL = Policy(minimum_cell=3, rounding=1)  # an exhaustive search ends


@given(st.integers(0, 10**7), st.integers(1, 50))
def test_a_rounded_count_is_a_multiple_and_the_true_one_lies_behind_it(count, step):
    told = rounded(count, Policy(1, step))
    least, most = behind(told, Policy(1, step))
    assert told % step == 0
    assert least <= count <= most
    assert most - least == step - 1


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from([(11, 6), (11, 10), (20, 15), (5, 3)]))
def test_with_rounding_of_half_the_cell_a_difference_may_be_nobody_or_a_full_cell(left, right, rule):
    """Whatever two counts are subtracted: 2 · rounding - 1 ≥ minimum cell is enough."""
    rules = Policy(*rule)
    (low, high), (other_low, other_high) = (behind(rounded(each, rules), rules) for each in (left, right))
    assert low - other_high <= 0 or high - other_low >= rules.minimum_cell


def test_none_is_not_told_from_few():
    assert {in_words(count, DEFAULT) for count in range(11)} == {"at most 10"}
    assert in_words(11, DEFAULT) == "about 10"


def consistent_tables(cells, hidden):
    """All tables of whole numbers with the same totals and the same shown cells: an exhaustive search."""
    free = [tuple(place) for place in np.argwhere(hidden)]
    most = [int(min(cells[row].sum(), cells[:, column].sum())) for row, column in free]
    for values in itertools.product(*(range(each + 1) for each in most)):
        table = cells.copy()
        table[tuple(zip(*free))] = values
        if (table.sum(0) == cells.sum(0)).all() and (table.sum(1) == cells.sum(1)).all():
            yield table


@settings(deadline=None, max_examples=60)
@given(arrays(int, (3, 3), elements=st.integers(0, 4)))
def test_no_hidden_cell_of_a_table_can_be_found_by_exhaustive_search(cells):
    """Of unrounded tables, the intruder's best case, by every table that has the released numbers."""
    if (cells.sum(0) < 3).any() or (cells.sum(1) < 3).any():
        return  # groups and levels of fewer than the minimum are left out before
    hidden = suppressed(cells, SMALL)
    assert hidden[cells < 3].all()
    if hidden.sum() > 4:
        return  # too many to search; few are shown then
    if hidden.any():
        possible = np.array(list(consistent_tables(cells, hidden)))
        for row, column in np.argwhere(hidden):
            counts = possible[:, row, column]
            assert counts.min() == 0 or counts.max() >= 3


@given(st.lists(st.integers(0, 40), min_size=2, max_size=8))
def test_what_a_total_less_its_parts_leaves_is_nobody_or_a_full_cell(parts):
    hidden = suppressed(parts, DEFAULT)
    left = np.array(parts)[hidden].sum()
    assert not hidden.any() or hidden.sum() >= 2
    assert not hidden.any() or left >= 11 or hidden.all()


def test_a_table_of_full_cells_is_shown_whole():
    assert not suppressed([[11, 40], [25, 300]], DEFAULT).any()


def test_cells_that_are_hidden_for_another_reason_are_protected_too():
    hidden = suppressed([[50, 60, 70], [70, 80, 90]], DEFAULT, hidden=[[True, False, False], [False, False, False]])
    assert hidden.tolist() == [[True, True, False], [True, True, False]]


@pytest.mark.parametrize(
    ("magnitudes", "told"),
    [
        ([86, 7, 7], True),  # more than 85 %
        ([50, 48, 2], True),  # the second largest comes within 4 % of the largest
        ([40, 30, 30], False),
        ([0, 0], False),
        ([5], True),
    ],
)
def test_one_contributor_does_not_dominate_a_sum(magnitudes, told):
    assert dominated(magnitudes) is told


@given(st.lists(st.floats(0, 1), min_size=30, max_size=300), st.floats(0, 1))
def test_a_mean_with_one_patient_more_tells_of_him_no_more_than_a_rounded_count(values, more):
    """What the intruder computes of the added value, from two rounded means and the number of patients, is no closer
    than to the whole range in which it lies."""
    n = len(values)
    before, after = (float(as_a_mean(np.mean(each), n, 1, DEFAULT)) for each in (values, [*values, more]))
    half = max(0.5 * float(as_a_mean(1, n, 1, DEFAULT)), 2.5 / n)
    least, most = (n + 1) * (after - half) - n * (before + half), (n + 1) * (after + half) - n * (before - half)
    assert least <= 0 and most >= 1


def test_an_estimate_keeps_three_digits_whatever_its_size():
    assert significant([123456.0, 0.0001234, np.nan, 0.0]).tolist()[:2] == [123000.0, 0.000123]


def test_a_model_without_ten_residual_degrees_of_freedom_is_refused():
    need_freedom(20, 10, DEFAULT)
    with pytest.raises(DisclosureError, match="fewer than 10 residual degrees of freedom"):
        need_freedom(19, 10, DEFAULT)


def test_a_term_that_rests_on_few_patients_or_events_says_so():
    event = np.arange(200) % 2 == 0
    level = np.zeros(200)
    level[:10] = 1
    assert rests_on_few(level, event, DEFAULT) == "too few patients"
    level[:20] = 1
    assert rests_on_few(level, event, DEFAULT) == "fewer than 11 events"
    assert rests_on_few(1 - level, event, DEFAULT) == "fewer than 11 events"
    level[:40] = 1
    assert rests_on_few(level, event, DEFAULT) == ""
    outlier = np.random.default_rng(1).normal(size=200)
    assert rests_on_few(outlier, event, DEFAULT) == ""
    outlier[3] = 1e6
    assert rests_on_few(outlier, event, DEFAULT) == "one patient dominates"


@pytest.fixture(scope="module")
def training():
    random = np.random.default_rng(2)
    x = random.normal(size=(400, 3))
    return x, (x[:, 0] + random.normal(size=400) > 0).astype(int)


@pytest.mark.parametrize(
    ("model", "leaves", "reason"),
    [
        (LogisticRegression(), True, "coefficients"),
        (RandomForestClassifier(10, min_samples_leaf=20, random_state=1), True, "no leaf has fewer than 11"),
        (RandomForestClassifier(10, random_state=1), False, "a leaf of fewer than 11"),
        (RandomForestClassifier(10, min_samples_leaf=20, oob_score=True, random_state=1), False, "oob_"),
        (DecisionTreeClassifier(min_samples_leaf=11), True, "no leaf has fewer than 11"),
        (DecisionTreeClassifier(), False, "a leaf of fewer than 11"),
        (KNeighborsClassifier(50), False, "keeps its training rows"),
        (SVC(), False, "support vectors are patients"),
    ],
)
def test_a_model_leaves_only_without_training_rows(training, model, leaves, reason):
    verdict = model_may_leave(model.fit(*training), DEFAULT)
    assert bool(verdict) is leaves
    assert reason in verdict.reason


def test_a_leaf_is_as_large_as_the_distinct_rows_in_it(training):
    """A bootstrap that draws a row 20 times makes no leaf of 20 patients."""
    x, y = training
    forest = RandomForestClassifier(5, min_samples_leaf=20, random_state=1).fit(x, y)
    leaves = {(place, leaf) for place, each in enumerate(forest.apply(x).T) for leaf in each}
    assert bool(model_may_leave(forest, Policy(2, 1))) and len(leaves) > 5
    assert not model_may_leave(forest, Policy(21, 1))


def test_rows_hung_on_a_harmless_model_are_noticed(training):
    model = LogisticRegression().fit(*training)
    model.training_ = training[0]
    assert not model_may_leave(model, DEFAULT)
    del model.training_
    model.verbose = training[0]
    assert "verbose" in model_may_leave(model, DEFAULT).reason


def test_a_subclass_of_a_harmless_model_is_not_known(training):
    class Mine(LogisticRegression):
        pass

    assert not model_may_leave(Mine().fit(*training), DEFAULT)


def test_a_model_that_is_not_fitted_does_not_leave():
    assert not model_may_leave(LogisticRegression(), DEFAULT)
    assert not model_may_leave(RandomForestClassifier(), DEFAULT)


def test_a_model_that_leaves_holds_no_row_in_its_pickle(training):
    x, y = training
    stored = pickle.dumps(DecisionTreeClassifier(min_samples_leaf=30).fit(x, y))
    assert not any(value.tobytes() in stored for value in x.ravel())


def test_the_policy_in_force_makes_every_other_stricter(monkeypatch):
    monkeypatch.setattr(policy, "_in_force", Policy(20, 1))
    assert policy.policy_for(None) == Policy(20, 5)
    assert policy.policy_for(Policy(5, 10)) == Policy(20, 10)
