# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers that are finite and cannot be: refused and counted, and the odometry goes on."""

import dataclasses

import numpy as np
import pytest
from exact_world import pose

from loftr_vo.geometry import plausible
from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.geometry.plausible import Refusals
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import BasePose
from loftr_vo.imaging.stereo_extrinsics import right_from_left
from loftr_vo.odometry.scale.wheel_odometry import WheelScale
from loftr_vo.odometry.scale.wheel_path import WheelPath

RANGES = [each for each in vars(plausible).values() if isinstance(each, plausible.Range)]
HUGE = [1e155, -1e155, 1e308, 1e12, np.inf, np.nan]


@pytest.mark.parametrize('each', RANGES, ids=lambda each: each.what)
def test_a_range_holds_its_ends_and_nothing_beyond(each):
    assert each.low < each.high
    assert each.holds(each.low)
    assert each.holds(each.high)
    assert not any(each.holds(value) for value in (1e155, -1e155, np.inf, np.nan))
    assert not each.holds(np.array([each.low, np.nan]))
    assert list(each.within(np.array([each.low, 1e155]))) == [True, False]


def test_refusals_are_counted_by_kind():
    refusals = Refusals()
    assert str(refusals) == ''
    refusals.add('wheel pose', 2)
    refusals.add('depth image')
    refusals.add('depth image', 0)
    assert str(refusals) == 'depth image 1, wheel pose 2'
    assert refusals.total == 3


def wheels_at(x, index):
    return BasePose(round(1e8 * index), pose((x, 0, 0)))


def reading_among(bad):
    """Scale by wheels that say something else now and then, and what was refused."""
    refusals = Refusals()
    path = WheelPath(refusals)
    scale = WheelScale(BODY_FROM_OPTICAL, path)
    for index in range(40):
        path.add([wheels_at(0.1 * index, index)])
        if index % 5 == 2:
            path.add([bad(index)])
        scale.follow(round(1e8 * index), pose((0, 0, 0.2 * index)), reference_depth=4.0)
    return np.exp(scale.reading().log_ratio), refusals


@pytest.mark.parametrize('huge', HUGE)
def test_positions_that_no_robot_has_do_not_reach_the_scale(huge):
    scale, refusals = reading_among(lambda i: BasePose(round(1e8 * i) + 5, pose((huge, 0, 0))))
    assert scale == pytest.approx(0.5)
    assert refusals.total == 8


def test_a_step_that_no_robot_makes_is_refused():
    scale, refusals = reading_among(lambda i: BasePose(round(1e8 * i) + 10**7, pose((5000, 0, 0))))
    assert scale == pytest.approx(0.5)
    assert str(refusals) == 'wheel step 8'


def test_a_stamp_in_the_future_does_not_shut_out_those_that_follow():
    scale, refusals = reading_among(lambda i: BasePose(2**31 * 10**9 - 5, pose()))
    assert scale == pytest.approx(0.5)
    assert str(refusals) == 'wheel stamp 8'


@pytest.mark.parametrize('wrong', [2.0, 0.0, 1e200, np.nan])
def test_a_rotation_that_is_none_is_refused(wrong):
    def bad(index):
        there = pose((0.1 * index, 0, 0))
        there[:3, :3] *= wrong
        return BasePose(round(1e8 * index) + 5, there)

    scale, refusals = reading_among(bad)
    assert scale == pytest.approx(0.5)
    assert str(refusals) == 'wheel pose 8'


def test_wheels_that_begin_anew_elsewhere_are_followed():
    path = WheelPath()
    scale = WheelScale(BODY_FROM_OPTICAL, path)
    for index in range(60):
        path.add([wheels_at(0.1 * index + (6000 if index >= 15 else 0), index)])
        scale.follow(round(1e8 * index), pose((0, 0, 0.2 * index)), reference_depth=4.0)
    assert np.exp(scale.reading().log_ratio) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ('focal', 'centre'),
    [(1e155, 160.0), (1e-155, 160.0), (1e9, 160.0), (200.0, 1e155), (1.0, 1.0)],
)
def test_lenses_that_no_camera_has_are_refused(focal, centre):
    matrix = np.array([[focal, 0, centre], [0, focal, 120.0], [0, 0, 1]])
    with pytest.raises(CalibrationError, match='no camera of 320x240'):
        Camera(320, 240, matrix, 'plumb_bob', np.zeros(5))


@pytest.mark.parametrize('focal', [60.0, 190.0, 20_000.0])
def test_fisheyes_and_telescopes_are_cameras(focal):
    matrix = np.array([[focal, 0, 160.0], [0, focal, 120.0], [0, 0, 1]])
    assert Camera(320, 240, matrix, 'plumb_bob', np.zeros(5)).focal == focal


@pytest.mark.parametrize('baseline', [1e155, 50.0, 1e-9, np.nan])
def test_baselines_that_no_pair_has_are_refused(baseline):
    projection = np.array([[200.0, 0, 160, -200.0 * baseline], [0, 200, 120, 0], [0, 0, 1, 0]])
    with pytest.raises(CalibrationError, match='which no pair of cameras has'):
        right_from_left(projection)


@pytest.mark.parametrize('wrong', [1e-30, -1.0, 1e30, 3000.0])
def test_depths_that_cannot_be_are_holes_and_counted(wrong):
    from exact_world import World

    from loftr_vo.odometry.scale.depth_image import _inverse_depth_around

    frame = World().see(pose())
    depth = frame.depth.copy()
    depth[100:140, 100:140] = wrong
    frame = dataclasses.replace(frame, depth=depth)
    points = np.array([[120.0, 120.0], [40.0, 40.0]])
    around, refused = _inverse_depth_around(frame, points)
    assert refused
    assert np.isnan(around[0]).all()
    assert around[1] == pytest.approx(1 / depth[38:43, 38:43].ravel())
    depth[100:140, 100:140] = 0.0
    assert not _inverse_depth_around(frame, points)[1]
