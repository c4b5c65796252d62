"""One task of one package, in a process of its own: `python catalog_tasks.py TASK PACKAGE FOLDER`.

Prints one line of JSON: CPU seconds of the task alone, in all threads, and peak memory of the process. Imports come
first and are not measured, except where they are the task; there is no warm-up, so what is said is a first read.
"""

import json
import sys
import time
from datetime import date
from importlib import import_module
from pathlib import Path

from tasks import memory_now

CATALOGUE = "data_catalog.yaml"
LAZY = ("ibis", "pandas", "pyarrow")  # what `paillasse.catalog` imports when it first reads
VALIDATION = (*LAZY, "pandera.pandas")
OURS = {"import": (), "open": (), "claims": LAZY, "claims_most": LAZY, "read": VALIDATION}
OURS |= {"validate": VALIDATION, "validate_broken": VALIDATION, "stand_in": ("pyarrow", "scipy.special")}
OTHERS = {"duckdb": ("duckdb", "pandas"), "pandas": ("pandas", "pyarrow.parquet"), "pyyaml": ("yaml",)}
SQL = """
SELECT patient, count(*) AS deliveries, sum(pha_act_qsn) AS boxes, sum(prs_pai_mnt) AS paid, min(exe_soi_dtd) AS first
FROM read_parquet('{file}') WHERE {condition} GROUP BY patient
"""


def paillasse_import(folder):
    import paillasse.catalog  # noqa: F401


def paillasse_open(folder):
    from paillasse.catalog import open_catalog

    assert len(open_catalog(folder / "thousand.yaml")) == 1000


def pyyaml_open(folder):
    import yaml

    text = (folder / "thousand.yaml").read_text(encoding="utf-8")
    assert len(yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["datasets"]) == 1000


def _paillasse_claims(folder, drug):
    from paillasse.catalog import open_catalog

    claims = open_catalog(folder / CATALOGUE)["claims"].table()
    chosen = claims.filter(claims.pha_atc_c07.startswith(drug), claims.exe_soi_dtd >= date(2018, 1, 1))
    patients = chosen.group_by("patient").aggregate(
        deliveries=chosen.count(),
        boxes=chosen.pha_act_qsn.sum(),
        paid=chosen.prs_pai_mnt.sum(),
        first=chosen.exe_soi_dtd.min(),
    )
    return len(patients.execute())


def _duckdb_claims(folder, drug):
    import duckdb

    condition = f"starts_with(pha_atc_c07, '{drug}') AND exe_soi_dtd >= DATE '2018-01-01'"
    return len(duckdb.connect().sql(SQL.format(file=folder / "claims.parquet", condition=condition)).df())


def _pandas_claims(folder, drug):
    import pandas

    claims = pandas.read_parquet(folder / "claims.parquet")
    chosen = claims[claims.pha_atc_c07.str.startswith(drug) & (claims.exe_soi_dtd >= date(2018, 1, 1))]
    patients = chosen.groupby("patient").agg(
        deliveries=("patient", "size"),
        boxes=("pha_act_qsn", "sum"),
        paid=("prs_pai_mnt", "sum"),
        first=("exe_soi_dtd", "min"),
    )
    return len(patients)


def paillasse_claims(folder):
    return _paillasse_claims(folder, "L01FF")


def duckdb_claims(folder):
    return _duckdb_claims(folder, "L01FF")


def pandas_claims(folder):
    return _pandas_claims(folder, "L01FF")


def paillasse_claims_most(folder):
    return _paillasse_claims(folder, "A")


def duckdb_claims_most(folder):
    return _duckdb_claims(folder, "A")


def pandas_claims_most(folder):
    return _pandas_claims(folder, "A")


def paillasse_read(folder):
    from paillasse.catalog import open_catalog

    return len(open_catalog(folder / CATALOGUE)["cohort"].read())


def pandas_read(folder):
    import pandas

    return len(pandas.read_parquet(folder / "cohort.parquet"))


def prepare_validate(folder, break_it=False):
    """The rows of the cohort as `read` has them, before they are measured."""
    from paillasse.catalog import open_catalog

    cohort = open_catalog(folder / CATALOGUE)["cohort"]
    data = cohort.table().to_pyarrow().to_pandas(date_as_object=False)
    if break_it:
        for field in cohort.fields:
            if field.constraints.minimum is not None and field.type != "date":
                data.loc[data.index % 100 == 0, field.name] = -1
    return data, cohort.about.table_schema


def paillasse_validate(data, schema):
    from paillasse.catalog.validation import validate

    validate(data, schema, "cohort")


def prepare_validate_broken(folder):
    return prepare_validate(folder, break_it=True)


def paillasse_validate_broken(data, schema):
    from paillasse.errors import DataError

    try:
        paillasse_validate(data, schema)
    except DataError:
        return
    raise AssertionError("a broken table was accepted")


def prepare_stand_in(folder):
    from paillasse.catalog import open_catalog

    return (open_catalog(folder / "stand_in.yaml", profile="synthetic")["lung_io"],)


def paillasse_stand_in(entry):
    from paillasse.catalog.synthetic import synthetic_table

    table = synthetic_table(entry.name, entry.about, {entry.name: entry.about})
    assert table.num_rows == 100_000 and table.num_columns >= 20


def main(task: str, package: str, folder: Path) -> dict:
    run = globals().get(f"{package}_{task}")
    if run is None:
        return {"state": "absent"}
    try:
        for name in OURS[task] if package == "paillasse" else OTHERS[package]:
            import_module(name)
        if package == "paillasse" and task != "import":
            import_module("paillasse.catalog")
        prepare = globals().get(f"prepare_{task}")
        given = prepare(folder) if prepare else (folder,)
        start = time.process_time()
        run(*given)
        seconds = time.process_time() - start
    except Exception as error:  # that is its answer
        return {"state": "failed", "note": f"{type(error).__name__}: {error}".splitlines()[0][:120]}
    return {"state": "ok", "seconds": seconds, "peak_mb": memory_now("VmHWM")}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
