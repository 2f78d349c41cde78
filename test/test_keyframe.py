# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A keyframe and the depth of its cells."""

from types import SimpleNamespace

import numpy as np
import pytest
from exact_world import HEIGHT, WIDTH, ExactMatcher, World, camera, pose
from scipy.spatial.transform import Rotation

from loftr_vo.imaging.frame import Frame, RightPicture
from loftr_vo.matching.encoded_image import DeferredPicture, EncodedImage
from loftr_vo.matching.lucas_kanade import LocatedMatches, Texture
from loftr_vo.odometry.map.depth_filter import propagate_depth, update_depth
from loftr_vo.odometry.map.keyframe import Keyframe

CELL = 8


@pytest.fixture
def keyframe():
    frame = Frame(np.zeros((HEIGHT, WIDTH), np.uint8), 0, camera())
    encoded = ExactMatcher(World()).encode(frame.image)
    return Keyframe(0, frame, encoded, pose((1.0, 2.0, 3.0), (30, 0, 0)), np.eye(7), 4.0)


@pytest.fixture
def scattered():
    """Points as matches leave them in the other picture: a grid, moved and shaken."""
    random = np.random.default_rng(3)
    x, y = np.meshgrid(np.arange(20, 300, CELL), np.arange(20, 220, CELL))
    points = np.column_stack([x.ravel(), y.ravel()]).astype(float)
    return points + random.uniform(-3, 3, points.shape)


def slanted(points):
    """Inverse depth of a plane: it is linear in the picture."""
    return 0.3 + 0.0008 * points[:, 0] - 0.0004 * points[:, 1]


def test_a_new_keyframe_has_only_the_reference_depth(keyframe):
    assert keyframe.inverse_depth == pytest.approx(np.full(1200, 0.25))
    assert not keyframe.known.any()
    points, confidence = keyframe.points()
    assert points.shape == (0, 3)
    assert confidence.shape == (0,)


def test_a_released_keyframe_holds_little_more_than_its_picture():
    shape = (480, 640)
    seen = camera(640, 480, 520.0)
    right = RightPicture(np.zeros(shape, np.uint8), seen, np.eye(4))
    frame = Frame(np.zeros(shape, np.uint8), 0, seen, np.ones(shape, np.float32), right=right)
    working = (360, 480)
    features = np.zeros(3_600_000, np.uint8)
    encoded = DeferredPicture(features.copy, shape, working)
    keyframe = Keyframe(0, frame, encoded, np.eye(4), np.eye(7), 4.0)
    _ = encoded.features, frame.normalised
    assert bytes_held(keyframe) > 5 * 2**20
    keyframe.release()
    assert bytes_held(keyframe) < 0.75 * 2**20
    assert np.array_equal(keyframe.frame.normalised, frame.normalised)
    assert np.array_equal(encoded.features, features)


def bytes_held(owner):
    """Bytes of the arrays that an object has as attributes, and its attributes in turn."""
    held = 0
    for value in vars(owner).values():
        if isinstance(value, np.ndarray):
            held += value.nbytes
        elif isinstance(value, Frame | RightPicture | EncodedImage | Texture):
            held += bytes_held(value)
    return held


def test_its_rays_are_those_of_the_cells(keyframe):
    assert keyframe.rays[0] == pytest.approx([-159.5 / 260, -119.5 / 260, 1.0])
    assert keyframe.rays[41] == pytest.approx([(8 - 159.5) / 260, (8 - 119.5) / 260, 1.0])


def test_a_plane_is_inherited(keyframe, scattered):
    variances = np.full(len(scattered), 0.005**2)
    propagate_depth(keyframe, scattered, slanted(scattered), variances)
    centres = keyframe.encoded.cell_centres()
    inner = ((centres > 28) & (centres < (WIDTH - 32, HEIGHT - 32))).all(axis=1)
    assert keyframe.known[inner].mean() > 0.95
    cells = np.flatnonzero(inner & keyframe.known)
    error = keyframe.inverse_depth[cells] - slanted(centres[cells])
    assert np.abs(error / slanted(centres[cells])).max() < 0.015
    assert (np.abs(error) < 3 * np.sqrt(keyframe.variance[cells])).all()
    assert (keyframe.variance[cells] >= 0.99 * 0.005**2).all()


def test_cells_away_from_all_points_inherit_nothing(keyframe, scattered):
    left = scattered[scattered[:, 0] < 150]
    propagate_depth(keyframe, left, slanted(left), np.full(len(left), 1e-4))
    right = keyframe.encoded.cell_centres()[:, 0] > 180
    assert (keyframe.inverse_depth[right] == 0.25).all()
    assert not keyframe.known[right].any()
    assert keyframe.known[~right].any()


def test_two_surfaces_are_not_mixed(keyframe, scattered):
    near = scattered[:, 0] < 160
    propagate_depth(keyframe, scattered, np.where(near, 1.0, 0.4), np.full(len(scattered), 1e-4))
    known = keyframe.inverse_depth[keyframe.known]
    on_one = (np.abs(known - 1.0) < 0.12) | (np.abs(known - 0.4) < 0.05)
    assert on_one.all()
    assert {True, False} == set(known > 0.7)


def test_where_two_surfaces_are_seen_through_each_other_no_depth_is_made_up(keyframe, scattered):
    """As at the edge of a near surface: points of the one behind lie between those in front."""
    random = np.random.default_rng(4)
    in_front = random.random(len(scattered)) < 0.5
    depths = np.where(in_front, 1.0, 0.4)
    propagate_depth(keyframe, scattered, depths, np.full(len(scattered), 1e-4))
    known = keyframe.inverse_depth[keyframe.known]
    assert ((np.abs(known - 1.0) < 0.12) | (np.abs(known - 0.4) < 0.05)).all()
    assert keyframe.known.mean() < 0.4


@pytest.mark.parametrize('count', [0, 3])
def test_a_few_points_change_nothing(keyframe, scattered, count):
    few = scattered[:count]
    propagate_depth(keyframe, few, slanted(few), np.full(count, 1e-4))
    assert (keyframe.inverse_depth == 0.25).all()
    assert not keyframe.known.any()


def test_known_cells_are_points_in_the_world(keyframe):
    cells = np.array([100, 700])
    keyframe.inverse_depth[cells] = 1 / np.array([2.0, 5.0])
    keyframe.variance[cells] = [1e-8, 1e-3]
    points, confidence = keyframe.points()
    in_keyframe = keyframe.rays[cells] * [[2.0], [5.0]]
    expected = in_keyframe @ keyframe.pose[:3, :3].T + (1.0, 2.0, 3.0)
    assert points == pytest.approx(expected)
    assert confidence[0] > 0.99 > confidence[1] > 0


def test_a_depth_behind_the_camera_is_not_known(keyframe):
    keyframe.inverse_depth[:], keyframe.variance[:] = -0.25, 1e-8
    assert not keyframe.known.any()


def test_the_reference_depth_follows_the_known_cells(keyframe):
    keyframe.inverse_depth[:100], keyframe.variance[:100] = 0.1, 1e-6
    keyframe.update_reference_depth()
    assert keyframe.reference_depth == pytest.approx(10.0)


def test_the_reference_depth_stays_where_nothing_is_known(keyframe):
    keyframe.update_reference_depth()
    assert keyframe.reference_depth == 4.0


def test_observations_count_errors_in_standard_deviations(keyframe):
    """Whatever the direction: here two pixels along one diagonal, a tenth along the other."""
    diagonal = np.array([[1.0, 1.0], [-1.0, 1.0]]) / np.sqrt(2)
    information = diagonal.T @ np.diag([1 / 2.0**2, 1 / 0.1**2]) @ diagonal
    cells = np.array([300, 301])
    truth = keyframe.encoded.cell_centres()[cells]
    shift = diagonal * [[2.0], [0.1]]
    located = LocatedMatches(truth + shift, np.stack([information] * 2), np.ones(2, bool))
    observations, kept = keyframe.observed(cells, located, keyframe.frame.camera)
    assert kept.tolist() == [0, 1]
    error = (observations.rays1 - keyframe.rays[cells])[:, :2]
    whitened = np.einsum('nij,nj->ni', observations.whitening, error)
    assert np.linalg.norm(whitened, axis=1) == pytest.approx([1.0, 1.0])


def measured(cells, measured_variance, posterior_variance):
    """A motion that measured the depth of cells to be a third of a metre's inverse."""
    count = len(cells)
    return SimpleNamespace(
        inliers=np.ones(count, bool),
        inverse_depth=np.full(count, 0.3),
        depth_variance=np.full(count, posterior_variance),
        measured_variance=np.full(count, measured_variance),
        matches=SimpleNamespace(cells=cells),
    )


def test_many_frames_do_not_make_a_depth_surer_than_its_best_single_measurement(keyframe):
    """Errors of one match are alike from frame to frame, so they do not average out."""
    cells, best = np.arange(50, 80), 0.01**2
    for count in range(1, 21):
        update_depth(keyframe, measured(cells, best, best / count))
        assert (keyframe.variance[cells] >= best).all()
    assert keyframe.variance[cells] == pytest.approx(np.full(30, best))
    update_depth(keyframe, measured(cells, best / 4, best / 80))
    assert keyframe.variance[cells] == pytest.approx(np.full(30, best / 4))


def test_what_is_known_stays_known_where_a_frame_measures_nothing(keyframe):
    cells = np.arange(50, 80)
    update_depth(keyframe, measured(cells, 1e-4, 1e-4))
    update_depth(keyframe, measured(cells, 1e6, 2e-4))
    assert keyframe.variance[cells] == pytest.approx(np.full(30, 1e-4))


def test_rays_are_those_of_the_middle_row_when_the_camera_turns(keyframe):
    """A row that is read a share s after the middle one belongs to a camera turned by s turns."""
    turn, cells = np.array([0.02, -0.04, 0.03]), np.arange(1200)
    still = keyframe.rays.copy()
    centres = keyframe.encoded.cell_centres()
    share = (centres[:, 1] + 0.5) / HEIGHT - 0.5
    turned = Rotation.from_rotvec(share[:, None] * turn).apply(still)
    expected = turned / turned[:, 2:]
    located = LocatedMatches(centres, np.stack([np.eye(2)] * 1200), np.ones(1200, bool))
    observations, _ = keyframe.observed(cells, located, keyframe.frame.camera, turn)
    assert observations.rays1 == pytest.approx(expected, abs=3e-5)
    assert np.abs(expected - still).max() > 0.02
    keyframe.set_readout_rotation(turn)
    assert keyframe.rays == pytest.approx(expected, abs=3e-5)


def test_derivatives_of_straightened_rays_are_those_by_the_pixel(keyframe):
    turn, cells, step = np.array([0.1, -0.2, 0.15]), np.arange(1200), 1e-4
    centres = keyframe.encoded.cell_centres()
    information, tracked = np.stack([np.eye(2)] * 1200), np.ones(1200, bool)

    def seen(places):
        located = LocatedMatches(places, information, tracked)
        return keyframe.observed(cells, located, keyframe.frame.camera, turn)[0]

    columns = [
        (seen(centres + each).rays1 - seen(centres - each).rays1)[:, :2] / (2 * step)
        for each in step * np.eye(2)
    ]
    np.testing.assert_allclose(seen(centres).by_pixel1, np.stack(columns, -1), atol=1e-7)
