# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A run as a file for the viewer Rerun, read by Rerun's own command."""

import sys

import numpy as np
import pytest
import recordings
from rerun_rows import rows_of

from loftr_vo.cli import main
from loftr_vo.datasets import open_sequence
from loftr_vo.evaluation.rerun_file import RerunFile
from loftr_vo.evaluation.running import FrameRecord, Run
from loftr_vo.evaluation.scoring import EvaluationError
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame
from loftr_vo.odometry.estimate import State

INIT, TRACKING, LOST = State.INITIALISING, State.TRACKING, State.LOST
FIGURES = ('inliers', 'latency_ms', 'matches')


def make_frame(index):
    matrix = np.array([[50.0, 0.0, 30.0], [0.0, 50.0, 20.0], [0.0, 0.0, 1.0]])
    camera = Camera(60, 40, matrix, 'plumb_bob', np.zeros(5))
    return Frame(np.full((40, 60), 30 * index, np.uint8), stamp=10**18 + index, camera=camera)


def make_record(frame, state):
    return FrameRecord(
        stamp=frame.stamp,
        state=state,
        reason='' if state is TRACKING else 'why',
        pose=np.eye(4),
        matches=9,
        inliers=8,
        parallax=0.5,
        is_keyframe=False,
        metric=False,
        latency_ms=20.0,
    )


def test_pictures_poses_and_figures_are_in_the_file(tmp_path):
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    frames = [make_frame(index) for index in range(4)]
    states = [INIT, TRACKING, TRACKING, LOST]
    file = RerunFile(tmp_path / 'new' / 'walk.rrd')
    assert [frame.stamp for frame in file.frames(frames)] == [frame.stamp for frame in frames]
    file.close(Run([make_record(*each) for each in zip(frames, states, strict=True)]))
    rows = rows_of(tmp_path / 'new' / 'walk.rrd')
    of_frames = ['camera/image', 'state', *(f'figures/{n}' for n in FIGURES)]
    assert {rows[f'/{entity}'] for entity in of_frames} == {4}
    # A lost frame has no pose.
    assert (rows['/camera'], rows['/path']) == (3, 1)


@pytest.mark.slow
def test_the_command_writes_it(tmp_path):
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    walk = recordings.write_folder(tmp_path / 'walk')
    file = tmp_path / 'walk.rrd'
    words = ['run', str(walk), '-o', str(tmp_path / 'out'), '--rerun', str(file)]
    assert main.main(words) == 0
    rows = rows_of(file)
    assert rows['/camera/image'] == rows['/state'] == len(open_sequence(walk))


def test_another_name_is_refused(tmp_path):
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    with pytest.raises(EvaluationError, match=r'ends in \.rrd'):
        RerunFile(tmp_path / 'walk.bag')


def test_without_rerun_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'rerun', None)
    with pytest.raises(EvaluationError, match=r'pip install "loftr_vo\[rerun\]"'):
        RerunFile(tmp_path / 'walk.rrd')
