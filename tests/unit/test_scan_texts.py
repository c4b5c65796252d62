"""What tells in a text who a patient is, each alone in a file of words."""

import base64

import pytest

from paillasse.scan.known import Known
from paillasse.scan.scanner import scan

KEY = "Zk3" * 8
SECRETS = [
    "postgresql://reader:hunter22@host/db", f"Password = {KEY}", f"passwd: {KEY}", f"PWD={KEY}", f"secret: {KEY}",
    f"Token={KEY}", f"apikey={KEY}", f"API_KEY: {KEY}", "-----BEGIN RSA PRIVATE KEY-----", "AKIA" + "Q7" * 8,
    "ASIA" + "Q7" * 8, *(f"{mark}{KEY}" for mark in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-")),
    *(f"{mark}{KEY}" for mark in ("hf_", "sk-", "xoxa-", "xoxb-", "xoxp-", "xoxr-")), f"eyJ{KEY}.eyJ{KEY}",
]  # fmt: skip
NUMBERS = ["NIR 185057800608436", "INS : 185057800608436", "sécu 185057800608436", "sécurité sociale 185057800608436"]
SEQUENCES = [">read\n" + "ACGT" * 10, "@read\n" + "ACGT" * 10 + "\n+", "PID|1||7^^^H", "BEGIN:VCARD "]
BYTES = ("Table of the ward\n" + "\n".join(f"{n} {40 + n * 7 % 45}" for n in range(30))).encode()


def kinds_in(tmp_path, text: str) -> set[str]:
    (tmp_path / "notes.txt").write_text(text, encoding="utf-8")
    return {each.kind for each in scan([tmp_path], Known()).leaks}


@pytest.mark.parametrize("secret", SECRETS, ids=range(len(SECRETS)))
def test_a_secret_is_found(tmp_path, secret):
    assert kinds_in(tmp_path, f"to connect: {secret} \n") == {"secret"}


@pytest.mark.parametrize("number", NUMBERS)
def test_a_social_security_number_without_its_key_is_found(tmp_path, number):
    assert "social security number" in kinds_in(tmp_path, number[:-2])


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_a_sequence_or_a_message_about_one_person_is_found(tmp_path, sequence):
    assert "sequence" in kinds_in(tmp_path, f"{sequence}\n")


def test_the_same_letters_with_other_numbers_are_identifiers(tmp_path):
    assert "identifiers" in kinds_in(tmp_path, "QRX-10482 left, QRX-10519 stayed.\nQRX-11920 too, and QRX-12833.\n")


@pytest.mark.parametrize("width", [76, 10_000])
def test_bytes_in_letters_are_opened_in_long_lines_and_in_short_ones(tmp_path, width):
    letters = base64.b64encode(BYTES).decode()
    lines = "\n".join(letters[i : i + width] for i in range(0, len(letters), width))
    assert kinds_in(tmp_path, f"Attached:\n{lines}\n") == kinds_in(tmp_path, BYTES.decode()) != set()


def test_bytes_in_hexadecimal_are_opened(tmp_path):
    assert kinds_in(tmp_path, f"Attached: {BYTES.hex()}\n") == kinds_in(tmp_path, BYTES.decode()) != set()
