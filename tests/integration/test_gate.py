"""A run of patients' data ends with a verdict of the scan in its run.json, kinds and numbers only."""

import datetime
import json
import os
import subprocess
import sys

import pandas as pd
import pytest
import yaml
from run_project import Project
from toy_catalog import ABOUT

SECRET = "L3H6HM69MMK"
FIELDS = [
    {"name": "patient", "type": "string", "description": "x", "role": "identifier"},
    {"name": "age", "type": "integer", "description": "x"},
]


@pytest.fixture
def project(tmp_path):
    """A project whose secure data are a file outside it, approved in a steward's file."""
    project = Project(tmp_path / "project")
    data = pd.DataFrame({"patient": [SECRET, *(f"{SECRET[:-2]}{i:02}" for i in range(30))], "age": range(30, 61)})
    (tmp_path / "store").mkdir()
    data.to_csv(tmp_path / "store" / "toy.csv", index=False)
    toy = ABOUT | {"sensitivity": "pseudonymised", "schema": {"fields": FIELDS}}
    toy["sources"] = {"secure": {"driver": "csv", "path": "${TOY_STORE}/toy.csv"}}
    document = {"project": "toys", "purpose": "scientific-research", "datasets": {"toy": toy}}
    (project.folder / "data_catalog.yaml").write_text(yaml.safe_dump(document))
    approval = {"reference": "1", "projects": ["toys"], "valid_until": datetime.date(2999, 12, 31)}
    places = {"path": str(tmp_path / "audit.jsonl"), "anchor": str(tmp_path / "anchor")}
    steward = {
        "approvals": {"toy": approval | {"purposes": ["scientific-research"]}},
        "audit": {"driver": "file"} | places,
    }
    (tmp_path / "steward.yaml").write_text(yaml.safe_dump(steward))
    return project


def paillasse_run(project: Project) -> subprocess.CompletedProcess:
    outside = project.folder.parent
    variables = {"PAILLASSE_STEWARD_FILE": str(outside / "steward.yaml"), "TOY_STORE": str(outside / "store")}
    command = [sys.executable, "-m", "paillasse.cli", "run"]
    return subprocess.run(command, cwd=project.folder, env=os.environ | variables, capture_output=True, text=True)


@pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() != 0, reason="a steward's file must not be the reader's own"
)
def test_the_verdict_of_a_secure_run_names_kinds_and_no_value(project):
    read = "from paillasse import open_catalog\ntoy = open_catalog(profile='secure')['toy']\n"
    read += "print(toy.read(columns=['patient', 'age']).head(4))"
    project.run("shown", read, profile="secure")
    project.run("counted", "print('31 patients')", profile="secure")
    project.run("public", "print('IPP: 8001234567')", profile="public")
    done = paillasse_run(project)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = project.state("shown")["scan"]
    assert shown["ok"] is False
    assert {"rows", "pseudonym"} <= set(shown["found"]["notebook.ipynb"])
    assert SECRET not in json.dumps(project.state("shown"))
    assert set(project.state("counted")["scan"].get("found", {}).get("notebook.ipynb", {})) <= {"path"}
    assert "scan" not in project.state("public")
