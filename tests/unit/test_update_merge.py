"""What two sides have changed in one notebook, or in one lock, is merged into a notebook, and a lock."""

import json
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from paillasse.errors import ProjectError
from paillasse.project.lock import merge_locks, read_lock
from paillasse.project.merge import merge_notebooks


def notebook(*sources: str, shown: str = "1", **metadata) -> bytes:
    """A title, then a code cell for each source, each with an output."""
    cells = [new_markdown_cell("# Title", id="title")]
    for count, source in enumerate(sources, start=1):
        data = {"text/plain": f"{shown}.{count}", "text/html": f"<b>{shown}.{count}</b>"}
        output = new_output("execute_result", data=data, execution_count=count)
        cells.append(new_code_cell(source, id=f"cell-{count}", execution_count=count, outputs=[output]))
    return nbformat.writes(new_notebook(cells=cells, metadata=metadata)).encode("utf-8")


def merged(old: bytes, team: bytes, new: bytes):
    """The merged notebook, which must be a valid one, and whether it has a conflict."""
    content, in_conflict = merge_notebooks(old, team, new)
    read = nbformat.reads(content.decode("utf-8"), as_version=nbformat.NO_CONVERT)
    nbformat.validate(read)
    assert len({cell.id for cell in read.cells}) == len(read.cells)
    return read, in_conflict


def test_other_cells_are_merged():
    old, team, new = notebook("a = 1", "fit()"), notebook("a = 2", "fit()"), notebook("a = 1", "fit(ties='efron')")
    read, in_conflict = merged(old, team, new)
    assert not in_conflict
    assert [cell.source for cell in read.cells] == ["# Title", "a = 2", "fit(ties='efron')"]


def test_outputs_that_both_have_executed_anew_ask_nobody():
    old, team = notebook("a = 1", "fit()"), notebook("a = 2", "fit()", shown="2")
    read, in_conflict = merged(old, team, notebook("a = 1", "fit(1)", shown="3"))
    assert not in_conflict
    assert [cell.source for cell in read.cells[1:]] == ["a = 2", "fit(1)"]
    assert [cell.outputs[0].data["text/plain"] for cell in read.cells[1:]] == ["2.1", "2.2"]


CONFLICTS = {
    "the same line": (notebook("a = 1"), notebook("a = 2"), notebook("a = 3")),
    "deleted by the team": (notebook("a = 1", "fit()"), notebook("a = 1"), notebook("a = 1", "fit(1)")),
    "deleted by the template": (notebook("a = 1", "fit()"), notebook("a = 1", "fit(2)"), notebook("a = 1")),
    "new at the same place": (notebook("a"), notebook("a", "ours()"), notebook("a", "theirs()")),
    "both replaced all": (notebook("a", "b"), notebook("c", "d", "e"), notebook("f", "g")),
    "from nothing": (notebook(), notebook("ours()"), notebook("theirs()")),
}


@pytest.mark.parametrize(("old", "team", "new"), CONFLICTS.values(), ids=CONFLICTS)
def test_a_conflict_is_inside_a_valid_notebook_with_marks(old, team, new):
    read, in_conflict = merged(old, team, new)
    assert in_conflict
    text = "\n".join(cell.source for cell in read.cells)
    assert "<<<<<<< yours" in text or "<<<<<<< template: cell deleted" in text
    assert "local" not in text.lower() and "remote" not in text.lower()


def test_metadata_that_both_changed_leave_a_notebook():
    old, team, new = (notebook("a", kernelspec={"name": name, "display_name": name}) for name in ("x", "y", "z"))
    read, in_conflict = merged(old, team, new)
    assert in_conflict and read.cells[1].source == "a"


def test_a_notebook_from_before_cells_had_ids_is_one_too():
    def old_format(content: bytes) -> bytes:
        read = json.loads(content) | {"nbformat_minor": 4}
        for cell in read["cells"]:
            del cell["id"]
        return json.dumps(read).encode("utf-8")

    old, team, new = (old_format(notebook(source)) for source in ("a\nb\nc", "a\nb\nc\nd", "z\na\nb\nc"))
    for template_s in (new, notebook("z\na\nb\nc")):
        content, in_conflict = merge_notebooks(old, team, template_s)
        read = nbformat.reads(content.decode("utf-8"), as_version=nbformat.NO_CONVERT)
        nbformat.validate(read)
        assert (read.cells[1].source, in_conflict) == ("z\na\nb\nc\nd", False)


@pytest.mark.parametrize("content", [b"", b"<<<<<<< HEAD", b"[]", b'{"cells": []}', b"\xff"])
def test_what_is_no_notebook_is_refused(content):
    with pytest.raises(Exception):  # noqa: B017  whatever the reader raises
        merge_notebooks(notebook("a"), content, notebook("b"))


def package(name: str, version: str, via: str = "somebody", marker: str = "") -> str:
    return f"{name}=={version}{marker} \\\n    --hash=sha256:{version}\n    # via {via}\n"


def test_a_lock_keeps_the_packages_of_both_and_the_template_s_version_where_both_changed(tmp_path):
    old = package("click", "8") + package("numpy", "2.3") + package("rich", "14") + package("six", "1")
    team = package("click", "8", "a, b") + package("cowsay", "6") + package("numpy", "2.4") + package("rich", "14.1")
    new = package("click", "8", "c") + package("dask", "1") + package("numpy", "2.5") + package("rich", "14")
    new += package("six", "1")
    text, taken = merge_locks(old, team, new)
    (tmp_path / "requirements.lock").write_text(text, encoding="utf-8")
    read = {each.name: each.version for each in read_lock(tmp_path / "requirements.lock")}
    assert read == {"click": "8", "cowsay": "6", "dask": "1", "numpy": "2.5", "rich": "14.1"}
    assert taken == ["numpy"]


def test_a_package_that_is_locked_twice_for_two_platforms_stays_so():
    both = package("ipython", "8", marker=" ; python_full_version < '3.12'")
    both += package("ipython", "9", marker=" ; python_full_version >= '3.12'")
    newer = both.replace("ipython==9", "ipython==9.1").replace("sha256:9", "sha256:9.1")
    text, taken = merge_locks(both, both + package("zzz", "1"), newer)
    assert (text, taken) == (newer + package("zzz", "1"), [])


def test_the_order_of_a_lock_is_the_one_that_make_lock_gives_it():
    text = (Path(__file__).parents[2] / "requirements.lock").read_text(encoding="utf-8")
    assert merge_locks(text, text, text) == (text, [])


def test_a_lock_in_the_midst_of_a_merge_is_none():
    lock = package("numpy", "2")
    with pytest.raises(ProjectError, match="'<<<<<<< HEAD' is no package of a lock"):
        merge_locks(lock, f"<<<<<<< HEAD\n{lock}", lock)
