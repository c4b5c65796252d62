"""`runs.yaml`: what it may say, and how its mistakes are told."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paillasse.errors import CatalogError, RunError
from paillasse.runs.declared import MOST_RUNS, Document, choose, default_profile, find_project, read_runs
from paillasse.runs.declared import _expand as expand


@pytest.fixture
def project(tmp_path):
    """A function that writes a project's runs.yaml, beside two notebooks, and gives its folder."""
    folder = tmp_path / "projet été"
    (folder / "notebooks").mkdir(parents=True)

    def write(text, **sources):
        for name, source in {"survival": 'tau = 5\nendpoint = "death"', "plain": None, **sources}.items():
            cell = {"cell_type": "code", "source": source, "metadata": {"tags": ["parameters"]}}
            content = json.dumps({"cells": [cell] if source else [], "metadata": {}, "nbformat": 4})
            (folder / "notebooks" / f"{name}.ipynb").write_text(content, encoding="utf-8")
        (folder / "runs.yaml").write_text(text, encoding="utf-8")
        return folder

    return write


def refused(folder):
    with pytest.raises(RunError) as error:
        read_runs(folder)
    return str(error.value)


def test_an_entry_without_a_grid_is_one_run(project):
    folder = project(
        "runs:\n- {name: km, notebook: notebooks/survival.ipynb, parameters: {tau: 3}, timeout: 60, profile: secure}"
    )
    (run,) = read_runs(folder)
    assert (run.name, run.parameters, run.timeout, run.profile) == ("km", {"tau": 3}, 60, "secure")
    assert run.notebook == folder / "notebooks" / "survival.ipynb"


def test_a_grid_is_one_run_for_each_combination_with_a_readable_name(project):
    runs = read_runs(
        project(
            "runs:\n- name: km\n  notebook: notebooks/survival.ipynb\n"
            "  grid: {endpoint: [death, recurrence free], tau: [2, 2.5]}"
        )
    )
    assert [run.name for run in runs] == [
        "km-endpoint=death-tau=2",
        "km-endpoint=death-tau=2.5",
        "km-endpoint=recurrence_free-tau=2",
        "km-endpoint=recurrence_free-tau=2.5",
    ]
    assert runs[1].parameters == {"endpoint": "death", "tau": 2.5}


@given(st.lists(st.one_of(st.text(max_size=200), st.integers()), min_size=1, unique=True))
def test_grid_points_have_distinct_names_that_are_folder_names_everywhere(values):
    entry = {"name": "km", "notebook": "n.ipynb", "grid": {"x": values}}
    names = [run.name for run in expand(Path(), Document.model_validate({"runs": [entry]}).runs[0])]
    assert len({name.casefold() for name in names}) == len(values)
    assert all(len(name) <= 100 and set(name) <= set(string.ascii_letters + string.digits + "._=-") for name in names)


def test_an_unknown_parameter_stops_with_file_line_key_and_the_known_names(project):
    message = refused(
        project("runs:\n- name: km\n  notebook: notebooks/survival.ipynb\n  parameters:\n    endpiont: death\n")
    )
    assert message.startswith("runs.yaml:5: runs[0].parameters.endpiont: the notebook has no parameter 'endpiont'.")
    assert "Did you mean 'endpoint'? The notebook's parameters: tau, endpoint" in message


def test_every_mistake_is_told_at_once_in_the_order_of_the_file(project):
    message = refused(
        project(
            "runs:\n- name: km\n  notebook: notebooks/survival.ipynb\n  parameters: {tau: [1]}\n"
            "  grid: {endpoint: [death, 3]}\n- {name: KM, notebook: notebooks/plain.ipynb}\n"
        )
    )
    assert [line.split(":")[2].strip() for line in message.splitlines()] == [
        "runs[0].name",
        "runs[0].parameters.tau",
        "runs[0].grid.endpoint[1]",
        "runs[1].name",
    ]


ENTRY = "runs:\n- name: km\n  notebook: notebooks/survival.ipynb\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "runs.yaml: the file is empty; it needs the key 'runs'"),
        ("runs:\n", "runs.yaml:1: runs: expected a list; got nothing"),
        ("- 1\n", "runs.yaml:1: expected keys with values; got a list"),
        ("run: []\n", "runs.yaml:1: run: unknown key. Did you mean 'runs'?"),
        ("runs: [1]\n", "runs.yaml:1: runs[0]: expected keys with values; got 1"),
        ("runs:\n- name: km\n", "runs.yaml:2: runs[0].notebook: required, but not there"),
        (ENTRY + "  parametres: {}\n", "runs.yaml:4: runs[0].parametres: unknown key. Did you mean 'parameters'?"),
        (ENTRY + "  parameters: [tau]\n", "runs.yaml:4: runs[0].parameters: expected keys with values; got a list"),
        (ENTRY + "  grid: {tau: 5}\n", "runs.yaml:4: runs[0].grid.tau: expected a list; got 5"),
        (ENTRY + "  grid: {tau: []}\n", "runs.yaml:4: runs[0].grid.tau: expected at least one; got none"),
        (ENTRY + "  grid: {tau: [1, 1]}\n", "runs[0].grid.tau: a value of 'tau' is given twice"),
        (ENTRY + "  grid: {tau: [1]}\n  parameters: {tau: 1}\n", "'tau' is in 'parameters' too"),
        (ENTRY + "  timeout: 0\n", "runs.yaml:4: runs[0].timeout: expected a number above 0; got 0"),
        (ENTRY + "  timeout: '60'\n", "runs.yaml:4: runs[0].timeout: expected a number; got '60'"),
        (ENTRY + "  timeout: .inf\n", "runs.yaml:4: runs[0].timeout: expected a finite number; got inf"),
        (
            ENTRY + "  profile: secret\n",
            "runs.yaml:4: runs[0].profile: expected one of public, synthetic, secure; got 'secret'",
        ),
        (ENTRY + "  name: two\n", "runs.yaml:4: the key 'name' is given twice"),
        (ENTRY.replace("km", "a/b"), "runs.yaml:2: runs[0].name: expected letters, digits"),
        (ENTRY.replace("km", '".."'), "runs.yaml:2: runs[0].name: expected letters, digits"),
        (ENTRY.replace("survival", "survivel"), "runs.yaml:3: runs[0].notebook: there is no notebook 'notebooks/surv"),
        (ENTRY.replace("survival", "survivel"), "Did you mean 'notebooks/survival.ipynb'?"),
        (ENTRY.replace("survival", "plain") + "  parameters: {tau: 1}\n", "no cell tagged 'parameters'"),
        ("runs: [\n", "runs.yaml:2: not valid YAML"),
    ],
)
def test_a_mistake_is_told_with_file_line_key_and_what_was_expected(project, text, expected):
    message = refused(project(text))
    assert expected in message
    assert "?." not in message


def test_an_entrys_name_chooses_all_of_its_grid_and_a_points_name_that_point(project):
    runs = read_runs(project(ENTRY + "  grid: {tau: [1, 2]}\n- {name: other, notebook: notebooks/plain.ipynb}\n"))
    assert [run.name for run in choose(runs, ("km",))] == ["km-tau=1", "km-tau=2"]
    assert [run.name for run in choose(runs, ("km-tau=2",))] == ["km-tau=2"]
    assert choose(runs, ()) == runs


def test_an_unknown_run_is_refused_with_the_nearest_name(project):
    runs = read_runs(project(ENTRY))
    with pytest.raises(RunError, match=r"no run 'kmm'. Did you mean 'km'"):
        choose(runs, ("kmm",))


def test_the_project_is_found_from_a_folder_below_it(project):
    folder = project(ENTRY)
    assert find_project(folder / "notebooks") == folder


def test_a_folder_outside_any_project_is_told_what_to_do(tmp_path):
    with pytest.raises(RunError, match=r"There is no runs.yaml in .* or above it"):
        find_project(tmp_path)


def test_runs_that_name_no_profile_have_the_catalogues(project, monkeypatch):
    monkeypatch.delenv("PAILLASSE_PROFILE", raising=False)
    folder = project(ENTRY)
    (folder / "data_catalog.yaml").write_text("profile: secure\ndatasets: {}\n", encoding="utf-8")
    assert default_profile(folder) == "secure"


def test_a_broken_catalogue_stops_before_anything_runs(project):
    folder = project(ENTRY)
    (folder / "data_catalog.yaml").write_text("datasets: 3\n", encoding="utf-8")
    with pytest.raises(CatalogError):
        default_profile(folder)


DEFAULTS = "defaults: {timeout: 60, profile: synthetic, parameters: {tau: 3}}\n"


def test_an_entry_that_says_nothing_has_the_defaults(project):
    (run,) = read_runs(project(DEFAULTS + ENTRY))
    assert (run.timeout, run.profile, run.parameters) == (60, "synthetic", {"tau": 3})


def test_an_entrys_own_value_wins_and_its_null_means_none(project):
    (run,) = read_runs(project(DEFAULTS + ENTRY + "  timeout: null\n  profile: public\n  parameters: {tau: 4}\n"))
    assert (run.timeout, run.profile, run.parameters) == (None, "public", {"tau": 4})


def test_a_grid_wins_over_the_defaults(project):
    runs = read_runs(project(DEFAULTS + ENTRY + "  grid: {tau: [1, 2]}\n"))
    assert [run.parameters for run in runs] == [{"tau": 1}, {"tau": 2}]


def test_default_parameters_go_only_to_notebooks_that_have_them(project):
    entries = "- {name: plain, notebook: notebooks/plain.ipynb}\n- {name: other, notebook: notebooks/other.ipynb}\n"
    runs = read_runs(project(DEFAULTS + ENTRY + entries, other="level = 0.95"))
    assert [run.parameters for run in runs] == [{"tau": 3}, {}, {}]


@pytest.mark.parametrize(
    ("defaults", "expected"),
    [
        ("{tua: 3}", "runs.yaml:2: defaults.parameters.tua: no notebook of this file has a parameter 'tua'. Did you"),
        ("{tau: x}", "runs.yaml:2: defaults.parameters.tau: for notebooks/survival.ipynb: expected a number, as in"),
        ("{tau: .nan}", "runs.yaml:2: defaults.parameters.tau: for notebooks/survival.ipynb: expected a finite number"),
        ("{endpoint: 2020-01-01}", "runs.yaml:2: defaults.parameters.endpoint: for notebooks/survival.ipynb: a date"),
        ("{password: x}", "runs.yaml:2: defaults.parameters.password: this is, or looks like, a secret"),
        ("[tau]", "runs.yaml:2: defaults.parameters: expected keys with values; got a list"),
    ],
)
def test_a_wrong_default_is_told_with_its_own_line_and_key(project, defaults, expected):
    message = refused(project(f"defaults:\n  parameters: {defaults}\n{ENTRY}"))
    assert message.startswith(expected)
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("defaults", "expected"),
    [
        ("defaults: {timeuot: 3}", "runs.yaml:1: defaults.timeuot: unknown key. Did you mean 'timeout'?"),
        ("defaults: {timeout: -1}", "runs.yaml:1: defaults.timeout: expected a number above 0; got -1"),
        ("defaults: {notebook: a}", "runs.yaml:1: defaults.notebook: unknown key."),
        ("defaults:", "runs.yaml:1: defaults: expected keys with values; got nothing"),
        ("default: {}", "runs.yaml:1: default: unknown key. Did you mean 'defaults'?"),
    ],
)
def test_defaults_are_as_strict_as_entries(project, defaults, expected):
    assert refused(project(f"{defaults}\n{ENTRY}")).startswith(expected)


def test_a_default_that_every_entry_replaces_need_not_fit_them(project):
    text = "defaults: {parameters: {tau: x}}\n" + ENTRY + "  parameters: {tau: 2}\n"
    (run,) = read_runs(project(text))
    assert run.parameters == {"tau": 2}


def test_a_default_of_an_unusable_notebook_is_not_told_as_unknown(project):
    text = "defaults: {parameters: {level: 0.9}}\n" + ENTRY + "- {name: no, notebook: notebooks/absent.ipynb}\n"
    assert "level" not in refused(project(text))


def test_a_choice_of_the_parameters_cell_is_checked_with_line_and_key(project):
    source = 'endpoint = "death"  # what is counted; one of: death, relapse'
    message = refused(project(ENTRY + "  grid:\n    endpoint: [death, relapze]\n", survival=source))
    assert message.startswith("runs.yaml:5: runs[0].grid.endpoint[1]: expected one of death, relapse, as in the note")
    assert message.endswith("got 'relapze'. Did you mean 'relapse'?")


def test_a_default_in_the_notebook_that_breaks_its_own_rule_is_told_at_the_notebook(project):
    message = refused(project(ENTRY, survival='tau = 1\nendpoint = "deth"  # one of: death, relapse'))
    assert message.startswith("runs.yaml:3: runs[0].notebook: ")
    assert "survival.ipynb: line 2 of its parameters cell: endpoint: its default breaks its own rule" in message


DATA_SET = 'dataset = "gbsg"  # name in the data catalogue'


def with_catalogue(folder, *names):
    about = {"title": "T", "description": "D", "steward": {"name": "N", "email": "n@example.org"}, "publisher": "P"}
    about |= {"licence": "CC0-1.0", "sensitivity": "public", "unit_of_observation": "patient"}
    about |= {"schema": {"fields": [{"name": "age", "type": "integer", "description": "Age"}]}}
    about |= {"sources": {"public": {"driver": "csv", "path": "a.csv"}}}
    text = json.dumps({"datasets": dict.fromkeys(names, about)})
    (folder / "data_catalog.yaml").write_text(text, encoding="utf-8")
    return folder


def test_an_unknown_data_set_is_told_with_the_nearest(project):
    folder = with_catalogue(project(ENTRY + "  parameters: {dataset: lnug}\n", survival=DATA_SET), "gbsg", "lung")
    expected = "runs.yaml:4: runs[0].parameters.dataset: the catalogue has no data set 'lnug'. Did you mean 'lung'?"
    assert refused(folder) == expected


def test_a_notebooks_default_data_set_must_be_there_only_if_it_is_read(project):
    folder = with_catalogue(project(ENTRY, survival=DATA_SET), "lung")
    assert refused(folder).startswith("runs.yaml:3: runs[0].notebook: without a value for 'dataset' it reads 'gbsg'")
    value = "{dataset: lung}"
    for text in (
        f"{ENTRY}  parameters: {value}\n",
        f"{ENTRY}  grid: {{dataset: [lung]}}\n",
        f"defaults: {{parameters: {value}}}\n{ENTRY}",
    ):
        assert read_runs(project(text, survival=DATA_SET))[0].parameters == {"dataset": "lung"}


def test_a_broken_catalogue_does_not_hide_the_runs(project):
    folder = project(ENTRY + "  parameters: {dataset: any}\n", survival=DATA_SET)
    (folder / "data_catalog.yaml").write_text("datasets: 3\n", encoding="utf-8")
    assert [run.name for run in read_runs(folder)] == ["km"]


@pytest.mark.parametrize(
    ("parameters", "values", "expected"),
    [
        ("ab", 1000, "1,000,000 runs; at most 100,000"),
        ("abc", 10_000, "1,000,000,000,000 runs; at most 100,000"),
        ("abcdefghijklmnopqrstuvwxyz", 1000, "more than 10^15 runs; at most 100,000"),
    ],
)
def test_a_grid_that_no_disk_would_bear_is_a_mistake_and_is_never_multiplied_out(
    project, parameters, values, expected
):
    grid = {name: list(range(values)) for name in parameters}
    source = "\n".join(f"{name} = 0" for name in parameters)
    folder = project(ENTRY + f"  grid: {json.dumps(grid)}\n", survival=source)
    assert refused(folder).startswith(f"runs.yaml:4: runs[0].grid: {expected}")


def test_grids_that_are_too_many_together_are_a_mistake_of_the_file(project):
    grid = f"  grid: {{tau: {list(range(300))}, endpoint: {[str(i) for i in range(300)]}}}\n"
    entries = ENTRY + grid + ENTRY.replace("km", "two").partition("\n")[2] + grid
    assert refused(project(entries)) == (
        f"runs.yaml:1: runs: 180,000 runs in all; at most {MOST_RUNS:,} are possible; give fewer values"
    )


def test_a_hundred_thousand_runs_with_long_names_have_distinct_ones(project):
    values = [f"{'x' * 90} {i}" for i in range(MOST_RUNS)]
    entry = {"name": "km", "notebook": "n.ipynb", "grid": {"x": values}}
    names = [run.name for run in expand(Path(), Document.model_validate({"runs": [entry]}).runs[0])]
    assert len({name.casefold() for name in names}) == MOST_RUNS


def test_the_name_of_a_grid_point_does_not_hang_on_the_other_parameters(project):
    grid = "  grid: {endpoint: [a b, a_b]}\n"
    names = [run.name for run in read_runs(project(ENTRY + grid))]
    assert names == [run.name for run in read_runs(project(DEFAULTS + ENTRY + grid))]


def test_a_notebook_whose_name_has_spaces_accents_and_signs_is_found(project):
    name = "étude n° 1 {a} #2"
    folder = project(f"runs:\n- name: km\n  notebook: 'notebooks/{name}.ipynb'\n", **{name: "tau = 1"})
    (run,) = read_runs(folder)
    assert run.notebook == folder / "notebooks" / f"{name}.ipynb"


@pytest.mark.parametrize("name", ["x" * 300, "notebooks", "notebooks/survival.py", "''", "."])
def test_what_cannot_be_a_notebook_is_refused_with_line_and_key(project, name):
    message = refused(project(ENTRY.replace("notebooks/survival.ipynb", name)))
    assert message.startswith("runs.yaml:3: runs[0].notebook: there is no notebook '")
    assert len(message.splitlines()) == 1


def test_a_notebook_that_is_no_json_is_told_at_its_entry(project):
    folder = project(ENTRY)
    (folder / "notebooks" / "survival.ipynb").write_text("<<<<<<< HEAD", encoding="utf-8")
    message = refused(folder)
    assert message.startswith("runs.yaml:3: runs[0].notebook: ")
    assert message.endswith("survival.ipynb is not a Jupyter notebook of format 4.")
