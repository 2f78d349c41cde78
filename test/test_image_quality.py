# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Why a picture cannot be matched: dark, bright, blurred, without texture."""

import cv2
import numpy as np
import pytest
from exact_world import pose

from loftr_vo.imaging.image_quality import quality_problem, sharpness


@pytest.fixture(scope='module')
def good(world):
    return world.see(pose()).image


def noisy(image, sigma, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip((image + noise).round(), 0, 255).astype(np.uint8)


def test_a_good_picture_gives_no_cause_for_complaint(world, good):
    assert quality_problem(good, good) == ''
    assert quality_problem(world.see(pose((0.5, 0, 0), (20, 0, 0))).image, good) == ''


@pytest.mark.parametrize('sigma', [0.0, 3.0])
def test_a_covered_lens_is_black(good, sigma):
    assert 'black' in quality_problem(noisy(np.zeros_like(good), sigma), good)


@pytest.mark.parametrize('grey', [40, 128, 255])
@pytest.mark.parametrize('sigma', [0.0, 2.0])
def test_a_picture_of_nothing_is_blank(good, grey, sigma):
    assert 'blank' in quality_problem(noisy(np.full_like(good, grey), sigma), good)


def test_a_blurred_picture_is_called_so(good):
    assert 'blurred' in quality_problem(cv2.GaussianBlur(good, (0, 0), 5), good)


def test_a_dim_and_noisy_picture_of_something_is_neither_black_nor_blank(good):
    assert quality_problem(noisy(good * 0.2, 2.0), good) == ''


def test_contrast_does_not_count_as_sharpness(good):
    assert sharpness((good * 0.5).astype(np.uint8)) == pytest.approx(sharpness(good), rel=0.05)


def test_a_flat_picture_has_no_sharpness():
    assert sharpness(np.full((50, 50), 77, np.uint8)) == 0.0
