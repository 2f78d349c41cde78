# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of 16 bits become pictures of 8 that keep their contrast, alike along a stream."""

import dataclasses

import cv2
import numpy as np
import pytest
import recordings
from paths import DATA
from rendered_films import film, followed, scores_of_film

from loftr_vo.config import Settings, replace
from loftr_vo.datasets import DatasetError, open_sequence
from loftr_vo.datasets.sequence import Sequence
from loftr_vo.evaluation.running import run_sequence
from loftr_vo.imaging.bit_depth import BitDepthReduction
from loftr_vo.imaging.image_quality import empty_image_reason
from loftr_vo.odometry import VisualOdometry

SCENE = cv2.GaussianBlur(
    np.random.default_rng(4).integers(0, 256, (120, 160), np.uint8), (9, 9), 0
).astype(float)
SCENE = (SCENE - SCENE.min()) / np.ptp(SCENE)


def counts(low, high, scene=SCENE):
    return np.round(low + (high - low) * scene).astype(np.uint16)


@pytest.mark.parametrize(
    ('low', 'high'), [(2438, 3737), (7200, 8100), (29000, 31000), (30000, 30100)]
)
def test_counts_on_an_offset_keep_their_contrast(low, high):
    picture = BitDepthReduction().reduce(counts(low, high))
    assert picture.dtype == np.uint8
    # All of the grey levels, or as many as there are counts.
    assert np.ptp(picture.astype(int)) >= min(180, high - low - 1)
    assert empty_image_reason(picture) == ''


@pytest.mark.parametrize(('bits', 'low'), [(10, 0), (12, 60), (14, 200), (16, 0)])
def test_cameras_of_light_are_shifted_as_before(bits, low):
    reduction = BitDepthReduction()
    bright = counts(low, (1 << bits) - 1)
    np.testing.assert_array_equal(reduction.reduce(bright), bright >> (bits - 8))
    # And stay so when they look at something bright alone, or into the dark.
    for low, high in ((0.6, 0.9), (0.0, 0.02)):
        picture = counts(low * (1 << bits), high * (1 << bits))
        np.testing.assert_array_equal(reduction.reduce(picture), picture >> (bits - 8))


def test_a_picture_of_one_value_says_nothing_of_the_camera():
    reduction = BitDepthReduction()
    flat = np.full((24, 32), 3000, np.uint16)
    assert (reduction.reduce(flat) == 3000 >> 4).all()
    assert np.ptp(reduction.reduce(counts(2438, 3737)).astype(int)) > 180


def test_something_hot_that_comes_and_goes_changes_the_rest_slowly():
    reduction = BitDepthReduction()
    before = reduction.reduce(counts(2438, 3737)).astype(int)
    for number in range(1, 20):
        thermal = counts(2438, 3737)
        if number < 10:
            thermal[:30, :40] = 9000  # 6 % of the view
        picture = reduction.reduce(thermal).astype(int)
        rest = np.abs(picture - before)[40:]
        assert rest.max() <= 4
        before = picture
    assert np.ptp(before[40:]) > 150


def test_what_leaves_the_limits_altogether_sets_them_anew_at_once():
    reduction = BitDepthReduction()
    reduction.reduce(counts(2438, 3737))
    assert np.ptp(reduction.reduce(counts(6000, 7300)).astype(int)) > 180


def test_corners_without_a_measurement_are_no_dark():
    rectified = counts(2438, 3737)
    rectified[:20, :20] = 0
    assert np.ptp(BitDepthReduction().reduce(rectified)[20:].astype(int)) > 180


def in_order(path):
    return len(path.name), path.name


def test_a_folder_and_a_bag_give_the_same_pictures(tmp_path):
    recordings.write_folder(tmp_path / 'walk')
    wide = [2438 + picture.astype(np.uint16) * 5 for picture in recordings.pictures()]
    with recordings.Bag(tmp_path / 'bag') as bag:
        for path, stamp, picture in zip(
            sorted((tmp_path / 'walk' / 'images').iterdir(), key=in_order),
            recordings.STAMPS,
            wide,
            strict=True,
        ):
            cv2.imwrite(str(path), picture)
            message = bag.image(picture.view(np.uint8), stamp, 'mono16')
            message.width = recordings.WIDTH
            bag.write('/camera/camera_info', bag.camera_info(stamp), stamp)
            bag.write('/camera/image_raw', message, stamp)
    folder, bag = (list(open_sequence(tmp_path / name)) for name in ('walk', 'bag'))
    assert np.ptp(folder[0].image.astype(int)) > 150
    for one, other in zip(folder, bag, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def test_a_picture_of_numbers_with_fractions_is_refused(tmp_path):
    recordings.write_folder(tmp_path)
    first = min((tmp_path / 'images').iterdir(), key=in_order)
    first.unlink()
    cv2.imwrite(str(first.with_suffix('.tif')), np.zeros((48, 64), np.float32))
    with pytest.raises(DatasetError, match='pixels of float32'):
        list(open_sequence(tmp_path))


class InCounts(Sequence):
    """A rendered sequence as counts from 2400 to 3700."""

    def __init__(self, film):
        super().__init__(film.name, film.kind, film.ground_truth)
        self.camera, self._frames = film.camera, film.frames

    def __len__(self):
        return len(self._frames)

    def __iter__(self):
        reduction = BitDepthReduction()
        for frame in self._frames:
            image = reduction.reduce(counts(2400, 3700, frame.image / 255))
            yield dataclasses.replace(frame, image=image)


@pytest.mark.slow
def test_a_room_in_counts_is_followed_as_exactly_as_in_8_bits():
    scores, _ = followed(InCounts(film('room', 5)))
    assert scores.ate_percent < 1.1 * scores_of_film('room', 5).ate_percent


@pytest.mark.slow
def test_a_thermal_camera_is_tracked():
    if not (DATA / 'thermal').is_dir():
        pytest.skip('the sequence thermal is not there')
    run = run_sequence(
        open_sequence(DATA / 'thermal'),
        VisualOdometry(replace(Settings(), {'matcher.device': 'cpu'})),
    )
    assert run.tracked >= 85
