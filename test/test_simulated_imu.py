# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated IMU of rendered scenes, held against the true poses of their frames."""

import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from loftr_vo.config import ImuSettings
from loftr_vo.synthetic.inertial import (
    BIAS_ACCELEROMETER,
    BIAS_GYROSCOPE,
    GRAVITY,
    IMU_FROM_CAMERA,
    ImuOptions,
    imu_path,
    simulate_imu,
)
from loftr_vo.synthetic.places import KINDS, PLACES

START = 10**9
# Hand-held at 10 Hz; the times when `rest`, `turn` (2 s) and `street` (6.4 s) have a kink.
TIMES = {'street': np.arange(60, 70) / 10, None: np.arange(16, 32) / 10}
EXACT = ImuOptions(rate=1000.0, noise=0.0, bias=0.0)


def camera_path(kind):
    return PLACES[kind].path(np.random.default_rng([3, 1]))


def measure(kind, options, times=None):
    times = TIMES.get(kind, TIMES[None]) if times is None else times
    return simulate_imu(camera_path(kind), times, START, options, np.random.default_rng(5))


def integrated(pose, velocity, samples, first, last):
    """Return pose and velocity after an interval in seconds, by the midpoint rule."""
    stamps = (samples.stamps - START) / 1e9
    inside = stamps[(stamps > first) & (stamps < last)]
    edges = np.r_[first, inside, last]
    turns, forces = (
        np.column_stack([np.interp(edges, stamps, values[:, axis]) for axis in range(3)])
        for values in (samples.angular_velocity, samples.specific_force)
    )
    rotation, position = pose[:3, :3], pose[:3, 3]
    for index, step in enumerate(np.diff(edges)):
        mean = (turns[index] + turns[index + 1]) / 2
        half = rotation @ Rotation.from_rotvec(mean * step / 2).as_matrix()
        acceleration = half @ (forces[index] + forces[index + 1]) / 2 + GRAVITY
        position = position + velocity * step + acceleration * step**2 / 2
        velocity = velocity + acceleration * step
        rotation = rotation @ Rotation.from_rotvec(mean * step).as_matrix()
    after = np.eye(4)
    after[:3, :3], after[:3, 3] = rotation, position
    return after, velocity


@pytest.mark.parametrize('kind', KINDS)
def test_the_measurements_integrate_to_the_true_motion(kind):
    times = TIMES.get(kind, TIMES[None])
    path, samples = camera_path(kind), measure(kind, EXACT)
    velocity = imu_path(path, times).velocities(times[:1])[0]
    camera_from_imu = np.linalg.inv(IMU_FROM_CAMERA)
    pose = path(times[0]) @ camera_from_imu
    for before, now in itertools.pairwise(times):
        true = path(now) @ camera_from_imu
        pose, velocity = integrated(pose, velocity, samples, before, now)
        assert np.linalg.norm(pose[:3, 3] - true[:3, 3]) < 1e-3
        turn = Rotation.from_matrix(true[:3, :3].T @ pose[:3, :3])
        assert turn.magnitude() < 1e-4
        # Errors do not add up: each interval is measured for itself.
        pose = true


def test_the_path_between_the_frames_is_the_rendered_one():
    path, times = camera_path('swing'), TIMES[None]
    between = times[:-1] + 0.03
    found = imu_path(path, times).poses(between) @ IMU_FROM_CAMERA
    np.testing.assert_allclose(found, [path(time) for time in between], atol=1e-6)


def test_a_camera_at_rest_measures_gravity_and_no_turn():
    samples = measure('rest', EXACT, times=np.arange(40, 60) / 10)
    true = camera_path('rest')(5.0) @ np.linalg.inv(IMU_FROM_CAMERA)
    up = true[:3, :3].T @ [0.0, -9.81, 0.0]
    np.testing.assert_allclose(samples.specific_force, np.tile(up, (len(samples), 1)), atol=1e-4)
    assert np.abs(samples.angular_velocity).max() < 1e-4


def test_stamps_have_the_rate_the_margin_and_the_offset():
    times = TIMES[None]
    plain = measure('room', ImuOptions())
    ahead = measure('room', ImuOptions(offset=0.05))
    assert set(np.diff(plain.stamps)) == {5_000_000}
    assert plain.stamps[0] < START + (times[0] - 0.49) * 1e9
    assert plain.stamps[-1] > START + (times[-1] + 0.49) * 1e9
    assert set(ahead.stamps - plain.stamps) == {50_000_000}
    np.testing.assert_array_equal(plain.specific_force, ahead.specific_force)


def test_errors_have_the_stated_sizes():
    times, usual = np.arange(40.0), ImuSettings()
    exact = measure('room', ImuOptions(noise=0.0, bias=0.0), times)
    biased = measure('room', ImuOptions(noise=0.0), times)
    noisy = measure('room', ImuOptions(noise=2.0, bias=0.0), times)
    constant = biased.angular_velocity - exact.angular_velocity
    assert np.linalg.norm(constant[0]) == pytest.approx(BIAS_GYROSCOPE)
    np.testing.assert_allclose(constant, np.tile(constant[0], (len(constant), 1)), atol=1e-12)
    constant = biased.specific_force - exact.specific_force
    assert np.linalg.norm(constant[0]) == pytest.approx(BIAS_ACCELEROMETER)
    for values, density, walk in (
        (
            noisy.angular_velocity - exact.angular_velocity,
            usual.gyroscope_noise,
            usual.gyroscope_walk,
        ),
        (
            noisy.specific_force - exact.specific_force,
            usual.accelerometer_noise,
            usual.accelerometer_walk,
        ),
    ):
        # Differences of neighbours have no walk to speak of.
        white = np.diff(values, axis=0).std() / np.sqrt(2)
        assert white == pytest.approx(2 * density * np.sqrt(200.0), rel=0.03)
        # Means of a second differ by the walk of a second, about, and by white noise.
        means = values[: 40 * 200].reshape(40, 200, 3).mean(axis=1)
        expected = np.sqrt((2 * walk) ** 2 * 2 / 3 + 2 * (2 * density) ** 2)
        assert np.diff(means, axis=0).std() == pytest.approx(expected, rel=0.3)


@pytest.mark.parametrize(
    'options',
    [{'rate': 1.0}, {'noise': -1.0}, {'bias': float('nan')}, {'offset': 0.5}],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match='of an IMU'):
        ImuOptions(**options)
