"""The warm process: imports the analysis stack once, then becomes, by fork, each kernel that is asked for.

`python -m paillasse.kernels.warm FD MODULE...` listens on the socket FD and ends, with all its kernels, when its
standard input is closed, which the end of the process that started it does at the latest. A connection is one kernel:
it brings the request, it is told the kernel's number and later how it ended; the kernel is killed when it is closed.

What may happen here was learnt by experiment:

- It only imports and never computes: OpenMP threads that have worked once hang a child, and DuckDB that has read once
  hangs its exit.
- One thread only. BLAS and OpenMP are held to one by the environment that this process is started with, pyarrow's
  allocator by a setting of its own; a module that starts a thread when imported makes this process refuse every kernel.
- Modules look around when they are imported: pandas shows other columns in a terminal, plotly draws in a browser
  outside a notebook. So imports see what they would see in a kernel, and what does more when imported than define
  things (`paillasse.figures`, `matplotlib.pyplot`) is left to the kernel.
- No old code: no kernel is forked any more once the file of any imported module is not the one that was imported.
- It waits for nobody: what a client sends is awaited for a second.
- It ends last, and what kernels have left behind ends with it.
"""

import atexit
import builtins
import contextlib
import ctypes
import importlib
import json
import os
import selectors
import signal
import socket
import struct
import sys
import threading
import time
import warnings
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from paillasse.light_imports import without_garbage_search, without_iri_grammar

THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"
)  # fmt: skip
ONE_THREAD = dict.fromkeys(THREADS, "1") | {"JE_ARROW_MALLOC_CONF": "background_thread:false"}  # set by who starts this
# Variables that nothing reads before a kernel's first cell, so that they may differ from kernel to kernel.
LATE = ("PAILLASSE_", "JPY_", "PYTEST_", "MPLBACKEND", "PWD", "OLDPWD", "SHLVL", "COLUMNS", "LINES", *ONE_THREAD)
LAUNCHER = "ipykernel_launcher"  # the module that a Python kernel's command runs
# What every kernel loads until its first cell.
KERNEL = (
    "ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.zmqshell", "ipykernel.debugger", "sqlite3",
    "IPython.core.completerlib", "IPython.core.debugger", "IPython.core.logger", "IPython.extensions.storemagic",
    "tornado.platform.asyncio", "tornado.queues", "stringprep", "encodings.idna", "faulthandler", "threadpoolctl",
    "numpy.random",
)  # fmt: skip
LONGEST_REQUEST = 1_000_000  # bytes; an environment has some ten thousand
PATIENCE = 1.0  # seconds for a client to send its request
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


class Refusal(Exception):
    """Why a kernel has to start cold."""


@dataclass(eq=False)
class Client:
    """A connection: what it has sent so far, then its kernel."""

    connection: socket.socket
    deadline: float
    request: bytearray = field(default_factory=bytearray)
    streams: list[int] = field(default_factory=list)  # for the kernel's standard input, output and error
    pid: int | None = None
    ended: int | None = None  # a descriptor that can be read once the kernel has ended

    def close_streams(self) -> None:
        while self.streams:
            os.close(self.streams.pop())


# What is imported


def preload(modules: list[str]) -> str | None:
    """Import as inside a kernel; why no kernel may come of it, or None."""
    for module in KERNEL:
        importlib.import_module(module)
    with inside_a_kernel(), without_iri_grammar():
        for module in modules:
            try:
                with warnings_told() as warned:
                    importlib.import_module(module)
            except Exception as error:
                if getattr(error, "name", None) == module.partition(".")[0]:
                    continue  # not installed: the notebook will say so
                return f"importing {module} fails"
            if warned:  # a cold kernel shows it
                return f"importing {module} warns"
            if threads() > 1:
                return f"importing {module} starts a thread"
    return None


@contextlib.contextmanager
def warnings_told():
    """A list of what is warned of. Unlike after `warnings.catch_warnings`, the filters that a module sets stay: they
    decide what a kernel shows."""
    warned, show = [], warnings.showwarning
    warnings.showwarning = lambda *told, **_: warned.append(told)
    try:
        yield warned
    finally:
        warnings.showwarning = show


@contextlib.contextmanager
def inside_a_kernel():
    """IPython's shell, as modules see it that ask while being imported whether they are in a notebook."""
    from ipykernel.zmqshell import ZMQInteractiveShell
    from IPython import get_ipython

    classes = list(ZMQInteractiveShell._walk_mro())
    shell = ZMQInteractiveShell.__new__(ZMQInteractiveShell)  # never started: each kernel makes its own
    for each in classes:
        each._instance = shell
    builtins.get_ipython = get_ipython
    try:
        yield
    finally:
        del builtins.get_ipython
        for each in classes:
            each._instance = None


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def imported_files() -> dict[str, tuple | None]:
    """Each file that a module was imported from, with what tells it from a changed one."""
    paths = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return {path: identity(path) for path in paths if path}


def identity(path: str) -> tuple | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


# Who asks, and what becomes of it


class WarmProcess:
    """The loop over connections and kernels; in a forked child it ends with what the child is to become."""

    def __init__(self, listener: socket.socket, environment: dict[str, str], began: int, refused: str | None):
        self.listener = listener
        self.environment = environment  # before anything was imported
        self.imported = imported_files()
        # What was written while all was imported may be newer than what was imported.
        is_newer = any(known and known[0] >= began for known in self.imported.values())
        self.refused = refused or ("files have changed while they were imported" if is_newer else None)
        self.clients: list[Client] = []
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ, self.accept)
        self.selector.register(sys.stdin, selectors.EVENT_READ, self.end)
        self.over = False

    def serve(self) -> dict | None:
        """The request that this process has become the child for; None where it is over."""
        while not self.over:
            for key, _ in self.selector.select(PATIENCE):
                if key.fd in self.selector.get_map() and (request := key.data()):
                    return request
            now = time.monotonic()
            for client in [each for each in self.clients if each.pid is None and each.deadline < now]:
                self.drop(client)
        return None

    def accept(self) -> None:
        connection, _ = self.listener.accept()
        connection.setblocking(False)
        _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if user != os.getuid():
            connection.close()
            return
        client = Client(connection, time.monotonic() + PATIENCE)
        self.clients.append(client)
        self.selector.register(connection, selectors.EVENT_READ, partial(self.receive, client))

    def receive(self, client: Client) -> dict | None:
        """Take in a part of a request; the end of a connection is the end of its kernel."""
        try:
            part, streams, _, _ = socket.recv_fds(client.connection, 65536, 3)
        except OSError:
            part, streams = b"", []
        client.request += part
        client.streams += streams
        if not part or client.pid is not None or len(client.request) > LONGEST_REQUEST:
            self.drop(client)
        elif client.request.endswith(b"\n"):
            return self.answer(client)
        return None

    def answer(self, client: Client) -> dict | None:
        try:
            request = self.checked(client)
        except Refusal as refusal:
            self.tell(client, {"refused": str(refusal)})
            self.drop(client)
            return None
        warm = os.getpid()
        client.pid = os.fork()
        if client.pid == 0:
            self.become_child(client, request, warm)
            return request
        client.ended = os.pidfd_open(client.pid)
        self.selector.register(client.ended, selectors.EVENT_READ, partial(self.bury, client))
        self.tell(client, {"pid": client.pid})
        client.close_streams()
        return None

    def checked(self, client: Client) -> dict:
        """The request, if the kernel that it asks for would be the same as a cold one."""
        if self.refused:
            raise Refusal(self.refused)
        try:
            request = json.loads(client.request)
            executable, *options, dash_m = request["command"][: request["command"].index(LAUNCHER)]
            environment = request["environment"]
            request["threads"] = wanted_threads(environment)
        except (ValueError, KeyError, TypeError):
            raise Refusal("the kernel's command is not that of ipykernel") from None
        # Frozen modules matter to a debugger only.
        if (executable, dash_m) != (sys.executable, "-m") or set(options) - {"-Xfrozen_modules=off"}:
            raise Refusal("the kernel is another interpreter's")
        if len(client.streams) != 3 or not os.path.isdir(request["folder"]):
            raise Refusal("there is no such folder")
        for name in environment.keys() | self.environment.keys():
            if environment.get(name) != self.environment.get(name) and not name.startswith(LATE) and name != "_":
                raise Refusal(f"the variable {name} is another")
        if threads() > 1:
            raise Refusal("there is more than one thread")
        if any(identity(path) != known for path, known in self.imported.items()):
            self.refused = "the files of imported modules have changed"
            raise Refusal(self.refused)
        return request

    def become_child(self, client: Client, request: dict, warm: int) -> None:
        """After the fork, leave everything of the warm process behind."""
        os.setsid()  # as jupyter_client starts kernels: signals go to the kernel and what it has started
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != warm:
            os._exit(1)
        self.selector.close()
        for each in [self.listener, *(client.connection for client in self.clients)]:
            each.detach()  # else the object's end, for the listener that of `main`, closes what has its number by then
        for number, stream in enumerate(client.streams):
            os.dup2(stream, number)
        os.closerange(3, max(map(int, os.listdir("/proc/self/fd"))) + 1)
        os.chdir(request["folder"])
        # What imports have put into the environment stays, as it would in a kernel.
        by_imports = {name: os.environ[name] for name in os.environ.keys() - self.environment.keys()}
        os.environ.clear()
        os.environ.update(by_imports | request["environment"])

    def bury(self, client: Client) -> None:
        """A kernel has ended: say how, and end what it leaves in its group."""
        # The system shows the environment of its forks as that of this process: by it they could not be found.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(client.pid, signal.SIGKILL)
        _, status = os.waitpid(client.pid, 0)
        client.pid = None
        self.selector.unregister(client.ended)
        os.close(client.ended)
        if client in self.clients:
            self.tell(client, {"returncode": os.waitstatus_to_exitcode(status)})
            self.drop(client)

    def drop(self, client: Client) -> None:
        """Forget a connection, and kill its kernel if there is one, which is buried when it has ended."""
        self.clients.remove(client)
        self.selector.unregister(client.connection)
        client.connection.close()
        client.close_streams()
        if client.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(client.pid, signal.SIGKILL)

    def tell(self, client: Client, answer: dict) -> None:
        with contextlib.suppress(OSError):  # it has gone, which the next look at it will show
            client.connection.send(json.dumps(answer).encode() + b"\n")

    def end(self) -> None:
        for client in list(self.clients):
            self.drop(client)
        self.over = True


def end_children() -> None:
    """Kill what kernels have left outside their groups: what a process leaves behind is its nearest subreaper's."""
    children = f"/proc/self/task/{os.getpid()}/children"
    with contextlib.suppress(OSError):  # a system without such lists
        while left := [int(pid) for pid in Path(children).read_text().split()]:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def wanted_threads(environment: dict[str, str]) -> dict[str, int]:
    """How many threads BLAS and OpenMP would take in a cold kernel with this environment."""
    cores = len(os.sched_getaffinity(0))
    openmp = int(environment.get("OMP_NUM_THREADS") or cores)
    return {"openmp": openmp, "blas": int(environment.get("OPENBLAS_NUM_THREADS") or openmp)}


# The kernel


def run_kernel(request: dict) -> None:
    """Be the kernel, as `python -m ipykernel_launcher` would be."""
    import numpy
    import threadpoolctl
    from ipykernel import kernelapp

    if set(request["threads"].values()) != {1}:
        threadpoolctl.threadpool_limits(request["threads"])
    numpy.random.seed()  # Python's own generator does it by itself
    importlib.invalidate_caches()
    command = request["command"]
    sys.orig_argv = command
    sys.argv = [importlib.util.find_spec(LAUNCHER).origin, *command[command.index(LAUNCHER) + 1 :]]
    kernelapp.launch_new_instance()
    # The thread that was told to shut down may still be flushing outputs, for which it needs another thread that ends
    # when ipykernel closes: then it would wait ten seconds.
    control, idle = kernelapp.IPKernelApp.instance().control_thread, threading.Event()
    if control.is_alive():
        control.io_loop.add_callback(idle.set)
        idle.wait(PATIENCE)


def main() -> None:
    environment, began = dict(os.environ), time.time_ns()
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # read when ipykernel is imported: whose end ends a kernel
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    del sys.path[0]  # the working directory; a kernel puts its own there
    listener = socket.socket(fileno=int(sys.argv[1]))
    with without_garbage_search():
        refused = preload(sys.argv[2:])
    request = WarmProcess(listener, environment, began, refused).serve()
    if request is None:
        end_children()
        os._exit(0)
    run_kernel(request)
    # What Python does at an end, but for taking all modules apart, which costs a forked kernel a copy of each page.
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
