"""scan-allow.yaml: one output, by its hash, until a day; never a whole notebook, never a secret."""

import datetime
import json

import pytest
from scan_corpus import DATA as PATIENTS
from scan_corpus import LEAKS, bundle, code, frame_html, notebook, save

from paillasse.errors import CatalogError
from paillasse.scan.allow import read_allowed
from paillasse.scan.known import Known
from paillasse.scan.scanner import scan

TOMORROW = datetime.date.today() + datetime.timedelta(days=1)


def entry(digest: str, expires=TOMORROW) -> str:
    return (
        f"allowed:\n- {{hash: {digest}, dataset: toy, reason: a lecture, reviewer: A. Steward, expires: {expires}}}\n"
    )


@pytest.fixture
def leak(tmp_path):
    LEAKS["head_as_html"](tmp_path)
    (finding,) = scan([tmp_path], Known()).leaks
    return tmp_path, finding.hash


def judged(folder, text: str):
    (folder / "scan-allow.yaml").write_text(text, encoding="utf-8")
    allowed = read_allowed(folder)
    (folder / "scan-allow.yaml").unlink()
    return scan([folder], Known(), allowed=allowed)


def test_an_output_that_was_reviewed_is_allowed(leak):
    folder, digest = leak
    report = judged(folder, entry(digest))
    assert report.ok
    assert [(each.status, each.dataset) for each in report.findings] == [("allowed", "toy")]


def test_an_entry_that_has_ended_allows_nothing_and_says_so(leak):
    folder, digest = leak
    report = judged(folder, entry(digest, "2020-01-01"))
    assert not report.ok
    assert "until 2020-01-01" in report.leaks[0].note


def test_a_changed_output_has_to_be_reviewed_again(leak):
    folder, digest = leak
    save(folder, "head_as_html.ipynb", notebook(code("df", bundle({"text/html": frame_html(PATIENTS.head(4))}))))
    assert not judged(folder, entry(digest)).ok


def test_the_hash_does_not_depend_on_how_the_json_is_laid_out(leak):
    folder, digest = leak
    file = folder / "head_as_html.ipynb"
    file.write_text(json.dumps(json.loads(file.read_text()), indent=1, sort_keys=True))
    assert judged(folder, entry(digest)).ok


@pytest.mark.parametrize("name", ["password_in_a_source", "social_security_number"])
def test_a_secret_is_never_allowed(tmp_path, name):
    LEAKS[name](tmp_path)
    (finding,) = scan([tmp_path], Known()).leaks
    assert not judged(tmp_path, entry(finding.hash)).ok


@pytest.mark.parametrize(
    "text", ["allowed: [{hash: abc}]", "allowed: {}", "all: []", entry("0" * 64).replace("reviewer: A. Steward, ", "")]
)
def test_a_mistake_in_the_file_stops_the_scan(tmp_path, text):
    (tmp_path / "scan-allow.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CatalogError, match="scan-allow.yaml:"):
        read_allowed(tmp_path)
