# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the node knows of its own health, and what it says when there is no odometry."""

from __future__ import annotations

import enum
import math
from collections import deque
from dataclasses import dataclass, field

from loftr_vo.geometry.plausible import Refusals
from loftr_vo.odometry.estimate import Estimate, State

# Under this share of the pictures worked on, the node says that it cannot keep up.
_KEEPING_UP = 0.5
_RATE_WINDOW = 30
# So many changes of the calibration in so many seconds are no camera that was calibrated anew.
_UNSTEADY_CHANGES, _UNSTEADY_SECONDS = 10, 3.0
# A silence of as many mean periods is a pause: the rate is measured anew after it.
_PAUSE = 10
# What the node waits for or does while it is not active.
_NEXT = {
    'unconfigured': 'waits to be configured and activated',
    'configuring': 'makes publishers and services',
    'inactive': 'waits to be activated',
    'activating': 'subscribes',
    'deactivating': 'finishes the picture in work',
    'cleaning up': 'frees the network',
    'shutting down': 'frees everything',
    'finalized': 'has ended',
}
# What the inputs are called where someone is told what to look for.
_PLURALS = {'image': 'pictures are', 'camera_info': 'calibrations are'}
_MOST_TOPICS = 3
# By the type asked for, what to do where the other type is published.
_TRANSPORT_HINTS = {
    'sensor_msgs/msg/Image': '; set image_transport to compressed and remap image without '
    'the ending /compressed',
    'sensor_msgs/msg/CompressedImage': '; set image_transport to raw',
}


class Level(enum.Enum):
    """How bad it is; the values are those of ``diagnostic_msgs/DiagnosticStatus``."""

    OK = b'\x00'
    WARN = b'\x01'
    ERROR = b'\x02'


# How the odometry is, and the reason in words.
Verdict = tuple[Level, str]


class Rate:
    """How often something happens, over the last few times since the last pause.

    Times are seconds of a clock that only goes forward.

    Attributes:
        count: how often it has happened in all.
    """

    def __init__(self) -> None:
        self.count = 0
        self._times: deque[float] = deque(maxlen=_RATE_WINDOW)

    def happened(self, now: float) -> None:
        """Count one more."""
        if len(self._times) > 2 and self.silence(now) > _PAUSE * self._period:
            self._times.clear()
        self._times.append(now)
        self.count += 1

    @property
    def _period(self) -> float:
        """Mean seconds from one time to the next; there are two at least."""
        return (self._times[-1] - self._times[0]) / (len(self._times) - 1)

    def silence(self, now: float) -> float:
        """Return the seconds since it last happened; infinite if it never did."""
        return now - self._times[-1] if self._times else math.inf

    def hertz(self, now: float) -> float:
        """Return how often a second it happens; falls off when it stops, 0 if unknown."""
        if len(self._times) < 2:
            return 0.0
        mean = self._period
        silence = self.silence(now)
        return 1.0 / max(silence if silence > 2 * mean else mean, 1e-9)


@dataclass
class Feed:
    """One topic that the node listens to.

    Attributes:
        topic: its resolved name.
        qos: the quality of service asked for, in words.
        kind: the type of message asked for, such as ``sensor_msgs/msg/Image``.
        rate: when messages came.
        incompatible: what to do about a publisher with other quality of service, if there is one.
        publishers: who publishes it, and with what quality of service.
        latched: whether one of them keeps its last message for those who come later.
        foreign: who publishes another type of message on the topic, and which.
        elsewhere: other topics with this type of message, if nothing publishes this one.
    """

    topic: str = ''
    qos: str = ''
    kind: str = ''
    rate: Rate = field(default_factory=Rate)
    incompatible: str = ''
    publishers: tuple[str, ...] = ()
    latched: bool = False
    foreign: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()


@dataclass
class Health:
    """Facts gathered by the node's threads; each is written by one of them only.

    Attributes:
        lifecycle: label of the lifecycle state.
        progress: what is being done in a transition.
        fault: why the last transition failed.
        device: what the network runs on.
        device_fault: how the device failed in mid-run; no picture is worked on since.
        active_since: when the stream was begun, seconds of the monotonic clock.
        paused: whether ~/pause holds the odometry.
        image, camera_info: the inputs; without a topic while not subscribed.
        scale_feeds: the inputs that ``scale.source`` needs, by name.
        scale_error: what is wrong with the last of these messages.
        calibration_file: that is used in place of CameraInfo, and whose format it is; empty if
            none.
        calibration_error: what is wrong with the last CameraInfo.
        calibration_changes: when the last CameraInfos came that differed from the one before.
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
    calibration_file: str = ''
    calibration_error: str = ''
    calibration_changes: deque[float] = field(
        default_factory=lambda: deque(maxlen=_UNSTEADY_CHANGES)
    )
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


def diagnose(health: Health, now: float, timeout: float) -> Verdict:
    """Return how the odometry is and the first reason why it is not well.

    Args:
        health: the facts.
        now: the time in seconds, of the clock that the facts were timed with.
        timeout: seconds of silence after which an input counts as stopped.
    """
    if health.fault:
        return Level.ERROR, health.fault
    if health.lifecycle != 'active':
        return Level.WARN, f'{health.lifecycle}: {health.progress or _NEXT[health.lifecycle]}'
    if health.progress:
        return Level.WARN, health.progress
    if health.device_fault:
        return Level.ERROR, (
            f'{health.device_fault} To go on, call ~/reset, or deactivate and activate the node'
        )
    if health.paused:
        return Level.WARN, 'paused: call ~/pause with false to go on'
    for verdict in (
        _input_verdict(health, now, timeout),
        _picture_verdict(health),
        _scale_verdict(health, now, timeout),
        _load_verdict(health, now),
    ):
        if verdict:
            return verdict
    return _estimate_verdict(health.estimate)


def _input_verdict(health: Health, now: float, timeout: float) -> Verdict | None:
    for feed, what in ((health.image, 'image'), (health.camera_info, 'camera_info')):
        if what == 'camera_info' and health.calibration_file:
            continue
        silence = feed.rate.silence(now)
        if feed.incompatible and silence > timeout:
            return Level.ERROR, feed.incompatible
        if math.isinf(silence):
            return Level.WARN, _never_came(feed, what)
        # Some drivers send their calibration once; only pictures must keep coming. As long as some
        # wait, their end is nothing to be alarmed by.
        if what == 'image' and silence > timeout and not health.backlog:
            gone = '' if feed.publishers else '; nothing publishes it any more'
            return Level.ERROR, f'no image on {feed.topic} for {silence:.1f} s{gone}'
    if health.calibration_error:
        return Level.ERROR, f'{health.camera_info.topic}: {health.calibration_error}'
    if health.waiting_for_transform:
        return Level.WARN, health.waiting_for_transform
    changes = health.calibration_changes
    if len(changes) == changes.maxlen and now - changes[0] < _UNSTEADY_SECONDS:
        return Level.WARN, (
            f'{health.camera_info.topic}: the calibration changes all the time: do two cameras '
            'share the topic?'
        )
    return None


def _never_came(feed: Feed, what: str) -> str:
    if feed.publishers:
        return (
            f'no {what} yet on {feed.topic} ({feed.qos}), though it is published by '
            f'{", ".join(feed.publishers)}'
        )
    if feed.foreign:
        hint = _TRANSPORT_HINTS.get(feed.kind, '') if what == 'image' else ''
        return (
            f'no {what} yet: {feed.topic} is published {", ".join(feed.foreign)}, '
            f'not as {feed.kind}{hint}'
        )
    return f'no {what} yet: nothing publishes {feed.topic} ({feed.qos}); {_advice(feed, what)}'


def _advice(feed: Feed, what: str) -> str:
    if not feed.elsewhere:
        return f'is the camera on, is {what} remapped to its topic?'
    others = ', '.join(feed.elsewhere[:_MOST_TOPICS])
    more = ', ...' if len(feed.elsewhere) > _MOST_TOPICS else ''
    return f'{_PLURALS[what]} on {others}{more}: remap {what} to where the camera is'


def _scale_verdict(health: Health, now: float, timeout: float) -> Verdict | None:
    estimate = health.estimate
    if estimate is not None and estimate.state is State.LOST:
        return None
    for name, feed in health.scale_feeds.items():
        silence = feed.rate.silence(now)
        if feed.incompatible and silence > timeout:
            return Level.ERROR, feed.incompatible
        if math.isinf(silence):
            by = f'by {", ".join(feed.publishers)}' if feed.publishers else 'by nobody'
            return Level.WARN, (
                f'no {name} yet on {feed.topic} ({feed.qos}), published {by}: it is needed for '
                'the scale'
            )
        # A calibration may come once and for all.
        if silence > timeout and not name.endswith('camera_info'):
            return Level.WARN, (
                f'no {name} on {feed.topic} for {silence:.1f} s: the last scale is kept'
            )
    if health.scale_error:
        return Level.WARN, health.scale_error
    if estimate is not None and estimate.state is State.TRACKING:
        scale = estimate.scale
        if scale.source != 'none' and not scale.metric:
            return Level.WARN, f'tracking, not in metres: {scale.reason or "scale too unsure"}'
    return None


def _picture_verdict(health: Health) -> Verdict | None:
    if health.picture_error:
        return Level.ERROR, f'{health.image.topic}: {health.picture_error}'
    if health.stamp_error:
        return Level.WARN, f'{health.image.topic}: {health.stamp_error}'
    if health.tracking_error:
        return Level.ERROR, f'the last picture failed: {health.tracking_error}'
    return None


def _load_verdict(health: Health, now: float) -> Verdict | None:
    arriving, worked = health.image.rate.hertz(now), health.output.hertz(now)
    if health.estimate is None or health.estimate.state is not State.TRACKING:
        return None
    if health.dropped and 0.0 < worked < _KEEPING_UP * arriving:
        return Level.WARN, (
            f'overloaded: {worked:.1f} of {arriving:.1f} pictures a second are worked on; '
            'a smaller matcher.image_size is faster'
        )
    return None


def _estimate_verdict(estimate: Estimate | None) -> Verdict:
    if estimate is None:
        return Level.WARN, 'works on the first picture'
    if estimate.state is State.TRACKING:
        return Level.OK, estimate.reason or 'tracking'
    level = Level.ERROR if estimate.state is State.LOST else Level.WARN
    return level, f'{estimate.state.value}: {estimate.reason}'
