# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Preintegration: against a plain loop, numeric derivatives, samples of noise, and gtsam."""

import numpy as np
import pytest
from inertial_path import GRAVITY, SmoothPath
from scipy.spatial.transform import Rotation

from loftr_vo.geometry import so3
from loftr_vo.geometry.inertial import ImuNoise, ImuSamples
from loftr_vo.odometry.inertial.preintegration import Bias, ImuSteps, preintegrate
from loftr_vo.odometry.inertial.sample_buffer import SampleBuffer
from loftr_vo.odometry.scale.cell_depth import NoReading, NotYet

NOISE = ImuNoise(2e-3, 2e-2, 1e-5, 1e-4)
BIAS = Bias(np.array([0.02, -0.05, 0.07]), np.array([0.1, -0.2, 0.05]))


def some_steps(count=40, seed=3):
    source = np.random.default_rng(seed)
    return ImuSteps(
        source.uniform(0.003, 0.007, count),
        source.normal(0, 1.5, (count, 3)),
        source.normal(0, 3, (count, 3)) + np.array([0, 0, 9.81]),
    )


def by_a_loop(steps, bias, parts=1):
    """Rotation, velocity and position, sample by sample, each step in ``parts``."""
    rotation, velocity, position = np.eye(3), np.zeros(3), np.zeros(3)
    for seconds, omega, force in zip(
        steps.seconds, steps.angular_velocity, steps.specific_force, strict=True
    ):
        part = seconds / parts
        half = Rotation.from_rotvec((omega - bias.gyroscope) * part / 2).as_matrix()
        for _ in range(parts):
            acceleration = rotation @ half @ (force - bias.accelerometer)
            position = position + velocity * part + acceleration * part**2 / 2
            velocity = velocity + acceleration * part
            rotation = rotation @ half @ half
    return rotation, velocity, position


def as_error(reference, rotation, velocity, position):
    """(9,) difference from a preintegrated motion, as its covariance has it."""
    turn = so3.logarithm(reference.rotation.T @ rotation)
    return np.concatenate([turn, velocity - reference.velocity, position - reference.position])


def subset(steps, count):
    return ImuSteps(
        steps.seconds[:count], steps.angular_velocity[:count], steps.specific_force[:count]
    )


def split(steps, parts):
    return ImuSteps(
        np.repeat(steps.seconds / parts, parts),
        np.repeat(steps.angular_velocity, parts, axis=0),
        np.repeat(steps.specific_force, parts, axis=0),
    )


def test_rotations_at_once_are_those_of_scipy():
    vectors = np.random.default_rng(0).normal(0, 0.8, (60, 3))
    vectors[:20] *= 1e-5
    rotations = Rotation.from_rotvec(vectors).as_matrix()
    assert np.allclose(so3.exponential(vectors), rotations, rtol=0, atol=1e-14)
    assert np.allclose(so3.logarithm(rotations), vectors, rtol=1e-9, atol=1e-14)
    product = so3.right_jacobian(vectors) @ so3.inverse_right_jacobian(vectors)
    assert np.allclose(product, np.eye(3), rtol=0, atol=1e-12)
    change = np.array([1e-6, -2e-6, 1.5e-6])
    moved = so3.logarithm(so3.exponential(-vectors) @ so3.exponential(vectors + change))
    assert np.allclose(moved, so3.right_jacobian(vectors) @ change, rtol=0, atol=1e-11)


@pytest.mark.parametrize('count', [1, 2, 3, 7, 40])
def test_it_is_what_a_loop_over_the_samples_gives(count):
    steps = subset(some_steps(), count)
    found = preintegrate(steps, BIAS, NOISE)
    rotation, velocity, position = by_a_loop(steps, BIAS)
    assert np.allclose(found.rotation, rotation, rtol=0, atol=1e-13)
    assert np.allclose(found.velocity, velocity, rtol=0, atol=1e-12)
    assert np.allclose(found.position, position, rtol=0, atol=1e-13)
    assert found.seconds == pytest.approx(steps.seconds.sum())


def test_many_intervals_at_once_are_each_by_itself():
    parts = [subset(some_steps(seed=seed), count) for seed, count in enumerate((3, 40, 1, 17))]
    together = preintegrate(ImuSteps.stacked(parts), BIAS, NOISE)
    for index, part in enumerate(parts):
        alone = preintegrate(part, BIAS, NOISE)
        for name in ('rotation', 'velocity', 'position', 'covariance', 'by_gyroscope'):
            found, expected = getattr(together, name)[index], getattr(alone, name)
            assert np.allclose(found, expected, rtol=1e-12, atol=1e-15), name


def test_derivatives_by_the_biases_are_the_numeric_ones():
    steps = some_steps()
    found = preintegrate(steps, BIAS, NOISE)
    width = 1e-5
    for axis in range(3):
        offset = width * np.eye(3)[axis]
        for jacobian, with_offset in (
            (found.by_gyroscope, lambda d: Bias(BIAS.gyroscope + d, BIAS.accelerometer)),
            (found.by_accelerometer, lambda d: Bias(BIAS.gyroscope, BIAS.accelerometer + d)),
        ):
            plus, minus = (
                as_error(found, *by_a_loop(steps, with_offset(each))) for each in (offset, -offset)
            )
            numeric = (plus - minus) / (2 * width)
            # The last digits are those of the mean rotation within a step, see the module.
            size = np.repeat([np.abs(jacobian[part : part + 3]).max() for part in (0, 3, 6)], 3)
            assert np.all(np.abs(jacobian[:, axis] - numeric) <= 1e-4 * size)


def test_another_bias_is_a_correction_of_first_order():
    steps = some_steps()
    other = Bias(BIAS.gyroscope + 0.002, BIAS.accelerometer - 0.01)
    corrected = preintegrate(steps, BIAS, NOISE).corrected(other)
    for found, exact in zip(corrected, by_a_loop(steps, other), strict=True):
        assert np.allclose(found, exact, rtol=0, atol=2e-6)


def test_the_covariance_is_that_of_samples_of_noise():
    steps = some_steps(12)
    exact = preintegrate(steps, BIAS, NOISE)
    source = np.random.default_rng(1)
    spread = 1 / np.sqrt(steps.seconds)[:, None]
    shape = (1500, 12, 3)
    noisy = ImuSteps(
        np.tile(steps.seconds, (1500, 1)),
        steps.angular_velocity + NOISE.gyroscope * spread * source.normal(size=shape),
        steps.specific_force + NOISE.accelerometer * spread * source.normal(size=shape),
    )
    found = preintegrate(noisy, BIAS, NOISE)
    errors = [
        as_error(exact, *each)
        for each in zip(found.rotation, found.velocity, found.position, strict=True)
    ]
    whitened = np.linalg.solve(np.linalg.cholesky(exact.covariance), np.transpose(errors))
    assert np.allclose(np.cov(whitened), np.eye(9), rtol=0, atol=0.17)


def test_it_is_what_gtsam_gives():
    gtsam = pytest.importorskip('gtsam', reason='gtsam has no wheel for this Python here')
    # gtsam holds the rotation during a step; in short steps both are the same integral.
    steps = split(some_steps(), 20)
    parameters = gtsam.PreintegrationParams.MakeSharedU(9.81)
    parameters.setGyroscopeCovariance(np.eye(3) * NOISE.gyroscope**2)
    parameters.setAccelerometerCovariance(np.eye(3) * NOISE.accelerometer**2)
    parameters.setIntegrationCovariance(np.eye(3) * 1e-20)
    bias = gtsam.imuBias.ConstantBias(BIAS.accelerometer, BIAS.gyroscope)
    theirs = gtsam.PreintegratedImuMeasurements(parameters, bias)
    for seconds, omega, force in zip(
        steps.seconds, steps.angular_velocity, steps.specific_force, strict=True
    ):
        theirs.integrateMeasurement(force, omega, seconds)
    found = preintegrate(steps, BIAS, NOISE)
    assert found.seconds == pytest.approx(theirs.deltaTij())
    assert np.allclose(found.rotation, theirs.deltaRij().matrix(), rtol=0, atol=1e-6)
    assert np.allclose(found.velocity, theirs.deltaVij(), rtol=0, atol=1e-3)
    assert np.allclose(found.position, theirs.deltaPij(), rtol=0, atol=1e-4)
    # Theirs is of rotation, position and velocity in the tangent space at zero.
    order = [0, 1, 2, 6, 7, 8, 3, 4, 5]
    mine = found.covariance
    turned = so3.inverse_right_jacobian(so3.logarithm(found.rotation))
    full = np.eye(9)
    full[:3, :3] = turned
    mine = full @ mine @ full.T
    scale = np.sqrt(np.diag(mine))
    difference = (theirs.preintMeasCov()[np.ix_(order, order)] - mine) / np.outer(scale, scale)
    assert np.abs(difference).max() < 0.02


@pytest.mark.parametrize('rate', [100, 200, 1000])
def test_on_a_smooth_path_it_predicts_the_next_state(rate):
    path = SmoothPath(4)
    buffer = SampleBuffer()
    buffer.add(path.samples(3.0, rate))
    start, end = 1.0003, 1.5011
    found = preintegrate(buffer.steps(round(start * 1e9), round(end * 1e9)), Bias.zero(), NOISE)
    first, last = path.poses([start, end])
    before, after = path.velocities([start, end])
    seconds = end - start
    turn = first[:3, :3]
    assert found.seconds == pytest.approx(seconds)
    exact_to = 2e-3 * (100 / rate) ** 2
    assert np.allclose(turn @ found.rotation, last[:3, :3], rtol=0, atol=exact_to)
    velocity = before + GRAVITY * seconds + turn @ found.velocity
    assert np.allclose(velocity, after, rtol=0, atol=exact_to)
    position = first[:3, 3] + before * seconds + GRAVITY * seconds**2 / 2 + turn @ found.position
    assert np.allclose(position, last[:3, 3], rtol=0, atol=exact_to)


def test_measurements_of_consecutive_frames_overlap():
    whole = SmoothPath(1).samples(1.0)
    buffer, other = SampleBuffer(), SampleBuffer()
    other.add(whole)
    for first in range(0, 200, 10):
        part = slice(max(first - 1, 0), first + 12)
        buffer.add(
            ImuSamples(
                whole.stamps[part], whole.angular_velocity[part], whole.specific_force[part]
            )
        )
    a, b = buffer.steps(10**7, 9 * 10**8), other.steps(10**7, 9 * 10**8)
    assert np.array_equal(a.seconds, b.seconds)
    assert np.array_equal(a.specific_force, b.specific_force)


def test_a_time_without_measurements_has_no_steps():
    buffer = SampleBuffer(seconds=2.0)
    with pytest.raises(NoReading, match='no measurement'):
        buffer.steps(0, 10**8)
    whole = SmoothPath(1).samples(4.0)
    kept = np.r_[0:300, 320:801]
    for part in np.array_split(kept, 8):
        buffer.add(
            ImuSamples(
                whole.stamps[part], whole.angular_velocity[part], whole.specific_force[part]
            )
        )
    with pytest.raises(NotYet, match='behind'):
        buffer.steps(35 * 10**8, 41 * 10**8)
    with pytest.raises(NoReading, match='reach back'):
        buffer.steps(10**8, 10**9)
    buffer = SampleBuffer()
    buffer.add(
        ImuSamples(whole.stamps[kept], whole.angular_velocity[kept], whole.specific_force[kept])
    )
    with pytest.raises(NoReading, match='gaps'):
        buffer.steps(10**9, 2 * 10**9)
    assert buffer.steps(2 * 10**9, 3 * 10**9).seconds.sum() == pytest.approx(1.0)
