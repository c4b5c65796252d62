"""What is free for another run, and what it is expected to take."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from paillasse.runs.declared import Run
from paillasse.runs.estimates import DEFAULT_MB, Estimates
from paillasse.runs.memory import available_mb, left_in_groups
from paillasse.runs.processes import end_what_is_left, resident_mb, with_descendants
from paillasse.runs.results import new_folder, write_state

MB = 1_000_000


def group(folder: Path, names: tuple[str, str, str], limit: int | str, used: int, reclaimable: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in zip(names[:2], (limit, used)):
        (folder / name).write_text(f"{value}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {reclaimable}\n")


V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = ("memory.max", "memory.current", "inactive_file")


@pytest.mark.parametrize(("line", "top", "names"), [("4:memory:/job/1", "memory", V1), ("0::/job/1", ".", V2)])
def test_every_limit_above_a_process_counts_and_files_in_memory_can_be_dropped(tmp_path, line, top, names):
    own = tmp_path / "cgroup"
    own.write_text(f"3:cpu,cpuacct:/elsewhere\n{line}\n")
    group(tmp_path / top / "job" / "1", names, 800 * MB, 300 * MB, reclaimable=100 * MB)
    group(tmp_path / top / "job", names, 1000 * MB, 900 * MB)
    assert sorted(left_in_groups(tmp_path, own)) == [100 * MB, 600 * MB]


def test_a_container_sees_its_own_group_at_the_top(tmp_path):
    (tmp_path / "cgroup").write_text("0::/docker/abc\n")
    group(tmp_path, V2, 500 * MB, 200 * MB)
    assert list(left_in_groups(tmp_path, tmp_path / "cgroup")) == [300 * MB]


def test_without_a_limit_the_machine_alone_counts(tmp_path):
    (tmp_path / "cgroup").write_text("0::/\n")
    group(tmp_path, V2, "max", 200 * MB)
    assert list(left_in_groups(tmp_path, tmp_path / "cgroup")) == []
    assert list(left_in_groups(tmp_path, tmp_path / "no such file")) == []
    assert 0 < available_mb() <= psutil.virtual_memory().total / MB


def run_of(tmp_path: Path, name: str, notebook: str = "km.ipynb") -> Run:
    return Run(name, name, tmp_path / notebook, {}, None, None)


def ended(tmp_path: Path, name: str, state: str = "ok", took: int = 60, peak: int | None = 900) -> None:
    times = {"started": "2026-11-25T10:00:00+00:00", "finished": f"2026-11-25T10:{took // 60:02d}:00+00:00"}
    write_state(new_folder(tmp_path, name), state=state, peak_memory_mb=peak, **times)


def test_memory_is_the_runs_own_else_its_notebooks_largest_else_the_default(tmp_path):
    ended(tmp_path, "a", peak=700)
    ended(tmp_path, "b", peak=900)
    runs = [run_of(tmp_path, name) for name in "abc"]
    estimates = Estimates(tmp_path, runs)
    assert [estimates.mb(run) for run in runs] == [700, 900, 900]
    assert estimates.mb(run_of(tmp_path, "d", "other.ipynb")) == DEFAULT_MB


def test_the_memory_of_a_run_that_was_killed_is_known_but_not_how_long_it_would_have_taken(tmp_path):
    ended(tmp_path, "a", state="killed", peak=5000)
    estimates = Estimates(tmp_path, [run_of(tmp_path, "a")])
    assert estimates.mb(run_of(tmp_path, "a")) == 5000
    assert estimates.seconds(run_of(tmp_path, "a")) is None


def test_time_left_is_of_the_places_at_work_and_never_shorter_than_the_longest_run(tmp_path):
    ended(tmp_path, "short", took=60)
    ended(tmp_path, "long", took=600)
    short, long = run_of(tmp_path, "short"), run_of(tmp_path, "long")
    estimates = Estimates(tmp_path, [short, long])
    assert estimates.seconds_left([short] * 4, [(short, 30.0)], jobs=2) == 135
    assert estimates.seconds_left([short], [(long, 60.0)], jobs=2) == 540
    assert estimates.seconds_left([], [(short, 100.0)], jobs=2) == 0
    assert estimates.seconds_left([run_of(tmp_path, "new")], [], jobs=1) == 330  # the mean of its notebook


def test_nothing_is_said_of_the_time_left_before_anything_has_ended(tmp_path):
    estimates = Estimates(tmp_path, [])
    assert estimates.seconds_left([run_of(tmp_path, "a")], [], jobs=1) is None


PARENT = """\
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True, env={})
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="processes of POSIX")
def test_all_processes_of_a_run_are_found_weighed_and_ended_and_no_others(tmp_path):
    mine = os.environ | {"PAILLASSE_RUN_FOLDER": str(tmp_path / "mine")}
    other = os.environ | {"PAILLASSE_RUN_FOLDER": str(tmp_path / "other")}
    parent = subprocess.Popen([sys.executable, "-c", PARENT], env=mine, stdout=subprocess.PIPE, encoding="utf-8")
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=other)
    try:
        child = int(parent.stdout.readline())
        family = with_descendants([parent.pid])[parent.pid]
        assert [process.pid for process in family] == [parent.pid, child]
        assert resident_mb(family) > resident_mb(family[:1]) > 1
        end_what_is_left(tmp_path / "mine", family)
        assert parent.wait(timeout=5) == -9
        deadline = time.monotonic() + 5
        while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
        assert stranger.poll() is None
        assert resident_mb(family) == 0
    finally:
        stranger.kill()
        stranger.wait()
        parent.stdout.close()


def test_a_process_that_has_ended_has_no_descendants():
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert with_descendants([done.pid]) == {done.pid: []}


