# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The process of the node: start it, spin, and end cleanly at a signal."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

import rclpy
from rclpy.exceptions import ParameterException

from loftr_vo.config import SettingError
from loftr_vo.files.errors import InputError
from loftr_vo.matching.cpu_memory import keep_memory_between_frames
from loftr_vo.matching.openmp import wait_briefly
from loftr_vo.ros.argument_files import check_argument_files
from loftr_vo.ros.executor import AsideExecutor
from loftr_vo.ros.odometry_node import VisualOdometryNode
from loftr_vo.ros.signals import end_while_starting, ignore_signals, until_a_signal


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; return the exit code."""
    return run(VisualOdometryNode, args)


def run(make_node: Callable[[], VisualOdometryNode], args: list[str] | None = None) -> int:
    """Run a node until SIGINT or SIGTERM; return the exit code."""
    end_while_starting()
    wait_briefly()
    keep_memory_between_frames()
    try:
        check_argument_files(args)
    except InputError as error:
        print(f'loftr_vo: error: {error}', file=sys.stderr)
        return 1
    rclpy.init(args=args)
    try:
        node = make_node()
    except (SettingError, ParameterException) as error:
        rclpy.logging.get_logger('loftr_vo').fatal(str(error))
        rclpy.try_shutdown()
        return 1
    code = 0
    try:
        with until_a_signal():
            if node.node_settings.autostart:
                node.start_by_itself()
            # Services answer while a transition takes its time.
            rclpy.spin(node, AsideExecutor(node.transitions))
    except Exception:
        node.get_logger().fatal(traceback.format_exc())
        code = 1
    finished = node.abandon()
    rclpy.try_shutdown()
    ignore_signals()
    if not finished:
        # A thread inside torch cannot be ended, and crashes the interpreter if it outlives it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == '__main__':
    sys.exit(main())
