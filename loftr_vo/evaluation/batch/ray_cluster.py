# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks on a Ray cluster (https://docs.ray.io), one Ray task for each."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Generator, Iterable
from typing import Any

from loftr_vo.evaluation.batch.result import Result, failed
from loftr_vo.evaluation.batch.task import Task
from loftr_vo.evaluation.batch.work import attempt, store_failure
from loftr_vo.files.errors import InputError

# Tasks submitted at a time: enough for an autoscaler to start machines, and few enough for the
# memory of the driver to stay flat.
_SUBMITTED = 1000
# Retries of a task whose worker or machine is lost.
_RETRIES = 3
_TICK = 0.5  # seconds


class ClusterError(InputError):
    """Ray is not installed, or the cluster cannot be reached."""


def run_on_ray(
    tasks: Iterable[Task],
    address: str,
    threads: int,
    gpus: float,
    tick: Callable[[int], None],
) -> Generator[Result, None, None]:
    """Do tasks on a cluster; yield each result when it is there.

    A task whose worker is lost is done again, three times at most; then it has failed.

    Args:
        tasks: what is to be done.
        address: of the cluster as ``ray.init`` takes it; ``auto``: the one that RAY_ADDRESS
            names or that runs here, or a new one on this machine.
        threads: CPU cores that a task takes.
        gpus: share of a GPU that a task takes.
        tick: called regularly with 0.

    Raises:
        ClusterError: Ray is not installed, or cannot be reached.
    """
    ray = _connect(address)
    remote = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=_RETRIES)(_attempt)
    waiting = iter(tasks)
    pending: dict[Any, Task] = {}
    try:
        for task in itertools.islice(waiting, _SUBMITTED):
            pending[remote.remote(task)] = task
        while pending:
            done, _ = ray.wait(list(pending), num_returns=1, timeout=_TICK)
            for reference in done:
                task = pending.pop(reference)
                try:
                    result = ray.get(reference)
                except ray.exceptions.RayError as error:
                    reason = str(error).strip().splitlines()[0]
                    result = store_failure(failed(task, f'Ray: {reason}'), task)
                if (following := next(waiting, None)) is not None:
                    pending[remote.remote(following)] = following
                yield result
            tick(0)
    finally:
        for reference in pending:
            ray.cancel(reference, force=True)
        ray.shutdown()


def _attempt(task: Task) -> Result:
    return attempt(task, lambda sequence: iter)


def _connect(address: str) -> Any:
    try:
        import ray
    except ImportError as error:
        raise ClusterError(
            '--ray needs Ray, which is not installed; install it with '
            '"pip install \'loftr_vo[cluster]\'"'
        ) from error
    # Workers on this machine import the package from the same place as this process.
    environment = {'env_vars': {'PYTHONPATH': ':'.join(path for path in sys.path if path)}}
    local = address in ('auto', 'local')
    try:
        ray.init(
            None if address == 'auto' else address,
            log_to_driver=False,
            runtime_env=environment if local else None,
            include_dashboard=False if address == 'local' else None,
        )
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise ClusterError(f'Ray does not answer at {address}: {error}') from error
    return ray
