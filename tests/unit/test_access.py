"""Reading in the profile `secure`: who may, until when, for what; each way in which it is refused, and its way out."""

import datetime
import json
import os
import traceback
from pathlib import Path

import pytest
import yaml

from paillasse import open_catalog
from paillasse.catalog.access import VARIABLE, narrowed
from paillasse.catalog.model import Approval
from paillasse.cohort import missing
from paillasse.disclosure import Policy, policy, policy_in_force, tighten
from paillasse.errors import AccessError, CatalogError, DataError, InputError

NEXT_YEAR = datetime.date.today() + datetime.timedelta(days=365)
YESTERDAY = datetime.date.today() - datetime.timedelta(days=1)
SECRET = 4711
APPROVAL = {
    "reference": "CNIL 2026-17",
    "projects": ["immuno_lung", "combo"],
    "valid_until": NEXT_YEAR,
    "purposes": ["scientific-research"],
}


class Enclave:
    """A project whose catalogue has the pseudonymised data set `cohort`, and a steward's file outside it."""

    def __init__(self, folder: Path, monkeypatch):
        self.project, self.outside = folder / "project", folder / "outside"
        self.project.mkdir()
        self.outside.mkdir()
        (self.outside / "cohort.csv").write_text(f"patient,age\nP1,{SECRET % 100}\nP2,60\n")
        self.records, self.anchor = self.outside / "reads.jsonl", self.outside / "anchor.json"
        self.audit = {"driver": "file", "path": str(self.records), "anchor": str(self.anchor)}
        monkeypatch.setenv("COHORT_ROOT", str(self.outside))
        monkeypatch.setenv(VARIABLE, str(self.outside / "steward.yaml"))
        monkeypatch.setattr(policy, "_in_force", Policy())
        self.describe()
        self.approve()

    def describe(self, **more):
        """Write the project's catalogue."""
        fields = [
            {"name": "patient", "type": "string", "description": "Pseudonym", "role": "identifier"},
            {"name": "age", "type": "integer", "description": "Age", "unit": "years"},
        ]
        dataset = {
            "title": "A cohort",
            "description": "Patients.",
            "steward": {"name": "A. Steward", "email": "steward@example.org"},
            "publisher": "The hospital",
            "licence": "MR-004",
            "sensitivity": "pseudonymised",
            "unit_of_observation": "patient",
            "schema": {"fields": fields},
            "sources": {
                "synthetic": {"driver": "synthetic"},
                "secure": {"driver": "csv", "path": "${COHORT_ROOT}/cohort.csv"},
            },
        }
        head = {"project": "combo", "purpose": "scientific-research"}
        document = head | {key: value for key, value in more.items() if key in ("project", "purpose")}
        dataset |= {key: value for key, value in more.items() if key not in ("project", "purpose")}
        document = {key: value for key, value in document.items() if value is not None}
        document["datasets"] = {"cohort": dataset}
        (self.project / "data_catalog.yaml").write_text(yaml.safe_dump(document))

    def approve(self, **more):
        """Write the steward's file, with one approval."""
        self.decide(approvals={"cohort": APPROVAL | more})

    def decide(self, **more):
        file = {"approvals": {}, "audit": self.audit} | more
        (self.outside / "steward.yaml").write_text(yaml.safe_dump(file))

    def entry(self, **arguments):
        return open_catalog(self.project / "data_catalog.yaml", **({"profile": "secure"} | arguments))["cohort"]

    def refusal(self, columns=("age",), **arguments) -> str:
        """The message with which a read is refused; nothing was recorded, and no value is in it."""
        with pytest.raises(AccessError) as error:
            self.entry(**arguments).read(columns=columns)
        assert not self.records.exists()
        assert "P1" not in str(error.value)
        return str(error.value)


@pytest.fixture
def enclave(tmp_path, monkeypatch) -> Enclave:
    return Enclave(tmp_path, monkeypatch)


def test_an_approved_project_reads(enclave):
    assert enclave.entry().read(columns=["age"]).age.tolist() == [11, 60]


def test_the_refusal_says_whom_to_ask_and_that_there_is_a_stand_in(enclave):
    enclave.decide()
    message = enclave.refusal()
    assert "A. Steward, steward@example.org" in message
    assert 'open_catalog(profile="synthetic")' in message


def test_without_an_approval_nothing_is_read(enclave):
    enclave.decide()
    assert "cohort is not read in the profile secure:\n  no approval for it in the steward's file" in enclave.refusal()


def test_an_approval_of_the_project_s_own_is_none(enclave):
    enclave.decide()
    enclave.describe(approval=APPROVAL)
    assert "no approval for it in the steward's file" in enclave.refusal()


def test_another_project_s_approval_is_none(enclave):
    enclave.approve(projects=["immuno_lung"])
    assert "the approval CNIL 2026-17 is not for the project 'combo'" in enclave.refusal()


def test_an_approval_ends(enclave):
    enclave.approve(valid_until=YESTERDAY)
    assert f"the approval CNIL 2026-17 ended on {YESTERDAY}" in enclave.refusal()


def test_an_approval_holds_to_the_end_of_its_last_day(enclave):
    enclave.approve(valid_until=datetime.date.today())
    assert len(enclave.entry().read(columns=["age"])) == 2


def test_another_purpose_is_refused_with_those_allowed(enclave):
    message = enclave.refusal(purpose="education")
    assert "is not for the purpose 'education'; allowed: scientific-research" in message


def test_a_purpose_must_be_said(enclave):
    enclave.describe(purpose=None)
    assert "the purpose is not said; open_catalog(purpose=…) or PAILLASSE_PURPOSE" in enclave.refusal()


def test_the_environment_can_say_the_purpose(enclave, monkeypatch):
    enclave.describe(purpose=None)
    monkeypatch.setenv("PAILLASSE_PURPOSE", "scientific-research")
    assert len(enclave.entry().read(columns=["age"])) == 2


def test_an_unknown_purpose_is_refused_when_the_catalogue_is_opened(enclave):
    with pytest.raises(CatalogError, match=r"purpose: expected one of .* got 'fun'"):
        enclave.entry(purpose="fun")


def test_a_project_without_a_name_is_refused(enclave):
    enclave.describe(project=None)
    assert "it is not known which project asks; set `project:`" in enclave.refusal()


def test_a_project_made_from_the_template_has_its_name(enclave):
    enclave.describe(project=None)
    (enclave.project / ".paillasse.json").write_text(json.dumps({"answers": {"project_slug": "combo"}}))
    assert len(enclave.entry().read(columns=["age"])) == 2


def test_all_reasons_are_told_at_once(enclave):
    enclave.approve(projects=["other"], valid_until=YESTERDAY, purposes=["education"])
    assert len(enclave.refusal().splitlines()) == 5


def test_an_identifier_must_be_asked_for_by_name(enclave):
    message = enclave.refusal(columns=None)
    assert "'patient'" in message
    assert "without_identifiers()" in message


def test_an_identifier_that_is_asked_for_by_name_is_read(enclave):
    assert enclave.entry().read(columns=["patient", "age"]).patient.tolist() == ["P1", "P2"]


def test_the_lazy_table_follows_the_same_rules(enclave):
    with pytest.raises(AccessError):
        enclave.entry().table()
    assert enclave.entry().table(columns=["age"]).columns == ("age",)
    enclave.decide()
    with pytest.raises(AccessError):
        enclave.entry().table(columns=["age"])


def test_a_condition_may_use_columns_that_are_not_read(enclave):
    assert enclave.entry().read(columns=["patient"], where=lambda t: t.age > 50).patient.tolist() == ["P2"]


def test_a_condition_looks_at_an_identifier_only_if_that_was_asked_for_by_name(enclave):
    def where(table):
        return table.patient == "P2"

    assert enclave.entry().read(columns=["patient", "age"], where=where).age.tolist() == [60]
    enclave.records.unlink()
    enclave.anchor.unlink()
    with pytest.raises(InputError, match=r"where: AttributeError. Expected .* over age$"):
        enclave.entry().read(columns=["age"], where=where)


@pytest.mark.parametrize(
    "where",
    [
        lambda t: print(t.execute()),
        lambda t: t.age > int(t.patient.to_pandas()[0]),
        lambda t: t.age > t.age.max().execute(),
        lambda t: t.age > "SECRET",
    ],
)
def test_a_condition_is_made_without_a_look_at_the_data_and_its_error_quotes_nothing(enclave, where, capsys):
    with pytest.raises(InputError) as refusal:
        enclave.entry().read(columns=["patient", "age"], where=where)
    told = "".join(traceback.format_exception(refusal.value)) + capsys.readouterr().out
    assert not [secret for secret in ("P1", "P2", "SECRET", "60") if secret in told.replace("lambda t: t.age > 60", "")]


def test_without_a_steward_s_file_nothing_is_read(enclave, monkeypatch):
    monkeypatch.delenv(VARIABLE)
    assert "the variable PAILLASSE_STEWARD_FILE is not set" in enclave.refusal()


def test_a_steward_s_file_inside_the_project_is_refused(enclave, monkeypatch):
    (enclave.outside / "steward.yaml").rename(enclave.project / "steward.yaml")
    monkeypatch.setenv(VARIABLE, str(enclave.project / "steward.yaml"))
    assert "absolute path outside the project" in enclave.refusal()


def test_a_steward_s_file_that_its_reader_may_write_is_refused(enclave, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)  # who may write there, as the test's user may
    assert "you may write the file that says what you may read" in enclave.refusal()


def test_a_mistake_in_the_steward_s_file_is_told_with_line_and_key(enclave):
    enclave.decide(approvals={"cohort": {"reference": "x"}})
    with pytest.raises(CatalogError, match=r"steward.yaml:\d+: approvals.cohort.projects: required, but not there"):
        enclave.entry().read(columns=["age"])


def test_a_read_that_cannot_be_recorded_is_refused(enclave):
    enclave.decide(
        approvals={"cohort": APPROVAL}, audit=enclave.audit | {"path": str(enclave.outside / "no folder" / "x.jsonl")}
    )
    assert "its record cannot be written" in enclave.refusal()


def test_each_read_leaves_one_record_without_a_value(enclave):
    enclave.entry().read(columns=["age"], where=lambda t: (t.age < 50) & (t.age > -99))
    (line,) = enclave.records.read_text().splitlines()
    told = json.loads(line)
    assert {key: told[key] for key in ("project", "purpose", "data_set", "profile", "approval", "rows", "outcome")} == {
        "project": "combo",
        "purpose": "scientific-research",
        "data_set": "cohort",
        "profile": "secure",
        "approval": "CNIL 2026-17",
        "rows": 1,
        "outcome": "read",
    }
    assert (told["columns"], told["filter_columns"]) == (["age"], ["age"])
    assert "99" not in line.replace(told["started_at"], "").replace(told["id"], "").replace(told["previous"], "")


def test_a_lazy_table_leaves_a_record_that_it_was_opened(enclave):
    enclave.entry().table(columns=["age"])
    told = json.loads(enclave.records.read_text())
    assert (told["outcome"], told["rows"], told["columns"]) == ("opened", None, ["age"])


def test_data_that_break_their_schema_are_recorded_as_a_failed_read(enclave):
    (enclave.outside / "cohort.csv").write_text("patient,age\nP1,old\n")
    with pytest.raises(DataError, match="column 'age': not integer: 1 row"):
        enclave.entry().read(columns=["age"])
    assert json.loads(enclave.records.read_text())["outcome"] == "failed"


def test_a_changed_file_is_refused(enclave):
    enclave.describe(
        sources={"secure": {"driver": "csv", "path": "${COHORT_ROOT}/cohort.csv", "sha256": "0" * 64}}
    )
    with pytest.raises(Exception, match="not the file that the catalogue declares"):
        enclave.entry().read(columns=["age"])


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (
            {"sources": {"synthetic": {"driver": "csv", "path": "${COHORT_ROOT}/cohort.csv"}}},
            "a stand-in is made (driver: synthetic) or a file below the catalogue's folder",
        ),
        (
            {"sources": {"public": {"driver": "csv", "path": "${COHORT_ROOT}/cohort.csv"}}},
            "pseudonymised data have the sources 'synthetic' and 'secure'",
        ),
        ({"sensitivity": "synthetic"}, "synthetic data have the source 'synthetic' and no other"),
    ],
)
def test_real_patients_cannot_be_named_as_something_else(enclave, more, problem):
    enclave.describe(**more)
    with pytest.raises(CatalogError) as refusal:
        enclave.entry()
    assert problem in str(refusal.value)


@pytest.mark.parametrize("place", ["steward.yaml", "../outside/steward.yaml"])
def test_a_steward_s_file_is_named_by_an_absolute_path(enclave, monkeypatch, place):
    monkeypatch.chdir(enclave.outside)
    monkeypatch.setenv(VARIABLE, place)
    assert "named by an absolute path outside the project" in enclave.refusal()


def test_made_up_data_are_the_same_in_every_profile(enclave):
    enclave.describe(sensitivity="synthetic", sources={"synthetic": {"driver": "synthetic"}})
    assert len(enclave.entry().read()) == len(enclave.entry(profile="synthetic").read()) == 1000


def test_public_data_need_no_permission_in_any_profile(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert len(open_catalog(profile="secure")["veteran"].read()) == 137


def test_the_stand_in_needs_no_permission(enclave, monkeypatch):
    monkeypatch.delenv(VARIABLE)
    assert "patient" in enclave.entry(profile="synthetic").read().columns


def test_the_project_s_own_approval_only_narrows_the_steward_s():
    steward = Approval(**APPROVAL)
    wider = Approval(
        reference="own",
        projects=["combo", "another"],
        valid_until=NEXT_YEAR.replace(year=2099),
        purposes=["scientific-research", "education"],
    )
    both = narrowed(steward, wider)
    assert (both.projects, both.purposes) == (["combo"], ["scientific-research"])
    assert (both.valid_until, both.reference) == (NEXT_YEAR, "CNIL 2026-17")
    assert narrowed(steward, steward.model_copy(update={"valid_until": YESTERDAY})).valid_until == YESTERDAY


def test_reading_puts_the_stricter_policy_in_force(enclave):
    enclave.describe(disclosure={"minimum_cell": 20, "rounding": 1})
    enclave.entry().read(columns=["age"])
    assert policy_in_force() == Policy(minimum_cell=20, rounding=5)


def test_a_policy_in_force_is_never_eased(monkeypatch):
    monkeypatch.setattr(policy, "_in_force", Policy(11, 5))
    tighten(Policy(5, 10))
    assert policy_in_force() == Policy(11, 10)


def test_exact_numbers_that_are_asked_for_after_a_secure_read_are_recorded(enclave, monkeypatch):
    monkeypatch.setattr(policy, "_recorders", {})
    result = missing(enclave.entry().read(columns=["age"]))
    assert "60" not in repr(result)
    result.exact()
    record = json.loads(enclave.records.read_text().splitlines()[-1])
    assert (record["outcome"], record["columns"], record["data_set"]) == ("exact", ["Missing"], "cohort")


def test_exact_numbers_whose_record_cannot_be_written_are_not_shown(enclave, monkeypatch):
    monkeypatch.setattr(policy, "_recorders", {})
    result = missing(enclave.entry().read(columns=["age"]))
    enclave.records.unlink()
    enclave.records.mkdir()
    with pytest.raises(AccessError, match="its record cannot be written"):
        result.exact()


def test_the_card_says_whether_and_until_when_the_data_may_be_read(enclave):
    assert f"yes, the project combo, for scientific-research, until {NEXT_YEAR}" in repr(enclave.entry())
    enclave.approve(valid_until=YESTERDAY)
    refused = f"no. cohort is not read in the profile secure:\n  the approval CNIL 2026-17 ended on {YESTERDAY}"
    assert f"May I read it?: {refused}" in repr(enclave.entry())
    assert "yes, a stand-in" in repr(enclave.entry(profile="synthetic"))
