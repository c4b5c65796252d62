"""Results of patients' data from the notebook to what leaves: run, released, attacked, decided, recorded, reviewed."""

import datetime
import hashlib
import html
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from crate_validator import issues_of
from run_project import Project
from toy_catalog import ABOUT

from paillasse.disclosure import Policy
from paillasse.release.decide import accepted_folder
from paillasse.release.decide import decide as decide_on
from paillasse.release.documents import Decision

ROOT = Path(__file__).parents[2]
FIELDS = [
    {"name": "id", "type": "string", "role": "identifier"},
    {"name": "age", "type": "integer"},
    {"name": "hormon", "type": "integer"},
    {"name": "rfstime", "type": "integer"},
    {"name": "status", "type": "integer"},
]
READ = """
from paillasse import open_catalog
from paillasse.runs import record
from paillasse.survival import cox, kaplan_meier
data = open_catalog()['trial'].read(columns=['age', 'hormon', 'rfstime', 'status'])
"""
RECORD = """
record('curves', kaplan_meier(data, 'rfstime', 'status', by='hormon'))
record('model', cox(data, 'rfstime', 'status', formula='age + hormon'))
record('exact', data.groupby('hormon').size().reset_index(name='patients'), 'two arms')
"""
pytestmark = pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() != 0, reason="a steward's file must not be the reader's own"
)


class Enclave:
    """A project in a place with secure data, approved, their reads and releases recorded."""

    def __init__(self, folder: Path):
        self.folder, self.project = folder, Project(folder / "project")
        self.data = pd.read_csv(ROOT / "data" / "gbsg.csv")[["pid", "age", "hormon", "rfstime", "status"]]
        self.data = self.data.rename(columns={"pid": "id"})  # as the entities of a crate are called too
        self.data["id"] = [f"L3H6H{number:06}" for number in self.data["id"]]
        (folder / "store").mkdir()
        self.write_data(self.data)
        about = ABOUT | {"sensitivity": "pseudonymised", "title": "A trial"}
        about["schema"] = {"fields": [{"description": "x", **field} for field in FIELDS]}
        about["sources"] = {"secure": {"driver": "csv", "path": "${TRIAL_STORE}/trial.csv"}}
        catalogue = {"project": "trials", "purpose": "scientific-research", "datasets": {"trial": about}}
        (self.project.folder / "data_catalog.yaml").write_text(yaml.safe_dump(catalogue))
        approval = {"reference": "CSE-12", "projects": ["trials"], "purposes": ["scientific-research"]}
        approval["valid_until"] = datetime.date(2999, 12, 31)
        audit = {"driver": "file", "path": str(folder / "audit.jsonl"), "anchor": str(folder / "anchor")}
        self.steward = {"approvals": {"trial": approval}, "audit": audit}
        self.write_steward_file()
        self.project.run("trial", READ, RECORD, profile="secure")
        self.project.run("other", "print('nothing recorded')", profile="secure")

    def write_data(self, data: pd.DataFrame) -> None:
        data.to_csv(self.folder / "store" / "trial.csv", index=False)

    def write_steward_file(self) -> None:
        (self.folder / "steward.yaml").write_text(yaml.safe_dump(self.steward))

    @property
    def variables(self) -> dict[str, str]:
        return {
            "PAILLASSE_STEWARD_FILE": str(self.folder / "steward.yaml"),
            "TRIAL_STORE": str(self.folder / "store"),
        }

    def paillasse(self, *arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "paillasse.cli", *arguments]
        where = {"cwd": self.project.folder, "env": os.environ | self.variables}
        return subprocess.run(command, **where, capture_output=True, text=True)

    def records(self, outcome: str) -> list[dict]:
        lines = map(json.loads, (self.folder / "audit.jsonl").read_text().splitlines())
        return [each for each in lines if each["outcome"] == outcome]


@pytest.fixture(scope="module")
def enclave():
    """One for all tests here, its run executed; each test names a bundle of its own."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        enclave = Enclave(Path(folder))
        done = enclave.paillasse("run")
        assert done.returncode == 0, done.stdout + done.stderr
        yield enclave


@pytest.fixture(scope="module")
def bundle(enclave) -> Path:
    to = enclave.folder / "releases" / "first"
    done = enclave.paillasse("release", "trial", "--to", str(to), "--use", "A paper on <hormones>")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Not in it, because recorded without a safe form: trial/exact" in done.stdout
    return to


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_bundle_holds_safe_forms_and_what_describes_them(bundle):
    assert set(files(bundle)) == {
        "manifest.json", "checker.html", "request.json", "ro-crate-metadata.json",
        "trial/curves.safe.json", "trial/curves.csv", "trial/curves.median.csv", "trial/curves.png",
        "trial/model.safe.json", "trial/model.csv", "trial/model.png",
    }  # fmt: skip
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert [item["item"] for item in manifest["items"]] == ["trial/curves", "trial/model"]
    assert [item["smallest_count"] for item in manifest["items"]] == [10, None]
    assert manifest["runs"][0]["data_sets"][0]["restricted"] is True


def test_no_exact_number_and_nobody_s_pseudonym_is_in_a_bundle(enclave, bundle):
    kept = enclave.project.result("trial")
    exact = {number for name in ("curves", "model") for number in numbers_in((kept / f"{name}.csv").read_text())}
    assert len(exact) > 1000  # the same look at what the run keeps for itself finds them
    pseudonyms = set(enclave.data["id"])
    for name, content in files(bundle).items():
        if not name.endswith(".png"):
            assert not exact & numbers_in(content.decode()), name
            assert not pseudonyms & set(re.findall(r"\w+", content.decode())), name
    curves = pd.read_csv(bundle / "trial" / "curves.csv")
    counts = curves[["n_event", "n_lost"]].to_numpy().ravel()
    assert set(counts % 5) == {0}
    assert counts[counts > 0].min() >= 10


def numbers_in(text: str) -> set[str]:
    """Numbers with so many digits that two are hardly ever the same by chance."""
    found = re.findall(r"(?<![\w.])\d+\.\d+(?:e-?\d+)?(?![\w.])", text)
    return {f"{float(number):.9g}" for number in found if len(number.replace(".", "").lstrip("0")) >= 9}


def test_no_place_and_no_person_is_in_what_leaves(enclave, bundle):
    request = json.loads((bundle / "request.json").read_text())
    decisions = {name: Decision(decide="accept", reason="rounded") for name in ("trial/curves", "trial/model")}
    copy = enclave.folder / "elsewhere" / "all"
    done = enclave.paillasse("release", "trial", "--to", str(copy))
    assert done.returncode == 0, done.stderr
    with pytest.MonkeyPatch.context() as patch:
        for name, value in enclave.variables.items():
            patch.setenv(name, value)
        decide_on(copy, decisions, who="the-checker")
    for name, content in files(accepted_folder(copy)).items():
        if name.endswith(".png"):
            continue
        for secret in (str(enclave.folder), "the-checker", request["requester"], os.uname().nodename, str(Path.home())):
            assert not re.search(rf"(?<!:){re.escape(secret)}\b", content.decode()), (name, secret)  # CSS has `:root`
    crate = json.loads((accepted_folder(copy) / "ro-crate-metadata.json").read_text())
    assert not [entity for entity in crate["@graph"] if entity["@type"] == "Person"]


def test_a_picture_carries_pixels_and_no_text(bundle):
    for path in bundle.rglob("*.png"):
        content, place, kinds = path.read_bytes(), 8, set()
        while place < len(content):
            length = int.from_bytes(content[place : place + 4], "big")
            kinds.add(content[place + 4 : place + 8])
            place += 12 + length
        assert kinds <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}


def test_the_page_opens_without_a_network_and_shows_each_item_with_its_support(bundle):
    page = html.unescape((bundle / "checker.html").read_text(encoding="utf-8"))
    assert "default-src 'none'" in page
    assert not re.findall(r"(?:src|href)=\"(?!#|trial/)", page)
    assert "<script" not in page
    assert "A paper on &lt;hormones&gt;" in (bundle / "checker.html").read_text(encoding="utf-8")
    assert "CSE-12" in page
    assert page.count("none below 11, multiples of 5") == 2
    curves = pd.read_csv(bundle / "trial" / "curves.csv")
    assert page.count("<td>rounded</td>") >= len(curves)


@pytest.mark.slow
def test_the_crate_of_a_bundle_is_a_valid_process_run_crate(bundle, tmp_path):
    (issues,) = issues_of([bundle], tmp_path)
    assert [issue for issue in issues if issue.startswith("REQUIRED")] == []


def test_a_release_is_recorded_beside_the_reads(enclave, bundle):
    digest = hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()
    (released,) = [each for each in enclave.records("released") if each["source_version"] == digest]
    assert (released["data_set"], released["approval"]) == ("trial", "CSE-12")
    assert released["columns"] == ["trial/curves", "trial/model"]
    assert enclave.paillasse("catalog", "audit", "verify").returncode == 0


def test_a_release_that_cannot_be_recorded_leaves_nothing(enclave):
    unrecorded = enclave.folder / "unrecorded"
    unrecorded.mkdir()
    kept = enclave.steward["audit"]
    enclave.steward["audit"] = kept | {"path": "/no/such/folder/audit.jsonl"}
    enclave.write_steward_file()
    try:
        done = enclave.paillasse("release", "trial", "--to", str(unrecorded / "one"))
    finally:
        enclave.steward["audit"] = kept
        enclave.write_steward_file()
    assert done.returncode != 0
    assert list(unrecorded.iterdir()) == []


def test_a_stricter_policy_of_the_steward_since_then_refuses_what_was_made_before(enclave):
    enclave.steward["disclosure"] = {"minimum_cell": 20, "rounding": 10}
    enclave.write_steward_file()
    try:
        done = enclave.paillasse("release", "trial", "--to", str(enclave.folder / "laxer"))
    finally:
        del enclave.steward["disclosure"]
        enclave.write_steward_file()
    assert done.returncode == 9
    assert "its data need 20 and 10" in done.stderr
    assert not (enclave.folder / "laxer").exists()


def test_data_that_the_catalogue_frees_after_the_run_are_not_released(enclave):
    catalogue = enclave.project.folder / "data_catalog.yaml"
    kept = catalogue.read_text()
    freed = yaml.safe_load(kept)
    sources = {"public": {"driver": "csv", "path": "trial.csv"}}
    freed["datasets"]["trial"] |= {"sensitivity": "public", "sources": sources}
    catalogue.write_text(yaml.safe_dump(freed))
    try:
        done = enclave.paillasse("release", "trial", "--to", str(enclave.folder / "freed"))
    finally:
        catalogue.write_text(kept)
    assert done.returncode == 1
    assert "read trial under access control" in done.stderr
    assert not (enclave.folder / "freed").exists()


def test_a_run_that_has_recorded_nothing_has_nothing_to_release(enclave):
    done = enclave.paillasse("release", "other", "--to", str(enclave.folder / "nothing"))
    assert done.returncode == 1
    assert "other: it has recorded no result that may leave" in done.stderr


def test_who_asks_cannot_decide(enclave, bundle):
    done = enclave.paillasse("release", "--decide", str(bundle), "--decisions", "nowhere.yaml")
    assert done.returncode == 1
    assert "another person decides" in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs another user of the system")
def test_another_user_accepts_one_item_and_refuses_the_other(enclave, bundle):
    decisions = enclave.folder / "decisions.yaml"
    model = "trial/model: {decide: refuse, reason: not needed for the paper}"
    decisions.write_text(f"decisions:\n  trial/curves: {{decide: accept, reason: counts of 11}}\n  {model}\n")
    for place in [enclave.folder, *enclave.folder.rglob("*")]:  # as a group's folder would be
        place.chmod(stat.S_IMODE(place.stat().st_mode) | (0o777 if place.is_dir() else 0o666))
    import paillasse.catalog.audit.file
    import paillasse.cli
    import paillasse.release.command  # all before the fork: the other user may not read the environment

    child = os.fork()
    if child == 0:
        status = 70
        try:
            os.setgid(65534)
            os.setuid(65534)
            os.environ |= enclave.variables
            arguments = ["release", "--decide", str(bundle), "--decisions", str(decisions)]
            paillasse.cli.main(arguments, standalone_mode=False)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    leaving = accepted_folder(bundle)
    assert {name for name in files(leaving) if "/" in name} == {
        "trial/curves.safe.json", "trial/curves.csv", "trial/curves.median.csv", "trial/curves.png",
    }  # fmt: skip
    assert not [name for name, content in files(leaving).items() if b"trial/model" in content]
    assert all(content == files(bundle)[name] for name, content in files(leaving).items() if "/" in name)
    done = json.loads((bundle / "decisions.json").read_text())
    assert done["decider"] != done["requester"]
    assert done["decisions"]["trial/model"] == {"decide": "refuse", "reason": "not needed for the paper"}
    (recorded,) = [each for each in enclave.records("decided") if each["who"] == done["decider"]]
    assert recorded["columns"] == ["trial/curves"]
    assert recorded["source_version"] == done["manifest_sha256"]


def test_a_later_release_of_a_few_patients_more_is_told(enclave, bundle):
    enclave.write_data(enclave.data[enclave.data.index >= 6])
    done = enclave.paillasse("run", "trial")
    assert done.returncode == 0, done.stdout + done.stderr
    second = enclave.folder / "releases" / "second"
    done = enclave.paillasse("release", "trial", "--to", str(second))
    assert done.returncode == 0, done.stderr
    done = enclave.paillasse("release", "--review", str(second))
    assert done.returncode == 0
    assert done.stdout.startswith("Beside first")
    few = re.findall(r"tells of few\. n of median, [01]: (\d+), then (\d+): from 1 to 9 fewer", done.stdout)
    assert few, done.stdout
    assert all(Policy(11, 5).rounding == int(before) - int(now) for before, now in few)
    assert "from 1 to 9 fewer" in (second / "checker.html").read_text(encoding="utf-8")
