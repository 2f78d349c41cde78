# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps the tests' DDS traffic on this machine and apart from other runs."""

import os

import pytest


def isolate() -> None:
    """Give this process and its children a ROS domain of their own; to be called first."""
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    # Fast DDS derives its ports from the domain; up to 101 they stay below the ephemeral ones.
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)


@pytest.fixture(scope='module', autouse=True)
def ros():
    """Start rclpy for the module that imports this, in a domain of its own."""
    import rclpy

    isolate()
    rclpy.init()
    yield
    rclpy.shutdown()
