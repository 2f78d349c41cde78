# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The window of keyframes, refined on exact links from wrong poses and depths."""

from types import SimpleNamespace

import numpy as np
import pytest
from exact_world import ExactMatcher, World, pose
from point_scenes import degrees_between

from loftr_vo.geometry.epipolar import rays_from_points
from loftr_vo.odometry.map.bundle_adjustment import refine_window, refine_window_in_steps
from loftr_vo.odometry.map.depth_filter import store_filtered_depth
from loftr_vo.odometry.map.keyframe import Keyframe, Link

TRUTH = [
    pose((0.00, 0.00, 0.0), (0, 0, 0)),
    pose((0.35, 0.05, 0.1), (2, 1, 0)),
    pose((0.70, -0.05, 0.2), (3, 0, 1)),
    pose((1.05, 0.05, 0.1), (5, -1, 0)),
]


@pytest.fixture(scope='module')
def scene():
    """Frames, and for each pair of them the cells of one with the rays of the other."""
    world = World(noise=0.0)
    frames = world.film(TRUTH)
    matcher = ExactMatcher(world, noise=0.0, outliers=0.0)
    encoded = [matcher.encode(frame.image) for frame in frames]
    pairs = {}
    for anchor in range(4):
        for other in range(4):
            if anchor != other:
                matches = matcher.match(encoded[anchor], encoded[other]).result()
                seen = frames[other].camera.undistort(matches.keypoints1)
                pairs[anchor, other] = matches.cells, rays_from_points(seen)
    return SimpleNamespace(frames=frames, encoded=encoded, pairs=pairs)


def true_inverse_depth(scene, index):
    x, y = scene.encoded[index].cell_centres().astype(int).T
    return 1 / scene.frames[index].depth[y, x].astype(float)


def window(scene, perturbed, pixels=0.3, noise=0.0):
    """Return linked keyframes, those numbered in ``perturbed`` put wrong, and all depths too."""
    random = np.random.default_rng(5)
    keyframes = []
    for index, (frame, encoded) in enumerate(zip(scene.frames, scene.encoded, strict=True)):
        wrong = pose(random.normal(0, 0.02, 3), random.normal(0, 0.5, 3))
        start = TRUTH[index] @ wrong if index in perturbed else TRUTH[index].copy()
        keyframe = Keyframe(index, frame, encoded, start, np.eye(7), 3.0, refined=False)
        rho = true_inverse_depth(scene, index)
        keyframe.inverse_depth[:] = rho * (1 + random.normal(0, 0.1, len(rho)))
        keyframes.append(keyframe)
    for (anchor, other), (cells, rays1) in scene.pairs.items():
        focal = scene.frames[other].camera.focal
        rays1 = rays1.copy()
        rays1[:, :2] += random.normal(0, noise / focal, (len(cells), 2))
        whitening = np.tile(np.eye(2) * focal / pixels, (len(cells), 1, 1))
        keyframes[anchor].links.append(Link(keyframes[other], cells, rays1, whitening))
    return keyframes


def linked_cells(keyframe):
    return np.unique(np.concatenate([link.cells for link in keyframe.links]))


def test_poses_and_depths_return_to_the_truth(scene):
    keyframes = window(scene, perturbed={2, 3})
    refine_window(keyframes, fixed=2)
    for index, keyframe in enumerate(keyframes):
        assert degrees_between(keyframe.pose[:3, :3], TRUTH[index][:3, :3]) < 0.01
        assert keyframe.pose[:3, 3] == pytest.approx(TRUTH[index][:3, 3], abs=1e-3)
        cells = linked_cells(keyframe)
        truth = true_inverse_depth(scene, index)[cells]
        assert np.quantile(np.abs(keyframe.inverse_depth[cells] / truth - 1), 0.95) < 5e-3


def test_poses_stay_rigid(scene):
    keyframes = window(scene, perturbed={2, 3})
    refine_window(keyframes, fixed=1)
    for keyframe in keyframes:
        rotation = keyframe.pose[:3, :3]
        assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-9)
        assert np.array_equal(keyframe.pose[3], [0, 0, 0, 1])


@pytest.mark.parametrize('fixed', [1, 2, 3])
def test_fixed_poses_stay_bit_by_bit(scene, fixed):
    keyframes = window(scene, perturbed={1, 2, 3})
    before = [keyframe.pose.copy() for keyframe in keyframes]
    refine_window(keyframes, fixed)
    unchanged = [
        np.array_equal(keyframe.pose, pose0)
        for keyframe, pose0 in zip(keyframes, before, strict=True)
    ]
    assert unchanged == [index < fixed for index in range(4)]


def test_with_all_poses_fixed_the_depths_are_refined(scene):
    keyframes = window(scene, perturbed=set())
    refine_window(keyframes, fixed=4)
    for index, keyframe in enumerate(keyframes):
        cells = linked_cells(keyframe)
        truth = true_inverse_depth(scene, index)[cells]
        assert np.quantile(np.abs(keyframe.inverse_depth[cells] / truth - 1), 0.95) < 5e-3


def test_one_fixed_pose_keeps_the_length_of_the_first_baseline(scene):
    keyframes = window(scene, perturbed={1, 2, 3})
    before = np.linalg.norm(keyframes[1].pose[:3, 3] - keyframes[0].pose[:3, 3])
    refine_window(keyframes, fixed=1)
    after = np.linalg.norm(keyframes[1].pose[:3, 3] - keyframes[0].pose[:3, 3])
    assert after == pytest.approx(before, rel=5e-3)


@pytest.mark.parametrize('aside', [0.0, 0.05, 0.15])
def test_the_held_baseline_keeps_its_length_from_far_aside(scene, aside):
    keyframes = window(scene, perturbed=set())
    keyframes[1].pose[:3, 3] += (0.0, aside, 0.0)
    before = np.linalg.norm(keyframes[1].pose[:3, 3] - keyframes[0].pose[:3, 3])
    refine_window(keyframes, fixed=1)
    after = np.linalg.norm(keyframes[1].pose[:3, 3] - keyframes[0].pose[:3, 3])
    assert after == pytest.approx(before, rel=1e-9)


def test_one_fixed_pose_gives_the_truth_up_to_scale(scene):
    keyframes = window(scene, perturbed={1, 2, 3})
    refine_window(keyframes, fixed=1)
    scale = np.linalg.norm(keyframes[1].pose[:3, 3]) / np.linalg.norm(TRUTH[1][:3, 3])
    for keyframe, truth in zip(keyframes, TRUTH, strict=True):
        assert degrees_between(keyframe.pose[:3, :3], truth[:3, :3]) < 0.01
        assert keyframe.pose[:3, 3] == pytest.approx(truth[:3, 3] * scale, abs=1e-3)


def test_variances_are_finite_and_honest(scene):
    keyframes = window(scene, perturbed={2, 3}, noise=0.3)
    refine_window(keyframes, fixed=2)
    for index, keyframe in enumerate(keyframes):
        cells = linked_cells(keyframe)
        assert np.isfinite(keyframe.variance).all()
        assert (keyframe.variance > 0).all()
        error = keyframe.inverse_depth[cells] - true_inverse_depth(scene, index)[cells]
        normalised = np.median(np.abs(error) / np.sqrt(keyframe.variance[cells]))
        assert 0.5 < normalised / 0.6745 < 1.5


def test_a_few_wrong_links_do_little_harm(scene):
    keyframes = window(scene, perturbed={2, 3}, noise=0.2)
    random = np.random.default_rng(6)
    for keyframe in keyframes:
        for link in keyframe.links:
            wrong = random.random(len(link.cells)) < 0.03
            link.rays1[wrong, :2] += random.normal(0, 0.05, (wrong.sum(), 2))
    refine_window(keyframes, fixed=2)
    for keyframe, truth in zip(keyframes, TRUTH, strict=True):
        assert degrees_between(keyframe.pose[:3, :3], truth[:3, :3]) < 0.1
        assert keyframe.pose[:3, 3] == pytest.approx(truth[:3, 3], abs=0.01)


def test_links_out_of_the_window_are_left_alone(scene):
    keyframes = window(scene, perturbed={2, 3})
    refine_window(keyframes[1:], fixed=1)
    assert np.array_equal(keyframes[0].pose, TRUTH[0])


def test_a_window_without_links_stays_as_it_is(scene):
    keyframes = window(scene, perturbed={1})[:2]
    for keyframe in keyframes:
        keyframe.links.clear()
    before = keyframes[1].pose.copy()
    refine_window(keyframes, fixed=1)
    assert keyframes[1].pose == pytest.approx(before)


def test_filtered_depth_of_the_frames_between_has_a_small_weight(scene):
    """A part of it is from matches that are links, too; here it is 4 % off and sure to 2 %."""
    keyframes = window(scene, perturbed={2, 3}, noise=0.3)
    for index, keyframe in enumerate(keyframes):
        keyframe.inverse_depth[:] = 1.04 * true_inverse_depth(scene, index)
        keyframe.variance[:] = (0.02 * keyframe.inverse_depth) ** 2
        store_filtered_depth(keyframe)
        assert (keyframe.filtered_variance > 10 * keyframe.variance).all()
    refine_window(keyframes, fixed=2)
    for index, keyframe in enumerate(keyframes):
        cells = linked_cells(keyframe)
        off = keyframe.inverse_depth[cells] / true_inverse_depth(scene, index)[cells] - 1
        assert abs(np.median(off)) < 0.01


def test_in_steps_the_result_is_the_same(scene):
    at_once, in_steps = (window(scene, perturbed={2, 3}) for _ in range(2))
    refine_window(at_once, fixed=2)
    assert len(list(refine_window_in_steps(in_steps, fixed=2))) >= 2
    for one, other in zip(at_once, in_steps, strict=True):
        assert np.array_equal(one.pose, other.pose)
        assert np.array_equal(one.inverse_depth, other.inverse_depth)
        assert np.array_equal(one.variance, other.variance)


def test_depths_that_are_updated_between_two_steps_keep_their_update(scene):
    without, updated = (window(scene, perturbed={2, 3}) for _ in range(2))
    refine_window(without, fixed=2)
    steps = refine_window_in_steps(updated, fixed=2)
    next(steps)
    updated[3].inverse_depth += 0.01
    for _ in steps:
        pass
    assert updated[3].inverse_depth == pytest.approx(without[3].inverse_depth + 0.01, abs=1e-12)
    assert np.array_equal(updated[2].inverse_depth, without[2].inverse_depth)
