# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The path of the pictures while the node is active: inputs, mailbox, worker, outputs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.logging import LoggingSeverity

from loftr_vo.config import NodeSettings, Settings
from loftr_vo.geometry.plausible import Refusals
from loftr_vo.imaging.frame import Frame
from loftr_vo.odometry.estimate import Estimate
from loftr_vo.ros.between_pictures import BetweenPictures
from loftr_vo.ros.body import ORIGIN, Body, StartPose
from loftr_vo.ros.health import Health
from loftr_vo.ros.imu_input import ImuInput
from loftr_vo.ros.imu_set_up import make_imu_input
from loftr_vo.ros.inputs import Arrival, Inputs
from loftr_vo.ros.levelling import Levelling
from loftr_vo.ros.limited_log import LimitedLog
from loftr_vo.ros.mailbox import Mailbox
from loftr_vo.ros.outputs import Outputs
from loftr_vo.ros.picture_choice import (
    WAITING_BYTES,
    WAITING_PICTURES,
    PictureChoice,
    message_size,
)
from loftr_vo.ros.picture_decoder import PictureDecoder
from loftr_vo.ros.rate import Rate
from loftr_vo.ros.scale_inputs import ScaleInputs
from loftr_vo.ros.transforms import Extrinsics
from loftr_vo.ros.worker import Tracked, Worker

# Sources of scale that need to know how the camera is mounted.
_NEED_MOUNTING = {'odometry', 'camera_height'}


class Stream:
    """Pictures come in on the executor's thread; another works on them and publishes.

    Args:
        node: to subscribe with.
        settings: the node's.
        odometry_settings: which topics are needed besides the picture.
        extrinsics: the camera's mounting.
        odometry: a ``VisualOdometry``.
        outputs: where estimates go.
        published: called on the worker's thread after each estimate.
        health: where everything is noted.
        log: for problems that messages cause.

    Raises:
        CalibrationError: ``calibration_file``, ``mask`` or ``imu_calibration`` cannot be used.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: NodeSettings,
        odometry_settings: Settings,
        extrinsics: Extrinsics,
        odometry: Any,
        outputs: Outputs,
        published: Callable[[], None],
        health: Health,
        log: LimitedLog,
    ) -> None:
        self._clock = node.get_clock()
        self._logger = node.get_logger()
        self._extrinsics = extrinsics
        self._odometry = odometry
        self._outputs = outputs
        self._published = published
        self._health = health
        health.dropped = health.refused = 0
        health.implausible = Refusals()
        health.output = Rate()
        health.picture_error = health.stamp_error = health.tracking_error = ''
        # Under ``all`` the estimates must not depend on timing, so the odometry is not live.
        odometry.live = settings.queue_policy == 'newest'
        decoder = PictureDecoder(lambda: self._inputs.camera, health, log)
        self._mailbox: Mailbox[Arrival] = (
            Mailbox(
                WAITING_PICTURES,
                held=True,
                choose=PictureChoice(odometry, decoder),
                size=message_size,
                max_size=WAITING_BYTES,
            )
            if odometry.live
            else Mailbox(settings.queue_size, held=True)
        )
        self._inputs = Inputs(node, settings, health, self._mailbox, extrinsics, log)
        try:
            self._imu = make_imu_input(settings, odometry_settings, extrinsics, odometry, health)
            self._scale_inputs = ScaleInputs(
                node, settings, odometry_settings, health, log, self._imu
            )
        except Exception:
            self._inputs.close()
            raise
        self._follows_odometry = False
        level = self._imu is not None and odometry_settings.imu.align_gravity
        self._levelling = Levelling() if level else None
        self._between = self._between_pictures(odometry_settings)
        needed = odometry_settings.companions
        self._to_be_mounted = not needed.keys().isdisjoint(_NEED_MOUNTING) or (
            # By an assumed mounting, up is not known.
            'imu' in needed and extrinsics.is_measured
        )
        self._worker = Worker(
            odometry,
            self._mailbox,
            decoder,
            self._accompany,
            self._publish,
            self._restart,
            node.context.ok,
            health,
            log,
        )
        self._worker.start()

    def between_frames(self, errand: Callable[[], None]) -> None:
        """Have something done on the worker's thread before the next frame, or without one."""
        self._worker.between_frames(errand)

    def configure(self, settings: Settings) -> None:
        """Note whether another odometry is to be followed from now on.

        It is subscribed to with the next look for publishers: this is called while a parameter is
        set, and a subscription declares parameters.
        """
        self._follows_odometry = 'odometry' in settings.companions

    def restart(self, start: StartPose = ORIGIN) -> None:
        """Start the odometry anew with the next frame, at a pose."""
        self.between_frames(lambda: self._restart(start))

    @property
    def waiting(self) -> int:
        """How many pictures wait to be worked on."""
        return self._mailbox.waiting

    def forget_waiting(self) -> None:
        """Throw away the pictures that wait."""
        self._mailbox.clear()

    def expect_jump(self) -> None:
        """The clock was set back: stamps will go back, too."""
        self._worker.expect_jump()

    def look_for_publishers(self) -> None:
        """Note who publishes the topics on which nothing comes; subscribe to what is new."""
        if self._follows_odometry and self._scale_inputs.add_odometry():
            self._to_be_mounted = True
        self._inputs.look_for_publishers()
        self._scale_inputs.look_for_publishers()

    def close(self) -> None:
        """Unsubscribe and wait for the frame in work."""
        self._inputs.close()
        self._scale_inputs.close()
        self._worker.stop()

    def abandon(self, patience: float) -> bool:
        """End without ROS; return whether the frame in work was finished within seconds."""
        return self._worker.stop(patience)

    def _accompany(self, frame: Frame) -> Frame:
        """Return the frame with what the source of scale needs."""
        body = self._extrinsics.body
        if self._to_be_mounted and body is not None:
            self._odometry.mount(body.base_from_camera)
            self._to_be_mounted = False
        return self._scale_inputs.accompany(frame)

    def _between_pictures(self, needed: Settings) -> BetweenPictures | None:
        """Return what publishes odometry at the rate of the IMU; None where that is off."""
        if self._imu is None or not needed.imu.publish_rate:
            return None
        made = BetweenPictures(
            needed.imu.publish_rate, self._imu.since, self._outputs.publish_between
        )
        self._imu.measured = made.measured
        return made

    def _restart(self, start: StartPose = ORIGIN) -> None:
        if self._between is not None:
            self._between.end()
        self._extrinsics.start_at(start)
        if self._levelling is not None:
            self._levelling.begin(is_open=start is ORIGIN)
        self._odometry.reset()
        self._outputs.restart()

    def _level(self, estimate: Estimate, frame: Frame, imu: ImuInput, body: Body) -> Body:
        """Turn ``odom`` nearer to level; return what the camera is fixed to."""
        if self._levelling is None:
            return body
        start = self._levelling.new_start(estimate, body, frame.imu, imu.imu_from_camera)
        self._health.odom_tilt = self._levelling.tilt
        if start is not None:
            self._extrinsics.start_at(start)
        assert self._extrinsics.body is not None  # it was there
        return self._extrinsics.body

    def _publish(self, estimate: Estimate, tracked: Tracked) -> None:
        body = self._extrinsics.body
        assert body is not None  # pictures are held until it is found
        health = self._health
        if self._imu is not None:
            body = self._level(estimate, tracked.frame, self._imu, body)
            self._imu.note(estimate)
        self._outputs.publish(estimate, body)
        if self._between is not None and self._imu is not None:
            mounted = self._imu.imu_from_camera
            self._between.begin_at(estimate, body, tracked.frame.imu, mounted)
        now = time.monotonic()
        health.dropped = self._mailbox.dropped
        health.output.happened(now)
        health.wait = tracked.start - tracked.arrival
        health.latency = now - tracked.arrival
        health.age = (self._clock.now().nanoseconds - estimate.stamp) * 1e-9
        if self._logger.is_enabled_for(LoggingSeverity.DEBUG):
            self._logger.debug(_in_a_line(estimate, health))
        self._published()
        self._outputs.publish_pictures(
            estimate, tracked.frame, tracked.camera_frame, body, health.output.hertz(now)
        )


def _in_a_line(estimate: Estimate, health: Health) -> str:
    """Return what became of a picture, for the log."""
    x, y, z = estimate.pose[:3, 3]
    reason = f' ({estimate.reason})' if estimate.reason else ''
    return (
        f'picture {estimate.stamp * 1e-9:.6f}: {estimate.state.value}{reason}, '
        f'{estimate.inlier_count} of {estimate.match_count} matches by {estimate.matched_by}, '
        f'keyframe {estimate.keyframe_id}, camera at ({x:.3f}, {y:.3f}, {z:.3f}), '
        f'{1e3 * health.wait:.1f} ms waited, {1e3 * health.latency:.1f} ms in all'
    )
