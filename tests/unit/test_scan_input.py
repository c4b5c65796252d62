"""What cannot be read is named and not passed; nothing makes the scan run out of memory or time."""

import gzip
import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner

from paillasse.cli import main
from paillasse.errors import InputError
from paillasse.scan import dissection
from paillasse.scan.known import Known
from paillasse.scan.scanner import scan

NOTEBOOK = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def unreadable(path) -> str:
    report = scan([path], Known())
    assert not report.ok
    return " ".join(each.note for each in report.leaks if each.kind == "unreadable")


@pytest.mark.parametrize(
    "content", [b"", b"   \n", b"not JSON", b'{"cells": [{"cell_type"', b"<<<<<<< HEAD\n{}", b"[1, 2]", b"{}"]
)
def test_a_notebook_that_is_none_is_not_passed(tmp_path, content):
    file = tmp_path / "n.ipynb"
    file.write_bytes(content)
    assert "notebook" in unreadable(file)


def test_a_truncated_notebook_is_looked_into_all_the_same(tmp_path):
    text = json.dumps(NOTEBOOK | {"cells": [{"cell_type": "raw", "source": "IPP: 8001234567", "metadata": {}}]})
    (tmp_path / "n.ipynb").write_text(text[:-20])
    kinds = {each.kind for each in scan([tmp_path], Known()).leaks}
    assert kinds == {"unreadable", "hospital number"}


def test_a_file_too_large_to_read_is_named(tmp_path):
    file = tmp_path / "large.ipynb"
    with file.open("wb") as sparse:
        sparse.truncate(500_000_000)
    assert "larger than" in unreadable(file)


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000, "[" * 5000 + "]" * 5000])
def test_json_nested_without_end_is_not_passed(tmp_path, deep):
    for name in ("deep.json", "deep.ipynb"):
        (tmp_path / name).write_text(deep)
        assert unreadable(tmp_path / name)


def test_a_bomb_ends_at_the_budget_and_not_at_the_memory(tmp_path):
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w", force_zip64=True) as member,
    ):
        np.lib.format.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": (300_000_000,)})
        for _ in range(600):
            member.write(bytes(1 << 20))
    (tmp_path / "bomb.npz").write_bytes(packed.getvalue())
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(gzip.compress(bytes(600 << 20), 1), 1))
    code = (
        "import resource, sys; from paillasse.scan.scanner import scan; from paillasse.scan.known import Known\n"
        "report = scan(sys.argv[1:], Known()); print(*[each.note for each in report.leaks], sep='|')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    files = [str(tmp_path / name) for name in ("bomb.npz", "bomb.gz")]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=True, timeout=120)
    notes, megabytes = done.stdout.splitlines()
    assert notes.count("unpacks to more") == 2
    assert int(megabytes) < 2000


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.bin", bytes(range(256)) * 4),
        ("x.npz", b"PK\x03\x04" + bytes(60)),
        ("x.parquet", b"PAR1" + bytes(60) + b"PAR1"),
        ("x.gz", b"\x1f\x8b\x08" + bytes(20)),
        ("x.pdf", b"%PDF-1.7 nothing"),
        ("x.db", b"SQLite format 3\x00" + bytes(100)),
        ("x.pkl", b"\x80\x04\x95\xff\xff"),
        ("x.xlsx", b"PK\x05\x06" + bytes(18)),
        ("x.json", b'{"a": [1, 2'),
    ],
)
def test_a_damaged_or_unknown_file_is_not_passed(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    if name == "x.xlsx":  # an archive of nothing holds nothing
        assert scan([tmp_path], Known()).ok
    else:
        assert unreadable(tmp_path / name)


def test_an_encrypted_archive_is_not_passed(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", "x")
    content = bytearray(packed.getvalue())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    assert "encrypted" in unreadable(tmp_path / "a.zip")


def test_a_pickle_is_never_run(tmp_path):
    trap = tmp_path / "ran"
    (tmp_path / "trap.pkl").write_bytes(b"cos\nsystem\n(S'touch " + str(trap).encode() + b"'\ntR.")
    scan([tmp_path / "trap.pkl"], Known())
    assert not trap.exists()


def test_a_parser_that_fails_in_its_own_way_passes_nothing(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("x")
    monkeypatch.setattr(dissection.Dissection, "content", lambda *_: 1 / 0)
    assert "cannot be taken apart (ZeroDivisionError)" in unreadable(tmp_path / "a.txt")


def test_a_path_that_is_not_there_is_an_error_and_no_success(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        scan([tmp_path / "nothing"], Known())


@pytest.mark.parametrize(("text", "code"), [("a = 1", 0), ("IPP: 8001234567", 1)])
def test_the_command_exits_1_only_if_it_finds_something(tmp_path, monkeypatch, text, code):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text(text)
    plain = CliRunner().invoke(main, ["scan", "a.py"])
    as_json = CliRunner().invoke(main, ["scan", "a.py", "--json"])
    assert (plain.exit_code, as_json.exit_code) == (code, code)
    assert json.loads(as_json.output)["ok"] is (code == 0)
    assert "8001234567" not in plain.output + as_json.output


def test_without_a_path_all_that_git_would_take_is_scanned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet"], check=True)
    (tmp_path / ".gitignore").write_text("/runs/\n")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a.txt").write_text("IPP: 8001234567")
    assert CliRunner().invoke(main, ["scan"]).exit_code == 0
    assert CliRunner().invoke(main, ["scan", "runs"]).exit_code == 1
    (tmp_path / "b.txt").write_text("IPP: 8001234567")
    assert CliRunner().invoke(main, ["scan"]).exit_code == 1
