# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Depths of the map against exact ones: no step changes the scale, and no relief is squeezed."""

import numpy as np
import pytest

from experiments.depth_bias import follow, log_ratios, true_inverse_depth
from loftr_vo.config import Settings
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame
from loftr_vo.synthetic.sequence import SyntheticSequence


class PlaneView:
    """A keyframe before a slanted plane with a step in the middle, its depths exact."""

    def __init__(self):
        matrix = np.array([[100.0, 0, 49.5], [0, 100.0, 39.5], [0, 0, 1]])
        camera = Camera(100, 80, matrix, 'plumb_bob', np.zeros(5))
        x, y = np.meshgrid(np.arange(100.0), np.arange(80.0))
        self.inverse = 0.2 + 0.001 * x + 0.002 * y + 0.3 * (x >= 50)
        image = np.zeros((80, 100), np.uint8)
        self.frame = Frame(image, 0, camera, depth=(1 / self.inverse).astype(np.float32))
        self.known = np.array([True, True, False])
        self.inverse_depth = np.array([0.2 + 0.0205 + 0.06, 2 * (0.5 + 0.0705 + 0.06), 1.0])
        self.offsets = np.array([[0.5, 0.0], [0.5, 0.0], [0.0, 0.0]])
        self.encoded = self

    def cell_centres(self):
        return np.array([[20.0, 30.0], [70.0, 30.0], [80.0, 30.0]])


def test_true_depth_is_interpolated_on_a_surface_and_unknown_at_its_edge():
    view = PlaneView()
    pixels = np.array([[20.5, 30.25], [49.5, 30.0], [-1.0, 3.0], [99.0, 79.0]])
    found = true_inverse_depth(view, pixels)
    assert found[[0, 3]] == pytest.approx([0.2 + 0.0205 + 0.0605, 0.2 + 0.099 + 0.158 + 0.3])
    assert np.isnan(found[[1, 2]]).all()


def test_log_ratios_are_of_known_cells():
    assert log_ratios(PlaneView()) == pytest.approx([0, np.log(2), np.nan], abs=1e-5, nan_ok=True)


def test_scale_stays_and_near_and_far_keep_their_ratio():
    ledger = follow(SyntheticSequence('street', frames=24, rate=10.0, seed=1), Settings())
    for step in ('depth filter', 'triangulation', 'window'):
        assert np.abs(np.mean(ledger.added[step], axis=0)).max() < 0.003, step
    course = np.array(ledger.course)[2:]  # the first windows still settle
    assert len(course) > 4
    assert np.ptp(course[:, 0]) < 0.025
    # Near cells are 3 % too far against far ones: along edges, matches follow what depth predicts.
    assert np.abs(np.median(course[:, 1] - course[:, 2])) < 0.04
