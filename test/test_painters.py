# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Textures painted by one process and by several."""

import subprocess
import sys

import numpy as np
import pytest

from loftr_vo.synthetic import painters
from loftr_vo.synthetic.painters import CHUNK, random_texture, random_textures


@pytest.fixture(scope='module')
def painted():
    return random_textures(2 * CHUNK + 3, 16, seed=7, processes=1)


def test_several_processes_paint_the_same_textures(painted):
    assert np.array_equal(random_textures(len(painted), 16, seed=7, processes=2), painted)


def test_a_larger_bank_begins_with_the_smaller_one(painted):
    assert np.array_equal(
        random_textures(CHUNK + 1, 16, seed=7, processes=1), painted[: CHUNK + 1]
    )


def test_one_chunk_is_painted_by_one_generator_in_the_calling_process(painted, monkeypatch):
    def refused(*_, **__):
        raise AssertionError('a process was started')

    monkeypatch.setattr(painters, 'ProcessPoolExecutor', refused)
    generator = np.random.default_rng(7)
    expected = [random_texture(generator, 16) for _ in range(CHUNK)]
    assert np.array_equal(random_textures(CHUNK, 16, seed=7, processes=4), expected)


def test_chunks_and_seeds_differ(painted):
    assert painted.shape == (2 * CHUNK + 3, 16, 16) and painted.dtype == np.float32
    assert painted.min() >= 0 and painted.max() <= 1
    first, second = painted[:CHUNK], painted[CHUNK : 2 * CHUNK]
    assert (first != second).any((1, 2)).mean() > 0.9
    # Seed and chunk are not added up: the second chunk is no other seed's first one.
    for seed in (0, 1, 8):
        assert (random_textures(CHUNK, 16, seed, 1) != second).any((1, 2)).mean() > 0.9


def test_processes_that_paint_do_not_import_torch():
    code = "import sys, loftr_vo.synthetic.painters; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'False'
