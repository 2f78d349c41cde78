# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The odometry with an IMU beside the camera, in a ray-cast world: metres, down, and the dark."""

import dataclasses
import functools
from types import SimpleNamespace

import numpy as np
from exact_world import HEIGHT, PERIOD, WIDTH, ExactMatcher, camera
from inertial_path import GRAVITY, SmoothPath
from point_scenes import degrees_between
from scipy.spatial.transform import Rotation

from loftr_vo.config import Settings, replace
from loftr_vo.geometry.inertial import ImuNoise
from loftr_vo.imaging.frame import Frame
from loftr_vo.odometry import VisualOdometry
from loftr_vo.odometry.estimate import State
from loftr_vo.odometry.odometry_state import OdometryState

NOISE = ImuNoise(1.6e-4, 2.8e-3, 2.2e-5, 8.6e-4)
# The scenes have y down and z ahead, the path of the IMU has z up.
SCENE_FROM_PATH = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
IMU_FROM_CAMERA = np.eye(4)
IMU_FROM_CAMERA[:3, :3] = (
    SCENE_FROM_PATH[:3, :3].T @ Rotation.from_euler('xyz', [5, -8, 12], degrees=True).as_matrix()
)
IMU_FROM_CAMERA[:3, 3] = 0.05, 0.02, -0.04
# A hand that swings the camera within a metre.
SWING = SmoothPath(11, distance=0.3, angle=0.06)
STEPS = 42  # frames that are rendered, for all tests


def camera_at(index):
    """True pose of the camera at a frame, scene from camera."""
    return SCENE_FROM_PATH @ SWING.poses([index * PERIOD])[0] @ IMU_FROM_CAMERA


@functools.cache
def filmed(world, index):
    return world.see(camera_at(index), index * PERIOD)


@functools.cache
def measured():
    """Return what the IMU measures, on the clock of the frames."""
    source = np.random.default_rng(5)
    gyroscope, accelerometer = source.normal(0, 0.02, 3), source.normal(0, 0.08, 3)
    samples = SWING.samples(
        STEPS * PERIOD,
        gyroscope=gyroscope,
        accelerometer=accelerometer,
        noise=(NOISE, source),
    )
    return dataclasses.replace(samples, stamps=samples.stamps + 10**9)


class Flight:
    """An odometry that is shown one frame every ``PERIOD``, with what an IMU measured."""

    def __init__(self, world, **settings):
        values = {'matcher.device': 'cpu', 'scale.source': 'imu', **settings}
        self.odometry = VisualOdometry(replace(Settings(), values))
        self.odometry.mount_imu(IMU_FROM_CAMERA, NOISE)
        matcher = ExactMatcher(world, noise=0.1, outliers=0.0)
        self.odometry._matcher = self.odometry._scale._matcher = matcher
        self.world = world
        self.said = []

    def see(self, count, *, dark=False):
        """Return the estimates of ``count`` more frames."""
        first = len(self.said)
        for index in range(first, first + count):
            frame = filmed(self.world, index)
            if dark:
                image = np.zeros((HEIGHT, WIDTH), np.uint8)
                frame = Frame(image, frame.stamp, camera())
            imu = measured().between(frame.stamp - round(1e9 * PERIOD), frame.stamp)
            self.said.append(self.odometry.track(dataclasses.replace(frame, imu=imu)))
            self.odometry.finish()
        return self.said[first:]

    def error(self, start, end):
        """Metres between the true motion of the camera and the estimated one, and degrees."""
        true = np.linalg.inv(camera_at(start)) @ camera_at(end)
        found = np.linalg.inv(self.said[start].pose) @ self.said[end].pose
        distance = float(np.linalg.norm(found[:3, 3] - true[:3, 3]))
        return distance, degrees_between(found[:3, :3], true[:3, :3])


@functools.cache
def flown(world):
    """Return a flight of 30 frames in the light, eight in the dark and four in the light again."""
    flight = Flight(world)
    flight.see(30)
    flight.see(8, dark=True)
    flight.see(4)
    return flight


def first_metric(flight):
    return next(index for index, each in enumerate(flight.said) if each.metric)


def test_it_is_metric_and_goes_on_from_where_it_was(world):
    flight = flown(world)
    first = first_metric(flight)
    assert first <= 25
    metres, degrees = flight.error(first, 29)
    assert metres < 0.03
    assert degrees < 0.3
    places = np.array([each.pose[:3, 3] for each in flight.said[:30]])
    true = np.array([camera_at(index)[:3, 3] for index in range(30)])
    longest = np.linalg.norm(np.diff(true, axis=0), axis=1).max()
    assert np.linalg.norm(np.diff(places, axis=0), axis=1).max() < 1.3 * longest
    assert flight.said[first - 1].scale.reason.startswith('scale not known yet')


def test_gravity_is_known_once_the_scale_is(world):
    flight = flown(world)
    assert flight.said[first_metric(flight) - 1].gravity is None
    last = flight.said[29]
    true = (SCENE_FROM_PATH[:3, :3] @ GRAVITY) / 9.81
    expected = last.pose[:3, :3] @ camera_at(29)[:3, :3].T @ true
    tilt = np.degrees(np.arccos(np.clip(last.gravity @ expected, -1, 1)))
    assert tilt < 0.5
    assert tilt < 3 * np.degrees(last.gravity_sigma)


def test_in_the_dark_the_pose_follows_the_imu(world):
    flight = flown(world)
    lost, found = flight.said[30:38], flight.said[38:]
    assert all(each.state is State.LOST for each in lost)
    assert all('the pose follows the IMU' in each.reason for each in lost)
    metres, degrees = flight.error(29, 37)
    assert metres < 0.05
    assert degrees < 0.3
    before, after = (np.trace(flight.said[index].covariance[:3, :3]) for index in (29, 37))
    assert metres < 3 * np.sqrt(after - before) < 0.5
    true = np.linalg.inv(camera_at(36)) @ camera_at(37)
    assert np.allclose(lost[-1].step.motion, true, rtol=0, atol=0.01)
    assert all(each.state is State.TRACKING for each in found)
    assert flight.error(29, 41)[0] < 0.03
    # A pose that is held would be off by this.
    assert np.linalg.norm(camera_at(37)[:3, 3] - camera_at(29)[:3, 3]) > 0.1


def test_the_motion_that_tracking_expects_turns_as_the_gyroscope(world):
    state = OdometryState(Settings())
    keyframe = SimpleNamespace(pose=camera_at(3))
    state.pose, state.last_stamp = camera_at(4), filmed(world, 4).stamp
    frame = filmed(world, 5)
    true = np.linalg.inv(camera_at(5)) @ camera_at(3)
    still = degrees_between(state.predicted_motion(keyframe, frame)[:3, :3], true[:3, :3])
    state.measured_turn = camera_at(4)[:3, :3].T @ camera_at(5)[:3, :3]
    turned = degrees_between(state.predicted_motion(keyframe, frame)[:3, :3], true[:3, :3])
    assert turned < 1e-3 < 0.1 < still


def test_without_the_source_imu_its_measurements_change_nothing(world):
    with_imu, without = (Flight(world, **{'scale.source': 'none'}) for _ in range(2))
    without.odometry = VisualOdometry(without.odometry.settings)
    without.odometry._matcher = with_imu.odometry._matcher
    for flight in (with_imu, without):
        flight.see(6)
    for first, second in zip(with_imu.said, without.said, strict=True):
        assert np.array_equal(first.pose, second.pose)
