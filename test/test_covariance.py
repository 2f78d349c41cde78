# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How uncertainty is carried from keyframe to keyframe, against drawn errors."""

from types import SimpleNamespace

import numpy as np
import pytest
from exact_world import pose
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.rigid_motion import inverse_transform
from loftr_vo.odometry.map.covariance import (
    correlation_inflation,
    initial_covariance,
    keyframe_covariance,
    pose_covariance,
    relative_covariance,
)

MOTION = inverse_transform(pose((0.3, -0.1, 0.2), (5, -3, 2)))  # frame from keyframe


def keyframe_at(where, covariance, pixels=1.0):
    encoded = SimpleNamespace(image_pixels_per_network_pixel=np.full(2, pixels))
    return SimpleNamespace(pose=where, covariance=covariance, encoded=encoded)


def motion_with(covariance, count=100, relative=0.03):
    inverse_depth = np.full(count, 0.5)
    variance = (relative * inverse_depth) ** 2
    return SimpleNamespace(
        frame_from_keyframe=MOTION,
        pose_from=lambda keyframe: keyframe.pose @ inverse_transform(MOTION),
        covariance=covariance,
        sampled=1.0,
        depth_in_frame=lambda: (np.empty((count, 2)), inverse_depth, variance),
    )


def random_covariance(random, size, sigma):
    root = random.normal(size=(size, size)) * sigma
    return root @ root.T + np.eye(size) * (0.1 * sigma) ** 2


def turned(matrix, turn):
    result = matrix.copy()
    result[:3, :3] = Rotation.from_rotvec(turn).as_matrix() @ matrix[:3, :3]
    return result


def test_it_is_the_spread_of_poses_with_errors_drawn():
    random = np.random.default_rng(0)
    of_keyframe = random_covariance(random, 7, 0.004)
    of_motion = random_covariance(random, 6, 0.002)
    where = pose((1.0, 2.0, -1.0), (40, 10, -5))
    keyframe = keyframe_at(where, of_keyframe)
    measured = motion_with(of_motion / correlation_inflation(keyframe))
    expected = pose_covariance(keyframe, measured, relative_covariance(keyframe, measured))
    exact = where @ inverse_transform(MOTION)
    errors = []
    for _ in range(20000):
        kept = random.multivariate_normal(np.zeros(7), of_keyframe)
        moved = random.multivariate_normal(np.zeros(6), of_motion)
        start = turned(where, kept[3:6])
        start[:3, 3] += kept[:3]
        motion = turned(MOTION, moved[3:])
        motion[:3, 3] = (MOTION[:3, 3] + moved[:3]) * np.exp(kept[6])
        there = start @ inverse_transform(motion)
        turn = Rotation.from_matrix(there[:3, :3] @ exact[:3, :3].T).as_rotvec()
        errors.append(np.concatenate([there[:3, 3] - exact[:3, 3], turn, kept[6:]]))
    assert np.cov(np.array(errors).T) == pytest.approx(expected, abs=4e-6, rel=0.05)


def test_the_scale_is_less_sure_with_every_keyframe():
    covariance = initial_covariance()
    for _ in range(5):
        keyframe = keyframe_at(np.eye(4), covariance)
        grown = keyframe_covariance(covariance, keyframe, motion_with(np.eye(6) * 1e-6))
        assert grown[6, 6] > covariance[6, 6]
        assert np.array_equal(grown[:6], covariance[:6])
        covariance = grown


def test_the_surer_of_baseline_and_depths_carries_the_scale():
    keyframe = keyframe_at(np.eye(4), initial_covariance())

    def step(of_motion, relative):
        motion = motion_with(np.eye(6) * of_motion, relative=relative)
        return np.sqrt(keyframe_covariance(keyframe.covariance, keyframe, motion)[6, 6])

    by_depths = step(1.0, 0.03)
    assert by_depths == pytest.approx(
        0.03 / np.sqrt(100) * np.sqrt(correlation_inflation(keyframe)), rel=0.01
    )
    by_baseline = step(1e-10, 0.29)
    length = np.linalg.norm(MOTION[:3, 3])
    assert by_baseline == pytest.approx(
        1e-5 / length * np.sqrt(correlation_inflation(keyframe)), rel=0.05
    )


def test_without_any_depth_the_baseline_carries_the_scale():
    keyframe = keyframe_at(np.eye(4), initial_covariance())
    motion = motion_with(np.eye(6) * 1e-6, count=0)
    assert np.isfinite(keyframe_covariance(keyframe.covariance, keyframe, motion)).all()


def test_cells_smaller_than_the_window_are_wrong_together():
    fine, coarse = (keyframe_at(np.eye(4), initial_covariance(), pixels) for pixels in (1.0, 3.0))
    assert correlation_inflation(fine) > 3 * correlation_inflation(coarse)


@pytest.mark.parametrize('every', [1, 2, 5])
def test_thinned_cells_have_fewer_neighbours_to_be_wrong_with(every):
    """Against the variance of a mean of equally correlated errors, added up."""
    keyframe = keyframe_at(np.eye(4), initial_covariance())
    count = 1000
    correlation = (correlation_inflation(keyframe) - 1) / (count - 1)
    errors = correlation + (1 - correlation) * np.eye(count)
    thinned = errors[::every, ::every]
    if_independent = np.trace(thinned)
    assert correlation_inflation(keyframe, 1 / every) == pytest.approx(
        thinned.sum() / if_independent, rel=0.05
    )
