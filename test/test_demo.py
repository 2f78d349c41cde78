# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The demo: the node in a process of its own, a rendered camera, what came back and its score."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from paths import ROOT
from PIL import Image

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('evo', reason='evo is not installed')

from loftr_vo.cli.demo import run
from loftr_vo.cli.demo.pictures import draw_pictures
from loftr_vo.evaluation.scoring import Alignment
from loftr_vo.geometry.trajectory import Trajectory

FRAMES = 24
FEW = 3  # where none of them reaches the node


def run_demo(output, start='', frames=FRAMES):
    script = f'from pathlib import Path\nimport sys\nfrom loftr_vo.cli.demo import run\n{start}\n'
    script += f'sys.exit(run.run_demo(Path({str(output)!r}), frames={frames}))'
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    environment.pop('ROS_DOMAIN_ID', None)
    return subprocess.run(
        [sys.executable, '-c', script],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=240,
    )


@pytest.mark.slow
def test_the_demo_tracks_a_camera_from_end_to_end(tmp_path):
    result = run_demo(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    assert (metrics['frames'], metrics['dropped']) == (FRAMES, 0)
    assert metrics['tracked'] >= run.LEAST_TRACKED * FRAMES
    assert metrics['ate_percent'] <= run.LARGEST_ERROR
    assert 0 < metrics['latency_ms_median'] <= metrics['latency_ms_p95']
    assert len(Trajectory.read_tum(tmp_path / 'trajectory.txt')) == FRAMES
    for row in ('tracked', 'dropped', 'error (ATE)', 'latency'):
        assert row in result.stdout
    for name in ('top_view.png', 'error.png', 'contact_sheet.jpg', 'matches_0.png'):
        assert cv2.imread(str(tmp_path / name)) is not None, name
    with Image.open(tmp_path / 'demo.gif') as animation:
        assert animation.n_frames == FRAMES - 1


@pytest.mark.slow
def test_the_last_lines_of_a_node_that_ends_are_reported(tmp_path):
    """The node is made to refuse a parameter; the demo must not wait for it."""
    result = run_demo(tmp_path, "run.PARAMETERS['geometry.min_inliers'] = '2'", FEW)
    assert result.returncode == 1
    assert 'the node ended with code 1' in result.stderr
    assert 'geometry.min_inliers' in result.stderr
    assert not (tmp_path / 'metrics.json').exists()


@pytest.mark.slow
def test_the_reason_of_a_node_that_cannot_start_is_reported(tmp_path):
    start = "run.PARAMETERS['matcher.weights'] = '/absent/weights.pt'"
    result = run_demo(tmp_path, start, FEW)
    assert result.returncode == 1
    assert 'the node says: activating failed' in result.stderr
    assert '/absent/weights.pt' in result.stderr


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({}, []),
        ({'tracked': 95}, []),
        ({'tracked': 94}, ['94 of 100 frames are tracked, less than 95%']),
        ({'ate_percent': 5.1}, ['the trajectory is 5.1 % off, more than 5 %']),
        ({'ate_percent': float('nan')}, ['nan % off']),
        ({'tracked': 0, 'ate_percent': 50.0}, ['0 of 100', '50.0 % off']),
    ],
)
def test_poor_tracking_fails_the_demo(changes, words):
    metrics = {'frames': 100, 'tracked': 100, 'ate_percent': 1.0, **changes}
    failures = run._failures(metrics)
    assert len(failures) == len(words)
    assert all(word in failure for word, failure in zip(words, failures, strict=True))


def alignment(count):
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, 0, 3] = np.linspace(0, 2, count)
    poses[:, 2, 3] = np.linspace(0, 1, count) ** 2
    true = Trajectory(np.arange(count) * 10**8, poses)
    shifted = poses.copy()
    shifted[:, 1, 3] += 0.01
    return Alignment(Trajectory(true.stamps, shifted), true, 1.0)


def test_pictures_of_different_heights_are_put_together(tmp_path):
    aligned = alignment(7)
    pictures = {
        stamp: np.full((40 + 3 * index, 64, 3), 30 * index, np.uint8)
        for index, stamp in enumerate(aligned.estimated.stamps.tolist())
    }
    metrics = {
        'frames': 7,
        'tracked': 7,
        'ate_rmse_m': 0.01,
        'ate_percent': 0.5,
        'path_length_m': 2.3,
    }
    draw_pictures(tmp_path, aligned, pictures, metrics)
    sheet = cv2.imread(str(tmp_path / 'contact_sheet.jpg'))
    assert sheet.shape == (3 * 58, 3 * 64 + 2 * 6, 3)
    with Image.open(tmp_path / 'demo.gif') as animation:
        assert animation.n_frames == 6


def test_pictures_may_be_missing(tmp_path):
    metrics = dict.fromkeys(('frames', 'tracked', 'ate_rmse_m', 'ate_percent', 'path_length_m'), 1)
    draw_pictures(tmp_path, alignment(5), {}, metrics)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['error.png', 'top_view.png']
