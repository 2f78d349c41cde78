# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What light, lens, shutter and compression do to rendered pictures."""

import cv2
import numpy as np
import pytest
import torch

from loftr_vo.synthetic import photometry
from loftr_vo.synthetic.pairs import rolling_shutter
from loftr_vo.synthetic.render import render
from loftr_vo.synthetic.scene import Rectangles, rotation_from_vector
from loftr_vo.synthetic.textures import TextureBank

COUNT = 64


def grey(value=0.5, count=COUNT, size=(48, 64)):
    return torch.full((count, 1, *size), value)


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


def smooth_picture(height=64, width=96, seed=0):
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 2)
    return cv2.normalize(blurred, None, 0, 255, cv2.NORM_MINMAX).round().astype(np.uint8)


@pytest.mark.parametrize('quality', [25, 50, 75, 95])
def test_compression_is_that_of_jpeg(quality):
    picture = smooth_picture()
    ours = photometry.compress(
        torch.from_numpy(picture)[None, None] / 255, torch.full((1, 1, 1, 1), float(quality))
    )
    _, encoded = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    theirs = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE).astype(float)
    ours = 255 * ours[0, 0].numpy()
    lost = np.abs(picture - theirs).mean()
    assert np.abs(ours - theirs).mean() < 0.3 * lost + 0.05
    assert np.array_equal(ours, ours.round())


def test_compression_comes_in_all_qualities_and_leaves_some_pictures_alone():
    pictures = torch.from_numpy(smooth_picture())[None, None].expand(COUNT, -1, -1, -1) / 255
    changed = (
        (photometry.random_compression(pictures, seeded(), 1.0) - pictures).abs().mean((1, 2, 3))
    )
    assert 0.4 < (changed == 0).float().mean() < 0.8
    worst, mildest = changed[changed > 0].max(), changed[changed > 0].min()
    assert worst > 4 * mildest


def test_glare_brightens_one_place_of_some_pictures():
    lit = photometry.random_glare(grey(0.3), seeded(), 1.0)
    brighter = lit - 0.3
    touched = brighter.amax((1, 2, 3)) > 0.05
    assert 0.05 < touched.float().mean() < 0.35
    assert brighter.min() >= 0
    for picture in brighter[touched]:
        # A lamp is a spot: most of what it adds lies in a part of the picture.
        assert picture.median() < 0.5 * picture.max()


def test_a_cast_shadow_darkens_one_side_only():
    shaded = photometry.random_cast_shadow(grey(0.8), seeded(), 1.0)
    share = shaded / 0.8
    touched = share.amin((1, 2, 3)) < 0.9
    assert 0.05 < touched.float().mean() < 0.4
    assert share.max() <= 1 and share.min() > 0.25
    lit_somewhere = share[touched].amax((1, 2, 3)) > 0.93
    assert lit_somewhere.float().mean() > 0.6


def test_soft_shade_changes_slowly_across_the_picture():
    shaded = photometry.random_shadow(grey(), seeded(), 1.0)
    assert shaded.std((1, 2, 3)).max() > 0.02
    steps = (shaded.diff(dim=-1).abs().amax(), shaded.diff(dim=-2).abs().amax())
    assert max(steps) < 0.12


def test_exposure_has_gain_gamma_and_a_vignette_around_a_middle_of_its_own():
    ramp = torch.linspace(0, 1, 64).expand(COUNT, 1, 48, 64)
    exposed = photometry.random_exposure(ramp, seeded(), 1.0)
    means = exposed.mean((1, 2, 3))
    assert means.min() < 0.2 and means.max() > 0.55
    flat = photometry.random_exposure(grey(), seeded(2), 1.0)[:, 0]
    corners = torch.stack([flat[:, 0, 0], flat[:, 0, -1], flat[:, -1, 0], flat[:, -1, -1]])
    middle = flat[:, 24, 32]
    usable = (middle > 0.05) & (middle < 0.95)
    assert (corners.mean(0) / middle)[usable].min() < 0.8
    assert (corners.std(0) / middle)[usable].max() > 0.03


def test_noise_and_defocus_come_in_several_strengths():
    noisy = photometry.random_noise(grey(), seeded(), 1.0).std((1, 2, 3))
    assert noisy.min() < 0.002 and 0.02 < noisy.max() < 0.05
    line = torch.zeros(COUNT, 1, 48, 64)
    line[..., 32] = 1.0
    peaks = photometry.random_blur(line, seeded(), 1.0).amax((1, 2, 3))
    assert peaks.max() > 0.95 and peaks.min() < 0.3


def test_a_rolling_shutter_is_a_camera_that_turns_while_it_reads_out():
    """Against points projected by a camera whose yaw or pitch is that of the row they fall on."""
    size, focal = (96, 128), 110.0
    matrix = np.array([[focal, 0, 63.5], [0, focal, 47.5], [0, 0, 1]])
    rng = np.random.default_rng(0)
    for axis, turn in ((1, 0.05), (0, 0.05)):  # yaw, pitch; radians in the time of all rows
        # A turn to the right moves the picture to the left, one downwards moves it up.
        shift = np.zeros((1, 2))
        shift[0, 1 - axis] = focal * turn / size[0] * (-1 if axis == 1 else 1)
        rolled = rolling_shutter(torch.tensor(shift), size)[0].numpy()
        for _ in range(50):
            pixel = np.array([rng.uniform(44, 84), rng.uniform(5, 90), 1.0])
            ray = np.linalg.inv(matrix) @ pixel
            row = pixel[1]
            for _ in range(20):  # the row on which the point is read is where it is then seen
                angle = np.zeros(3)
                angle[axis] = turn * (row - 47.5) / size[0]
                turned = rotation_from_vector(torch.tensor(angle)).numpy()
                seen = matrix @ (turned.T @ ray)
                row = seen[1] / seen[2]
            expected = seen[:2] / seen[2]
            found = (rolled @ pixel)[:2]
            # First order: what is left is of the second in the turn and the angle of view.
            assert (
                np.abs(found - expected).max() < 0.25 * np.abs(expected - pixel[:2]).max() + 0.05
            )


def test_a_far_floor_of_checkers_does_not_shimmer():
    """A camera that creeps over a chessboard to the horizon sees its far end resting."""
    y, x = torch.meshgrid(torch.arange(256), torch.arange(256), indexing='ij')
    board = TextureBank.from_textures((((x // 8) + (y // 8)) % 2).float()[None])
    floor = Rectangles(
        centre=torch.tensor([[[0.0, 1.0, 50.0]]]),
        axes=torch.tensor([[[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]]),
        half_size=torch.full((1, 1, 2), 60.0),
        texture=torch.zeros(1, 1, dtype=torch.long),
        density=torch.full((1, 1), 32.0),
        offset=torch.full((1, 1, 2), 128.0),
        contrast=torch.ones(1, 1),
        moving=torch.zeros(1, 1, dtype=torch.bool),
    )
    matrix = torch.tensor([[[100.0, 0, 63.5], [0, 100.0, 15.5], [0, 0, 1]]])
    views = []
    for step in range(8):
        pose = torch.eye(4)
        pose[0, 3], pose[2, 3] = 0.037 * step, 0.061 * step
        views.append(render(floor, board, pose[None], matrix, (96, 128), taps=2).image[0])
    flicker = torch.stack(views).std(dim=0)
    far, near = flicker[18:22], flicker[70:]
    assert far.mean() < 0.03
    assert near.mean() > 0.2
