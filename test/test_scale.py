# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Metres from each source: exact geometry, noise, holes, slips, and sources that fall silent."""

import dataclasses
import itertools
import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from exact_world import PERIOD, ExactMatcher, camera, pose

from experiments.scale_sources import measure
from loftr_vo.config import SettingError, Settings, replace
from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.geometry.epipolar import rays_from_points
from loftr_vo.imaging.frame import BasePose, RightPicture
from loftr_vo.odometry import VisualOdometry
from loftr_vo.odometry.estimate import State
from loftr_vo.odometry.scale.cell_depth import NoReading
from loftr_vo.odometry.scale.ground_plane import GroundScale, Tilt, fit_ground
from loftr_vo.odometry.scale.scale_filter import Reading, ScaleFilter, robust_mean
from loftr_vo.odometry.scale.wheel_odometry import WheelScale
from loftr_vo.odometry.scale.wheel_path import WheelPath
from loftr_vo.synthetic.sensors import depth_camera


def way(index):
    """Where the walking camera is at a frame: 6 cm a frame to the right, a little up and down."""
    return pose(
        (0.06 * index, 0.02 * np.sin(index / 3), 0.02 * index), (2 * np.sin(index / 8), 0, 0)
    )


WALK = [way(index) for index in range(14)]
RIDE = [way(index) for index in range(-10, 18)]  # wheels need a longer way to say something
BASELINE = 0.12
RIGHT_FROM_LEFT = np.eye(4)
RIGHT_FROM_LEFT[0, 3] = -BASELINE


@pytest.fixture(scope='module')
def walk(world):
    return world.film(WALK)


@pytest.fixture(scope='module')
def ride(world):
    return world.film(RIDE, start=20.0)


def plain(frame):
    """Return a frame that carries nothing but its picture."""
    return dataclasses.replace(frame, depth=None)


def odometry(world, source, **settings):
    values = {'matcher.device': 'cpu', 'scale.source': source, **settings}
    made = VisualOdometry(replace(Settings(), values))
    made._matcher = made._scale._matcher = ExactMatcher(world, noise=0.1)
    return made


def distances(positions):
    """Distance from the first of some positions to each of the others."""
    return np.array([np.linalg.norm(each - positions[0]) for each in positions[1:]])


def scale_error(estimates, truth=WALK):
    """Median of estimated over true lengths, less one, since lengths are metres."""
    first = next(i for i, each in enumerate(estimates) if each.metric)
    assert all(each.metric for each in estimates[first:])
    found = distances([each.pose[:3, 3] for each in estimates[first:]])
    return abs(np.median(found / distances([each[:3, 3] for each in truth[first:]])) - 1)


def largest_step(estimates):
    """Longest way from one frame to the next, over the usual one."""
    steps = [
        np.linalg.norm(now.pose[:3, 3] - before.pose[:3, 3])
        for before, now in itertools.pairwise(estimates)
    ]
    return max(steps) / 0.064


# --- the running estimate


def test_the_first_reading_is_taken_whole_and_later_ones_by_how_sure_they_are():
    scale = ScaleFilter()
    assert scale.correct(Reading(math.log(3.0), 0.1)) == pytest.approx(3.0)
    factor = scale.correct(Reading(0.1, 0.1))
    assert math.log(factor) == pytest.approx(0.05)
    assert scale.variance == pytest.approx(0.1**2 / 2)


def test_an_outlier_is_left_out_unless_five_agree():
    scale = ScaleFilter()
    scale.correct(Reading(0.0, 0.01))
    said = [scale.correct(Reading(0.5, 0.01)) for _ in range(5)]
    assert said[:4] == [None] * 4
    assert math.log(said[4]) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    'said',
    [
        # All to one side, and far from each other: a world 7.4 times as large, once.
        [0.10, 0.35, 0.05, 0.80, 2.00],
        [0.50, 0.50, 0.50, 0.50, 0.56],
        [0.10, 0.15, 0.20, 0.25, 0.30],
    ],
)
def test_outliers_to_one_side_that_contradict_each_other_change_nothing(said):
    scale = ScaleFilter()
    scale.correct(Reading(0.0, 0.01))
    assert [scale.correct(Reading(each, 0.01)) for each in said] == [None] * 5
    assert scale.variance == pytest.approx(0.01**2)


def test_those_that_agree_as_well_as_they_say_are_taken_by_their_mean():
    random = np.random.default_rng(4)
    opened = 0
    for _ in range(200):
        scale = ScaleFilter()
        scale.correct(Reading(0.0, 0.01))
        said = 0.5 + random.normal(0, 0.01, 5)
        factors = [scale.correct(Reading(each, 0.01)) for each in said]
        assert factors[:4] == [None] * 4
        if factors[4] is not None:
            opened += 1
            assert math.log(factors[4]) == pytest.approx(np.mean(said), abs=1e-3)
            assert math.sqrt(scale.variance) < 0.01
    assert opened >= 196


def test_a_contradiction_is_forgotten_once_five_agree():
    scale = ScaleFilter()
    scale.correct(Reading(0.0, 0.01))
    said = [scale.correct(Reading(each, 0.01)) for each in (0.9, 0.5, 0.5, 0.5, 0.5, 0.5)]
    assert said[:5] == [None] * 5
    assert math.log(said[5]) == pytest.approx(0.5, abs=0.01)


def test_outliers_to_both_sides_are_never_taken():
    scale = ScaleFilter()
    scale.correct(Reading(0.0, 0.01))
    assert all(scale.correct(Reading((-1) ** n * 0.5, 0.01)) is None for n in range(20))


def test_a_silent_source_leaves_the_scale_less_and_less_sure():
    scale = ScaleFilter()
    scale.correct(Reading(0.0, 0.01))
    before = scale.variance
    for _ in range(100):
        scale.drift()
    assert math.sqrt(scale.variance) > 4 * math.sqrt(before)


def test_a_third_of_outliers_hardly_moves_the_robust_mean():
    middle, sigma = robust_mean([0.1, 0.11, 0.09, 0.1, 2.0, 3.0], 0.001)
    assert middle == pytest.approx(0.1, abs=0.02)
    assert 0.001 < sigma < 0.05


# --- depth


def with_depth(walk, make):
    return [dataclasses.replace(frame, depth=make(frame.depth)) for frame in walk]


def half_size(depth):
    return depth_camera(
        cv2.resize(depth, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_NEAREST), rng()
    )


def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize(
    'make',
    [lambda depth: depth, lambda depth: depth_camera(depth, rng()), half_size],
    ids=['exact', 'noise and holes', 'half the resolution'],
)
def test_depth_makes_metres_from_the_first_frame_on(world, walk, make):
    vo = odometry(world, 'depth')
    said = [vo.track(each) for each in with_depth(walk, make)]
    assert all(each.metric for each in said)
    assert said[1].state is State.TRACKING
    assert scale_error(said) < 0.01
    assert said[-1].scale.sigma < 0.02


def test_without_depth_the_last_scale_is_kept_and_grows_less_sure(world, walk):
    vo = odometry(world, 'depth')
    said = [vo.track(each if i < 6 else plain(each)) for i, each in enumerate(walk)]
    assert scale_error(said) < 0.02
    last = said[-1].scale
    assert 'no depth image' in last.reason
    assert last.age > 5 * PERIOD
    assert last.sigma > said[5].scale.sigma
    assert last.metric


def test_depth_that_comes_late_makes_no_jump(world, walk):
    vo = odometry(world, 'depth')
    said = [vo.track(plain(each) if i < 6 else each) for i, each in enumerate(walk)]
    assert not any(each.metric for each in said[:6])
    assert 'not known yet' in said[5].scale.reason
    assert said[-1].metric
    assert scale_error(said) < 0.015
    assert largest_step(said) < 1.3


def test_a_depth_image_without_depth_says_so(world, walk):
    vo = odometry(world, 'depth')
    empty = dataclasses.replace(walk[0], depth=np.zeros((12, 16), np.float32))
    assert 'the depth image has no depth' in vo.track(empty).scale.reason


def test_the_pose_covariance_holds_the_error_of_the_scale(world, walk):
    vo = odometry(world, 'depth')
    last = [vo.track(each) for each in walk][-1]
    way = last.pose[:3, 3]
    error = last.scale.position_error
    assert np.linalg.norm(error) == pytest.approx(last.scale.sigma * np.linalg.norm(way), rel=0.5)
    assert np.linalg.eigvalsh(last.covariance[:3, :3] - np.outer(error, error)).min() > -1e-12


# --- stereo


@pytest.fixture(scope='module')
def pairs(world, walk):
    """The walk with right pictures."""
    to_right = np.linalg.inv(RIGHT_FROM_LEFT)
    found = []
    for frame, there in zip(walk, WALK, strict=True):
        seen = world.see(there @ to_right)
        right = RightPicture(seen.image, seen.camera, RIGHT_FROM_LEFT)
        found.append(dataclasses.replace(frame, depth=None, right=right))
    return found


def test_stereo_makes_metres_from_the_first_frame_on(world, pairs):
    vo = odometry(world, 'stereo')
    said = [vo.track(each) for each in pairs]
    assert all(each.metric for each in said)
    assert scale_error(said) < 0.01


def test_right_pictures_of_another_time_are_refused(world, pairs):
    # Turned by five degrees against its calibration, as a right picture from another moment is.
    turned = pose((BASELINE, 0, 0), (0, 5, 0))
    right = RightPicture(world.see(turned).image, camera(), RIGHT_FROM_LEFT)
    said = odometry(world, 'stereo').track(dataclasses.replace(pairs[0], right=right))
    assert not said.metric
    assert 'epipolar line' in said.scale.reason


def test_no_right_picture_is_said(world, walk):
    assert 'no right picture' in odometry(world, 'stereo').track(plain(walk[0])).scale.reason


# --- another odometry


def wheels_along(frames, noise=0.02, rate=5, slip=()):
    """Poses of the base on the ride, ``rate`` for each frame, in an odom of its own."""
    random = np.random.default_rng(1)
    back = np.linalg.inv(BODY_FROM_OPTICAL)
    base = [BODY_FROM_OPTICAL @ each @ back for each in RIDE]
    now = pose((7, 8, 0), (0, 0, 30))
    found = [BasePose(frames[0].stamp, now)]
    for index, (before, after) in enumerate(itertools.pairwise(frames)):
        step = np.linalg.inv(base[index]) @ base[index + 1]
        step[:3, 3] *= (3 if index in slip else 1) * (1 + random.normal(0, noise))
        for part in range(1, rate):
            partly = np.eye(4)
            partly[:3, 3] = step[:3, 3] * part / rate
            stamp = before.stamp + (after.stamp - before.stamp) * part // rate
            found.append(BasePose(stamp, now @ partly))
        now = now @ step
        found.append(BasePose(after.stamp, now))
    return found


def riding(walk, wheels, late=0):
    """Return the walk's frames with the wheels' poses, handed over ``late`` seconds later."""
    before, found = -1, []
    for frame in walk:
        now = frame.stamp - round(late * 1e9)
        new = tuple(each for each in wheels if before < each.stamp <= now)
        found.append(dataclasses.replace(plain(frame), wheels=new))
        before = now
    return found


@pytest.mark.parametrize('late', [0, 0.25])
def test_wheels_make_metres_after_a_stretch_and_odom_does_not_jump(world, ride, late):
    vo = odometry(world, 'odometry')
    said = [vo.track(each) for each in riding(ride, wheels_along(ride), late)]
    assert not said[0].metric
    assert 'not known yet' in said[3].scale.reason
    assert said[-1].metric
    assert scale_error(said, RIDE) < 0.02
    assert largest_step(said) < 1.3


def test_wheels_that_slip_now_and_then_are_seen_through(world, ride):
    vo = odometry(world, 'odometry')
    wheels = wheels_along(ride, slip=(2, 9, 16, 23))
    said = [vo.track(each) for each in riding(ride, wheels)]
    assert scale_error(said, RIDE) < 0.03


def test_no_odometry_is_said(world, walk):
    vo = odometry(world, 'odometry')
    said = [vo.track(plain(each)) for each in walk[:6]]
    assert 'no odometry has come' in said[-1].scale.reason
    assert not said[-1].metric


def straight(speed, frames=40):
    """Return (stamp, pose) of a camera that goes forward, in units of half a metre."""
    return [(round(1e8 * i), pose((0, 0, 2 * speed * 0.1 * i))) for i in range(frames)]


def base_poses(distance, count=40):
    """Poses along x at 10 Hz, from the distance in metres at a time in seconds."""
    found = []
    for index in range(count):
        matrix = np.eye(4)
        matrix[0, 3] = distance(0.1 * index)
        found.append(BasePose(round(1e8 * index), matrix))
    return found


def compare(camera_way, wheels):
    path = WheelPath()
    path.add(wheels)
    scale = WheelScale(BODY_FROM_OPTICAL, path)
    for stamp, where in camera_way:
        scale.follow(stamp, where, reference_depth=4.0)
    return scale.reading()


def test_lengths_of_stretches_give_the_scale():
    assert math.exp(compare(straight(1.0), base_poses(lambda t: t)).log_ratio) == pytest.approx(
        0.5
    )


def test_standing_still_says_nothing():
    with pytest.raises(NoReading, match='0 of 8'):
        compare(straight(0.0), base_poses(lambda t: 0.0))


def test_wheels_that_stand_while_the_camera_moves_are_reported():
    with pytest.raises(NoReading, match='stands still'):
        compare(straight(1.0), base_poses(lambda t: 0.0))


def test_wheels_that_stop_coming_are_reported():
    with pytest.raises(NoReading, match='behind the pictures'):
        compare(straight(1.0), base_poses(lambda t: t, count=5))


def test_gaps_in_the_odometry_are_not_interpolated_over():
    wheels = base_poses(lambda t: t)
    with pytest.raises(NoReading, match='gaps'):
        compare(straight(1.0), [*wheels[:1], *wheels[10:11], *wheels[20:21], wheels[-1]])


def test_wheels_that_turn_otherwise_have_slipped():
    wheels = [
        BasePose(each.stamp, each.pose @ pose((0, 0, 0), (0, 0, 20.0 * index)))
        for index, each in enumerate(base_poses(lambda t: t))
    ]
    with pytest.raises(NoReading, match='turns otherwise'):
        compare(straight(1.0), wheels)


def test_a_camera_off_the_base_goes_another_way_in_a_turn():
    """On the spot the base goes nowhere, and a camera half a metre ahead of it on a circle."""
    mounted = BODY_FROM_OPTICAL.copy()
    mounted[0, 3] = 0.5
    turns = [pose((0, 0, 0), (0, 0, 3.0 * index)) for index in range(40)]
    path = WheelPath()
    path.add(BasePose(round(1e8 * index), turn) for index, turn in enumerate(turns))
    scale = WheelScale(mounted, path)
    for index, turn in enumerate(turns):
        seen = np.linalg.inv(mounted) @ turn @ mounted
        seen[:3, 3] *= 4
        scale.follow(round(1e8 * index), seen, reference_depth=4.0)
    assert math.exp(scale.reading().log_ratio) == pytest.approx(0.25, rel=1e-3)


# --- height of the camera


def over_ground(height, pitch=0.0, table=0.0, walls=0.2, noise=0.02, seed=0):
    """Cells of a camera that looks ``pitch`` degrees down on ground, in units."""
    random = np.random.default_rng(seed)
    view = camera()
    x, y = np.meshgrid(np.arange(0, 320, 8.0), np.arange(0, 240, 8.0))
    rays = rays_from_points(view.undistort(np.column_stack([x.ravel(), y.ravel()])))
    # x right, y down: looking down turns the ground's normal towards the camera's z axis.
    down = np.array([0.0, np.cos(np.radians(pitch)), np.sin(np.radians(pitch))])
    rho = rays @ down / height
    on_table = (random.random(len(rho)) < table) & (rho > 0)
    rho[on_table] *= 2.0
    away = (random.random(len(rho)) < walls) | (rho < 0.02)
    rho[away] = random.uniform(0.02, 1.0, away.sum())
    rho = rho * (1 + random.normal(0, noise, len(rho)))
    return SimpleNamespace(
        rays=rays,
        inverse_depth=rho,
        variance=(noise * rho) ** 2,
        pose=np.eye(4),
        known=np.ones(len(rho), bool),
    )


DOWN = np.array([0.0, 1.0, 0.0])
TILT = Tilt(DOWN, np.zeros(3), np.radians(15), np.radians(5))


@pytest.mark.parametrize('pitch', [0.0, 8.0, -3.0])
def test_the_height_over_the_ground_is_found_whatever_the_pitch(pitch):
    plane = fit_ground(over_ground(3.0, pitch), TILT)
    assert plane.height == pytest.approx(3.0, rel=0.02)
    assert np.degrees(np.arcsin(plane.normal[2])) == pytest.approx(pitch, abs=1.0)


def test_the_height_gives_the_scale():
    seen = over_ground(3.0)
    reading = GroundScale(1.5, DOWN).reading(seen, SimpleNamespace(pose=pose((0, 0, 1))))
    assert math.exp(reading.log_ratio) == pytest.approx(0.5, rel=0.02)
    assert 0.005 < reading.sigma < 0.06


def test_the_path_gives_the_pitch():
    """Few cells and poor ones: the plane alone would be tilted."""
    seen = over_ground(3.0, pitch=5.0, walls=0.6, noise=0.1)
    ahead = np.array([0.0, -np.sin(np.radians(5.0)), np.cos(np.radians(5.0))])
    plane = fit_ground(seen, Tilt(DOWN, ahead, np.radians(15), np.radians(5)))
    assert np.degrees(np.arcsin(plane.normal[2])) == pytest.approx(5.0, abs=1.0)
    assert plane.height == pytest.approx(3.0, rel=0.04)


def test_half_of_what_is_seen_may_stand_on_the_ground():
    plane = fit_ground(over_ground(3.0, walls=0.5), TILT)
    assert plane.height == pytest.approx(3.0, rel=0.03)


def test_a_table_is_not_taken_for_the_ground():
    with pytest.raises(NoReading, match='below the lowest plane'):
        fit_ground(over_ground(3.0, table=0.6, walls=0.0), TILT)


def test_no_ground_in_view_is_said():
    with pytest.raises(NoReading):
        fit_ground(over_ground(3.0, walls=1.0), TILT)
    sky = over_ground(3.0)
    sky.known = sky.rays[:, 1] < 0
    with pytest.raises(NoReading, match='below the horizon'):
        fit_ground(sky, TILT)


def test_the_height_makes_metres_of_a_walk(world):
    """The world's floor is 1.6 m under the origin, and the camera looks down on it."""
    poses = [each @ pose((0, 0, 0), (0, -18, 0)) for each in WALK]
    vo = odometry(world, 'camera_height', **{'scale.camera_height': 1.6})
    said = [vo.track(plain(each)) for each in world.film(poses, start=50.0)]
    assert said[-1].metric, said[-1].scale
    assert scale_error(said) < 0.03
    assert largest_step(said) < 1.3


def test_the_height_must_be_given():
    with pytest.raises(SettingError, match='camera_height'):
        odometry(None, 'camera_height')


# --- all of them


def test_none_says_that_it_is_not_metric(world, walk):
    vo = odometry(world, 'none')
    said = [vo.track(each) for each in walk[:5]]
    assert not any(each.metric for each in said)
    assert str(said[-1].scale) == 'none (not metric)'
    assert not said[-1].scale.position_error.any()


def test_a_scale_less_sure_than_asked_for_is_not_metric(world, walk):
    vo = odometry(world, 'depth', **{'scale.max_sigma': 0.001})
    last = [vo.track(each) for each in walk[:4]][-1]
    assert not last.metric
    assert 'not metric' in str(last.scale)
    assert 0.004 < last.scale.sigma < 0.02


def test_reset_forgets_the_scale(world, walk):
    vo = odometry(world, 'depth')
    vo.track(walk[0])
    vo.reset()
    assert not vo.track(plain(walk[1])).metric


@pytest.mark.slow
@pytest.mark.parametrize(
    ('kind', 'source', 'frames', 'percent'),
    [
        ('room', 'depth', 10, 2.0),
        ('room', 'stereo', 8, 2.0),
        ('room', 'odometry', 24, 5.0),
        ('street', 'camera_height', 24, 12.0),
    ],
)
def test_rendered_scenes_are_followed_in_metres(kind, source, frames, percent):
    """By the shipped network and sensors as they are; docs/accuracy.md has more of it."""
    pytest.importorskip('evo', reason='evo is not installed')
    row = measure(kind, source, seed=1, frames=frames)
    assert row['tracked'] == row['frames']
    assert abs(row['scale_error_percent']) < percent
    assert row['scale_sigma_percent'] < percent


def test_a_map_that_is_gone_back_to_is_no_surer_in_metres_than_it_was(world, walk):
    """Without depth, lost, begun anew with depth, and back: it has its own unit all the while."""
    vo = odometry(world, 'depth')
    vo.track(plain(walk[0]))
    assert not vo._scale.known
    vo._scale.archive_map()
    vo._scale._filter.variance = 0.0
    assert vo._scale.metric
    vo._scale.return_to_old_map()
    assert not vo._scale.known
    assert not vo._scale.metric
