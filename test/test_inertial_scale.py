# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Scale and gravity from camera and IMU, on paths in closed form whose poses have noise."""

import functools
import math
from dataclasses import replace

import numpy as np
import pytest
from inertial_path import GRAVITY, SmoothPath
from inertial_trip import IMU_FROM_CAMERA, NOISE, UNIT, Trip
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.inertial import ImuNoise, ImuSamples
from loftr_vo.odometry.inertial.alignment_window import window_of
from loftr_vo.odometry.inertial.bordered_system import BorderedSystem
from loftr_vo.odometry.inertial.camera_path import CameraPath
from loftr_vo.odometry.inertial.inertial_estimator import InertialEstimator
from loftr_vo.odometry.inertial.inertial_state import GRAVITY as GRAVITY_ERROR
from loftr_vo.odometry.inertial.linear_alignment import align_linearly, gyroscope_bias
from loftr_vo.odometry.inertial.preintegration import Bias, ImuSteps
from loftr_vo.odometry.inertial.sample_buffer import SampleBuffer
from loftr_vo.odometry.inertial.tuning import TUNING
from loftr_vo.odometry.inertial.vibration import with_vibration
from loftr_vo.odometry.scale.cell_depth import NoReading, NotYet


@functools.cache
def trips():
    """Return trips of six seconds by four seeds, and how the scale was after each keyframe."""
    found = []
    for seed in range(4):
        trip = Trip(seed)
        steps = [(seconds, trip.scale_error, trip.filter.variance) for seconds in trip.go(6.0)]
        found.append((trip, [step for step in steps if math.isfinite(step[2])]))
    return found


def test_it_is_metric_within_five_seconds():
    assert all(steps[0][0] <= 5.0 for _, steps in trips())


def test_scale_and_gravity_are_those_of_the_path():
    assert all(abs(trip.scale_error) < 0.01 for trip, _ in trips())
    assert all(math.degrees(np.linalg.norm(trip.gravity_error)) < 0.3 for trip, _ in trips())


def test_the_biases_are_found():
    for trip, _ in trips():
        bias = trip.estimator.state.bias
        assert np.allclose(bias.gyroscope, trip.bias.gyroscope, rtol=0, atol=1e-3)
        assert np.allclose(bias.accelerometer, trip.bias.accelerometer, rtol=0, atol=0.05)


def test_errors_are_as_large_as_their_covariance_says():
    """The scale's covariance has the drift of a map, which these maps do not have."""
    scale = [error**2 / variance for _, steps in trips() for _, error, variance in steps[::6]]
    gravity = []
    for trip, _ in trips():
        state = trip.estimator.state
        there = trip.estimator.path.poses[-1].pose[:3, :3]
        across = (there @ state.tangent).T @ trip.gravity_error
        gravity.append(
            across @ np.linalg.solve(state.covariance[GRAVITY_ERROR, GRAVITY_ERROR], across) / 2
        )
    assert 0.1 < np.mean(scale) < 1.5
    assert 0.1 < np.mean(gravity) < 2.0


def test_gravity_is_unknown_before_the_scale_is():
    trip = Trip(1)
    for _ in trip.go(0.8):
        gravity, sigma = trip.estimator.gravity()
        assert gravity is None
        assert math.isinf(sigma)
    assert trip.reasons[-1].startswith('too few frames')


def test_lengths_are_no_metres_while_the_imu_contradicts_the_pictures():
    """Its accelerometers measure a tenth too much, which neither bias nor scale explains."""
    trip = Trip(1)
    samples = trip.samples
    trip.samples = replace(samples, specific_force=1.1 * samples.specific_force)
    for _ in trip.go(6.0):
        pass
    assert 'the IMU contradicts the pictures' in trip.reasons[-1]
    assert math.sqrt(trip.filter.variance) > 0.1


def test_at_rest_no_scale_is_claimed():
    trip = Trip(3, SmoothPath(3, distance=0.0, angle=0.0))
    for _ in trip.go(20.0, every=40):
        pass
    assert math.isinf(trip.filter.variance)
    assert set(trip.reasons) == {'at rest'}


def test_straight_on_at_one_speed_no_scale_is_claimed():
    trip = Trip(3, Straight())
    for _ in trip.go(5.0, every=24):
        pass
    assert math.isinf(trip.filter.variance)
    assert 'not enough acceleration' in trip.reasons[-1]


class Straight(SmoothPath):
    """Half a metre a second, without a turn."""

    def __init__(self):
        super().__init__(0, distance=0.0, angle=0.0)

    def _values(self, times, order):
        values = np.zeros((len(times), 6))
        values[:, 0] = [0.5 * np.asarray(times), 0.5, 0.0][order]
        return values


class Stopping(SmoothPath):
    """Comes to rest between the third and the fifth second."""

    def _values(self, times, order):
        part = np.clip((np.asarray(times) - 3) / 2, 0, 1)
        warped = np.minimum(times, 3) + 2 * (part - part**3 + part**4 / 2)
        rate = (1 - 3 * part**2 + 2 * part**3)[:, None]
        change = ((-6 * part + 6 * part**2) / 2)[:, None]
        inner = [super(Stopping, self)._values(warped, each) for each in range(order + 1)]
        if order == 2:
            return inner[2] * rate**2 + inner[1] * change
        return inner[order] * rate**order


def test_a_minute_of_rest_leaves_scale_and_gravity_as_they_were():
    trip = Trip(4, Stopping(4, distance=0.7, angle=0.35), seconds=66.0)
    for _ in trip.go(5.5):
        pass
    error, variance = trip.scale_error, trip.filter.variance
    assert math.isfinite(variance)
    # A camera at rest makes no keyframes.
    for _ in trip.go(65.0, start=5.5, every=10**6):
        pass
    assert trip.scale_error == error
    assert abs(error) < 0.015
    assert len(trip.estimator.path.poses) < 100
    assert math.degrees(np.linalg.norm(trip.gravity_error)) < 0.3
    assert np.linalg.norm(trip.estimator.state.velocity) < 0.02
    assert abs(math.log(trip.estimator.state.scale)) < 0.02


def test_a_loss_begins_the_estimation_anew():
    trip = Trip(2)
    for _ in trip.go(4.0):
        pass
    assert trip.estimator.state is not None
    trip.estimator.interrupt()
    assert trip.estimator.gravity()[0] is None
    for _ in trip.go(6.0, start=4.0):
        pass
    assert trip.estimator.state is not None
    assert abs(trip.scale_error) < 0.01


def test_once_the_bias_is_known_the_camera_turns_as_the_gyroscope():
    trip = Trip(2)
    start, end = round(3.9e9), round(3.95e9)
    for _ in trip.go(0.9):
        pass
    assert trip.estimator.turn(0, round(5e7)) is None
    for _ in trip.go(4.0, start=0.9):
        pass
    first, last = trip.true_pose(3.9), trip.true_pose(3.95)
    true = first[:3, :3].T @ last[:3, :3]
    assert np.allclose(trip.estimator.turn(start, end), true, rtol=0, atol=5e-4)
    turn, sigma = trip.estimator.turn_with_sigma(start, end)
    assert Rotation.from_matrix(true.T @ turn).magnitude() < 3 * sigma < 1e-3
    rate = Rotation.from_matrix(true).as_rotvec() / 0.05
    middle = (start + end) // 2
    assert trip.estimator.angular_velocity(middle, 0.025) == pytest.approx(rate, abs=0.01)
    # The last measurement is held for some milliseconds, and no longer.
    last = trip.estimator.samples.last_stamp
    assert trip.estimator.angular_velocity(last, 0.015) is not None
    assert trip.estimator.angular_velocity(last + round(2e7), 0.015) is None
    trip.estimator.interrupt()
    assert np.allclose(trip.estimator.turn(start, end), true, rtol=0, atol=5e-4)
    assert trip.estimator.turn(round(5e9), round(5.05e9)) is None


def shift(trip, offset):
    """Have the IMU's stamps be later, and frames come with what was measured by its clock."""
    exact = trip.samples
    later = exact.stamps + round(offset * 1e9)
    trip.samples = ImuSamples(later, exact.angular_velocity, exact.specific_force)
    trip.samples_until = lambda seconds: trip.samples.between(
        round((seconds - 0.05) * 1e9), round(seconds * 1e9)
    )


@pytest.mark.parametrize('offset', [0.0, 0.035, -0.05])
def test_the_offset_of_the_clocks_is_found_and_corrected(offset):
    trip = Trip(3)
    shift(trip, offset)
    for _ in trip.go(5.0):
        pass
    found = trip.estimator.clock_offset
    assert found.seconds == pytest.approx(offset, abs=1e-3)
    assert found.sigma < 1e-3
    assert found.is_significant is (offset != 0)
    assert abs(trip.scale_error) < 0.01
    assert math.degrees(np.linalg.norm(trip.gravity_error)) < 0.3


@pytest.mark.parametrize(('offset', 'words'), [(0.2, '200 ms later'), (-0.1, '100 ms earlier')])
def test_an_offset_beyond_what_is_corrected_is_named(offset, words):
    trip = Trip(1)
    shift(trip, offset)
    for _ in trip.go(4.0, every=10):
        pass
    assert words in trip.reasons[-1]
    assert math.isinf(trip.filter.variance)


def test_a_negated_accelerometer_is_named():
    trip = Trip(1)
    trip.samples = replace(trip.samples, specific_force=-trip.samples.specific_force)
    for _ in trip.go(2.5, every=10):
        pass
    assert trip.reasons[-1].startswith('the specific force is negated')


def test_an_imu_that_is_too_slow_is_named():
    trip = Trip(1)
    shift(trip, 0.0)
    part = np.s_[::20]
    exact = trip.samples
    trip.samples = ImuSamples(
        exact.stamps[part], exact.angular_velocity[part], exact.specific_force[part]
    )
    for _ in trip.go(2.0, every=10):
        pass
    assert 'it measures 10.0 times a second' in trip.reasons[-1]


def test_without_turns_the_offset_of_the_clocks_is_not_known():
    trip = Trip(3, SmoothPath(3, distance=0.7, angle=0.0))
    for _ in trip.go(3.0):
        pass
    assert trip.estimator.clock_offset is None


def test_an_imu_of_another_place_contradicts_the_camera():
    trip = Trip(1)
    turned = IMU_FROM_CAMERA.copy()
    turned[:3, :3] = turned[:3, :3] @ Rotation.from_euler('x', 90, degrees=True).as_matrix()
    trip.estimator.mount(turned, NOISE)
    for _ in trip.go(3.0, every=20):
        pass
    assert math.isinf(trip.filter.variance)
    assert 'turns otherwise' in trip.reasons[-1]


def test_without_knowing_where_the_imu_is_there_is_no_reading():
    estimator = InertialEstimator(NOISE)
    with pytest.raises(NoReading, match='where the IMU is'):
        estimator.reading([])
    estimator.mount(IMU_FROM_CAMERA, NOISE)
    with pytest.raises(NotYet, match='too few'):
        estimator.reading([])


def exact_window(seed=5):
    """Return the window of a path whose poses and measurements are exact, and its trip."""
    trip = Trip(seed, noise=ImuNoise(0.0, 0.0, 0.0, 0.0), pose_noise=0.0)
    for _ in trip.go(3.0, every=1000):
        pass
    poses = list(trip.estimator.path.poses)
    return window_of(poses, trip.estimator.samples, IMU_FROM_CAMERA, NOISE), trip, poses


def test_the_linear_alignment_of_exact_poses_is_exact():
    window, trip, poses = exact_window()
    bias = gyroscope_bias(window, Bias.zero())
    assert np.allclose(bias, trip.bias.gyroscope, rtol=0, atol=1e-4)
    motions = window.preintegrate(Bias(bias, trip.bias.accelerometer))
    found = align_linearly(window, motions)
    axes = trip.world_from_map[:3, :3].T
    assert found.scale == pytest.approx(UNIT, rel=2e-3)
    assert np.allclose(found.gravity, axes @ GRAVITY, rtol=0, atol=0.01)
    velocities = trip.path.velocities([each.stamp * 1e-9 for each in poses]) @ axes.T
    assert np.allclose(found.velocities, velocities, rtol=0, atol=0.02)


def test_poses_follow_the_keyframes_that_they_were_measured_against():
    trip = Trip(0, pose_noise=0.0)
    keyframe = trip.keyframe(0, trip.true_pose(0.0))
    path = CameraPath()
    for index in (1, 2):
        path.add(index, keyframe, trip.true_pose(0.1 * index), np.zeros((6, 6)))
    moved = np.eye(4)
    moved[:3, :3] = Rotation.from_euler('y', 3, degrees=True).as_matrix()
    moved[:3, 3] = 0.1, 0.0, -0.2
    before = [each.pose for each in path.poses]
    keyframe.pose = moved @ keyframe.pose
    newest = trip.keyframe(2, moved @ trip.true_pose(0.21))
    path.refresh([keyframe, newest])
    assert np.allclose(path.poses[0].pose, moved @ before[0])
    # The second frame became a keyframe, and stands where that does.
    assert np.allclose(path.poses[1].pose, newest.pose)
    path.rescale(2.0, np.array([1.0, 0.0, 0.0]))
    # The keyframes have left the map.
    path.refresh([])
    assert np.allclose(path.poses[1].pose[:3, 3], 2 * newest.pose[:3, 3] + [1, 0, 0])


def test_vibration_counts_as_noise_and_motion_does_not():
    samples = SmoothPath(2).samples(4.0)
    shaken = samples.specific_force + np.random.default_rng(1).normal(0, 0.5, (801, 3))
    buffer, calm = SampleBuffer(), SampleBuffer()
    calm.add(samples)
    buffer.add(ImuSamples(samples.stamps, samples.angular_velocity, shaken))
    spans = [(round(1e8 * k), round(1e8 * (k + 1))) for k in range(39)]
    steps = ImuSteps.stacked([calm.steps(*span) for span in spans])
    found = with_vibration(NOISE, steps)
    assert found.accelerometer == pytest.approx(NOISE.accelerometer, rel=0.05)
    assert found.gyroscope == pytest.approx(NOISE.gyroscope, rel=0.05)
    found = with_vibration(NOISE, ImuSteps.stacked([buffer.steps(*span) for span in spans]))
    expected = TUNING.vibration_share * 0.5 / math.sqrt(200)
    assert found.accelerometer == pytest.approx(expected, rel=0.1)


def test_a_bordered_system_is_solved_as_a_dense_one():
    source = np.random.default_rng(4)
    count, size, common = 5, 3, 2
    system = BorderedSystem(count, size, common)
    dense = np.zeros((count * size + common, count * size + common))
    right = np.zeros(len(dense))

    def add(rows, columns, residuals):
        dense[np.ix_(columns, columns)] += rows.T @ rows
        right[columns] -= rows.T @ residuals

    last = np.arange(count * size, len(dense))
    links = source.normal(size=(count - 1, 4, 2 * size + common))
    errors = source.normal(size=(count - 1, 4))
    system.add_links(
        links[..., :size], links[..., size : 2 * size], links[..., 2 * size :], errors
    )
    for index in range(count - 1):
        columns = np.r_[np.arange(index * size, (index + 2) * size), last]
        add(links[index], columns, errors[index])
    seen = source.normal(size=(count, 4, size + common))
    errors = source.normal(size=(count, 4))
    system.add_states(seen[..., :size], seen[..., size:], errors)
    for index in range(count):
        columns = np.r_[np.arange(index * size, (index + 1) * size), last]
        add(seen[index], columns, errors[index])
    information = np.diag(source.uniform(1, 2, size + common))
    error = source.normal(size=size + common)
    system.add_prior(information, error)
    add(np.sqrt(information), np.r_[:size, last], np.sqrt(information) @ error)
    states, together, covariance = system.solve()
    expected = np.linalg.solve(dense, right)
    assert np.allclose(np.r_[states.ravel(), together], expected)
    kept = np.r_[np.arange((count - 1) * size, count * size), last]
    assert np.allclose(covariance, np.linalg.inv(dense)[np.ix_(kept, kept)])
