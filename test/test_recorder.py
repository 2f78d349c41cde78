# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the recorder of a replay makes of its bounds."""

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from loftr_vo.ros.odometry_recorder import _verdict


def verdict(metric, source='depth', tracked=10):
    told = {'dropped': '0', 'scale_reason': 'no depth image near the picture'}
    recorder = SimpleNamespace(answered=set(range(tracked)), lost=set(), told=told, metric=metric)
    arguments = Namespace(
        frames=10, min_tracked=90.0, scale_source=source, output=Path('odometry')
    )
    return _verdict(recorder, arguments)


def test_a_scale_that_was_asked_for_and_never_known_fails(capsys):
    assert verdict(metric=False) == 1
    error = capsys.readouterr().err
    assert 'scale.source is depth, but lengths never became metres' in error
    assert 'no depth image near the picture' in error


@pytest.mark.parametrize(('metric', 'source'), [(True, 'depth'), (False, 'none')])
def test_a_scale_that_was_known_or_not_asked_for_holds(metric, source):
    assert verdict(metric, source) == 0


def test_too_few_tracked_pictures_fail(capsys):
    assert verdict(metric=True, tracked=8) == 1
    assert '80.0 % tracked is less than min_tracked, 90 %' in capsys.readouterr().err
