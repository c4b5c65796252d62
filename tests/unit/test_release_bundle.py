"""A bundle: made of unaltered safe forms or not at all, decided by another person, compared with those before."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from paillasse.cli import main
from paillasse.disclosure import DEFAULT, Policy, Safe
from paillasse.disclosure.kept import as_json
from paillasse.errors import DisclosureError, ReleaseError
from paillasse.release import decide as deciding
from paillasse.release.bundle import release
from paillasse.release.decide import accepted_folder, decide, open_for_decision, read_decisions
from paillasse.release.documents import Decision, Manifest, read_bundle
from paillasse.release.gather import gather
from paillasse.release.review import differences, review
from paillasse.release.subtraction import told_together
from paillasse.runs import record
from paillasse.runs.artefacts import safe_forms
from paillasse.runs.results import new_folder, write_state
from paillasse.survival import cox, kaplan_meier

ROOT = Path(__file__).parents[2]
DATA = pd.read_csv(ROOT / "data" / "gbsg.csv")
ACCEPT, REFUSE = Decision(decide="accept", reason="enough"), Decision(decide="refuse", reason="not asked for")
BOTH = {"km/curves": ACCEPT, "km/model": ACCEPT}


class Bench:
    """A project whose run `km` has results on disk, as `paillasse run` leaves them."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch):
        self.folder, self.patch = folder, patch
        (folder / "notebooks").mkdir(parents=True)
        cells = [{"cell_type": "markdown", "metadata": {}, "source": ["# Do hormones help?"]}]
        notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
        (folder / "notebooks" / "km.ipynb").write_text(json.dumps(notebook))
        (folder / "runs.yaml").write_text("runs:\n  - {name: km, notebook: notebooks/km.ipynb}\n")

    def executed(self, data=DATA, **results) -> Path:
        """The folder of a new run of `km` that has recorded the curves and model of the data, or the given results."""
        folder = new_folder(self.folder, "km")
        results = results or {
            "curves": kaplan_meier(data, "rfstime", "status", by="hormon"),
            "model": cox(data, "rfstime", "status", "age + hormon"),
        }
        with self.patch.context() as patch:
            patch.setenv("PAILLASSE_RUN_FOLDER", str(folder))
            for name, result in results.items():
                record(name, result)
        self.ended(folder)
        return folder

    def ended(self, folder: Path, **state) -> None:
        about = {"name": "km", "title": "Do hormones help?", "notebook": "notebooks/km.ipynb", "parameters": {}}
        about |= {"started": "2026-11-25T10:00:00+00:00", "finished": "2026-11-25T10:01:00+00:00", "state": "ok"}
        write_state(folder, **about | {"safe_forms": safe_forms(folder)} | state)

    def release(self, name: str = "first", **options) -> Path:
        to = self.folder / "out" / name
        release(self.folder, ["km"], to, **options)
        return to


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    bench = Bench(tmp_path / "project", monkeypatch)
    monkeypatch.chdir(bench.folder)
    return bench


def beside(to: Path) -> list[str]:
    return sorted(path.name for path in to.parent.glob("*")) + sorted(path.name for path in to.parent.glob(".*"))


# What goes into a bundle


def test_the_newest_result_is_released_with_where_it_came_from(bench):
    bench.executed(DATA[:300])
    newest = bench.executed()
    manifest = read_bundle(bench.release())
    assert [item.item for item in manifest.items] == ["km/curves", "km/model"]
    (run,) = manifest.runs
    assert (run.run_id, run.title, run.notebook) == (newest.name, "Do hormones help?", "notebooks/km.ipynb")


def test_an_edited_safe_form_is_refused(bench):
    folder = bench.executed()
    file = folder / "curves.safe.json"
    file.write_text(file.read_text().replace("685", "686"))
    with pytest.raises(ReleaseError, match=r"km/curves\.safe\.json is not as it was when the run ended"):
        bench.release()
    assert not (bench.folder / "out" / "first").exists()


def test_a_safe_form_that_was_put_in_or_taken_away_is_refused(bench):
    folder = bench.executed()
    (folder / "more.safe.json").write_bytes((folder / "curves.safe.json").read_bytes())
    with pytest.raises(ReleaseError, match="more"):
        bench.release()
    (folder / "more.safe.json").unlink()
    (folder / "curves.safe.json").unlink()
    with pytest.raises(ReleaseError, match="not there any more"):
        bench.release()


@pytest.mark.parametrize("state", ["error", "killed", "timeout", "cancelled"])
def test_a_run_that_did_not_end_well_is_refused(bench, state):
    folder = bench.executed()
    bench.ended(folder, state=state)
    with pytest.raises(ReleaseError, match=rf"not ok \({state}\)"):
        bench.release()


def test_a_run_that_was_never_executed_is_refused(bench):
    with pytest.raises(ReleaseError, match="not run yet"):
        bench.release()


def test_tables_without_a_safe_form_stay(bench):
    folder = bench.executed()
    (folder / "exact.csv").write_text("patient,age\n1,40\n")
    _, gathered = release(bench.folder, ["km"], bench.folder / "out" / "first")
    assert gathered.staying == ["km/exact"]
    assert not list((bench.folder / "out").rglob("exact*"))


def test_patients_in_the_clothes_of_a_safe_form_are_found_by_the_scan_and_nothing_is_left(bench):
    rows = DATA[["age", "size", "nodes", "pgr", "er", "rfstime"]].assign(mark="rounded")
    bench.executed(curves=Safe("Missing", "All rounded", {"table": rows}, ("Rounded.",), DEFAULT))
    to = bench.folder / "out" / "first"
    with pytest.raises(ReleaseError, match=r"(?s)The scan found .*km/curves\.csv: rows of a table") as error:
        bench.release()
    assert error.value.exit_code == 1
    assert beside(to) == []


def test_a_small_count_in_the_clothes_of_a_safe_form_is_refused(bench):
    table = pd.DataFrame({"step": ["all", "left"], "excluded": [0, 3], "left": [100, 97], "mark": "rounded"})
    bench.executed(flow=Safe("Flow", "Cohort", {"table": table}, ("Rounded.",), DEFAULT))
    with pytest.raises(DisclosureError, match="km/flow: a count in its column 'excluded'"):
        bench.release()


def test_a_laxer_safe_form_whose_hash_fits_is_refused(bench):
    folder = bench.executed()
    lax = kaplan_meier(DATA, "rfstime", "status").disclose(Policy(5, 1))
    (folder / "curves.safe.json").write_text(as_json(lax))
    bench.ended(folder)
    with pytest.raises(DisclosureError, match="minimum cell of 5"):
        bench.release()


def curves_of_veteran() -> dict:
    data = pd.read_csv(ROOT / "data" / "veteran.csv")
    return {
        "all": kaplan_meier(data, "time", "status"),
        "arms": kaplan_meier(data, "time", "status", by="trt"),
    }


def test_curves_that_together_tell_of_few_patients_are_refused(bench):
    bench.executed(**curves_of_veteran())
    with pytest.raises(DisclosureError, match=r"km/all and km/arms together tell of few patients: \d+ to \d+ "):
        bench.release()
    assert beside(bench.folder / "out" / "first") == []


def test_curves_of_two_outcomes_of_the_same_groups_leave_together(bench):
    lost = DATA.assign(lost=1 - DATA.status)
    two = {name: kaplan_meier(lost, "rfstime", name, by="hormon") for name in ("status", "lost")}
    bench.executed(**two)
    assert len(read_bundle(bench.release()).items) == 2


def test_curves_of_different_data_sets_leave_together(bench):
    bench.executed(**curves_of_veteran())
    safe_forms = {each.name: each.safe for each in gather(bench.folder, ["km"]).recorded}
    assert told_together(safe_forms, {"all": {"one"}, "arms": {"another"}}) == []


def test_a_table_s_name_cannot_lead_out_of_the_bundle(bench):
    folder = bench.executed()
    tables = {"table": pd.DataFrame({"left": [100]}), "../../x": pd.DataFrame({"n": [100]})}
    safe = Safe("Flow", "", tables, (), DEFAULT)
    (folder / "curves.safe.json").write_text(as_json(safe))
    bench.ended(folder)
    with pytest.raises(ReleaseError, match="cannot be a file's name"):
        bench.release()


def test_a_curve_without_the_columns_of_one_has_no_picture(bench):
    table = pd.DataFrame({"group": ["A", "B"], "n": [100, 110], "mark": "rounded"})
    bench.executed(curves=Safe("KaplanMeier", "Two arms", {"table": table}, ("Rounded.",), DEFAULT))
    (item,) = read_bundle(bench.release()).items
    assert [file.path for file in item.files] == ["km/curves.safe.json", "km/curves.csv"]


# Where it goes


def test_a_folder_with_something_in_it_is_left_alone(bench):
    bench.executed()
    to = bench.folder / "out" / "first"
    to.mkdir(parents=True)
    (to / "mine.txt").write_text("mine")
    with pytest.raises(ReleaseError, match="is there already"):
        bench.release()
    assert [path.name for path in to.iterdir()] == ["mine.txt"]


def test_what_a_killed_release_left_is_cleared_by_the_next(bench):
    bench.executed()
    half = bench.folder / "out" / ".first.part"
    half.mkdir(parents=True)
    (half / "curves.csv").write_text("half")
    (bench.folder / "out" / "first").mkdir()
    to = bench.release()
    assert beside(to) == ["first"]
    assert not (to / "curves.csv").exists()


def test_a_place_that_cannot_be_written_is_told(bench):
    bench.executed()
    (bench.folder / "out").write_text("a file")
    with pytest.raises(ReleaseError, match="first cannot be made: "):
        bench.release()


def test_the_project_s_own_folder_is_no_place_for_a_bundle(bench):
    bench.executed()
    with pytest.raises(ReleaseError, match="is there already"):
        release(bench.folder, ["km"], Path())


def test_a_notebook_outside_the_project_is_named_without_its_folder(bench):
    folder = bench.executed()
    bench.ended(folder, notebook="/home/marie/secret-place/km.ipynb")
    to = bench.release()
    assert read_bundle(to).runs[0].notebook == "km.ipynb"
    assert not [path for path in to.rglob("*") if path.is_file() and b"secret-place" in path.read_bytes()]


# Deciding


def test_only_what_was_accepted_is_in_the_bundle_that_leaves(bench):
    bench.executed()
    to = bench.release(use="A paper")
    done = decide(to, BOTH | {"km/model": REFUSE}, who="dominique")
    leaving = accepted_folder(to)
    kept = read_bundle(leaving)
    assert [item.item for item in kept.items] == ["km/curves"]
    assert kept.accepted == done.decided
    for path in leaving.rglob("*"):
        assert path.is_dir() or not any(word in path.read_bytes() for word in (b"km/model", b"dominique", b"A paper"))
    assert json.loads((to / "decisions.json").read_text())["decisions"]["km/model"]["reason"] == "not asked for"


def test_when_all_is_refused_nothing_leaves(bench):
    bench.executed()
    to = bench.release()
    done = decide(to, dict.fromkeys(BOTH, REFUSE), who="checker")
    assert done.accepted_manifest_sha256 is None
    assert beside(to) == ["first"]


def test_the_requester_does_not_decide(bench):
    bench.executed()
    to = bench.release()
    with pytest.raises(ReleaseError, match="another person decides"):
        decide(to, BOTH)
    assert beside(to) == ["first"]
    assert not (to / "decisions.json").exists()


@pytest.mark.parametrize(
    ("decisions", "told"),
    [
        ({}, "km/curves has no decision; km/model has no decision"),
        ({"km/curves": ACCEPT}, "km/model has no decision"),
        (BOTH | {"km/curve": ACCEPT}, "there is no item 'km/curve'. Did you mean 'km/curves'?"),
    ],
)
def test_each_item_has_one_decision(bench, decisions, told):
    bench.executed()
    to = bench.release()
    with pytest.raises(ReleaseError) as error:
        decide(to, decisions, who="checker")
    assert told in str(error.value)


def test_what_was_decided_is_not_decided_again(bench):
    bench.executed()
    to = bench.release()
    decide(to, BOTH, who="checker")
    with pytest.raises(ReleaseError, match="is there already"):
        decide(to, dict.fromkeys(BOTH, REFUSE), who="checker")
    with pytest.raises(ReleaseError, match="accepted already"):
        decide(accepted_folder(to), BOTH, who="checker")


def test_a_decision_whose_bundle_was_never_finished_is_taken_again(bench):
    bench.executed()
    to = bench.release()
    (to / "decisions.json").write_text("{}")  # a checker's process was killed before the other folder was there
    (to.parent / ".first-accepted.part").mkdir()
    decide(to, BOTH, who="checker")
    assert beside(to) == ["first", "first-accepted"]
    assert json.loads((to / "decisions.json").read_text())["decider"] == "checker"


def edit(to: Path) -> None:
    (to / "km" / "curves.csv").write_text((to / "km" / "curves.csv").read_text().replace("10", "15", 1))


def put_in(to: Path) -> None:
    (to / "km" / "patients.csv").write_text("age\n40\n")


def link(to: Path) -> None:
    (to / "km" / "curves.csv").replace(to.parent / "curves.csv")
    (to / "km" / "curves.csv").symlink_to(to.parent / "curves.csv")  # the same content, until it is another


def other_requester(to: Path) -> None:
    request = json.loads((to / "request.json").read_text())
    (to / "request.json").write_text(json.dumps(request | {"requester": "somebody"}))


@pytest.mark.parametrize(
    "change",
    [edit, put_in, link, other_requester, lambda to: (to / "checker.html").unlink()],
    ids=["edited", "put in", "a link", "another requester", "taken away"],
)
def test_a_bundle_that_was_changed_is_not_decided_on(bench, change):
    bench.executed()
    to = bench.release()
    change(to)
    with pytest.raises(ReleaseError, match="was changed after it was made"):
        decide(to, BOTH, who="checker")
    assert not accepted_folder(to).exists()


@pytest.mark.parametrize(
    "path", ["../x.csv", "/etc/passwd", "km/../../x", "C:/x", "km\\x", ".hidden", "km/.hidden", "km//x", ""]
)
def test_a_manifest_names_no_file_outside_its_bundle(bench, path):
    bench.executed()
    to = bench.release()
    manifest = json.loads((to / "manifest.json").read_text())
    manifest["files"][0]["path"] = path
    (to / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ReleaseError, match="not as paillasse release writes it"):
        open_for_decision(to, "checker")


@pytest.mark.parametrize("content", ["", "[]", '{"format": 1}', "{" * 10_000])
def test_a_folder_that_is_no_bundle_is_refused(tmp_path, content):
    with pytest.raises(ReleaseError, match="No such file"):
        read_bundle(tmp_path)
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ReleaseError, match="not as paillasse release writes it"):
        read_bundle(tmp_path)


def test_mistakes_in_a_file_of_decisions_are_told_with_their_lines(tmp_path):
    file = tmp_path / "decisions.yaml"
    file.write_text("decisions:\n  km/curves: {decide: maybe, reason: x}\n  km/model: {decide: accept}\n")
    with pytest.raises(ReleaseError) as error:
        read_decisions(file)
    assert "decisions.yaml:2: decisions.km/curves.decide: expected one of accept, refuse" in str(error.value)
    assert "decisions.yaml:3: decisions.km/model.reason: required" in str(error.value)


def test_the_terminal_asks_for_each_item(bench, monkeypatch):
    bench.executed()
    to = bench.release()
    monkeypatch.setattr(deciding, "os_user", lambda: "checker")  # the system's other user; see tests/integration
    done = CliRunner().invoke(main, ["release", "--decide", str(to)], input="accept\nenough\nrefuse\nnot asked for\n")
    assert done.exit_code == 0, done.output
    assert "1 of 2 accepted by checker" in done.output
    assert [item.item for item in read_bundle(accepted_folder(to)).items] == ["km/curves"]


@pytest.mark.parametrize(
    "arguments",
    [[], ["km"], ["--to", "a", "--review", "b"], ["km", "--decide", "a"], ["--review", "a", "--use", "x"],
     ["--to", "a", "--decisions", "b"]],
)  # fmt: skip
def test_a_call_that_asks_for_no_one_thing_is_not_understood(arguments):
    assert CliRunner().invoke(main, ["release", *arguments]).exit_code == 2


# Comparing


def made_at(folder: Path, moment: str) -> None:
    """Give a bundle another time: releases of one second follow each other here."""
    manifest = Manifest.model_validate_json((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_text(manifest.model_copy(update={"made": moment}).model_dump_json())


def test_a_release_of_the_same_numbers_has_no_difference(bench):
    bench.executed()
    made_at(bench.release("first"), "2026-01-01T00:00:00+00:00")
    bench.executed()
    assert review(bench.release("second")) == ["Beside first: 2 same."]


def test_few_patients_more_are_told_with_bounds_that_hold(bench):
    bench.executed()
    made_at(bench.release("first"), "2026-01-01T00:00:00+00:00")
    bench.executed(DATA.drop(DATA.index[DATA.hormon == 1][:5]))
    lines = review(bench.release("second"))
    assert "km/curves: the difference tells of few. n of median, 1: 245, then 240: from 1 to 9 fewer." in lines
    assert not [line for line in lines if "median, 0" in line]


def test_curves_that_tell_of_few_patients_beside_those_of_an_earlier_release_are_told(bench):
    results = curves_of_veteran()
    bench.executed(arms=results["arms"])
    made_at(bench.release("first"), "2026-01-01T00:00:00+00:00")
    bench.executed(all=results["all"])
    told = review(bench.release("second"))
    assert any(line.startswith("km/all and km/arms of first together tell of few patients: ") for line in told)


def test_a_release_is_compared_with_all_that_left_and_not_with_what_was_only_made(bench):
    bench.executed()
    for number, name in enumerate(["a", "b", "c"], start=1):
        to = bench.release(name)
        made_at(to, f"2026-01-0{number}T00:00:00+00:00")
        if name != "c":
            decide(to, BOTH, who="checker")
    lines = review(bench.release("last"))
    assert lines == ["Beside b-accepted: 2 same.", "Beside a-accepted: 2 same."]


def test_a_release_of_another_project_or_a_later_one_is_not_compared(bench):
    bench.executed()
    later, other = bench.release("later"), bench.release("other")
    made_at(later, "2999-01-01T00:00:00+00:00")
    manifest = json.loads((other / "manifest.json").read_text()) | {"project": "x", "made": "2026-01-01T00:00:00+00:00"}
    (other / "manifest.json").write_text(json.dumps(manifest))
    assert review(bench.release("now")) == []


def test_an_earlier_release_that_was_changed_is_named(bench):
    bench.executed()
    first = bench.release("first")
    made_at(first, "2026-01-01T00:00:00+00:00")
    edit(first)
    assert review(bench.release("second")) == ["first cannot be compared: it is not as it was made (ReleaseError)."]


def test_items_that_are_new_or_gone_are_named():
    safe = Safe("Flow", "", {"table": pd.DataFrame({"step": ["all"], "left": [100]})}, (), DEFAULT)
    found = differences({"km/a": safe, "km/b": safe}, {"km/b": safe, "km/c": safe})
    assert [(each.item, each.state) for each in found] == [("km/b", "same"), ("km/c", "new"), ("km/a", "gone")]


@pytest.mark.parametrize("policy", [Policy(11, 5), Policy(11, 10), Policy(20, 5)], ids=str)
def test_a_difference_that_is_told_isolates_and_one_that_is_not_told_does_not(policy):
    """Every pair of exact counts behind two released ones; what is sure of all of them is what an intruder knows."""
    from paillasse.disclosure.counts import rounded

    def flow(count):
        return {"km/flow": Safe("Flow", "", {"table": pd.DataFrame({"step": ["all"], "left": [count]})}, (), policy)}

    exact = range(50, 110)
    for before in sorted({rounded(count, policy) for count in exact}):
        for now in sorted({rounded(count, policy) for count in exact}):
            behind_both = {
                abs(one - other)
                for one in exact
                for other in exact
                if (rounded(one, policy), rounded(other, policy)) == (before, now)
            }
            is_sure = min(behind_both) >= 1 and max(behind_both) < policy.minimum_cell
            told = any(each.found for each in differences(flow(before), flow(now)))
            inside = min(before, now) > 60 and max(before, now) < 100  # of others not all exact counts are tried
            assert told == is_sure or not inside, (before, now)


def test_decisions_are_plain_yaml(tmp_path):
    file = tmp_path / "decisions.yaml"
    file.write_text(yaml.safe_dump({"decisions": {"km/curves": {"decide": "accept", "reason": "enough"}}}))
    assert read_decisions(file) == {"km/curves": ACCEPT}
