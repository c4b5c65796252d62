"""`paillasse run --on slurm` on a real Slurm: a job for each run, true states, nothing left in the queue."""

import signal

import psutil
import pytest
import yaml
from run_project import Project, busy_kernel, state_of, wait_until
from slurm_node import SlurmNode, slurm_node

pytestmark = pytest.mark.slurm

BUSY = ("import os; from pathlib import Path", "Path('pid').write_text(str(os.getpid()))\nwhile True: pass")
SECRET = "s3cr3t"
SETTINGS = {"cores": 1, "memory": "400 MB", "walltime": "00:10:00", "interface": "lo"}


@pytest.fixture(scope="module")
def slurm():
    with slurm_node() as slurm:
        yield slurm
    assert not slurm.folder.exists()
    assert not [each for each in psutil.process_iter(["cmdline"]) if str(slurm.folder) in str(each.info["cmdline"])]


@pytest.fixture
def start(project, slurm, tmp_path):
    """A function that starts `paillasse run --on slurm` with these settings of dask-jobqueue."""

    runners = []

    def start(*arguments, **settings):
        folder = tmp_path / "dask"
        folder.mkdir(exist_ok=True)
        (folder / "jobqueue.yaml").write_text(yaml.safe_dump({"jobqueue": {"slurm": SETTINGS | settings}}))
        variables = slurm.variables | {"DASK_CONFIG": str(folder), "PAILLASSE_TOKEN": SECRET}
        runners.append(project.start("run", "--on", "slurm", *arguments, variables=variables))
        return runners[-1]

    yield start
    for runner in runners:
        runner.kill()


def assert_nothing_is_left(project: Project, slurm: SlurmNode) -> None:
    wait_until(lambda: not slurm.jobs(), 60)
    assert not list(project.folder.glob("runs/.elsewhere*"))
    assert sorted(path.name for path in project.folder.iterdir()) == ["notebooks", "runs", "runs.yaml"]


def test_each_run_is_a_job_and_its_state_is_true(project, slurm, start):
    project.run("good", "import os; print(os.environ['SLURM_JOB_ID'], os.environ['PAILLASSE_TOKEN'])")
    project.run("error", "1", "raise ValueError('Dupont')", profile="secure")
    project.run("slow", "import time; time.sleep(600)", timeout=3)
    runner = start("--jobs", "2")
    wait_until(slurm.jobs)
    scripts = [slurm.command("scontrol", "write", "batch_script", job, "-") for job in slurm.jobs()]
    environments = [file.read_bytes() for file in slurm.folder.glob("state/hash.*/job.*/environment")]
    stdout, stderr = runner.communicate(timeout=90)
    assert (runner.returncode, stderr) == (1, "")
    assert "3 runs: 1 ok, 1 error, 1 timeout · open " in stdout
    assert project.outputs("good").endswith(f" {SECRET}\n")
    assert project.state("error")["error"] == {"cell": 2, "exception": "ValueError"}
    assert_nothing_is_left(project, slurm)
    assert scripts and environments
    assert not [text for text in scripts if SECRET in text or "PRIVATE KEY" in text]
    assert not [text for text in environments if SECRET.encode() in text]


def test_a_job_that_slurm_ends_is_a_killed_run_and_the_rest_goes_on(project, slurm, start):
    project.run("km", *BUSY)
    project.run("next", "1")
    runner = start("--jobs", "1")
    kernel = busy_kernel(project)
    (job,) = slurm.jobs()
    slurm.command("scancel", job)
    wait_until(lambda: state_of(project, "km") == "killed", 20)
    stdout, _ = runner.communicate(timeout=60)
    assert "2 runs: 1 killed, 1 ok" in stdout
    assert not psutil.pid_exists(kernel)
    assert_nothing_is_left(project, slurm)


def test_a_job_that_is_cancelled_while_it_waits_is_submitted_again(project, slurm, start):
    project.run("km", "1")
    slurm.command("sbatch", "--exclusive", "--output=/dev/null", "--wrap=sleep 600")  # the node is full
    runner = start()
    wait_until(lambda: len(slurm.jobs()) == 2)
    slurm.command("scancel", *slurm.jobs())
    stdout, _ = runner.communicate(timeout=90)
    assert "1 run ok" in stdout
    assert_nothing_is_left(project, slurm)


@pytest.mark.parametrize(("how", "state"), [(signal.SIGINT, "cancelled"), (signal.SIGKILL, "killed")])
def test_without_the_runner_no_job_and_no_kernel_goes_on(project, slurm, start, how, state):
    project.run("km", *BUSY)
    runner = start()
    kernel = busy_kernel(project)
    runner.send_signal(how)
    runner.communicate(timeout=30)
    wait_until(lambda: not psutil.pid_exists(kernel), 20)
    wait_until(lambda: state in project.paillasse("status").stdout, 20)
    wait_until(lambda: not slurm.jobs(), 40)
    if how == signal.SIGINT:
        assert_nothing_is_left(project, slurm)


def test_a_job_that_slurm_would_not_take_is_one_line_and_nothing_starts(project, slurm, start):
    project.run("km", "1")
    runner = start(queue="gpu")
    stdout, stderr = runner.communicate(timeout=60)
    assert (runner.returncode, stdout) == (7, "")
    assert stderr.startswith("Slurm refuses the job: ") and "invalid partition" in stderr.lower()
    assert stderr.count("\n") == 1
    assert not slurm.jobs()
    assert not list(project.folder.glob("runs/*"))


def test_slurm_must_be_told_what_a_run_needs(project, slurm, start):
    project.run("km", "1")
    runner = start(cores=None)
    _, stderr = runner.communicate(timeout=60)
    assert runner.returncode == 7
    assert "jobqueue.slurm.cores" in stderr


def test_no_job_and_no_process_of_one_outlives_these_tests(slurm):
    assert not slurm.jobs()
    steps = [each for each in psutil.process_iter(["name", "status"]) if each.info["name"].startswith("slurmstepd")]
    assert not [each for each in steps if each.info["status"] != psutil.STATUS_ZOMBIE]  # slurmd has yet to see its end
