# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The executable ``vo_px4``: the node's odometry on PX4's topic for odometry from outside."""

from __future__ import annotations

import sys
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from loftr_vo.odometry.estimate import State
from loftr_vo.ros.px4_odometry import Px4Odometry
from loftr_vo.ros.signals import end_while_starting, ignore_signals, until_a_signal

_TOPIC = '/fmu/in/vehicle_visual_odometry'
# PX4's bridge subscribes best effort.
_QUALITY = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


class Px4Bridge:
    """Subscribes to ``odom`` and the node's status, and publishes what PX4 takes.

    Nothing is published while the odometry is lost: EKF2 then knows by itself that it has ended.

    Args:
        node: to subscribe and publish with.
        kind: the type ``px4_msgs.msg.VehicleOdometry``.
    """

    def __init__(self, node: Node, kind: type) -> None:
        self._kind = kind
        self._convert = Px4Odometry()
        self._values: dict[str, str] = {}
        self._publisher = node.create_publisher(kind, _TOPIC, _QUALITY)
        node.create_subscription(Odometry, 'odom', self._on_odometry, 10)
        node.create_subscription(DiagnosticStatus, 'loftr_vo/status', self._on_status, 10)

    def _on_status(self, message: DiagnosticStatus) -> None:
        self._values = {pair.key: pair.value for pair in message.values}

    def _on_odometry(self, message: Any) -> None:
        if self._values.get('state') == State.LOST.value:
            return
        metric = self._values.get('scale') == 'metric'
        self._publisher.publish(self._convert.fill(self._kind(), message, metric))


def main(args: list[str] | None = None) -> int:
    """Run the bridge until a signal; return the exit code."""
    end_while_starting()
    try:
        from px4_msgs.msg import VehicleOdometry
    except ImportError:
        print(
            'loftr_vo: error: px4_msgs is not installed: build it in your workspace, in the '
            "version of the vehicle's PX4",
            file=sys.stderr,
        )
        return 1
    rclpy.init(args=args)
    node = rclpy.create_node('vo_px4')
    with until_a_signal():
        Px4Bridge(node, VehicleOdometry)
        rclpy.spin(node)
    rclpy.try_shutdown()
    ignore_signals()
    return 0


if __name__ == '__main__':
    sys.exit(main())
