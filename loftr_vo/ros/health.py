# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the node has measured and noted of itself; ``diagnosis.py`` draws the conclusion."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field

from loftr_vo.geometry.plausible import Refusals
from loftr_vo.imaging.imu_report import ImuReport
from loftr_vo.odometry.estimate import Estimate
from loftr_vo.ros.rate import Rate

# Changes of the calibration that are remembered.
MAX_CALIBRATION_CHANGES = 10


@dataclass
class Feed:
    """One topic that the node listens to.

    Attributes:
        topic: its resolved name.
        qos: the quality of service asked for, in words.
        kind: the type of message asked for, such as ``sensor_msgs/msg/Image``.
        rate: when messages came.
        incompatible: what to do about a publisher with other quality of service, if there is one.
        purpose: what it is needed for.
        without: what happens while it is silent, after a colon; empty where nothing does yet.
        publishers: who publishes it, and with what quality of service.
        latched: whether one of them keeps its last message for those who come later.
        foreign: who publishes another type of message on the topic, and which.
        transports: topics with the same pictures in another transport, and their types, if
            nothing publishes this one.
        elsewhere: other topics with this type of message, likewise.
    """

    topic: str = ''
    qos: str = ''
    kind: str = ''
    rate: Rate = field(default_factory=Rate)
    incompatible: str = ''
    purpose: str = 'the scale'
    without: str = ': the last scale is kept'
    publishers: tuple[str, ...] = ()
    latched: bool = False
    foreign: tuple[str, ...] = ()
    transports: tuple[tuple[str, str], ...] = ()
    elsewhere: tuple[str, ...] = ()


@dataclass
class Health:
    """Facts gathered by the node's threads; each is written by one of them only.

    Two reads of one attribute may differ: who draws a conclusion takes a ``snapshot`` first.

    Attributes:
        lifecycle: label of the lifecycle state.
        progress: what is being done in a transition.
        fault: why the last transition failed.
        device: what the network runs on.
        device_fault: how the device failed in mid-run; no picture is worked on since.
        active_since: when the stream was begun, seconds of the monotonic clock.
        paused: whether ~/pause holds the odometry.
        image, camera_info: the inputs; without a topic while not subscribed.
        scale_feeds: the inputs besides the picture, by name.
        scale_error: what is wrong with the last of these messages.
        imu: the state of the IMU's measurements by themselves; None where none came.
        imu_error: why they are left out of the last picture, besides that, or that their clock is
            far off.
        odom_tilt: radians between the z axis of ``odom`` and up by gravity; NaN while not known.
        imu_used: whether the last picture was worked on together with measurements of the IMU.
        calibration_file: that is used in place of CameraInfo, and whose format it is; empty if
            none.
        calibration_error: what is wrong with the last CameraInfo.
        calibration_changes: when the last ``MAX_CALIBRATION_CHANGES`` CameraInfos came that
            differed from the one before.
        calibration_returns: how often in a row the calibration changed back to the one before.
        lacks_clock: whether use_sim_time is set and nothing publishes /clock.
        transform: which transform is broadcast.
        waiting_for_transform: which transform is missing.
        picture_error: what is wrong with the last picture.
        stamp_error: what is wrong with the last picture's stamp.
        tracking_error: the exception that the last picture caused.
        encoding: of the last picture.
        refused: pictures refused for their stamp.
        implausible: what else was refused for numbers that cannot be, see ``plausible``.
        dropped: pictures that gave way to newer ones.
        backlog: pictures that wait to be worked on.
        output: when estimates were published.
        estimate: the last one.
        wait: seconds from the last picture's arrival until it was worked on.
        latency: seconds from the last picture's arrival to its odometry.
        age: seconds from the last picture's stamp to its odometry, by the ROS clock.
    """

    lifecycle: str = 'unconfigured'
    progress: str = ''
    fault: str = ''
    device: str = ''
    device_fault: str = ''
    active_since: float = -math.inf
    paused: bool = False
    image: Feed = field(default_factory=Feed)
    camera_info: Feed = field(default_factory=Feed)
    scale_feeds: dict[str, Feed] = field(default_factory=dict)
    scale_error: str = ''
    imu: ImuReport | None = None
    imu_error: str = ''
    imu_used: bool = False
    odom_tilt: float = math.nan
    calibration_file: str = ''
    calibration_error: str = ''
    calibration_changes: tuple[float, ...] = ()
    calibration_returns: int = 0
    lacks_clock: bool = False
    transform: str = ''
    waiting_for_transform: str = ''
    picture_error: str = ''
    stamp_error: str = ''
    tracking_error: str = ''
    encoding: str = ''
    refused: int = 0
    implausible: Refusals = field(default_factory=Refusals)
    dropped: int = 0
    backlog: int = 0
    output: Rate = field(default_factory=Rate)
    estimate: Estimate | None = None
    wait: float = 0.0
    latency: float = 0.0
    age: float = 0.0

    def snapshot(self) -> Health:
        """Return the facts of this moment; each attribute keeps its value in the copy."""
        return copy.copy(self)

    @property
    def state(self) -> str:
        """The odometry's state in a word; the lifecycle's while it is not active."""
        if self.lifecycle != 'active':
            return self.lifecycle
        if self.device_fault:
            return 'failed'
        if self.paused:
            return 'paused'
        return self.estimate.state.value if self.estimate else 'waiting'

    @property
    def in_transition(self) -> bool:
        """Whether the lifecycle is between two of its states."""
        return self.lifecycle not in ('unconfigured', 'inactive', 'active', 'finalized')

    def was_logged(self, message: str) -> bool:
        """Whether a diagnosis is of what was logged when it came up."""
        logged = (
            self.progress,
            self.fault,
            self.device_fault,
            self.picture_error,
            self.stamp_error,
            self.tracking_error,
        )
        return any(text and text in message for text in logged)

    def is_starting(self, now: float, timeout: float) -> bool:
        """Whether it is too early to complain that nothing comes."""
        return self.estimate is None and now - self.active_since < timeout
