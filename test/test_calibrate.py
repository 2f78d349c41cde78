# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A camera is calibrated from pictures of a checkerboard, and the result says how sure it is."""

import json

import cv2
import numpy as np
import pytest
from checkerboard import RenderedBoard
from paths import ROOT

from loftr_vo.cli import main
from loftr_vo.datasets.sequence import DatasetError
from loftr_vo.datasets.uncalibrated import grey_pictures
from loftr_vo.imaging.board import Board, View, distinct_views, find_corners
from loftr_vo.imaging.board_calibration import calibrate
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.camera import Camera
from loftr_vo.synthetic.sequence import SyntheticSequence

SIZE = (640, 480)
BOARD = Board(9, 6, 0.025)
PINHOLE = Camera(
    *SIZE,
    np.array([[410.0, 0, 322], [0, 408, 236], [0, 0, 1]]),
    'plumb_bob',
    np.array([-0.28, 0.09, 0.0008, -0.0006, -0.015]),
)
FISHEYE = Camera(
    *SIZE,
    np.array([[300.0, 0, 318], [0, 299, 243], [0, 0, 1]]),
    'equidistant',
    np.array([-0.02, 0.006, -0.003, 0.0005]),
)


def write_video(path, camera, count):
    """Write a video of the board, with two pictures without it."""
    rendered, noise = RenderedBoard(camera), np.random.default_rng(0)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'FFV1'), 10.0, SIZE)
    assert video.isOpened()
    empty = np.full(SIZE[::-1], 120, np.uint8)
    pictures = [rendered.picture(pose, noise) for pose in rendered.poses(count, 0.35)]
    for picture in [empty, *pictures, empty]:
        video.write(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    video.release()


def exact_views(camera, count):
    """Return views of the board with exact corners."""
    poses = list(RenderedBoard(camera).poses(count, 0.35))
    return [
        View(number, camera.project(BOARD.points @ pose[:3, :3].T + pose[:3, 3]))
        for number, pose in enumerate(poses)
    ]


@pytest.mark.parametrize(
    ('camera', 'options'), [(PINHOLE, []), (FISHEYE, ['--fisheye'])], ids=['pinhole', 'fisheye']
)
def test_a_video_of_a_board_gives_the_camera(camera, options, tmp_path, capsys):
    write_video(tmp_path / 'board.avi', camera, 24)
    words = ['--board', '9x6', '--square', '0.025', '-o', str(tmp_path / 'out'), *options]
    assert main.main(['calibrate', str(tmp_path / 'board.avi'), *words]) == 0
    told = capsys.readouterr().out
    assert 'of 26 pictures' in told
    assert 'doubtful' not in told
    found = Camera.from_yaml(tmp_path / 'out' / 'camera.yaml')
    assert found.distortion_model == camera.distortion_model
    assert found.matrix[[0, 1], [0, 1]] == pytest.approx(camera.matrix[[0, 1], [0, 1]], rel=0.003)
    # What the corners of the picture see is seen there: focal lengths and distortion together.
    corners = np.array([[0, 0], [639, 0], [0, 479], [639, 479]])
    rays = np.column_stack([camera.undistort(corners), np.ones(4)])
    assert np.linalg.norm(found.project(rays) - corners, axis=1).max() < 0.5
    report = json.loads((tmp_path / 'out' / 'residuals.json').read_text())
    assert report['rms_px'] < 0.1
    assert len(report['views']) >= 18
    assert cv2.imread(str(tmp_path / 'out' / 'residuals.png')).shape[1] == SIZE[0]


@pytest.mark.parametrize('camera', [PINHOLE, FISHEYE], ids=['pinhole', 'fisheye'])
def test_exact_corners_give_the_exact_camera(camera):
    result = calibrate(exact_views(camera, 12), BOARD, SIZE, camera is FISHEYE)
    assert result.rms < 1e-3
    assert result.camera.matrix == pytest.approx(camera.matrix, abs=0.05)
    assert result.left_out == []


def test_a_view_that_does_not_fit_is_left_out():
    views = exact_views(PINHOLE, 12)
    noise = np.random.default_rng(0).normal(0.0, 3.0, views[5].corners.shape)
    views[5] = View(5, views[5].corners + noise)
    result = calibrate(views, BOARD, SIZE)
    assert [view.number for view in result.left_out] == [5]
    assert result.camera.matrix == pytest.approx(PINHOLE.matrix, abs=0.05)


def test_what_is_doubtful_is_said():
    views = exact_views(PINHOLE, 16)
    good = calibrate(views, BOARD, SIZE)
    assert good.doubts() == []
    noise = np.random.default_rng(0)
    blurred = [View(v.number, v.corners + noise.normal(0, 1.0, (54, 2))) for v in views[1:11:2]]
    doubts = ' '.join(calibrate(blurred, BOARD, SIZE).doubts())
    for word in ('only 5 different views', 'of the picture only', 'is uncertain', 'residuals of'):
        assert word in doubts


def test_corners_are_found_to_a_tenth_of_a_pixel_and_none_where_there_is_no_board():
    rendered, noise = RenderedBoard(PINHOLE), np.random.default_rng(0)
    (pose,) = rendered.poses(1, 0.5)
    true = PINHOLE.project(BOARD.points @ pose[:3, :3].T + pose[:3, 3])
    corners = find_corners(rendered.picture(pose, noise), BOARD)
    # Half a turn of the board is another pose of the same board.
    error = min(np.abs(order - true).max() for order in (corners, corners[::-1]))
    assert error < 0.2
    assert find_corners(np.full((120, 160), 90, np.uint8), BOARD) is None


def test_views_that_show_nothing_new_are_not_taken():
    views = exact_views(PINHOLE, 6)
    again = [View(view.number + 6, view.corners + 0.5) for view in views]
    taken = distinct_views(views + again, BOARD, 640, 40)
    assert sorted(view.number % 6 for view in taken) == [*range(6)]
    assert len(distinct_views(views, BOARD, 640, 3)) == 3
    assert distinct_views([], BOARD, 640, 3) == []


def test_too_few_views_are_an_error():
    with pytest.raises(CalibrationError, match=r'4 different views .* there are 3; .* 9x6 inner'):
        calibrate(exact_views(PINHOLE, 3), BOARD, SIZE)


@pytest.mark.parametrize(
    ('text', 'square', 'told'),
    [
        ('9', 0.025, 'inner corners, as in 9x6'),
        ('2x6', 0.025, 'at least 3x3'),
        ('9x6', 0.0, 'must be positive'),
        ('9x6', float('nan'), 'must be positive'),
    ],
)
def test_a_board_that_cannot_be_is_an_error(text, square, told):
    with pytest.raises(CalibrationError, match=told):
        Board.from_text(text, square)


def test_pictures_are_spread_over_a_folder(tmp_path):
    for number in range(10):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((24, 32), number, np.uint8))
    found = list(grey_pictures(tmp_path, 4))
    assert [number for number, _ in found] == [0, 3, 6, 9]
    assert [int(image[0, 0]) for _, image in found] == [0, 3, 6, 9]


def test_what_has_no_pictures_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match='has no pictures'):
        list(grey_pictures(tmp_path, 4))
    (tmp_path / 'video.mp4').write_bytes(b'no video')
    with pytest.raises(DatasetError, match='does not open as a video'):
        list(grey_pictures(tmp_path / 'video.mp4', 4))


def test_pictures_of_two_sizes_are_refused(tmp_path, capsys):
    for number, size in enumerate([(24, 32), (48, 64)]):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.zeros(size, np.uint8))
    words = ['--board', '9x6', '--square', '1', '-o', str(tmp_path / 'out')]
    assert main.main(['calibrate', str(tmp_path), *words]) == 2
    assert 'pictures of 32x24 and of 64x48' in capsys.readouterr().err


def test_the_notebook_goes_from_two_videos_to_a_trajectory(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / 'board.avi', PINHOLE, 6)
    scene = SyntheticSequence('room', 3, SIZE[::-1])
    video = cv2.VideoWriter('walk.avi', cv2.VideoWriter_fourcc(*'FFV1'), 10.0, SIZE)
    for frame in scene:
        video.write(cv2.cvtColor(frame.image, cv2.COLOR_GRAY2BGR))
    video.release()
    notebook = json.loads((ROOT / 'examples' / 'phone_video.ipynb').read_text())
    names = {}
    for cell in notebook['cells']:
        if cell['cell_type'] == 'code':
            exec(''.join(cell['source']), names)
    assert len(names['estimates']) == 3
    assert names['positions'].shape == (3, 3)
    assert 'of 3 frames tracked' in capsys.readouterr().out
    assert (tmp_path / 'trajectory.png').is_file()
