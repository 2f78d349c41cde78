# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The bond with a lifecycle manager, which notices by it that a node has died."""

from __future__ import annotations

import importlib
from typing import Any

# As Nav2's own nodes have them (nav2_util, LifecycleNode::createBond): the topic, seconds between
# heartbeats, and seconds without any from the manager until the bond breaks.
_TOPIC = 'bond'
_HEARTBEAT_PERIOD = 0.1
_HEARTBEAT_TIMEOUT = 4.0


def form_bond(node: Any) -> Any:
    """Return a bond with the lifecycle manager of a node, under the node's name.

    Nav2's manager waits for it after it has activated a node, unless its ``bond_timeout`` is 0.

    Args:
        node: an rclpy node.

    Returns:
        A ``bondpy.bondpy.Bond`` that is started; None where bondpy is not installed.
    """
    try:
        bondpy = importlib.import_module('bondpy.bondpy')
    except ModuleNotFoundError:
        node.get_logger().info(
            'bondpy is not installed: set bond_timeout to 0.0 where Nav2 manages this node'
        )
        return None
    bond = bondpy.Bond(_TOPIC, node.get_name(), node)
    bond.set_heartbeat_period(_HEARTBEAT_PERIOD)
    bond.set_heartbeat_timeout(_HEARTBEAT_TIMEOUT)
    bond.start()
    return bond
