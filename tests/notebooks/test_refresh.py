"""Refreshing: what is stored, what is refused, and that a failure leaves the file as it was."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from nbformat import v4

from paillasse.errors import NotebookError
from paillasse.notebooks.refresh import refresh

pytest_plugins = ["pytester"]


@pytest.fixture
def notebook(tmp_path):
    """Write a notebook of these sources, not run yet."""

    def write(*sources, name="study.ipynb"):
        path = tmp_path / name
        cells = [v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
        nbformat.write(v4.new_notebook(cells=cells), path)
        return path

    return write


def edit(path, position, **fields):
    """Change a cell of a stored notebook, as a person would."""
    content = nbformat.read(path, as_version=4)
    content.cells[position].update(fields)
    nbformat.write(content, path)


def texts(path):
    outputs = [cell.outputs for cell in nbformat.read(path, as_version=4).cells]
    return [each[0].get("data", {}).get("text/plain") if each else None for each in outputs]


RANDOM = """
import pandas as pd, plotly.graph_objects as go
from IPython.display import display
display(object(), pd.DataFrame({"a": [0.5]}).style, go.Figure(go.Scatter(y=pd.Series([1.0, 0.5]))))
"""


def test_outputs_are_stored_for_the_first_time_and_the_second_time_changes_no_byte(notebook, pytester):
    path = notebook("x = 1", "", RANDOM, "x + 1")
    (first,) = refresh([path])
    content = path.read_bytes()
    (second,) = refresh([path])
    assert (first.state, first.first_time, first.changes) == ("stored", 2, ())
    assert (second.state, path.read_bytes()) == ("unchanged", content)
    cells = json.loads(content)["cells"]
    assert [cell["execution_count"] for cell in cells] == [1, None, 2, 3]
    assert [cell["id"] for cell in cells] == ["cell-0", "cell-1", "cell-2", "cell-3"]
    assert content.endswith(b"}\n") and b'"plotlyServerURL": ""' in content and b'"showSendToCloud": false' in content
    pytester.runpytest("--nbval", "--rootdir", str(path.parent), str(path)).assert_outcomes(passed=4)


def test_changed_numbers_are_refused_until_accepted(notebook):
    path = notebook("0.5", "'unchanged'")
    refresh([path])
    edit(path, 0, source="0.6")
    content = path.read_bytes()

    (refused,) = refresh([path])
    assert (refused.state, path.read_bytes()) == ("refused", content)
    assert "[1] 0.6" in refused.report() and "stored '0.5', now '0.6'" in refused.report()
    assert "-  0.5\n+  0.6" in refused.diff

    (accepted,) = refresh([path], accept=True)
    assert (accepted.state, texts(path)) == ("stored", ["0.6", "'unchanged'"])


def test_changed_words_are_stored_and_shown(notebook):
    path = notebook("'a median of 3.5'")
    refresh([path])
    edit(path, 0, source="'the median: 3.5'")
    (done,) = refresh([path])
    assert (done.state, texts(path)) == ("stored", ["'the median: 3.5'"])
    assert "stored \"'a median of 3.5'\"" in done.report()


def test_noise_below_the_tolerance_keeps_the_stored_bytes(notebook):
    path = notebook("0.5")
    refresh([path])
    edit(path, 0, source="0.5 + 1e-12")
    (done,) = refresh([path])
    assert (done.state, texts(path)) == ("unchanged", ["0.5"])


def test_an_image_that_looks_different_is_stored_without_a_question(notebook):
    source = "from IPython.display import display\ndisplay({{'image/png': '{}'}}, raw=True)"
    path = notebook(source.format("AAAA"))
    refresh([path])
    edit(path, 0, source=source.format("BBBB"))
    (done,) = refresh([path])
    assert done.state == "stored" and "BBBB" in str(json.loads(path.read_text())["cells"][0]["outputs"])


def test_an_ignored_output_is_never_refused(notebook):
    path = notebook("# NBVAL_IGNORE_OUTPUT\nimport random\nrandom.random()")
    refresh([path])
    assert refresh([path])[0].state == "stored"


def test_what_is_volatile_or_of_one_machine_is_not_stored(notebook):
    path = notebook("import warnings\nwarnings.warn('careful')")
    content = nbformat.read(path, as_version=4)
    content.metadata.update(
        {
            "papermill": {"duration": 3.0},
            "widgets": {},
            "title": "Ours",
            "kernelspec": {"name": "mine", "display_name": "Mine", "language": "python"},
            "language_info": {"name": "python", "version": "3.11.7"},
        }
    )
    content.cells[0].metadata.update(
        {"execution": {"iopub.status.busy": "2026"}, "collapsed": True, "papermill": {}, "tags": ["parameters"]}
    )
    nbformat.write(content, path)
    refresh([path])
    stored = json.loads(path.read_text())
    assert stored["metadata"].keys() == {"kernelspec", "language_info", "title"}
    assert (
        stored["metadata"]["kernelspec"]["name"] == "python3" and "version" not in stored["metadata"]["language_info"]
    )
    assert stored["cells"][0]["metadata"] == {"tags": ["parameters"]}
    assert stored["cells"][0]["outputs"][0]["text"][0].startswith("<cell>:2: UserWarning")


def test_a_failing_cell_is_named_and_leaves_its_file_but_not_the_others(notebook):
    bad, good = notebook("x = 1", "x / 0", name="bad.ipynb"), notebook("1 + 1", name="good.ipynb")
    content = bad.read_bytes()
    with pytest.raises(NotebookError) as caught:
        refresh([bad, good])
    assert f"{bad}: cell [2] (x / 0): ZeroDivisionError: division by zero. The file is as it was." in str(caught.value)
    assert f"{good}: stored" in str(caught.value)
    assert bad.read_bytes() == content and texts(good) == ["2"]


def test_a_cell_that_is_meant_to_fail_is_no_failure(notebook):
    path = notebook("# NBVAL_RAISES_EXCEPTION\n1 / 0", "2")
    assert refresh([path])[0].state == "stored"
    assert "tags" not in nbformat.read(path, as_version=4).cells[0].metadata


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import os; os._exit(1)", "its kernel died"),
        ("import time; time.sleep(60)", "it ran longer than 3 seconds"),
    ],
)
def test_a_kernel_that_dies_or_hangs_is_named(notebook, source, message):
    path = notebook("1", source)
    content = path.read_bytes()
    with pytest.raises(NotebookError, match=rf"cell \[2\].*{message}"):
        refresh([path], cell_timeout=3)
    assert path.read_bytes() == content


def test_a_file_that_changes_meanwhile_is_not_overwritten(notebook):
    path = notebook(f"from pathlib import Path\nPath('study.ipynb').write_text('edited')")  # noqa: F541
    with pytest.raises(NotebookError, match="was changed while it was executed"):
        refresh([path])
    assert path.read_text() == "edited"


def test_by_default_the_notebooks_of_the_working_directory_are_refreshed(notebook, tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    notebook("import os; os.path.basename(os.getcwd())", name="notebooks/é tude.ipynb")
    monkeypatch.chdir(tmp_path)
    (done,) = refresh()
    assert done.state == "stored" and texts(done.path) == ["'notebooks'"]


def test_where_there_is_no_notebook_it_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotebookError, match="no notebook to refresh"):
        refresh()


def test_refreshing_on_patients_data_is_refused(notebook, monkeypatch):
    monkeypatch.setenv("PAILLASSE_PROFILE", "secure")
    with pytest.raises(NotebookError, match="'secure'"):
        refresh([notebook("1")])


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_an_interrupted_refresh_leaves_no_kernel_and_no_changed_file(notebook, tmp_path):
    path = notebook("import os, time\nopen('pid', 'w').write(str(os.getpid()))", "time.sleep(120)")
    content = path.read_bytes()
    code = f"from paillasse.notebooks.refresh import refresh; refresh([{str(path)!r}])"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    wait_until(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text())
    process.send_signal(signal.SIGINT)
    process.wait(timeout=30)
    kernel = int((tmp_path / "pid").read_text())
    wait_until(lambda: not alive(kernel))
    assert path.read_bytes() == content and sorted(p.name for p in tmp_path.iterdir()) == ["pid", "study.ipynb"]


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.1)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
