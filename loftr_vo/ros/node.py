# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node ``loftr_vo``: a camera's topics in, odometry out."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.exceptions import ParameterException
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from loftr_vo.config import (
    NodeSettings,
    SettingError,
    Settings,
    check_frames,
)
from loftr_vo.files.errors import InputError
from loftr_vo.matching.cpu_memory import keep_memory_between_frames
from loftr_vo.matching.openmp import wait_briefly
from loftr_vo.ros import parameters
from loftr_vo.ros.argument_files import check_argument_files
from loftr_vo.ros.device import release_memory
from loftr_vo.ros.executor import AsideExecutor
from loftr_vo.ros.health import (
    Health,
    Rate,
    Verdict,
    diagnose,
)
from loftr_vo.ros.limited_log import LimitedLog
from loftr_vo.ros.loading import load_odometry
from loftr_vo.ros.managed_node import ManagedNode
from loftr_vo.ros.messages import status_message
from loftr_vo.ros.outputs import Outputs
from loftr_vo.ros.own_errors import details
from loftr_vo.ros.services import Services
from loftr_vo.ros.signals import end_while_starting, ignore_signals, until_a_signal
from loftr_vo.ros.stream import Stream
from loftr_vo.ros.transforms import Extrinsics
from loftr_vo.ros.verdict_log import VerdictLog

# Seconds that a frame in work gets to finish when the process is told to end.
_PATIENCE = 3.0
# The same for a transition: one that loads the network need not be finished.
_PATIENCE_WITH_TRANSITIONS = 0.5
_STATUS_PERIOD = 0.5
_DIAGNOSTICS_PERIOD = 1.0


class VisualOdometryNode(ManagedNode):
    """Odometry of one camera.

    Configuring makes the publishers, activating loads the network and subscribes, deactivating
    stops the stream and keeps the pose, cleaning up frees the network and its memory.

    Args:
        load: makes the odometry from the settings, with everything about it that takes long; its
            second argument is to be told what it does.
        **options: of ``rclpy.node.Node``.

    Raises:
        SettingError: a parameter given at start is out of range.
        rclpy.exceptions.ParameterException: one is of the wrong type.
    """

    def __init__(
        self,
        load: Callable[[Settings, Callable[[str], None]], Any] = load_odometry,
        **options: Any,
    ) -> None:
        super().__init__('loftr_vo', **options)
        self._load = load
        self._odometry: Any = None
        self._outputs: Outputs | None = None
        self._extrinsics: Extrinsics | None = None
        self._stream: Stream | None = None
        self._private_services: Services | None = None
        self._health = Health()
        self._limited_log = LimitedLog(self.get_logger())
        self._verdict_log = VerdictLog(self._limited_log)
        # Held while the network, the stream or the outputs are made or taken away.
        self._changing = threading.Lock()
        self.node_settings: NodeSettings = parameters.declare(self, NodeSettings())
        self.settings: Settings = parameters.declare(self, Settings())
        check_frames(self.node_settings)
        self.add_on_set_parameters_callback(self._on_parameters)
        self._status = self.create_publisher(DiagnosticStatus, '~/status', 10)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # Not ROS time: with use_sim_time and no /clock it would stand still when needed most.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_STATUS_PERIOD, self._on_status_timer, clock=self._steady)
        self.create_timer(_DIAGNOSTICS_PERIOD, self._publish_diagnostics, clock=self._steady)
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
        settings = self.node_settings
        with self._transition('configuring', 'inactive') as outcome:
            self._extrinsics = Extrinsics(self, settings.base_frame, settings.lookup_extrinsics)
            self._outputs = outputs = Outputs(self, settings)
            self._health.transform = outputs.transform
            self._private_services = Services(
                self,
                self._reset,
                self._pause,
                lambda: outputs.trajectory,
                lambda: (self.node_settings.trajectory_folder, self.node_settings.trajectory_file),
                self._limited_log,
            )
            super().on_configure(state)
        if outcome.failed:
            self._free()
        return outcome.code

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network if it is not loaded, and subscribe."""
        with self._transition('activating', 'active') as outcome:
            self._load_network()
            super().on_activate(state)
            self._start_stream()
        if outcome.failed:
            super().on_deactivate(state)
        return outcome.code

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and finish the frame in work; the pose is kept."""
        with self._transition('deactivating', 'inactive') as outcome:
            self._stop_stream()
            if self._health.device_fault:
                self._free_network()
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
            self._stop_stream()
            self._free()
            super().on_shutdown(state)
        return outcome.code

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything after a transition went wrong; it can be configured anew."""
        fault = self._health.fault
        with self._transition('cleaning up', 'unconfigured') as outcome:
            self._stop_stream()
            self._free()
            super().on_error(state)
        self._health.fault = self._health.fault or fault
        return outcome.code

    def abandon(self) -> bool:
        """End after ROS has shut down; return whether all work in hand was finished."""
        if not self._changing.acquire(timeout=_PATIENCE_WITH_TRANSITIONS):
            return False
        return self._stream is None or self._stream.abandon(_PATIENCE)

    @contextlib.contextmanager
    def _transition(self, during: str, after: str) -> Iterator[_Outcome]:
        """Say in the diagnostics what is done, and in the log what goes wrong.

        A node that fails to come up stays in the state it was in. One that fails to come down is
        in disorder; ``on_error`` sorts it out.
        """
        outcome = _Outcome()
        before = self._health.lifecycle
        with self._changing:
            self._health.fault, self._health.lifecycle = '', during
            try:
                yield outcome
                self._health.lifecycle = after
            except Exception as error:
                coming_up = during in ('configuring', 'activating')
                failure = TransitionCallbackReturn.FAILURE
                outcome.code = failure if coming_up else TransitionCallbackReturn.ERROR
                self._health.lifecycle = before
                self._blame(during, error)
            finally:
                self._health.progress = ''

    def _blame(self, during: str, error: Exception) -> None:
        self._health.fault = f'{during} failed: {error}'
        self.get_logger().error(f'{during} failed: {details(error)}')

    def _load_network(self) -> None:
        if self._odometry is not None:
            return
        assert self._outputs is not None  # configured
        self._odometry = self._load(self.settings, self._report)
        self._health.device = getattr(self._odometry, 'device', '')
        self._outputs.restart()

    def _report(self, progress: str) -> None:
        self._health.progress = progress
        self.get_logger().info(progress)

    def _start_stream(self) -> None:
        assert self._extrinsics is not None  # configured
        assert self._outputs is not None
        self._health.active_since = time.monotonic()
        self._stream = Stream(
            self,
            self.node_settings,
            self.settings.scale,
            self._extrinsics,
            self._odometry,
            self._outputs,
            self._publish_status,
            self._health,
            self._limited_log,
        )
        # They may have changed since the network was loaded, and before there was a stream.
        self._stream.between_frames(self._apply_settings)

    def _stop_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._health.estimate = None

    def _free_network(self) -> None:
        self._odometry = None
        self._health.device_fault = self._health.device = ''
        release_memory()

    def _free(self) -> None:
        self._free_network()
        self._health.paused = False
        for part in (self._private_services, self._outputs, self._extrinsics):
            if part is not None:
                part.close()
        self._private_services = self._outputs = self._extrinsics = None

    def _reset(self) -> str:
        """Start anew, with a new network where the device failed; return what was done.

        Raises:
            RuntimeError: the node is not active or in a transition, or the device still fails.
        """
        # Each call has a thread of its own; they must not pile up while a network is loaded.
        if not self._changing.acquire(timeout=_PATIENCE_WITH_TRANSITIONS):
            doing = self._health.progress or self._health.lifecycle
            raise RuntimeError(f'cannot reset now: the node is busy ({doing})')
        try:
            if self._health.lifecycle != 'active':
                raise RuntimeError('nothing to reset: the node is not active')
            if not self._health.device_fault:
                assert self._stream is not None
                self._stream.restart()
                return 'the odometry starts anew with the next picture'
            return self._recover()
        finally:
            self._changing.release()

    def _recover(self) -> str:
        fault = self._health.device_fault
        self._stop_stream()
        self._free_network()
        try:
            self._load_network()
        except Exception as error:
            self._health.device_fault = str(error)
            self.get_logger().error(f'the network cannot be loaded anew: {error}')
            raise RuntimeError(f'the network cannot be loaded anew: {error}') from error
        finally:
            self._health.progress = ''
        self._start_stream()
        return f'the network was loaded anew, and the odometry starts anew, after: {fault}'

    def _pause(self, paused: bool) -> None:
        self._health.paused = paused
        if not paused:
            self._health.output = Rate()
        stream = self._stream
        if paused and stream is not None:
            stream.forget_waiting()

    def _verdict(self) -> Verdict:
        stream = self._stream
        self._health.backlog = 0 if stream is None else stream.waiting
        return diagnose(self._health, time.monotonic(), self.node_settings.input_timeout)

    def _publish_status(self) -> None:
        self._status.publish(self._status_message(self._verdict()))

    def _status_message(self, verdict: Verdict) -> DiagnosticStatus:
        name = self.get_fully_qualified_name()
        return status_message(name, self._health, verdict, time.monotonic())

    def _on_status_timer(self) -> None:
        stream = self._stream
        if stream is not None:
            stream.look_for_publishers()
        self._log_verdict()
        # Half of it: what follows an odometry closely is then published within a second, too.
        if self._health.output.silence(time.monotonic()) > _STATUS_PERIOD / 2:
            self._publish_status()

    def _log_verdict(self) -> None:
        now, verdict = time.monotonic(), self._verdict()
        if self._health.was_logged(verdict[1]):
            return
        # A node says at every start that nothing has come yet.
        if self._health.is_starting(now, self.node_settings.input_timeout):
            return
        self._verdict_log.note(verdict)

    def _publish_diagnostics(self) -> None:
        array = DiagnosticArray(status=[self._status_message(self._verdict())])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def _on_jump(self, _: TimeJump) -> None:
        stream = self._stream
        if stream is not None:
            stream.expect_jump()

    def _on_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            node_settings = parameters.changed(self.node_settings, changes)
            settings = parameters.changed(self.settings, changes)
        except SettingError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.node_settings, self.settings = node_settings, settings
        # Where there is none, the next one begins with them.
        stream = self._stream
        if stream is not None:
            stream.between_frames(self._apply_settings)
        return SetParametersResult(successful=True)

    def _apply_settings(self) -> None:
        """Take the parameters over; runs on the thread of the stream that they are for."""
        if self._odometry is not None:
            self._odometry.configure(self.settings)
        if self._outputs is not None:
            self._outputs.configure(self.node_settings)


class _Outcome:
    """How a transition ended."""

    def __init__(self) -> None:
        self.code = TransitionCallbackReturn.SUCCESS

    @property
    def failed(self) -> bool:
        return self.code != TransitionCallbackReturn.SUCCESS


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
            # Whoever asks is answered while a transition takes its time.
            rclpy.spin(node, AsideExecutor(node.transitions))
    except Exception:
        node.get_logger().fatal(traceback.format_exc())
        code = 1
    finished = node.abandon()
    rclpy.try_shutdown()
    ignore_signals()
    if not finished:
        # A thread inside torch cannot be ended, and brings the interpreter down if it outlives it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == '__main__':
    sys.exit(main())
