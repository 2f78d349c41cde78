# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The IMU in the window of keyframes: derivatives, a plain reference, and SciPy's solver."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from inertial_path import GRAVITY, SmoothPath
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from loftr_vo.config import GeometrySettings, ScaleSettings
from loftr_vo.geometry.inertial import ImuNoise
from loftr_vo.odometry.inertial.inertial_state import SIZE, InertialState
from loftr_vo.odometry.inertial.inertial_terms import PRIOR
from loftr_vo.odometry.inertial.keyframe_states import KeyframeStates
from loftr_vo.odometry.inertial.preintegration import Bias
from loftr_vo.odometry.inertial.sample_buffer import SampleBuffer
from loftr_vo.odometry.inertial.window_refinement import across
from loftr_vo.odometry.map.bundle_adjustment import refine_window, refine_window_in_steps
from loftr_vo.odometry.map.keyframe import Link
from loftr_vo.odometry.scale.metric_scale import MetricScale

NOISE = ImuNoise(2e-4, 2e-3, 2e-5, 1e-3)
PATH = SmoothPath(4, distance=0.4, angle=0.2)
TIMES = np.array([0.0, 0.2, 0.45, 0.7, 0.9])
CELLS = 10
FIXED = 3
IMU_FROM_CAMERA = np.eye(4)
IMU_FROM_CAMERA[:3, :3] = Rotation.from_euler('xyz', [80, -8, 12], degrees=True).as_matrix()
IMU_FROM_CAMERA[:3, 3] = 0.05, 0.02, -0.04
SIGMA = np.r_[np.full(3, 0.02), np.full(3, 0.02), np.full(3, 0.1), 0.03, 0.005, 0.005]


def buffer(gyroscope=(0.01, -0.02, 0.005), accelerometer=(0.1, -0.05, 0.08), rate=1000.0):
    samples = PATH.samples(1.3, rate=rate, gyroscope=gyroscope, accelerometer=accelerometer)
    kept = SampleBuffer()
    kept.add(samples)
    return kept


def state_at(camera, velocity, scale, sigma=SIGMA):
    """Return the true state in the axes of a keyframe, its biases taken as zero."""
    axes = camera[:3, :3].T
    covariance = np.eye(SIZE) * 1e-6
    covariance[PRIOR, PRIOR] = sigma**2
    down = axes @ GRAVITY
    tangent = np.linalg.svd(down[None])[2][1:].T
    return InertialState(
        IMU_FROM_CAMERA[:3, :3].T,
        axes @ velocity,
        np.zeros(3),
        Bias.zero(),
        scale,
        down,
        tangent,
        covariance,
    )


@pytest.fixture
def window():
    """Keyframes on the path, two units to a metre, which see a few points each; without noise."""
    poses = PATH.poses(TIMES) @ IMU_FROM_CAMERA
    poses[:, :3, 3] *= 2
    source = np.random.default_rng(1)
    keyframes = []
    for index, pose in enumerate(poses):
        rays = np.column_stack([source.uniform(-0.6, 0.6, (CELLS, 2)), np.ones(CELLS)])
        depths = source.uniform(0.1, 0.5, CELLS)
        encoded = SimpleNamespace(image_pixels_per_network_pixel=np.ones(2))
        frame = SimpleNamespace(stamp=round(TIMES[index] * 1e9))
        keyframes.append(
            SimpleNamespace(
                frame=frame,
                encoded=encoded,
                pose=pose.copy(),
                rays=rays,
                inverse_depth=depths.copy(),
                filtered_depth=depths.copy(),
                filtered_variance=np.full(CELLS, 1.0),
                variance=np.full(CELLS, 1.0),
                links=[],
            )
        )
    for anchor, one in enumerate(keyframes):
        for other in keyframes[max(anchor - 2, 0) : anchor] + keyframes[anchor + 1 : anchor + 3]:
            relative = np.linalg.inv(other.pose) @ one.pose
            seen = one.rays @ relative[:3, :3].T + one.inverse_depth[:, None] * relative[:3, 3]
            whitening = np.tile(np.eye(2) / 2e-3, (CELLS, 1, 1))
            one.links.append(Link(other, np.arange(CELLS), seen / seen[:, 2:], whitening))
    return keyframes


def terms_of(window, samples=None, velocity_error=(0.01, -0.02, 0.01), sigma=SIGMA):
    states = KeyframeStates()
    camera = window[FIXED - 1].pose
    velocity = PATH.velocities(TIMES[FIXED - 1 : FIXED])[0] + velocity_error
    states.add(window[FIXED - 1].frame.stamp, state_at(camera, velocity, 0.5, sigma))
    return states.terms(window, FIXED, samples or buffer(), IMU_FROM_CAMERA, NOISE)


def poses_of(window, step=None):
    """Rotations and positions after a step of the free poses."""
    rotations = [each.pose[:3, :3] for each in window]
    positions = [each.pose[:3, 3] for each in window]
    for index, part in enumerate(np.reshape(() if step is None else step, (-1, 6))):
        turn = Rotation.from_rotvec(part[3:]).as_matrix()
        rotations[FIXED + index] = turn @ rotations[FIXED + index]
        positions[FIXED + index] = positions[FIXED + index] + part[:3]
    return rotations, positions


def moved(terms, own):
    """Return the terms with other values of their unknowns."""
    states = own[:-3].reshape(-1, 9)
    gravity = terms.gravity + 9.81 * terms.tangent @ own[-2:]
    return dataclasses.replace(
        terms,
        velocities=terms.velocities + states[:, :3],
        biases=terms.biases + states[:, 3:],
        scale=terms.scale * np.exp(own[-3]),
        gravity=gravity * 9.81 / np.linalg.norm(gravity),
        tangent=across(gravity, terms.tangent),
    )


def disturbed(window, seed=2, metres=0.03, radians=0.01):
    source = np.random.default_rng(seed)
    for keyframe in window[FIXED:]:
        turn = Rotation.from_rotvec(source.normal(0, radians, 3)).as_matrix()
        keyframe.pose[:3, :3] = turn @ keyframe.pose[:3, :3]
        keyframe.pose[:3, 3] += source.normal(0, metres, 3)


def test_the_derivatives_are_the_numeric_ones(window):
    disturbed(window)
    terms = terms_of(window)
    own = np.random.default_rng(0).normal(0, 0.01, 9 * len(terms.velocities) + 3)
    terms = moved(terms, own)
    residuals, by_pose, by_own = terms.linearised(*poses_of(window))
    assert len(residuals) == len(by_pose) == len(by_own)
    for numeric, exact in (
        (lambda step: terms.linearised(*poses_of(window, step))[0], by_pose),
        (lambda step: moved(terms, step).linearised(*poses_of(window))[0], by_own),
    ):
        for column in range(exact.shape[1]):
            step = np.zeros(exact.shape[1])
            step[column] = 1e-6
            slope = (numeric(step) - numeric(-step)) / 2e-6
            size = 1 + np.abs(exact[:, column]).max()
            assert np.abs(slope - exact[:, column]).max() < 2e-4 * size


def test_the_eliminated_unknowns_are_those_of_the_whole_system(window):
    """The plain reference: all unknowns in one matrix."""
    disturbed(window)
    terms = terms_of(window)
    residuals, by_pose, by_own = terms.linearised(*poses_of(window))
    both = np.column_stack([by_pose, by_own]) * np.sqrt(terms.data.weight)
    held = np.eye(both.shape[1])[: by_pose.shape[1]] * 1e3  # as matches hold the poses
    whole = np.linalg.lstsq(
        np.vstack([both, held]),
        np.r_[-residuals * np.sqrt(terms.data.weight), np.zeros(len(held))],
        rcond=None,
    )[0]
    hessian, gradient = terms.reduced(*poses_of(window))
    step = np.linalg.solve(hessian + 1e6 * np.eye(len(gradient)), -gradient)
    assert step == pytest.approx(whole[: len(step)], rel=1e-5, abs=1e-9)
    after = terms.stepped(*poses_of(window), step)
    expected = moved(terms, whole[len(step) :])
    assert after.velocities == pytest.approx(expected.velocities, abs=1e-6)
    assert after.biases == pytest.approx(expected.biases, abs=1e-6)
    assert after.scale == pytest.approx(expected.scale, rel=1e-6)
    assert after.gravity == pytest.approx(expected.gravity, abs=1e-6)
    assert after.tangent.T @ after.gravity == pytest.approx(np.zeros(2), abs=1e-9)


def test_true_poses_have_no_residuals_once_the_biases_are_found(window):
    terms = terms_of(window, velocity_error=np.zeros(3))
    poses = poses_of(window)
    for _ in range(4):
        terms = terms.stepped(*poses, np.zeros(6 * (len(window) - FIXED)))
    assert terms.biases[0, :3] == pytest.approx([0.01, -0.02, 0.005], abs=2e-3)
    assert not terms.contradicts(*poses)
    assert terms.scale == pytest.approx(0.5, rel=0.02)


def test_the_window_is_that_of_a_general_solver(window):
    """SciPy's, on all unknowns at once: poses, depths, velocities, biases, scale, gravity."""
    disturbed(window, metres=0.01, radians=0.003)
    terms = terms_of(window)
    start = poses_of(window)
    depths = np.array([each.inverse_depth for each in window])
    number = {id(each): index for index, each in enumerate(window)}
    poses, count = 6 * (len(window) - FIXED), 9 * len(terms.velocities) + 3
    weight = np.sqrt(terms.data.weight)

    def residuals(unknowns):
        rotations, positions = (list(each) for each in start)
        for index, part in enumerate(unknowns[:poses].reshape(-1, 6)):
            turn = Rotation.from_rotvec(part[3:]).as_matrix()
            rotations[FIXED + index] = turn @ rotations[FIXED + index]
            positions[FIXED + index] = positions[FIXED + index] + part[:3]
        found = depths + unknowns[poses + count :].reshape(-1, CELLS)
        own = moved(terms, unknowns[poses : poses + count])
        parts = [weight * own.linearised(rotations, positions)[0]]
        for index, keyframe in enumerate(window):
            parts.append(found[index] - keyframe.filtered_depth)
            for link in keyframe.links:
                other = number[id(link.other)]
                back = rotations[other].T
                seen = keyframe.rays @ (back @ rotations[index]).T
                seen += found[index][:, None] * (back @ (positions[index] - positions[other]))
                off = seen[:, :2] / seen[:, 2:] - link.rays1[:, :2]
                parts.append(off.ravel() / 2e-3)
        return np.concatenate(parts)

    unknowns = np.zeros(poses + count + CELLS * len(window))
    found = least_squares(residuals, unknowns, method='lm', xtol=1e-9, ftol=1e-9).x
    expected = poses_of(window, found[:poses])
    for _ in range(3):
        refine_window(window, FIXED, terms)
    for index, keyframe in enumerate(window):
        assert keyframe.pose[:3, :3] == pytest.approx(expected[0][index], abs=2e-5)
        assert keyframe.pose[:3, 3] == pytest.approx(expected[1][index], abs=2e-4)


def test_an_imu_that_contradicts_the_links_is_left_out(window):
    disturbed(window)
    alone = [each.pose.copy() for each in window]
    refine_window(window, FIXED)
    expected = [each.pose.copy() for each in window]
    for keyframe, pose in zip(window, alone, strict=True):
        keyframe.pose = pose
        keyframe.inverse_depth = keyframe.filtered_depth.copy()
    wrong = terms_of(window, buffer(gyroscope=(0.5, 0.0, 0.0)))
    steps = refine_window_in_steps(window, FIXED, wrong)
    with pytest.raises(StopIteration) as end:
        while next(steps):
            pass
    assert end.value.value is False
    for keyframe, pose in zip(window, expected, strict=True):
        assert keyframe.pose == pytest.approx(pose, abs=1e-12)


def test_the_status_says_that_it_is_left_out():
    scale = MetricScale(ScaleSettings(source='imu'), GeometrySettings(), None)
    scale.doubt_imu('the last keyframes are refined without it')
    reason = 'the IMU contradicts the pictures: the last keyframes are refined without it'
    assert reason in scale.status(0).reason


def test_with_the_imu_a_window_of_few_matches_is_nearer_to_the_truth(window):
    truth = [each.pose.copy() for each in window]
    source = np.random.default_rng(8)
    for keyframe in window:
        for link in keyframe.links:
            link.rays1[:, :2] += source.normal(0, 2e-3, (CELLS, 2))
    samples = buffer((0, 0, 0), (0, 0, 0))
    errors = []
    for terms in (None, terms_of(window, samples, np.zeros(3), SIGMA / 40)):
        for keyframe, pose in zip(window, truth, strict=True):
            keyframe.pose, keyframe.inverse_depth = pose.copy(), keyframe.filtered_depth.copy()
        refine_window(window, FIXED, terms)
        turns = [
            Rotation.from_matrix(each.pose[:3, :3].T @ pose[:3, :3]).magnitude()
            for each, pose in zip(window, truth, strict=True)
        ]
        errors.append(np.sqrt(np.mean(np.square(turns))))
    assert errors[1] < 0.5 * errors[0]


def test_there_are_no_terms_without_a_state_or_measurements(window):
    states = KeyframeStates()
    assert states.terms(window, FIXED, buffer(), IMU_FROM_CAMERA, NOISE) is None
    states.add(window[-1].frame.stamp, state_at(window[-1].pose, np.zeros(3), 0.5))
    assert states.terms(window, FIXED, buffer(), IMU_FROM_CAMERA, NOISE) is None


def test_the_states_are_in_the_unit_of_the_map_however_often_it_changes(window):
    states = KeyframeStates()
    states.add(window[0].frame.stamp, state_at(window[0].pose, np.zeros(3), 0.5))
    for _ in range(9):
        states.rescale(2.0)
    terms = states.terms(window, 1, buffer(), IMU_FROM_CAMERA, NOISE)
    assert terms.scale == pytest.approx(0.5 / 2**9)
