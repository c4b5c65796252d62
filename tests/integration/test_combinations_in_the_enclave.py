"""The ranking of combinations in the enclave: claims and profiles from PostgreSQL, results in their safe form."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from test_one_notebook_two_profiles import DATABASE, READER, ROOT, load

from paillasse import open_catalog
from paillasse.catalog import audit
from paillasse.catalog.access import VARIABLE

TABLES = ("snds_patients", "snds_drugs", "snds_stays", "profiler")


@pytest.fixture
def enclave(postgres, tmp_path):
    """All tables that the notebook reads, a steward who approves, a reader's role."""
    postgres.new_database(DATABASE)
    postgres.new_role(READER)
    catalog = open_catalog(ROOT / "data_catalog.yaml", profile="synthetic").with_rows(snds_patients=15_000)
    for name in TABLES:
        load(postgres, catalog[name], catalog[name].read())
    postgres.run_sql(audit.TABLE_SQL.read_text(encoding="utf-8"), DATABASE)
    postgres.run_sql(f"GRANT paillasse_reader TO {READER}", DATABASE)
    approval = "{reference: MR-004, projects: [combo], valid_until: 2099-12-31, purposes: [scientific-research]}"
    lines = ["approvals:", *(f"  {name}: {approval}" for name in TABLES)]
    lines.append('audit: {driver: postgres, dsn: "${PAILLASSE_AUDIT_DSN}", table: audit.reads}')
    (tmp_path / "steward.yaml").write_text("\n".join(lines))
    address = postgres.dsn(READER, DATABASE)
    places = {catalog[name].about.sources["secure"].dsn.strip("${}"): address for name in TABLES}
    return places | {
        "PAILLASSE_AUDIT_DSN": address,
        "PAILLASSE_PURPOSE": "scientific-research",
        VARIABLE: str(tmp_path / "steward.yaml"),
    }


@pytest.mark.slow
def test_the_ranking_runs_on_secure_claims_and_records_safe_tables(enclave, tmp_path):
    project = tmp_path / "project"
    (project / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / "combination_ranking.ipynb", project / "notebooks")
    text = (ROOT / "data_catalog.yaml").read_text(encoding="utf-8")
    (project / "data_catalog.yaml").write_text("project: combo\n" + text, encoding="utf-8")
    parameters = {"profile": "secure", "least": 25, "best": 3, "horizon": 12.0}
    run = {"name": "ranking", "notebook": "notebooks/combination_ranking.ipynb", "parameters": parameters}
    (project / "runs.yaml").write_text(json.dumps({"runs": [run]}))
    command = [sys.executable, "-m", "paillasse.cli", "run"]
    done = subprocess.run(command, cwd=project, env=os.environ | enclave, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = (project / "runs" / "ranking").glob("*/run.json")
    state = json.loads(result.read_text(encoding="utf-8"))
    assert state["state"] == "ok"
    assert {each["data_set"] for each in state["inputs"]["data_sets"]} >= set(TABLES)
    told = {file.name.removesuffix(".safe.json") for file in result.parent.glob("*.safe.json")}
    assert told == {"target_trial", "ranking", "effects", "specifications", "flow"}
    shown = (result.parent / "notebook.ipynb").read_text(encoding="utf-8")
    assert shown.count("(safe form)") >= 4
    assert "Exact numbers" not in shown
