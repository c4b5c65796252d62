"""`paillasse run --on …`: the same truth in `runs/` when other processes execute, and after each of them is killed."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest
from dask_cluster import DaskCluster, dask_cluster
from distributed import Security, rpc
from run_project import Project, busy_kernel, state_of

import paillasse

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")]

RECORD = """\
import pandas
from paillasse.runs import record
record("hr", pandas.DataFrame({"endpoint": [endpoint], "n": [3]}), f"3 patients with {endpoint}")
"""
PATIENT = "Dupont"
BUSY = ("import os; from pathlib import Path", "Path('pid').write_text(str(os.getpid()))\nwhile True: pass")
SECRET = "s3cr3t"


@pytest.fixture(scope="module")
def cluster():
    """A scheduler with two workers; tests share it."""
    with dask_cluster(2) as cluster:
        yield cluster


@pytest.fixture(params=["dask", "address"])
def on(request) -> str:
    """Both kinds of workers: the runner's own processes, and those of a scheduler that is there already."""
    return request.param if request.param == "dask" else request.getfixturevalue("cluster").address


def wait_until(condition, seconds: float = 60) -> float:
    """How long it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() < started + seconds
        time.sleep(0.05)
    return time.monotonic() - started


def owner(project: Project, name: str) -> int:
    """The process that executes a run."""
    return project.state(name)["owner"]["pid"]


def seen(project: Project) -> dict:
    """All that a reader sees of the results, without times, places and processes."""
    found = {}
    for file in sorted(project.folder.glob("runs/*/*/run.json")):
        run = json.loads(file.read_text(encoding="utf-8"))
        kept = {key: run[key] for key in ("state", "error", "parameters", "profile", "headline", "inputs")}
        files = {each.name for each in file.parent.iterdir()}
        tables = {each.name: each.read_text(encoding="utf-8") for each in file.parent.glob("*.csv")}
        found[run["name"]] = kept | {"files": files, "tables": tables, "outputs": project.outputs(run["name"])}
    index = (project.folder / "runs" / "index.html").read_text(encoding="utf-8")
    index = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d|\d{8}T\d+Z-\w+|[\d.]+ s\b|data-\w+=\"[\d.]*\"", "", index)
    return found | {"index": index.replace(project.folder.name, "")}


def project_of_each_kind(folder: Path) -> Project:
    project = Project(folder)
    grid = {"endpoint": ["death", "été"]}
    threads = "import os; print(os.environ['OMP_NUM_THREADS'])"
    project.run("good", RECORD, threads, parameters='endpoint = ""', grid=grid)
    project.run("error", "1", f"raise ValueError('{PATIENT}')", "2", profile="public")
    project.run("secret", "1", f"raise ValueError('{PATIENT}')", "2", profile="secure")
    project.run("killed", "import os, signal", "os.kill(os.getpid(), signal.SIGTERM)", "print('after')")
    project.run("slow", "import time", "time.sleep(600)", timeout=5)
    return project


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """What the same project gives in this process."""
    project = project_of_each_kind(tmp_path_factory.mktemp("here") / "projet d'été {1}")
    project.paillasse("run", "--jobs", "2")
    return project


def test_states_results_and_index_are_those_of_a_local_run(tmp_path, on, local):
    project = project_of_each_kind(tmp_path / "projet d'été {1}")
    done = project.paillasse("run", "--jobs", "2", "--on", on)
    assert (done.returncode, done.stderr) == (1, "")
    assert "6 runs: 2 ok, 2 error, 1 killed, 1 timeout · open " in done.stdout
    assert seen(project) == seen(local)
    assert owner(project, "good-endpoint=death") != owner(local, "good-endpoint=death")
    assert not list(project.folder.glob("runs/.elsewhere*"))
    assert not list(project.folder.glob("*.out"))


def test_what_was_executed_elsewhere_is_kept_here_and_there(project, cluster):
    project.run("km", "1")
    assert project.paillasse("run", "--on", cluster.address).returncode == 0
    kept = "1 run kept: nothing has changed that the result depends on (--fresh runs all)\n"
    assert project.paillasse("run", "--on", cluster.address).stdout == kept
    assert project.paillasse("run").stdout == kept


def test_a_worker_that_lives_long_sees_that_the_projects_code_has_changed(project, cluster):
    code = project.folder / "src" / "lung" / "__init__.py"
    code.parent.mkdir(parents=True)
    code.write_text("N = 1")
    project.run("km", "1")
    for content in ("N = 1", "N = 2"):
        code.write_text(content)
        assert "1 run ok" in project.paillasse("run", "--on", cluster.address).stdout
    assert "kept" in project.paillasse("run", "--on", cluster.address).stdout


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopping_ends_kernels_elsewhere_and_says_cancelled(project, on, how):
    project.run("km", *BUSY)
    project.run("next", "1")
    runner = project.start("run", "--jobs", "1", "--on", on, process_group=0)
    kernel = busy_kernel(project)
    os.killpg(runner.pid, how)  # as a terminal does: to the runner and all that it has started
    started = time.monotonic()
    stdout, stderr = runner.communicate(timeout=60)
    assert runner.returncode == 130, stdout + stderr
    assert state_of(project, "km") == "cancelled"
    assert not psutil.pid_exists(kernel)
    assert state_of(project, "next") is None
    assert time.monotonic() - started < 20
    assert "Stopped before the end" in stderr


def test_a_worker_that_is_killed_leaves_a_killed_run_and_the_rest_goes_on(project, on):
    project.run("km", *BUSY)
    project.run("other", "import time; time.sleep(5)")
    project.run("next", "1")
    runner = project.start("run", "--jobs", "2", "--on", on)
    kernel = busy_kernel(project)
    wait_until(lambda: state_of(project, "other"))
    os.kill(owner(project, "km"), signal.SIGKILL)
    assert wait_until(lambda: state_of(project, "km") == "killed") < 15
    stdout, _ = runner.communicate(timeout=120)
    assert "3 runs: 1 killed, 2 ok" in stdout
    assert project.state("km")["error"]["message"] == "its worker was killed, or can no longer be reached"
    wait_until(lambda: not psutil.pid_exists(kernel), 20)
    assert len(list((project.folder / "runs" / "km").iterdir())) == 1  # Dask has not tried it again
    assert not list(project.folder.glob("runs/*/*/heartbeat"))

    project.notebook("km", "2")
    again = project.paillasse("run", "--on", on)
    assert "2 runs kept" in again.stdout and "1 run ok" in again.stdout


def test_a_runner_that_is_killed_leaves_no_kernel_and_a_true_state(project, on):
    project.run("km", *BUSY)
    runner = project.start("run", "--on", on)
    kernel = busy_kernel(project)
    runner.kill()
    runner.communicate()
    wait_until(lambda: not psutil.pid_exists(kernel), 40)
    wait_until(lambda: "killed" in project.paillasse("status").stdout, 20)
    project.notebook("km", "2")
    done = project.paillasse("run", "--on", on)
    assert done.returncode == 0, done.stdout + done.stderr
    states = [json.loads(file.read_text())["state"] for file in sorted(project.folder.glob("runs/km/*/run.json"))]
    assert states == ["killed", "ok"]
    assert not list(project.folder.glob("runs/.elsewhere*"))


def silent_port() -> socket.socket:
    """Something that listens and says nothing."""
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen()
    return silent


def test_an_address_where_no_scheduler_answers_is_one_line_and_nothing_starts(project):
    project.run("km", "1")
    with silent_port() as silent:
        for port in (9, silent.getsockname()[1]):
            started = time.monotonic()
            done = project.paillasse("run", "--on", f"tcp://127.0.0.1:{port}")
            assert time.monotonic() - started < 30  # 10 s for the address, the rest for imports on a busy machine
            assert (done.returncode, done.stdout) == (7, "")
            assert re.fullmatch(rf"No Dask scheduler can be reached at tcp://127\.0\.0\.1:{port}: .+\n", done.stderr)
    assert not list(project.folder.glob("runs/*"))


def test_workers_with_another_version_of_the_library_are_refused_before_anything_runs(project, tmp_path):
    other = shutil.copytree(Path(paillasse.__file__).parent, tmp_path / "old" / "paillasse")
    (other / "tables.py").write_text((other / "tables.py").read_text(encoding="utf-8") + "# old\n", encoding="utf-8")
    project.run("km", "1")
    with dask_cluster(1, PYTHONPATH=str(other.parent)) as cluster:
        done = project.paillasse("run", "--on", cluster.address)
    assert done.returncode == 7
    assert "has another version of the shared library than this project" in done.stderr
    assert not list(project.folder.glob("runs/*"))


def test_workers_without_what_a_run_needs_are_refused_in_a_line(project, tmp_path):
    (tmp_path / "old" / "paillasse").mkdir(parents=True)
    (tmp_path / "old" / "paillasse" / "__init__.py").touch()
    project.run("km", "1")
    with dask_cluster(1, preload="import os\n", PYTHONPATH=str(tmp_path / "old")) as cluster:
        done = project.paillasse("run", "--on", cluster.address)
    assert (done.returncode, done.stdout) == (7, "")
    assert re.fullmatch(r"A worker of .+ lacks what a run needs \(.*No module named.*\)\. .+\n", done.stderr)
    assert not list(project.folder.glob("runs/*"))


def test_kernels_get_the_runners_variables_and_nobody_else_reads_them(project, cluster: DaskCluster, monkeypatch):
    says = "print(os.environ['TRIAL_DSN'], os.environ['PAILLASSE_TOKEN'], 'OTHER' in os.environ)"
    project.run("km", "import os", says)
    project.run("broken", "1")
    (project.folder / "data_catalog.yaml").write_text(
        "datasets: {}\n# a source of the kind dsn: ${TRIAL_DSN}\n", encoding="utf-8"
    )
    (project.folder / "runs").mkdir()
    (project.folder / "runs" / "broken").touch()  # so that Dask has something to log
    monkeypatch.setenv("TRIAL_DSN", SECRET)
    monkeypatch.setenv("OTHER", SECRET)
    variables = {"PAILLASSE_TOKEN": f"{SECRET}-token"}
    runner = project.start("run", "--on", cluster.address, variables=variables)
    stdout, stderr = runner.communicate(timeout=120)
    assert "1 ok" in stdout, stdout + stderr
    assert project.outputs("km") == f"{SECRET} {SECRET}-token False\n"
    assert "broken: the result could not be written" in stdout
    assert "Compute Failed" in cluster.log.read_text()
    written = [file.read_text() for file in project.folder.glob("runs/km/*/*.json")]
    assert not [text for text in [stdout, stderr, cluster.log.read_text(), *written] if SECRET in text]


def test_a_scheduler_with_keys_takes_secure_runs_of_those_who_have_them(project, tmp_path):
    keys = Security.temporary()
    variables = {"DASK_DISTRIBUTED__COMM__DEFAULT_SCHEME": "tls"}
    for name, text in keys.get_tls_config_for_role("client").items():
        if name != "ciphers":
            (tmp_path / name).write_text(text)
    variables["DASK_DISTRIBUTED__COMM__TLS__CA_FILE"] = str(tmp_path / "ca_file")
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        for name in ("cert", "key"):
            variables[f"DASK_DISTRIBUTED__COMM__TLS__{role}__{name.upper()}"] = str(tmp_path / name)
    project.run("km", "import os; print(os.environ['PAILLASSE_TOKEN'])", profile="secure")
    with dask_cluster(1, **variables) as cluster:
        assert cluster.address.startswith("tls://")
        stranger = project.paillasse("run", "--on", cluster.address)
        assert (stranger.returncode, stranger.stdout) == (7, "")
        assert stranger.stderr.count("\n") == 1
        runner = project.start("run", "--on", cluster.address, variables=variables | {"PAILLASSE_TOKEN": SECRET})
        stdout, stderr = runner.communicate(timeout=120)
    assert (runner.returncode, stderr) == (0, ""), stdout
    assert project.outputs("km") == f"{SECRET}\n"


def test_own_workers_listen_on_this_machine_only_and_to_nobody_without_their_keys(project):
    project.run("km", *BUSY)
    runner = project.start("run", "--on", "dask")
    busy_kernel(project)
    processes = [psutil.Process(runner.pid), *psutil.Process(runner.pid).children()]
    listening = [each.laddr for process in processes for each in process.net_connections() if each.status == "LISTEN"]
    assert len(listening) > 3 and {address.ip for address in listening} == {"127.0.0.1"}
    for address in listening:
        for protocol, security in [("tcp", Security()), ("tls", Security.temporary())]:
            with pytest.raises(OSError):
                asyncio.run(asyncio.wait_for(say_something(f"{protocol}://127.0.0.1:{address.port}", security), 3))
    runner.send_signal(signal.SIGINT)
    runner.communicate(timeout=60)
    assert state_of(project, "km") == "cancelled"


async def say_something(address: str, security: Security):
    async with rpc(address, connection_args=security.get_connection_args("client"), timeout=3) as there:
        return await there.identity()
