"""Kernels spoken to through sockets of the file system instead of TCP ports.

A port is found free first and taken later, so that two kernels started together may be given the same, and any user of
the machine can connect to it. A socket in a folder that only its user can enter has neither fault.
"""

import contextlib
import shutil
import tempfile
import time
from pathlib import Path
from queue import Empty

import zmq
import zmq.asyncio
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager, KernelManager
from traitlets import HasTraits, default

from paillasse.kernels.started import private_folder


class _PrivateSockets:
    """A kernel manager's connection file and sockets are in a folder of their own, which goes with the kernel."""

    def __init__(self, **settings):
        if folder := private_folder():
            self._folder = tempfile.mkdtemp(dir=folder)
            settings = {"transport": "ipc", "connection_file": str(Path(self._folder, "kernel.json"))} | settings
        super().__init__(**settings)

    def cleanup_connection_file(self) -> None:
        super().cleanup_connection_file()
        if private_folder():
            shutil.rmtree(self._folder, ignore_errors=True)


class _Promptly(HasTraits):
    """Connects to the sockets of a kernel that is just starting 10 ms after it has made them, instead of 100."""

    @default("context")
    def _context_default(self) -> zmq.asyncio.Context:
        context = super()._context_default()
        context.setsockopt(zmq.RECONNECT_IVL, 10)
        return context


class PromptClient(_Promptly, AsyncKernelClient):
    """Knows that a kernel is ready by its own word, where jupyter_client listens for a fifth of a second of silence."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        deadline = time.monotonic() + (timeout or float("inf"))
        while time.monotonic() < deadline:
            asked = self.kernel_info()
            with contextlib.suppress(Empty):
                answer = await self._answer()
                if answer["msg_type"] == "kernel_info_reply" and await self._is_told_idle(asked):
                    self._handle_kernel_info_reply(answer)
                    return
        raise RuntimeError(f"Kernel didn't respond in {timeout} seconds")

    async def _answer(self) -> dict:
        """The next answer, awaited for a second, after which it is asked again; a kernel that has died gives none."""
        for _ in range(5):
            with contextlib.suppress(Empty):
                return await self.get_shell_msg(timeout=0.2)
            if not await self.is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
        raise Empty

    async def _is_told_idle(self, asked: str) -> bool:
        """Whether the kernel says, where outputs come, that it is done with this: then outputs do come, and all of
        before have come. Where that way was not open yet, it was not heard, and is asked again."""
        while True:
            message = await self.get_iopub_msg(timeout=0.03)
            if message["parent_header"].get("msg_id") == asked and message["content"].get("execution_state") == "idle":
                return True


class PrivateKernelManager(_PrivateSockets, _Promptly, AsyncKernelManager):
    """For nbclient and papermill."""

    client_class = "paillasse.kernels.channels.PromptClient"
    client_factory = PromptClient

    async def _async_wait(self, pollinterval: float = 0.1) -> None:
        """Wait for the kernel's end, without losing a tenth of a second for each."""
        await super()._async_wait(pollinterval / 10)


class BlockingPrivateKernelManager(_PrivateSockets, KernelManager):
    """For nbval."""
