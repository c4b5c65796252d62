"""The form of a notebook's parameters in JupyterLab: what it asks, the runs that it makes, what it writes."""

import json

import pytest
from run_project import wait_until

from paillasse.errors import RunError
from paillasse.lab.bench import listed
from paillasse.lab.form import add, form, start
from paillasse.runs.declared import read_runs

PARAMETERS = """\
endpoint = "death"  # what is counted; one of: death, relapse
level = 0.95  # of all limits; from 0.5 to 0.999
columns = ["age", "grade"]  # covariates
plain = True
today = max(1, 2)
password = "x"  # secret of the store
"""


@pytest.fixture
def asked(project):
    """A project with the notebook `km` and one run of it; a function that fills in its form."""
    project.notebook("km", "print(endpoint, level)", parameters=PARAMETERS)
    text = "runs:\n  - name: km\n    notebook: notebooks/km.ipynb\n"
    (project.folder / "runs.yaml").write_text(text)

    def fill(name: str = "km_2", **parameters) -> dict:
        return {"name": name, "notebook": "notebooks/km.ipynb", "parameters": parameters}

    return fill


def fields_of(project) -> dict[str, dict]:
    told = form(project.folder, project.folder / "notebooks" / "km.ipynb")
    return {each["name"]: each for each in told["fields"]}


def test_the_form_asks_for_each_parameter_but_for_secrets(project, asked):
    fields = fields_of(project)
    assert list(fields) == ["endpoint", "level", "columns", "plain", "today"]
    assert fields["endpoint"]["choices"] == ["death", "relapse"]
    assert fields["endpoint"]["help"] == "what is counted; one of: death, relapse"
    assert (fields["level"]["kind"], fields["level"]["least"], fields["level"]["most"]) == ("number", 0.5, 0.999)
    assert [fields[name]["kind"] for name in ("columns", "plain", "today")] == ["list", "boolean", "any"]
    json.dumps(fields)


def test_a_name_is_proposed_that_no_run_has(project, asked):
    file = project.folder / "notebooks" / "km.ipynb"
    assert form(project.folder, file)["name"] == "km_1"
    add(project.folder, asked("KM_1"))
    assert form(project.folder, file)["name"] == "km_2"


def test_a_notebook_without_parameters_says_how_to_tag_its_cell(project):
    project.run("km", "1")
    with pytest.raises(RunError, match="Tag its first code cell"):
        form(project.folder, project.folder / "notebooks" / "km.ipynb")


def test_what_was_filled_in_is_run_though_it_stands_in_no_file(project, asked):
    assert start(project.folder, asked(endpoint="relapse")) == {"started": ["km_2"]}
    states = lambda: {each["name"]: each["state"] for each in listed(project.folder, project.folder)["runs"]}  # noqa: E731
    wait_until(lambda: states().get("km_2") == "ok")
    assert states()["km"] == "not run yet"
    assert project.state("km_2")["parameters"] == {"endpoint": "relapse"}
    assert project.outputs("km_2") == "relapse 0.95\n"
    assert [run.name for run in read_runs(project.folder)] == ["km"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"endpoint": "deaht"}, r"^parameters\.endpoint: expected one of death, relapse.* Did you mean 'death'"),
        ({"level": 2}, r"^parameters\.level: expected a number from 0.5 to 0.999"),
        ({"enpdoint": "death"}, "no parameter 'enpdoint'"),
        ({"password": "y"}, "looks like, a secret"),
    ],
)
def test_a_wrong_value_is_told_with_its_parameter_and_nothing_starts(project, asked, parameters, message):
    with pytest.raises(RunError, match=message) as refusal:
        start(project.folder, asked(**parameters))
    assert "runs.yaml" not in str(refusal.value)
    with pytest.raises(RunError, match=message):
        add(project.folder, asked(**parameters))
    assert len(read_runs(project.folder)) == 1


def test_a_name_that_is_taken_is_refused_whatever_its_case(project, asked):
    with pytest.raises(RunError, match="has a run 'KM' already"):
        start(project.folder, asked("KM"))


def test_several_values_make_a_run_for_each(project, asked):
    entry = asked() | {"grid": {"level": [0.9, 0.95]}}
    assert add(project.folder, entry) == {"added": ["km_2-level=0.9", "km_2-level=0.95"]}
    assert [run.parameters for run in read_runs(project.folder)[1:]] == [{"level": 0.9}, {"level": 0.95}]


@pytest.mark.parametrize(
    "before",
    [
        "# Ours.\nruns:\n  - name: km  # the first\n    notebook: notebooks/km.ipynb\n",
        "runs:\n- {name: km, notebook: notebooks/km.ipynb}",
        "defaults: {timeout: 9}\nruns:\n    - name: km\n      notebook: notebooks/km.ipynb\n\n\n",
    ],
)
def test_an_addition_stands_behind_the_last_entry_and_comments_stay(project, asked, before):
    (project.folder / "runs.yaml").write_text(before)
    add(project.folder, asked(columns=["âge: x", "#1"]))
    after = (project.folder / "runs.yaml").read_text(encoding="utf-8")
    assert after.startswith(before.rstrip())
    assert read_runs(project.folder)[1].parameters == {"columns": ["âge: x", "#1"]}


def test_an_addition_stands_behind_an_earlier_one_that_has_lists(project, asked):
    add(project.folder, asked(columns=["a", "b"]) | {"grid": {"level": [0.9, 0.95]}})
    add(project.folder, asked("km_3", columns=["c"]))
    assert read_runs(project.folder)[-1].parameters == {"columns": ["c"]}


def test_without_a_file_the_first_run_makes_it(project, asked):
    (project.folder / "runs.yaml").unlink()
    add(project.folder, asked())
    assert [run.name for run in read_runs(project.folder)] == ["km_2"]


def test_a_file_to_whose_end_nothing_can_be_added_is_left_alone_and_the_lines_are_told(project, asked):
    before = '{"runs": [{"name": "km", "notebook": "notebooks/km.ipynb"}]}'
    (project.folder / "runs.yaml").write_text(before)
    with pytest.raises(RunError, match="Add this by hand:\n *- name: km_2"):
        add(project.folder, asked())
    assert (project.folder / "runs.yaml").read_text() == before
