# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The node as a component, for a container of Python nodes (``rclpy_components``)."""

from __future__ import annotations

from typing import Any

from loftr_vo.ros.loading import load_odometry
from loftr_vo.ros.odometry_node import VisualOdometryNode
from loftr_vo.ros.pipeline import Load


class VisualOdometryComponent(VisualOdometryNode):
    """The node, which comes up by itself in whatever executor it is added to.

    Args:
        node_name: that the container gives it; None for its own.
        load: makes the odometry from the settings.
        **options: of ``rclpy.node.Node``.
    """

    def __init__(
        self, node_name: str | None = None, *, load: Load = load_odometry, **options: Any
    ) -> None:
        if node_name:
            given = options.pop('cli_args', None) or ['--ros-args']
            options['cli_args'] = [*given, '-r', f'__node:={node_name}']
        super().__init__(load, **options)
        if self.node_settings.autostart:
            self.start_by_itself()
