# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A run as a file for the viewer Rerun, read by Rerun's own command."""

import sys
from unittest import mock

import numpy as np
import pytest
import recordings
from rerun_rows import rows_of

from loftr_vo.cli import main
from loftr_vo.datasets import open_sequence
from loftr_vo.drawing.rerun_log import RerunError, RerunLog
from loftr_vo.evaluation import rerun_file
from loftr_vo.evaluation.rerun_file import RerunFile
from loftr_vo.evaluation.running import run_sequence
from loftr_vo.evaluation.scoring import EvaluationError
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.estimate import Cloud, Estimate, State

INIT, TRACKING, LOST = State.INITIALISING, State.TRACKING, State.LOST
FIGURES = ('inliers', 'latency_ms', 'matches', 'position_sigma', 'rotation_sigma_deg')
STYLE = 1  # a row that says how the entity is drawn
SPACE = ('camera', 'keyframes', 'points', 'matches/inliers', 'matches/outliers')


def make_frame(index):
    matrix = np.array([[50.0, 0.0, 30.0], [0.0, 50.0, 20.0], [0.0, 0.0, 1.0]])
    camera = Camera(60, 40, matrix, 'plumb_bob', np.zeros(5))
    return Frame(np.full((40, 60), 30 * index, np.uint8), stamp=10**18 + index, camera=camera)


def make_estimate(frame, state, keyframe):
    pixels = np.array([[10.0, 10.0], [20.0, 30.0], [40.0, 5.0]], np.float32)
    ones = np.ones(3, np.float32)
    return Estimate(
        stamp=frame.stamp,
        state=state,
        reason='' if state is TRACKING else 'why',
        pose=np.eye(4),
        covariance=np.eye(6),
        matches=Matches(pixels, pixels + 1, ones, ones, np.arange(3)),
        inliers=np.array([True, False, True]),
        cloud=Cloud(lambda: (np.ones((4, 3)), np.linspace(0.0, 1.0, 4))),
        keyframe_id=keyframe,
        keyframe_image=frame.image,
    )


class Film:
    """In the place of a recording and of its odometry."""

    imu = None

    def __init__(self, *estimates):
        self.frames = [make_frame(index) for index in range(len(estimates))]
        self._estimates = [
            make_estimate(*each)
            for each in zip(self.frames, *zip(*estimates, strict=True), strict=True)
        ]

    def __len__(self):
        return len(self.frames)

    def __iter__(self):
        return iter(self.frames)

    def track(self, frame):
        return self._estimates.pop(0)


def test_pictures_poses_points_matches_and_figures_are_in_the_file(tmp_path):
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    film = Film((INIT, 0), (TRACKING, 0), (TRACKING, 1), (LOST, 1))
    file = RerunFile(tmp_path / 'new' / 'walk.rrd')
    file.close(run_sequence(film, film, show=file.write))
    rows = rows_of(tmp_path / 'new' / 'walk.rrd')
    assert {rows[f'/{entity}'] for entity in ('camera/image', 'match_image')} == {4}
    assert {rows[f'/figures/{name}'] for name in FIGURES[:3]} == {STYLE + 4}
    # A lost frame has no pose.
    assert {rows[f'/{entity}'] for entity in SPACE} == {3}
    assert {rows[f'/figures/{name}'] for name in FIGURES[3:]} == {STYLE + 3}
    # State and reason where they change; the first keyframe's points when another follows.
    assert rows['/state'] == STYLE + 3
    assert (rows['/reason'], rows['/map/0'], rows['/path']) == (3, 1, 1)


@pytest.mark.parametrize(('stamp', 'kind'), [(10**18, 'timestamp'), (10**9, 'duration')])
def test_a_simulated_clock_has_seconds_and_no_date(tmp_path, stamp, kind):
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    log = RerunLog('RDF')
    with mock.patch.object(log._stream, 'set_time', wraps=log._stream.set_time) as set_time:
        log.at(stamp)
        log.at(10**18 + stamp)
    assert [set(call.kwargs) for call in set_time.call_args_list] == [{kind}, {kind}]


@pytest.mark.slow
def test_the_command_writes_it(tmp_path):
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    walk = recordings.write_folder(tmp_path / 'walk')
    file = tmp_path / 'walk.rrd'
    words = ['run', str(walk), '-o', str(tmp_path / 'out'), '--rerun', str(file)]
    assert main.main(words) == 0
    rows = rows_of(file)
    assert rows['/camera/image'] == len(open_sequence(walk))
    assert rows['/figures/matches'] == STYLE + len(open_sequence(walk))


def test_another_name_is_refused(tmp_path):
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    with pytest.raises(EvaluationError, match=r'ends in \.rrd'):
        RerunFile(tmp_path / 'walk.bag')


def test_without_rerun_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'rerun', None)
    with pytest.raises(EvaluationError, match=r'pip install "loftr_vo\[rerun\]"'):
        RerunFile(tmp_path / 'walk.rrd')


def test_a_rerun_that_is_too_old_is_named(monkeypatch):
    rerun = pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    monkeypatch.delattr(rerun, 'StateChange')
    with pytest.raises(RerunError, match=r'too old: pip install -U "loftr_vo\[rerun\]"'):
        RerunLog('RDF')


def test_the_map_has_the_grey_of_the_keyframe_s_picture():
    frame = make_frame(0)
    frame.image[:] = np.arange(60, dtype=np.uint8)
    estimate = make_estimate(frame, TRACKING, 0)
    estimate.keyframe_pose[:3, 3] = 1.0, 0.0, 0.0
    # The point (1, 1, 1) is ahead of the keyframe in the middle column; 50 px a unit.
    assert rerun_file._grey_of_points(estimate, frame.camera).tolist() == [30] * 4
