"""What is read: a table of drug claims, a cohort, and catalogues. `python catalog_data.py FOLDER` writes them.

The values are made of DuckDB's hash of the row's number: the same each time, and no table has to fit into memory.
"""

import re
import sys
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parents[1]
CLAIMS = 20_000_000
PATIENTS = 1_000_000
COHORT = 1_000_000
ENTRIES = 1000

# 1 claim in 100 is of an inhibitor of PD-1 or PD-L1 (ATC L01FF); the others are of some 1,000 drugs.
CLAIMS_SQL = f"""
SELECT (hash(7 * i) % {PATIENTS}) :: BIGINT AS patient,
       DATE '2015-01-01' + (hash(7 * i + 1) % 3650) :: INTEGER AS exe_soi_dtd,
       CASE WHEN hash(7 * i + 2) % 100 = 0 THEN 'L01FF' || lpad((1 + hash(7 * i + 3) % 10) :: VARCHAR, 2, '0')
            ELSE chr((65 + hash(7 * i + 3) % 14) :: INTEGER) || lpad((hash(7 * i + 4) % 72) :: VARCHAR, 2, '0')
                 || 'AA01'
       END AS pha_atc_c07,
       (3400930000000 + hash(7 * i + 3) % 15000) :: BIGINT AS pha_cip_c13,
       (1 + hash(7 * i + 5) % 4) :: INTEGER AS pha_act_qsn,
       round((hash(7 * i + 6) % 500000) / 100.0, 2) :: DOUBLE AS prs_pai_mnt,
       (hash(7 * i + 4) % 60) :: INTEGER AS psp_spe_cod,
       lpad((hash(7 * i + 5) % 97) :: VARCHAR, 3, '0') AS ben_res_dpt
FROM range({CLAIMS}) AS rows(i)
"""
COHORT_SQL = f"""
SELECT i + 1 AS patient,
       (18 + hash(i) % 80) :: BIGINT AS age,
       (1 + hash(i + 1) % 2) :: BIGINT AS sex,
       CASE WHEN hash(i + 2) % 10 > 0 THEN 15 + (hash(i + 3) % 3000) / 100.0 END :: DOUBLE AS bmi,
       (hash(i + 4) % 100000) / 100.0 :: DOUBLE AS dose,
       ['C34', 'C50', 'C61', 'C18', 'C25', 'C43'][1 + (hash(i + 5) % 6) :: INTEGER] AS site,
       'centre ' || (hash(i + 6) % 500) :: VARCHAR AS centre,
       hash(i + 7) % 3 = 0 AS relapse,
       DATE '2010-01-01' + (hash(i + 8) % 5000) :: INTEGER AS diagnosed,
       (2010 + hash(i + 9) % 14) :: BIGINT AS year
FROM range({COHORT}) AS rows(i)
"""
CATALOGUE = """\
datasets:
  claims:
    title: Drug claims
    description: Made up.
    steward: {name: A. Steward, email: steward@example.org}
    publisher: nobody
    licence: CC0-1.0
    sensitivity: public
    unit_of_observation: row
    schema:
      fields:
        - {name: patient, type: integer, description: Patient}
        - {name: exe_soi_dtd, type: date, description: Date of delivery}
        - {name: pha_atc_c07, type: string, description: ATC code}
        - {name: pha_cip_c13, type: integer, description: Code of the box}
        - {name: pha_act_qsn, type: integer, description: Boxes}
        - {name: prs_pai_mnt, type: number, description: Amount paid, unit: €}
        - {name: psp_spe_cod, type: integer, description: Speciality of the prescriber}
        - {name: ben_res_dpt, type: string, description: Department of residence}
    sources:
      public: {driver: parquet, path: claims.parquet}
  cohort:
    title: Cohort
    description: Made up.
    steward: {name: A. Steward, email: steward@example.org}
    publisher: nobody
    licence: CC0-1.0
    sensitivity: public
    unit_of_observation: patient
    schema:
      fields:
        - {name: patient, type: integer, description: Patient, constraints: {required: true, unique: true, minimum: 1}}
        - {name: age, type: integer, description: Age, constraints: {required: true, minimum: 18, maximum: 110}}
        - {name: sex, type: integer, description: Sex, codes: {1: male, 2: female}, constraints: {required: true}}
        - {name: bmi, type: number, description: Body mass index, constraints: {minimum: 10, maximum: 80}}
        - {name: dose, type: number, description: Dose, constraints: {minimum: 0}}
        - name: site
          type: string
          description: Site
          codes: {C34: lung, C50: breast, C61: prostate, C18: colon, C25: pancreas, C43: skin}
          constraints: {required: true}
        - {name: centre, type: string, description: Centre, constraints: {required: true}}
        - {name: relapse, type: boolean, description: Relapse, constraints: {required: true}}
        - name: diagnosed
          type: date
          description: Diagnosis
          constraints: {required: true, minimum: 2010-01-01, maximum: 2030-12-31}
        - {name: year, type: year, description: Year of birth, constraints: {minimum: 1900, maximum: 2030}}
      primaryKey: patient
    sources:
      public: {driver: parquet, path: cohort.parquet}
"""


def thousand_entries(shipped: str) -> str:
    """The shipped entry `gbsg` a thousand times, with texts of its own each time."""
    entry = re.search(r"(?ms)^  gbsg:\n.*?(?=^  \w+:\n)", shipped)[0]
    own = r"(?m)((?:title|description|publisher|licence|origin|unit_of_observation): )([^>{}\n,]+)"
    parts = []
    for i in range(ENTRIES):
        text = re.sub(own, rf"\1\2 {i}", entry.replace("  gbsg:", f"  gbsg_{i}:", 1))
        parts.append(re.sub(r"doi: (\S+)", rf"doi: \1.{i}", text))
    return "datasets:\n" + "".join(parts)


def write_data(folder: Path) -> None:
    """All files that the tasks read."""
    for name, query in (("claims", CLAIMS_SQL), ("cohort", COHORT_SQL)):
        duckdb.sql(f"COPY ({query}) TO '{folder / name}.parquet' (FORMAT parquet)")
    (folder / "data_catalog.yaml").write_text(CATALOGUE, encoding="utf-8")
    shipped = (ROOT / "data_catalog.yaml").read_text(encoding="utf-8")
    (folder / "thousand.yaml").write_text(thousand_entries(shipped), encoding="utf-8")
    larger = re.sub(r"(?s)(\n  lung_io:\n.*?\n      rows: )\d+", r"\g<1>100000", shipped, count=1)
    (folder / "stand_in.yaml").write_text(larger, encoding="utf-8")


if __name__ == "__main__":
    write_data(Path(sys.argv[1]))
