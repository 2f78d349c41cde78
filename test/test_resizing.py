# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures are resized on a device as OpenCV resizes them on the host."""

import cv2
import numpy as np
import pytest
import torch

from loftr_vo.matching.resizing import DeviceResizing, filter_between, resized

# (H, W) given, (H, W) seen, the share of pixels that may differ by one grey level.
SHAPES = [
    ((480, 640), (360, 480), 0.0),
    ((370, 1226), (264, 872), 1e-4),
    ((481, 751), (328, 512), 1e-4),
    ((241, 323), (240, 320), 1e-4),
    ((720, 1280), (312, 552), 5e-3),
    ((480, 640), (480, 480), 1e-4),
    # OpenCV rounds up the halves of 2x2 pixels, which are many, and of no other area.
    ((480, 640), (240, 320), 0.15),
    # OpenCV enlarges with few digits, and cuts off some.
    ((245, 325), (248, 328), 0.15),
    ((244, 325), (240, 328), 0.15),
    ((480, 640), (480, 640), 0.0),
]


def pictures(shape):
    """Noise, something smooth, and both ends of the scale side by side."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, shape, np.uint8)
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    return [noise, smooth, (random.random(shape) > 0.5).astype(np.uint8) * 255]


def on_device(picture, shape, device='cpu'):
    resizing = DeviceResizing(picture.shape, shape, torch.device(device))
    return resizing(torch.from_numpy(picture)[None, None].to(device)).cpu()


@pytest.mark.parametrize('device', ['cpu', pytest.param('cuda', marks=pytest.mark.gpu)])
@pytest.mark.parametrize(('shape', 'new_shape', 'share'), SHAPES)
def test_device_and_host_agree(shape, new_shape, share, device):
    for picture in pictures(shape):
        ours = on_device(picture, new_shape, device)
        assert ours.shape == (1, 1, *new_shape)
        assert ours.dtype == torch.uint8
        difference = np.abs(ours[0, 0].numpy().astype(int) - resized(picture, new_shape))
        assert difference.max() <= 1
        assert (difference > 0).mean() <= share


@pytest.mark.parametrize(('shape', 'new_shape', 'share'), SHAPES)
@pytest.mark.parametrize('grey', [0, 1, 255])
def test_one_grey_stays_that_grey(shape, new_shape, share, grey):
    picture = np.full(shape, grey, np.uint8)
    assert (on_device(picture, new_shape) == grey).all()
    assert (resized(picture, new_shape) == grey).all()


def test_shrinking_takes_means_and_what_grows_at_a_side_is_interpolated():
    assert filter_between((480, 640), (360, 480)) == cv2.INTER_AREA
    assert filter_between((480, 640), (480, 480)) == cv2.INTER_AREA
    assert filter_between((245, 325), (248, 328)) == cv2.INTER_LINEAR
    assert filter_between((244, 325), (240, 328)) == cv2.INTER_LINEAR
    picture = np.zeros((4, 6), np.uint8)
    picture[0, :3] = 90
    assert resized(picture, (2, 2)).tolist() == [[45, 0], [0, 0]]


def test_the_host_always_copies():
    picture = pictures((32, 40))[0]
    same = resized(picture, (32, 40))
    assert np.array_equal(same, picture)
    assert not np.shares_memory(same, picture)
