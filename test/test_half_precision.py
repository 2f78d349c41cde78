# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Half precision gives the matches and the motion of float32."""

import itertools

import pytest
from exact_world import World, pose
from paths import DATA

from experiments.precision import HALF, agreement
from loftr_vo.config import Settings, replace
from loftr_vo.datasets import open_sequence

# Frames apart at which the motion of a pair is well determined.
APART = {'tum_fr2_desk': 4, 'kitti06': 1, 'fountain': 1}


def assert_agrees(found):
    assert found.matches > 300
    assert found.shared >= 0.99
    assert found.distance_px <= 0.1
    if found.well_posed:
        assert found.rotation_deg <= 0.02


@pytest.mark.parametrize('name', APART)
def test_real_pictures(name):
    """In bfloat16, the rougher of the two; float16 is slow on a CPU."""
    if not (DATA / name).is_dir():
        pytest.skip(f'there is no {DATA / name}')
    first, *_, second = itertools.islice(open_sequence(DATA / name), APART[name] + 1)
    settings = replace(Settings(), {'matcher.device': 'cpu', 'matcher.image_size': 480})
    assert_agrees(agreement((first, second), 'bfloat16', settings))


@pytest.mark.parametrize('precision', HALF)
def test_rendered_pictures(precision):
    frames = World().film([pose(), pose((0.15, 0.0, 0.0), (0.3, 0, 0))])
    settings = replace(Settings(), {'matcher.device': 'cpu'})
    assert_agrees(agreement(tuple(frames), precision, settings))


@pytest.mark.gpu
@pytest.mark.parametrize('precision', HALF)
def test_rendered_pictures_on_a_gpu(precision):
    frames = World().film([pose(), pose((0.15, 0.0, 0.0), (0.3, 0, 0))])
    settings = replace(Settings(), {'matcher.device': 'cuda'})
    assert_agrees(agreement(tuple(frames), precision, settings))
