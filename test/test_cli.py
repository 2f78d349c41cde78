# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The command, from its words to its files and exit codes."""

import json

import cv2
import numpy as np
import pytest
import recordings

from loftr_vo.cli import main
from loftr_vo.cli.options import read_settings
from loftr_vo.config import SettingError
from loftr_vo.evaluation import engine
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.odometry.estimate import Estimate, State

METRICS = {
    'frames',
    'tracked',
    'path_length_m',
    'ate_rmse_m',
    'ate_percent',
    'rpe_rotation_deg',
    'kitti_translation_percent',
    'kitti_rotation_deg_per_m',
    'scale_drift',
    'latency_ms_median',
    'weights',
    'device',
}


class CircleOdometry:
    """Says that the camera goes round, whatever it sees; may be stopped on the way."""

    def __init__(self, stop_at=None):
        self.count = 0
        self.stop_at = stop_at

    def track(self, frame):
        if self.count == self.stop_at:
            raise KeyboardInterrupt
        pose = np.eye(4)
        pose[:3, 3] = [np.sin(self.count), 0.0, np.cos(self.count)]
        self.count += 1
        return Estimate(frame.stamp, State.TRACKING, '', pose, np.eye(6))


@pytest.fixture
def folder(tmp_path):
    path = recordings.write_folder(tmp_path / 'walk')
    poses = np.tile(np.eye(4), (5, 1, 1))
    angle = np.arange(5.0)
    poses[:, :3, 3] = 7 * np.stack([np.sin(angle), 0 * angle, np.cos(angle)], axis=1)
    Trajectory(np.array(recordings.STAMPS), poses).write_tum(path / 'groundtruth.txt')
    return path


@pytest.fixture
def circle(monkeypatch):
    def make_engine(settings, baseline):
        return engine.Engine(CircleOdometry(), settings.matcher.weights, 'cpu')

    monkeypatch.setattr(engine, 'make_engine', make_engine)


@pytest.mark.usefixtures('circle')
def test_evaluate_prints_and_writes_the_figures(folder, tmp_path, capsys):
    report = tmp_path / 'report'
    words = ['evaluate', str(folder), '--json', str(tmp_path / 'm.json'), '-o', str(report)]
    assert main.main([*words, '--weights', 'outdoor']) == 0
    metrics = json.loads((tmp_path / 'm.json').read_text())
    assert metrics.keys() >= METRICS
    assert (metrics['frames'], metrics['tracked'], metrics['weights']) == (5, 5, 'outdoor')
    assert metrics['ate_rmse_m'] < 1e-6
    assert metrics['path_length_m'] == pytest.approx(4 * 2 * 7 * np.sin(0.5))
    assert json.loads((report / 'metrics.json').read_text()) == metrics
    assert (report / 'top_view.png').exists()
    heading, row = capsys.readouterr().out.splitlines()
    assert 'ATE %' in heading
    assert row.split()[:3] == ['walk', '5', '5']


@pytest.mark.usefixtures('circle')
def test_evaluate_several_makes_a_table(folder, tmp_path, capsys):
    other = recordings.write_folder(tmp_path / 'other')
    (other / 'groundtruth.txt').write_text((folder / 'groundtruth.txt').read_text())
    json_file, report = tmp_path / 'm.json', tmp_path / 'report'
    words = ['evaluate', str(folder), str(other), '--json', str(json_file), '-o', str(report)]
    assert main.main(words) == 0
    assert [entry['sequence'] for entry in json.loads(json_file.read_text())] == ['walk', 'other']
    assert (report / 'other' / 'trajectory.txt').exists()
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.usefixtures('circle')
def test_ground_truth_may_lie_elsewhere(folder, tmp_path):
    (folder / 'groundtruth.txt').rename(tmp_path / 'truth.txt')
    assert main.main(['evaluate', str(folder)]) == 2
    assert main.main(['evaluate', str(folder), '--ground-truth', str(tmp_path / 'truth.txt')]) == 0


@pytest.mark.usefixtures('circle')
def test_run_writes_the_trajectory(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main.main(['run', str(folder)]) == 0
    trajectory = Trajectory.read_tum(tmp_path / 'results' / 'walk' / 'trajectory.txt')
    np.testing.assert_array_equal(trajectory.stamps, recordings.STAMPS)
    assert '5 of 5 frames tracked' in capsys.readouterr().out


def test_interrupted_run_writes_what_there_is_and_exits_130(folder, tmp_path, monkeypatch, capsys):
    made = engine.Engine(CircleOdometry(stop_at=3), 'compact', 'cpu')
    monkeypatch.setattr(engine, 'make_engine', lambda settings, baseline: made)
    assert main.main(['run', str(folder), '-o', str(tmp_path / 'out')]) == 130
    assert len(Trajectory.read_tum(tmp_path / 'out' / 'trajectory.txt')) == 3
    assert 'interrupted after 3 frames' in capsys.readouterr().err


@pytest.mark.usefixtures('circle')
def test_what_could_be_read_of_a_damaged_recording_is_scored(folder, tmp_path, capsys):
    other = recordings.write_folder(tmp_path / 'other')
    (other / 'groundtruth.txt').write_text((folder / 'groundtruth.txt').read_text())
    (folder / 'images' / 'frame12.png').write_bytes(b'')
    json_file, report = tmp_path / 'm.json', tmp_path / 'report'
    words = ['evaluate', str(folder), str(other), '--json', str(json_file), '-o', str(report)]
    assert main.main(words) == 2
    assert 'frame12.png does not decode' in capsys.readouterr().err
    first, second = json.loads(json_file.read_text())
    assert (first['frames'], first['tracked'], second['tracked']) == (5, 4, 5)
    assert first['ate_rmse_m'] < 1e-6
    assert 'could be read for 4 frames only' in (report / 'walk' / 'report.html').read_text()


def test_evaluating_a_blank_wall_reports_that_nothing_was_tracked(folder, tmp_path, capsys):
    for path in (folder / 'images').iterdir():
        cv2.imwrite(str(path), np.full((recordings.HEIGHT, recordings.WIDTH), 128, np.uint8))
    json_file = tmp_path / 'm.json'
    assert main.main(['evaluate', str(folder), '--baseline', 'orb', '--json', str(json_file)]) == 0
    metrics = json.loads(json_file.read_text())
    assert metrics.keys() >= METRICS
    assert (metrics['tracked'], metrics['ate_rmse_m'], metrics['weights']) == (0, None, 'orb')
    assert 'not scored' in capsys.readouterr().err


def parsed(*words):
    return main.make_parser().parse_args(['run', 'somewhere', *words])


def test_settings_are_options():
    settings = read_settings(
        parsed(
            *('--set', 'matcher.image_size=320', '--set', 'geometry.min_parallax=1'),
            *('--set', 'geometry.refine_matches=off', '--weights', 'indoor', '--device', 'cpu'),
        )
    )
    assert settings.matcher.image_size == 320
    assert settings.geometry.min_parallax == 1.0
    assert settings.geometry.refine_matches is False
    assert (settings.matcher.weights, settings.matcher.device) == ('indoor', 'cpu')


@pytest.mark.parametrize(
    ('assignment', 'message'),
    [
        ('matcher.image_size', 'NAME=VALUE'),
        ('matcher.image_size=big', 'whole number'),
        ('matcher.image_size=-1', 'at least 0'),
        ('geometry.min_parallax=x', 'a number'),
        ('geometry.refine_matches=2', 'true or false'),
        ('matcher.colour=red', r'no setting .*matcher\.image_size'),
    ],
)
def test_impossible_settings_are_refused(assignment, message):
    with pytest.raises(SettingError, match=message):
        read_settings(parsed('--set', assignment))


def test_match_gives_pixels_of_the_files(tmp_path, capsys):
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.integers(0, 256, (260, 340), np.uint8), (0, 0), 2)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    cv2.imwrite(str(tmp_path / 'a.png'), texture[:240, :320])
    cv2.imwrite(str(tmp_path / 'b.png'), texture[8:248, 16:336])
    json_file, picture = tmp_path / 'm.json', tmp_path / 'm.png'
    words = ['match', str(tmp_path / 'a.png'), str(tmp_path / 'b.png'), '--device', 'cpu']
    words += ['--weights', 'random:compact', '--json', str(json_file), '-o', str(picture)]
    assert main.main(words) == 0
    found = json.loads(json_file.read_text())
    assert found.keys() == {'keypoints0', 'keypoints1', 'confidence'}
    assert len(found['keypoints0']) == len(found['keypoints1']) == len(found['confidence'])
    assert cv2.imread(str(picture)) is not None
    assert f'{len(found["confidence"])} matches' in capsys.readouterr().out


def test_match_refines_on_the_full_pictures_unless_told_not_to(tmp_path):
    """The pictures differ by half a pixel; shrunk to a third, the network cannot place that."""
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.integers(0, 256, (500, 660), np.uint8), (0, 0), 3)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    shift = np.array([[1.0, 0.0, 10.5], [0.0, 1.0, -4.5]])
    moved = cv2.warpAffine(texture, shift, (640, 480), flags=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / 'a.png'), texture[:480, :640])
    cv2.imwrite(str(tmp_path / 'b.png'), moved)
    errors = []
    for option in ([], ['--no-refine']):
        words = ['match', str(tmp_path / 'a.png'), str(tmp_path / 'b.png'), '--device', 'cpu']
        words += ['--image-size', '320', '--json', str(tmp_path / 'm.json'), *option]
        assert main.main(words) == 0
        found = json.loads((tmp_path / 'm.json').read_text())
        motion = np.array(found['keypoints1']) - np.array(found['keypoints0'])
        assert len(motion) > 200
        errors.append(float(np.median(np.linalg.norm(motion - shift[:, 2], axis=1))))
    assert errors[0] < 0.05 < errors[1]


def test_match_takes_pictures_of_two_sizes(tmp_path):
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.integers(0, 256, (240, 320), np.uint8), (0, 0), 2)
    cv2.imwrite(str(tmp_path / 'a.png'), texture)
    cv2.imwrite(str(tmp_path / 'b.png'), texture[:200, :280])
    words = ['match', str(tmp_path / 'a.png'), str(tmp_path / 'b.png'), '--device', 'cpu']
    assert main.main([*words, '--json', str(tmp_path / 'm.json')]) == 0
    found = json.loads((tmp_path / 'm.json').read_text())
    motion = np.array(found['keypoints1']) - np.array(found['keypoints0'])
    assert len(motion) > 100
    assert np.median(np.linalg.norm(motion, axis=1)) < 0.05


def test_weights_are_listed(capsys):
    assert main.main(['weights', 'list']) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in ('compact', 'outdoor', 'indoor', 'indoor_new'))


def test_unknown_weights_are_refused(folder, capsys):
    assert main.main(['weights', 'verify', 'huge']) == 2
    error = capsys.readouterr().err
    assert error.startswith('loftr_vo: error: ')
    assert 'huge' in error


def test_words_that_are_no_command(capsys):
    with pytest.raises(SystemExit) as caught:
        main.main(['fly'])
    assert caught.value.code == 2
