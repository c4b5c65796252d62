"""Kernels spoken to through sockets of the file system instead of TCP ports.

A port is found free first and taken later, so that two kernels started together may be given the same, and any user of
the machine can connect to it. A socket in a folder that only its user can enter has neither fault.
"""

import shutil
import tempfile
from pathlib import Path

from jupyter_client.manager import AsyncKernelManager, KernelManager

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


class PrivateKernelManager(_PrivateSockets, AsyncKernelManager):
    """For nbclient and papermill."""


class BlockingPrivateKernelManager(_PrivateSockets, KernelManager):
    """For nbval."""
