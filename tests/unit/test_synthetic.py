"""Synthetic stand-ins: what is declared is what is made, the same everywhere, and never against the schema."""

import datetime
import hashlib
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas
import pyarrow
import pytest
import yaml
from scipy import stats

from paillasse.catalog import generator
from paillasse.catalog.model import Dataset
from paillasse.catalog.synthetic import synthetic_table
from paillasse.catalog.validation import validate
from paillasse.errors import CatalogError
from paillasse.survival import cox, cumulative_incidence

ROOT = Path(__file__).resolve().parents[2]
YES_NO = {0: "no", 1: "yes"}
PATIENT = {"name": "patient", "type": "string", "role": "identifier", "constraints": {"required": True, "unique": True}}
START = {"name": "start", "type": "date", "constraints": {"required": True}}
DAYS = {"name": "days", "type": "integer", "unit": "days", "constraints": {"minimum": 1}}
DEATH = {"name": "death", "type": "integer", "codes": YES_NO}


def entry(fields: list[dict], generator: dict | None = None, **schema) -> Dataset:
    """An entry of the catalogue with these columns."""
    return Dataset.model_validate(
        {
            "title": "Toy",
            "description": "A toy.",
            "steward": {"name": "A. Steward", "email": "steward@example.org"},
            "publisher": "The cluster",
            "licence": "CC0-1.0",
            "sensitivity": "synthetic",
            "unit_of_observation": "toy",
            "schema": {"fields": [{"description": "What it is", **field} for field in fields], **schema},
            "sources": {"synthetic": {"driver": "synthetic"}},
            **({} if generator is None else {"generator": generator}),
        }
    )


def number(name: str, **constraints) -> dict:
    return {"name": name, "type": "number", "constraints": {"required": True, **constraints}}


def coded(name: str, *codes, **more) -> dict:
    kind = "string" if isinstance(codes[0], str) else "integer"
    return {"name": name, "type": kind, "codes": {code: f"is {code}" for code in codes}, **more}


def made(fields: list[dict], generator: dict | None = None, others: dict | None = None, **schema) -> pandas.DataFrame:
    """The stand-in as `read` gives it, which satisfies its schema."""
    dataset = entry(fields, generator, **schema)
    table = synthetic_table("toy", dataset, {"toy": dataset, **(others or {})})
    assert table.column_names == [field["name"] for field in fields]
    data = table.to_pandas(date_as_object=False)
    validate(data, dataset.table_schema, "toy")
    return data


def refused(*arguments, **keywords) -> str:
    """The message of the entry's own check, or of the making."""
    with pytest.raises((CatalogError, ValueError)) as error:
        made(*arguments, **keywords)
    return str(error.value)


# --- from the schema alone ---------------------------------------------------------------------------------------


def test_a_schema_alone_is_enough():
    fields = [
        {"name": "id", "type": "integer", "constraints": {"required": True, "unique": True}},
        {"name": "age", "type": "integer", "constraints": {"required": True, "minimum": 18, "maximum": 95}},
        {"name": "ldh", "type": "number", "constraints": {"minimum": 0.5}},
        coded("sex", "F", "M"),
        {"name": "site", "type": "string", "constraints": {"enum": ["tongue", "larynx"]}},
        {"name": "alive", "type": "boolean"},
        {"name": "seen", "type": "date", "constraints": {"minimum": datetime.date(2020, 1, 1)}},
        {"name": "since", "type": "year"},
        {"name": "note", "type": "string"},
    ]
    data = made(fields)
    assert len(data) == 1000
    assert data.id.tolist() == list(range(1, 1001))
    assert data.age.min() == 18
    assert data.age.max() == 95
    assert data.ldh.min() >= 0.5
    assert set(data.sex.dropna()) == {"F", "M"}
    assert data.seen.min() >= pandas.Timestamp(2020, 1, 1)
    assert data.since.dropna().between(2015, 2024).all()
    assert data.id.notna().all()
    missing = data[["ldh", "sex", "site", "alive", "seen", "since", "note"]].isna().mean()
    assert missing.between(0.02, 0.09).all()


def test_the_types_are_those_that_a_driver_promises():
    kinds = ["integer", "number", "string", "boolean", "date", "year"]
    types = synthetic_table("toy", entry([{"name": kind, "type": kind} for kind in kinds]), {}).schema.types
    assert types == [
        pyarrow.int64(),
        pyarrow.float64(),
        pyarrow.string(),
        pyarrow.bool_(),
        pyarrow.date32(),
        pyarrow.int64(),
    ]


@pytest.mark.parametrize("name", ["colon", "gbsg", "rotterdam", "veteran", "lung", "mgus2", "pbc", "heart"])
def test_each_public_data_set_could_have_a_stand_in(name):
    from paillasse import open_catalog

    about = open_catalog(ROOT / "data_catalog.yaml")[name].about
    validate(synthetic_table(name, about, {}).to_pandas(date_as_object=False), about.table_schema, name)


def test_a_primary_key_of_several_columns_is_a_patient_and_its_codes():
    data = made([{"name": "id", "type": "integer"}, coded("visit", 1, 2, 3)], primaryKey=["id", "visit"])
    assert data.id.iloc[:4].tolist() == [1, 1, 1, 2]
    assert data.visit.iloc[:4].tolist() == [1, 2, 3, 1]


def test_where_only_few_rows_can_differ_there_are_only_few():
    assert (
        len(made([{"name": "id", "type": "integer", "constraints": {"unique": True, "minimum": 3, "maximum": 9}}])) == 7
    )
    assert len(made([coded("arm", "A", "B", constraints={"unique": True})])) == 2
    assert len(made([coded("a", 1, 2), coded("b", 1, 2, 3)], primaryKey=["a", "b"])) == 6


def test_a_foreign_key_points_to_rows_that_exist():
    patients = entry([PATIENT], {"rows": 50})
    key = [{"fields": "who", "reference": {"resource": "patients", "fields": "patient"}}]
    data = made([{"name": "who", "type": "string"}], None, {"patients": patients}, foreignKeys=key)
    there = synthetic_table("patients", patients, {}).column("patient").to_pylist()
    assert set(data.who) == set(there)


def test_an_identifier_that_may_repeat_does_where_it_must():
    fields = [{"name": "reader", "type": "integer", "role": "identifier", "constraints": {"minimum": 1, "maximum": 9}}]
    assert made(fields).reader.nunique() == 9


def test_the_documented_block_can_be_made():
    """The examples in the docstring of `generator`, as they stand there."""
    blocks = re.findall(r"::\n\n((?: {4,}.*\n|\n)+)", generator.__doc__)
    block = yaml.safe_load(textwrap.dedent(blocks[0]))["generator"]
    codes = {"sex": ["F", "M"], "subtype": ["a", "b"], "arm": ["single", "combination"], "death": [0, 1]}
    codes |= {"response": ["PD", "SD", "PR"], "stage": ["III", "IV"], "truth": [0, 1], "progressed": [0, 1]}
    types = {
        "date": ["diagnosed", "started", "last_seen", "died", "visit", "stopped"],
        "string": ["patient", "country"],
    }
    names = [*block["columns"], "arm", "sex", "case", "count1", "diagnosed", "os", "death", "pfs", "progressed"]
    fields = [
        coded(name, *codes[name])
        if name in codes
        else {"name": name, "type": next((kind for kind, ours in types.items() if name in ours), "number")}
        for name in names
    ]
    assert made(fields, block).shape == (1000, len(names))
    linked = yaml.safe_load(textwrap.dedent(blocks[1]))
    fields = [{**PATIENT, "constraints": {}}, {"name": "bought", **DATE}, coded("sex", 1, 2)]
    data = made([*fields, {"name": "rank", "type": "integer"}], linked, {"patients": PATIENTS})
    assert len(data) == pytest.approx(12_000, rel=0.05)


# --- the same everywhere -----------------------------------------------------------------------------------------

COHORT = [
    PATIENT,
    number("age"),
    coded("stage", "II", "III", "IV"),
    coded("response", "PD", "SD", "PR", "CR"),
    {"name": "pdl1", "type": "integer", "constraints": {"minimum": 0, "maximum": 100}},
    number("cd8", minimum=0),
    START,
    DAYS,
    DEATH,
    {"name": "last", "type": "date"},
]
COHORT_GENERATOR = {
    "rows": 3000,
    "seed": 4,
    "columns": {
        "age": {"normal": {"mean": 64, "sd": 10}, "missing": 0.02},
        "stage": {"categorical": {"II": 0.2, "III": 0.3, "IV": 0.5}},
        "response": {
            "categorical": {"PD": 0.4, "SD": 0.3, "PR": 0.25, "CR": 0.05},
            "shifts": {"pdl1": 0.01, "stage": {"IV": -0.3}},
        },
        "pdl1": {"beta": {"a": 0.6, "b": 1.1}, "spikes": {0: 0.3}},
        "cd8": {"gamma": {"mean": 300, "sd": 250}, "decimals": 1},
        "start": {"uniform": [datetime.date(2018, 1, 1), datetime.date(2021, 12, 31)]},
        "last": {"after": "start", "duration": "days"},
    },
    "correlations": [{"between": ["age", "cd8"], "spearman": -0.3}, {"between": ["cd8", "pdl1"], "spearman": 0.4}],
    "survival": {
        "days": {
            "event": "death",
            "causes": {1: {"median": 500, "shape": 1.2, "hazard_ratios": {"age": 1.02, "stage": {"IV": 1.8}}}},
            "censoring": {"data_cut": datetime.date(2024, 6, 30), "start": "start", "share": 0.4},
        }
    },
}
COHORT_GENERATOR["columns"]["age"].pop("missing")


def checksum(table: pyarrow.Table) -> str:
    return hashlib.sha256(table.to_pandas(date_as_object=False).to_csv(index=False).encode()).hexdigest()


def test_a_stand_in_is_the_same_on_every_machine():
    """If it fails and nobody changed the making: a library's function has changed, and every stand-in with it."""
    table = synthetic_table("cohort", entry(COHORT, COHORT_GENERATOR), {})
    assert checksum(table) == "958bef754cb4d9ad69782ce7f13d368cd28d9559e9e1b7a300b618c8f3624c61"


def test_another_process_with_another_hash_seed_makes_the_same():
    code = (
        "from test_synthetic import *\nprint(checksum(synthetic_table('cohort', entry(COHORT, COHORT_GENERATOR), {})))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parent,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]


def test_another_column_changes_no_other():
    before = made(COHORT, COHORT_GENERATOR)
    columns = {**COHORT_GENERATOR["columns"], "tmb": {"lognormal": {"median": 7, "sd_log": 0.8}}}
    pairs = [*COHORT_GENERATOR["correlations"], {"between": ["tmb", "age"], "spearman": 0.1}]
    after = made([number("tmb"), *COHORT], {**COHORT_GENERATOR, "columns": columns, "correlations": pairs})
    pandas.testing.assert_frame_equal(after.drop(columns="tmb"), before)


def test_another_seed_and_another_name_make_another_table():
    same, seeded = entry([number("x")]), entry([number("x")], {"seed": 1})
    tables = [synthetic_table("a", same, {}), synthetic_table("b", same, {}), synthetic_table("a", seeded, {})]
    assert len({checksum(table) for table in tables}) == 3


# --- what is declared is made ------------------------------------------------------------------------------------

N = 50_000
DISTRIBUTIONS = {
    "normal": ({"normal": {"mean": 64, "sd": 10}}, stats.norm(64, 10)),
    "lognormal": ({"lognormal": {"median": 7, "sd_log": 0.8}}, stats.lognorm(0.8, scale=7)),
    "gamma": ({"gamma": {"mean": 300, "sd": 250}}, stats.gamma(1.44, scale=300 / 1.44)),
    "weibull": ({"weibull": {"median": 30, "shape": 1.5}}, stats.weibull_min(1.5, scale=30 / np.log(2) ** (1 / 1.5))),
    "exponential": ({"weibull": {"median": 30}}, stats.expon(scale=30 / np.log(2))),
    "beta": ({"beta": {"a": 0.6, "b": 1.1}}, stats.beta(0.6, 1.1)),
    "uniform": ({"uniform": [2, 8]}, stats.uniform(2, 6)),
}


@pytest.mark.parametrize(("how", "expected"), DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_a_distribution_is_the_one_declared(how, expected):
    data = made([number("x")], {"rows": N, "columns": {"x": {**how, "decimals": 8}}})
    assert stats.kstest(data.x, expected.cdf).pvalue > 1e-4


def test_what_lies_beyond_the_limits_is_cut_off():
    data = made(
        [number("x", minimum=60, maximum=70)], {"rows": N, "columns": {"x": {"normal": {"mean": 64, "sd": 10}}}}
    )
    assert stats.kstest(data.x, stats.truncnorm(-0.4, 0.6, 64, 10).cdf).pvalue > 1e-4


def test_whole_numbers_have_the_probabilities_declared():
    fields = [
        {"name": name, "type": "integer", "constraints": {"minimum": 1, "maximum": 6}} for name in ("die", "sites")
    ]
    columns = {"die": {"uniform": [1, 6]}, "sites": {"poisson": {"mean": 1.8}}}
    data = made(fields, {"rows": N, "columns": columns}).dropna()
    sites = stats.poisson(1.8).pmf(np.arange(1, 7))
    for column, shares in (("die", np.full(6, 1 / 6)), ("sites", sites / sites.sum())):
        counts = data[column].value_counts().sort_index()
        assert stats.chisquare(counts, shares * N).pvalue > 1e-4


def test_codes_have_the_probabilities_declared_and_values_go_missing_as_declared():
    columns = {"stage": {"categorical": {"IV": 0.7, "II": 0, "III": 0.3}, "missing": 0.1}}
    shares = (
        made([coded("stage", "II", "III", "IV")], {"rows": N, "columns": columns}).stage.value_counts(dropna=False) / N
    )
    assert shares.to_dict() == pytest.approx({"IV": 0.63, "III": 0.27, None: 0.1}, abs=0.01)


def test_a_spike_has_its_share_and_the_rest_its_distribution():
    columns = {"x": {"normal": {"mean": 0, "sd": 1}, "spikes": {0: 0.3, 1: 0.1}, "decimals": 9}}
    x = made([number("x")], {"rows": N, "columns": columns}).x
    assert (x == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert (x == 1).mean() == pytest.approx(0.1, abs=0.01)
    assert stats.kstest(x[(x != 0) & (x != 1)], "norm").pvalue > 1e-4


def test_a_rank_correlation_is_the_one_declared():
    columns = {
        "a": {"normal": {"mean": 64, "sd": 10}},
        "b": {"lognormal": {"median": 7, "sd_log": 0.8}},
        "c": {"uniform": [0, 1]},
    }
    pairs = {("a", "b"): -0.3, ("b", "c"): 0.6, ("a", "c"): 0.0}
    correlations = [{"between": list(pair), "spearman": value} for pair, value in pairs.items()]
    data = made([number(name) for name in "abc"], {"rows": N, "columns": columns, "correlations": correlations})
    found = data.corr("spearman")
    for (left, right), value in pairs.items():
        assert found.loc[left, right] == pytest.approx(value, abs=0.015)


def test_ordered_codes_correlate_in_their_order():
    columns = {"ecog": {"categorical": {0: 0.4, 1: 0.5, 2: 0.1}}, "age": {"normal": {"mean": 64, "sd": 10}}}
    pairs = [{"between": ["ecog", "age"], "spearman": 0.4}]
    data = made([coded("ecog", 0, 1, 2), number("age")], {"rows": N, "columns": columns, "correlations": pairs})
    assert data.groupby("ecog").age.mean().is_monotonic_increasing
    assert stats.spearmanr(data.ecog, data.age).statistic == pytest.approx(0.35, abs=0.05)


def test_a_shift_moves_by_standard_deviations_per_unit_and_by_code():
    columns = {
        "dose": {"uniform": [0, 8]},
        "arm": {"categorical": {"A": 0.5, "B": 0.5}},
        "count": {"normal": {"mean": 10, "sd": 2}, "shifts": {"dose": -0.1, "arm": {"B": 0.5}}},
    }
    data = made([number("dose"), coded("arm", "A", "B"), number("count")], {"rows": N, "columns": columns})
    fit = np.linalg.lstsq(
        np.column_stack([np.ones(N), data.dose - 4, data.arm == "B"]).astype(float), data["count"], rcond=None
    )
    assert fit[0] == pytest.approx([10, -0.2, 1.0], abs=0.06)


def test_another_way_for_each_code():
    columns = {
        "sex": {"categorical": {"F": 0.5, "M": 0.5}},
        "hpv": {"by": {"sex": {"F": {"categorical": {0: 0.9, 1: 0.1}}, "M": {"constant": 1}}}},
        "psa": {"by": {"sex": {"M": {"lognormal": {"median": 2, "sd_log": 1}}}}, "decimals": 1},
    }
    fields = [coded("sex", "F", "M"), coded("hpv", 0, 1), {"name": "psa", "type": "number"}]
    data = made(fields, {"rows": N, "columns": columns})
    assert data[data.sex == "M"].hpv.eq(1).all()
    assert data[data.sex == "F"].hpv.mean() == pytest.approx(0.1, abs=0.01)
    assert (data.psa.notna() == (data.sex == "M")).all()
    assert data.psa.equals(data.psa.round(1))


def test_another_way_from_each_value_of_a_number_or_a_date():
    first, second = datetime.date(2018, 1, 1), datetime.date(2020, 1, 1)
    columns = {
        "days": {"uniform": [1, 100]},
        "start": {"uniform": [datetime.date(2016, 1, 1), datetime.date(2021, 12, 31)]},
        "response": {"by": {"days": {42: {"categorical": {"PD": 0.6, "SD": 0.4}}, 84: {"constant": "PR"}}}},
        "dose": {"by": {"start": {second: {"constant": 2}, first: {"constant": 1}}}},
    }
    fields = [DAYS, START, coded("response", "PD", "SD", "PR"), {"name": "dose", "type": "number"}]
    data = made(fields, {"rows": 5000, "columns": columns})
    seen = pandas.cut(data.days, [1, 42, 84, 101], right=False, labels=False)
    assert data.groupby(seen).response.agg(set).tolist() == [{None}, {"PD", "SD"}, {"PR"}]
    assert data.response.eq("PD").sum() / data.days.between(42, 83).sum() == pytest.approx(0.6, abs=0.05)
    expected = (data.start >= pandas.Timestamp(first)).astype(int) + (data.start >= pandas.Timestamp(second))
    assert data.dose.fillna(0).eq(expected).all()


def test_a_multiple_of_another_column():
    columns = {
        "before": {"lognormal": {"median": 1.6, "sd_log": 0.4}},
        "during": {"times": "before", "lognormal": {"median": 0.4, "sd_log": 0.3}, "decimals": 6},
    }
    data = made([number("before"), number("during", minimum=0)], {"rows": N, "columns": columns})
    assert (data.during / data.before).median() == pytest.approx(0.4, rel=0.01)


# --- outcomes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [1, 1.4])
def test_a_cox_model_finds_the_declared_hazard_ratios(shape):
    ratios = {"age": 1.03, "stage": {"III": 1.4, "IV": 2.2}, "treated": {1: 0.7}}
    columns = {
        "age": {"normal": {"mean": 64, "sd": 10}},
        "stage": {"categorical": {"II": 0.3, "III": 0.3, "IV": 0.4}},
        "treated": {"categorical": {0: 0.5, 1: 0.5}, "shifts": {"age": -0.02}},
    }
    outcome = {
        "event": "death",
        "causes": {1: {"median": 800, "shape": shape, "hazard_ratios": ratios}},
        "censoring": {"share": 0.4, "at": 3000},
    }
    fields = [number("age"), coded("stage", "II", "III", "IV"), coded("treated", 0, 1), DAYS, DEATH]
    data = made(fields, {"rows": N, "columns": columns, "survival": {"days": outcome}})
    assert 1 - data.death.mean() == pytest.approx(0.4, abs=1e-3)
    table = cox(data, "days", "death", "age + C(stage) + treated").table
    declared = np.log([1.03, 1.4, 2.2, 0.7])
    assert (np.abs(table.coef - declared) < 3 * table.std_err).all(), table


def test_the_median_is_that_of_a_patient_whom_no_ratio_concerns():
    outcome = {"event": "death", "causes": {1: {"median": 800, "shape": 1.3, "hazard_ratios": {"arm": {"B": 2.0}}}}}
    generator = {"rows": N, "survival": {"days": outcome}}
    data = made([coded("arm", "A", "B", constraints={"required": True}), DAYS, DEATH], generator)
    assert data.death.eq(1).all()
    assert data[data.arm == "A"].days.median() == pytest.approx(800, rel=0.02)


def test_competing_risks_have_the_declared_cause_specific_hazards():
    causes = {1: {"scale": 1000, "hazard_ratios": {"x": 1.5}}, 2: {"scale": 2000, "hazard_ratios": {"x": 0.8}}}
    generator = {
        "rows": N,
        "columns": {"x": {"normal": {"mean": 0, "sd": 1}}},
        "survival": {"days": {"event": "end", "causes": causes, "censoring": {"at": 1500}}},
    }
    data = made([number("x"), DAYS, coded("end", 0, 1, 2)], generator)
    for cause, ratio in ((1, 1.5), (2, 0.8)):
        row = cox(data.assign(this=data.end == cause), "days", "this", "x").table.iloc[0]
        assert abs(row.coef - np.log(ratio)) < 3 * row.std_err
    near = data[data.x.abs() < 0.1]
    curve = cumulative_incidence(near, "days", "end").table.query("cause == 1 and time <= 1000").incidence.iloc[-1]
    assert curve == pytest.approx(2 / 3 * (1 - np.exp(-1.5)), abs=0.04)


def test_follow_up_ends_at_the_data_cut():
    data = made(COHORT, COHORT_GENERATOR)
    assert data["last"].max() <= pandas.Timestamp(2024, 6, 30)
    assert (data["last"] - data.start).dt.days.equals(data.days)


def test_progression_free_survival_ends_with_death_at_the_latest():
    fields = [
        *({"name": f"{name}_months", "type": "number", "unit": "months"} for name in ("pfs", "os")),
        *(coded(f"{name}_event", 0, 1) for name in ("pfs", "os")),
    ]
    generator = {
        "rows": N,
        "correlations": [{"between": ["pfs_months", "os_months"], "spearman": 0.5}],
        "survival": {
            "pfs_months": {
                "event": "pfs_event",
                "until": {"outcome": "os_months", "code": 1},
                "causes": {1: {"median": 6}},
            },
            "os_months": {"event": "os_event", "causes": {1: {"median": 14}}, "censoring": {"at": 36}},
        },
    }
    data = made(fields, generator)
    assert (data.pfs_months <= data.os_months).all()
    assert (data.pfs_event >= data.os_event).all()
    early = data[data.pfs_months < data.os_months]
    assert early.pfs_event.eq(1).all()
    assert data.query("pfs_event == 0").os_event.eq(0).all()


def test_recurrence_competes_with_death():
    fields = [DAYS, DEATH, {"name": "free", "type": "integer"}, coded("first", 0, 1, 2)]
    generator = {
        "survival": {
            "days": {"event": "death", "causes": {1: {"median": 900}}, "censoring": {"share": 0.3}},
            "free": {"event": "first", "until": {"outcome": "days", "code": 2}, "causes": {1: {"median": 700}}},
        }
    }
    data = made(fields, generator)
    assert data[data["first"] == 2].eval("death == 1 and free == days").all()
    assert set(data["first"]) == {0, 1, 2}


# --- dates and linked tables -------------------------------------------------------------------------------------

DATE = {"type": "date", "constraints": {"required": True}}


def test_dates_are_in_order_and_a_date_of_death_is_there_only_after_a_death():
    fields = [
        {"name": "diagnosed", **DATE},
        {"name": "started", **DATE},
        {"name": "stopped", **DATE},
        {"name": "last", **DATE},
        {"name": "died", "type": "date"},
        DAYS,
        DEATH,
    ]
    columns = {
        "diagnosed": {"uniform": [datetime.date(2016, 1, 1), datetime.date(2019, 12, 31)]},
        "started": {"after": "diagnosed", "days": {"gamma": {"mean": 30, "sd": 15}}},
        "stopped": {"after": "started", "days": {"weibull": {"median": 90}}, "until": "last"},
        "last": {"after": "started", "duration": "days"},
        "died": {"after": "started", "duration": "days", "when": {"death": [1]}},
    }
    outcome = {"event": "death", "causes": {1: {"median": 400}}, "censoring": {"share": 0.5}}
    data = made(fields, {"rows": 5000, "columns": columns, "survival": {"days": outcome}})
    assert (data.diagnosed <= data.started).all()
    assert (data.started <= data.stopped).all()
    assert (data.stopped <= data["last"]).all()
    assert (data.died.notna() == (data.death == 1)).all()
    assert (data.started - data.diagnosed).dt.days.mean() == pytest.approx(30, abs=1)


PATIENTS = entry(
    [PATIENT, {"name": "entry", **DATE}, {"name": "exit", **DATE}, coded("sex", 1, 2)],
    {
        "rows": 2000,
        "columns": {
            "patient": {"pseudonym": "P"},
            "entry": {"uniform": [datetime.date(2015, 1, 1), datetime.date(2018, 12, 31)]},
            "exit": {"after": "entry", "days": {"uniform": [0, 1000]}},
        },
    },
)
DRUGS_GENERATOR = {
    "for_each": {"dataset": "patients", "key": "who", "parent_key": "patient", "rows": {"poisson": {"mean": 6}}},
    "columns": {
        "bought": {"between": ["parent.entry", "parent.exit"]},
        "ended": {"after": "bought", "days": {"uniform": [0, 28]}, "until": "parent.exit"},
        "sex": {"copy": "parent.sex"},
        "rank": {"order": 1},
        "atc": {"categorical": {"L01FF02": 0.3, "N02BE01": 0.7}},
    },
}
DRUGS = [
    {"name": "who", "type": "string"},
    {"name": "bought", **DATE},
    {"name": "ended", **DATE},
    coded("sex", 1, 2),
    {"name": "rank", "type": "integer"},
    {"name": "atc", "type": "string"},
]


def test_a_linked_table_has_the_same_patients_and_falls_into_their_time():
    data = made(DRUGS, DRUGS_GENERATOR, {"patients": PATIENTS}, primaryKey=["who", "rank"])
    patients = synthetic_table("patients", PATIENTS, {}).to_pandas(date_as_object=False)
    joined = data.merge(patients, left_on="who", right_on="patient", suffixes=("", "_there"))
    assert len(joined) == len(data)
    assert (joined.entry <= joined.bought).all()
    assert (joined.bought <= joined.ended).all()
    assert (joined.ended <= joined.exit).all()
    known = joined.dropna(subset="sex_there")
    assert (known.sex == known.sex_there).all()
    rows = data.groupby("who").size().reindex(patients.patient, fill_value=0)
    assert rows.mean() == pytest.approx(6, abs=0.3)
    assert rows.var() == pytest.approx(6, abs=0.8)


def test_rows_at_a_rate_are_as_frequent_in_a_long_time_as_in_a_short_one():
    """Else who has a row early would be who is followed for a short time, and every drug would seem to kill."""
    followed = {"name": "followed", "type": "integer", "unit": "months", "constraints": {"minimum": 1, "maximum": 60}}
    columns = {
        "patient": {"pseudonym": "P"},
        "entry": {"constant": datetime.date(2015, 1, 1)},
        "followed": {"uniform": [1, 60]},
        "exit": {"after": "entry", "duration": "followed"},
    }
    dates = [{"name": "entry", **DATE}, {"name": "exit", **DATE}]
    patients = entry([PATIENT, *dates, followed], {"rows": 8000, "columns": columns})
    link = {**DRUGS_GENERATOR["for_each"], "rows": {"gamma": {"mean": 6, "sd": 3}}, "per_year_of": "followed"}
    generator = {"for_each": link, "columns": {"bought": DRUGS_GENERATOR["columns"]["bought"]}}
    data = made(DRUGS[:2], generator, {"patients": patients})
    there = synthetic_table("patients", patients, {}).to_pandas(date_as_object=False).set_index("patient")
    rows = data.groupby("who").size().reindex(there.index, fill_value=0)
    years = there.followed / 12
    rate = rows / years
    for short, long in [(0, 1), (1, 2), (2, 5)]:
        assert rate[(years > short) & (years <= long)].mean() == pytest.approx(6, abs=0.3)
    assert rows[years == 5].var() == pytest.approx(5 * 6 + 5**2 * 3**2, rel=0.35)  # Poisson's and the gamma's
    early = data[data.bought < "2015-01-31"].who.unique()
    known = there.followed[there.followed > 1]
    assert known[known.index.isin(early)].mean() == pytest.approx(known[~known.index.isin(early)].mean(), abs=1.2)


@pytest.mark.parametrize(
    ("column", "message"),
    [("sex", "'parent.sex' is of type string; expected integer"), ("ex", "patients has no field 'ex'")],
)
def test_a_rate_needs_a_time_of_the_parent_s_row(column, message):
    patients = entry([PATIENT, coded("sex", "f", "m")], {"rows": 10})
    link = {**DRUGS_GENERATOR["for_each"], "per_year_of": column}
    with pytest.raises(CatalogError, match=message):
        made(DRUGS[:1], {"for_each": link}, {"patients": patients})


def test_two_linked_tables_have_the_same_patients():
    stays = {**DRUGS_GENERATOR, "seed": 9, "columns": {}}
    first = made(DRUGS[:1], stays, {"patients": PATIENTS})
    second = made(DRUGS, DRUGS_GENERATOR, {"patients": PATIENTS}, primaryKey=["who", "rank"])
    assert len(set(first.who) & set(second.who)) > 1900


def test_a_linked_table_may_have_no_rows():
    nothing = {**DRUGS_GENERATOR, "for_each": {**DRUGS_GENERATOR["for_each"], "rows": {"constant": 0}}}
    assert made(DRUGS, nothing, {"patients": PATIENTS}).shape == (0, 6)


def test_every_reader_reads_every_case_and_the_truth_is_the_case_s():
    readers = [f"R{i}" for i in range(10)]
    fields = [
        coded("reader", *readers),
        {"name": "case", "type": "integer"},
        coded("modality", "clinical", "dermoscopy"),
        coded("truth", 0, 1),
        coded("rating", 1, 2, 3, 4, 5),
    ]
    generator = {
        "crossed": {"reader": "codes", "case": 200, "modality": "codes"},
        "columns": {
            "case": {"sequence": 1},
            "truth": {"categorical": {0: 0.6, 1: 0.4}, "intraclass": {"case": 1}},
            "rating": {
                "categorical": {1: 0.4, 2: 0.2, 3: 0.2, 4: 0.1, 5: 0.1},
                "shifts": {"truth": {1: 1.5}, "reader": {"R3": 0.8}},
                "intraclass": {"case": 0.3},
            },
        },
    }
    data = made(fields, generator, primaryKey=["reader", "case", "modality"])
    assert len(data) == 10 * 200 * 2
    assert data.groupby("case").truth.nunique().eq(1).all()
    assert data.groupby("truth").rating.mean().diff().iloc[1] > 1
    assert data.groupby("reader").rating.mean().idxmax() == "R3"


# --- refusals ----------------------------------------------------------------------------------------------------

AGE_AND_STAGE = [number("age"), coded("stage", "II", "III"), {"name": "seen", "type": "date"}, DAYS, DEATH]


def outcome_with(**more) -> dict:
    return {"survival": {"days": {"event": "death", "causes": {1: {"median": 500, **more}}}}}


REFUSED = {
    "an unknown column": (
        {"columns": {"agee": {"constant": 1}}},
        "columns.agee: there is no such field. Did you mean 'age'?",
    ),
    "an unknown code": (
        {"columns": {"stage": {"categorical": {"II": 0.5, "IIII": 0.5}}}},
        "columns.stage.categorical: 'IIII' is no code of 'stage'. Did you mean 'III'?",
    ),
    "probabilities": (
        {"columns": {"stage": {"categorical": {"II": 0.5, "III": 0.4}}}},
        "the probabilities sum to 0.9 instead of 1",
    ),
    "two ways": ({"columns": {"age": {"constant": 1, "uniform": [0, 1]}}}, "exactly one of uniform, normal"),
    "no way": ({"columns": {"age": {"missing": 0.1}}}, "got none"),
    "a way of another type": ({"columns": {"seen": {"poisson": {"mean": 3}}}}, "type date cannot be 'poisson'"),
    "a distribution for codes": (
        {"columns": {"stage": {"pseudonym": "A"}, "death": {"poisson": {"mean": 1}}}},
        "columns.death: the field has codes, so it cannot be 'poisson'; use categorical",
    ),
    "missing where it must not": (
        {"columns": {"age": {"constant": 1, "missing": 0.1}}},
        "columns.age.missing: the field is never missing, by its schema",
    ),
    "a hazard ratio for an unknown column": (
        outcome_with(hazard_ratios={"agge": 2.0}),
        "survival.days.causes.1.hazard_ratios: there is no field 'agge'. Did you mean 'age'?",
    ),
    "a hazard ratio for an unknown code": (
        outcome_with(hazard_ratios={"stage": {"X": 2.0}}),
        "'X' is no code of 'stage'",
    ),
    "a hazard ratio per unit of a text": (
        outcome_with(hazard_ratios={"stage": 2.0}),
        "is text: say how much for which code",
    ),
    "an event that is no column": (
        {"survival": {"days": {"event": "deth", "causes": {1: {"median": 1}}}}},
        "survival.days.event: there is no field 'deth'. Did you mean 'death'?",
    ),
    "a median and a scale": (outcome_with(scale=3.0), "expected one of 'median' and 'scale'"),
    "a duration that depends on itself": (
        outcome_with(hazard_ratios={"age": 1.1}) | {"columns": {"age": {"times": "days", "uniform": [1, 2]}}},
        "in a circle: ",
    ),
    "a covariate that correlates with a duration": (
        {
            **outcome_with(),
            "columns": {"age": {"uniform": [0, 1]}},
            "correlations": [{"between": ["age", "days"], "spearman": 0.5}],
        },
        "correlations (age, days): a duration correlates with a duration only; for other columns use hazard_ratios",
    ),
    "a correlation of what has no distribution": (
        {"correlations": [{"between": ["age", "stage"], "spearman": 0.5}]},
        "'age' cannot correlate",
    ),
    "a parent without for_each": (
        {"columns": {"age": {"times": "parent.age", "uniform": [1, 2]}}},
        "columns.age.times: there is no field 'parent.age'",
    ),
    "rows and combinations": ({"rows": 5, "crossed": {"stage": "codes"}}, "expected one of rows, crossed and for_each"),
    "too much of one thing": ({"crossed": {"seen": 2_000_000_000}}, "makes more than 10,000,000 rows"),
}


@pytest.mark.parametrize(("generator", "message"), REFUSED.values(), ids=REFUSED)
def test_a_generator_that_does_not_go_with_the_schema_is_refused_by_key(generator, message):
    assert message in refused(AGE_AND_STAGE, generator)


def test_more_rows_than_a_unique_column_has_values_are_refused():
    fields = [{"name": "id", "type": "integer", "constraints": {"unique": True, "minimum": 1, "maximum": 10}}]
    assert "toy: generator: 11 rows, but the field 'id' is unique and has room for 10" in refused(fields, {"rows": 11})
    assert "the primary key has room for 6" in refused(
        [coded("a", 1, 2), coded("b", 1, 2, 3)], {"rows": 7}, primaryKey=["a", "b"]
    )


def test_correlations_that_cannot_be_together_are_named():
    columns = {name: {"uniform": [0, 1]} for name in "abc"}
    pairs = [
        {"between": ["a", "b"], "spearman": 0.9},
        {"between": ["b", "c"], "spearman": 0.9},
        {"between": ["a", "c"], "spearman": -0.9},
    ]
    message = refused([number(name) for name in "abc"], {"columns": columns, "correlations": pairs})
    assert "between a, b, c (their matrix is not positive definite)" in message


def test_a_distribution_outside_of_the_limits_is_refused():
    columns = {"x": {"normal": {"mean": 64, "sd": 1}}}
    assert "columns.x: (almost) nothing of 'normal' is between the limits 200 and 300" in refused(
        [number("x", minimum=200, maximum=300)], {"columns": columns}
    )


def test_a_share_of_censored_that_follow_up_already_exceeds_is_refused():
    generator = outcome_with() | {}
    generator["survival"]["days"]["censoring"] = {"at": 10, "share": 0.2}
    assert "survival.days.censoring.share: 98% are censored before anyone is lost" in refused([DAYS, DEATH], generator)


def test_a_start_after_the_data_cut_is_refused():
    generator = outcome_with()
    generator["survival"]["days"]["censoring"] = {"start": "start", "data_cut": datetime.date(2016, 1, 1)}
    assert "in some rows 'start' is after the data cut" in refused([START, DAYS, DEATH], generator)


def test_a_table_cannot_be_linked_to_itself_nor_to_none():
    link = {"for_each": {**DRUGS_GENERATOR["for_each"], "dataset": "toy", "parent_key": "who"}}
    assert "for_each.dataset: made from each other in a circle: toy → toy" in refused(DRUGS[:1], link)
    assert "for_each.dataset: there is no data set 'patients'" in refused(DRUGS, DRUGS_GENERATOR)


def test_a_column_that_the_other_table_does_not_have_is_refused():
    columns = {"bought": {"between": ["parent.entri", "parent.exit"]}}
    message = refused(DRUGS, {**DRUGS_GENERATOR, "columns": columns}, {"patients": PATIENTS})
    assert "columns.bought.between: patients has no field 'entri'. Did you mean 'entry'?" in message


def test_a_hundred_thousand_patients_take_less_than_a_second():
    code = (
        "import time\n"
        "from test_synthetic import *\n"
        "fields = [*COHORT, *(number(f'x{i}') for i in range(10))]\n"
        "columns = {**COHORT_GENERATOR['columns'], **{f'x{i}': {'gamma': {'mean': 2, 'sd': 1}} for i in range(10)}}\n"
        "dataset = entry(fields, {**COHORT_GENERATOR, 'rows': 100_000, 'columns': columns})\n"
        "start = time.process_time()\n"
        "assert synthetic_table('cohort', dataset, {}).shape == (100_000, 20)\n"
        "print(time.process_time() - start)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    assert float(shown.stdout) < 1
