# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The velocity in the odometry message and its covariance."""

import numpy as np
import pytest

from loftr_vo.ros.velocity import UNKNOWN, Moment, VelocityMeter

SECOND = 10**9


def moment(seconds, x, variance, keyframe=0, own=None, scale_deviation=0.0):
    pose = np.eye(4)
    pose[0, 3] = x
    since_keyframe = None if own is None else own * np.eye(6)
    return Moment(
        int(seconds * SECOND),
        pose,
        variance * np.eye(6),
        keyframe,
        since_keyframe,
        scale_deviation,
    )


def test_first_velocity_is_unknown():
    velocity, covariance = VelocityMeter().measure(moment(0, 0, 1e-6))
    assert not velocity.any()
    np.testing.assert_array_equal(covariance, UNKNOWN * np.eye(6))


def test_velocity_is_the_mean_since_the_last_pose():
    meter = VelocityMeter()
    meter.measure(moment(0, 1.0, 0.0))
    velocity, _ = meter.measure(moment(0.5, 2.0, 0.0))
    np.testing.assert_allclose(velocity, [2, 0, 0, 0, 0, 0])


def test_uncertainty_of_the_keyframe_cancels():
    meter = VelocityMeter()
    meter.measure(moment(0, 0.0, 5.0, keyframe=0, own=0.3))
    # The second keyframe was made at a pose of variance 5; the motions since have 0.1 each.
    _, first = meter.measure(moment(1, 1.0, 5.1, keyframe=1, own=0.1))
    _, second = meter.measure(moment(2, 2.0, 5.1, keyframe=1, own=0.1))
    np.testing.assert_allclose(first.diagonal(), 0.1)
    assert (second.diagonal() > 0.05).all()
    assert (second.diagonal() < 0.2).all()


def test_an_unsure_scale_makes_the_speed_unsure_along_the_way():
    meter = VelocityMeter()
    meter.measure(moment(0, 0.0, 5.0, own=1e-6, scale_deviation=0.1))
    _, covariance = meter.measure(moment(1, 2.0, 5.0, own=1e-6, scale_deviation=0.1))
    assert np.sqrt(covariance[0, 0]) == pytest.approx(0.1 * 2.0, rel=1e-3)
    assert np.sqrt(covariance[1, 1]) < 0.01


def test_lost_pose_makes_an_uncertain_velocity():
    meter = VelocityMeter()
    meter.measure(moment(0, 0.0, 0.01))
    _, covariance = meter.measure(moment(0.1, 0.0, 4.0))
    assert covariance.diagonal() == pytest.approx([4.01 / 0.01] * 6)


def test_covariance_stays_positive_when_certainty_grows():
    meter = VelocityMeter()
    meter.measure(moment(0, 0.0, 4.0, keyframe=1, own=0.0))
    _, covariance = meter.measure(moment(1, 0.0, 1.0, keyframe=0, own=0.0))
    assert np.linalg.eigvalsh(covariance).min() > 0.0
