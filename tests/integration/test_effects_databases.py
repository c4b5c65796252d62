"""Claims become exposures, lines and the analysis table on PostgreSQL and on Spark as they do on DuckDB."""

import datetime

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from paillasse.effects import (
    analysis_table,
    code_list,
    event_table,
    exposures,
    lines,
    named,
    sessions_of_unknown_molecule,
)

N = 500
SCHEMAS = {
    "people": {"who": pa.string(), "seen": pa.date32(), "last": pa.date32(), "dead": pa.int64(), "age": pa.int64()},
    "drugs": {"who": pa.string(), "atc": pa.string(), "boxes": pa.int64(), "day": pa.date32()},
    "stays": {"who": pa.string(), "stay": pa.string(), "cim": pa.string(), "entry": pa.date32(), "exit": pa.date32()},
}
SQL_TYPES = {pa.string(): "text", pa.int64(): "bigint", pa.date32(): "date"}
BACKBONE = code_list("immune_checkpoint_inhibitors")


@pytest.fixture(scope="module")
def claims() -> dict[str, pa.Table]:
    """Made-up patients, drugs and stays, across a leap day and the days when clocks change."""
    rng = np.random.default_rng(9)
    first = datetime.date(2019, 10, 1)
    codes = ["L01FF01", "L01FF02", "A10BA02", "C10AA05", "L01BA04", None]

    def day(low: int, high: int) -> datetime.date:
        return first + datetime.timedelta(days=int(rng.integers(low, high)))

    people, drugs, stays = [], [], []
    for number in range(N):
        who = f"p{number:03}"
        people.append((who, first, day(200, 700), int(rng.integers(0, 2)), int(rng.integers(10, 90))))
        for _ in range(rng.integers(0, 9)):
            drugs.append((who, codes[rng.integers(0, 6)], int(rng.choice([-1, 1, 2, 3])), day(0, 600)))
        for place in range(rng.integers(0, 4)):
            entry = day(0, 600)
            leave = None if rng.random() < 0.2 else entry + datetime.timedelta(days=int(rng.integers(0, 20)))
            stays.append((who, f"{number}-{place}", str(rng.choice(["K521", "Z511", "J189"])), entry, leave))
    rows = {"people": people, "drugs": drugs, "stays": stays}
    return {
        name: pa.Table.from_pylist([dict(zip(schema, row)) for row in rows[name]], schema=pa.schema(schema.items()))
        for name, schema in SCHEMAS.items()
    }


def answers(tables: dict[str, ibis.Table]) -> dict[str, pd.DataFrame]:
    """All that is made of the events, by whichever database holds them."""
    drugs = event_table(tables["drugs"], "drug", value="atc", start="day", patient="who", weight="boxes")
    stays = event_table(tables["stays"], "main", value="cim", start="entry", end="exit", patient="who", group="stay")
    treatments = BACKBONE + code_list("anticancer_drugs")
    exposed = exposures(named(drugs, treatments), days={"pemetrexed": 21, "nivolumab": 14}, gap=30)
    sessions = named(stays, code_list("chemotherapy_sessions"))
    made = analysis_table(
        tables["people"],
        drugs,
        stays,
        backbone=BACKBONE,
        partners=code_list("common_drugs") + code_list("anticancer_drugs"),
        toxicity=code_list("immune_toxicity"),
        treatments=treatments,
        patient="who",
        observed_from="seen",
        last_date="last",
        death="dead",
        covariates=["age"],
        exclusions={"Under 18": lambda t: t.age < 18},
        washout=60,
    )
    frames = {
        "exposures": exposed.order_by("patient", "value", "start").to_pandas(),
        "lines": lines(exposed).order_by("patient", "line").to_pandas(),
        "sessions": sessions_of_unknown_molecule(sessions, drugs, 7).order_by("patient", "start", "group").to_pandas(),
        "flow": made.flow.table,
        "data": made.data,
    }
    for frame in frames.values():  # one database gives dates as objects, another as timestamps
        for name in frame.columns.intersection(["start", "end", "time_zero"]):
            frame[name] = pd.to_datetime(frame[name]).dt.strftime("%Y-%m-%d")
    return frames


@pytest.fixture(scope="module")
def expected(claims) -> dict[str, pd.DataFrame]:
    found = answers({name: ibis.memtable(table) for name, table in claims.items()})
    assert all(len(frame) > 4 for frame in found.values()) and found["lines"]["line"].max() > 1
    assert {0, 1, 2} <= set(found["data"]["toxicity"]) and found["data"]["partner"].nunique() > 3
    return found


def the_same(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> None:
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(found[name], frame, check_dtype=False, obj=name)


def test_postgresql_gives_what_duckdb_gives(claims, expected, postgres):
    """As a reader who may make nothing, not even a temporary table."""
    postgres.new_role("reader")
    postgres.new_database("effects")
    postgres.run_sql('REVOKE TEMPORARY ON DATABASE "effects" FROM PUBLIC')
    for name, schema in SCHEMAS.items():
        columns = ", ".join(f'"{column}" {SQL_TYPES[kind]}' for column, kind in schema.items())
        postgres.run_sql(f"CREATE TABLE {name} ({columns}); GRANT SELECT ON {name} TO reader", "effects")
        postgres.copy_in(name, claims[name], "effects")
    connection = ibis.connect(postgres.dsn("reader", "effects"))
    the_same(answers({name: connection.table(name) for name in claims}), expected)
    connection.disconnect()


@pytest.mark.spark
def test_spark_gives_what_duckdb_gives(claims, expected, tmp_path):
    """In a zone whose clocks change: a day is a day."""
    session = pytest.importorskip("pyspark.sql").SparkSession
    builder = session.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.session.timeZone", "Europe/Paris").config("spark.sql.shuffle.partitions", "2")
    spark = builder.config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
    try:
        connection = ibis.pyspark.connect(spark)
        for name, table in claims.items():
            pyarrow.parquet.write_table(table, tmp_path / f"{name}.parquet")
        the_same(
            answers({name: connection.read_parquet(str(tmp_path / f"{name}.parquet")) for name in claims}), expected
        )
    finally:
        spark.stop()
