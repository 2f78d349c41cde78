# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Local contrast normalisation, and matches refined under changing light."""

import cv2
import numpy as np
import pytest

from loftr_vo.imaging.contrast_normalisation import contrast_gain, normalise_contrast
from loftr_vo.matching.lucas_kanade import locate, texture_at
from loftr_vo.matching.matches import Matches

SHAPE = (240, 320)
SHIFT = np.array([3.4, -2.3])


def texture():
    noise = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    picture = cv2.GaussianBlur(noise, (0, 0), 2) + 2 * cv2.GaussianBlur(noise, (0, 0), 6)
    return cv2.normalize(picture, None, 30, 225, cv2.NORM_MINMAX)


def shifted(picture):
    matrix = np.array([[1, 0, SHIFT[0]], [0, 1, SHIFT[1]]])
    flags = cv2.INTER_CUBIC
    return cv2.warpAffine(picture, matrix, SHAPE[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT)


def as_image(picture):
    return np.clip(picture.round(), 0, 255).astype(np.uint8)


def darker(picture):
    return 0.5 * picture + 20


def vignetted(picture):
    y, x = np.indices(SHAPE)
    return picture * (1 - 0.5 * ((x / SHAPE[1] - 0.5) ** 2 + (y / SHAPE[0] - 0.5) ** 2) / 0.5)


def half_in_the_shade(picture):
    return picture * np.linspace(1.0, 0.4, SHAPE[1])


@pytest.mark.parametrize('change', [darker, vignetted, half_in_the_shade])
def test_normalised_pictures_hardly_differ_when_the_light_does(change):
    here, there = as_image(texture()), as_image(change(texture()))
    before = np.abs(here.astype(float) - there).mean()
    after = np.abs(normalise_contrast(here).astype(float) - normalise_contrast(there)).mean()
    assert after < 0.25 * before


def test_noise_on_a_blank_wall_does_not_become_texture():
    wall = as_image(np.random.default_rng(1).normal(120, 1, SHAPE))
    normalised = normalise_contrast(wall)
    assert normalised.dtype == np.uint8 and normalised.shape == SHAPE
    assert normalised.std() < 20
    assert (normalise_contrast(np.full(SHAPE, 7, np.uint8)) == 128).all()


@pytest.mark.parametrize('change', [lambda picture: picture, darker, vignetted, half_in_the_shade])
def test_matches_are_refined_whatever_the_light(change):
    """The network's places are off by up to a pixel; Lucas-Kanade mends that in any light."""
    image0, image1 = as_image(texture()), as_image(change(shifted(texture())))
    y, x = np.mgrid[32:208:8, 32:288:8]
    points = np.column_stack([x.ravel(), y.ravel()]).astype(np.float32)
    count = len(points)
    rng = np.random.default_rng(2)
    matches = Matches(
        keypoints0=points,
        keypoints1=(points + SHIFT + rng.uniform(-0.7, 0.7, (count, 2))).astype(np.float32),
        confidence=np.ones(count, np.float32),
        spread=np.full(count, 1.5, np.float32),
        cells=np.arange(count),
    )
    located = locate(
        normalise_contrast(image0), texture_at(image0, points), normalise_contrast(image1), matches
    )
    errors = np.linalg.norm(located.points - points - SHIFT, axis=1)
    assert located.tracked.mean() > 0.9
    assert np.median(errors) < 0.08


def test_it_is_the_plain_formula_to_the_bit():
    random = np.random.default_rng(5)
    for shape in ((60, 80), (48, 101), (60, 80)):
        image = random.integers(0, 256, shape, np.uint8)
        grey = image.astype(np.float32)
        mean = cv2.boxFilter(grey, cv2.CV_32F, (31, 31))
        square = cv2.sqrBoxFilter(grey, cv2.CV_32F, (31, 31))
        gain = 40.0 / (np.sqrt(np.maximum(square - mean * mean, 0.0)) + 2.0)
        plain = cv2.convertScaleAbs(np.maximum((grey - mean) * gain + 128.0, 0.0))
        normalised = normalise_contrast(image)
        normalise_contrast(random.integers(0, 256, shape, np.uint8))
        assert np.array_equal(normalised, plain), (
            'the memory is used again, but not that of results'
        )
        assert np.array_equal(contrast_gain(image), gain)
