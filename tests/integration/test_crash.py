"""Whatever ends a run, `run.json` says so, no process and no half file is left, earlier results stand, and the next
`paillasse run` goes on. Everything here is really provoked."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from run_project import Project, alive, wait_until

from paillasse.runs.together import cores

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

# The kernel starts a child outside its process group; both are gone when the run has ended.
FAMILY = """\
import ctypes, os, resource, signal, subprocess, sys, time
from pathlib import Path
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
Path("{name}.pids").write_text(f"{{os.getpid()}} {{child.pid}}")
"""
WHEN_ASKED = """\
Path("{name}.at").write_text(str(time.time()))
if Path("crash").exists():
    {crash}
"""
CRASHES = {
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "segfault": "signal.raise_signal(signal.SIGSEGV)",
    "exits": "os._exit(3)",
    "memory": "resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31)); bytes(2**32)",
    "endless": "exec('while True: pass')",
}
BUSY = "signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"


def slowed_by_others(seconds: float) -> float:
    """A limit on time, for a machine that may have much else to do."""
    return seconds * max(1, os.getloadavg()[0] / cores())


def add(project: Project, name: str, crash: str, **entry) -> None:
    """A run that does this when the file `crash` is there."""
    project.run(name, FAMILY.format(name=name), WHEN_ASKED.format(name=name, crash=crash), "'the end'", **entry)


def crash(project: Project, wanted: bool) -> None:
    file = project.folder / "notebooks" / "crash"
    file.touch() if wanted else file.unlink()


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def newest(project: Project, name: str) -> dict:
    return json.loads((project.results(name)[-1] / "run.json").read_text(encoding="utf-8"))


def family(project: Project, name: str) -> list[int]:
    """The process of a run's kernel and of its child, once they are there."""
    file = project.folder / "notebooks" / f"{name}.pids"
    wait_until(lambda: file.exists() and len(file.read_text().split()) == 2)
    return [int(pid) for pid in file.read_text().split()]


def left_over(project: Project) -> list[Path]:
    """Half-written files in the folders of results."""
    runs = project.folder / "runs"
    return [*runs.glob("*/*/.*"), *runs.glob("*/*/running.ipynb"), *runs.glob(".index*")]


def states(project: Project) -> list[str]:
    """What `paillasse status` says of each run, in the order of runs.yaml."""
    return [line.split()[0] for line in project.paillasse("status").stdout.splitlines()[1:]]


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    """A project whose runs were ok and then crashed, each in its way: what stood before, what was said."""
    project = Project(tmp_path_factory.mktemp("crashed") / "projet d'été {1}")
    for name, how in CRASHES.items():
        add(project, name, how, timeout=4 if name == "endless" else 60)
    assert project.paillasse("run", "--jobs", "2").returncode == 0
    before = {name: content(project.result(name)) for name in CRASHES}
    crash(project, True)
    return project, before, project.paillasse("run", "--fresh", "--jobs", "2")


@pytest.mark.parametrize(
    ("name", "state", "exception", "message"),
    [
        ("killed", "killed", "DeadKernelError", "the kernel was ended by signal 9 (SIGKILL), as the system does when"),
        ("segfault", "killed", "DeadKernelError", "the kernel was ended by signal 11 (SIGSEGV)"),
        ("exits", "killed", "DeadKernelError", "the kernel ended by itself with exit code 3"),
        ("memory", "error", "MemoryError", None),  # its words may quote data
        ("endless", "timeout", "TimeoutError", "longer than 4 s"),
    ],
)
def test_a_crash_is_told_as_what_it_was(crashed, name, state, exception, message):
    told = newest(crashed[0], name)
    assert (told["state"], told["error"]["cell"], told["error"]["exception"]) == (state, 2, exception)
    assert told["error"].get("message", "").startswith(message or "")
    assert "message" in told["error"] or message is None
    assert told["finished"] > told["started"]


@pytest.mark.parametrize("name", CRASHES)
def test_no_process_of_a_crashed_run_is_left(crashed, name):
    assert [pid for pid in family(crashed[0], name) if alive(pid)] == []


def test_a_dead_kernel_is_noticed_within_a_second(crashed):
    died = float((crashed[0].folder / "notebooks" / "killed.at").read_text())
    assert datetime.fromisoformat(newest(crashed[0], "killed")["finished"]).timestamp() - died < slowed_by_others(1)


def test_crashes_are_one_line_each_and_the_command_that_runs_them_again_is_given(crashed):
    _, _, done = crashed
    assert done.returncode == 1
    assert done.stderr == ""
    for name in CRASHES:
        assert len(re.findall(rf"^(?:killed|error|timeout)  {name}  .* s  cell 2, ", done.stdout, re.MULTILINE)) == 1
    assert "Run again what failed: paillasse run killed segfault exits memory endless\n" in done.stdout


def test_status_tells_the_crashes_and_the_next_call_repairs_them(crashed):
    project, before, _ = crashed
    assert states(project) == ["killed", "killed", "killed", "error", "timeout"]
    crash(project, False)
    again = project.paillasse("run", "--jobs", "2")
    assert again.returncode == 0, again.stdout
    assert "5 runs ok · open " in again.stdout
    assert "Run again" not in again.stdout
    assert states(project) == ["ok"] * 5
    assert {name: content(project.results(name)[0]) for name in CRASHES} == before
    assert left_over(project) == []


# The runner is stopped or killed


@pytest.fixture
def busy(project):
    """Two runs that were ok before and are now executing without an end, and their runner."""
    for name in ("a", "b"):
        add(project, name, f"exec({BUSY!r})")
    add(project, "next", "pass")
    assert project.paillasse("run", "a", "b", "--jobs", "2").returncode == 0
    crash(project, True)
    for file in (project.folder / "notebooks").glob("*.at"):
        file.unlink()
    return project


def executing(project: Project) -> bool:
    return all((project.folder / "notebooks" / f"{name}.at").exists() for name in ("a", "b"))


def check_that_all_is_stopped_and_goes_on(project: Project, before: dict, state: str) -> None:
    assert states(project) == [state, state, "not"]  # run yet
    for name in ("a", "b"):
        wait_until(lambda: not any(alive(pid) for pid in family(project, name)), seconds=5)  # noqa: B023
    crash(project, False)
    again = project.paillasse("run", "--jobs", "2")
    assert again.returncode == 0, again.stdout
    assert states(project) == ["ok"] * 3
    assert newest_but_one(project) == [state, state]
    assert {name: content(project.results(name)[0]) for name in ("a", "b")} == before
    assert left_over(project) == []
    assert all((project.results(name)[1] / "notebook.html").is_file() for name in ("a", "b"))


def newest_but_one(project: Project) -> list[str]:
    files = [project.results(name)[-2] / "run.json" for name in ("a", "b")]
    return [json.loads(file.read_text(encoding="utf-8"))["state"] for file in files]


@pytest.mark.parametrize(
    "how", ["SIGINT", pytest.param("SIGTERM", marks=pytest.mark.slow), pytest.param("SIGHUP", marks=pytest.mark.slow)]
)
def test_stopping_takes_less_than_two_seconds_and_ends_kernels_that_ignore_signals(busy, how):
    before = {name: content(busy.result(name)) for name in ("a", "b")}
    runner = busy.start("run", "--fresh", "--jobs", "2")
    wait_until(lambda: executing(busy))
    at = time.monotonic()
    for _ in range(3):  # impatient
        runner.send_signal(getattr(signal, how))
        time.sleep(0.05)
    stdout, stderr = runner.communicate(timeout=20)
    assert time.monotonic() - at < slowed_by_others(2)
    assert runner.returncode == 130, stdout + stderr
    assert stderr == "Stopped before the end: 3 runs are not done. Go on with: paillasse run a b next --fresh\n"
    assert [newest(busy, name)["state"] for name in ("a", "b")] == ["cancelled", "cancelled"]
    check_that_all_is_stopped_and_goes_on(busy, before, "cancelled")


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.0, 0.3, 0.6])
def test_stopping_while_kernels_start_takes_no_more_than_a_second_more(project, moment):
    project.run("km", "import time; time.sleep(60)")
    runner = project.start("run")
    wait_until(lambda: list((project.folder / "runs").glob("km/*/run.json")))
    time.sleep(moment)
    at = time.monotonic()
    runner.send_signal(signal.SIGINT)
    stdout, stderr = runner.communicate(timeout=20)
    assert time.monotonic() - at < slowed_by_others(3)  # jupyter_client waits for the answer of one that starts
    assert (runner.returncode, newest(project, "km")["state"]) == (130, "cancelled"), stdout + stderr


@pytest.mark.slow
def test_closing_the_terminal_stops_the_runs(busy):
    before = {name: content(busy.result(name)) for name in ("a", "b")}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(busy.folder)
        os.execv(sys.executable, [sys.executable, "-m", "paillasse.cli", "run", "--fresh", "--jobs", "2"])
    reader = threading.Thread(target=read_all, args=[terminal], daemon=True)
    reader.start()
    wait_until(lambda: executing(busy))
    os.close(terminal)
    at = time.monotonic()
    os.waitpid(pid, 0)
    assert time.monotonic() - at < slowed_by_others(2)
    check_that_all_is_stopped_and_goes_on(busy, before, "cancelled")


def read_all(terminal: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(terminal, 1000):
            pass


@pytest.mark.slow
def test_a_killed_runner_leaves_what_the_next_one_puts_in_order(busy):
    before = {name: content(busy.result(name)) for name in ("a", "b")}
    runner = busy.start("run", "--fresh", "--jobs", "2")
    wait_until(lambda: executing(busy))
    runner.kill()
    runner.communicate()
    assert states(busy)[:2] == ["killed", "killed"]
    for name in ("a", "b"):
        wait_until(lambda: not any(alive(pid) for pid in family(busy, name)))  # noqa: B023
    assert busy.paillasse("run", "next").returncode == 0
    check_that_all_is_stopped_and_goes_on_after_a_kill(busy, before)


def check_that_all_is_stopped_and_goes_on_after_a_kill(project: Project, before: dict) -> None:
    told = [newest(project, name) for name in ("a", "b")]
    assert [(each["state"], each["error"]["message"]) for each in told] == [("killed", "the runner was killed")] * 2
    assert [pid for name in ("a", "b") for pid in family(project, name) if alive(pid)] == []
    crash(project, False)
    assert project.paillasse("run", "--jobs", "2").returncode == 0
    assert newest_but_one(project) == ["killed", "killed"]
    assert {name: content(project.results(name)[0]) for name in ("a", "b")} == before
    assert left_over(project) == []


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="kernels are forked on Linux only")
def test_a_killed_warm_process_ends_the_runs_that_it_has_started_and_no_other(busy):
    before = {name: content(busy.result(name)) for name in ("a", "b")}
    runner = busy.start("run", "--fresh", "--jobs", "2")
    wait_until(lambda: executing(busy))
    (warm,) = [each for each in psutil.Process(runner.pid).children() if "paillasse.kernels.warm" in each.cmdline()]
    assert {psutil.Process(family(busy, name)[0]).ppid() for name in ("a", "b")} == {warm.pid}
    warm.kill()
    stdout, stderr = runner.communicate(timeout=60)
    assert runner.returncode == 1, stderr
    assert "3 runs: 2 killed, 1 ok · open " in stdout
    assert newest(busy, "next")["state"] == "ok"  # its kernel started cold
    assert [pid for name in ("a", "b") for pid in family(busy, name) if alive(pid)] == []
    crash(busy, False)
    assert busy.paillasse("run").returncode == 0
    assert newest_but_one(busy) == ["killed", "killed"]
    assert {name: content(busy.results(name)[0]) for name in ("a", "b")} == before
    assert left_over(busy) == []


# Two runners at once

COUNTED = "import os, time; from pathlib import Path\nwith open('executed', 'a') as file: file.write('{name} ')"


def executed(project: Project) -> list[str]:
    return sorted((project.folder / "notebooks" / "executed").read_text().split())


def test_two_runners_started_at_once_execute_each_run_once_and_share_the_work(project):
    names = list("abcdef")
    for name in names:
        project.run(name, COUNTED.format(name=name), "time.sleep(1)")
    runners = [project.start("run", "--jobs", "2") for _ in range(2)]
    outputs = [runner.communicate(timeout=120)[0] for runner in runners]
    assert [runner.returncode for runner in runners] == [0, 0], outputs
    assert executed(project) == names
    assert all("6 runs ok · open " in output for output in outputs)
    line = r"^[a-f]: is running in process (\d+) since \d\d:\d\d; its result is awaited$"
    said = re.findall(line, "\n".join(outputs), re.MULTILINE)
    assert said
    assert {int(pid) for pid in said} <= {runner.pid for runner in runners}
    assert project.paillasse("run").stdout.startswith("6 runs kept")


@pytest.mark.slow
def test_two_runners_asked_for_fresh_results_at_once_take_each_others(project):
    project.run("km", COUNTED.format(name="km"), "time.sleep(3)")
    runners = [project.start("run", "--fresh") for _ in range(2)]
    outputs = [runner.communicate(timeout=120)[0] for runner in runners]
    assert executed(project) == ["km"]
    assert sum("km: another process has executed it; its result is taken\n" in output for output in outputs) == 1


@pytest.mark.slow
def test_a_run_whose_runner_is_killed_is_taken_over_by_the_one_that_waits(project):
    add(project, "km", f"exec({BUSY!r})")
    crash(project, True)
    first = project.start("run")
    wait_until((project.folder / "notebooks" / "km.at").exists)
    second = project.start("run")
    assert second.stdout.readline().startswith(f"km: is running in process {first.pid} since ")
    crash(project, False)
    first.kill()
    first.communicate()
    stdout, stderr = second.communicate(timeout=60)
    assert second.returncode == 0, stdout + stderr
    told = [json.loads((folder / "run.json").read_text())["state"] for folder in project.results("km")]
    assert told == ["killed", "ok"]
    assert left_over(project) == []


# Memory


def test_runs_that_would_not_fit_together_wait_for_each_other(project):
    for name in ("a", "b"):
        project.run(name, "import time", "block = bytearray(300_000_000)\ntime.sleep(1.5)")
    assert project.paillasse("run", "--jobs", "2").returncode == 0
    for name in ("a", "b"):
        file = project.result(name) / "run.json"
        state = json.loads(file.read_text())
        assert 300 < state["peak_memory_mb"] < 600
        file.write_text(json.dumps(state | {"peak_memory_mb": 10**9}))
    done = project.paillasse("run", "--fresh", "--jobs", "2")
    assert done.returncode == 0
    assert re.search(r"^b waits for memory: it takes about 1,000,000,000 MB, 0 MB are free$", done.stdout, re.MULTILINE)
    assert newest(project, "a")["finished"] < newest(project, "b")["started"]


@pytest.fixture
def memory_limit():
    """A control group of Linux with a limit on memory, and the process id of the shell that starts in it."""
    folders = [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")]
    names = ["memory.limit_in_bytes", "memory.max"]
    group = None
    for folder, name in zip(folders, names):
        with contextlib.suppress(OSError):
            made = folder / f"paillasse-test-{os.getpid()}"
            made.mkdir()
            if (made / name).exists():
                group, limit = made, made / name
                break
            made.rmdir()
    if group is None:
        pytest.skip("a control group with a memory limit cannot be made here")

    def start(project, megabytes, *arguments):
        limit.write_text(str(megabytes * 1_000_000))
        enter = f'echo $$ > "{group}/cgroup.procs"; exec "$@"'
        command = ["sh", "-c", enter, "sh", sys.executable, "-m", "paillasse.cli", *arguments]
        done = subprocess.run(command, cwd=project.folder, capture_output=True, encoding="utf-8", timeout=120)
        events = group / ("memory.events" if limit.name == "memory.max" else "memory.oom_control")
        done.killed_for_memory = int(re.search(r"^oom_kill (\d+)$", events.read_text(), re.MULTILINE)[1])
        return done

    yield start
    wait_until(lambda: not (group / "cgroup.procs").read_text().split())
    group.rmdir()


@pytest.mark.slow
def test_a_kernel_that_the_system_ends_for_lack_of_memory_is_killed_and_the_rest_goes_on(project, memory_limit):
    # No faster than that it is weighed, once a second.
    greed = "while True: blocks.append(bytearray(b'x' * 10_000_000)); time.sleep(0.05)"
    project.run("greedy", "import time; blocks = []", greed)
    project.run("next", "1")
    done = memory_limit(project, 700, "run", "--jobs", "1")
    assert done.killed_for_memory > 0
    told = newest(project, "greedy")
    assert (done.returncode, told["state"]) == (1, "killed"), done.stdout + done.stderr
    assert "signal 9 (SIGKILL), as the system does when memory runs out; it held " in told["error"]["message"]
    assert newest(project, "next")["state"] == "ok"


@pytest.mark.slow
def test_a_limit_on_memory_is_respected(project, memory_limit):
    for name in ("a", "b"):
        end = f"open('{name}.end', 'w').write(str(time.time())); del block"
        project.run(name, "import time", "block = bytearray(300_000_000)\ntime.sleep(1.5)", end)
    assert project.paillasse("run", "--jobs", "2").returncode == 0  # from now on it is known what they take
    done = memory_limit(project, 700, "run", "--fresh", "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^b waits for memory: it takes about [34]\d\d MB, ", done.stdout, re.MULTILINE)
    end_of_a = float((project.folder / "notebooks" / "a.end").read_text())
    assert end_of_a < datetime.fromisoformat(newest(project, "b")["started"]).timestamp()


# The disk is full


@pytest.fixture
def small_disk(project):
    """A project that has its results on a disk of 2 MB, with one good result."""
    runs = project.folder / "runs"
    runs.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", runs], capture_output=True)
    if mount.returncode:
        pytest.skip("a disk of its own cannot be mounted here")
    try:
        project.run("earlier", "1")
        assert project.paillasse("run").returncode == 0
        yield project
    finally:
        subprocess.run(["umount", "--lazy", runs], check=True)


def fill(file: Path) -> None:
    """Write until there is no room."""
    with file.open("ab", buffering=0) as filling, contextlib.suppress(OSError):
        while True:
            filling.write(b"x" * 4096)


FILL = """\
def fill():
    with open(os.environ["PAILLASSE_RUN_FOLDER"] + "/../../filling", "ab", buffering=0) as filling:
        while True:
            filling.write(b"x" * 4096)
"""
RECORD = """\
import pandas
from paillasse.runs import record
record("big", pandas.DataFrame({"x": ["y" * 4_000_000]}))
"""


@pytest.mark.parametrize(
    ("when", "cells"),
    [
        pytest.param("the notebook records a table", [RECORD], marks=pytest.mark.slow),
        pytest.param("the notebook fills it", [f"import os\n{FILL}", "fill()"], marks=pytest.mark.slow),
        ("papermill saves", ["print('x' * 4_000_000)"]),
    ],
)
def test_a_full_disk_is_told_with_the_run_and_harms_no_result(small_disk, when, cells):
    before = content(small_disk.result("earlier"))
    small_disk.run("km", *cells, profile="secure")
    done = small_disk.paillasse("run")
    assert done.returncode == 1
    assert done.stderr == ""
    assert re.search(r"^error  km  .*the disk is full; free some room and run it again$|^km: the result could not be "
                     r"written: the disk is full; free some room and run it again$", done.stdout, re.M), done.stdout
    assert newest(small_disk, "km")["state"] == "error"
    assert newest(small_disk, "km")["error"]["message"] == "the disk is full; free some room and run it again"
    assert states(small_disk) == ["ok", "error"]
    assert content(small_disk.result("earlier")) == before
    assert left_over(small_disk) == []
    (small_disk.folder / "runs" / "filling").unlink(missing_ok=True)
    small_disk.entries.pop()
    small_disk.run("km", "1")
    assert small_disk.paillasse("run").returncode == 0
    assert states(small_disk) == ["ok", "ok"]


@pytest.mark.slow
def test_a_run_that_fills_the_disk_and_ends_well_is_ok(small_disk):
    small_disk.run("km", f"import os\n{FILL}", "try: fill()\nexcept OSError: pass")
    assert small_disk.paillasse("run").returncode == 0
    assert newest(small_disk, "km")["state"] == "ok"


@pytest.mark.slow
def test_how_a_run_ended_is_written_while_something_else_takes_every_byte(small_disk):
    small_disk.run("km", "import time; from pathlib import Path", "Path('now').touch(); time.sleep(1)")
    runner = small_disk.start("run")
    wait_until((small_disk.folder / "notebooks" / "now").exists)
    filling, stop = small_disk.folder / "runs" / "filling", threading.Event()

    def keep_full():
        while not stop.wait(0.0005):
            fill(filling)

    filler = threading.Thread(target=keep_full)
    filler.start()
    try:
        stdout, _ = runner.communicate(timeout=60)
    finally:
        stop.set()
        filler.join()
    assert runner.returncode == 1
    told = newest(small_disk, "km")
    assert "the disk is full; free some room and run it again" in stdout
    if told["state"] == "ok":  # papermill had saved all before the disk was full; then it is there
        kept = json.loads((small_disk.results("km")[-1] / "notebook.ipynb").read_text(encoding="utf-8"))
        assert [cell["execution_count"] for cell in kept["cells"] if cell["cell_type"] == "code"] == [1, 2]
    else:
        assert told["error"]["message"] == "the disk is full; free some room and run it again"
    assert "The list of results could not be written: the disk is full" in stdout
    filling.unlink()
    assert small_disk.paillasse("run").returncode == 0
    assert states(small_disk) == ["ok", "ok"]
    assert left_over(small_disk) == []


@pytest.mark.slow
def test_a_run_that_cannot_begin_on_a_full_disk_leaves_nothing(small_disk):
    fill(small_disk.folder / "runs" / "filling")
    small_disk.run("km", "1")
    done = small_disk.paillasse("run")
    assert done.returncode == 1
    assert "km: the result could not be written: the disk is full; free some room and run it again" in done.stdout
    assert list((small_disk.folder / "runs" / "km").iterdir()) == []


@pytest.mark.slow
def test_pages_for_which_there_was_no_room_are_made_by_the_next_call(small_disk):
    figure = {"application/vnd.plotly.v1+json": {"data": [], "layout": {}}}  # its page needs plotly.js: 5 MB
    small_disk.run("km", f"display({figure!r}, raw=True)")
    done = small_disk.paillasse("run")
    assert done.returncode == 1
    assert newest(small_disk, "km")["state"] == "ok"
    assert "km: the result could not be written: the disk is full" in done.stdout
    runs = small_disk.folder / "runs"
    subprocess.run(["mount", "-o", "remount,size=20m", runs], check=True)
    assert "2 runs kept" in small_disk.paillasse("run").stdout
    assert (small_disk.result("km") / "notebook.html").is_file()
    assert f"km/{small_disk.result('km').name}/notebook.html" in (runs / "index.html").read_text(encoding="utf-8")
