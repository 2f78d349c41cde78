# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks side by side on this machine, in processes; a crash of one fails its task only."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from loftr_vo.datasets import Sequence
from loftr_vo.evaluation.batch.result import INTERRUPTED, Result, failed
from loftr_vo.evaluation.batch.task import Task
from loftr_vo.evaluation.batch.work import attempt, store_failure
from loftr_vo.evaluation.interrupts import interrupts_noted
from loftr_vo.matching.cpu_memory import keep_memory_between_frames
from loftr_vo.matching.openmp import wait_briefly

# Libraries read these when they are loaded, so they are set before a process starts.
_THREAD_VARIABLES = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS')
_TICK = 0.5  # seconds between two looks at the count of frames
# Seconds for a process to write its results after an interrupt.
_GRACE = 30.0


def run_in_processes(
    tasks: Iterable[Task], jobs: int, threads: int, tick: Callable[[int], None]
) -> Generator[Result, None, None]:
    """Do tasks side by side; yield each result when it is there.

    A process does one task after the other. If it crashes, its task has failed, and
    a new process does the next one. When the generator is closed, all processes are interrupted
    and write their results so far.

    Args:
        tasks: what is to be done; taken one by one.
        jobs: how many processes.
        threads: that each of them computes with.
        tick: called regularly with the number of frames done so far.
    """
    context = multiprocessing.get_context('spawn')
    frames = context.Value('q', 0)
    waiting = iter(tasks)
    busy: dict[Connection, tuple[_Worker, Task]] = {}

    def give(worker: _Worker, task: Task) -> None:
        worker.connection.send(task)
        busy[worker.connection] = worker, task

    idle: list[_Worker] = []
    try:
        for task in waiting:
            give(_Worker(context, threads, frames), task)
            if len(busy) == jobs:
                break
        while busy:
            for ready in wait(list(busy), timeout=_TICK):
                assert isinstance(ready, Connection)
                worker, task = busy[ready]
                try:
                    result = worker.connection.recv()
                except (EOFError, OSError):
                    result = store_failure(failed(task, worker.exit_reason()), task)
                    worker.end()
                    worker = _Worker(context, threads, frames)
                del busy[ready]
                following = next(waiting, None)
                if following is None:
                    idle.append(worker)
                else:
                    give(worker, following)
                yield result
            tick(frames.value)
    finally:
        everyone = [worker for worker, _ in busy.values()] + idle
        for worker in everyone:
            worker.interrupt()
        for worker in everyone:
            worker.end()


class _Worker:
    """A process that does tasks, with the pipe to it."""

    def __init__(self, context: Any, threads: int, frames: Any) -> None:
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, frames), daemon=True)
        with _environment(threads):
            self._process.start()
        # A copy in this process would keep the pipe open after a crash.
        theirs.close()

    def exit_reason(self) -> str:
        """Return why the process ended, once its pipe is closed."""
        self._process.join(_GRACE)
        code = self._process.exitcode
        if code is not None and code < 0:
            try:
                return f'its process was ended by {signal.Signals(-code).name}'
            except ValueError:
                return f'its process was ended by signal {-code}'
        return f'its process ended with code {code}'

    def interrupt(self) -> None:
        """Interrupt the process: it writes its results so far and ends."""
        self._process.terminate()

    def end(self) -> None:
        """Wait for the process to end, and kill it if it does not."""
        self._process.join(_GRACE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.connection.close()


@contextlib.contextmanager
def _environment(threads: int) -> Iterator[None]:
    """Set the number of threads for processes that are started in the block."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update({name: str(threads) for name in _THREAD_VARIABLES})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(connection: Connection, frames: Any) -> None:
    """Do the tasks that come through a pipe, until it is closed."""
    # Ctrl-C goes to all processes of a terminal. The command ends this one by SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    wait_briefly()
    keep_memory_between_frames()
    with contextlib.suppress(EOFError, OSError):
        while True:
            task = connection.recv()
            connection.send(_interruptible(task, frames))


def _interruptible(task: Task, frames: Any) -> Result:
    with interrupts_noted():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            result = attempt(task, lambda sequence: _counting(sequence, frames))
        except KeyboardInterrupt:
            result = failed(task, 'interrupted')
            result.status = INTERRUPTED
    # The handler is the default one again: the signal may have been meant for this process.
    if result.status == INTERRUPTED:
        raise SystemExit(0)
    return result


def _counting(sequence: Sequence, frames: Any) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """Return a ``progress`` that adds frames to a counter shared by processes."""

    def count(things: Iterable[Any]) -> Iterator[Any]:
        for thing in things:
            yield thing
            with frames.get_lock():
                frames.value += 1

    return count


def _end_with_parent() -> None:
    """End this process when the parent process has ended, for whatever reason."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
