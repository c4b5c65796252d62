"""What `pytest --nbval` refuses. Each guard is shown beside plain nbval, so that we learn when nbval itself changes."""

import base64
import json
import struct
import subprocess
import sys
import time

import nbformat
import pytest
from nbformat import v4

pytest_plugins = ["pytester"]

PLAIN = ("-p", "no:paillasse_notebooks")  # nbval without our plugin
PLOTLY = "application/vnd.plotly.v1+json"


def result(count, **bundle):
    """What `Out[count]` shows; text_plain="3" stands for text/plain."""
    return v4.new_output("execute_result", {k.replace("_", "/"): v for k, v in bundle.items()}, execution_count=count)


def cell(source, count, *outputs, tags=()):
    return v4.new_code_cell(
        source, execution_count=count, outputs=list(outputs), metadata={"tags": list(tags)} if tags else {}
    )


@pytest.fixture
def prove(pytester, monkeypatch):
    """Write one notebook of these cells and prove it; extra arguments go to pytest."""
    monkeypatch.delenv("CI", raising=False)  # under it pytest says everything twice

    def run(*cells, arguments=(), name="study.ipynb"):
        (pytester.path / name).write_text(nbformat_text(cells), encoding="utf-8")
        return pytester.runpytest("--nbval", "--color=no", *arguments, name)

    return run


def nbformat_text(cells):
    return nbformat.writes(v4.new_notebook(cells=list(cells)))


def shown(run):
    return run.stdout.str()


# Cells that were never run


def test_a_notebook_that_gives_what_it_shows_passes(prove):
    run = prove(cell("x = 3", 1), cell("", None), cell("x", 2, result(2, text_plain="3")), cell("import os", 3))
    run.assert_outcomes(passed=4)


NEVER_RUN = [cell("x = 3", None), cell("x", None)]


def test_each_cell_without_an_execution_count_is_refused(prove):
    run = prove(*NEVER_RUN)
    run.assert_outcomes(failed=2)
    assert shown(run).count("stored without having been run (its execution count is null): run make refresh") == 2


def test_plain_nbval_passes_cells_without_an_execution_count(prove):
    prove(*NEVER_RUN, arguments=PLAIN).assert_outcomes(passed=2)


OUT_OF_ORDER = [cell("x = 3", 7), cell("x", 2, result(2, text_plain="3"))]


def test_a_cell_run_out_of_order_is_refused(prove):
    run = prove(*OUT_OF_ORDER)
    run.assert_outcomes(failed=1, passed=1)
    assert "stored as [7], a run from the top gives [1]: run make refresh" in shown(run)


def test_plain_nbval_passes_cells_run_out_of_order(prove):
    prove(*OUT_OF_ORDER, arguments=PLAIN).assert_outcomes(passed=2)


PICTURE = """
from IPython.display import display
display({"image/png": "iVBORw0KGgo="}, raw=True)
"""


def test_a_cell_whose_output_was_never_stored_is_refused(prove):
    run = prove(cell(PICTURE, 1))
    run.assert_outcomes(failed=1)
    assert "gives outputs, but none are stored: run make refresh" in shown(run)


def test_plain_nbval_passes_a_picture_that_was_never_stored(prove):
    prove(cell(PICTURE, 1), arguments=PLAIN).assert_outcomes(passed=1)


# Figures and tables


def figure(values, template):
    encoded = {"dtype": "f8", "bdata": base64.b64encode(struct.pack(f"<{len(values)}d", *values)).decode()}
    trace = {"type": "scatter", "name": "Lev+5FU", "y": encoded, "uid": template}
    return {"data": [trace], "layout": {"title": {"text": "Recurrence"}, "template": {"name": template}}}


def showing(bundle):
    return f"from IPython.display import display\ndisplay({bundle!r}, raw=True)"


def stored(bundle):
    return v4.new_output("display_data", bundle)


NOISE_IN_A_FIGURE = cell(
    showing({PLOTLY: figure([1.0, 0.512], "new")}), 1, stored({PLOTLY: figure([1.0, 0.512 + 1e-10], "old")})
)


def test_a_figure_passes_with_another_template_random_ids_and_the_noise_of_a_machine(prove):
    prove(NOISE_IN_A_FIGURE).assert_outcomes(passed=1)


def test_plain_nbval_fails_on_the_template_of_a_figure(prove):
    prove(NOISE_IN_A_FIGURE, arguments=PLAIN).assert_outcomes(failed=1)


def test_a_changed_value_in_a_figure_is_named(prove):
    run = prove(cell(showing({PLOTLY: figure([1.0, 0.498], "t")}), 1, stored({PLOTLY: figure([1.0, 0.512], "t")})))
    run.assert_outcomes(failed=1)
    assert "trace 0 (Lev+5FU) y[1]: stored 0.512, now 0.498" in shown(run)


RANDOM_ID = cell(
    showing({"text/html": "<table id='T_abcde'><td>0.50000000001</td>"}),
    1,
    stored({"text/html": "<table id='T_12345'><td>0.50000000002</td>"}),
)


def test_a_table_passes_with_another_random_id(prove):
    prove(RANDOM_ID).assert_outcomes(passed=1)


def test_plain_nbval_fails_on_the_random_id_of_a_table(prove):
    prove(RANDOM_ID, arguments=PLAIN).assert_outcomes(failed=1)


def test_a_changed_number_fails_with_the_way_to_accept_it(prove):
    run = prove(cell("0.599", 1, result(1, text_plain="0.600")))
    run.assert_outcomes(failed=1)
    assert "text/plain line 1: stored '0.600', now '0.599'" in shown(run)
    assert "paillasse refresh 'study.ipynb' --accept" in shown(run)


# Kernels that die or hang

DYING = [cell("import os", 1), cell("os._exit(3)", 2), cell("os", 3), cell("os", 4)]
WELL = [cell("1 + 1", 1, result(1, text_plain="2"))]


def test_a_dead_kernel_fails_within_seconds_and_stops_its_notebook_only(prove, pytester):
    (pytester.path / "well.ipynb").write_text(nbformat_text(WELL), encoding="utf-8")
    started = time.monotonic()
    run = prove(*DYING, arguments=["-rs", "well.ipynb", "--nbval-cell-timeout=120"])
    took = time.monotonic() - started
    run.assert_outcomes(passed=2, failed=1, skipped=2)
    assert "Cell 1: The kernel ended with exit code 3" in shown(run)
    assert "the kernel died in Cell 1" in shown(run)
    assert took < 30, "of the 120 seconds that the cell may take"


def test_plain_nbval_waits_out_the_cell_timeout_of_a_dead_kernel(prove):
    started = time.monotonic()
    prove(*DYING[:2], arguments=[*PLAIN, "--nbval-cell-timeout=8"]).assert_outcomes(passed=1, failed=1)
    assert time.monotonic() - started > 8


def test_a_killed_kernel_is_said_to_have_been_killed(prove):
    run = prove(cell("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", 1))
    run.assert_outcomes(failed=1)
    assert "The kernel was killed (signal 9), often for want of memory" in shown(run)


def test_a_cell_that_hangs_fails_and_skips_the_rest(prove):
    run = prove(cell("import time; time.sleep(600)", 1), cell("3", 2), arguments=["--nbval-cell-timeout=1", "-rs"])
    run.assert_outcomes(failed=1, skipped=1)
    assert "Timeout of 1 seconds exceeded" in shown(run)
    assert "Cell 0 ran out of time" in shown(run)


def test_a_cell_may_take_five_minutes_unless_said_otherwise(pytester):
    pytester.makeconftest("def pytest_report_header(config): return f'time={config.option.nbval_cell_timeout}'")
    assert "time=300" in shown(pytester.runpytest("--nbval"))
    assert "time=7" in shown(pytester.runpytest("--nbval", "--nbval-cell-timeout=7"))


# Files that are no notebooks


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"cells": [', "is not JSON (line 1)"),
        ('{\n<<<<<<< HEAD\n"cells": []}', "has an unresolved merge conflict (line 2)"),
        ("[]", "is JSON, but no notebook"),
        ('{"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": []}', "is in notebook format 3"),
        ('{"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [{}]}', "breaks the notebook format"),
        ('{"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": []}', "has no code cells"),
        (
            json.dumps(v4.new_notebook(metadata={"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}})),
            "is in R; only Python",
        ),
    ],
)
def test_a_file_that_cannot_be_proven_fails_in_one_line(pytester, content, message):
    (pytester.path / "broken.ipynb").write_text(content, encoding="utf-8")
    run = pytester.runpytest("--nbval", "broken.ipynb")
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(["*broken.ipynb: *"])
    assert message in shown(run)
    assert "Traceback" not in shown(run)


def test_plain_nbval_passes_over_a_notebook_without_code(pytester):
    (pytester.path / "empty.ipynb").write_text(nbformat_text([]), encoding="utf-8")
    run = pytester.runpytest("--nbval", *PLAIN, "empty.ipynb")
    run.assert_outcomes()
    assert "no tests ran" in shown(run)


def test_a_kernel_that_other_machines_do_not_have_is_refused(pytester):
    notebook = json.loads(nbformat_text(WELL))
    notebook["metadata"]["kernelspec"] = {"name": "my-conda", "display_name": "Mine", "language": "python"}
    (pytester.path / "mine.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    run = pytester.runpytest("--nbval", "mine.ipynb")
    run.assert_outcomes(failed=1)
    assert "names the kernel 'my-conda'" in shown(run)


# Marks


def test_cells_that_are_not_compared_are_listed(prove):
    run = prove(
        cell("x = 1", 1),
        cell("# NBVAL_IGNORE_OUTPUT\nid(x)", 2, result(2, text_plain="1")),
        cell("1 / 0", 3, tags=["nbval-skip"]),
        cell("1 / 0", 4, v4.new_output("error", ename="ZeroDivisionError", evalue="division by zero"),
             tags=["raises-exception"]),
    )  # fmt: skip
    run.assert_outcomes(passed=3, skipped=1)
    assert "2 cells were not compared" in shown(run)
    assert "study.ipynb::Cell 1: run, its output ignored" in shown(run)
    assert "study.ipynb::Cell 2: not run" in shown(run)


def test_plain_nbval_does_not_say_what_it_did_not_compare(prove):
    run = prove(cell("# NBVAL_IGNORE_OUTPUT\n3", 1), arguments=PLAIN)
    run.assert_outcomes(passed=1)
    assert "not compared" not in shown(run)


# Where and how it runs


def test_the_kernel_works_in_the_folder_of_its_notebook(prove, pytester):
    (pytester.path / "notebooks").mkdir()
    run = prove(
        cell("from pathlib import Path\nPath.cwd().name", 1, result(1, text_plain="'notebooks'")),
        name="notebooks/study.ipynb",
    )
    run.assert_outcomes(passed=1)


def test_notebooks_are_proven_in_parallel_file_by_file(pytester):
    for name in "abc":
        cells = [cell(f"x = '{name}'", 1), cell("x", 2, result(2, text_plain=f"'{name}'"))]
        cells.append(cell("# NBVAL_IGNORE_OUTPUT\nid(x)", 3))
        (pytester.path / f"{name}.ipynb").write_text(nbformat_text(cells), encoding="utf-8")
    run = pytester.runpytest_subprocess("--nbval", "-n2", "--dist=loadfile", "-v")
    run.assert_outcomes(passed=9)
    assert "3 cells were not compared" in shown(run)


def test_spreading_the_cells_of_a_notebook_over_workers_is_refused(pytester):
    run = pytester.runpytest_subprocess("--nbval", "-n2")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines(["*--nbval with -n needs --dist loadfile*"])


def test_proving_on_patients_data_is_refused(pytester, monkeypatch):
    monkeypatch.setenv("PAILLASSE_PROFILE", "secure")
    run = pytester.runpytest("--nbval")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines(["*PAILLASSE_PROFILE is 'secure'*"])


def test_without_nbval_notebooks_are_left_alone(pytester):
    (pytester.path / "broken.ipynb").write_text("no notebook", encoding="utf-8")
    pytester.makepyfile("def test_one(): pass")
    pytester.runpytest().assert_outcomes(passed=1)


def test_the_plugin_imports_nothing_heavy():
    script = (
        "import sys, pytest; before = set(sys.modules); import paillasse.notebooks.plugin; "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    imported = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert set(imported.split()) <= {"paillasse", "difflib"}
