# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The node as a process, with a camera and a listener to all that it publishes."""

from __future__ import annotations

import array
import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from nav_msgs.msg import Odometry
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu

from experiments.node_listener import NodeListener, Status
from experiments.scene import PERIOD, Scene
from experiments.watched_node import WatchedNode
from loftr_vo.ros.imu_simulator import imu_message
from loftr_vo.ros.messages import header, pose_message

FRAME = 'camera_optical_frame'
_START_TIMEOUT = 120.0  # seconds
_TIMEOUT = 60.0
# Pictures that a recovery may take: the first may be a new start, the next has the parallax.
_MOST_GOOD = 15
# Of a measurement of the IMU, in rad/s and m/s^2.
_TURN_NOISE, _FORCE_NOISE = 0.002, 0.03
_FOR_ONE = 20.0  # seconds until one good picture must be answered


class RigError(RuntimeError):
    """The node did not do what was waited for; says what, and what it said last."""


class LiveRig:
    """One node under test, in a namespace of its own.

    Args:
        name: the namespace.
        parameters: of the node, beside those that every rig sets.
        scene: what the camera sees when all is well.
        encode: makes a file's bytes of a picture, to send it as ``CompressedImage``; None: it is
            sent as ``Image``.
        folder: that the node works in.
    """

    def __init__(
        self,
        name: str,
        parameters: Mapping[str, Any],
        scene: Scene,
        encode: Callable[[np.ndarray], bytes] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.scene = scene
        self.folder = folder
        self.reply = ''
        self.stamp = time.time_ns()
        self._encode = encode
        transport = {} if encode is None else {'image_transport': 'compressed'}
        chosen = {'queue_policy': 'all', 'path_length': 20, **transport, **parameters}
        self.process = WatchedNode(chosen, name, folder)
        self.node = rclpy.create_node('rig', namespace=name)
        self.ears = NodeListener(self.node)
        quality = QoSProfile(
            history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.RELIABLE
        )
        create = self.node.create_publisher
        kind, topic = (Image, 'image') if encode is None else (CompressedImage, 'image/compressed')
        self.images = create(kind, topic, quality)
        self.infos = create(CameraInfo, 'camera_info', quality)
        self.depths = create(Image, 'depth', quality)
        self.wheels = create(Odometry, 'scale_odom', quality)
        self.imus = create(Imu, 'imu', quality)
        self._rng = np.random.default_rng(0)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._spinner = threading.Thread(target=self._spin, daemon=True)
        self._spinner.start()

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()

    def close(self) -> None:
        """End the node if it has not ended, and take the rig's own away."""
        self.process.kill()
        self._executor.shutdown()
        self._spinner.join()
        self.node.destroy_node()

    @property
    def is_compressed(self) -> bool:
        """Whether pictures are sent as ``CompressedImage``."""
        return self._encode is not None

    # --- waiting

    def until(self, condition: Callable[[], Any], what: str, timeout: float = _TIMEOUT) -> Any:
        """Wait until a condition is true, and return its value.

        Raises:
            RigError: it does not become true, or the node ends.
        """
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            if not self.process.lives:
                raise RigError(f'the node ended:\n{self.process.terminal()[-3000:]}')
            if time.monotonic() > deadline:
                last = self.ears.statuses[-1].message[:300] if self.ears.statuses else 'nothing'
                raise RigError(
                    f'no {what} in {timeout:.0f} s; the last status: {last}; the terminal:\n'
                    f'{self.process.terminal()[-2000:]}'
                )
            time.sleep(0.01)
        return value

    def until_status(self, words: str, since: float = 0.0, timeout: float = _TIMEOUT) -> Status:
        """Wait for a status that says something; see ``Status.says``."""
        status: Status = self.until(
            lambda: self.ears.first(words, since), f'status with {words!r}', timeout
        )
        return status

    def meet(self) -> None:
        """Wait until the node is active, and either side knows of the other's topics."""
        self.until(lambda: self.ears.statuses, 'status', _START_TIMEOUT)
        publishers = (self.images, self.infos)
        self.until(
            lambda: all(publisher.get_subscription_count() for publisher in publishers),
            'subscription',
            _START_TIMEOUT,
        )

    # --- sending

    def next_stamp(self) -> int:
        """Return the stamp of the next picture, in nanoseconds."""
        self.stamp += PERIOD
        return self.stamp

    def image(self, pixels: np.ndarray, encoding: str = 'mono8', **fields: Any) -> Image:
        """Return pixels as a message without a stamp."""
        message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding)
        message.step = pixels[0].nbytes
        message.data = array.array('B', pixels.tobytes())
        return _with(message, fields)

    def show(self, picture: Any, stamp: int | None = None) -> int:
        """Publish a picture, pixels or a message, at the next stamp or another; return that."""
        stamp = self.next_stamp() if stamp is None else stamp
        if isinstance(picture, np.ndarray):
            picture = self.image(picture) if self._encode is None else self._compressed(picture)
        picture.header = header(stamp, picture.header.frame_id or FRAME)
        self.images.publish(picture)
        return stamp

    def _compressed(self, pixels: np.ndarray) -> CompressedImage:
        assert self._encode is not None
        return self.compressed(self._encode(pixels))

    def compressed(self, data: bytes, format: str = 'png') -> CompressedImage:
        """Return the bytes of a picture's file as a message without a stamp."""
        return CompressedImage(format=format, data=array.array('B', data))

    def info(self, **fields: Any) -> CameraInfo:
        """Return the scene's calibration, or another, as a message."""
        camera = self.scene.camera
        message = CameraInfo(
            height=camera.height,
            width=camera.width,
            distortion_model='plumb_bob',
            d=[0.0] * 5,
            k=camera.matrix.ravel(),
            r=np.eye(3).ravel(),
            p=np.column_stack([camera.matrix, np.zeros(3)]).ravel(),
        )
        message.header = header(max(self.stamp, 0), FRAME)
        return _with(message, fields)

    def calibrate(self, **fields: Any) -> None:
        """Publish the scene's calibration, or another."""
        self.infos.publish(self.info(**fields))

    def picture(self) -> np.ndarray:
        """Return the next good picture, (H, W) uint8."""
        return self.scene.next().image

    def good(self) -> int:
        """Publish what belongs to the next good picture, and the picture; return its stamp."""
        self.calibrate()
        frame, index, stamp = self.scene.next(), self.scene.index, self.next_stamp()
        if self.depths.get_subscription_count():
            assert frame.depth is not None
            self.show_depth(frame.depth, stamp)
        if self.wheels.get_subscription_count():
            self.roll(self.scene.base_pose(index), stamp)
        if self.imus.get_subscription_count():
            for message in self.measurements(stamp):
                self.imus.publish(message)
        return self.show(frame.image, stamp)

    def measurements(self, stamp: int, count: int = 20) -> list[Imu]:
        """Return what an IMU measured in the period before the picture at a stamp.

        The last one has the picture's stamp. Noise is that of a cheap one.
        """
        turn, force = self.scene.imu()
        stamps = [stamp - PERIOD * left // count for left in reversed(range(count))]
        return [
            imu_message(
                each,
                turn + self._rng.normal(0.0, _TURN_NOISE, 3),
                force + self._rng.normal(0.0, _FORCE_NOISE, 3),
                FRAME,
            )
            for each in stamps
        ]

    def show_depth(
        self, depth: np.ndarray, stamp: int, encoding: str = '32FC1', **fields: Any
    ) -> None:
        """Publish (H, W) metres as a depth image."""
        message = self.image(depth.astype(np.float32), encoding, **fields)
        message.header = header(stamp, FRAME)
        self.depths.publish(message)

    def wheel_message(self, pose: np.ndarray, stamp: int) -> Odometry:
        """Return a (4, 4) pose as that of another odometry."""
        message = Odometry(header=header(stamp, 'odom'), child_frame_id='base_link')
        message.pose.pose = pose_message(pose)
        return message

    def roll(self, pose: np.ndarray, stamp: int) -> None:
        """Publish a (4, 4) pose as another odometry."""
        self.wheels.publish(self.wheel_message(pose, stamp))

    def call(self, kind: Any, name: str, request: Any, timeout: float = _TIMEOUT) -> Any:
        """Call a service of the node and return its reply."""
        client = self.node.create_client(kind, f'loftr_vo/{name}')
        self.until(client.service_is_ready, name)
        future = client.call_async(request)
        self.until(future.done, f'answer of {name}', timeout)
        self.node.destroy_client(client)
        return future.result()

    # --- is all well again?

    def track(self) -> None:
        """Send good pictures until the newest is tracked.

        Raises:
            RigError: it is not.
        """
        for _ in range(_MOST_GOOD):
            stamp, before = self.good(), time.monotonic()

            def answered(stamp: int = stamp, before: float = before) -> bool:
                # A picture may be refused, as the first of several after a jump in time is.
                return bool(self.ears.state_at(stamp)) or time.monotonic() > before + _FOR_ONE

            self.until(answered, 'answer to a good picture')
            if self.ears.state_at(stamp) == 'tracking':
                return
        last = self.ears.statuses[-1]
        raise RigError(f'{_MOST_GOOD} good pictures, and still {last.message[:300]}')


def _with(message: Any, fields: Mapping[str, Any]) -> Any:
    for name, value in fields.items():
        setattr(message, name, value)
    return message
