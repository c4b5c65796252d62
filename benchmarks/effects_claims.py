"""How long the analysis table of combinations takes from 20 million events: `python benchmarks/effects_claims.py`.

Drugs and stays of a million patients, in parquet files of a temporary folder (some 200 MB), become events, exposures,
lines of treatment and the analysis table, on DuckDB. Prints CPU seconds in all threads and the largest memory. The
floor is 20 CPU s for the analysis table.
"""

import resource
import subprocess
import sys
import tempfile
import time

DRUGS, STAYS, PATIENTS = 17_000_000, 3_000_000, 1_000_000
FLOOR = 20

# Values are DuckDB's hash of the row's number. 1 patient in 8 has the backbone, in a tenth of the drugs; a fifth of all
# drugs are of the list of partners, 1 stay in 50 is for a toxicity.
WRITE = """
COPY (
  SELECT 'p' || i AS patient, DATE '2015-01-01' AS seen,
         DATE '2020-01-01' + (hash(3 * i) % 1400)::INTEGER AS last, (hash(3 * i + 1) % 2)::INTEGER AS death,
         (30 + hash(3 * i + 2) % 60)::INTEGER AS age
  FROM range({PATIENTS}) AS rows(i)
) TO '{folder}/patients.parquet';
COPY (
  SELECT 'p' || patient AS patient, DATE '2015-01-01' + (hash(5 * i + 1) % 2900)::INTEGER AS day,
         CASE WHEN patient % 8 = 0 AND hash(5 * i + 2) % 10 = 0 THEN {backbone}[1 + (hash(5 * i + 3) % 4)::INTEGER]
              WHEN hash(5 * i + 2) % 5 = 1 THEN {partners}[1 + (hash(5 * i + 3) % {n})::INTEGER]
              ELSE chr((65 + hash(5 * i + 3) % 14)::INTEGER) || lpad((hash(5 * i + 4) % 72)::VARCHAR, 2, '0') || 'ZZ99'
         END AS atc,
         (1 + hash(5 * i + 4) % 3)::INTEGER AS boxes
  FROM (SELECT i, hash(5 * i) % {PATIENTS} AS patient FROM range({DRUGS}) AS rows(i))
) TO '{folder}/drugs.parquet';
COPY (
  SELECT 'p' || hash(7 * i) % {PATIENTS} AS patient, i AS stay,
         DATE '2015-01-01' + (hash(7 * i + 1) % 2900)::INTEGER AS entry,
         DATE '2015-01-01' + (hash(7 * i + 1) % 2900 + hash(7 * i + 2) % 9)::INTEGER AS exit,
         CASE WHEN hash(7 * i + 3) % 50 = 0 THEN {toxicity}[1 + (hash(7 * i + 4) % 5)::INTEGER]
              ELSE 'Z' || lpad((hash(7 * i + 4) % 1000)::VARCHAR, 3, '0') END AS cim
  FROM range({STAYS}) AS rows(i)
) TO '{folder}/stays.parquet';
"""


def write(folder: str) -> None:
    """The files, by a process of its own, whose time and memory do not count."""
    import duckdb

    from paillasse.effects import code_list

    lists = ("immune_checkpoint_inhibitors", "common_drugs", "immune_toxicity")
    backbone, partners, toxicity = ([*code_list(name).codes] for name in lists)
    sizes = {"PATIENTS": PATIENTS, "DRUGS": DRUGS, "STAYS": STAYS, "n": len(partners)}
    duckdb.sql(WRITE.format(folder=folder, backbone=backbone, partners=partners, toxicity=toxicity, **sizes))


def spent_since(start: float) -> str:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return f"{time.process_time() - start:.1f} CPU s, {peak:.0f} MB at most"


def main() -> None:
    import ibis

    from paillasse.effects import analysis_table, code_list, event_table, exposures, lines, named

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, folder], check=True)
        tables = {name: ibis.read_parquet(f"{folder}/{name}.parquet") for name in ("patients", "drugs", "stays")}
        backbone = code_list("immune_checkpoint_inhibitors")
        start = time.process_time()
        drugs = event_table(tables["drugs"], "drug", value="atc", start="day", weight="boxes")
        stays = event_table(tables["stays"], "main", value="cim", start="entry", end="exit", group="stay")
        made = analysis_table(
            tables["patients"],
            drugs,
            stays,
            backbone=backbone,
            partners=code_list("common_drugs"),
            toxicity=code_list("immune_toxicity"),
            treatments=backbone + code_list("anticancer_drugs"),
            observed_from="seen",
            last_date="last",
            death="death",
            covariates=["age"],
            exclusions={"Under 40": lambda t: t.age < 40},
        )
        print(f"{DRUGS + STAYS:,} events of {PATIENTS:,} patients")
        print(f"analysis table of {len(made.data):,} patients: {spent_since(start)}; floor: {FLOOR} CPU s")
        start = time.process_time()
        found = lines(exposures(named(drugs, backbone + code_list("common_drugs")), days=30, gap=90))
        count = int(found.count().execute())
        print(f"{count:,} lines of treatment of all patients: {spent_since(start)}")


if __name__ == "__main__":
    write(sys.argv[1]) if len(sys.argv) > 1 else main()
