"""The road out of one machine: the same ibis expression on DuckDB, on PostgreSQL and on Spark."""

import ibis
import pandas
import pyarrow
import pyarrow.parquet
import pytest
from toy_catalog import entry

pytestmark = pytest.mark.spark
FIELDS = [
    {"name": "patient", "type": "integer"},
    {"name": "drug", "type": "string"},
    {"name": "bought", "type": "date"},
    {"name": "cost", "type": "number"},
]
N = 100_000


@pytest.fixture(scope="module")
def spark():
    """A Spark of this machine, with two workers."""
    session = pytest.importorskip("pyspark.sql").SparkSession
    builder = session.builder.master("local[2]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
    yield spark
    spark.stop()


@pytest.fixture(scope="module")
def claims(tmp_path_factory):
    """Claims in a parquet file."""
    i = pandas.Series(range(N))
    rows = {
        "patient": i * 7919 % 5_000,
        "drug": ("drug " + (i % 13).astype(str)).mask(i % 101 == 0),
        "bought": pandas.Timestamp("2020-01-01") + pandas.to_timedelta(i % 1000, "D"),
        "cost": (i % 512) / 8,
    }
    schema = pyarrow.schema({"patient": "int64", "drug": "string", "bought": pyarrow.date32(), "cost": "float64"})
    folder = tmp_path_factory.mktemp("claims")
    pyarrow.parquet.write_table(pyarrow.Table.from_pandas(pandas.DataFrame(rows), schema), folder / "toy.parquet")
    return folder


def totals(table) -> pandas.DataFrame:
    """Per drug and year: patients, purchases, the first day, the cost; of those who cost something."""
    chosen = table.filter((table.cost > 1) & (table.bought >= ibis.date("2020-07-01")))
    by_drug = chosen.group_by(drug=chosen.drug.fill_null("unknown"), year=chosen.bought.year().cast("int64"))
    result = by_drug.agg(
        purchases=chosen.count(),
        patients=chosen.patient.nunique(),
        first=chosen.bought.min().cast("string"),
        cost=chosen.cost.sum(),
    )
    return result.order_by("drug", "year").to_pandas()


def test_one_expression_gives_the_same_totals_everywhere(claims, postgres, spark, tmp_path, monkeypatch):
    on_duckdb = entry(claims, None, FIELDS, "toy.parquet").table()
    expected = totals(on_duckdb)
    assert len(expected) == 14 * 3
    assert expected.purchases.sum() > N / 2

    postgres.new_role("reader")
    postgres.new_database("spark")
    postgres.run_sql("CREATE TABLE toy (patient bigint, drug text, bought date, cost float8)", "spark")
    postgres.copy_in("toy", on_duckdb.to_pyarrow(), "spark")
    postgres.run_sql("GRANT SELECT ON toy TO reader", "spark")
    monkeypatch.setenv("TOY_DSN", postgres.dsn("reader", "spark"))
    source = {"driver": "postgres", "dsn": "${TOY_DSN}", "table": "toy"}
    pandas.testing.assert_frame_equal(totals(entry(tmp_path, None, FIELDS, source=source).table()), expected)

    on_spark = ibis.pyspark.connect(spark).read_parquet(str(claims / "toy.parquet"))
    pandas.testing.assert_frame_equal(totals(on_spark), expected)
