"""The server's part of the JupyterLab extension: what it answers, and that it looks at nothing outside a project."""

import json
from pathlib import Path

import nbformat
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from toy_catalog import ABOUT, entry

from paillasse.errors import AccessError, CatalogError, InputError, NotebookError
from paillasse.lab import analyses
from paillasse.lab.catalogue import card, key_of, listed, opened, preview
from paillasse.lab.places import file_below, project_of
from paillasse.lab.verdict import as_saved, verdict
from paillasse.scan.known import Known
from paillasse.scan.scanner import scan

DUPONT = "P7002"
HOSTILE = ["../secret", "a/../../secret", "..", "/../..", ".ssh/id", "a/.git/config", "a\\..\\b", "C:/x", "a\0b"]
HOSTILE += ["link/x", "link"]


@pytest.fixture
def root(tmp_path):
    """A server's folder with a project in it, a secret beside it, and links that lead out."""
    folder = tmp_path / "home"
    (folder / "study" / "notebooks").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path)
    (folder / "circle").symlink_to(folder / "circle")
    entry(folder / "study")
    return folder


# Places


@pytest.mark.parametrize("path", HOSTILE)
def test_no_path_leads_out_of_the_server_s_folder(root, path):
    with pytest.raises(AccessError, match="no path below"):
        file_below(root, path)


@given(st.text(st.sampled_from("ab./\\:~ \0é%"), max_size=30))
def test_whatever_the_path_it_is_below_or_refused(path):
    try:
        file = file_below(Path("/srv"), path)
    except AccessError:
        return
    assert file.is_relative_to("/srv")


def test_a_link_that_leads_in_a_circle_or_a_name_that_is_too_long_is_no_crash(root):
    for path in ("circle/a.ipynb", "a" * 5000):
        with pytest.raises((AccessError, InputError)):
            project_of(root, path)


def test_the_project_is_the_nearest_one_upward(root):
    study = (root / "study").resolve()
    assert project_of(root, "study/notebooks/km.ipynb") == study
    assert project_of(root / "study" / "notebooks", "") == study  # where JupyterLab was started
    (study / "notebooks" / "runs.yaml").write_text("runs: []")
    assert project_of(root, "study/notebooks/km.ipynb") == study / "notebooks"


def test_without_a_project_it_is_said_what_to_do(root):
    with pytest.raises(InputError, match="Open a notebook of a project"):
        project_of(root, "elsewhere/km.ipynb")


# The catalogue


def test_each_data_set_is_listed_with_what_it_is_searched_by(root):
    told = listed(root / "study")
    assert told["profile"] == "synthetic"
    (toy,) = told["data_sets"]
    assert (toy["name"], toy["title"], toy["sensitivity"]) == ("toy", "Toys", "public")
    assert toy["columns"] == ["id", "age", "bmi", "arm", "alive", "seen", "since"]
    assert toy["profiles"] == ["public", "synthetic", "secure"]
    json.dumps(told)


def test_a_card_says_what_the_columns_hold_and_whether_i_may(root):
    told = card(root / "study", "toy")
    assert ("May I read it?", ["yes, everybody"]) in told["facts"]
    arm = told["fields"][3]
    assert (arm["name"], arm["type"], arm["codes"]) == ("arm", "string", [["A", "old"], ["B", "new"]])
    assert told["fields"][1]["rules"] == ["18 to 110"]
    json.dumps(told)


def test_a_catalogue_is_read_once_until_it_changes(root):
    study = root / "study"
    assert opened(key_of(study)) is opened(key_of(study))
    text = (study / "data_catalog.yaml").read_text().replace("title: Toys", "title: Other toys")
    (study / "data_catalog.yaml").write_text(text)
    assert listed(study)["data_sets"][0]["title"] == "Other toys"


def test_the_profile_of_the_environment_is_told(root, monkeypatch):
    listed(root / "study")
    monkeypatch.setenv("PAILLASSE_PROFILE", "secure")
    assert listed(root / "study")["profile"] == "secure"


def test_of_a_broken_catalogue_file_and_line_are_told_and_of_a_missing_one_its_name(root):
    (root / "study" / "data_catalog.yaml").write_text("datasets:\n  toy: {title: [}\n")
    with pytest.raises(CatalogError, match=r"data_catalog\.yaml:2"):
        listed(root / "study")
    with pytest.raises(CatalogError, match=r"no data_catalog\.yaml"):
        listed(root / "elsewhere")


def test_the_first_rows_of_public_data_are_shown_as_text(root):
    told = preview(root / "study", "toy")
    assert told["kind"] == "public"
    assert told["rows"][0] == ["1", "34", "21.5", "A", "True", "2020-01-05", "1999"]
    assert told["rows"][1][1] == ""
    json.dumps(told)


def pseudonymised(folder: Path, synthetic: dict | None) -> None:
    """A catalogue whose data set's secure form must not be shown."""
    fields = [{"name": "age", "type": "integer", "description": "Age", "constraints": {"minimum": 18, "maximum": 30}}]
    about = ABOUT | {"sensitivity": "pseudonymised", "schema": {"fields": fields}}
    sources = {"secure": {"driver": "csv", "path": "secret.csv"}} | ({"synthetic": synthetic} if synthetic else {})
    about["sources"] = sources
    (folder / "secret.csv").write_text("age\n" + "99\n" * 9)
    (folder / "stand_in.csv").write_text("age\n" + "\n".join(map(str, range(20, 30))))
    (folder / "data_catalog.yaml").write_text(yaml.safe_dump({"profile": "secure", "datasets": {"cohort": about}}))


def test_a_preview_is_of_the_stand_in_in_the_profile_secure_too(tmp_path):
    pseudonymised(tmp_path, {"driver": "csv", "path": "stand_in.csv"})
    told = preview(tmp_path, "cohort")
    assert (told["kind"], told["rows"]) == ("synthetic", [["20"], ["21"], ["22"], ["23"], ["24"]])


def test_without_a_stand_in_there_is_no_preview(tmp_path):
    pseudonymised(tmp_path, None)
    with pytest.raises(CatalogError, match="no source for the profile 'synthetic'"):
        preview(tmp_path, "cohort")


# The verdict


@pytest.fixture
def head():
    """A notebook as the browser has it, in which five patients are shown; its texts are no lists of lines."""
    patients = [("P7001", 54), (DUPONT, 61), ("P7003", 47), ("P7004", 70), ("P7005", 58)]
    rows = "\n".join(f"<tr><td>{patient}</td><td>{age}</td></tr>" for patient, age in patients)
    table = f"<table><thead><tr><th>patient_id</th><th>age</th></tr></thead><tbody>\n{rows}\n</tbody></table>"
    output = {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/html": table}}
    cell = {"cell_type": "code", "id": "b", "source": "df\n.head()", "metadata": {}, "outputs": [output]}
    title = {"cell_type": "markdown", "id": "a", "source": "# What?", "metadata": {}}
    return {"cells": [title, cell | {"execution_count": 1}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def leaks_of(told: dict) -> list[dict]:
    return [each for each in told["findings"] if each["status"] == "leak"]


def test_patients_on_screen_are_found_with_the_number_of_their_cell_and_never_shown(root, head):
    told = verdict(root, (root / "study" / "km.ipynb").resolve(), (root / "study").resolve(), head)
    (leak, *_) = leaks_of(told)
    assert leak["cell"] == 2
    assert leak["to_do"]
    assert DUPONT not in json.dumps(told)


def test_a_notebook_without_outputs_or_of_no_project_is_judged_too(root, head):
    assert leaks_of(verdict(root, root.resolve() / "a.ipynb", None, head))
    head["cells"][1]["outputs"] = []
    assert not leaks_of(verdict(root, root.resolve() / "a.ipynb", None, head))


def test_what_is_allowed_in_the_file_is_allowed_on_screen(root, head):
    study = (root / "study").resolve()
    file = study / "km.ipynb"
    nbformat.write(nbformat.from_dict(head), file)
    (digest,) = {each.hash for each in scan([file], Known()).leaks}
    text = f"{{hash: {digest}, dataset: toy, reason: a lecture, reviewer: A. Steward, expires: 2999-12-31}}"
    (study / "scan-allow.yaml").write_text(f"allowed: [{text}]")
    told = verdict(root, file, study, head)
    assert {each["status"] for each in told["findings"]} == {"allowed"}
    assert as_saved(head) == file.read_bytes().rstrip(b"\n")


def test_it_is_told_whether_outputs_are_saved(root, head, monkeypatch):
    file = (root / "study" / "km.ipynb").resolve()
    assert not verdict(root, file, file.parent, head)["saved_without_outputs"]
    monkeypatch.setenv("PAILLASSE_PROFILE", "secure")
    assert verdict(root, file, file.parent, head)["saved_without_outputs"]


NO_NOTEBOOKS = [{}, {"cells": 1}, {"cells": [1, None]}, {"cells": [{"source": {}}]}, {"\ud800": 1}]


@pytest.mark.parametrize("content", NO_NOTEBOOKS)
def test_what_is_no_notebook_is_judged_and_never_a_crash(root, content):
    told = verdict(root, root.resolve() / "a.ipynb", None, content)
    json.dumps(told)


def test_with_a_broken_catalogue_nothing_is_judged(root, head):
    study = (root / "study").resolve()
    (study / "data_catalog.yaml").write_text("datasets: {a: [}\n")
    with pytest.raises(CatalogError, match=r"data_catalog\.yaml:1"):
        verdict(root, study / "km.ipynb", study, head)


# Analyses


def test_notebooks_are_listed_by_their_questions(root, head):
    study = root / "study"
    (study / "notebooks" / "km.ipynb").write_text(json.dumps(head))
    (study / "notebooks" / "broken.ipynb").write_text("{")
    assert analyses.listed(study, root) == [{"path": "study/notebooks/km.ipynb", "question": "What?"}]
    assert analyses.listed(study, study / "notebooks") == [{"path": "km.ipynb", "question": "What?"}]


def test_a_new_analysis_is_a_copy_without_outputs_and_overwrites_nothing(root, head):
    file = (root / "study" / "notebooks" / "km.ipynb").resolve()
    file.write_text(json.dumps(head))
    assert analyses.begin(root, file, "mine") == {"path": "study/notebooks/mine.ipynb"}
    new = json.loads((file.parent / "mine.ipynb").read_text())
    assert [cell["source"] for cell in new["cells"]] == ["# What?", "df\n.head()"]
    assert new["cells"][1]["outputs"] == []
    with pytest.raises(InputError, match="already"):
        analyses.begin(root, file, "mine")


def test_of_what_is_no_notebook_no_analysis_is_made(root):
    with pytest.raises(NotebookError):
        analyses.begin(root, (root / "study" / "toy.csv").resolve(), "mine")
