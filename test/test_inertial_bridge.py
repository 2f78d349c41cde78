# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The IMU's motion while the camera sees nothing, and its covariance."""

import dataclasses

import numpy as np
import pytest
from inertial_path import SmoothPath
from inertial_trip import IMU_FROM_CAMERA, NOISE, Trip

from loftr_vo.geometry import so3
from loftr_vo.odometry.inertial.bridge import InertialPath, relative_motion
from loftr_vo.odometry.inertial.inertial_state import ROTATION, SIZE, VELOCITY, InertialState
from loftr_vo.odometry.inertial.preintegration import Bias, preintegrate
from loftr_vo.odometry.inertial.sample_buffer import SampleBuffer
from loftr_vo.odometry.scale.cell_depth import NoReading

SECOND = 10**9


def exact_state(path, seconds, sigma=1e-3):
    """Return the state of an IMU on a path, in the world's axes."""
    pose = path.poses([seconds])[0]
    return InertialState(
        pose[:3, :3],
        path.velocities([seconds])[0],
        pose[:3, 3],
        Bias.zero(),
        1.0,
        np.array([0.0, 0.0, -9.81]),
        np.eye(3)[:, :2],
        np.eye(SIZE) * sigma**2,
    )


def exact_path(seed=2):
    path, buffer = SmoothPath(seed), SampleBuffer()
    buffer.add(path.samples(4.0))
    return path, buffer


def test_from_an_exact_state_the_motion_is_exact():
    path, buffer = exact_path()
    bridge = InertialPath(SECOND, exact_state(path, 1.0), buffer, NOISE, seconds=2.5)
    for start, end in ((1.0, 2.0), (1.0, 3.2), (1.6, 2.4)):
        first, last = path.poses([start, end])
        found = bridge.motion(round(start * 1e9), round(end * 1e9))
        true = np.linalg.inv(first) @ last
        assert np.allclose(found.motion, true, rtol=0, atol=2e-3)
        assert np.linalg.eigvalsh(found.covariance)[0] > 0


def test_it_ends_after_its_time_and_where_measurements_are_missing():
    path, buffer = exact_path()
    bridge = InertialPath(SECOND, exact_state(path, 1.0), buffer, NOISE, seconds=1.5)
    assert bridge.covers(SECOND)
    assert not bridge.covers(SECOND - 1)
    with pytest.raises(NoReading, match=r'good for 1\.5 s'):
        bridge.motion(SECOND, 26 * SECOND // 10)
    bridge = InertialPath(SECOND, exact_state(path, 1.0), buffer, NOISE, seconds=9.0)
    with pytest.raises(NoReading, match='behind'):
        bridge.motion(SECOND, 5 * SECOND)


def test_the_covariance_is_that_of_errors_of_the_state():
    path, buffer = exact_path()
    state = exact_state(path, 1.0)
    steps = buffer.steps(SECOND, 2 * SECOND)
    exact = preintegrate(steps, state.bias, NOISE)
    reference = relative_motion(state, exact)
    sigma = np.full(SIZE, 1e-3)
    state = dataclasses.replace(state, covariance=np.diag(sigma**2))
    expected = (
        relative_motion(state, exact).covariance
        - (
            relative_motion(dataclasses.replace(state, covariance=np.zeros((SIZE, SIZE))), exact)
        ).covariance
    )
    total = np.zeros((6, 6))
    for index in range(SIZE):
        error = np.zeros(SIZE)
        error[index] = sigma[index]
        other = perturbed(state, error)
        moved = relative_motion(other, preintegrate(steps, other.bias, NOISE)).motion
        turn = so3.logarithm(moved[:3, :3] @ reference.motion[:3, :3].T)
        column = np.r_[moved[:3, 3] - reference.motion[:3, 3], turn]
        total += np.outer(column, column)
    assert np.allclose(total, expected, rtol=0, atol=2e-3 * np.abs(expected).max())


def perturbed(state, error):
    """Return the state with an error, (18,)."""
    gravity = state.gravity + 9.81 * state.tangent @ error[16:]
    return dataclasses.replace(
        state,
        rotation=state.rotation @ so3.exponential(error[ROTATION]),
        velocity=state.velocity + error[VELOCITY],
        bias=Bias(error[9:12], error[12:15]),
        gravity=gravity * (9.81 / np.linalg.norm(gravity)),
    )


def test_a_second_without_pictures_is_bridged_with_an_honest_covariance():
    errors, normalised = [], []
    for seed in range(3):
        trip = Trip(seed)
        for _ in trip.go(4.0):
            pass
        for index in range(80, 100):
            trip.estimator.add(trip.samples_until(index * 0.05))
        trip.estimator.lose(2.0)
        start = round(79 * 0.05 * 1e9)
        found = trip.estimator.bridge.motion(start, round(4.95e9))
        first, last = trip.path.poses([79 * 0.05, 4.95])
        true = np.linalg.inv(first) @ last
        turn = so3.logarithm(true[:3, :3] @ found.motion[:3, :3].T)
        error = np.r_[true[:3, 3] - found.motion[:3, 3], turn]
        errors.append(np.linalg.norm(error[:3]))
        normalised.append(error @ np.linalg.solve(found.covariance, error) / 6)
    assert max(errors) < 0.05
    assert 0.1 < np.mean(normalised) < 2.5


def test_after_a_loss_the_biases_are_known():
    trip = Trip(1)
    for _ in trip.go(4.0):
        pass
    trip.estimator.lose(2.0)
    assert trip.estimator.state is None
    prior = trip.estimator._prior.state.bias
    assert np.allclose(prior.gyroscope, trip.bias.gyroscope, rtol=0, atol=1e-3)
    assert trip.estimator.bridge is not None
    for _ in trip.go(5.5, start=4.0):
        pass
    assert trip.estimator.bridge is None
    assert trip.estimator.imu_from_camera is IMU_FROM_CAMERA
