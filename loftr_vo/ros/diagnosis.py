# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""From the facts of ``Health`` to one diagnosis: the first reason why it is not well."""

from __future__ import annotations

import math

from loftr_vo.odometry.estimate import Estimate, State
from loftr_vo.ros.health import Health
from loftr_vo.ros.input_diagnosis import diagnose_inputs, explain_silence
from loftr_vo.ros.level import Diagnosis, Level

# Share of the arriving pictures under which the node reports that it is overloaded.
_MIN_SHARE_PROCESSED = 0.5
# What the node waits for or does while it is not active.
_NEXT_STEP = {
    'unconfigured': 'waits to be configured and activated',
    'configuring': 'makes publishers and services',
    'inactive': 'waits to be activated',
    'activating': 'loads the network and subscribes',
    'deactivating': 'finishes the picture in work',
    'cleaning up': 'frees the network',
    'shutting down': 'frees everything',
    'finalized': 'has ended',
}


def diagnose(health: Health, now: float, timeout: float) -> Diagnosis:
    """Return how the odometry is and the first reason why it is not well.

    Args:
        health: the facts.
        now: the time in seconds, of the clock that the facts were timed with.
        timeout: seconds of silence after which an input counts as stopped.
    """
    if health.fault:
        return Level.ERROR, health.fault
    if health.lifecycle != 'active':
        return Level.WARN, f'{health.lifecycle}: {health.progress or _NEXT_STEP[health.lifecycle]}'
    if health.progress:
        return Level.WARN, health.progress
    if health.device_fault:
        return Level.ERROR, (
            f'{health.device_fault} To go on, call ~/reset, or deactivate and activate the node'
        )
    if health.paused:
        return Level.WARN, 'paused: call ~/pause with false to go on'
    for diagnosis in (
        diagnose_inputs(health, now, timeout),
        _diagnose_picture(health),
        _diagnose_scale(health, now, timeout),
        _diagnose_load(health, now),
        _diagnose_clock(health),
        _diagnose_calibration(health.estimate),
    ):
        if diagnosis:
            return diagnosis
    return _diagnose_estimate(health.estimate)


def _diagnose_scale(health: Health, now: float, timeout: float) -> Diagnosis | None:
    estimate = health.estimate
    if estimate is not None and estimate.state is State.LOST:
        return None
    for name, feed in health.scale_feeds.items():
        silence = feed.rate.silence(now)
        if feed.incompatible and silence > timeout:
            return Level.ERROR, feed.incompatible
        if math.isinf(silence):
            return Level.WARN, f'{explain_silence(feed, name)}; it is needed for {feed.purpose}'
        # A calibration may come once and for all. Measurements wait for pictures that still wait.
        may_end = name.endswith('camera_info') or (name == 'imu' and health.imu_used)
        if silence > timeout and not may_end:
            return Level.WARN, f'no {name} on {feed.topic} for {silence:.1f} s{feed.without}'
    if health.scale_error:
        return Level.WARN, health.scale_error
    if imu := imu_fault(health):
        return Level.WARN, imu
    if estimate is not None and estimate.state is State.TRACKING:
        scale = estimate.scale
        if scale.source != 'none' and not scale.metric:
            return Level.WARN, f'tracking, not in metres: {scale.reason or "scale too unsure"}'
    return None


def imu_fault(health: Health) -> str:
    """Return what is wrong with the IMU's measurements; empty if nothing is."""
    if health.imu is None or not health.imu.fault:
        return health.imu_error
    alone = '' if health.imu.is_usable else '; the camera goes on alone'
    return f'imu: {health.imu.fault}{alone}'


def _diagnose_picture(health: Health) -> Diagnosis | None:
    if health.picture_error:
        return Level.ERROR, f'{health.image.topic}: {health.picture_error}'
    if health.stamp_error:
        return Level.WARN, f'{health.image.topic}: {health.stamp_error}'
    if health.tracking_error:
        return Level.ERROR, f'the last picture failed: {health.tracking_error}'
    return None


def _diagnose_clock(health: Health) -> Diagnosis | None:
    if not health.lacks_clock:
        return None
    return Level.WARN, (
        'use_sim_time is set, but nothing publishes /clock: age is wrong, and so are transforms '
        'that others look up'
    )


def _diagnose_calibration(estimate: Estimate | None) -> Diagnosis | None:
    """Return a warning where the camera is tracked, but its calibration looks wrong."""
    if estimate is None or estimate.state is not State.TRACKING:
        return None
    suspicion = estimate.calibration.suspicion
    return (Level.WARN, f'tracking, {suspicion}') if suspicion else None


def _diagnose_load(health: Health, now: float) -> Diagnosis | None:
    arriving, worked = health.image.rate.hertz(now), health.output.hertz(now)
    if health.estimate is None or health.estimate.state is not State.TRACKING:
        return None
    if health.dropped and 0.0 < worked < _MIN_SHARE_PROCESSED * arriving:
        return Level.WARN, (
            f'overloaded: {worked:.1f} of {arriving:.1f} pictures a second are worked on; '
            'a smaller matcher.image_size is faster'
        )
    return None


def _diagnose_estimate(estimate: Estimate | None) -> Diagnosis:
    if estimate is None:
        return Level.WARN, 'works on the first picture'
    if estimate.state is State.TRACKING:
        return Level.OK, estimate.reason or 'tracking'
    level = Level.ERROR if estimate.state is State.LOST else Level.WARN
    return level, f'{estimate.state.value}: {estimate.reason}'
