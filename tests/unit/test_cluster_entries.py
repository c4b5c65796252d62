"""The cluster's own entries: what their stand-ins promise to whoever writes an analysis on them."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paillasse import open_catalog
from paillasse.effects import analysis_table, code_list, event_table
from paillasse.survival import cox

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = ["lung_io", "head_neck_rt", "profiler", "snds_patients", "snds_drugs", "snds_stays", "skin_readers"]
LINKED = ["snds_drugs", "snds_stays"]
IN_ORDER = {
    "lung_io": ["diagnosis_date", "start_date", "last_date"],
    "head_neck_rt": ["start_date", "end_date", "last_date"],
    "profiler": ["inclusion_date", "matched_date", "last_date"],
    "snds_patients": ["index_date", "ben_dcd_dte", "last_date"],
    "snds_stays": ["exe_soi_dtd", "exe_soi_dtf"],
}
FOLLOWED = {  # start, duration, end and death
    "lung_io": ["start_date", "os_days", "last_date", "death"],
    "head_neck_rt": ["start_date", "os_days", "last_date", "death"],
    "profiler": ["inclusion_date", "os_days", "last_date", "death"],
    "snds_patients": ["index_date", "follow_up_days", "last_date", "death"],
}
GRADES = {1: (0.8, 1.0), 2: (0.5, 0.8), 3: (0.2, 0.5), 4: (0.0, 0.2)}  # lymphocytes in 10⁹/l, CTCAE 5.0


@pytest.fixture(scope="module")
def catalog():
    return open_catalog(ROOT / "data_catalog.yaml", profile="synthetic")


def runs_of(name: str, runs: list[dict]) -> list[dict]:
    return [run["parameters"] for run in runs if run.get("parameters", {}).get("dataset") == name]


@pytest.mark.parametrize("name", CLUSTER)
def test_an_entry_says_all_that_a_reader_must_know(catalog, name):
    about = catalog[name].about
    assert about.sensitivity == "pseudonymised"
    assert len(about.caveats) >= 3 and len(about.keywords) >= 5
    assert about.period and about.population_size and about.disclosure and about.health
    assert about.publisher in ("cluster", "hospital", "insurance")
    assert [field.name for field in about.table_schema.fields if field.role == "identifier"]


@pytest.mark.parametrize("name", CLUSTER)
def test_nobody_can_take_a_stand_in_for_a_finding(catalog, name):
    about = catalog[name].about
    assert about.caveats[0].startswith("The stand-in is made up and shows no finding")  # notebooks show the caveats
    assert about.generator.fitted_on is None
    assert re.search("fitted on no (patient|reader)", about.generator.source, re.IGNORECASE)


@pytest.mark.parametrize("name", CLUSTER)
def test_the_real_data_are_reached_by_a_variable_only(catalog, name):
    source = catalog[name].about.sources["secure"]
    assert re.match(r"\$\{[A-Z_]+\}", source.dsn or source.path)


@pytest.mark.parametrize("name", CLUSTER)
def test_a_stand_in_satisfies_its_schema_and_has_no_empty_column(catalog, name):
    data = catalog[name].read()  # validated
    assert data.notna().any().all()


@pytest.mark.parametrize("name", LINKED)
def test_each_row_of_a_linked_table_belongs_to_a_patient(catalog, name):
    (link,) = catalog[name].about.table_schema.foreignKeys
    assert link.reference.resource == "snds_patients"
    patients = catalog["snds_patients"].read(columns=[link.reference.fields])[link.reference.fields]
    assert catalog[name].read(columns=[link.fields])[link.fields].isin(patients).all()


@pytest.mark.parametrize("name", LINKED)
def test_events_have_the_form_of_events_and_lie_within_follow_up(catalog, name):
    events = catalog[name].events().execute()
    assert events.columns.tolist() == ["patient", "category", "code", "value", "start", "end"]
    assert len(events) > 20_000 and events.notna().all(axis=None)
    patients = catalog["snds_patients"].read(columns=["ben_nir_psa", "index_date", "last_date"])
    joined = events.merge(patients, left_on="patient", right_on="ben_nir_psa", validate="many_to_one")
    assert len(joined) == len(events)
    assert (pd.to_datetime(joined["start"]) >= joined["index_date"]).all()
    assert (pd.to_datetime(joined["end"]) >= pd.to_datetime(joined["start"])).all()
    assert (pd.to_datetime(joined["end"]) <= joined["last_date"]).all()


@pytest.mark.parametrize("name", IN_ORDER)
def test_dates_are_in_order(catalog, name):
    dates = catalog[name].read(columns=IN_ORDER[name])
    for earlier, later in zip(IN_ORDER[name], IN_ORDER[name][1:], strict=False):
        known = dates[[earlier, later]].dropna()
        assert len(known) and (known[earlier] <= known[later]).all()


@pytest.mark.parametrize("name", FOLLOWED)
def test_follow_up_ends_on_the_last_date(catalog, name):
    start, duration, last, death = FOLLOWED[name]
    data = catalog[name].read(columns=[start, duration, last, death])
    assert ((data[last] - data[start]).dt.days == data[duration]).all()
    assert 0.3 < data[death].mean() < 0.95


def test_a_date_of_death_is_known_for_the_dead_only(catalog):
    patients = catalog["snds_patients"].read(columns=["death", "ben_dcd_dte", "last_date"])
    dead = patients["death"] == 1
    assert (patients["ben_dcd_dte"].notna() == dead).all()
    assert (patients.loc[dead, "ben_dcd_dte"] == patients.loc[dead, "last_date"]).all()


@pytest.mark.parametrize(
    ("name", "earlier", "event"), [("lung_io", "pfs_days", "progression"), ("head_neck_rt", "failure_days", "failure")]
)
def test_another_outcome_ends_with_death_at_the_latest(catalog, name, earlier, event):
    data = catalog[name].read(columns=[earlier, event, "os_days", "death"])
    assert (data[earlier] <= data["os_days"]).all()
    assert (data.loc[data["death"] == 1, event] != 0).all()


def test_t_cells_are_counted_where_there_is_tissue(catalog):
    cells = ["cd3", "cd4", "cd8", "treg", "pd1_cd8"]
    data = catalog["lung_io"].read(columns=["tissue", *cells])
    assert (data[cells].notna().all(axis=1) == (data["tissue"] == 1)).all()
    counted = data.dropna()
    assert (counted["treg"] <= counted["cd4"]).all()
    assert (counted["cd4"] + counted["cd8"] <= counted["cd3"] + 1).mean() > 0.98


def test_the_grade_of_lymphopenia_is_that_of_the_lowest_count(catalog):
    data = catalog["head_neck_rt"].read(columns=["lymphopenia", "lymphocytes_nadir"])
    for grade, (low, high) in GRADES.items():
        counts = data.loc[data["lymphopenia"] == grade, "lymphocytes_nadir"]
        assert len(counts) and counts.between(low, high, inclusive="left").all()
    assert (data.loc[data["lymphopenia"] == 0, "lymphocytes_nadir"] >= 1).all()


def test_progressive_disease_progresses_early_and_a_response_is_seen_at_an_assessment(catalog):
    data = catalog["lung_io"].read(columns=["best_response", "pfs_days", "progression"])
    progressive = data[data["best_response"] == "PD"]
    assert (progressive["pfs_days"] < 84).all() and (progressive["progression"] == 1).all()
    assert (data.loc[data["best_response"] == "SD", "pfs_days"] >= 49).all()
    assert (data.loc[data["best_response"].isin(["PR", "CR"]), "pfs_days"] >= 84).all()
    shares = data["best_response"].value_counts(normalize=True)
    assert 0.2 < shares["PD"] < 0.4 and 0.25 < shares["PR"] + shares["CR"] < 0.5


def test_an_adverse_event_of_grade_5_is_death(catalog):
    data = catalog["lung_io"].read(columns=["irae", "death"])
    assert (data["irae"] == 5).any() and (data.loc[data["irae"] == 5, "death"] == 1).all()


def test_cancer_treated_for_cure_with_a_drug_has_a_stage_for_which_that_is_done(catalog):
    data = catalog["head_neck_rt"].read(columns=["site", "p16", "stage", "treatment"])
    positive = data["p16"] == 1
    assert (data.loc[positive, "site"] == "oropharynx").all()
    assert set(data.loc[positive, "stage"]) == {1, 2, 3}  # IV is metastatic, in AJCC 8
    cisplatin = data[data["treatment"] == "cisplatin"]
    assert ((cisplatin["stage"] == 1) & (cisplatin["p16"] != 1)).mean() < 0.02


def test_lymphocytes_are_counted_three_months_after_radiotherapy_in_the_living_only(catalog):
    data = catalog["head_neck_rt"].read(columns=["lymphocytes_nadir", "lymphocytes_after", "end_date", "last_date"])
    counted = data[data["lymphocytes_after"].notna()]
    assert ((counted["last_date"] - counted["end_date"]).dt.days >= 91).all()
    assert len(counted) > 0.75 * len(data)
    assert counted["lymphocytes_after"].corr(counted["lymphocytes_nadir"], method="spearman") > 0.5


def test_immunotherapy_is_given_with_radiotherapy_since_there_are_trials_of_it(catalog):
    data = catalog["head_neck_rt"].read(columns=["treatment", "start_date"])
    assert data.groupby("treatment")["start_date"].min().dt.year.to_dict() == {
        "cetuximab": 2014,
        "cisplatin": 2014,
        "ici": 2017,
    }


def test_the_response_to_a_matched_therapy_is_evaluated_six_weeks_after_its_start_or_later(catalog):
    data = catalog["profiler"].read(columns=["matched_date", "matched_response", "last_date"])
    evaluated = data[data["matched_response"].notna()]
    assert ((evaluated["last_date"] - evaluated["matched_date"]).dt.days >= 42).all()
    assert len(evaluated) > 0.5 * data["matched_date"].notna().sum()


def test_what_the_claims_say_of_a_patient_and_do_not_derive_in_the_stand_in_is_declared(catalog):
    about = catalog["snds_patients"].about
    drawn = [field.name for field in about.table_schema.fields if "drawn in the stand-in" in field.description]
    assert drawn == ["index_date", "comorbidities", "surgery", "treatment"]
    (caveat,) = [caveat for caveat in about.caveats if caveat.startswith("In the stand-in")]
    assert all(name in caveat for name in drawn)
    assert "do not agree with its surgery" in catalog["snds_stays"].about.caveats[0]


def test_a_matched_therapy_needs_a_recommendation_and_that_an_actionable_alteration(catalog):
    data = catalog["profiler"].read()
    assert (data.loc[data["matched_therapy"] == 1, "recommended"] == 1).all()
    assert (data.loc[data["recommended"] == 1, "profile"] == "actionable").all()
    assert (data["gene"].notna() == (data["profile"] == "actionable")).all()
    assert (data["matched_date"].notna() == (data["matched_therapy"] == 1)).all()
    # as in ProfiLER: of all included, 77 % profiled, 27 % recommended, 6 % treated
    shares = [(data["profile"] != "failed").mean(), data["recommended"].mean(), data["matched_therapy"].mean()]
    np.testing.assert_allclose(shares, [0.77, 0.27, 0.06], atol=0.02)


def test_a_drug_has_the_product_code_of_where_it_was_given(catalog):
    drugs = catalog["snds_drugs"].read()
    in_hospital = drugs["pha_atc_c07"].str.match("L01F|L01BA04")  # antibodies, and pemetrexed
    assert (drugs["ucd_ucd_cod"].notna() == in_hospital).all()
    assert (drugs["pha_prs_c13"].notna() == ~in_hospital).all()


def test_codes_of_claims_mean_what_the_code_lists_say(catalog):
    drugs, stays = (catalog[name].about.table_schema.fields for name in LINKED)
    known = code_list("immune_checkpoint_inhibitors") + code_list("anticancer_drugs") + code_list("common_drugs")
    codes = next(field.codes for field in drugs if field.name == "pha_atc_c07")
    assert codes == {code: known.codes[code] for code in codes}
    reasons = next(field.codes for field in stays if field.name == "dgn_pal")
    toxic = code_list("immune_toxicity").codes
    found = {code: label for code, label in reasons.items() if code in toxic}
    assert len(found) == 3 and all(label == f"{code}: {toxic[code]}" for code, label in found.items())


def test_sixty_partners_are_found_beside_an_immunotherapy_in_a_larger_stand_in(catalog):
    larger = catalog.with_rows(snds_patients=20_000)
    patients, drugs, stays = (larger[name].table() for name in ["snds_patients", *LINKED])
    drugs = event_table(
        drugs, "drug", value="pha_atc_c07", start="exe_soi_dtd", patient="ben_nir_psa", weight="pha_act_qsn"
    )
    stays = event_table(stays, "main", value="dgn_pal", start="exe_soi_dtd", end="exe_soi_dtf", patient="nir_ano_17")
    anti_pd1 = code_list("immune_checkpoint_inhibitors").only("nivolumab", "pembrolizumab", "durvalumab")
    made = analysis_table(
        patients,
        drugs,
        stays,
        backbone=anti_pd1,
        partners=code_list("anticancer_drugs") + code_list("common_drugs"),
        toxicity=code_list("immune_toxicity"),
        patient="ben_nir_psa",
        observed_from="index_date",
        last_date="last_date",
        death="death",
        washout=0,  # the claims of this extraction begin on the index date
    )
    assert 5_000 < len(made.data) < 10_000 and {0, 1, 2} == set(made.data["toxicity"])
    assert (made.table["n"] >= 5).sum() > 60


@pytest.mark.parametrize(("name", "patient"), [("snds_drugs", "ben_nir_psa"), ("snds_stays", "nir_ano_17")])
def test_an_early_event_says_nothing_of_survival_but_what_the_treatment_says(catalog, name, patient):
    patients = catalog["snds_patients"].read().set_index("ben_nir_psa")
    events = catalog[name].read(columns=[patient, "exe_soi_dtd"]).set_index(patient)["exe_soi_dtd"]
    early = events[events - patients["index_date"].reindex(events.index) < pd.Timedelta(60, "D")].index
    alive = patients[patients["follow_up_days"] > 60].assign(had_one=lambda data: data.index.isin(early).astype(float))
    assert 0.2 < alive["had_one"].mean() < 0.9
    alive["days"] = alive["follow_up_days"] - 60
    fitted = cox(alive, "days", "death", "had_one + C(treatment)").table.set_index("term")
    assert abs(fitted.loc["had_one", "z"]) < 3


def test_a_session_is_a_day_for_the_cancer(catalog):
    stays = catalog["snds_stays"].read()
    sessions = stays[stays["dgn_pal"] == "Z511"]
    assert (sessions["grg_ghm"] == "28Z07Z").all() and (sessions["exe_soi_dtd"] == sessions["exe_soi_dtf"]).all()
    assert sessions["dgn_rel"].str.startswith("C34").all()


def test_the_reader_study_is_fully_crossed_and_a_case_is_one_lesion(catalog):
    ratings = catalog["skin_readers"].read()
    assert (ratings.groupby(["reader", "case", "modality"]).size() == 1).all()
    assert len(ratings) == 8 * 120 * 2
    for column in ("truth", "truth_by", "age", "phototype", "diameter"):
        assert (ratings.groupby("case")[column].nunique(dropna=False) == 1).all(), column
    means = ratings.groupby("truth")["rating"].mean()
    assert means[1] > means[0] + 1


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_cox_model_finds_the_declared_hazard_ratios(catalog, name):
    _, duration, _, event = FOLLOWED[name]
    declared = catalog[name].about.generator.survival[duration].causes[1].hazard_ratios
    data = catalog[name].read()
    terms = {}
    for column, ratio in declared.items():
        known = data[column].notna()
        for code, value in ratio.items() if isinstance(ratio, dict) else [(None, ratio)]:
            term = column if code is None else f"{column}_{code}"
            data[term] = (data[column] if code is None else data[column] == code).astype(float).where(known)
            terms[term] = np.log(value)
    fitted = cox(data, duration, event, formula=list(terms)).table.set_index("term")
    far = (fitted["coef"] - pd.Series(terms)).abs() / fitted["std_err"]
    assert (far < 4).all(), far[far >= 4]


# --- the runs of a generated project --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLUSTER)
def test_an_entry_is_read_by_a_run(declared_runs, name):
    assert runs_of(name, declared_runs)


@pytest.mark.parametrize("name", CLUSTER)
def test_a_run_names_columns_of_its_entry(catalog, declared_runs, name):
    known = {field.name for field in catalog[name].fields}
    for parameters in runs_of(name, declared_runs):
        columns = [*parameters.get("left_out", []), *parameters.get("subgroup_columns", [])]
        columns += [parameters[key] for key in ("duration", "event", "by") if parameters.get(key)]
        assert set(columns) <= known


@pytest.mark.parametrize("name", CLUSTER)
def test_each_exclusion_of_a_run_leaves_some_out_and_some_in(catalog, declared_runs, name):
    data = catalog[name].read(columns=catalog[name].without_identifiers())
    for parameters in runs_of(name, declared_runs):
        for condition in [*parameters.get("exclusions", {}).values(), parameters.get("rows")]:
            if condition:
                assert 0 < data.eval(condition).sum() < len(data), condition
