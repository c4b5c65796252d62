"""The extension's part of Jupyter Server: behind its token and prefix, deaf to hostile requests."""

import http.client
import json
from urllib.parse import urlsplit

import pytest
from lab_server import lab_server
from toy_catalog import entry

NOTEBOOK = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home d'été")
    study = folder / "study"
    study.mkdir()
    entry(study)
    (folder.parent / "outside").mkdir(exist_ok=True)
    entry(folder.parent / "outside")
    (folder / "link").symlink_to(folder.parent / "outside")
    return folder


@pytest.fixture(scope="module")
def server(root, tmp_path_factory):
    """A server behind a prefix, as JupyterHub gives each user one."""
    with lab_server(root, tmp_path_factory.mktemp("settings"), "--ServerApp.base_url=/user/ada/") as running:
        yield running


def test_the_catalogue_is_served_behind_the_prefix(server):
    status, told = server.ask("catalog", path="study/km.ipynb")
    assert status == 200
    assert [each["name"] for each in told["data_sets"]] == ["toy"]
    assert server.ask("catalog/toy", path="study")[1]["title"] == "Toys"
    assert len(server.ask("catalog/toy/preview", path="study")[1]["rows"]) == 3


RUN_ID = "20261121T100000000000Z-aaaa"


@pytest.mark.parametrize(
    "route",
    [
        "catalog",
        "catalog/toy",
        "catalog/toy/preview",
        "runs",
        "runs/reasons",
        f"runs/km/{RUN_ID}",
        "form",
        "analyses",
        "doctor",
    ],
)
def test_without_the_token_nothing_is_told(server, route):
    status, told = server.ask(route, token="wrong", path="study")
    assert status == 403
    assert "Toys" not in json.dumps(told)


@pytest.mark.parametrize("route", ["scan", "runs/start", "runs/stop", "form/start", "form/add", "analyses/new"])
def test_without_the_token_nothing_is_judged_started_stopped_or_written(server, route):
    assert server.ask(route, {"path": "study"}, token="")[0] == 403


def test_the_doctor_says_what_is_wrong_and_how_it_is_mended(server):
    status, told = server.ask("doctor", path="study")
    assert status == 200
    (found,) = [each for each in told if each["check"] == "environment"]
    assert (found["state"], found["mend"]) == ("wrong", "python3 in_env.py paillasse doctor")


OUTSIDE = ["../outside", "link", "link/a.ipynb", "study/../../outside", "/../outside", ".x", "a\\b"]


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_that_leads_out_is_refused(server, path):
    reads = [
        ("catalog", None),
        ("catalog/toy", None),
        ("runs", None),
        ("form", None),
        ("analyses", None),
        ("doctor", None),
    ]
    sent = [
        ("scan", {"notebook": NOTEBOOK}),
        ("runs/start", {}),
        ("form/start", {"name": "a"}),
        ("form/add", {"name": "a"}),
    ]
    for route, body in [*reads, *((route, {"path": path} | body) for route, body in sent)]:
        status, told = server.ask(route, body, path=path)
        assert status == 403
        assert "Toys" not in json.dumps(told)


@pytest.mark.parametrize("name", ["..%2f..%2fetc", "%2e%2e", "Toy", "toy%00", "toy;x", "__class__", "a" * 300])
def test_a_name_that_none_has_finds_nothing(server, name):
    assert server.ask(f"catalog/{name}", path="study")[0] in (404, 422)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"null",
        b"\xff",
        {"path": "study/a.ipynb"},
        {"path": 7, "notebook": NOTEBOOK},
        {"path": "study/a.ipynb", "notebook": "Dupont"},
        {"path": "study/a.ipynb", "notebook": NOTEBOOK, "allowed": "all"},
        {"path": "a" * 5000, "notebook": NOTEBOOK},
    ],
)
def test_a_request_that_is_not_understood_is_refused_without_its_content(server, body):
    status, told = server.ask("scan", body)
    assert status == 400
    assert "Dupont" not in json.dumps(told)


@pytest.mark.parametrize("name", ["../outside", "-x", "--on", "a/b", "", "a b", "x" * 300, 7, None, ["km"]])
def test_only_what_can_be_the_name_of_a_run_is_started_or_stopped(server, name):
    assert server.ask("runs/stop", {"path": "study", "name": name})[0] == 400
    assert server.ask("runs/start", {"path": "study", "names": [name]})[0] == 400
    for route in ("form/add", "form/start", "analyses/new"):
        assert server.ask(route, {"path": "study/a.ipynb", "name": name})[0] == 400


@pytest.mark.parametrize(
    "place", [f"..%2f..%2f/{RUN_ID}", f"../{RUN_ID}", "km/..", f"km/{RUN_ID}%2f..", f".locks/{RUN_ID}"]
)
def test_a_result_that_cannot_be_is_not_found(server, place):
    assert server.ask(f"runs/{place}", path="study")[0] == 404


def test_a_result_that_is_no_longer_there_is_said_to_be(server):
    status, told = server.ask(f"runs/km/{RUN_ID}", path="study")
    assert status == 422
    assert "any more" in told["message"]


def test_only_notebooks_are_judged(server):
    assert server.ask("scan", {"path": "study/a.csv", "notebook": NOTEBOOK})[0] == 422


def test_another_page_cannot_ask_in_the_name_of_who_is_logged_in(server):
    """A cookie without the token of the page itself, as a form of another site would send it."""
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
    connection.request("GET", f"{place.path}lab?token={server.token}")
    cookie = connection.getresponse().getheader("Set-Cookie").split(";")[0]
    connection.close()
    body = json.dumps({"path": "study/a.ipynb", "notebook": NOTEBOOK})
    connection.request(
        "POST", f"{place.path}paillasse/api/scan", body, {"Cookie": cookie, "Origin": "http://evil.example"}
    )
    assert connection.getresponse().status in (403, 404)
    connection.close()
