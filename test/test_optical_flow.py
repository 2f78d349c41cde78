# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Optical flow from initial positions, also of no points at all."""

import cv2
import numpy as np

from loftr_vo.matching.optical_flow import FlowOptions, optical_flow

OPTIONS = FlowOptions(15, 2, 20, 0.01, 1e-4)


def texture():
    noise = np.random.default_rng(0).integers(0, 256, (96, 128), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2.0)


def test_a_shift_is_found():
    image = texture()
    shifted = np.roll(image, (2, 3), (0, 1))
    points = np.array([[40.0, 40.0], [80.0, 50.0]])
    moved, found, dissimilarity = optical_flow(image, shifted, points, points, OPTIONS)
    assert found.all()
    np.testing.assert_allclose(moved, points + np.array([3.0, 2.0]), atol=0.05)
    assert (dissimilarity < 1.0).all()


def test_no_points_are_no_error():
    none = np.zeros((0, 2))
    moved, found, dissimilarity = optical_flow(texture(), texture(), none, none, OPTIONS)
    assert moved.shape == (0, 2)
    assert found.shape == dissimilarity.shape == (0,)
