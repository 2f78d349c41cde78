# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The model of a rolling shutter, against a camera that is rotated row by row."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.epipolar import rays_from_points
from loftr_vo.imaging.camera import Camera
from loftr_vo.odometry.rolling_shutter.model import (
    NO_ROTATION,
    project_row_by_row,
    share_of_readout,
    to_middle_row,
)

TURN = np.array([0.02, -0.04, 0.03])


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def camera():
    matrix = np.array([[500.0, 0, 319.5], [0, 505.0, 239.5], [0, 0, 1]])
    return Camera(640, 480, matrix, 'plumb_bob', np.array([0.1, -0.2, 0.001, 0.0005, 0.0]))


@pytest.fixture
def points(random):
    """Points in front of the camera, well inside the picture."""
    rays = np.column_stack([random.uniform(-0.5, 0.5, (300, 1)), random.uniform(-0.4, 0.4, 300)])
    return np.column_stack([rays, np.ones(300)]) * random.uniform(1.0, 8.0, (300, 1))


def test_the_middle_row_is_read_in_the_middle_and_the_outermost_half_a_readout_away():
    shares = share_of_readout(np.array([-0.5, 239.5, 479.5]), 480)
    assert shares == pytest.approx([-0.5, 0.0, 0.5])


def test_straightened_rays_are_those_that_the_camera_has_at_the_middle_row(points):
    share = np.linspace(-0.5, 0.5, len(points))
    # What a camera sees that has turned by a share of the turn.
    rows = Rotation.from_rotvec(share[:, None] * TURN)
    seen = rows.inv().apply(points)
    straight = to_middle_row(seen / seen[:, 2:], share, TURN)
    assert straight == pytest.approx(points / points[:, 2:], abs=3e-5)


def test_without_a_turn_nothing_is_changed(points, camera):
    rays = points / points[:, 2:]
    assert to_middle_row(rays, np.linspace(-0.5, 0.5, len(rays)), NO_ROTATION) is rays
    assert np.array_equal(project_row_by_row(points, camera, NO_ROTATION), camera.project(points))


def test_what_is_projected_row_by_row_is_straightened_to_where_it_was(points, camera):
    pixels = project_row_by_row(points, camera, TURN)
    moved = np.linalg.norm(pixels - camera.project(points), axis=1)
    assert np.median(moved) > 2.0
    share = share_of_readout(pixels[:, 1], camera.height)
    rays = to_middle_row(rays_from_points(camera.undistort(pixels)), share, TURN)
    assert rays == pytest.approx(points / points[:, 2:], abs=1e-4)  # a twentieth of a pixel
