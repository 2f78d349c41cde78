# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Scores against hand-made errors, the baselines, the report and its pictures."""

import csv
import itertools
import json
import sys

import cv2
import numpy as np
import pytest
import recordings
import yaml
from paths import DATA
from scipy.spatial.transform import Rotation

from loftr_vo.config import Settings
from loftr_vo.datasets import open_sequence
from loftr_vo.drawing.match_image import MAX_LINES, draw_matches
from loftr_vo.evaluation import scoring
from loftr_vo.evaluation.classical import ClassicalOdometry
from loftr_vo.evaluation.html_report import Provenance
from loftr_vo.evaluation.report import collect_metrics, write_json
from loftr_vo.evaluation.report_folder import ReportFolder
from loftr_vo.evaluation.running import run_sequence
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.estimate import Estimate, State


def spiral(count=60, radius=10.0, start=1311868169163497925):
    """Return a path that turns and climbs, the camera looking along it."""
    angle = np.linspace(0, 3, count)
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = Rotation.from_euler('y', angle[:, None]).as_matrix()
    poses[:, :3, 3] = radius * np.stack([np.sin(angle), 0.1 * angle, np.cos(angle)], axis=1)
    return Trajectory(start + np.arange(count) * 10**8, poses)


def moved(trajectory, scale=1.0):
    """Return the same path in another world and at another scale."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler('xyz', [0.3, -1.0, 2.0]).as_matrix()
    pose[:3, 3] = [5, -3, 40]
    poses = pose @ trajectory.poses
    poses[:, :3, 3] *= scale
    return Trajectory(trajectory.stamps, poses)


def test_the_true_path_in_another_world_and_scale_has_no_error():
    truth = spiral()
    scores = scoring.score(moved(truth, 0.2), truth, metric=False)
    assert scores.ate_rmse_m < 1e-9
    assert scores.rpe_rotation_deg < 1e-4
    assert scores.kitti_translation_percent < 1e-7
    assert scores.scale_drift == pytest.approx(1.0)
    assert scores.scale == pytest.approx(5.0)
    assert scores.path_length_m == pytest.approx(truth.path_length)


def test_a_metric_estimate_is_not_scaled():
    truth = spiral()
    scores = scoring.score(moved(truth, 1.1), truth, metric=True)
    centred = truth.positions - truth.positions.mean(axis=0)
    wanted = 0.1 * np.sqrt((centred**2).sum(axis=1).mean())
    assert scores.ate_rmse_m == pytest.approx(wanted, rel=1e-6)
    assert scores.ate_percent == pytest.approx(100 * wanted / truth.path_length, rel=1e-6)
    assert scores.kitti_translation_percent == pytest.approx(10.0, rel=0.25)


def test_a_turn_too_much_in_every_frame_is_the_rotation_error():
    truth = spiral()
    too_much = np.eye(4)
    too_much[:3, :3] = Rotation.from_euler('z', 0.25, degrees=True).as_matrix()
    poses = [truth.poses[0]]
    for before, after in itertools.pairwise(truth.poses):
        poses.append(poses[-1] @ np.linalg.inv(before) @ after @ too_much)
    scores = scoring.score(Trajectory(truth.stamps, np.stack(poses)), truth, metric=False)
    assert scores.rpe_rotation_deg == pytest.approx(0.25, rel=1e-6)


def test_scale_drift_is_last_motions_over_first():
    truth = spiral()
    steps = np.diff(truth.positions, axis=0) * np.linspace(1.0, 3.0, len(truth) - 1)[:, None]
    poses = truth.poses.copy()
    poses[1:, :3, 3] = poses[0, :3, 3] + np.cumsum(steps, axis=0)
    scores = scoring.score(Trajectory(truth.stamps, poses), truth, metric=False)
    ramp = np.linspace(1.0, 3.0, len(truth) - 1)
    assert scores.scale_drift == pytest.approx(ramp[-5:].mean() / ramp[:5].mean(), rel=1e-3)


def test_kitti_errors_use_the_published_lengths_on_long_paths():
    poses = np.tile(np.eye(4), (301, 1, 1))
    poses[:, 2, 3] = np.arange(301.0)
    truth = Trajectory(np.arange(301), poses)
    turned = poses.copy()
    turn = 0.01 * np.arange(301)[:, None]
    turned[:, :3, :3] = Rotation.from_euler('x', turn, degrees=True).as_matrix()
    _, rotation = scoring.kitti_errors(Trajectory(truth.stamps, turned), truth)
    assert rotation == pytest.approx(0.01, rel=1e-6)
    stretched = poses.copy()
    stretched[:, 2, 3] *= 1.02
    translation, _ = scoring.kitti_errors(Trajectory(truth.stamps, stretched), truth)
    assert translation == pytest.approx(2.0, rel=1e-6)


def test_poses_are_paired_by_time():
    truth = spiral()
    chosen = np.arange(4, 50, 3)
    estimate = Trajectory(truth.stamps[chosen] + 3_000_000, truth.poses[chosen])
    assert scoring.score(estimate, truth, metric=True).ate_rmse_m < 1e-9


@pytest.mark.parametrize(
    ('estimate', 'message'),
    [
        (Trajectory(spiral().stamps + 10**12, spiral().poses), 'no matching timestamps'),
        (Trajectory(spiral().stamps[:2], spiral().poses[:2]), 'only 2 frames'),
        (Trajectory(spiral().stamps, np.tile(np.eye(4), (60, 1, 1))), 'ground truth'),
    ],
)
def test_what_cannot_be_aligned_says_why(estimate, message):
    with pytest.raises(scoring.EvaluationError, match=message):
        scoring.score(estimate, spiral(), metric=False)


def test_without_evo_the_error_says_how_to_install_it(monkeypatch):
    for name in [name for name in sys.modules if name == 'evo' or name.startswith('evo.')]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'evo', None)
    with pytest.raises(scoring.EvaluationError, match='pip install evo'):
        scoring.score(spiral(), spiral(), metric=True)


class ScriptedOdometry:
    """Gives prepared states, the ground truth as poses, and a few matches."""

    def __init__(self, states):
        self.states = list(states)
        self.index = -1

    def track(self, frame):
        self.index += 1
        state = self.states[self.index]
        if state is KeyboardInterrupt:
            raise KeyboardInterrupt
        pose = np.eye(4)
        pose[:3, 3] = [self.index, 0.1 * self.index**2, 0]
        points = np.random.default_rng(2).uniform(0, 40, (30, 2)).astype(np.float32)
        tracking = state is State.TRACKING
        return Estimate(
            stamp=frame.stamp,
            state=state,
            reason='' if tracking else f'told so at {self.index}',
            pose=pose,
            covariance=np.eye(6),
            matches=make_matches(points, points + 2) if tracking else None,
            inliers=np.arange(30) > 5 if tracking else None,
            keyframe_image=frame.image if tracking else None,
        )


def make_matches(points0, points1):
    count = len(points0)
    confidence = np.linspace(0, 1, count, dtype=np.float32)
    return Matches(points0, points1, confidence, np.ones(count, np.float32), np.arange(count))


INIT, TRACKING, LOST = State.INITIALISING, State.TRACKING, State.LOST


@pytest.mark.parametrize(
    ('states', 'tracked', 'poses'),
    [
        ([INIT, INIT, TRACKING, TRACKING, TRACKING], 5, 5),
        ([INIT, TRACKING, LOST, LOST, LOST], 2, 2),
        ([INIT, INIT, INIT, INIT, INIT], 0, 5),
        ([INIT, INIT, LOST, INIT, TRACKING], 2, 4),
    ],
)
def test_which_frames_count_as_tracked(tmp_path, states, tracked, poses):
    sequence = open_sequence(recordings.write_folder(tmp_path / 'walk'))
    run = run_sequence(sequence, ScriptedOdometry(states))
    assert (run.frames, run.tracked, len(run.trajectory)) == (5, tracked, poses)
    if tracked < 5:
        index, reason = run.first_untracked()
        assert reason == f'told so at {index}'


def test_an_interrupt_keeps_what_was_done(tmp_path):
    sequence = open_sequence(recordings.write_folder(tmp_path / 'walk'))
    run = run_sequence(sequence, ScriptedOdometry([INIT, TRACKING, KeyboardInterrupt]))
    assert run.interrupted
    assert len(run.trajectory) == 2


def test_report_has_everything(tmp_path):
    sequence = open_sequence(recordings.write_folder(tmp_path / 'walk'))
    run = run_sequence(sequence, ScriptedOdometry([INIT, *[TRACKING] * 4]))
    truth = Trajectory(run.trajectory.stamps, moved(run.trajectory).poses)
    alignment = scoring.align(run.trajectory, truth, metric=False)
    scores = scoring.score_alignment(alignment)
    metrics = collect_metrics('walk', 5, run, scores, 'compact', 'cpu')
    folder = tmp_path / 'made' / 'report'
    with ReportFolder(folder) as report:
        for record in run.records:
            report.keep(record)
        report.write(run, metrics, Settings(), alignment, Provenance('loftr_vo', 'walk'))
    assert report.problems == []

    written = json.loads((folder / 'metrics.json').read_text())
    assert written['tracked'] == 5
    assert written['ate_rmse_m'] < 1e-9
    # Five frames have too few motions for a drift, and JSON has no NaN.
    assert written['scale_drift'] is None
    again = Trajectory.read_tum(folder / 'trajectory.txt')
    np.testing.assert_array_equal(again.stamps, recordings.STAMPS)
    rows = list(csv.DictReader((folder / 'status.csv').open()))
    assert [row['state'] for row in rows] == ['initialising', *['tracking'] * 4]
    assert rows[2]['inliers'] == '24'
    settings = yaml.safe_load((folder / 'settings.yaml').read_text())
    assert settings['matcher']['weights'] == 'compact'
    pictures = sorted(path.name for path in folder.glob('*.png'))
    assert pictures[:2] == ['error.png', 'matches_000001.png']
    assert pictures[-1] == 'top_view.png'
    for name in pictures:
        assert cv2.imread(str(folder / name)).std() > 5


def test_json_has_no_nan(tmp_path):
    write_json(tmp_path / 'a.json', {'a': float('nan'), 'b': [{'c': float('inf'), 'd': 1.5}]})
    assert json.loads((tmp_path / 'a.json').read_text()) == {
        'a': None,
        'b': [{'c': None, 'd': 1.5}],
    }


@pytest.mark.parametrize(
    ('size0', 'size1'), [((1, 1), (1, 1)), ((48, 64), (48, 64)), ((370, 1226), (300, 200))]
)
@pytest.mark.parametrize('count', [0, 1, 1000])
def test_matches_are_drawn_at_any_size(size0, size1, count):
    rng = np.random.default_rng(0)
    points0 = rng.uniform(0, 1, (count, 2)).astype(np.float32) * size0[::-1]
    points1 = rng.uniform(0, 1, (count, 2)).astype(np.float32) * size1[::-1]
    grey0, grey1 = np.full(size0, 90, np.uint8), np.full(size1, 140, np.uint8)
    matches = make_matches(points0.astype(np.float32), points1.astype(np.float32))
    picture = draw_matches(grey0, grey1, matches, np.arange(count) % 2 > 0, ['a line'] * 2)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert picture.shape[1] >= 480


def test_lines_join_the_matched_pixels_in_the_colour_of_their_kind():
    grey = np.full((480, 640), 128, np.uint8)
    points = np.array([[100, 100], [100, 300]], np.float32)
    picture = draw_matches(grey, grey, make_matches(points, points), np.array([True, False]), [])
    assert picture.shape == (480, 1284, 3)
    for row, strongest in ((100, {1, 2}), (300, {2})):
        for column in (100, 744):
            blue_green_red = picture[row, column].astype(int)
            assert set(np.flatnonzero(blue_green_red > 150)) == strongest


def test_wide_pictures_stand_above_each_other_and_few_lines_are_drawn():
    grey = np.zeros((100, 800), np.uint8)
    points = np.stack([np.linspace(0, 799, 790), np.full(790, 50)], axis=1).astype(np.float32)
    matches = make_matches(points, points)
    picture = draw_matches(grey, grey, matches, np.zeros(790, bool), [])
    assert picture.shape == (204, 800, 3)
    crossing = (picture[102, :, 2] > 80).astype(int)
    assert (np.diff(crossing, prepend=0) == 1).sum() == MAX_LINES


def test_long_text_is_wrapped():
    grey = np.zeros((48, 640), np.uint8)
    nothing = make_matches(np.empty((0, 2), np.float32), np.empty((0, 2), np.float32))
    short = draw_matches(grey, grey, nothing, np.zeros(0, bool), ['word'])
    long = draw_matches(grey, grey, nothing, np.zeros(0, bool), ['word ' * 60])
    assert long.shape[0] > short.shape[0]


def textured_walk():
    """Return a camera and its pictures of shelves at many depths while it moves sideways.

    A flat scene would not do: two motions explain its pictures.
    """
    rng = np.random.default_rng(5)
    texture = cv2.GaussianBlur(rng.integers(0, 256, (240, 2400), np.uint8), (0, 0), 1.2)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    matrix = np.array([[300.0, 0, 160], [0, 300, 120], [0, 0, 1]])
    # A motion along x leaves every point in its row, so each row may have a depth of its own.
    depth = np.repeat(rng.uniform(2.0, 6.0, 8), 30)[:, None]
    column, row = np.meshgrid(np.arange(320), np.arange(240))
    pictures = []
    for step in range(14):
        x = depth * (column - 160) / 300 + 0.1 * step
        where = [(200 * x + 1000).astype(np.float32), row.astype(np.float32)]
        pictures.append(cv2.remap(texture, *where, cv2.INTER_LINEAR))
    return matrix, pictures


# Bounds set from what each reaches on this scene (worst: ORB 30 % and 23 degrees), with a margin.
@pytest.mark.parametrize(
    ('name', 'length_error', 'degrees'),
    [('orb', 0.4, 30.0), ('sift', 0.1, 5.0), ('lk', 0.05, 2.0)],
)
def test_baseline_finds_a_rendered_motion(tmp_path, name, length_error, degrees):
    matrix, pictures = textured_walk()
    (tmp_path / 'images').mkdir()
    for index, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / 'images' / f'{index:03d}.png'), picture)
    values = recordings.calibration(320, 240)
    values['camera_matrix']['data'] = matrix.ravel().tolist()
    (tmp_path / 'camera.yaml').write_text(yaml.safe_dump(values))
    (tmp_path / 'times.txt').write_text('\n'.join(str(0.1 * i) for i in range(14)))
    run = run_sequence(open_sequence(tmp_path), ClassicalOdometry(name))
    assert run.tracked == 14
    steps = np.diff(run.trajectory.positions, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    # Every motion is as long as the first one and points sideways.
    np.testing.assert_allclose(lengths / lengths[0], 1.0, atol=length_error)
    assert np.degrees(np.arccos(steps[:, 0] / lengths)).max() < degrees


def test_unknown_baseline_names_the_known():
    with pytest.raises(ValueError, match='orb, sift, lk'):
        ClassicalOdometry('surf')


@pytest.mark.skipif(not DATA.is_dir(), reason=f'the real sequences are not at {DATA}')
def test_followed_corners_track_a_real_road():
    sequence = open_sequence(DATA / 'kitti06')
    run = run_sequence(sequence, ClassicalOdometry('lk'))
    assert run.tracked == 51
    scores = scoring.score(run.trajectory, sequence.ground_truth, run.metric)
    assert scores.ate_percent < 1.0
    assert scores.rpe_rotation_deg < 0.1
