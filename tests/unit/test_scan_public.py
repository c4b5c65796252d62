"""Public rows are recognised by their content, and by nothing else."""

import json
from importlib import resources

import numpy as np
import pandas as pd
import pytest
from scan_corpus import DATA, bundle, code, figure, frame_html, notebook, save, typed

from paillasse import open_catalog
from paillasse.scan.known import Known, known_near
from paillasse.scan.scanner import scan
from paillasse.survival import kaplan_meier

GBSG = open_catalog()["gbsg"].read()


@pytest.fixture(scope="module")
def known():
    return known_near([])


def statuses(folder, *outputs, known) -> list[tuple]:
    save(folder, "n.ipynb", notebook(code("x", *outputs)))
    return [(each.kind, each.status, each.dataset) for each in scan([folder / "n.ipynb"], known).findings]


def test_rows_of_a_public_data_set_are_listed_with_its_name(tmp_path, known):
    html = bundle({"text/html": frame_html(GBSG.sample(6, random_state=1))})
    assert statuses(tmp_path, html, known=known) == [("rows", "public", "gbsg")]


def test_one_row_that_is_not_there_makes_all_of_them_a_leak(tmp_path, known):
    rows = GBSG.head(6).copy()
    rows.loc[3, ["age", "rfstime"]] = [rows.loc[3, "age"] + 1, rows.loc[3, "rfstime"] + 1]
    assert statuses(tmp_path, bundle({"text/html": frame_html(rows)}), known=known) == [("rows", "leak", None)]


def test_strangers_beside_public_rows_are_found(tmp_path, known):
    trace = {"type": "scatter", "x": typed(GBSG["age"]), "y": typed(GBSG["rfstime"])}
    other = trace | {"customdata": typed(np.resize(DATA["pgr"].to_numpy(), len(GBSG)))}
    assert statuses(tmp_path, figure(trace), known=known) == [("values", "public", "gbsg")]
    assert statuses(tmp_path, figure(other), known=known) == [("values", "leak", None)]


def test_the_curve_of_a_public_data_set_is_public(tmp_path, known):
    drawn = kaplan_meier(GBSG.assign(t=GBSG["rfstime"] / 365.25), "t", "status", by="hormon").figure()
    output = bundle({"application/vnd.plotly.v1+json": json.loads(drawn.to_json())})
    assert {each[1:] for each in statuses(tmp_path, output, known=known)} == {("public", "gbsg")}


@pytest.mark.parametrize("what", ["age", "size", "nodes", "grade"])
def test_common_values_prove_nothing(tmp_path, known, what):
    """Strangers' ages are ages that public patients have too."""
    trace = {"type": "histogram", "x": typed(DATA[what].sample(200, random_state=2))}
    assert statuses(tmp_path, figure(trace), known=known) == [("values", "leak", None)]


def test_metadata_that_says_public_exempts_nothing(tmp_path, known):
    content = notebook(
        code("x", bundle({"text/html": frame_html(DATA.head())})), paillasse={"sensitivity": "public", "data": "gbsg"}
    )
    content["metadata"]["papermill"] = {"parameters": {"dataset": "gbsg", "profile": "public"}}
    save(tmp_path, "n.ipynb", content)
    assert [each.status for each in scan([tmp_path], known).findings] == ["leak"]


@pytest.mark.parametrize("name", ["lung_io", "head_neck_rt", "profiler", "snds_patients", "snds_stays"])
def test_rows_of_a_stand_in_are_synthetic(tmp_path, known, name):
    rows = open_catalog(profile="synthetic")[name].read().head(5)
    found = statuses(tmp_path, bundle({"text/html": frame_html(rows), "text/plain": str(rows)}), known=known)
    assert found and {status for _, status, _ in found} == {"synthetic"}


def test_the_notebooks_of_the_template_pass(known):
    report = scan(["notebooks", "data"], known)
    assert report.ok, [(each.file, each.kind, each.place) for each in report.leaks]
    assert {each.status for each in report.findings} == {"public"}


def test_a_changed_public_file_is_no_longer_public(tmp_path, known):
    data = pd.read_csv("data/gbsg.csv")
    data.loc[5, "age"] += 30
    data.to_csv(tmp_path / "gbsg.csv", index=False)
    assert not scan([tmp_path], known).ok


def test_a_list_of_codes_of_the_library_is_nobodys_until_a_line_is_added(tmp_path):
    ours = resources.files("paillasse") / "effects" / "code_lists" / "anticancer_drugs_ucd.csv"
    copy = tmp_path / "anticancer_drugs_ucd.csv"
    copy.write_bytes(ours.read_bytes())
    assert scan([copy], Known()).ok
    copy.write_bytes(ours.read_bytes() + b"UCD,8001234,paclitaxel,taxane\n")
    assert not scan([copy], Known()).ok
