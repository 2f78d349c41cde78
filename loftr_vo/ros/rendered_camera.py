# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The executable ``vo_camera``: a camera driver whose pictures are ray-cast, for the demo."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import rclpy
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node

from loftr_vo.ros.camera_simulator import CameraSimulator
from loftr_vo.ros.imu_simulator import ImuSimulator
from loftr_vo.ros.signals import end_while_starting, ignore_signals, until_a_signal
from loftr_vo.synthetic.places import KINDS
from loftr_vo.synthetic.sequence import SyntheticSequence


class RenderedCamera(Node):
    """Publishes ``image`` and ``camera_info`` of a camera that goes forth and back for ever.

    A frame is rendered when it is shown for the first time, and kept. With an IMU, ``imu`` and its
    place in TF are published too, and the camera goes once: where it turned back, the IMU would
    not measure it.

    Raises:
        rclpy.exceptions.ParameterException: a parameter is out of range.
        ValueError: there is no such scene.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('camera', **options)
        scene = self._declare('scene', 'room', f'One of {", ".join(KINDS)}.')
        frames = self._declare('frames', 150, 'How many until it turns back.', (2, 10_000))
        width = self._declare('width', 320, 'Of the pictures. [px]', (32, 4096))
        height = self._declare('height', 240, 'Of the pictures. [px]', (32, 4096))
        rate = self._declare('rate', 5.0, 'Pictures a second. [Hz]', (0.1, 100.0))
        seed = self._declare('seed', 0, 'Of textures, path and noise.', (0, 2**31 - 1))
        with_imu = self._declare('with_imu', False, 'Whether an IMU is beside the camera.')
        self._sequence = SyntheticSequence(scene, frames, (height, width), rate, seed)
        self._pictures: dict[int, np.ndarray] = {}
        self._indices = iter(range(frames)) if with_imu else forth_and_back(frames)
        self._camera = CameraSimulator(self, self._sequence.camera)
        self._imu: ImuSimulator | None = None
        self._shift: int | None = None
        if with_imu:
            self._sequence.provide('imu')
            assert self._sequence.imu is not None  # it is provided
            self._imu = ImuSimulator(self, self._sequence.imu.imu_from_camera)
        self._timer = self.create_timer(1.0 / rate, self._publish_next)
        self.get_logger().info(f'{scene}: {width}x{height} at {rate:g} Hz')

    def _declare(
        self, name: str, default: Any, text: str, bounds: tuple[float, float] | None = None
    ) -> Any:
        descriptor = ParameterDescriptor(description=text, read_only=True)
        if bounds and isinstance(default, int):
            descriptor.integer_range = [IntegerRange(from_value=bounds[0], to_value=bounds[1])]
        elif bounds:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=bounds[0], to_value=bounds[1])
            ]
        return self.declare_parameter(name, default, descriptor).value

    def _publish_next(self) -> None:
        index = next(self._indices, None)
        if index is None:
            self._timer.cancel()
            self.get_logger().info('the camera has come to its end')
        elif self._imu is None:
            self._publish_now(index)
        else:
            self._publish_with_imu(index, self._imu)

    def _publish_with_imu(self, index: int, imu: ImuSimulator) -> None:
        """Publish a frame and its measurements, all with stamps that go on from the first."""
        frame = self._sequence.frame(index)
        if self._shift is None:
            self._shift = self.get_clock().now().nanoseconds - frame.stamp
        imu.publish(frame.imu, self._shift)
        self._camera.publish(frame.image, frame.stamp + self._shift)

    def _publish_now(self, index: int) -> None:
        if index not in self._pictures:
            self._pictures[index] = self._sequence.frame(index).image
        self._camera.publish(self._pictures[index], self.get_clock().now().nanoseconds)


def forth_and_back(count: int) -> Iterator[int]:
    """Yield 0, 1, ... ``count`` - 1, ... 1, 0, 1, ... without end."""
    return itertools.cycle([*range(count), *range(count - 2, 0, -1)])


def main(args: list[str] | None = None) -> int:
    """Run the camera until SIGINT or SIGTERM; return the exit code."""
    end_while_starting()
    rclpy.init(args=args)
    try:
        camera = RenderedCamera()
        with until_a_signal():
            rclpy.spin(camera)
    except (ParameterException, ValueError) as error:
        rclpy.logging.get_logger('camera').fatal(str(error))
        return 1
    finally:
        rclpy.try_shutdown()
        ignore_signals()
    return 0


if __name__ == '__main__':
    sys.exit(main())
