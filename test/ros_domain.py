# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps the tests' DDS traffic on this machine and apart from other runs."""

import os
from collections.abc import Mapping

import pytest


def isolate() -> None:
    """Give this process and its children a ROS domain of their own; to be called first."""
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    # Fast DDS derives its ports from the domain; up to 101 they stay below the ephemeral ones.
    os.environ['ROS_DOMAIN_ID'] = str(domain(os.getpid(), os.getppid(), os.environ))


def domain(process: int, parent: int, environment: Mapping[str, str]) -> int:
    """Return a domain, 1 to 100, that differs between the workers of one run of pytest-xdist.

    Args:
        process, parent: process ids, of this process and of the one that started it.
        environment: where pytest-xdist names the worker: gw0, gw1, ...
    """
    worker = environment.get('PYTEST_XDIST_WORKER', '').removeprefix('gw')
    return 1 + (parent + int(worker) if worker.isdigit() else process) % 100


@pytest.fixture(scope='module', autouse=True)
def ros():
    """Start rclpy for the module that imports this, in a domain of its own."""
    import rclpy

    isolate()
    rclpy.init()
    yield
    rclpy.shutdown()
