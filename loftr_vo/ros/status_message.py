# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The health of the node as a diagnostic message."""

from __future__ import annotations

import math

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from loftr_vo.files.text import printable
from loftr_vo.imaging.imu_report import ImuReport
from loftr_vo.odometry.calibration.calibration_status import CalibrationStatus
from loftr_vo.odometry.estimate import Estimate
from loftr_vo.odometry.scale.status import ScaleStatus
from loftr_vo.ros.device import memory_in_use
from loftr_vo.ros.diagnosis import imu_fault
from loftr_vo.ros.health import Health
from loftr_vo.ros.level import Diagnosis


def status_message(
    node: str, health: Health, diagnosis: Diagnosis, now: float
) -> DiagnosticStatus:
    """Return the node's health as a message; every value is a bare number or word.

    Args:
        node: the node's full name.
        health: the facts.
        diagnosis: the result of ``diagnose``.
        now: seconds, of the clock that the facts were timed with.
    """
    level, reason = diagnosis[0], printable(diagnosis[1])
    values = {
        'state': health.state,
        'reason': reason,
        **_estimate_values(health.estimate),
        **_imu_values(health),
        **_stream_values(health, now),
    }
    return DiagnosticStatus(
        level=level.value,
        name=f'{node}: odometry',
        hardware_id=health.image.topic,
        message=reason,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


def _estimate_values(estimate: Estimate | None) -> dict[str, str]:
    if estimate is None:
        return {}
    return {
        # DiagnosticStatus has no header; this says which picture the rest is about.
        'stamp': str(estimate.stamp),
        'matches': str(estimate.match_count),
        'inliers': str(estimate.inlier_count),
        'matched_by': estimate.matched_by,
        'network_frames': str(estimate.network_frames),
        'parallax': f'{estimate.parallax:.3f}',
        'keyframe': str(estimate.keyframe_id),
        'scale': _scale_in_words(estimate),
        **_scale_values(estimate.scale),
        'readout_ms': _milliseconds(estimate.readout_time),
        **_calibration_values(estimate.calibration),
        'restarts': str(estimate.restarts),
        **{f'{stage}_ms': f'{time:.1f}' for stage, time in estimate.timings.items()},
    }


def _milliseconds(seconds: float) -> str:
    return 'unknown' if math.isnan(seconds) else f'{1e3 * seconds:.1f}'


def _calibration_values(calibration: CalibrationStatus) -> dict[str, str]:
    return {
        name: 'unknown' if math.isnan(value) else f'{value:.2f}'
        for name, value in calibration.figures.items()
    }


def _scale_in_words(estimate: Estimate) -> str:
    scale = 'metric' if estimate.metric else f'{estimate.scale.source} (not metric)'
    return f'{scale}, carried over a new start: uncertain' if estimate.scale_carried else scale


def _scale_values(scale: ScaleStatus) -> dict[str, str]:
    if scale.source == 'none':
        return {}
    return {
        'scale_source': scale.source,
        'scale_sigma': f'{scale.sigma:.4f}',
        'scale_age': f'{scale.age:.2f}',
        'scale_reason': scale.reason,
        'scale_refused': scale.refused,
    }


def _imu_values(health: Health) -> dict[str, str]:
    if 'imu' not in health.scale_feeds:
        return {}
    report, estimate = health.imu or ImuReport(), health.estimate
    return {
        'imu': 'used' if health.imu_used else 'not used',
        'imu_reason': imu_fault(health),
        'imu_rate': f'{report.hertz:.1f}',
        'imu_faults': report.counts,
        'imu_offset_ms': _milliseconds(estimate.imu_offset if estimate else math.nan),
        'odom_tilt': _degrees(health.odom_tilt),
    }


def _degrees(angle: float) -> str:
    return 'unknown' if math.isnan(angle) else f'{math.degrees(angle):.2f}'


def _stream_values(health: Health, now: float) -> dict[str, str]:
    return {
        'wait_ms': f'{1e3 * health.wait:.1f}',
        'latency': f'{1e3 * health.latency:.1f}',
        'age': f'{1e3 * health.age:.1f}',
        'dropped': str(health.dropped),
        'refused': str(health.refused),
        'implausible': str(health.implausible),
        'input_rate': f'{health.image.rate.hertz(now):.2f}',
        'output_rate': f'{health.output.hertz(now):.2f}',
        'encoding': health.encoding,
        'calibration': health.calibration_file or health.camera_info.topic,
        'lifecycle': health.lifecycle,
        'transform': health.transform,
        'device': health.device,
        'gpu_memory_mib': _gpu_memory(),
    }


def _gpu_memory() -> str:
    used = memory_in_use()
    return 'unknown' if used is None else f'{used / 2**20:.0f}'
