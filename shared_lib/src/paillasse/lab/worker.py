"""Work beside the server's own: one thing after another, in a thread that does not keep the server from ending."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future


class Worker:
    """A thread that does one thing after another, started when it is first needed.

    Python waits for an executor's threads before it ends; a scan that has just begun would keep a server that is
    stopped alive.

    Examples
    --------
    >>> Worker().do(sum, [1, 2]).result()
    3
    """

    def __init__(self):
        self._waiting: queue.SimpleQueue = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def do(self, function: Callable, *arguments) -> Future:
        """Have something done in its turn; the result, or the error, is the future's."""
        future: Future = Future()
        self._waiting.put((future, function, arguments))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        return future

    def _work(self) -> None:
        while True:
            future, function, arguments = self._waiting.get()
            if not future.set_running_or_notify_cancel():  # who asked has gone
                continue
            try:
                future.set_result(function(*arguments))
            except BaseException as error:
                future.set_exception(error)
