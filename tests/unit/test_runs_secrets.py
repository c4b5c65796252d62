"""Secrets are refused in runs.yaml, whose values are copied to results and pages."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paillasse.credentials import looks_secret
from paillasse.errors import RunError
from paillasse.runs.declared import read_runs

SECRET = "hunter2"
CELL = """\
source = ""
options = {}
password = None
pin = ""  # secret: of the archive
tau = 5
"""


def refusal(folder, entry: str) -> str:
    cell = {"cell_type": "code", "source": CELL, "metadata": {"tags": ["parameters"]}}
    (folder / "n.ipynb").write_text(json.dumps({"cells": [cell], "nbformat": 4}))
    (folder / "runs.yaml").write_text(f"runs:\n- name: km\n  notebook: n.ipynb\n{entry}")
    with pytest.raises(RunError) as error:
        read_runs(folder)
    assert SECRET not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("entry", "where"),
    [
        (f"  parameters:\n    tau: 3\n    password: {SECRET}\n", "runs.yaml:6: runs[0].parameters.password: "),
        (f"  parameters:\n    tau: 3\n    pin: {SECRET}\n", "runs.yaml:6: runs[0].parameters.pin: "),
        (f"  parameters: {{api_key: [{SECRET}]}}\n", "runs.yaml:4: runs[0].parameters.api_key: "),
        (f"  grid:\n    source:\n    - a\n    - pg://me:{SECRET}@host/db\n", "runs.yaml:7: runs[0].grid.source[1]: "),
        (f"  parameters: {{options: {{db: {{passwd: {SECRET}}}}}}}\n", "runs.yaml:4: runs[0].parameters.options: "),
    ],
)
def test_a_secret_is_refused_with_line_and_key_and_is_not_shown(tmp_path, entry, where):
    message = refusal(tmp_path, entry)
    assert message.startswith(where)
    assert "credentials come from the environment only" in message


NAMES_OF_SECRETS = """\
password db_password dbPassword PGPASSWORD passwd user_pwd passphrase api_key apiKey api-key token TOKEN_2 auth_token
secret client_secret aws_secret_access_key AWS_ACCESS_KEY_ID credentials gcp_credentials private_key dsn pg_dsn
connection_string"""
NAMES_OF_OTHERS = """\
n_tokens max_tokens tokenizer secretory secretion key sort_key patient_key primary_key pass bypass compass author
keyword tau endpoint"""


@pytest.mark.parametrize("name", NAMES_OF_SECRETS.split())
def test_a_name_that_looks_like_a_secrets_is_known(name):
    assert looks_secret(name, None)


@pytest.mark.parametrize("name", NAMES_OF_OTHERS.split())
def test_what_a_study_calls_its_parameters_is_no_secret(name):
    assert not looks_secret(name, "death")


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://u:p@h/db",
        "postgresql://:p@h",
        "https://tok:x@h",
        "https://h/x?api_key=abc",
        "host=h password=abc",
        "Server=x;Pwd=1",
        "token: abc",
        "AKIAABCDEFGHIJKLMNOP",
        "-----BEGIN RSA PRIVATE KEY-----\nx",
        "ghp_" + "a" * 36,
        "eyJhbGciOi.eyJzdWIi.x",
        {"a": {"token": ""}},
    ],
)
def test_a_value_that_looks_like_a_secret_is_known(value):
    assert looks_secret("source", value)


@pytest.mark.parametrize(
    "value",
    [
        "age + C(stage)",
        "C(token)",
        "s3://bucket/key",
        "http://host:8080/a",
        "postgresql://reader@host/db",
        "${PAILLASSE_DSN}",
        "2026-01-01T10:00:00",
        "a@b.fr",
        ["death", "relapse"],
        {"age": 50},
        5,
        None,
    ],
)
def test_what_a_study_gives_to_its_parameters_is_no_secret(value):
    assert not looks_secret("source", value)


@given(
    st.recursive(
        st.just(f"x://u:{SECRET}@h"), lambda inner: st.lists(inner, min_size=1) | st.fixed_dictionaries({"a": inner})
    )
)
def test_a_secret_is_found_at_any_depth(value):
    assert looks_secret("source", value)
