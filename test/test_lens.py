# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What a lens does to the errors of matches: derivatives, distances in pixels and covariances."""

import cv2
import numpy as np
import pytest
from exact_world import ExactMatcher, pose
from lens_room import LENSES, LensRoom, walk
from scipy.spatial.transform import Rotation

from loftr_vo.config import Settings, replace
from loftr_vo.evaluation.consistency import BOUNDS, inside, normalised_errors
from loftr_vo.evaluation.feature_links import Links, with_rays
from loftr_vo.geometry.epipolar import epipolar_distance
from loftr_vo.imaging.camera import Camera
from loftr_vo.matching.lucas_kanade import LocatedMatches
from loftr_vo.odometry import VisualOdometry
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.pose.depth_refinement import distance_by_depth
from loftr_vo.odometry.pose.pose_refinement import inlier_mask, refine_pose
from loftr_vo.odometry.pose.two_view import essential_motion
from loftr_vo.odometry.rolling_shutter.model import NO_ROTATION

MODELS = [
    ('plumb_bob', []),
    ('plumb_bob', [0.2312, -0.7849, -0.0033, -0.0001, 0.9172]),
    ('plumb_bob', [-0.2834, 0.0739, 0.0002, 2e-5]),
    ('rational_polynomial', [0.5, -0.3, 0.001, 0.001, 0.2, 0.1, 0.3, 0.02]),
    ('rational_polynomial', [8.0, 4.0, 0.001, -0.001, 0.2, 8.3, 6.5, 1.1]),
    ('equidistant', [0.0034, 0.0008, -0.002, 0.0002]),
]
NOISE = 0.3  # pixels along each axis


def camera_of(model, coefficients):
    matrix = np.array([[420.0, 0, 322.0], [0, 424.0, 236.0], [0, 0, 1]])
    return Camera(640, 480, matrix, model, np.array(coefficients))


def projected(camera, rays):
    """OpenCV's own pixels (N, 2) of rays (N, 2) in double precision."""
    points = np.column_stack([rays, np.ones(len(rays))])[:, None]
    fisheye = camera.distortion_model == 'equidistant'
    project = cv2.fisheye.projectPoints if fisheye else cv2.projectPoints
    pixels, _ = project(points, np.zeros(3), np.zeros(3), camera.matrix, camera.distortion)
    return pixels[:, 0]


def numerical_derivatives(camera, rays, step=1e-6):
    """(N, 2, 2) of the pixels by the rays, by central differences of OpenCV's projection."""
    columns = [
        (projected(camera, rays + each) - projected(camera, rays - each)) / (2 * step)
        for each in step * np.eye(2)
    ]
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize('looked_up', [True, False])
@pytest.mark.parametrize(('model', 'coefficients'), MODELS)
def test_derivatives_are_those_of_opencvs_projection(model, coefficients, looked_up):
    camera = camera_of(model, coefficients)
    if not looked_up:
        camera._lens.__dict__['_ray_table'] = None
    pixels = np.random.default_rng(0).uniform((0, 0), (639, 479), (500, 2))
    rays = camera.undistort(pixels)
    wanted = numerical_derivatives(camera, rays)
    np.testing.assert_allclose(camera.pixel_by_ray(rays), wanted, rtol=1e-5, atol=1e-3)
    product = camera.ray_by_pixel(pixels, rays) @ wanted
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(2), product.shape), atol=1e-3)


def test_no_ray_has_no_derivative():
    camera = LENSES['fisheye']
    corner = np.array([[0.0, 0.0]])
    assert not np.isfinite(camera.ray_by_pixel(corner, camera.undistort(corner))).any()
    assert camera.ray_by_pixel(np.empty((0, 2)), np.empty((0, 2))).shape == (0, 2, 2)


class Views:
    """A keyframe in a room, its depths exact, and where a second camera sees its cells."""

    def __init__(self, camera, readout_rotation=NO_ROTATION):
        room = LensRoom(camera)
        matcher = ExactMatcher(room, noise=0.0, outliers=0.0)
        frame0, frame1 = room.film([pose(), pose((0.4, -0.1, 0.3), (6, -3, 2))])
        encoded = matcher.encode(frame0.image)
        matches = matcher.match(encoded, matcher.encode(frame1.image)).result()
        there = np.linalg.inv(pose((0.4, -0.1, 0.3), (6, -3, 2)))
        self.rotation, self.translation = there[:3, :3], there[:3, 3]
        self.keyframe = Keyframe(
            0,
            frame0,
            encoded,
            np.eye(4),
            np.eye(7),
            3.0,
            refined=False,
            readout_rotation=readout_rotation,
        )
        x, y = encoded.cell_centres().round().astype(int).T
        with np.errstate(divide='ignore'):
            self.keyframe.inverse_depth = 1 / frame0.depth[y, x].astype(float)
        self.keyframe.variance = (0.005 * self.keyframe.inverse_depth) ** 2
        self.camera = camera
        self.cells, self.places = matches.cells, matches.keypoints1.astype(float)
        _, usable = self.observed()
        self.cells, self.places = self.cells[usable], self.places[usable]

    def observed(self, places=None):
        places = self.places if places is None else places
        information = np.broadcast_to(np.eye(2) / NOISE**2, (len(places), 2, 2))
        located = LocatedMatches(places, information, np.ones(len(places), bool))
        observations, kept = self.keyframe.observed(self.cells, located, self.camera)
        return observations, kept


@pytest.fixture(scope='module', params=LENSES)
def views(request):
    return Views(LENSES[request.param])


def test_an_error_counts_as_many_standard_deviations_wherever_it_lies(views):
    """Whitened residuals of drawn errors are standard normal, in the middle and at the rim."""
    random = np.random.default_rng(1)
    exact, _ = views.observed()
    draws = random.normal(0, NOISE, (40, *views.places.shape))
    squared = np.zeros(len(views.cells))
    for draw in draws:
        observations, kept = views.observed(views.places + draw)
        error = (observations.rays1 - exact.rays1[kept])[:, :2]
        whitened = np.einsum('nij,nj->ni', observations.whitening, error)
        squared[kept] += np.sum(whitened**2, axis=1) / 2 / len(draws)
    angle = np.arctan(np.linalg.norm(exact.rays1[:, :2], axis=1))
    middle, rim = angle < np.quantile(angle, 0.1), angle > np.quantile(angle, 0.9)
    assert np.mean(squared[middle]) == pytest.approx(1, abs=0.06)
    assert np.mean(squared[rim]) == pytest.approx(1, abs=0.06)


def test_distances_are_in_pixels_wherever_a_match_lies(views):
    random = np.random.default_rng(2)
    angle = random.uniform(0, 2 * np.pi, len(views.places))
    shift = 0.5 * np.column_stack([np.cos(angle), np.sin(angle)])
    observations, kept = views.observed(views.places + shift)
    away = distance_by_depth(observations, views.rotation, views.translation)
    assert np.quantile(away, [0.02, 0.98]) == pytest.approx([0.5, 0.5], abs=0.03)
    refined = refine_pose(observations, views.rotation, views.translation, held=True)
    assert inlier_mask(refined, 0.6).mean() > 0.97
    exact, _ = views.observed()
    distance = epipolar_distance(
        observations.rays0,
        observations.rays1,
        views.rotation,
        views.translation,
        observations.by_pixel,
    )
    # No farther than the shift, and by the line's direction less; Sampson's shares it out between
    # both pictures.
    assert np.abs(distance).max() < 0.52
    assert np.median(np.abs(distance)) > 0.15
    assert len(exact.prior) == len(kept)


def test_the_motion_is_found_among_outliers(views):
    random = np.random.default_rng(3)
    places = views.places + random.normal(0, NOISE, views.places.shape)
    size = views.camera.width - 1, views.camera.height - 1
    wrong = random.random(len(places)) < 0.3
    places[wrong] = random.uniform((0, 0), size, (wrong.sum(), 2))
    observations, kept = views.observed(places)
    found = essential_motion(observations.rays0, observations.rays1, 1.0, observations.by_pixel)
    turn = Rotation.from_matrix(found.rotation @ views.rotation.T).magnitude()
    assert np.degrees(turn) < 0.3
    angle = np.arctan(np.linalg.norm(observations.rays1[:, :2], axis=1))
    right = ~wrong[kept]
    for chosen in (angle < np.quantile(angle, 0.2), angle > np.quantile(angle, 0.8)):
        assert found.inliers[right & chosen].mean() > 0.97


def test_the_covariance_says_how_large_the_error_is(views):
    random = np.random.default_rng(4)
    some = np.sort(random.choice(len(views.cells), 80, replace=False))
    views_cells, views_places = views.cells, views.places
    normalised = []
    try:
        views.cells, views.places = views_cells[some], views_places[some]
        for _ in range(150):
            drawn = views.places + random.normal(0, NOISE, views.places.shape)
            observations, _ = views.observed(drawn)
            refined = refine_pose(observations, views.rotation, views.translation)
            turn = Rotation.from_matrix(refined.rotation @ views.rotation.T).as_rotvec()
            error = np.concatenate([refined.translation - views.translation, turn])
            normalised.append(error @ np.linalg.solve(refined.covariance, error))
    finally:
        views.cells, views.places = views_cells, views_places
    assert 4.0 < np.mean(normalised) < 8.0


@pytest.mark.parametrize('lens', ['wide', 'fisheye'])
def test_the_covariance_is_as_large_as_the_errors(lens):
    """Before errors were weighed by the lens, 62 and 88 % were above the bounds."""
    normalised = []
    for seed in range(2):
        room, poses = LensRoom(LENSES[lens], seed), walk(30, seed)
        settings = {'matcher.device': 'cpu', 'geometry.refine_matches': False}
        odometry = VisualOdometry(replace(Settings(), settings))
        odometry._matcher = ExactMatcher(room, noise=NOISE, outliers=0.1)
        estimates = list(odometry.stream(room.film(poses)))
        normalised.append(normalised_errors(estimates, np.stack(poses)))
    joined = np.concatenate(normalised)
    assert np.mean(joined > BOUNDS[1]) < 0.1
    assert inside(joined) > 0.6


def test_the_classical_baselines_use_no_point_without_a_ray():
    points = np.array([[255.0, 255.0], [0.0, 0.0], [200.0, 300.0]], np.float32)
    links = Links(points, points[::-1], np.arange(3), np.arange(3))
    assert with_rays(links, LENSES['fisheye']).index0.tolist() == [0, 2]
