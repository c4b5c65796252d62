"""Runs on other machines: signs of life, what travels to them, what is refused before anything starts."""

import json
import os
import sys
import time
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import pytest
from distributed import KilledWorker

from paillasse.errors import RunError
from paillasse.runs import owner, worker
from paillasse.runs.declared import Run
from paillasse.runs.elsewhere import Workers, variables_for, workers
from paillasse.runs.execute import Job
from paillasse.runs.owner import HEARTBEAT, SILENCE, beating, is_dead, this_process
from paillasse.runs.repair import declare_killed, repair
from paillasse.runs.results import new_folder, read_state, write_state
from paillasse.runs.worker import Hosted, Order

STRANGER = {"host": "no-such-host", "boot": "b", "pid": 1, "since": "1"}


def last_sign(folder: Path, seconds_ago: float) -> None:
    (folder / HEARTBEAT).touch()
    then = time.time() - seconds_ago
    os.utime(folder / HEARTBEAT, (then, then))


def run_of(profile=None, **parameters) -> Run:
    return Run("km", "km", Path("km.ipynb"), parameters, None, profile)


@pytest.mark.parametrize(("seconds_ago", "dead"), [(0, False), (SILENCE - 20, False), (SILENCE + 20, True)])
def test_a_process_of_another_machine_is_dead_after_a_minute_of_silence(tmp_path, seconds_ago, dead):
    last_sign(tmp_path, seconds_ago)
    assert is_dead(STRANGER, tmp_path) is dead
    assert not is_dead(this_process(), tmp_path)  # of this machine's the system knows better
    assert [file.name for file in tmp_path.iterdir()] == [HEARTBEAT]


def test_without_any_sign_of_another_machine_nothing_is_known(tmp_path):
    assert not is_dead(STRANGER, tmp_path)
    assert is_dead(None, tmp_path)


def test_a_clock_of_this_machine_that_is_wrong_kills_nobody(tmp_path, monkeypatch):
    last_sign(tmp_path, 0)
    monkeypatch.setattr(owner.time, "time", lambda: 4e9)
    assert not is_dead(STRANGER, tmp_path)


def test_signs_of_life_are_given_for_as_long_as_the_work_lasts(tmp_path, monkeypatch):
    monkeypatch.setattr(owner, "BEAT", 0.02)
    with beating(tmp_path):
        last_sign(tmp_path, SILENCE + 20)
        deadline = time.monotonic() + 10
        while is_dead(STRANGER, tmp_path):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert not list(tmp_path.iterdir())


def test_after_an_error_the_last_sign_stays_to_grow_old(tmp_path):
    with pytest.raises(OSError), beating(tmp_path):
        raise OSError("disk full")
    assert (tmp_path / HEARTBEAT).is_file()


def test_a_run_whose_machine_is_silent_was_killed_and_is_written_so(tmp_path):
    folder = new_folder(tmp_path, "km")
    started = "2026-11-25T12:00:00+00:00"
    write_state(folder, name="km", notebook="km.ipynb", state="running", owner=STRANGER, started=started)
    last_sign(folder, 0)
    repair(tmp_path)
    assert read_state(folder)["state"] == "running"
    last_sign(folder, SILENCE + 20)
    assert read_state(folder)["state"] == "killed"
    repair(tmp_path)
    assert json.loads((folder / "run.json").read_text())["state"] == "killed"
    assert not (folder / HEARTBEAT).exists()


def test_a_lost_run_says_why(tmp_path):
    folder = new_folder(tmp_path, "km")
    write_state(folder, name="km", state="running", owner=this_process())
    declare_killed(folder, "its worker was killed")
    assert read_state(folder)["error"] == {"exception": "KilledError", "message": "its worker was killed"}


def test_the_variables_that_travel_are_ours_and_those_that_catalogue_and_steward_name(tmp_path, monkeypatch):
    (tmp_path / "data_catalog.yaml").write_text('dsn: "${TRIAL_DSN}"\npath: ${NOT_SET}/x.csv\n')
    steward = tmp_path / "steward.yaml"
    steward.write_text("audit: {dsn: '${AUDIT_DSN}'}")
    for name in [name for name in os.environ if name.startswith("PAILLASSE")]:
        monkeypatch.delenv(name)
    for name in ("TRIAL_DSN", "AUDIT_DSN", "AWS_SECRET_ACCESS_KEY", "PAILLASSE_PROFILE"):
        monkeypatch.setenv(name, "value")
    monkeypatch.setenv("PAILLASSE_STEWARD_FILE", str(steward))
    assert set(variables_for(tmp_path)) == {"TRIAL_DSN", "AUDIT_DSN", "PAILLASSE_PROFILE", "PAILLASSE_STEWARD_FILE"}


def test_a_kernel_elsewhere_sees_the_runners_variables_but_its_own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PAILLASSE_PURPOSE", "the worker's")
    travelled = {"PAILLASSE_PURPOSE": "the runner's", "PAILLASSE_RUN_FOLDER": "another run's"}
    job = Job(tmp_path, run_of("synthetic"), 1, variables=travelled, folder=tmp_path)
    environment = job.environment()
    assert environment["PAILLASSE_PURPOSE"] == "the runner's"
    assert environment["PAILLASSE_RUN_FOLDER"] == str(tmp_path)


def test_what_dask_may_write_into_its_log_of_a_run_is_its_name(tmp_path):
    job = Job(tmp_path, run_of(endpoint="death"), 1, variables={"DSN": "s3cr3t"})
    assert repr(Order(job, {}, tmp_path, {})) == "Order(km)"


def test_a_worker_answers_for_its_own_runs_and_ends_those_that_are_to_end(tmp_path, monkeypatch):
    mine, ending = (Job(tmp_path, run_of(), 1, started=time.monotonic() - 5, cell=2, cells=3) for _ in range(2))
    monkeypatch.setattr(worker, "HOSTED", {"mine": Hosted(mine), "ending": Hosted(ending)})
    seen = worker.look({"mine": None, "ending": "cancelled", "another worker's": None})
    assert set(seen) == {"mine", "ending"}
    age, cell, cells = seen["mine"]
    assert (round(age), cell, cells) == (5, 2, 3)
    assert (mine.ended_as, ending.ended_as) == (None, "cancelled")


def test_a_worker_with_other_code_says_which():
    worker.check_software(worker.SOFTWARE)
    with pytest.raises(RunError, match="another version of Python and of the shared library than this project"):
        worker.check_software({"Python": "2.7", "the shared library": "old"})


class Dying:
    """A scheduler some of whose workers die with a run in their hands, before they begin it."""

    def __init__(self, deaths: int):
        self.deaths = deaths

    def scheduler_info(self) -> dict:
        return {"workers": {}}

    def run(self, *_, **__) -> dict:
        return {}

    def submit(self, _, order: Order, **__) -> Future:
        self.deaths -= 1
        future = Future()
        if self.deaths >= 0:
            future.set_exception(KilledWorker("a run", None, 0))
        else:
            future.set_result({"name": order.job.run.name, "state": "ok"})
        return future


def test_a_run_whose_worker_dies_before_it_begins_is_given_to_another(tmp_path):
    job = Job(tmp_path, run_of(), 1)
    with closing(Workers(Dying(2), 1, tmp_path, {})) as there:
        there.execute(job)
    assert job.state["state"] == "ok"


def test_a_run_that_no_worker_lives_to_begin_is_given_up_and_leaves_nothing(tmp_path):
    with (
        closing(Workers(Dying(100), 1, tmp_path, {})) as there,
        pytest.raises(RunError, match="died before it began"),
    ):
        there.execute(Job(tmp_path, run_of(), 1))
    assert not list(tmp_path.glob("runs/km/*"))


def refused(project: Path, on: str, profile=None) -> str:
    with pytest.raises(RunError) as error, workers(on, project, [run_of(profile)], None):
        raise AssertionError("it was not refused")
    assert "\n" not in str(error.value)
    assert not list(project.glob("runs/*"))
    return str(error.value)


@pytest.mark.parametrize("on", ["desk", "node1:8786", "http://node1:8786", "tcp://node1", ""])
def test_where_to_run_is_one_of_three(tmp_path, on):
    assert refused(tmp_path, on).startswith("--on is dask, slurm, or a scheduler's address such as tls://node1:8786")


@pytest.mark.parametrize(
    ("on", "module", "package"),
    [
        ("dask", "distributed", "distributed"),
        ("dask", "cryptography", "cryptography"),
        ("slurm", "dask_jobqueue", "dask-jobqueue"),
    ],
)
def test_a_missing_package_is_named_with_what_to_do(tmp_path, monkeypatch, on, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    expected = f"`--on {on}` needs the package {package}. Add it to requirements.in, then: make lock setup"
    assert refused(tmp_path, on) == expected


def test_where_no_result_can_be_written_no_worker_is_started(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(RunError, match="Results cannot be written"), workers("dask", tmp_path, [], None):
        pass


def test_without_slurm_the_message_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "sbatch is not found" in refused(tmp_path, "slurm")


def test_secure_runs_are_not_sent_in_clear_over_a_network(tmp_path):
    assert "Start the scheduler with TLS" in refused(tmp_path, "tcp://192.0.2.1:8786", "secure")
