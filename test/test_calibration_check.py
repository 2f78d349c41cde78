# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A calibration that is wrong shows in the epipolar residuals; one that is right does not."""

import dataclasses

import numpy as np
import pytest
from exact_world import ExactMatcher, camera, pose
from lens_room import LENSES
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from experiments.calibration_check import changed_camera, miscalibrated
from loftr_vo.config import Settings
from loftr_vo.geometry.robust_cost import SIGMA_PER_MAD
from loftr_vo.odometry.calibration import calibration_check, pair_equations
from loftr_vo.odometry.calibration.calibration_check import CalibrationCheck, status_of
from loftr_vo.odometry.calibration.pair_equations import PairMatches, pixel_shifts
from loftr_vo.odometry.calibration.stretches import CalibrationError, solve, summed
from loftr_vo.odometry.calibration.tuning import TUNING
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.lucas_kanade_triangulation import triangulate_by_tracking

SIGMA = 0.2  # pixels, that the matches are said to have
BARREL = dataclasses.replace(camera(), distortion=np.array([-0.28, 0.0, 0.0, 0.0]))
# Degrees and metres from view to view.
LOOKING_ABOUT = (3.0, 5.0, 3.0), (0.2, 0.1, 0.15)
TURNING_CAR = (0.0, 8.0, 0.0), (0.1, 0.0, 0.5)
STRAIGHT_CAR = (0.0, 0.0, 0.0), (0.0, 0.0, 0.5)
SIDEWAYS = (0.0, 0.0, 0.0), (0.3, 0.0, 0.0)


def seen(through, pixels0, pixels1):
    """Return matches of pixels as a calibration has them."""
    rays = [through.undistort(each) for each in (pixels0, pixels1)]
    by_pixel = [through.ray_by_pixel(*each) for each in zip((pixels0, pixels1), rays, strict=True)]
    upright = [np.column_stack([each, np.ones(len(each))]) for each in rays]
    whitening = np.linalg.inv(by_pixel[1]) / SIGMA
    return PairMatches(through, *upright, whitening, pixels0, pixels1, *by_pixel)


def views(random, lens, degrees, metres, count=120):
    """Return pixels (N, 2) of points 2 to 6 m away in two views, and the motion between them."""
    rotation = Rotation.from_rotvec(np.radians(degrees)).as_matrix()
    size = np.array([lens.width, lens.height])
    pixels0 = random.uniform(8, size - 8, (count, 2))
    rays = np.column_stack([lens.undistort(pixels0), np.ones(count)])
    points = rays * random.uniform(2, 6, count)[:, None] @ rotation.T + metres
    pixels1 = lens.project(points)
    inside = np.isfinite(pixels1).all(axis=1) & (np.abs(rays) < 3).all(axis=1)
    inside[inside] = ((pixels1[inside] > 4) & (pixels1[inside] < size - 4)).all(axis=1)
    return pixels0[inside], pixels1[inside], rotation, np.array(metres)


def errors(random, pixels):
    """Errors (N, 2) in pixels: half of them shared by neighbours, as perspective's are."""
    apart = np.sum((pixels[:, None] - pixels) ** 2, axis=2)
    factor = np.linalg.cholesky(np.exp(-apart / (2 * 40.0**2)) + 1e-6 * np.eye(len(pixels)))
    return SIGMA * random.normal(size=pixels.shape) + SIGMA * (
        factor @ random.normal(size=pixels.shape)
    )


def checked(lens, calibration, motion, seed=0, pairs=24):
    """Return the statuses along a walk of one kind of motion."""
    random, check, found = np.random.default_rng(seed), CalibrationCheck(), []
    for _ in range(pairs):
        size = random.uniform(0.5, 1.5)
        degrees = np.array(motion[0]) * random.choice([-size, size])
        pixels0, pixels1, *there = views(random, lens, degrees, size * np.array(motion[1]))
        matches = seen(calibration, pixels0, pixels1 + errors(random, pixels0))
        check.add_pair(calibration, pair_equations.pair_equations(matches, *there))
        found.append(check.status)
    return found


def warned(found):
    return [each.suspicion for each in found if each.suspicion]


@pytest.mark.parametrize('name', LENSES)
def test_derivatives_are_those_of_numeric_differences(name):
    lens = LENSES[name]
    pixels0, pixels1, rotation, metres = views(
        np.random.default_rng(1), lens, *LOOKING_ABOUT, count=40
    )
    direction = metres / np.linalg.norm(metres)
    matches = seen(lens, pixels0, pixels1)
    linearised = pair_equations._linearise(matches, rotation, direction)
    # On the epipolar lines the denominator does not change the derivative.
    assert np.abs(linearised.residuals).max() < 1e-3
    function = residuals_of(matches, rotation, direction)
    steps = 1e-6 * np.eye(7)
    step = np.column_stack([(function(each) - function(-each)) / 2e-6 for each in steps])
    found = np.hstack([linearised.by_motion, linearised.by_calibration])
    assert found == pytest.approx(step, rel=1e-3, abs=1e-3 * np.abs(step).max())


def residuals_of(matches, rotation, direction):
    """Return Sampson's residuals as a function of motion (5) and calibration (2), plainly."""
    lens = matches.camera
    across = pair_equations._across(direction)

    def rays_of(pixels, error):
        shift, share = pixel_shifts(lens, pixels)
        moved = pixels + shift * (error[0] + error[1] * share)[:, None]
        return np.column_stack([lens.undistort(moved), np.ones(len(moved))])

    def residuals(step):
        towards = direction + step[:2] @ across
        turned = Rotation.from_rotvec(step[2:5]).as_matrix() @ rotation
        rays0, rays1 = (rays_of(each, step[5:]) for each in (matches.pixels0, matches.pixels1))
        lines = np.cross(towards, rays0 @ turned.T)
        slopes = np.einsum('nji,nj->ni', np.linalg.inv(matches.whitening), lines[:, :2])
        return np.sum(rays1 * lines, axis=1) / np.linalg.norm(slopes, axis=1)

    return residuals


def test_a_pair_agrees_with_a_plain_robust_fit_of_everything():
    random = np.random.default_rng(3)
    lens, wrong = camera(), changed_camera(camera(), 1.04)
    pixels0, pixels1, rotation, metres = views(random, lens, *LOOKING_ABOUT, count=400)
    matches = seen(wrong, pixels0, pixels1 + random.normal(0, 0.02, pixels1.shape))
    direction = metres / np.linalg.norm(metres)
    equations = pair_equations.pair_equations(matches, rotation, metres)
    prior = np.diag(np.array(TUNING.prior) ** -2.0)
    covariance = np.linalg.inv(equations.information + prior)
    error = covariance @ equations.gradient
    residuals = residuals_of(matches, rotation, direction)
    spread = SIGMA_PER_MAD * np.median(np.abs(residuals(np.r_[np.zeros(5), error])))
    plain = least_squares(residuals, np.zeros(7), loss='cauchy', f_scale=2.385 * spread)
    # It is one step, so second orders of the error are missing.
    assert error == pytest.approx(plain.x[5:], abs=0.04**2)
    assert error == pytest.approx([0.04, 0.0], abs=0.002)


@pytest.mark.parametrize('name', LENSES)
@pytest.mark.parametrize('motion', [LOOKING_ABOUT, TURNING_CAR, STRAIGHT_CAR, SIDEWAYS])
def test_a_right_calibration_is_not_suspicious(name, motion):
    for seed in range(2):
        found = checked(LENSES[name], LENSES[name], motion, seed)
        assert not warned(found)
        assert abs(found[-1].focal_error) < 4 * found[-1].focal_sigma


@pytest.mark.parametrize(('factor', 'pairs'), [(0.95, 60), (1.03, 120), (1.05, 60)])
@pytest.mark.parametrize('motion', [LOOKING_ABOUT, TURNING_CAR])
def test_a_wrong_focal_length_is_found_with_its_figure(factor, pairs, motion):
    last = checked(camera(), changed_camera(camera(), factor), motion, pairs=pairs)[-1]
    assert last.focal_error == pytest.approx(factor - 1, abs=0.012)
    assert last.focal_sigma < 0.012
    assert f'too {"long" if factor > 1 else "short"} (+-' in last.suspicion


def test_a_wrong_focal_length_of_a_fisheye_is_found():
    lens = LENSES['fisheye']
    last = checked(lens, changed_camera(lens, 1.05), LOOKING_ABOUT)[-1]
    assert 'focal length looks' in last.suspicion
    assert last.focal_error == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize('motion', [STRAIGHT_CAR, SIDEWAYS])
def test_without_turning_nothing_is_said_of_the_focal_length(motion):
    last = checked(camera(), changed_camera(camera(), 1.05), motion)[-1]
    assert last.suspicion == ''
    assert last.focal_sigma > 0.05


@pytest.mark.parametrize('motion', [LOOKING_ABOUT, TURNING_CAR, SIDEWAYS])
def test_distortion_left_out_is_found(motion):
    last = checked(BARREL, camera(), motion)[-1]
    assert 'distortion looks wrong by ' in last.suspicion
    assert 10 < last.corner_error < 80
    assert last.corner_sigma < last.corner_error / 4


def test_one_odd_stretch_alone_does_not_warn():
    right = pair_of(0.0)
    odd = pair_of(0.3)
    found = solve([summed([right] * 4)] * 4 + [summed([odd] * 4)])
    assert found.error[0] > 0.03
    assert status_of(found, 200.0).suspicion == ''


def pair_of(focal_error):
    information = np.diag([1e6, 1e6])
    error = np.array([focal_error, 0.0])
    return pair_equations.CalibrationEquations(information, information @ error, 100)


def test_many_matches_of_one_stretch_do_not_make_it_sure():
    one, many = summed([pair_of(0.05)]), summed([pair_of(0.05)] * 1000)
    assert many.information[0, 0] < 2.1 * one.information[0, 0]


def test_the_warning_has_the_figures():
    found = CalibrationError(
        np.array([-0.053, 0.1]), np.array([0.006, 0.01]), np.array([-0.05, 0.09])
    )
    assert status_of(found, 200.0).suspicion == (
        'calibration suspicious: focal length looks 5.3 % too short (+-0.6 %), '
        'distortion looks wrong by 20 pixels at the corners (+-2)'
    )


def test_another_calibration_starts_anew():
    check, lens = CalibrationCheck(), camera()
    for _ in range(TUNING.pairs_per_stretch * TUNING.min_stretches):
        check.add_pair(lens, pair_of(0.05))
    assert check.status.suspicion
    check.add_pair(dataclasses.replace(lens), pair_of(0.05))
    assert check.status.suspicion
    check.add_pair(changed_camera(lens, 1.01), pair_of(0.0))
    assert check.status.suspicion == ''
    assert np.isnan(check.status.focal_error)


def test_a_pair_without_motion_gives_no_equations():
    pixels0, pixels1, rotation, _ = views(np.random.default_rng(0), camera(), *SIDEWAYS)
    matches = seen(camera(), pixels0, pixels1)
    assert pair_equations.pair_equations(matches, rotation, np.zeros(3)) is None
    broken = dataclasses.replace(matches, rays1=np.full_like(matches.rays1, np.nan))
    assert pair_equations.pair_equations(broken, rotation, np.ones(3)) is None


def keyframe_of(world, number, frame, pose):
    """Return a keyframe whose depths are exact."""
    encoded = ExactMatcher(world).encode(frame.image)
    made = Keyframe(number, frame, encoded, pose, np.eye(7), 4.0)
    x, y = (encoded.cell_centres() + made.offsets).round().astype(int).T
    made.inverse_depth = 1 / frame.depth[y, x].astype(float)
    made.variance = (0.01 * made.inverse_depth) ** 2
    return made


def looking_about(index):
    return pose(
        (0.5 * np.sin(index / 2), 0.2 * np.sin(index / 1.5), 0.3 * np.sin(index / 3)),
        (8 * np.sin(index / 1.6), 5 * np.sin(index / 1.3 + 1), 6 * np.sin(index / 1.9 + 2)),
    )


@pytest.fixture(scope='module')
def film(world):
    poses = [looking_about(index) for index in range(20)]
    return list(zip(world.film(poses), poses, strict=True))


@pytest.mark.parametrize('factor', [0.95, 1.0, 1.05])
def test_pictures_show_a_wrong_focal_length(world, film, factor):
    check, older = CalibrationCheck(), None
    frames = miscalibrated([frame for frame, _ in film], factor)
    for number, (frame, (_, there)) in enumerate(zip(frames, film, strict=True)):
        keyframe = keyframe_of(world, number, frame, there)
        if older is not None:
            triangulate_by_tracking(keyframe, older, Settings().geometry)
            check.add(keyframe)
        older = keyframe
    assert check.status.focal_error == pytest.approx(factor - 1, abs=0.025)
    assert check.status.focal_sigma < 0.04
    assert check.status.suspicion == ''  # with so few keyframes


def test_the_check_only_reads(world, film):
    keyframes = [keyframe_of(world, number, *film[number]) for number in (0, 1)]
    triangulate_by_tracking(keyframes[1], keyframes[0], Settings().geometry)
    before = [arrays_of(each) for each in keyframes]
    CalibrationCheck().add(keyframes[1])
    for old, new in zip(before, map(arrays_of, keyframes), strict=True):
        assert old.keys() == new.keys()
        assert all(np.array_equal(old[name], new[name], equal_nan=True) for name in old)


def arrays_of(keyframe):
    values = {**vars(keyframe), **vars(keyframe.texture)}
    for number, link in enumerate(keyframe.links):
        values |= {f'{name} {number}': value for name, value in vars(link).items()}
    return {name: each.copy() for name, each in values.items() if isinstance(each, np.ndarray)}


def test_a_camera_that_turns_in_place_adds_nothing(world, film, monkeypatch):
    monkeypatch.setattr(calibration_check, 'pair_equations', None)
    check = CalibrationCheck()
    first, second = (keyframe_of(world, number, *film[0]) for number in (0, 1))
    check.add(first)  # without links
    triangulate_by_tracking(second, first, Settings().geometry)
    check.add(second)  # without parallax
    assert np.isnan(check.status.focal_error)
