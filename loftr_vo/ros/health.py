# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the node knows of its own health, and what it says when there is no odometry."""

from __future__ import annotations

import enum
import math
from collections import deque
from dataclasses import dataclass, field

from loftr_vo.estimate import Estimate, State

# Under this share of the pictures worked on, the node says that it cannot keep up.
_KEEPING_UP = 0.5
_RATE_WINDOW = 30


class Level(enum.Enum):
    """How bad it is; the values are those of ``diagnostic_msgs/DiagnosticStatus``."""

    OK = b'\x00'
    WARN = b'\x01'
    ERROR = b'\x02'


class Rate:
    """How often something happens, over the last few times.

    Times are seconds of a clock that only goes forward.
    """

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_RATE_WINDOW)

    def happened(self, now: float) -> None:
        """Count one more."""
        self._times.append(now)

    def silence(self, now: float) -> float:
        """Return the seconds since it last happened; infinite if it never did."""
        return now - self._times[-1] if self._times else math.inf

    def hertz(self, now: float) -> float:
        """Return how often a second it happens; falls off when it stops, 0 if unknown."""
        if len(self._times) < 2:
            return 0.0
        mean = (self._times[-1] - self._times[0]) / (len(self._times) - 1)
        silence = self.silence(now)
        return 1.0 / max(silence if silence > 2 * mean else mean, 1e-9)


@dataclass
class Feed:
    """One topic that the node listens to.

    Attributes:
        topic: its resolved name.
        qos: the quality of service asked for, in words.
        rate: when messages came.
        incompatible: what to do about a publisher with other quality of service, if there is one.
        publishers: how many publish it.
    """

    topic: str = ''
    qos: str = ''
    rate: Rate = field(default_factory=Rate)
    incompatible: str = ''
    publishers: int = 0


@dataclass
class Health:
    """Facts gathered by the node's threads; each is written by one of them only.

    Attributes:
        lifecycle: label of the lifecycle state.
        fault: why configuring or activating failed.
        paused: whether ~/pause holds the odometry.
        image, camera_info: the inputs; without a topic while not subscribed.
        calibration_error: what is wrong with the last CameraInfo.
        waiting_for_transform: which transform is missing.
        picture_error: what is wrong with the last picture.
        stamp_error: what is wrong with the last picture's stamp.
        tracking_error: the exception that the last picture caused.
        encoding: of the last picture.
        refused: pictures refused for their stamp.
        dropped: pictures that gave way to newer ones.
        output: when estimates were published.
        estimate: the last one.
        latency: seconds from a picture's arrival to its odometry, the last one.
    """

    lifecycle: str = 'unconfigured'
    fault: str = ''
    paused: bool = False
    image: Feed = field(default_factory=Feed)
    camera_info: Feed = field(default_factory=Feed)
    calibration_error: str = ''
    waiting_for_transform: str = ''
    picture_error: str = ''
    stamp_error: str = ''
    tracking_error: str = ''
    encoding: str = ''
    refused: int = 0
    dropped: int = 0
    output: Rate = field(default_factory=Rate)
    estimate: Estimate | None = None
    latency: float = 0.0

    @property
    def state(self) -> str:
        """The odometry's state in a word; the lifecycle's while it is not active."""
        if self.lifecycle != 'active':
            return self.lifecycle
        if self.paused:
            return 'paused'
        return self.estimate.state.value if self.estimate else 'waiting'


def diagnose(health: Health, now: float, timeout: float) -> tuple[Level, str]:
    """Return how the odometry is and the first reason why it is not well.

    Args:
        health: the facts.
        now: the time in seconds, of the clock that the facts were timed with.
        timeout: seconds of silence after which an input counts as stopped.
    """
    if health.fault:
        return Level.ERROR, health.fault
    if health.lifecycle != 'active':
        return Level.WARN, f'{health.lifecycle}: waits to be activated'
    if health.paused:
        return Level.WARN, 'paused: call ~/pause with false to go on'
    for verdict in (
        _input_verdict(health, now, timeout),
        _picture_verdict(health),
        _load_verdict(health, now),
    ):
        if verdict:
            return verdict
    return _estimate_verdict(health.estimate)


def _input_verdict(health: Health, now: float, timeout: float) -> tuple[Level, str] | None:
    for feed, what in ((health.image, 'image'), (health.camera_info, 'camera_info')):
        silence = feed.rate.silence(now)
        if feed.incompatible and silence > timeout:
            return Level.ERROR, feed.incompatible
        if math.isinf(silence):
            return Level.WARN, _never_came(feed, what)
        # Some drivers send their calibration once; only pictures must keep coming.
        if what == 'image' and silence > timeout:
            return Level.ERROR, f'no image on {feed.topic} for {silence:.1f} s'
    if health.calibration_error:
        return Level.ERROR, f'{health.camera_info.topic}: {health.calibration_error}'
    if health.waiting_for_transform:
        return Level.WARN, health.waiting_for_transform
    return None


def _never_came(feed: Feed, what: str) -> str:
    if feed.publishers:
        return (
            f'no {what} yet on {feed.topic} ({feed.qos}), though it has '
            f'{feed.publishers} publisher(s)'
        )
    return (
        f'no {what} yet: nothing publishes {feed.topic} ({feed.qos}); '
        f'is the camera on, is {what} remapped to its topic?'
    )


def _picture_verdict(health: Health) -> tuple[Level, str] | None:
    if health.picture_error:
        return Level.ERROR, f'{health.image.topic}: {health.picture_error}'
    if health.stamp_error:
        return Level.WARN, f'{health.image.topic}: {health.stamp_error}'
    if health.tracking_error:
        return Level.ERROR, f'the last picture failed: {health.tracking_error}'
    return None


def _load_verdict(health: Health, now: float) -> tuple[Level, str] | None:
    arriving, worked = health.image.rate.hertz(now), health.output.hertz(now)
    if health.estimate is None or health.estimate.state is not State.TRACKING:
        return None
    if health.dropped and 0.0 < worked < _KEEPING_UP * arriving:
        return Level.WARN, (
            f'overloaded: {worked:.1f} of {arriving:.1f} pictures a second are worked on; '
            'a smaller matcher.image_size is faster'
        )
    return None


def _estimate_verdict(estimate: Estimate | None) -> tuple[Level, str]:
    if estimate is None:
        return Level.WARN, 'works on the first picture'
    if estimate.state is State.TRACKING:
        return Level.OK, estimate.reason or 'tracking'
    level = Level.ERROR if estimate.state is State.LOST else Level.WARN
    return level, f'{estimate.state.value}: {estimate.reason}'
