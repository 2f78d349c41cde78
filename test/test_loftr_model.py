# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The network as a whole, and against kornia's."""

import copy
import dataclasses
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from paths import ROOT

from loftr_vo import LoFTR, LoFTRConfig
from loftr_vo.evaluation.timing.peer import kornia_config
from loftr_vo.loftr.fast import FastLoFTR
from loftr_vo.loftr.model import Features, cell_position


def random_network(config, seed=0, threshold=0.0):
    torch.manual_seed(seed)
    return LoFTR(dataclasses.replace(config, threshold=threshold)).eval()


def textured(height, width, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1.0)


@pytest.fixture(scope='module')
def compact():
    return random_network(LoFTRConfig.compact())


class Peer:
    """kornia's LoFTR and ours with the same random weights."""

    def __init__(self, config):
        feature = pytest.importorskip('kornia.feature')
        # kornia knows no other way to enlarge maps, and no correction.
        config = dataclasses.replace(config, align_corners=True, correlation_hidden=0)
        torch.manual_seed(0)
        self.kornia = feature.LoFTR(pretrained=None, config=kornia_config(config)).eval()
        state = self.kornia.state_dict()
        # Untrained features are small beside the position encoding, which alone matches little.
        state['backbone.layer3_outconv.weight'] *= 3
        for name, value in state.items():
            if name.endswith('running_mean'):
                value.normal_(std=0.1)
            elif name.endswith('running_var'):
                value.uniform_(0.5, 1.5)
        self.kornia.load_state_dict(state)
        self.ours = LoFTR(config).eval()
        self.ours.load_state_dict(state, strict=True)


def assert_same_matches(ours, theirs, cells_per_row, at_least):
    valid = ours.valid[0]
    order = ours.cells0[0][valid].argsort()
    keypoints0 = cell_position(ours.cells0[0], cells_per_row)[valid][order]
    assert len(keypoints0) >= at_least
    assert torch.equal(keypoints0, theirs['keypoints0'])
    assert (ours.keypoints1[0][valid][order] - theirs['keypoints1']).abs().max() < 0.01
    assert (ours.confidence[0][valid][order] - theirs['confidence']).abs().max() < 1e-4
    assert ours.confidence.max() > 0.2, 'the case has no confident match'


def shifted_pair(height, width):
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 1, height + 24, width + 24, generator=generator)
    return picture[..., :height, :width], picture[..., 8:-16, 16:-8]


@pytest.mark.parametrize(
    ('width', 'height', 'at_least'), [(320, 240, 200), (256, 192, 100), (416, 128, 100)]
)
@pytest.mark.parametrize('corrected', [False, True], ids=['released', 'corrected'])
def test_matches_are_those_of_kornia(corrected, width, height, at_least):
    config = dataclasses.replace(
        LoFTRConfig.compact(), threshold=0.0, corrected_position_encoding=corrected
    )
    peer = Peer(config)
    image0, image1 = shifted_pair(height, width)
    with torch.inference_mode():
        theirs = peer.kornia({'image0': image0, 'image1': image1})
        ours = peer.ours(image0, image1, max_matches=10_000)
    assert_same_matches(ours, theirs, width // 8, at_least)


@pytest.mark.parametrize('config', [LoFTRConfig.outdoor(), LoFTRConfig.indoor_new()])
def test_published_architecture_matches_as_kornia(config):
    peer = Peer(dataclasses.replace(config, threshold=0.0))
    image0, image1 = shifted_pair(128, 160)
    with torch.inference_mode():
        theirs = peer.kornia({'image0': image0, 'image1': image1})
        ours = peer.ours(image0, image1, max_matches=10_000)
    assert_same_matches(ours, theirs, 20, at_least=50)


@pytest.mark.parametrize(
    ('config', 'width', 'height', 'at_least'),
    [(LoFTRConfig.compact(), 320, 240, 200), (LoFTRConfig.outdoor(), 160, 128, 50)],
    ids=['compact', 'outdoor'],
)
def test_network_for_inference_matches_as_kornia(config, width, height, at_least):
    peer = Peer(dataclasses.replace(config, threshold=0.0))
    images = [(255 * image).byte() for image in shifted_pair(height, width)]
    fast = FastLoFTR(peer.ours, torch.device('cpu'), torch.float32)
    shape = (height, width)
    # In float32 theirs loses all digits of elu(x) + 1 far below zero: up to half a pixel here.
    exact = peer.kornia.double()
    with torch.inference_mode():
        theirs = exact({f'image{index}': im.double() / 255 for index, im in enumerate(images)})
        ours = fast.match(*map(fast.encode, images), shape, shape, max_matches=10_000)
    assert_same_matches(ours, theirs, width // 8, at_least)


def test_matches_of_padded_pictures_are_those_of_kornia():
    # Without a border: kornia counts it from the end of the padding, the authors' code (and ours)
    # from the end of the picture.
    peer = Peer(dataclasses.replace(LoFTRConfig.compact(), threshold=0.0, border=0))
    generator = torch.Generator().manual_seed(0)
    image0, image1 = torch.rand(2, 1, 1, 160, 240, generator=generator)
    mask0, mask1 = torch.zeros(2, 1, 160, 240, dtype=torch.bool)
    mask0[:, :128, :] = True
    mask1[:, :, :200] = True
    image1 = torch.where(mask1, image0.roll((8, -16), dims=(2, 3)), 0.0)
    image0 = torch.where(mask0, image0, 0.0)
    with torch.inference_mode():
        theirs = peer.kornia({'image0': image0, 'image1': image1, 'mask0': mask0, 'mask1': mask1})
        ours = peer.ours(
            image0, image1, mask0[:, ::8, ::8], mask1[:, ::8, ::8], max_matches=10_000
        )
    assert_same_matches(ours, theirs, 30, at_least=50)


@pytest.mark.parametrize('align_corners', [False, True])
def test_a_place_has_the_same_features_anywhere_unless_corners_are_aligned(align_corners):
    network = random_network(
        dataclasses.replace(LoFTRConfig.compact(), align_corners=align_corners)
    )
    image = torch.rand(1, 1, 320, 480, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        left, right = network.encode(image[..., :400]), network.encode(image[..., 80:])
    # What lies 200 to 280 pixels from the left of the whole, far from all edges.
    difference = left.fine[..., 70:90, 100:140] - right.fine[..., 70:90, 60:100]
    assert (difference.abs().max() < 1e-3 * left.fine.abs().max()) == (not align_corners)


@pytest.mark.parametrize('seed', [0, 1])
def test_features_may_be_kept(compact, seed):
    torch.manual_seed(seed)
    image0, image1 = torch.rand(1, 1, 96, 128), torch.rand(1, 1, 64, 160)
    with torch.inference_mode():
        whole = compact(image0, image1, max_matches=50)
        kept = compact.match_features(
            compact.encode(image0), compact.encode(image1), max_matches=50
        )
    for expected, value in zip(whole, kept, strict=True):
        assert torch.equal(expected, value)


def test_dropping_the_filling_changes_no_match(compact):
    torch.manual_seed(0)
    features = compact.encode(torch.rand(2, 1, 96, 128))
    other = compact.encode(torch.rand(2, 1, 96, 128))
    with torch.inference_mode():
        fixed = compact.match_features(features, other, max_matches=10_000)
        short = compact.match_features(features, other, max_matches=10_000, fixed_size=False)
    assert fixed.valid.shape == (2, 12 * 16)
    assert short.valid.shape[1] == fixed.valid.sum(dim=1).max() < 12 * 16
    for expected, value in zip(fixed, short, strict=True):
        torch.testing.assert_close(expected[:, : value.shape[1]], value)


def test_a_batch_gives_what_its_pictures_give(compact):
    torch.manual_seed(0)
    image0, image1 = torch.rand(2, 3, 1, 64, 96)
    with torch.inference_mode():
        batch = compact(image0, image1, max_matches=30)
        single = compact(image0[1:2], image1[1:2], max_matches=30)
    chosen = single.valid[0]
    assert chosen.any()
    assert torch.equal(batch.cells1[1][chosen], single.cells1[0][chosen])
    torch.testing.assert_close(
        batch.keypoints1[1][chosen], single.keypoints1[0][chosen], atol=1e-3, rtol=0
    )


def test_bfloat16_agrees_with_float32_at_640x480(compact):
    generator = torch.Generator().manual_seed(0)

    def random_features():
        return Features(
            torch.randn(1, 64, 60, 80, generator=generator),
            torch.randn(1, 16, 240, 320, generator=generator),
        )

    features0 = random_features()
    noise = random_features()
    features1 = Features(*(a + 0.1 * b for a, b in zip(features0, noise, strict=True)))
    half = copy.deepcopy(compact).bfloat16()
    with torch.inference_mode():
        tokens = compact.condition(features0, features1)
        short0, short1 = (
            Features(*(value.bfloat16() for value in features))
            for features in (features0, features1)
        )
        short_tokens = half.condition(short0, short1)
        raw = half.match_features(short0, short1, max_matches=2000)
    for exact, short in zip(tokens, short_tokens, strict=True):
        assert short.isfinite().all()
        assert (short.float() - exact).norm() < 0.02 * exact.norm()
    assert raw.valid.sum() > 1000
    for value in (raw.confidence, raw.keypoints1, raw.spread):
        assert value.dtype == torch.float32
        assert value.isfinite().all()


def test_every_parameter_is_trained():
    network = random_network(LoFTRConfig.compact()).train()
    # A head that changes nothing yet has nothing to pass on to the layers before its last.
    torch.nn.init.normal_(network.correlation_head.layers[-1].weight)
    image0, image1 = torch.rand(2, 2, 1, 64, 96)
    features0, features1 = network.encode(image0), network.encode(image1)
    tokens0, tokens1 = network.condition(features0, features1)
    cells = torch.randint(0, 96, (2, 20))
    offset, spread = network.refine(features0, features1, tokens0, tokens1, cells, cells)
    loss = network.similarity(tokens0, tokens1).logsumexp(2).sum() + offset.sum() + spread.sum()
    loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize('shape', [(1, 1, 60, 64), (1, 3, 64, 64), (64, 64)])
def test_encode_says_which_shapes_it_takes(compact, shape):
    with pytest.raises(ValueError, match='multiples of 8'):
        compact.encode(torch.zeros(shape))


class TestMatch:
    def test_takes_pictures_of_any_two_sizes(self, compact):
        image0, image1 = textured(101, 150), textured(77, 203, seed=1)
        matches = compact.match(image0, image1)
        assert len(matches) > 5
        assert matches.keypoints0.dtype == matches.keypoints1.dtype == np.float32
        assert matches.confidence.dtype == matches.spread.dtype == np.float32
        assert (matches.keypoints0 % 8 == 0).all()
        assert (matches.keypoints0 <= [149, 100]).all()
        assert (matches.keypoints1 >= 0).all()
        assert (matches.keypoints1 <= [202, 76]).all()
        row, column = matches.cells // 19, matches.cells % 19
        assert np.array_equal(matches.keypoints0, 8 * np.stack([column, row], axis=1))
        assert (np.diff(matches.confidence) <= 0).all()

    def test_equals_forward_where_nothing_is_padded(self, compact):
        image0, image1 = textured(96, 128), textured(96, 128, seed=1)
        matches = compact.match(image0, image1)
        with torch.inference_mode():
            raw = compact(
                *(torch.from_numpy(image)[None, None] / 255 for image in (image0, image1)),
                max_matches=10_000,
            )
        keypoints1 = raw.keypoints1[0][raw.valid[0]].numpy()
        inside = ((keypoints1 >= 0) & (keypoints1 <= [127, 95])).all(axis=1)
        assert len(matches) == inside.sum() > 5
        np.testing.assert_allclose(matches.keypoints1, keypoints1[inside], atol=1e-3)

    def test_maps_shrunk_pictures_back(self, compact):
        image0, image1 = textured(192, 256), textured(192, 256, seed=1)
        small0, small1 = (
            cv2.resize(image, (128, 96), interpolation=cv2.INTER_AREA)
            for image in (image0, image1)
        )
        shrunk = compact.match(image0, image1, max_size=128)
        small = compact.match(small0, small1)
        assert len(shrunk) == len(small) > 5
        # Halved, the centre of a pixel lies between two: 0 is 0.5 in the full picture.
        np.testing.assert_allclose(shrunk.keypoints0, 2 * small.keypoints0 + 0.5)
        np.testing.assert_allclose(shrunk.keypoints1, 2 * small.keypoints1 + 0.5, atol=1e-4)
        np.testing.assert_allclose(shrunk.spread, 2 * small.spread, rtol=1e-5)

    def test_leaves_pictures_smaller_than_max_size(self, compact):
        image = textured(96, 128)
        matches, limited = compact.match(image, image), compact.match(image, image, max_size=128)
        assert np.array_equal(matches.keypoints1, limited.keypoints1)

    def test_max_size_must_leave_something_to_see(self, compact):
        with pytest.raises(ValueError, match='max_size must be at least 16 pixels, got 8'):
            compact.match(textured(64, 64), textured(64, 64), max_size=8)

    def test_no_match_is_an_empty_answer(self):
        network = random_network(LoFTRConfig.compact(), threshold=1.0)
        matches = network.match(textured(64, 64), textured(64, 64, seed=1))
        assert len(matches) == 0
        assert matches.keypoints1.shape == (0, 2)

    @pytest.mark.parametrize(
        ('picture', 'message'),
        [
            (np.zeros((64, 64, 3), np.uint8), 'convert it'),
            (np.zeros((64, 64), np.float32), 'float32'),
            (np.zeros((64, 15), np.uint8), 'at least 16 pixels on each side, got 15 x 64'),
            ([[0]], 'got list'),
        ],
    )
    def test_says_what_a_picture_must_be(self, compact, picture, message):
        with pytest.raises(ValueError, match=message):
            compact.match(textured(64, 64), picture)


def test_importing_the_package_loads_neither_torch_nor_ros():
    code = 'import sys, loftr_vo; print({"torch", "rclpy", "cv2"} & set(sys.modules) or "light")'
    answer = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == 'light'
