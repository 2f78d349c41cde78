# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A bound that was given is checked, or the run does not pass."""

from argparse import Namespace

import pytest

from loftr_vo.cli.thresholds import bounds_hold

METRICS = {'sequence': 'walk', 'frames': 10, 'tracked': 9, 'ate_percent': 2.0, 'metric': False}


@pytest.mark.parametrize(
    ('max_ate', 'min_tracked', 'scale_source', 'missed'),
    [
        (None, None, 'none', ''),
        (2.0, 90.0, 'none', ''),
        (1.0, None, 'none', 'more than --max-ate 1'),
        (None, 91.0, 'none', 'less than --min-tracked 91'),
        (2.0, 90.0, 'depth', 'scale.source is depth, but lengths never became metres'),
    ],
)
def test_what_is_missed_is_named(max_ate, min_tracked, scale_source, missed, capsys):
    arguments = Namespace(max_ate=max_ate, min_tracked=min_tracked)
    assert bounds_hold(arguments, METRICS, scale_source) is not bool(missed)
    assert missed in capsys.readouterr().err


def test_lengths_in_metres_hold_a_scale_source():
    arguments = Namespace(max_ate=None, min_tracked=None)
    assert bounds_hold(arguments, {**METRICS, 'metric': True}, 'depth')
