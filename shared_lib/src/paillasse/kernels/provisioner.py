"""The client's side of the warm process: a kernel provisioner, which jupyter_client finds by its entry point."""

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from jupyter_client.provisioning import LocalProvisioner

from paillasse.kernels.started import ADDRESS, CHOICE

LONGEST_WAIT = 60.0  # seconds for an answer; the first one comes when all is imported


class WarmProvisioner(LocalProvisioner):
    """Starts a kernel by a fork of the warm process, or cold where that is refused."""

    asking: socket.socket | None = None
    given_up = False

    async def pre_launch(self, **kwargs):
        prepared = await super().pre_launch(**kwargs)
        for name in (ADDRESS, CHOICE):  # for this process; what a notebook starts is its own business
            prepared["env"].pop(name, None)
        return prepared

    async def launch_kernel(self, cmd, **kwargs):
        self.asking, self.given_up = socket.socket(socket.AF_UNIX), False
        try:
            process = await asyncio.to_thread(fork, self.asking, cmd, **self._scrub_kwargs(kwargs))
        except (OSError, ValueError, TypeError, KeyError) as reason:
            if self.given_up:
                raise RuntimeError("The kernel was ended before it had started.") from None
            self.log.info("The kernel starts cold: %s", reason)
            return await super().launch_kernel(cmd, **kwargs)
        self.process, self.pid, self.pgid, self.cwd = process, process.pid, process.pid, kwargs.get("cwd")
        return self.connection_info

    async def kill(self, restart=False):
        """As ever; and a kernel that is still waited for is not waited for any more."""
        if self.asking and not self.process:
            self.given_up = True
            with contextlib.suppress(OSError):  # not connected yet: the next call will do
                self.asking.shutdown(socket.SHUT_RDWR)
        await super().kill(restart)


class ForkedKernel:
    """A kernel forked elsewhere: as much of `subprocess.Popen` as jupyter_client asks of one."""

    stdin = stdout = stderr = None

    def __init__(self, connection: socket.socket, pid: int):
        self.connection = connection
        self.pid = pid
        self.returncode: int | None = None
        self._one_at_a_time = threading.Lock()  # its end is told once, and several threads may look for it

    def poll(self) -> int | None:
        with self._one_at_a_time:
            if self.returncode is None and select.select([self.connection], [], [], 0)[0]:
                answer = b""
                with contextlib.suppress(OSError):
                    answer = self.connection.recv(1000)
                # Without an answer the warm process was killed, and its kernels with it.
                self.returncode = json.loads(answer)["returncode"] if answer else -signal.SIGKILL
                self.connection.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(["kernel"], timeout)
            time.sleep(0.02)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def fork(
    connection: socket.socket, cmd: list[str], env: dict, cwd: str | None = None, stdin=None, stdout=None, stderr=None
) -> ForkedKernel:
    """Ask the warm process for a kernel, through a new socket.

    Raises
    ------
    OSError
        There is no warm process, or it does not answer.
    ValueError, TypeError, KeyError
        It refuses, or the kernel is asked for in a way that a fork cannot serve.
    """
    opened = []
    try:
        connection.settimeout(LONGEST_WAIT)
        connection.connect(os.environ[ADDRESS])
        streams = [descriptor(stream, number, opened) for number, stream in enumerate((stdin, stdout, stderr))]
        request = {"command": cmd, "environment": dict(env), "folder": str(Path(cwd or ".").absolute())}
        socket.send_fds(connection, [b" "], streams)
        connection.sendall(json.dumps(request).encode() + b"\n")
        answer = json.loads(connection.recv(10_000) or "{}")
        if "pid" not in answer:
            raise ValueError(answer.get("refused", "the warm process has ended"))
        return ForkedKernel(connection, answer["pid"])
    except BaseException:
        connection.close()
        raise
    finally:
        for each in opened:
            os.close(each)


def descriptor(stream, number: int, opened: list[int]) -> int:
    """The descriptor that a stream of `subprocess.Popen` stands for."""
    if stream == subprocess.DEVNULL or (stream is None and number == 0):  # as jupyter_client: no terminal's input
        opened.append(os.open(os.devnull, os.O_RDWR))
        return opened[-1]
    if stream is None:
        return number
    if isinstance(stream, int):
        if stream < 0:
            raise ValueError("the kernel's output is asked for as a pipe")
        return stream
    return stream.fileno()
