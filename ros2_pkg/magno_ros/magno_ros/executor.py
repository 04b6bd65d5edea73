"""An executor that runs callbacks in a pool of threads. Knows no question.

rclpy's own multi-threaded executor hands a callback out again and again until its thread has begun; under load the
cores that the model needs go there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from rclpy.executors import Executor, ExternalShutdownException, ShutdownException, TimeoutException
from rclpy.task import Task

BEGIN_S = 0.05  # that a thread is given to begin: longer only where all of them wait
MOMENT_S = 0.0002


class NodeExecutor(Executor):
    """Add one node, spin in one thread."""

    def __init__(self, threads: int, on_fault: Callable[[BaseException], None], **options: Any) -> None:
        """`on_fault` hears of each exception of a callback, on that callback's thread."""
        super().__init__(**options)
        self._on_fault = on_fault
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="magno-callback")
        all_begun = threading.Barrier(threads)
        for _ in range(threads):  # now, and not as callbacks meet: what a node holds is to stay as it is
            self._pool.submit(all_begun.wait)
        self._given: set[Any] = set()

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Find one callback that is due, and have it run."""
        try:
            task, _, _ = self.wait_for_ready_callbacks(timeout_sec)
        except (TimeoutException, ShutdownException, ExternalShutdownException):
            return
        self._give(task)

    def create_task(self, callback: Callable[..., Any], *words: Any, **named: Any) -> Task:
        """Run it in the pool, now. rclpy would wake the spinning thread, for it to find what is known here."""
        task = Task(callback, words, named, executor=self)
        with suppress(RuntimeError):  # it has been shut down
            self._pool.submit(self._finish, task)
        return task

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        ended: bool = super().shutdown(timeout_sec)
        self._pool.shutdown(wait=False)
        return ended

    def _give(self, task: Any) -> None:
        """To a thread. rclpy hands out again what has not begun: wait until it has, or it goes round in circles."""
        if task in self._given:
            time.sleep(MOMENT_S)
            return
        self._given.add(task)
        begun = threading.Event()
        self._pool.submit(self._run_given, task, begun)
        begun.wait(BEGIN_S)

    def _run_given(self, task: Any, begun: threading.Event) -> None:
        begun.set()
        try:
            self._run(task)
        finally:
            self._given.discard(task)

    def _finish(self, task: Any) -> None:
        self._run(task)
        while not task.done() and not self._is_shutdown:  # a coroutine that waits for something
            time.sleep(MOMENT_S)
            self._run(task)

    def _run(self, task: Any) -> None:
        task()
        fault = task.exception() if task.done() else None
        if fault is not None:
            self._on_fault(fault)
