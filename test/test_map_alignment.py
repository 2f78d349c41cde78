# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The scale between two maps that see one place, and when there is none to be had."""

from types import SimpleNamespace

import numpy as np
import pytest

from loftr_vo.odometry.map.map_alignment import scale_between

PIXELS = np.stack(np.meshgrid(np.arange(0, 320, 20.0), np.arange(0, 240, 20.0)), -1).reshape(-1, 2)


def seeing(inverse_depth, sigma=0.02, pixels=PIXELS):
    variance = (sigma * inverse_depth) ** 2
    return SimpleNamespace(depth_in_frame=lambda: (pixels, inverse_depth, variance))


@pytest.fixture
def random():
    return np.random.default_rng(5)


@pytest.fixture
def depths(random):
    return random.uniform(0.2, 1.0, len(PIXELS))


def noisy(depths, random, sigma=0.02):
    return depths * np.exp(random.normal(0, sigma, len(depths)))


def test_the_scale_is_that_of_the_depths_of_the_same_points(depths, random):
    # What is twice as near in the second map's unit is in lengths half as long.
    found = scale_between(seeing(noisy(depths, random)), seeing(noisy(2 * depths, random)))
    assert found == pytest.approx(0.5, rel=0.02)


def test_some_that_look_at_other_surfaces_do_no_harm(depths, random):
    there = noisy(2 * depths, random)
    there[::4] = random.uniform(0.1, 3.0, len(there[::4]))
    assert scale_between(seeing(depths), seeing(there)) == pytest.approx(0.5, rel=0.03)


def test_depths_that_contradict_each_other_have_no_ratio(depths, random):
    there = random.permutation(2 * depths)
    assert scale_between(seeing(depths), seeing(there)) is None


def test_few_points_have_none(depths):
    few = seeing(depths[:14], pixels=PIXELS[:14])
    assert scale_between(few, seeing(depths)) is None


def test_points_apart_are_not_one(depths):
    assert scale_between(seeing(depths), seeing(depths, pixels=PIXELS + 9.0)) is None
