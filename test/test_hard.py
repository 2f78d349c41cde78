# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Where odometry is hard, with the shipped network on small rendered pictures.

The figures over several seeds are made by ``python -m experiments.hard``.
"""

import pytest

from experiments import hard
from loftr_vo.config import Settings, replace
from loftr_vo.synthetic import disturbance
from loftr_vo.synthetic.disturbance import DisturbedSequence
from loftr_vo.synthetic.sequence import SyntheticSequence

ON_CPU = replace(Settings(), {'matcher.device': 'cpu'})
SIZE = (120, 160)


def room(kind, frames, **details):
    return SyntheticSequence(kind, frames, size=SIZE, seed=1, **details)


def test_a_resting_camera_rests_in_noise_and_flicker():
    result = hard.judge_unmoved(room('rest', 45, noise=4.0, flicker=0.1), ON_CPU)
    assert result.lost == 0
    assert result.moved < 1.0  # thousandths of the depth
    assert result.rotation_deg < 0.05


def test_a_turn_on_the_spot_leaves_the_position_alone():
    """80 degrees, more than the camera's field of view."""
    result = hard.judge_unmoved(room('turn', 48), ON_CPU)
    assert result.lost == 0
    assert result.moved < 10.0
    assert result.rotation_deg < 1.0


def test_a_dull_room_is_tracked_where_orb_sees_nothing():
    result = hard.judge_tracked(room('room', 15, contrast=0.15), ON_CPU)
    assert result.frames >= 0.95
    assert result.orb <= 0.5
    assert result.rotation_deg < 0.3


def test_a_covered_lens_is_named_and_the_pose_does_not_jump(monkeypatch):
    for name, value in (('_FRAMES', 24), ('_FIRST', 10), ('_LAST', 15)):
        monkeypatch.setattr(hard, name, value)
    sequence = DisturbedSequence(room('room', 24), disturbance.covered(), 10, 15)
    result = hard.judge_lost(sequence, ON_CPU)
    assert result.named == 0
    assert result.reason == 'covered'
    assert result.recovered <= 10
    assert result.step < 3.0  # usual steps
    assert result.end_percent < 5.0


def test_a_row_of_the_table_has_median_and_range():
    row = hard._row('case', [hard.Unmoved(9, 1.0, 0.1, 0), hard.Unmoved(9, 3.0, 0.1, 0)])
    assert row == '| case | 9 (9 to 9) | 2 (1 to 3) | 0.1 (0.1 to 0.1) | 0 (0 to 0) |'


def test_an_unknown_case_is_refused(capsys):
    with pytest.raises(SystemExit):
        hard.main(['no such thing'])
    assert 'no such thing' in capsys.readouterr().err


def test_help_lists_the_cases(capsys):
    with pytest.raises(SystemExit):
        hard.main(['--help'])
    assert 'somebody hides 40 %' in ' '.join(capsys.readouterr().out.split())
