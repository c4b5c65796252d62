"""Writing files in one step."""

import os

import pytest

from paillasse.files import write_atomically


@pytest.mark.parametrize("content", ["été\n1\r\n", "été\n1\r\n".encode()])
def test_a_file_holds_the_content_byte_for_byte(tmp_path, content):
    write_atomically(tmp_path / "a b.txt", content)
    assert (tmp_path / "a b.txt").read_bytes() == "été\n1\r\n".encode()


def test_a_file_that_was_there_keeps_its_mode(tmp_path):
    file = tmp_path / "secret.csv"
    file.touch()
    file.chmod(0o600)
    write_atomically(file, "new")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("new", 0o600)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_at_any_step_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch, step):
    def crash(*arguments):
        raise OSError("No space left on device")

    file = tmp_path / "run.json"
    file.write_text("old")
    monkeypatch.setattr(os, step, crash)
    with pytest.raises(OSError, match="No space"):
        write_atomically(file, "new")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("run.json", "old")]
