"""Every leak of the corpus is found and named without its value; what only looks like one is not."""

import re

import pytest
from scan_corpus import CLEAN, DATA, LEAKS

from paillasse.scan.known import known_near
from paillasse.scan.scanner import scan


@pytest.fixture(scope="module")
def known():
    return known_near([])


def test_the_corpus_is_as_large_as_it_should_be():
    assert len(LEAKS) >= 40
    assert len(CLEAN) >= 20


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_found(name, tmp_path, known):
    LEAKS[name](tmp_path)
    report = scan([tmp_path], known)
    assert report.files == 1
    assert not report.ok


@pytest.mark.parametrize("name", CLEAN)
def test_what_is_no_leak_passes(name, tmp_path, known):
    CLEAN[name](tmp_path)
    report = scan([tmp_path], known)
    assert report.files == 1
    assert report.ok, [(each.kind, each.place) for each in report.leaks]


def test_no_report_shows_a_value_that_was_found(tmp_path, known):
    for make in LEAKS.values():
        make(tmp_path)
    text = scan([tmp_path], known).as_json()
    text = re.sub(r'"(?:hash|file|path)": "[^"]*"', "", text)
    shown = set(re.findall(r"[\w.]+", text))
    assert not {"Dupont", "hunter22", "8001234567", "mdupont"} & shown
    assert not {str(pid) for pid in DATA["pid"]} & shown


def test_the_finding_says_where_what_and_how_many(tmp_path, known):
    LEAKS["head_as_html"](tmp_path)
    (finding,) = scan([tmp_path], known).leaks
    assert (finding.cell, finding.output, finding.mime) == (1, 1, "text/html")
    assert (finding.kind, finding.patients) == ("rows", 5)
    assert finding.remedy
