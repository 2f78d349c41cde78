# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""While the camera is lost, its pose follows the wheels: ``recovery.policy`` odometry."""

import dataclasses
import functools

import numpy as np
import pytest
from exact_world import HEIGHT, PERIOD, WIDTH, ExactMatcher, World, camera, pose
from point_scenes import degrees_between

from loftr_vo.config import Settings, replace
from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.geometry.rigid_motion import transform
from loftr_vo.imaging.frame import BasePose, Frame, stated_covariance
from loftr_vo.odometry import VisualOdometry
from loftr_vo.odometry.estimate import State
from loftr_vo.odometry.scale.cell_depth import NoReading
from loftr_vo.odometry.scale.wheel_path import WheelPath
from loftr_vo.odometry.tracking.tuning import TUNING

STEP = 0.06  # metres to the right from frame to frame
WHEEL_PERIOD = 0.02
# Half a metre before the base's middle, and looking down a little: in a turn the camera goes
# another way than the base.
MOUNTING = transform(BODY_FROM_OPTICAL[:3, :3] @ pose((0, 0, 0), (0, 5, 0))[:3, :3], [0.5, 0, 0.3])


def camera_at(seconds):
    """True pose of the camera, (4, 4): to the right, with a turn to and fro."""
    index = seconds / PERIOD
    return pose((STEP * index, 0.0, 0.01 * index), (3 * np.sin(index / 5), 0, 0))


def exact_wheels(seconds):
    """Pose of the base by perfect wheels, in a frame of their own."""
    return pose((5, 2, 0), (40, 0, 0)) @ MOUNTING @ camera_at(seconds) @ np.linalg.inv(MOUNTING)


@functools.cache
def filmed(world, index):
    """Return what the camera sees at a frame; rendered once, for all rides."""
    return world.see(camera_at(index * PERIOD), index * PERIOD)


class Ride:
    """A camera on wheels, which is shown one frame every ``PERIOD``.

    Args:
        worlds: that it sees.
        wheels: returns the (4, 4) pose of the base by the wheels at a time; None where silent.
        covariance: returns that of the pose at a time, (6, 6), or None.
        settings: of the odometry, in addition to the policy.
    """

    def __init__(self, *worlds, wheels=exact_wheels, covariance=lambda seconds: None, **settings):
        values = {
            'matcher.device': 'cpu',
            'recovery.policy': 'odometry',
            'recovery.restart_after': 5.0,
            'scale.source': 'depth',
            **settings,
        }
        self.odometry = VisualOdometry(replace(Settings(), values))
        self.odometry.mount(MOUNTING)
        matcher = ExactMatcher(*worlds, noise=0.1, outliers=0.0)
        self.odometry._matcher = self.odometry._scale._matcher = matcher
        self.wheels, self.covariance = wheels, covariance
        self.said = []

    def see(self, world, count):
        """Return the estimates of ``count`` more frames, dark ones without a world."""
        first = len(self.said)
        for _ in range(count):
            seconds = len(self.said) * PERIOD
            if world is None:
                image = np.zeros((HEIGHT, WIDTH), np.uint8)
                frame = Frame(image, round(1e9 * (1 + seconds)), camera())
            else:
                frame = filmed(world, len(self.said))
            self.said.append(self.odometry.track(dataclasses.replace(frame, wheels=self.read())))
            self.odometry.finish()
        return self.said[first:]

    def read(self):
        """Poses of the wheels since the frame before, up to this one."""
        per_frame = round(PERIOD / WHEEL_PERIOD)
        last = len(self.said) * per_frame
        times = [WHEEL_PERIOD * each - 0.013 for each in range(last - per_frame + 1, last + 1)]
        poses = [(each, self.wheels(each), self.covariance(each)) for each in times]
        return tuple(
            BasePose(round(1e9 * (1 + seconds)), place, covariance)
            for seconds, place, covariance in poses
            if place is not None
        )

    def error(self, index):
        """Metres from the true position, and degrees."""
        true = np.linalg.inv(camera_at(0)) @ camera_at(index * PERIOD)
        estimated = self.said[index].pose
        distance = float(np.linalg.norm(estimated[:3, 3] - true[:3, 3]))
        return distance, degrees_between(estimated[:3, :3], true[:3, :3])

    def sigma(self, index):
        """Standard deviation of the position, norm, in metres."""
        return float(np.sqrt(np.trace(self.said[index].covariance[:3, :3])))

    def largest_step(self):
        places = np.array([each.pose[:3, 3] for each in self.said])
        return float(np.linalg.norm(np.diff(places, axis=0), axis=1).max())


def test_the_pose_follows_the_wheels_and_then_the_camera(world):
    ride = Ride(world)
    ride.see(world, 8)
    lost = ride.see(None, 10)
    found = ride.see(world, 4)
    assert [each.state for each in lost] == [State.LOST] * 10
    assert all('the pose follows the other odometry' in each.reason for each in lost)
    for index in range(22):
        metres, degrees = ride.error(index)
        assert metres < 0.02, index
        assert degrees < 0.3, index
    assert all(each.state is State.TRACKING for each in found)
    assert ride.largest_step() < 1.3 * STEP
    held = Ride(world, **{'recovery.policy': 'hold'})
    held.see(world, 8)
    held.see(None, 10)
    assert held.error(17)[0] > 0.5


def test_the_velocity_is_that_of_the_wheels(world):
    ride = Ride(world)
    ride.see(world, 8)
    lost = ride.see(None, 5)
    for index, each in enumerate(lost, start=8):
        true = np.linalg.inv(camera_at((index - 1) * PERIOD)) @ camera_at(index * PERIOD)
        assert each.step.seconds == pytest.approx(PERIOD)
        assert np.linalg.norm(each.step.motion[:3, 3] - true[:3, 3]) < 0.006
        assert degrees_between(each.step.motion[:3, :3], true[:3, :3]) < 0.15
        assert np.linalg.eigvalsh(each.step.covariance).min() > 0


def test_without_a_stated_covariance_it_grows_with_the_way(world):
    ride = Ride(world)
    ride.see(world, 8)
    ride.see(None, 20)
    variances = [np.trace(each.covariance) for each in ride.said[7:]]
    assert variances == sorted(variances)
    # Of the base, which goes much the same way.
    way = 20 * np.hypot(STEP, 0.01)
    share = TUNING.wheel_way_share * np.sqrt(3)
    assert share * way < ride.sigma(27) < 2 * share * way


def test_wheels_that_slip_are_within_their_covariance(world):
    """All of the way is 15 % too long, as rendered wheels are in root mean square."""

    def slipping(seconds):
        place = exact_wheels(seconds)
        place[:3, 3] *= 1.15
        return place

    ride = Ride(world, wheels=slipping)
    ride.see(world, 8)
    ride.see(None, 15)
    assert 0.05 < ride.error(22)[0] < 1.5 * ride.sigma(22)
    # Vision takes it back without a jump.
    ride.see(world, 12)
    assert ride.largest_step() < 2.5 * STEP
    assert ride.error(34)[0] < 0.02


def test_a_stated_covariance_is_taken(world):
    """Of wheels that go wrong by 0.09 square metres a second, to their side only."""

    def stated(seconds):
        return np.diag([0.04, 0.04 + 0.09 * (1 + seconds), 1e-9, 1e-9, 1e-9, 1e-6 * (1 + seconds)])

    ride = Ride(world, covariance=stated)
    ride.see(world, 8)
    *_, last = ride.see(None, 11)
    assert ride.sigma(18) == pytest.approx(np.sqrt(0.09 * 11 * PERIOD), rel=0.05)
    # The wheels' y axis in the first camera's axes.
    side = (np.linalg.inv(pose((0, 0, 0), (40, 0, 0)) @ MOUNTING)[:3, :3]) @ [0, 1, 0]
    values, vectors = np.linalg.eigh(last.covariance[:3, :3])
    assert abs(vectors[:, values.argmax()] @ side) > 0.99


def test_poses_that_come_late_are_made_up_for(world):
    ride = Ride(world)
    read = ride.read
    waiting = []

    def late():
        waiting.extend(read())
        if len(ride.said) in range(9, 12):
            return ()
        arrived = tuple(waiting)
        waiting.clear()
        return arrived

    ride.read = late
    ride.see(world, 8)
    lost = ride.see(None, 8)
    assert ride.error(15)[0] < 0.02
    assert all(each.state is State.LOST for each in lost)


@pytest.mark.parametrize('silent', [(0.75, 1.55), (-1.0, 9.0)], ids=['gap', 'none at all'])
def test_without_wheels_the_pose_is_held_and_unsure(world, silent):
    ride = Ride(
        world,
        wheels=lambda seconds: None if silent[0] < seconds < silent[1] else exact_wheels(seconds),
    )
    ride.see(world, 8)
    ride.see(None, 7)
    held = ride.said[-1]
    assert 'the pose is held: ' in held.reason
    assert held.step is None
    assert np.array_equal(held.pose, ride.said[-2].pose)
    assert ride.sigma(14) > ride.error(14)[0]
    assert ride.sigma(14) > ride.sigma(13)
    if silent[1] > 5:
        return
    ride.see(None, 4)
    assert 'follows' in ride.said[-1].reason
    moved = np.linalg.norm(ride.said[-1].pose[:3, 3] - ride.said[-2].pose[:3, 3])
    assert moved == pytest.approx(STEP, rel=0.2)
    assert ride.sigma(18) > ride.error(18)[0]


def test_wheels_that_start_anew_are_followed_from_there(world):
    def restarted(seconds):
        return exact_wheels(seconds) if seconds < 1.0 else far @ exact_wheels(seconds)

    far = pose((5000, 0, 0))
    ride = Ride(world, wheels=restarted)
    ride.see(world, 8)
    ride.see(None, 12)
    assert ride.error(19)[0] < 0.4
    assert ride.error(19)[0] < 1.5 * ride.sigma(19)
    assert ride.largest_step() < 1.5 * STEP


def test_without_a_scale_it_is_only_turned(world):
    ride = Ride(world, **{'scale.source': 'none'})
    ride.see(world, 8)
    before = ride.said[-1]
    lost = ride.see(None, 5)
    assert 'no scale is known' in lost[-1].reason
    assert np.array_equal(lost[-1].pose[:3, 3], before.pose[:3, 3])
    assert ride.error(12)[1] < 0.3
    assert degrees_between(lost[-1].pose[:3, :3], before.pose[:3, :3]) > 0.5
    assert lost[-1].step is None
    assert np.trace(lost[-1].covariance[:3, :3]) > np.trace(before.covariance[:3, :3]) + 0.01


def test_new_maps_that_get_no_depth_begin_where_the_wheels_are(world, elsewhere):
    """Each picture shows another place, as blank walls do: a new map with each."""
    ride = Ride(world, elsewhere, **{'recovery.restart_after': 0.25})
    ride.see(world, 8)
    walls = [World(seed=100), World(seed=101)]
    for index in range(10):
        ride.see(walls[index // 2 % 2] if index % 2 else None, 1)
    assert ride.said[-1].restarts == 1
    assert ride.said[-1].state is State.INITIALISING
    assert 'follows' in ride.said[-1].reason
    assert ride.error(17)[0] < 0.05
    assert ride.sigma(17) > ride.sigma(12) > ride.sigma(8)
    ride.see(world, 4)
    assert ride.error(21)[0] < ride.error(17)[0] + 0.04
    assert ride.largest_step() < 3 * STEP


class TestWheelPath:
    def path(self, *covariances):
        path = WheelPath()
        path.add(
            BasePose(index * 10**8, pose((0.1 * index, 0, 0)), covariance)
            for index, covariance in enumerate(covariances)
        )
        return path

    def test_the_end_may_be_somewhat_later_than_the_last_pose(self):
        path = self.path(None, None, None)
        moved = path.motion(0, 250_000_000)
        np.testing.assert_allclose(moved.motion, pose((0.25, 0, 0)), atol=1e-12)
        with pytest.raises(NoReading, match='lately'):
            path.motion(0, 10**9)
        with pytest.raises(NoReading, match='reach back'):
            path.motion(-5, 10**8)

    def test_an_error_of_the_first_rotation_is_not_the_motions(self):
        """It turns the way after it, and is all that the later pose has more."""
        first = np.diag([0, 0, 0, 0, 0, 1e-2])
        carried = np.eye(6)
        carried[1, 5] = 0.2
        later = carried @ first @ carried.T + np.diag([1e-4, 0, 0, 0, 0, 1e-6])
        grown = self.path(first, None, later).motion(0, 2 * 10**8).covariance
        np.testing.assert_allclose(grown, np.diag([1e-4, 0, 0, 0, 0, 1e-6]), atol=1e-12)

    @pytest.mark.parametrize(
        'covariance', [None, np.eye(6), np.diag([1, 1, 1, 0, 0, 0.0])], ids=['none', 'same', 'xyz']
    )
    def test_one_that_does_not_grow_is_no_statement(self, covariance):
        assert (
            self.path(covariance, covariance, covariance).motion(0, 2 * 10**8).covariance is None
        )

    @pytest.mark.parametrize('value', [0.0, -1.0, np.nan, np.inf, 1e300])
    def test_fillers_are_no_covariance(self, value):
        assert stated_covariance(np.diag([value] * 6).ravel()) is None
        assert stated_covariance(np.full(36, value)) is None

    def test_a_covariance_is_taken_as_it_is(self):
        np.testing.assert_array_equal(stated_covariance(np.eye(6).ravel()), np.eye(6))
