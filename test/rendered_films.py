# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Rendered sequences that a process keeps, for tests that follow the same ones."""

import functools

from loftr_vo.config import Settings, replace
from loftr_vo.datasets.sequence import Sequence
from loftr_vo.evaluation.running import run_sequence
from loftr_vo.evaluation.scoring import score
from loftr_vo.odometry import VisualOdometry
from loftr_vo.synthetic.sequence import SyntheticSequence

AT_320 = replace(Settings(), {'matcher.device': 'cpu', 'matcher.image_size': 320})
_FRAMES = 40


class Film(Sequence):
    """All frames of a rendered sequence, without the textures that they were rendered from."""

    def __init__(self, rendered):
        super().__init__(rendered.name, rendered.kind, rendered.ground_truth)
        self.camera, self.frames = rendered.camera, list(rendered)

    def __len__(self):
        return len(self.frames)

    def __iter__(self):
        return iter(self.frames)


@functools.lru_cache(maxsize=8)
def film(kind, seed):
    """Return 40 frames of 320x240 pixels, which are rendered once: 15 MB with their depth."""
    return Film(SyntheticSequence(kind, _FRAMES, seed=seed))


def scores_of_film(kind, seed):
    """Return the scores of the odometry with the settings ``AT_320``, which tracks each frame."""
    return _results_of_film(kind, seed)[0]


def records_of_film(kind, seed):
    """Return what the odometry with these settings made of each frame."""
    return _results_of_film(kind, seed)[1]


@functools.cache
def _results_of_film(kind, seed):
    scores, run = followed(film(kind, seed))
    return scores, run.records


def followed(sequence):
    """Return the scores and the run of the odometry with the settings ``AT_320``."""
    run = run_sequence(sequence, VisualOdometry(AT_320))
    assert run.tracked == run.frames
    return score(run.trajectory, sequence.ground_truth, metric=False), run
