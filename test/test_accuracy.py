# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How exact the shipped weights and settings are, on real and on rendered sequences."""

import pytest
from paths import DATA
from rendered_films import scores_of_film

from loftr_vo.config import Settings, replace
from loftr_vo.datasets import open_sequence
from loftr_vo.evaluation.running import run_sequence
from loftr_vo.evaluation.scoring import score
from loftr_vo.odometry import VisualOdometry
from loftr_vo.synthetic.sequence import SyntheticSequence

pytest.importorskip('evo', reason='evo is not installed')
pytestmark = pytest.mark.slow


def scores_of(sequence, **settings):
    odometry = VisualOdometry(replace(Settings(), {'matcher.device': 'cpu', **settings}))
    run = run_sequence(sequence, odometry)
    assert run.tracked == run.frames
    return score(run.trajectory, sequence.ground_truth, metric=False)


@pytest.mark.parametrize(
    ('name', 'ate_percent', 'rotation_deg'),
    [('kitti06', 0.5, 0.15), ('tum_fr2_desk', 3.0, 0.6), ('redkitchen', 3.0, 0.4)],
)
def test_real_sequences_are_followed_to_the_end(name, ate_percent, rotation_deg):
    if not (DATA / name).is_dir():
        pytest.skip(f'the sequence {name} is not there')
    scores = scores_of(open_sequence(DATA / name))
    assert scores.ate_percent < ate_percent
    assert scores.rpe_rotation_deg < rotation_deg


@pytest.mark.parametrize('kind', ['room', 'street'])
def test_rendered_sequences_keep_one_scale(kind):
    scores = scores_of_film(kind, 5)
    assert scores.ate_percent < 1.0
    assert scores.scale_drift == pytest.approx(1.0, abs=0.15)


def test_darkness_with_noise_is_no_reason_to_be_lost():
    scores = scores_of(SyntheticSequence('room', frames=25, seed=4, contrast=0.2, noise=4.0))
    assert scores.ate_percent < 5.0
