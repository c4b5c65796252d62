"""What a fitted Cox model can do: predict, explain itself, be drawn again; and outcomes of other packages."""

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter, KaplanMeierFitter
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.nonparametric import kaplan_meier_estimator
from sksurv.util import Surv

from paillasse import open_catalog
from paillasse.errors import InputError
from paillasse.survival import cox, from_structured, kaplan_meier, to_structured


@pytest.fixture(scope="module")
def gbsg():
    return open_catalog()["gbsg"].read()


@pytest.fixture(scope="module")
def model(gbsg):
    return cox(gbsg, "rfstime", "status", "age + C(grade) + nodes + hormon")


def test_martingale_residuals_sum_to_zero(model):
    assert model.residuals("martingale")["residual"].sum() == pytest.approx(0, abs=1e-8)


def test_score_residuals_sum_to_the_gradient_which_is_zero(model):
    assert model.residuals("score").drop(columns="row").sum().abs().max() < 1e-6


def test_residuals_name_the_rows_of_the_callers_data(gbsg):
    gaps = gbsg.assign(age=gbsg["age"].where(gbsg.index != 3))
    rows = cox(gaps, "rfstime", "status", "age").residuals("martingale")["row"]
    assert 3 not in rows.to_numpy() and len(rows) == len(gbsg) - 1


def test_an_unknown_kind_of_residual_is_refused(model):
    with pytest.raises(InputError, match="Did you mean 'deviance'"):
        model.residuals("devianse")


def test_a_model_predicts_a_category_alone(model, gbsg):
    """One row of grade 2 must get grade 2's column, although it is the only level present."""
    row = gbsg[gbsg["grade"] == 2].iloc[[0]]
    together = model.predict_survival(gbsg, [1000])[gbsg.index.get_loc(row.index[0])]
    assert model.predict_survival(row, [1000])[0] == pytest.approx(together)


def test_predicted_survival_is_not_known_after_the_last_time(model, gbsg):
    assert np.isnan(model.predict_survival(gbsg.head(1), [1e6])).all()
    assert model.predict(gbsg.head(1), [1e6])["survival"].isna().all()


def test_a_missing_covariate_has_no_prediction(model, gbsg):
    assert np.isnan(model.predict_survival(gbsg.head(1).assign(age=np.nan), [1000])).all()


def test_a_column_that_is_missing_from_new_data_is_named(model, gbsg):
    with pytest.raises(InputError, match="no column 'nodes'"):
        model.predict_survival(gbsg.drop(columns="nodes"), [1000])


def test_each_stratum_has_its_own_baseline(gbsg):
    model = cox(gbsg, "rfstime", "status", "age", strata="grade")
    assert model.baseline["stratum"].unique().tolist() == [1, 2, 3]
    patients = pd.DataFrame({"age": [50, 50], "grade": [1, 3]})
    low, high = model.predict_survival(patients, [1000])[:, 0]
    assert low > high


def test_a_stratum_that_was_not_fitted_is_refused(gbsg):
    model = cox(gbsg, "rfstime", "status", "age", strata="grade")
    with pytest.raises(InputError, match="a stratum that was not fitted"):
        model.predict_survival(pd.DataFrame({"age": [50], "grade": [9]}), [1000])


def test_a_stratum_without_event_adds_nothing(gbsg):
    quiet = gbsg.head(40).assign(status=0, grade=9)
    with_it = cox(pd.concat([gbsg, quiet]), "rfstime", "status", "age + nodes", strata="grade")
    without = cox(gbsg, "rfstime", "status", "age + nodes", strata="grade")
    np.testing.assert_allclose(with_it.table["coef"], without.table["coef"], rtol=1e-9)
    assert with_it.log_likelihood == pytest.approx(without.log_likelihood, rel=1e-12)


def test_the_bootstrap_is_the_same_for_the_same_seed(model):
    first, again = model.bootstrap(20, seed=7), model.bootstrap(20, seed=7)
    np.testing.assert_array_equal(first.estimates, again.estimates)
    assert not np.array_equal(first.estimates, model.bootstrap(20, seed=8).estimates)


def test_the_bootstrap_spreads_as_that_of_r(model):
    """400 fits of coxph on rows drawn with replacement, R's seed 1; wide in the tail of `nodes`."""
    in_r = [0.006376139, 0.245341753, 0.263750935, 0.012286251, 0.129404219]
    np.testing.assert_allclose(model.bootstrap(400, seed=1).table["std_err"], in_r, rtol=0.15)


def test_a_bootstrap_of_clusters_draws_whole_clusters(gbsg):
    """With every patient there twice as a cluster, errors are those of the single patients, not smaller."""
    twice = pd.concat([gbsg, gbsg])
    single = cox(gbsg, "rfstime", "status", "nodes", ties="breslow")
    double = cox(twice, "rfstime", "status", "nodes", cluster="pid", ties="breslow")
    error = double.bootstrap(200, seed=1).table["std_err"][0]
    assert error == pytest.approx(single.bootstrap(200, seed=1).table["std_err"][0], rel=0.2)
    assert error > 1.2 * double.table["naive_std_err"][0]


def test_term_tests_join_the_columns_of_a_category(model):
    tests = model.term_tests()
    assert tests["term"].tolist() == ["age", "C(grade)", "nodes", "hormon"]
    assert tests["df"].tolist() == [1, 2, 1, 1]


def test_wald_and_likelihood_ratio_of_one_term_agree_with_the_model(gbsg):
    model = cox(gbsg, "rfstime", "status", "nodes")
    tests = model.term_tests().iloc[0]
    assert tests["wald"] == pytest.approx(model.table["z"][0] ** 2)
    assert tests["likelihood_ratio"] == pytest.approx(2 * (model.log_likelihood - model.null_log_likelihood))


def test_coefficients_over_time_are_drawn_at_40_times_whatever_the_number_of_events(model):
    table = model.coefficients_over_time()
    assert table.groupby("term").size().tolist() == [40] * 5
    assert len(model.figure_over_time().data) == 4 * 5


def test_a_structured_outcome_is_scikit_survivals_own(gbsg):
    ours, theirs = to_structured(gbsg, "rfstime", "status"), Surv.from_dataframe("status", "rfstime", gbsg)
    assert ours["time"].tolist() == theirs["rfstime"].tolist()
    assert ours["event"].tolist() == theirs["status"].tolist()
    back = from_structured(theirs, "rfstime", "status")
    np.testing.assert_array_equal(back.astype(float), gbsg[["rfstime", "status"]].astype(float))


def test_a_structured_outcome_fits_a_scikit_survival_model_to_the_same_estimate(gbsg):
    theirs = CoxPHSurvivalAnalysis(ties="efron", tol=1e-12).fit(
        gbsg[["age", "nodes"]], to_structured(gbsg, "rfstime", "status")
    )
    ours = cox(gbsg, "rfstime", "status", ["age", "nodes"]).table["coef"]
    np.testing.assert_allclose(theirs.coef_, ours, rtol=1e-6)


def test_rows_with_missing_outcomes_have_no_structured_form(gbsg):
    with pytest.raises(InputError, match="1 rows have no value"):
        to_structured(gbsg.assign(status=gbsg["status"].where(gbsg.index != 0)), "rfstime", "status")


def test_an_array_of_other_fields_is_no_outcome():
    with pytest.raises(InputError, match="two fields"):
        from_structured(np.zeros(2, dtype=[("a", float), ("b", float)]))


def test_lifelines_agrees_where_it_is_right(gbsg):
    theirs = CoxPHFitter().fit(gbsg[["rfstime", "status", "age", "nodes"]], "rfstime", "status")
    ours = cox(gbsg, "rfstime", "status", ["age", "nodes"])
    np.testing.assert_allclose(ours.table["coef"], theirs.params_, rtol=1e-4)
    assert ours.log_likelihood == pytest.approx(theirs.log_likelihood_, rel=1e-8)
    curve = KaplanMeierFitter().fit(gbsg["rfstime"], gbsg["status"]).survival_function_.iloc[1:, 0]
    np.testing.assert_allclose(kaplan_meier(gbsg, "rfstime", "status").table["survival"], curve, rtol=1e-12)


def test_scikit_survivals_kaplan_meier_agrees(gbsg):
    time, survival = kaplan_meier_estimator(gbsg["status"] == 1, gbsg["rfstime"])
    ours = kaplan_meier(gbsg, "rfstime", "status").table
    np.testing.assert_allclose(ours["survival"], survival, rtol=1e-12)
    np.testing.assert_array_equal(ours["time"], time)
