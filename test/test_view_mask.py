# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the robot itself fills of the view is left out, and nothing near it is used."""

import dataclasses

import cv2
import numpy as np
import pytest
import recordings
import yaml
from exact_world import camera as exact_camera
from rendered_films import film, followed, scores_of_film

from loftr_vo.cli import main
from loftr_vo.cli.evaluate_tasks import make_tasks
from loftr_vo.cli.options import open_from
from loftr_vo.config import Settings
from loftr_vo.datasets.sequence import Sequence
from loftr_vo.drawing.match_image import dimmed
from loftr_vo.evaluation.batch.fingerprint import fingerprint
from loftr_vo.evaluation.batch.inputs import expand
from loftr_vo.evaluation.batch.task import RecordingOptions, Task, open_task
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.view_mask import MaskError, ViewMask

SHAPE = (240, 320)


def points_of(shape):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.column_stack([x.ravel(), y.ravel()]).astype(float)


def test_margins_are_pixels_of_the_picture_whatever_its_size():
    mask = ViewMask(margin=(10, 20, 30, 40))
    for shape in (SHAPE, (480, 640)):
        used = mask.used(shape)
        assert used[10:-20, 30:-40].all()
        assert used.sum() == (shape[0] - 30) * (shape[1] - 70)


def test_a_picture_is_resized_by_the_nearest_pixel(tmp_path):
    half = np.full((12, 16), 255, np.uint8)
    half[8:] = 0
    cv2.imwrite(str(tmp_path / 'mask.png'), half)
    mask = ViewMask.read(tmp_path / 'mask.png')
    for shape in (SHAPE, (120, 160), (480, 752)):
        used = mask.used(shape)
        assert used[: shape[0] * 2 // 3].all()
        assert not used[shape[0] * 2 // 3 :].any()


def test_nothing_within_8_pixels_of_the_edge_is_held():
    mask = ViewMask(margin=(0, 80, 0, 0))
    held = mask.holds(points_of(SHAPE), SHAPE).reshape(SHAPE)
    # The first pixel left out is in row 160; the picture's own edges are none of the mask's.
    assert held[:152].all()
    assert not held[152:].any()
    outside = np.array([[-1.0, 5.0], [5.0, 240.0], [np.nan, 5.0], [np.inf, 5.0]])
    assert not mask.holds(outside, SHAPE).any()


def test_files_that_are_no_mask_are_refused(tmp_path):
    with pytest.raises(MaskError, match=r'mask\.png'):
        ViewMask.read(tmp_path / 'mask.png')
    cv2.imwrite(str(tmp_path / 'mask.png'), np.zeros((4, 4), np.uint8))
    with pytest.raises(MaskError, match='white is used'):
        ViewMask.read(tmp_path / 'mask.png')
    (tmp_path / 'mask.png').write_text('white')
    with pytest.raises(MaskError, match='does not decode'):
        ViewMask.read(tmp_path / 'mask.png')
    with pytest.raises(CalibrationError, match='leave nothing of 320x240 pixels'):
        dataclasses.replace(exact_camera(), mask=ViewMask(margin=(120, 120, 0, 0)))


def test_no_mask_and_no_margin_are_no_mask():
    assert ViewMask.read('', (0, 0, 0, 0)) is None
    assert exact_camera().uses(points_of((4, 4))).all()


def test_colours_and_16_bits_serve_as_a_mask(tmp_path):
    white = np.zeros((24, 32), bool)
    white[:12] = True
    for name, picture in (
        ('colour', np.where(white[..., None], np.uint8([255] * 3), np.uint8([0] * 3))),
        ('wide', np.where(white, np.uint16(65535), np.uint16(0))),
    ):
        cv2.imwrite(str(tmp_path / f'{name}.png'), picture)
        used = ViewMask.read(tmp_path / f'{name}.png').used((24, 32))
        np.testing.assert_array_equal(used, white)


def test_what_is_left_out_is_drawn_dark():
    image = np.full(SHAPE, 200, np.uint8)
    drawn = dimmed(image, ViewMask(margin=(0, 80, 0, 0)))
    assert (drawn[:160] == 200).all()
    assert (drawn[160:] < 100).all()
    assert dimmed(image, None) is image


@pytest.mark.parametrize('kind', ['folder', 'bag'])
def test_frames_of_every_kind_of_recording_carry_it(tmp_path, kind):
    if kind == 'folder':
        path = recordings.write_folder(tmp_path / 'walk')
    else:
        recordings.write_bag(tmp_path / 'bag')
        path = tmp_path / 'bag'
    words = ['run', str(path), '--mask-margin', '0,16,0,0']
    sequence = open_from(path, main.make_parser().parse_args(words))
    for frame in sequence:
        assert not frame.camera.uses(np.array([[30.0, 40.0]]))[0]
        assert frame.camera.uses(np.array([[30.0, 10.0]]))[0]


def test_evaluate_masks_each_recording_as_its_list_has_it(tmp_path):
    recordings.write_folder(tmp_path / 'walk')
    cv2.imwrite(str(tmp_path / 'mask.png'), np.full((4, 4), 255, np.uint8))
    entries = ['walk', {'path': 'walk', 'mask': 'mask.png', 'mask_margin': [0, 16, 0, 0]}]
    (tmp_path / 'list.yaml').write_text(yaml.safe_dump(entries))
    requests = list(expand([f'@{tmp_path}/list.yaml'], RecordingOptions()))
    tasks = [Task('walk', each.source, each.options, Settings()) for each in requests]
    plain, masked = (open_task(task, tmp_path / 'walk') for task in tasks)
    assert plain.mask is None
    assert masked.mask.margin == (0, 16, 0, 0)
    assert all(frame.camera.mask is masked.mask for frame in masked)
    # A result with one mask is none for another.
    assert fingerprint(tasks[0]) != fingerprint(tasks[1])
    words = ['evaluate', str(tmp_path / 'walk'), '--mask-margin', '0,16,0,0']
    arguments = main.make_parser().parse_args(words)
    arguments.command_line = ''
    assert make_tasks(arguments, Settings(), alone=True)[0].options.mask_margin == (0, 16, 0, 0)


@pytest.mark.parametrize('text', ['1,2,3', '1,2,3,-4', 'a,0,0,0'])
def test_margins_that_are_none_are_refused(capsys, text):
    with pytest.raises(SystemExit):
        main.make_parser().parse_args(['run', 'x', f'--mask-margin={text}'])
    assert '--mask-margin' in capsys.readouterr().err


# --- a robot whose arm is in view


class RoomWithArm(Sequence):
    """A rendered room in whose lower third a patterned arm moves by itself."""

    def __init__(self, room):
        super().__init__(room.name, room.kind, room.ground_truth)
        self.camera, self._frames = room.camera, room.frames

    def __len__(self):
        return len(self._frames)

    def __iter__(self):
        height, width = self.camera.height, self.camera.width
        top = height - height // 3
        texture = np.random.default_rng(9).integers(0, 256, (height, 2 * width), np.uint8)
        texture = cv2.GaussianBlur(texture, (7, 7), 0)
        texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
        for number, frame in enumerate(self._frames):
            image = frame.image.copy()
            shift = round(width / 2 * (1 + np.sin(number / 5)))
            image[top:] = texture[top:, shift : shift + width]
            yield dataclasses.replace(frame, image=image, camera=self.camera)


@pytest.mark.slow
def test_with_a_mask_an_arm_in_view_does_no_harm():
    without, masked = [], []
    # In one room or the other, a third of the view less is worse or better by a half.
    for seed in (5, 6, 7, 9):
        without.append(scores_of_film('room', seed).ate_percent)
        room = RoomWithArm(film('room', seed))
        room.use_mask(ViewMask(margin=(0, 80, 0, 0)))
        scores, run = followed(room)
        masked.append(scores.ate_percent)
        for sample in run.samples:
            # The keyframe's cells stand for the centres of their texture, half a cell away.
            assert sample.matches.keypoints0[:, 1].max() < 152 + 4
            assert sample.matches.keypoints1[:, 1].max() < 152 + 4
    assert np.mean(masked) < 1.2 * np.mean(without)
