"""Kernels forked from the warm process: the same as cold ones, apart from each other, never old, never left behind."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from paillasse.kernels.channels import BlockingPrivateKernelManager, PrivateKernelManager
from paillasse.kernels.provisioner import ForkedKernel
from paillasse.kernels.started import chosen, private_folder, warm_kernels, warm_process

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="kernels are forked on Linux only")

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
# What modules find out about their surroundings when they are imported, and what a kernel is given at its start.
SURROUNDINGS = {
    "where it is": "import os, sys; print(os.getcwd(), sys.path, sys.argv[0], len(sys.argv), __name__, sys.flags)",
    "who it is": "print(type(get_ipython()), sys.stdout, sys.excepthook is not None)",
    "a wide table": "import pandas as pd; pd.DataFrame({f'column_{i}': range(70) for i in range(40)})",
    "a plotly figure alone": "import plotly.express as px; px.line(x=[1, 2], y=[3, 4])",
    "our figure": """
        from paillasse import open_catalog
        from paillasse.survival import cox, kaplan_meier
        data = open_catalog(profile="public")["gbsg"].read()
        kaplan_meier(data, "rfstime", "status", by="hormon").figure()""",
    "a model": "cox(data, 'rfstime', 'status', 'age + C(grade) + nodes')",
    "a product": """
        import hashlib, numpy as np
        a = np.random.default_rng(1).normal(size=(301, 299))
        print(hashlib.sha256((a.T @ a).tobytes()).hexdigest(), np.linalg.eigvalsh(a.T @ a)[:3])""",
    "threads": """
        import sksurv.ensemble, threadpoolctl
        shown = [{k: v for k, v in each.items() if k != 'filepath'} for each in threadpoolctl.threadpool_info()]
        print(sorted(map(str, shown)))""",
    "matplotlib": "import matplotlib.pyplot as plt; plt.plot([1, 2], [3, 1])",
    "scikit-learn": """
        from sklearn.linear_model import LogisticRegression
        LogisticRegression().fit([[0], [1], [2]], [0, 1, 1])""",
    "lifelines": """
        from lifelines import KaplanMeierFitter
        KaplanMeierFitter().fit(data.rfstime, data.status).median_survival_time_""",
    "ibis": "import ibis; ibis.memtable({'a': [1, 2]}).a.sum().execute()",
    "a bar": "from tqdm.auto import tqdm; print(tqdm.__module__, [each for each in tqdm([1], disable=True)])",
    "rich": "from rich import print as show; show('[bold]é[/]', {'a': 1})",
    "a warning": "import warnings; warnings.warn('careful'); pd.Series([1]).astype('category').cat.codes",
    "which warnings are shown": """
        import sklearn
        print(sorted(map(str, warnings.filters)))
        warnings.warn_explicit("an argument is old", DeprecationWarning, "file.py", 1, module="sklearn.estimator")""",
    "a log": "import logging; logging.warning('careful'); logging.root.handlers",
    "errors of numpy": "print(np.geterr(), 1 / np.array([0.0]))",
    "what a child inherits, once all is imported": """
        import subprocess
        print(*sorted(subprocess.run(["env"], capture_output=True, text=True).stdout.splitlines()), sep="\\n")""",
    "a mistake": "pd.DataFrame({'a': [1]})['b']",
}


@contextlib.contextmanager
def kernel(**settings):
    """A kernel that is ready, and its client."""
    manager = BlockingPrivateKernelManager(kernel_name="python3")
    manager.start_kernel(**settings)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def is_warm(manager) -> bool:
    return isinstance(manager.provisioner.process, ForkedKernel)


def printed(client, code: str) -> str:
    texts = []
    client.execute_interactive(code, timeout=60, output_hook=lambda message: texts.append(message["content"]))
    return "".join(each.get("text", "") for each in texts)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be buried does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_until(condition, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def warm():
    """The warm process for the shipped notebooks."""
    with warm_kernels(sorted(NOTEBOOKS.glob("*.ipynb"))):
        yield


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module that can be imported, here and in kernels."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(code: str) -> Path:
        path = tmp_path / "module_of_the_test.py"
        path.write_text(code)
        return path

    return write


@contextlib.contextmanager
def warm_with_the_module():
    with warm_process(["module_of_the_test"]) as address, chosen(address):
        yield


# The same as a cold kernel


def outputs(threads: str | None, is_to_be_warm: bool) -> dict[str, str]:
    """What each cell of SURROUNDINGS gives, without what differs from one process to the next."""
    code = [textwrap.dedent(each).strip() for each in SURROUNDINGS.values()]
    notebook = new_notebook(cells=[new_code_cell(each) for each in code])
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    if threads:
        environment["OMP_NUM_THREADS"] = threads
    kinds = set()
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        kernel_manager_class=PrivateKernelManager,
        allow_errors=True,
        on_cell_start=lambda cell, cell_index: kinds.add(is_warm(client.km)),
    )
    client.execute(cwd=str(NOTEBOOKS), env=environment)
    assert kinds == {is_to_be_warm}
    own = r"ipykernel_\d+|0x[0-9a-f]+|JPY_PARENT_PID=\d+|[\w-]+\.json|(?<=id-)\d+|\d\.\d\ds"
    shown = [re.sub(own, "", json.dumps(cell.outputs)) for cell in notebook.cells]
    return dict(zip(SURROUNDINGS, shown, strict=True))


@pytest.fixture(scope="module", params=["1", "2", None], ids=["one thread", "two threads", "threads not said"])
def both(request, warm):
    with chosen("/nowhere"):
        cold = outputs(request.param, is_to_be_warm=False)
    return cold, outputs(request.param, is_to_be_warm=True)


@pytest.mark.parametrize("what", SURROUNDINGS)
def test_a_warm_kernel_gives_what_a_cold_one_gives(both, what):
    cold, warm = both
    assert warm[what] == cold[what]
    assert ("Error" in cold[what]) == (what == "a mistake")


def test_random_numbers_differ_from_kernel_to_kernel(warm):
    code = "import random, uuid, numpy; print(random.random(), numpy.random.rand(), uuid.uuid4(), uuid.uuid1())"
    drawn = []
    for _ in range(2):
        with kernel() as (manager, client):
            assert is_warm(manager)
            drawn.append(printed(client, code).split())
    assert not set(drawn[0]) & set(drawn[1])


def test_kernels_share_nothing(warm):
    with kernel() as (_, one), kernel() as (_, other):
        printed(one, "import pandas; pandas.found = 1; import os; os.environ['FOUND'] = '1'")
        found = printed(other, "import os, pandas; print(hasattr(pandas, 'found'), 'FOUND' in os.environ)")
        assert found == "False False\n"


def test_a_kernel_holds_no_file_of_the_warm_process(warm):
    with kernel() as (_, one), kernel() as (_, other):
        code = "import os; print([os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')][:-1])"
        for client in (one, other):
            assert not re.findall(r"epoll|pidfd", printed(client, code).replace("anon_inode:[eventpoll]", "", 9))


def test_a_kernel_can_be_interrupted(warm):
    with kernel() as (manager, client):
        message = client.execute("import time; time.sleep(60)")
        time.sleep(0.5)
        manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=20)
        while reply["parent_header"].get("msg_id") != message:
            reply = client.get_shell_msg(timeout=20)
        assert reply["content"]["ename"] == "KeyboardInterrupt"


def test_what_a_kernel_registers_for_its_end_is_done(warm, tmp_path):
    manager = BlockingPrivateKernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    printed(client, "import atexit, pathlib; atexit.register(pathlib.Path('ended').touch)")
    client.stop_channels()
    manager.shutdown_kernel()
    assert (tmp_path / "ended").is_file()


# Cold whenever anything is unusual


def test_code_that_has_changed_since_it_was_imported_is_never_run(module):
    path = module("answer = 1")
    with warm_with_the_module():
        with kernel() as (manager, client):
            assert is_warm(manager)
            assert printed(client, "from module_of_the_test import answer; print(answer)") == "1\n"
        path.write_text("answer = 22")
        with kernel() as (manager, client):
            assert not is_warm(manager)
            assert printed(client, "from module_of_the_test import answer; print(answer)") == "22\n"


def test_code_that_changes_while_it_is_imported_is_never_run(module):
    module("answer = 1\nfrom pathlib import Path; Path(__file__).write_text('answer = 22')")
    with warm_with_the_module(), kernel() as (manager, client):
        assert not is_warm(manager)
        assert printed(client, "from module_of_the_test import answer; print(answer)") == "22\n"


@pytest.mark.parametrize(
    "code",
    [
        "import threading, time; threading.Thread(target=time.sleep, args=[60], daemon=True).start()",
        "import warnings; warnings.warn('this module is old')",
        "print('hello')\nraise ValueError('not here')",
        "import package_that_is_not_there",
    ],
    ids=["starts a thread", "warns", "fails", "needs another"],
)
def test_a_module_that_does_more_than_define_things_makes_kernels_start_cold(module, code):
    module(code)
    with warm_with_the_module(), kernel() as (manager, _):
        assert not is_warm(manager)


def test_a_module_that_is_not_installed_is_passed_over():
    with warm_process(["package_that_is_not_there.part"]) as address, chosen(address), kernel() as (manager, _):
        assert is_warm(manager)


def test_another_environment_starts_cold_and_is_seen(warm):
    with kernel(env=os.environ | {"LC_ALL": "C"}) as (manager, client):
        assert not is_warm(manager)
        assert printed(client, "import os; print(os.environ['LC_ALL'])") == "C\n"


def test_another_command_starts_cold(warm):
    manager = BlockingPrivateKernelManager(kernel_name="python3")
    command = [sys.executable, "-I", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=command, language="python", display_name="isolated")
    manager.start_kernel()
    assert not is_warm(manager)
    manager.shutdown_kernel(now=True)


def test_a_kernel_does_not_pass_on_where_warm_kernels_are(warm):
    with kernel() as (_, client):
        names = "[name for name in os.environ if name.startswith(('PAILLASSE_WARM', 'JUPYTER_DEFAULT'))]"
        assert printed(client, f"import os; print({names})") == "[]\n"


def test_a_client_that_says_nothing_keeps_nobody_waiting(warm):
    with contextlib.ExitStack() as clients:
        for said in (b"", b"{", b"[" * 2_000_000, b"nonsense\n", b"{}\n"):
            client = clients.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(os.environ["PAILLASSE_WARM_KERNELS"])
            client.settimeout(0.2)
            with contextlib.suppress(OSError):
                client.sendall(said)
        with kernel() as (manager, _):
            assert is_warm(manager)


# However it ends


def test_a_killed_kernel_is_noticed_within_a_second(warm):
    with kernel() as (manager, _):
        pid = manager.provisioner.pid
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not manager.is_alive(), seconds=1)
        assert manager.provisioner.process.returncode == -signal.SIGKILL


def test_a_killed_warm_process_takes_its_kernels_along_and_the_next_start_cold():
    with warm_process([]) as address, chosen(address):
        with kernel() as (manager, _):
            assert is_warm(manager)
            pid = manager.provisioner.pid
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            os.kill(parent, signal.SIGKILL)
            wait_until(lambda: not manager.is_alive(), seconds=2)
            wait_until(lambda: not alive(pid))
        with kernel() as (manager, _):
            assert not is_warm(manager)


def test_nothing_is_left_of_an_owner_that_was_killed(tmp_path):
    code = """
        import os, time
        from paillasse.kernels.channels import BlockingPrivateKernelManager
        from paillasse.kernels.started import chosen, private_folder, warm_process
        with warm_process([]) as address, chosen(address):
            manager = BlockingPrivateKernelManager(kernel_name="python3")
            manager.start_kernel()
            pid = manager.provisioner.pid
            parent = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1]
            print(pid, parent, private_folder(), flush=True)
            time.sleep(60)
    """
    owner = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    *pids, folder = owner.stdout.readline().split()
    assert all(alive(int(pid)) for pid in pids)
    assert Path(folder).stat().st_mode & 0o777 == 0o700
    owner.kill()
    owner.communicate()
    wait_until(lambda: not any(alive(int(pid)) for pid in pids))
    # Its sockets go with the next process that needs some.
    subprocess.run([sys.executable, "-c", "from paillasse.kernels.started import *; private_folder()"], check=True)
    assert not Path(folder).exists()
    assert private_folder().is_dir()


def test_a_folder_for_sockets_is_not_taken_for_a_killed_process_s_while_it_is_made():
    another = "from paillasse.kernels.started import private_folder; private_folder()"
    code = f"""
        import fcntl, subprocess, sys
        from paillasse.kernels import started
        lock = fcntl.flock
        def after_another(file, how):
            if how == fcntl.LOCK_EX:
                subprocess.run([sys.executable, "-c", {another!r}], check=True)
            lock(file, how)
        fcntl.flock = after_another
        print(started.private_folder().is_dir())
    """
    told = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert told.stdout == "True\n"


def test_a_kernel_ends_with_what_it_has_started(warm):
    with kernel() as (_, client):
        child = int(printed(client, "import subprocess; print(subprocess.Popen(['sleep', '60']).pid)"))
        assert alive(child)
    wait_until(lambda: not alive(child))


def test_a_kernel_that_is_told_to_end_ends_well(warm):
    with kernel() as (manager, client):
        printed(client, "import subprocess; subprocess.run(['true'])")
        client.shutdown()
        assert manager.provisioner.process.wait(20) == 0


def test_a_killed_kernel_takes_along_what_it_has_forked(warm):
    fork = "import os, time\npid = os.fork()\nif not pid: time.sleep(60)\nprint(pid)"
    with kernel() as (manager, client):
        child = int(printed(client, fork))
        os.kill(manager.provisioner.pid, signal.SIGKILL)
        wait_until(lambda: not alive(child), seconds=5)


def test_what_kernels_have_left_behind_ends_with_the_warm_process():
    # Forked twice, in a session of its own and with nobody's environment: no trace leads back to its kernel.
    fork = """
        import os, time
        reader, writer = os.pipe()
        if not os.fork():
            os.setsid()
            if os.fork():
                os._exit(0)
            os.write(writer, str(os.getpid()).encode())
            time.sleep(60)
        print(os.read(reader, 20).decode())
    """
    with warm_process([]) as address, chosen(address):
        with kernel() as (_, client):
            left = int(printed(client, textwrap.dedent(fork)))
        assert alive(left)
    assert not alive(left)


def test_a_kernel_that_is_waited_for_can_be_ended(module):
    module("import time; time.sleep(20)")
    manager = BlockingPrivateKernelManager(kernel_name="python3")

    def start_and_fail():
        with pytest.raises(RuntimeError, match="ended before"):
            manager.start_kernel()
        manager.cleanup_resources()

    began = time.monotonic()
    with warm_with_the_module():
        start = threading.Thread(target=start_and_fail)
        start.start()
        while start.is_alive():
            time.sleep(0.1)
            if manager.provisioner:
                asyncio.run(manager.provisioner.kill())
    assert time.monotonic() - began < 5
    assert not manager.has_kernel


def test_sockets_are_gone_after_the_last_kernel():
    before = set(private_folder().iterdir())
    with warm_process([]) as address, chosen(address), kernel():
        assert set(private_folder().iterdir()) > before
    assert set(private_folder().iterdir()) == before
