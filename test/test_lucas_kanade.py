# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Sub-pixel matches on pictures whose shift is known exactly."""

import cv2
import numpy as np
import pytest

from loftr_vo.geometry.matrix2x2 import with_variance_added
from loftr_vo.imaging.contrast_normalisation import normalise_contrast
from loftr_vo.matching.lucas_kanade import (
    _FORWARD,
    WINDOW,
    locate,
    network_locations,
    texture_at,
)
from loftr_vo.matching.matches import Matches
from loftr_vo.matching.optical_flow import optical_flow
from loftr_vo.matching.tuning import TUNING

SHAPE = (160, 200)
SHIFT = np.array([2.37, -1.61])
NETWORK_ERROR = 0.4  # pixels along an axis


@pytest.fixture
def random():
    return np.random.default_rng(2)


@pytest.fixture
def points():
    x, y = np.meshgrid(np.arange(24, 176, 8), np.arange(24, 136, 8))
    return np.column_stack([x.ravel(), y.ravel()]).astype(np.float32)


def pixel_grid(shift):
    y, x = np.indices(SHAPE, dtype=float)
    return x - shift[0], y - shift[1]


def waves(shift=(0.0, 0.0)):
    """Return a picture full of texture, moved by ``shift`` exactly, as (H, W) grey levels."""
    x, y = pixel_grid(shift)
    random = np.random.default_rng(0)
    total = np.zeros(SHAPE)
    for _ in range(30):
        angle, length, phase = random.uniform(0, 2 * np.pi), random.uniform(8, 40), random.random()
        along = x * np.cos(angle) + y * np.sin(angle)
        total += np.sin(2 * np.pi * (along / length + phase))
    return 128 + 12 * total


def upright_edge(shift=(0.0, 0.0)):
    """Return a picture with one soft vertical edge in the middle."""
    x, _ = pixel_grid(shift)
    return 128 + 60 * np.tanh((x - SHAPE[1] / 2) / 2)


def dots():
    """Return a picture of soft dots with nothing between them, as (H, W) float32 grey levels."""
    random = np.random.default_rng(1)
    light = np.zeros(SHAPE, np.float32)
    light[random.integers(0, SHAPE[0], 200), random.integers(0, SHAPE[1], 200)] = 1500
    return 60 + cv2.GaussianBlur(light, (0, 0), 1.5)


def picture(light, random, noise=0.5):
    noisy = light + random.normal(0, noise, SHAPE)
    return np.clip(noisy.round(), 0, 255).astype(np.uint8)


def network_matches(random, points, shift=SHIFT):
    error = random.normal(0, NETWORK_ERROR, points.shape)
    count = len(points)
    return Matches(
        points,
        (points + shift + error).astype(np.float32),
        np.full(count, 0.9, np.float32),
        np.full(count, 2**0.5 * NETWORK_ERROR, np.float32),
        np.arange(count),
    )


def located(image0, image1, matches):
    texture = texture_at(image0, matches.keypoints0)
    return locate(normalise_contrast(image0), texture, normalise_contrast(image1), matches)


def test_a_shift_is_found_to_a_twentieth_of_a_pixel(random, points):
    image0, image1 = picture(waves(), random), picture(waves(SHIFT), random)
    matches = network_matches(random, points)
    found = located(image0, image1, matches)
    error = np.linalg.norm(found.points - points - SHIFT, axis=1)
    assert np.median(error) < 0.05
    assert np.mean(found.tracked) > 0.9
    assert np.median(np.linalg.norm(matches.keypoints1 - points - SHIFT, axis=1)) > 0.3


def test_it_is_surer_than_the_network_where_there_is_texture(random, points):
    image0, image1 = picture(waves(), random), picture(waves(SHIFT), random)
    matches = network_matches(random, points)
    found = located(image0, image1, matches)
    least = np.linalg.eigvalsh(found.information)[found.tracked, 0]
    assert (least > 4 * network_locations(matches).information[0, 0, 0]).all()


@pytest.mark.parametrize('noise', [0.5, 2.0])
def test_an_edge_measures_across_and_the_network_along(random, points, noise):
    near = points[np.abs(points[:, 0] - SHAPE[1] / 2) < 5]
    image0 = picture(upright_edge(), random, noise)
    image1 = picture(upright_edge(SHIFT), random, noise)
    matches = network_matches(random, near)
    found = located(image0, image1, matches)
    seen = found.tracked
    assert seen.mean() > 0.2
    across = found.points[seen, 0] - near[seen, 0] - SHIFT[0]
    assert np.abs(across).max() < 0.15
    along = found.points[seen, 1] - matches.keypoints1[seen, 1]
    assert np.median(np.abs(along)) < 0.02
    assert (found.information[seen, 0, 0] > 5 * found.information[seen, 1, 1]).all()


def test_it_is_less_sure_the_less_alike_the_windows_are(random, points):
    """Noise that both pictures have costs nothing more; blur of one of them does."""
    image0 = picture(waves(), random, 2.0)
    matches = network_matches(random, points)
    information = []
    for deviation in (0.01, 2.0, 4.0):
        blurred = cv2.GaussianBlur(waves(SHIFT), (0, 0), deviation)
        found = located(image0, picture(blurred, random, 2.0), matches)
        information.append(np.median(found.information[found.tracked, 0, 0]))
    bound = with_variance_added(texture_at(image0, points).information, TUNING.model_sigma**2)
    network = network_locations(matches).information
    assert information[0] == pytest.approx(np.median((bound + network)[:, 0, 0]), rel=0.1)
    assert information[0] > 1.2 * information[1] > 1.5 * information[2]


@pytest.mark.parametrize('noise', [0.0, 3.0])
def test_on_a_blank_picture_the_match_of_the_network_stays(random, points, noise):
    blank = np.full(SHAPE, 128.0)
    matches = network_matches(random, points)
    found = located(picture(blank, random, noise), picture(blank, random, noise), matches)
    moved = np.linalg.norm(found.points - matches.keypoints1, axis=1)
    assert np.median(moved) < 0.02
    assert np.quantile(moved, 0.95) < 0.5 * NETWORK_ERROR


def test_tracking_far_from_the_networks_match_is_rejected(random, points):
    """Repeated texture draws Lucas-Kanade to the wrong stripe."""
    image0, image1 = picture(waves(), random), picture(waves(SHIFT + 4.0), random)
    matches = network_matches(random, points)
    found = located(image0, image1, matches)
    assert np.mean(found.tracked) < 0.1
    lost = ~found.tracked
    assert found.points[lost] == pytest.approx(matches.keypoints1[lost], abs=1e-4)


@pytest.mark.parametrize('light', [waves, upright_edge, lambda shift=0: np.full(SHAPE, 9.0)])
def test_information_is_positive_definite(random, points, light):
    found = located(
        picture(light(), random), picture(light(SHIFT), random), network_matches(random, points)
    )
    assert (np.linalg.eigvalsh(found.information)[:, 0] > 0).all()
    assert np.isfinite(found.points).all()


def test_noise_does_not_pretend_to_be_texture(random, points):
    blank = picture(np.full(SHAPE, 128.0), random, noise=5.0)
    textured = picture(waves(), random, noise=5.0)
    largest_of_noise = np.linalg.eigvalsh(texture_at(blank, points).information)[:, 1]
    least_of_texture = np.linalg.eigvalsh(texture_at(textured, points).information)[:, 0]
    assert np.quantile(largest_of_noise, 0.95) < 0.1 * np.median(least_of_texture)


def test_noise_lowers_the_weight_of_texture(random, points):
    quiet, noisy = (
        texture_at(picture(waves(), random, noise), points).information for noise in (1.0, 8.0)
    )
    assert np.median(np.trace(noisy, axis1=1, axis2=2)) < 0.2 * np.median(
        np.trace(quiet, axis1=1, axis2=2)
    )


def test_leaving_out_the_differences_of_grey_values_moves_no_point(random, points):
    image0, image1 = picture(waves(), random), picture(waves(SHIFT), random)
    start = network_matches(random, points).keypoints1
    moved, found, _ = optical_flow(image0, image1, points, start, _FORWARD, positions_only=True)
    plain, plainly_found, _ = cv2.calcOpticalFlowPyrLK(
        image0,
        image1,
        points[:, None],
        start[:, None].copy(),
        winSize=(WINDOW, WINDOW),
        maxLevel=0,
        criteria=(
            cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT,
            TUNING.iterations,
            TUNING.least_step,
        ),
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        minEigThreshold=1e-6,
    )
    assert found.all()
    np.testing.assert_array_equal(moved, plain[:, 0])
    np.testing.assert_array_equal(found, plainly_found[:, 0] > 0)


def test_points_at_and_past_the_edge_do_no_harm(random):
    corners = np.array([[0, 0], [199, 0], [0, 159], [199, 159], [199.4, 159.4]], np.float32)
    image = picture(waves(), random)
    found = located(image, image, network_matches(random, corners, shift=np.zeros(2)))
    assert np.isfinite(found.points).all()
    assert (np.linalg.eigvalsh(found.information)[:, 0] > 0).all()


def test_no_matches_are_located_as_none(random):
    image = picture(waves(), random)
    found = located(image, image, network_matches(random, np.empty((0, 2), np.float32)))
    assert found.points.shape == (0, 2)
    assert found.information.shape == (0, 2, 2)


def test_the_variance_of_the_network_has_a_lower_bound(random, points):
    matches = network_matches(random, points)
    boast = Matches(
        matches.keypoints0,
        matches.keypoints1,
        matches.confidence,
        np.full(len(points), 1e-4, np.float32),
        matches.cells,
    )
    assert network_locations(boast).information.max() < 100


def test_noise_is_that_of_the_picture_in_even_light(random, points):
    image = picture(waves(), random, 6.0)
    noise = texture_at(image, points).noise
    quiet = normalise_contrast(picture(waves(), random, 0.0)).astype(float)
    x, y = points.astype(int).T
    assert np.median(noise) == pytest.approx(
        (normalise_contrast(image) - quiet)[y, x].std(), rel=0.3
    )


def test_a_selection_keeps_what_belongs_together(random, points):
    found = network_locations(network_matches(random, points)).select(np.array([3, 1]))
    full = network_locations(network_matches(np.random.default_rng(2), points))
    assert np.array_equal(found.points, full.points[[3, 1]])
    assert found.information.shape == (2, 2, 2)
    assert found.tracked.shape == (2,)


def test_the_centre_of_texture_is_where_the_texture_is(random):
    """Five pixels right of the point is an edge; half a window above it another."""
    right, above = np.full(SHAPE, 60.0), np.full(SHAPE, 60.0)
    right[:, 106:] = 180
    above[:76] = 180
    point = np.array([[100.0, 80.0]])
    assert texture_at(picture(right, random), point).centre[0] == pytest.approx([5.5, 0], abs=0.3)
    assert texture_at(picture(above, random), point).centre[0] == pytest.approx([0, -4.5], abs=0.3)


def test_noise_alone_has_its_centre_in_the_middle(random, points):
    blank = picture(np.full(SHAPE, 120.0), random, noise=6.0)
    assert np.abs(texture_at(blank, points).centre).max() < 1.5


def test_a_picture_that_grows_is_followed_at_the_centre_of_texture(random, points):
    """Where the window grows, its shift is that of its texture and not that of its middle."""
    growth, middle = 0.06, np.array(SHAPE[::-1]) / 2

    def grown(places):
        return middle + (places - middle) * (1 + growth)

    y, x = np.indices(SHAPE, dtype=np.float32)
    light = dots()
    back = ((np.stack([x, y], -1) - middle) / (1 + growth) + middle).astype(np.float32)
    larger = cv2.remap(light, back[..., 0], back[..., 1], cv2.INTER_CUBIC, None)
    image0, image1 = picture(light, random), picture(larger, random)
    start = grown(points).astype(np.float32)
    count = len(points)
    matches = Matches(
        points, start, np.ones(count, np.float32), np.ones(count, np.float32), np.arange(count)
    )
    texture = texture_at(image0, points)
    found = locate(normalise_contrast(image0), texture, normalise_contrast(image1), matches)
    at_middle = np.linalg.norm(found.points - grown(points), axis=1)
    places = points + texture.centre
    at_centre = np.linalg.norm(found.points + texture.centre - grown(places), axis=1)
    assert np.median(at_centre[found.tracked]) < 0.6 * np.median(at_middle[found.tracked])
