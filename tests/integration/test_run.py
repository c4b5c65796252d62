"""`paillasse run` on real kernels: what stands in `runs/` is what happened."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from urllib.parse import unquote

import nbformat
import pytest
from run_project import Project, wait_until

from paillasse.runs.results import WORKING_NOTEBOOK
from paillasse.runs.together import cores

RECORD = """\
import pandas
from paillasse.runs import record
table = pandas.DataFrame({"endpoint": [endpoint], "hazard_ratio": [tau / 10]})
record("hr", table, f"Hazard ratio {tau / 10} for {endpoint}")
"""
SECRET = "Dupont"


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """A project in which one run of each kind has ended, and what the command said."""
    project = Project(tmp_path_factory.mktemp("runs") / "projet d'été {1}")
    where = "import os; print(os.getcwd(), os.environ['OMP_NUM_THREADS'], os.environ['PAILLASSE_PROFILE'])"
    parameters = 'tau = 5  # years; 0 = all\nendpoint = "death"'
    grid = {"endpoint": ["death", "été"]}
    project.run("good", where, RECORD, parameters=parameters, grid=grid, profile="synthetic")
    project.run("error", "1", f"raise ValueError('{SECRET}')", "2", profile="public")
    project.run("secret", "1", f"raise ValueError('{SECRET}')", "2", profile="secure")
    project.run("killed", "import os, signal", "os.kill(os.getpid(), signal.SIGTERM)", "print('after')")
    project.run("slow", "import time", "time.sleep(60)", timeout=4)
    return project, project.paillasse("run", "--jobs", "2")


def test_a_run_with_failures_exits_1_and_says_where(several):
    _, done = several
    assert done.returncode == 1
    assert re.search(r"^error  error  [\d.]+ s  cell 2, ValueError: Dupont$", done.stdout, flags=re.MULTILINE)
    assert "6 runs: 2 ok, 2 error, 1 killed, 1 timeout · open " in done.stdout
    assert done.stderr == ""


def test_headlines_are_told_at_the_end(several):
    assert "good-endpoint=été: " not in several[1].stdout  # names of grid points are folder names everywhere
    assert "good-endpoint=t: Hazard ratio 0.5 for été" in several[1].stdout


def test_a_good_run_is_ok_with_its_parameters_headline_and_table(several):
    state = several[0].state("good-endpoint=t")
    assert (state["state"], state["error"]) == ("ok", None)
    assert state["parameters"] == {"endpoint": "été"}
    assert state["profile"] == "synthetic"
    assert state["headline"] == "Hazard ratio 0.5 for été"
    assert state["started"] < state["finished"]
    table = (several[0].result("good-endpoint=t") / "hr.csv").read_text(encoding="utf-8")
    assert table == "endpoint,hazard_ratio\nété,0.5\n"


def test_the_kernel_works_in_the_notebooks_folder_with_its_share_of_cores_and_its_profile(several):
    project, _ = several
    expected = f"{project.folder / 'notebooks'} {max(1, cores() // 2)} synthetic"
    assert expected in project.outputs("good-endpoint=death")


def test_the_executed_notebook_is_papermills(several):
    folder = several[0].result("good-endpoint=death")
    notebook = nbformat.read(folder / "notebook.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.papermill.parameters == {"endpoint": "death"}
    assert notebook.metadata.papermill.output_path == str(folder / "notebook.ipynb")
    assert any("injected-parameters" in cell.metadata.tags for cell in notebook.cells)


def test_nothing_temporary_is_left_beside_a_good_result(several):
    names = sorted(file.name for file in several[0].result("good-endpoint=death").iterdir())
    assert names == ["hr.csv", "notebook.html", "notebook.ipynb", "ro-crate-metadata.json", "run.json"]


def test_an_error_is_kept_with_its_cell_and_class(several):
    error = several[0].state("error")["error"]
    assert error == {"cell": 2, "exception": "ValueError", "message": SECRET}


def test_an_errors_message_stays_in_the_notebook_where_data_are_secure(several):
    project, done = several
    assert project.state("secret")["error"] == {"cell": 2, "exception": "ValueError"}
    assert SECRET not in done.stdout.replace(f"ValueError: {SECRET}", "", 1)  # the public run's may be told
    index = (project.folder / "runs" / "index.html").read_text(encoding="utf-8")
    assert index.count(SECRET) == 1


def test_a_killed_kernel_is_killed_and_not_ok(several):
    project, _ = several
    state = project.state("killed")
    assert state["state"] == "killed"
    assert state["error"]["cell"] == 2
    assert "after" not in project.outputs("killed")
    notebook = nbformat.read(project.result("killed") / "notebook.ipynb", as_version=4)
    assert notebook.cells[-1].metadata.papermill.status == "pending"


def test_a_run_that_takes_too_long_is_a_timeout(several):
    state = several[0].state("slow")
    assert state["state"] == "timeout"
    assert state["error"]["message"] == "longer than 4 s"


def test_every_run_has_a_page_and_the_index_links_to_all(several):
    project, _ = several
    links = re.findall(r'href="([^"]+)"', (project.folder / "runs" / "index.html").read_text(encoding="utf-8"))
    assert len(links) == 6
    assert all((project.folder / "runs" / unquote(link)).is_file() for link in links)


def test_status_tells_the_state_of_each_run(several):
    output = several[0].paillasse("status").stdout
    for state, name in [("ok", "good-endpoint=death"), ("killed", "killed"), ("timeout", "slow"), ("error", "secret")]:
        assert re.search(rf"^{state} .* {name} ", output, flags=re.MULTILINE)


def test_running_again_keeps_the_earlier_result(project):
    project.run("km", "1")
    project.paillasse("run")
    before = {file: file.read_bytes() for file in project.result("km").iterdir()}
    project.paillasse("run", "km", "--fresh")
    assert {file: file.read_bytes() for file in before} == before
    assert len(list((project.folder / "runs" / "km").iterdir())) == 2


def test_runs_execute_at_the_same_time(project):
    # Each waits for the other's file: one after the other, neither could end.
    wait = "while not Path({other!r}).exists(): time.sleep(0.05)"
    for name, other in [("one", "two"), ("two", "one")]:
        cells = ["import time; from pathlib import Path", f"Path({name!r}).touch()", wait.format(other=other)]
        project.run(name, *cells, timeout=60)
    done = project.paillasse("run", "--jobs", "2")
    assert done.returncode == 0, done.stdout
    assert "2 runs ok · open " in done.stdout


# A run that computes for a second, or for as long as `longer` says, and notes when.
NOTED = """\
import time, psutil
from pathlib import Path
began = time.time()
time.sleep(float(Path("longer").read_text()) if Path("longer").exists() else 1)
Path("{name}.times").write_text(f"{{psutil.Process().create_time()}} {{began}} {{time.time()}}")
"""


def test_a_kernel_is_ready_when_its_turn_comes_and_no_more_runs_compute_at_once_than_asked_for(project):
    for name in ("first", "second"):
        project.run(name, NOTED.format(name=name))
    assert project.paillasse("run", "--jobs", "1").returncode == 0  # from which it is known how long they take
    assert project.paillasse("run", "--jobs", "1", "--fresh").returncode == 0
    times = [(project.folder / "notebooks" / f"{name}.times").read_text().split() for name in ("first", "second")]
    (_, _, first_ended), (kernel_started, second_began, _) = (map(float, each) for each in times)
    assert kernel_started < first_ended <= second_began


def test_a_run_that_was_begun_too_early_is_as_if_it_had_not_been_and_has_its_turn(project):
    project.run("first", NOTED.format(name="first"))
    project.run("second", "'its turn'")
    assert project.paillasse("run", "--jobs", "1").returncode == 0
    (project.folder / "notebooks" / "longer").write_text("15")
    (before,) = project.results("second")
    runner = project.start("run", "--jobs", "1", "--fresh")
    wait_until(lambda: len(project.results("second")) == 2)
    wait_until(lambda: project.results("second") == [before])
    assert runner.poll() is None
    stdout, _ = runner.communicate(timeout=60)
    assert "2 runs ok · open " in stdout
    assert len(project.results("second")) == 2


def test_the_outputs_so_far_are_on_the_disk_while_a_long_cell_executes(project):
    project.run("long", "print('out' + 'put')", "import time; time.sleep(60)")
    runner = project.start("run")
    wait_until(lambda: list((project.folder / "runs" / "long").glob(f"*/{WORKING_NOTEBOOK}")))
    wait_until(lambda: '"output\\n"' in (project.result("long") / WORKING_NOTEBOOK).read_text("utf-8"), seconds=20)
    runner.terminate()
    runner.communicate(timeout=20)


def test_a_profile_of_the_command_line_overrides_all_others(project):
    project.run("km", "import os; print(os.environ['PAILLASSE_PROFILE'])", profile="public")
    project.paillasse("run", "--profile", "secure")
    assert project.outputs("km") == "secure\n"
    assert project.state("km")["profile"] == "secure"


def test_a_kernel_that_is_not_there_is_told_before_anything_starts(project):
    project.run("next", "1")
    project.run("km", "1")
    path = project.folder / "notebooks" / "km.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.kernelspec = {"name": "no-such-kernel", "display_name": "None", "language": "python"}
    nbformat.write(notebook, path)
    done = project.paillasse("run")
    assert done.returncode == 7
    assert done.stderr.startswith("km.ipynb: its kernel 'no-such-kernel' is not installed here. Known: ")
    assert not (project.folder / "runs").exists()


@pytest.mark.parametrize("content", ["", "[]", '{"state": "done"}', '{"state": "ok", "started": 5}'])
def test_a_result_that_is_damaged_or_of_an_older_version_stays_and_the_run_is_executed(project, content):
    project.run("km", "1")
    old = project.folder / "runs" / "km" / "1" / "run.json"
    old.parent.mkdir(parents=True)
    old.write_text(content, encoding="utf-8")
    done = project.paillasse("run")
    assert (done.returncode, done.stderr) == (0, "")
    assert old.read_text(encoding="utf-8") == content
    assert "km" in project.paillasse("status").stdout


@pytest.mark.skipif(os.name == "nt", reason="needs a terminal of POSIX")
def test_in_a_terminal_the_number_of_very_many_runs_is_asked_for(project):
    import pty

    project.run("km", "1", parameters="tau = 5", grid={"tau": list(range(1001))})
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "paillasse.cli", "run"]
    process = subprocess.Popen(command, cwd=project.folder, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, b"n\n")
    said = b""
    with contextlib.suppress(OSError):  # the terminal's other end is closed
        while part := os.read(ours, 1024):
            said += part
    os.close(ours)
    assert process.wait(timeout=60) == 1
    assert b"1,001 runs would be executed. Is that meant? [y/N]" in said
    assert not (project.folder / "runs").exists()


def test_a_result_that_cannot_be_written_is_told_and_the_rest_goes_on(project):
    project.run("km", "1")
    project.run("next", "1")
    (project.folder / "runs").mkdir()
    (project.folder / "runs" / "km").touch()  # a file where the results' folder should be
    done = project.paillasse("run", "--jobs", "1")
    assert done.returncode == 1
    assert "km: the result could not be written" in done.stdout
    assert project.state("next")["state"] == "ok"


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
def test_figures_are_drawn_in_a_browser_without_a_way_to_send_them_anywhere(project):
    project.run("km", "import plotly.graph_objects as go", "go.Figure(go.Scatter(x=[0, 1], y=[1, .5]), {'title': 'é'})")
    assert project.paillasse("run").returncode == 0
    page = project.result("km") / "notebook.html"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    options += [f"--user-data-dir={project.folder / 'chromium'}", "--virtual-time-budget=5000", "--dump-dom"]
    command = ["chromium", *options, page.as_uri()]
    drawn = subprocess.run(command, check=True, capture_output=True, encoding="utf-8", timeout=120).stdout
    assert 'class="main-svg"' in drawn
    assert "Download plot as a PNG" in drawn
    assert "Share chart" not in drawn


def test_a_run_whose_notebook_has_gone_meanwhile_is_told_and_leaves_nothing(project):
    project.run("first", "import os; os.remove('second.ipynb')")
    project.run("second", "1")
    done = project.paillasse("run", "--jobs", "1")
    assert done.returncode == 1
    assert re.search(r"^second: .*second\.ipynb cannot be read", done.stdout, re.M), done.stdout
    assert list((project.folder / "runs" / "second").iterdir()) == []
