# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node ``loftr_vo``: a camera's topics in, odometry out."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from loftr_vo.config import NodeSettings, SettingError, Settings, check_frames
from loftr_vo.ros import parameters
from loftr_vo.ros.commands import PATIENCE_WITH_TRANSITIONS, Commands
from loftr_vo.ros.health import Health
from loftr_vo.ros.limited_log import LimitedLog
from loftr_vo.ros.loading import load_odometry
from loftr_vo.ros.managed_node import ManagedNode
from loftr_vo.ros.parameter_warnings import files_for_others, undeclared
from loftr_vo.ros.pipeline import Load, Pipeline
from loftr_vo.ros.pose_setting import PoseSetting
from loftr_vo.ros.services import Services
from loftr_vo.ros.status_publisher import StatusPublisher
from loftr_vo.ros.transition import Outcome, transition

# Seconds that a frame in work gets to finish when the process is told to end.
_PATIENCE = 3.0


class VisualOdometryNode(ManagedNode):
    """Odometry of one camera.

    Configuring makes the publishers, activating loads the network and subscribes, deactivating
    stops the stream and keeps the pose, cleaning up frees the network and its memory.

    Args:
        load: makes the odometry from the settings.
        **options: of ``rclpy.node.Node``.

    Raises:
        SettingError: a parameter given at start is out of range.
        rclpy.exceptions.ParameterException: one is of the wrong type.
    """

    def __init__(
        self,
        load: Load = load_odometry,
        **options: Any,
    ) -> None:
        super().__init__('loftr_vo', **options)
        self._private_services: Services | None = None
        self._pose_setting: PoseSetting | None = None
        self._health = Health()
        self._limited_log = LimitedLog(self.get_logger())
        # Held while the network, the stream or the outputs are made or taken away.
        self._changing = threading.Lock()
        self.node_settings: NodeSettings = parameters.declare(self, NodeSettings())
        self.settings: Settings = parameters.declare(self, Settings())
        check_frames(self.node_settings)
        self.managed = not self.node_settings.autostart
        for warning in (
            *undeclared(self._parameter_overrides, self._parameters),
            *files_for_others(sys.argv, self.get_fully_qualified_name()),
        ):
            self.get_logger().warning(warning)
        self.add_on_set_parameters_callback(self._on_parameters)
        # Not ROS time: with use_sim_time and no /clock it would stand still when needed most.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._status = StatusPublisher(
            self,
            self._health,
            lambda: self.node_settings.input_timeout,
            self._refresh_health,
            self._steady,
            self._limited_log,
        )
        self._pipeline = Pipeline(
            self,
            load,
            lambda: (self.node_settings, self.settings),
            self._status.publish,
            self._health,
            self._limited_log,
        )
        self._commands = Commands(self._pipeline, self._health, self._changing)
        back = JumpThreshold(
            min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False
        )
        self._jumps = self.get_clock().create_jump_callback(back, post_callback=self._on_jump)

    def start_by_itself(self) -> None:
        """Configure and activate as soon as an executor runs.

        A node that cannot stays up and says why in its diagnostics.
        """

        def once() -> None:
            timer.cancel()
            try:
                if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
                    self.trigger_activate()
            except RuntimeError:  # rclpy's RCLError: the state is not what it was
                self.get_logger().warning(
                    'a lifecycle manager is at work: set autostart to false where one is used'
                )

        timer = self.create_timer(0.0, once, self.transitions, self._steady)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Make publishers and services."""
        with self._transition('configuring', 'inactive') as outcome:
            outputs = self._pipeline.make_outputs()
            self._private_services = Services(
                self,
                self._commands.reset,
                self._commands.pause,
                lambda: outputs.trajectory,
                lambda: (self.node_settings.trajectory_folder, self.node_settings.trajectory_file),
                self._limited_log,
            )
            self._pose_setting = PoseSetting(
                self, self.node_settings.odom_frame, self._commands.start_at, self._limited_log
            )
            super().on_configure(state)
        if outcome.failed:
            self._free()
        return outcome.code

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network if it is not loaded, and subscribe."""
        with self._transition('activating', 'active') as outcome:
            self._pipeline.load_network()
            super().on_activate(state)
            self._pipeline.start_stream()
        if outcome.failed:
            super().on_deactivate(state)
        return outcome.code

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and finish the frame in work; the pose is kept."""
        with self._transition('deactivating', 'inactive') as outcome:
            self._pipeline.stop_stream()
            if self._health.device_fault:
                self._pipeline.free_network()
            super().on_deactivate(state)
        return outcome.code

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the network and its memory, destroy publishers and services."""
        with self._transition('cleaning up', 'unconfigured') as outcome:
            self._free()
            super().on_cleanup(state)
        return outcome.code

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything."""
        with self._transition('shutting down', 'finalized') as outcome:
            self._pipeline.stop_stream()
            self._free()
            super().on_shutdown(state)
        return outcome.code

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything after a transition went wrong; it can be configured anew."""
        fault = self._health.fault
        with self._transition('cleaning up', 'unconfigured') as outcome:
            self._pipeline.stop_stream()
            self._free()
            super().on_error(state)
        self._health.fault = self._health.fault or fault
        return outcome.code

    def abandon(self) -> bool:
        """End after ROS has shut down; return whether all work in hand was finished."""
        if not self._changing.acquire(timeout=PATIENCE_WITH_TRANSITIONS):
            return False
        stream = self._pipeline.stream
        return stream is None or stream.abandon(_PATIENCE)

    @contextlib.contextmanager
    def _transition(self, during: str, after: str) -> Iterator[Outcome]:
        """Run the block as a transition, while nothing else makes or takes away parts."""
        with (
            self._changing,
            transition(self._health, self.get_logger(), during, after) as outcome,
        ):
            yield outcome

    def _free(self) -> None:
        self._health.paused = False
        for part in (self._private_services, self._pose_setting):
            if part is not None:
                part.close()
        self._private_services = self._pose_setting = None
        self._pipeline.free()

    def _refresh_health(self) -> None:
        """Note who publishes the inputs, and how many pictures wait."""
        stream = self._pipeline.stream
        self._health.backlog = 0 if stream is None else stream.waiting
        if stream is not None:
            stream.look_for_publishers()
        outputs = self._pipeline.outputs
        if outputs is not None:
            outputs.end_watch_in_time()
        self._health.lacks_clock = self._lacks_clock()

    def _lacks_clock(self) -> bool:
        """Whether ROS time stands still because nothing has published /clock yet."""
        if not self.get_parameter('use_sim_time').value:
            return False
        return self.get_clock().now().nanoseconds == 0 and not self.count_publishers('/clock')

    def _on_jump(self, _: TimeJump) -> None:
        stream = self._pipeline.stream
        if stream is not None:
            stream.expect_jump()

    def _on_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            node_settings = parameters.changed(self.node_settings, changes)
            settings = parameters.changed(self.settings, changes)
        except SettingError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.node_settings, self.settings = node_settings, settings
        self._pipeline.apply_settings()
        return SetParametersResult(successful=True)
