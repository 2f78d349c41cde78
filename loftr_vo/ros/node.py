# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node ``loftr_vo``: a camera's topics in, odometry out."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from loftr_vo.camera import Camera
from loftr_vo.config import NodeSettings, SettingError, Settings
from loftr_vo.frame import Frame
from loftr_vo.ros import parameters
from loftr_vo.ros.health import Health, diagnose
from loftr_vo.ros.messages import status_message
from loftr_vo.ros.outputs import Outputs
from loftr_vo.ros.stream import Stream
from loftr_vo.ros.transforms import Extrinsics

# Seconds that a frame in work gets to finish when the process is told to end.
_PATIENCE = 3.0
_STATUS_PERIOD = 0.5
_DIAGNOSTICS_PERIOD = 1.0
# Of the frames to warm up on where the setting leaves the size open; the matcher shrinks them.
_WARM_UP_WIDTH = 640


def load_odometry(settings: Settings) -> Any:
    """Return a ``VisualOdometry`` whose network is loaded and has run once.

    Raises:
        WeightsError: the weights are not there or not a LoFTR; says what to do.
        DeviceError: the device is not there.
    """
    # torch takes seconds to import; the node is up and says what it does before that.
    from loftr_vo.odometry import VisualOdometry

    odometry = VisualOdometry(settings)
    for frame in _noise(settings.matcher.image_size or _WARM_UP_WIDTH):
        odometry.track(frame)
    odometry.reset()
    return odometry


def _noise(width: int) -> list[Frame]:
    """Return two frames to warm up on, of the size that the network will work at."""
    height = width * 3 // 4
    matrix = np.array([[width, 0.0, width / 2], [0.0, width, height / 2], [0.0, 0.0, 1.0]])
    camera = Camera(width, height, matrix, 'plumb_bob', np.zeros(0))
    picture = np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)
    return [Frame(picture, stamp, camera) for stamp in (1, 2)]


class VisualOdometryNode(LifecycleNode):
    """Odometry of one camera.

    Configuring makes the publishers, activating loads the network and subscribes, deactivating
    stops the stream and keeps the pose, cleaning up frees the network and its memory.

    Args:
        load: makes the odometry from the settings, with everything about it that takes long.
        **options: of ``rclpy.node.Node``.

    Raises:
        SettingError: a parameter given at start is out of range.
        rclpy.exceptions.ParameterException: one is of the wrong type.
    """

    def __init__(self, load: Callable[[Settings], Any] = load_odometry, **options: Any) -> None:
        super().__init__('loftr_vo', **options)
        self._load = load
        self._odometry: Any = None
        self._outputs: Outputs | None = None
        self._extrinsics: Extrinsics | None = None
        self._stream: Stream | None = None
        self._private_services: list[Any] = []
        self._health = Health()
        self.node_settings: NodeSettings = parameters.declare(self, NodeSettings())
        self.settings: Settings = parameters.declare(self, Settings())
        self.add_on_set_parameters_callback(self._on_parameters)
        self._status = self.create_publisher(DiagnosticStatus, '~/status', 10)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # Not ROS time: with use_sim_time and no /clock it would stand still when needed most.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_STATUS_PERIOD, self._on_status_timer, clock=steady)
        self.create_timer(_DIAGNOSTICS_PERIOD, self._publish_diagnostics, clock=steady)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Make publishers and services."""
        self._health.fault = ''
        settings = self.node_settings
        try:
            self._extrinsics = self._extrinsics or Extrinsics(
                self, settings.base_frame, settings.lookup_extrinsics
            )
            self._outputs = Outputs(self, settings)
        except Exception as error:
            return self._failed('configure', error)
        self._private_services = [
            self.create_service(Trigger, '~/reset', self._on_reset),
            self.create_service(SetBool, '~/pause', self._on_pause),
            self.create_service(Trigger, '~/save_trajectory', self._on_save_trajectory),
        ]
        self._health.lifecycle = 'inactive'
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network if it is not loaded, and subscribe."""
        self._health.fault = ''
        assert self._extrinsics is not None  # configured
        assert self._outputs is not None
        try:
            if self._odometry is None:
                self._odometry = self._loaded()
            super().on_activate(state)
            self._stream = Stream(
                self,
                self.node_settings,
                self._extrinsics,
                self._odometry,
                self._outputs,
                self._publish_status,
                self._health,
            )
        except Exception as error:
            return self._failed('activate', error)
        self._health.lifecycle = 'active'
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and finish the frame in work; the pose is kept."""
        self._stop()
        self._health.lifecycle = 'inactive'
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the network and its memory, destroy publishers and services."""
        self._free()
        self._health.lifecycle = 'unconfigured'
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything."""
        self._stop()
        self._free()
        self._health.lifecycle = 'finalized'
        return super().on_shutdown(state)

    def abandon(self) -> bool:
        """End after ROS has shut down; return whether the frame in work was finished."""
        return self._stream is None or self._stream.abandon(_PATIENCE)

    def _loaded(self) -> Any:
        matcher = self.settings.matcher
        self.get_logger().info(f'loading the weights {matcher.weights} on {matcher.device} ...')
        start = time.monotonic()
        odometry = self._load(self.settings)
        self.get_logger().info(f'loaded and warmed up in {time.monotonic() - start:.1f} s')
        return odometry

    def _failed(self, what: str, error: Exception) -> TransitionCallbackReturn:
        self._health.fault = f'could not {what}: {error}'
        known = isinstance(error, (OSError, ValueError, RuntimeError))
        self.get_logger().error(
            self._health.fault if known else f'could not {what}:\n{traceback.format_exc()}'
        )
        return TransitionCallbackReturn.FAILURE

    def _stop(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._health.estimate = None

    def _free(self) -> None:
        self._odometry = None
        if 'torch' in sys.modules:
            sys.modules['torch'].cuda.empty_cache()
        for service in self._private_services:
            self.destroy_service(service)
        self._private_services = []
        if self._outputs is not None:
            self._outputs.close()
            self._outputs = None

    def _publish_status(self) -> None:
        self._status.publish(self._status_message())

    def _status_message(self) -> DiagnosticStatus:
        now = time.monotonic()
        verdict = diagnose(self._health, now, self.node_settings.input_timeout)
        return status_message(self.get_fully_qualified_name(), self._health, verdict, now)

    def _on_status_timer(self) -> None:
        if self._stream is not None:
            self._stream.count_publishers()
        if self._health.output.silence(time.monotonic()) > _STATUS_PERIOD:
            self._publish_status()

    def _publish_diagnostics(self) -> None:
        array = DiagnosticArray(status=[self._status_message()])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def _on_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            node_settings = parameters.changed(self.node_settings, changes)
            settings = parameters.changed(self.settings, changes)
        except SettingError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.node_settings, self.settings = node_settings, settings
        if self._stream is None:
            self._apply_settings()
        else:
            self._stream.between_frames(self._apply_settings)
        return SetParametersResult(successful=True)

    def _apply_settings(self) -> None:
        if self._odometry is not None:
            self._odometry.configure(self.settings)
        if self._outputs is not None:
            self._outputs.configure(self.node_settings)

    def _on_reset(self, _: Trigger.Request, reply: Trigger.Response) -> Trigger.Response:
        if self._stream is None:
            reply.message = 'nothing to reset: the node is not active'
            return reply
        self._stream.restart()
        reply.success = True
        reply.message = 'the odometry starts anew with the next picture'
        return reply

    def _on_pause(self, request: SetBool.Request, reply: SetBool.Response) -> SetBool.Response:
        self._health.paused = request.data
        if request.data and self._stream is not None:
            self._stream.forget_waiting()
        reply.success = True
        reply.message = 'paused' if request.data else 'goes on'
        return reply

    def _on_save_trajectory(self, _: Trigger.Request, reply: Trigger.Response) -> Trigger.Response:
        path = Path(self.node_settings.trajectory_file).expanduser().absolute()
        assert self._outputs is not None  # the service lives between configure and cleanup
        trajectory = self._outputs.trajectory
        try:
            trajectory.write_tum(path)
        except OSError as error:
            reply.message = f'cannot write {path}: {error.strerror}'
            return reply
        reply.success = True
        reply.message = f'{len(trajectory)} poses (TUM, camera optical axes) written to {path}'
        return reply


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; return the exit code."""
    rclpy.init(args=args)
    try:
        node = VisualOdometryNode()
    except (SettingError, ParameterException) as error:
        rclpy.logging.get_logger('loftr_vo').fatal(str(error))
        rclpy.try_shutdown()
        return 1
    try:
        if node.node_settings.autostart:
            _bring_up(node)
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        # Ctrl-C under ros2 launch comes twice, from the terminal and from launch.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    finished = node.abandon()
    rclpy.try_shutdown()
    if not finished:
        # A thread inside torch cannot be ended, and brings the interpreter down if it outlives it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def _bring_up(node: VisualOdometryNode) -> None:
    """Configure and activate; a node that cannot stays up and says why in its diagnostics."""
    if node.trigger_configure() == TransitionCallbackReturn.SUCCESS:
        node.trigger_activate()


if __name__ == '__main__':
    sys.exit(main())
