# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The network for inference, part by part and whole, against the plain one."""

import dataclasses

import pytest
import torch
from exact_world import World, pose
from torch.nn import functional as F
from used_modules import used

from loftr_vo.loftr import LoFTR, LoFTRConfig, load_weights
from loftr_vo.loftr.backbone import ResNetFPN
from loftr_vo.loftr.coarse_matching import inside_border, select_matches, similarity
from loftr_vo.loftr.fast import FastLoFTR
from loftr_vo.loftr.fast.backbone import FastBackbone
from loftr_vo.loftr.fast.kernels import choose_kernels
from loftr_vo.loftr.fast.selection import select_by_blocks
from loftr_vo.loftr.fast.torch_kernels import Kernels, OneDnnKernels
from loftr_vo.loftr.fast.transformer import FastEncoderLayer, FastTransformer
from loftr_vo.loftr.fast.windows import cut_rows, lay_out
from loftr_vo.loftr.fine_matching import cut_windows
from loftr_vo.loftr.transformer import EncoderLayer, LocalFeatureTransformer

CPU = torch.device('cpu')
CHOSEN = choose_kernels(CPU, torch.float32)
EACH_KERNELS = pytest.mark.parametrize(
    'by', [Kernels(), CHOSEN], ids=['plain', type(CHOSEN).__name__]
)


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.inference_mode():
        torch.manual_seed(0)
        yield


def close(ours, plain, tolerance=1e-5):
    return (ours - plain).abs().max() < tolerance * plain.abs().max()


class TestKernels:
    def test_onednn_is_used_where_pytorch_has_it(self):
        assert isinstance(CHOSEN, OneDnnKernels) == torch.backends.mkldnn.is_available()
        assert type(choose_kernels(CPU, torch.bfloat16)) is Kernels

    @pytest.mark.parametrize('kernel', ['convolve', 'linear', 'normalise', 'feature_map'])
    @pytest.mark.parametrize('answer', ['missing', 'wrong'])
    def test_kernels_that_do_not_work_are_not_used(self, answer, kernel, monkeypatch):
        def fail(*_):
            raise RuntimeError('no such operator')

        def lie(self, *arguments):
            return getattr(Kernels(), kernel)(*arguments) + 1

        monkeypatch.setattr(OneDnnKernels, kernel, fail if answer == 'missing' else lie)
        assert type(choose_kernels(CPU, torch.float32)) is Kernels

    @EACH_KERNELS
    @pytest.mark.parametrize('channels', [16, 64])
    def test_rows_without_mean_are_normalised(self, by, channels):
        rows = torch.randn(3, 7, channels)
        rows -= rows.mean(dim=2, keepdim=True)
        assert close(by.normalise(rows), F.layer_norm(rows, (channels,)))

    @EACH_KERNELS
    def test_feature_map_is_that_of_linear_attention(self, by):
        # From where the exponential is subnormal on; inf never comes out of a finite number.
        x = torch.linspace(-100, 100, 4001)
        expected = (F.elu(x.double()) + 1).float()
        torch.testing.assert_close(by.feature_map(x), expected, rtol=1e-5, atol=2e-7)

    @EACH_KERNELS
    def test_linear_takes_no_rows_at_all(self, by):
        assert by.linear(torch.zeros(0, 5, 8), torch.zeros(16, 8)).shape == (0, 5, 16)


@EACH_KERNELS
@pytest.mark.parametrize(('multiple', 'align_corners'), [(1, True), (8, False), (16, True)])
def test_backbone_folded_and_filled_up_is_the_backbone(by, multiple, align_corners):
    # 20 and 12 channels: neither is a multiple of 8 or 16, as 196 is not of 16.
    backbone = used(ResNetFPN((16, 20, 24), align_corners))
    fine_map = torch.randn(16, 16)
    images = torch.rand(1, 1, 48, 72)
    coarse, fine = backbone(images)
    fast = FastBackbone(backbone, fine_map, by, CPU, torch.float32, multiple)
    ours_coarse, ours_fine = fast(images)
    assert ours_coarse.shape == coarse.shape
    assert close(ours_coarse, coarse)
    assert close(ours_fine, torch.einsum('oc,bchw->bohw', fine_map, fine))


@EACH_KERNELS
@pytest.mark.parametrize(('dim', 'heads'), [(16, 4), (64, 4), (128, 8)])
def test_layer_is_the_layer(by, dim, heads):
    layer = used(EncoderLayer(dim, heads))
    tokens, source = torch.randn(6, 25, dim), torch.randn(6, 30, dim)
    fast = FastEncoderLayer(layer, by, CPU, torch.float32)
    assert close(fast(tokens, source), layer(tokens, source))


@pytest.mark.parametrize('lengths', [(40, 40), (40, 31)])
def test_transformer_begun_and_finished_is_the_transformer(lengths):
    transformer = used(LocalFeatureTransformer(32, 4, pairs=2))
    tokens = [torch.randn(1, length, 32) for length in lengths]
    fast = FastTransformer.plain(transformer, CHOSEN, CPU, torch.float32)
    for ours, plain in zip(
        fast.finish(*map(fast.begin, tokens)), transformer(*tokens), strict=True
    ):
        assert close(ours, plain)


@pytest.mark.parametrize('offset', [0.0, 500.0])
@pytest.mark.parametrize('scale', [1.0, 30.0])
@pytest.mark.parametrize(('rows', 'columns'), [(300, 250), (128, 90), (90, 200)])
def test_selection_by_blocks_selects_the_same(rows, columns, scale, offset):
    """Also where logits span so much that no one shift serves all of them."""
    tokens0, tokens1 = torch.randn(1, rows, 16), torch.randn(1, columns, 16)
    # Some rows see only logits far below the others' and some columns only such far above.
    tokens0[:, ::7, 0] -= offset / 10
    tokens0[:, 3, 1] += offset
    tokens1[..., 0] = tokens1[..., 0].abs()
    tokens0, tokens1 = tokens0 * scale**0.5, tokens1 * scale**0.5
    inside0, inside1 = torch.rand(1, 1, rows) < 0.9, torch.rand(1, 1, columns) < 0.9
    for threshold in (0.0, 0.2):
        plain = select_matches(
            similarity(tokens0, tokens1, 0.1), inside0, inside1, threshold, rows
        )
        ours = select_by_blocks(
            tokens0, tokens1, 0.1, inside0, inside1, threshold, rows, 0, CHOSEN
        )
        # Where confidence is next to nothing, rounding decides which of two pairs is the better.
        expected, selected = (
            {
                cell0: (cell1, confidence)
                for cell0, cell1, confidence in zip(
                    *(rows[0].tolist() for rows in each[:3]), strict=True
                )
                if confidence > 1e-6
            }
            for each in (plain, ours)
        )
        assert len(expected) > 5
        assert selected.keys() == expected.keys()
        for cell, (partner, confidence) in expected.items():
            assert selected[cell] == (partner, pytest.approx(confidence, rel=2e-3))


def test_selection_by_blocks_keeps_pairs_of_equal_confidence_apart():
    """All are as confident to the bit; and of two cells alike, each has the first for partner."""
    order = torch.randperm(200)
    tokens0, tokens1 = 4 * torch.eye(200)[None], 4 * torch.eye(200)[None, order]
    tokens1[0, 190] = tokens1[0, 20]
    everywhere = torch.ones(1, 1, 200, dtype=torch.bool)
    plain, ours = (
        select(*logits_of, everywhere, everywhere, 0.0, 200, 0, *by)
        for select, logits_of, by in (
            (select_matches, [similarity(tokens0, tokens1, 0.1)], []),
            (select_by_blocks, [tokens0, tokens1, 0.1], [CHOSEN]),
        )
    )
    expected, selected = (
        {
            tuple(pair)
            for pair in torch.stack([each.cells0[0], each.cells1[0]], 1)[each.valid[0]].tolist()
        }
        for each in (plain, ours)
    )
    assert len(expected) == 199
    assert selected == expected == {(int(order[cell]), cell) for cell in range(200) if cell != 190}


def test_windows_are_those_of_the_plain_cutting():
    fine = torch.randn(1, 6, 24, 32)
    cells = torch.randperm(48)
    pixels = lay_out(fine, 5)
    assert pixels.shape == (1, 28 * 36, 6)
    assert torch.equal(cut_rows(pixels[0], cells, 5, 8), cut_windows(fine, cells[None], 5, 8)[0])


def matches_of(raw):
    valid = raw.valid[0]
    columns = (raw.cells0, raw.cells1, raw.confidence, raw.keypoints1, raw.spread)
    rows = zip(*(column[0][valid].tolist() for column in columns), strict=True)
    return {cell: row for cell, *row in rows}


def assert_same_matches(network, image0, image1, at_least, **options):
    fast = FastLoFTR(network, CPU, torch.float32, **options)
    features = [fast.encode(image) for image in (image0, image1)]
    shapes = [tuple(image.shape[2:]) for image in (image0, image1)]
    ours = matches_of(fast.match(*features, *shapes, max_matches=5000))
    plain = matches_of(network(image0 / 255, image1 / 255, max_matches=5000))
    assert len(plain) >= at_least
    assert ours.keys() == plain.keys()
    for cell, (partner, confidence, point, spread) in plain.items():
        assert ours[cell][0] == partner
        assert ours[cell][1] == pytest.approx(confidence, abs=1e-3)
        assert ours[cell][2] == pytest.approx(point, abs=1e-2)
        assert ours[cell][3] == pytest.approx(spread, abs=1e-2)


@EACH_KERNELS
def test_trained_network_matches_as_the_plain_one(by):
    world = World()
    images = [
        torch.from_numpy(world.see(pose((x, 0.0, 0.0), (2 * x, 0, 0))).image)[None, None]
        for x in (0.0, 0.15)
    ]
    assert_same_matches(load_weights('compact'), *images, at_least=100, kernels=by)


@pytest.mark.parametrize('config', [LoFTRConfig.outdoor(), LoFTRConfig.indoor_new()])
def test_published_architecture_matches_as_the_plain_one(config):
    network = used(LoFTR(dataclasses.replace(config, threshold=0.0)))
    network.backbone.layer3_outconv.weight *= 3
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (1, 1, 152, 184), dtype=torch.uint8, generator=generator)
    assert_same_matches(network, image[..., :128, :160], image[..., 8:136, 16:176], at_least=10)


def test_what_corrects_fine_matches_corrects_them_as_in_the_plain_one():
    network = load_weights('compact')
    changed = load_weights('compact')
    used(changed.correlation_head)
    picture = torch.from_numpy(World().see(pose()).image)[None, None]
    moved = picture.roll(3, 3)
    images = picture / 255, moved / 255
    before, after = network(*images), changed(*images)
    assert (before.keypoints1 - after.keypoints1).abs().mean() > 0.1
    assert_same_matches(changed, picture, moved, at_least=100)


def test_pictures_of_two_sizes_match_as_with_the_plain_one():
    image = torch.from_numpy(World().see(pose()).image)[None, None]
    part = image[..., 48:176, 64:].contiguous()
    assert_same_matches(load_weights('compact'), image, part, at_least=50)


def test_nothing_in_common_gives_no_rows():
    fast = FastLoFTR(load_weights('compact'), CPU, torch.float32)
    fast.set_threshold(1.0)
    features = fast.encode(torch.zeros(1, 1, 64, 64, dtype=torch.uint8))
    raw = fast.match(features, features, (64, 64), (64, 64), 100)
    assert raw.keypoints1.shape == (1, 0, 2)


class Watched(OneDnnKernels if isinstance(CHOSEN, OneDnnKernels) else Kernels):
    """Notes how many rows linear layers are given, and of what."""

    def __init__(self):
        self.shapes = set()

    def linear(self, x, weight, bias=None, activation='none'):
        self.shapes.add((tuple(x.shape), tuple(weight.shape), activation))
        return super().linear(x, weight, bias, activation)


def test_no_number_of_matches_needs_kernels_of_its_own():
    """oneDNN compiles and keeps some for every number of rows that it is given."""
    kernels = Watched()
    fast = FastLoFTR(load_weights('compact'), CPU, torch.float32, kernels)
    picture = torch.from_numpy(World().see(pose()).image)[None, None]
    shape = tuple(picture.shape[2:])
    features = fast.encode(picture)
    counts, shapes = [], []
    for threshold in (0.2, 0.9, 0.99):
        kernels.shapes.clear()
        fast.set_threshold(threshold)
        raw = fast.match(features, features, shape, shape, 5000)
        assert raw.valid.all()
        assert raw.keypoints1.shape == (1, raw.valid.shape[1], 2)
        counts.append(raw.valid.shape[1])
        shapes.append(set(kernels.shapes))
    assert counts[0] > counts[1] > counts[2] > 0
    assert max(counts) > 256  # more than one block
    assert shapes[1] <= shapes[0]
    assert shapes[2] <= shapes[0]


def test_border_and_threshold_are_those_of_the_network():
    network = load_weights('compact')
    fast = FastLoFTR(network, CPU, torch.float32)
    picture = torch.from_numpy(World().see(pose()).image)[None, None]
    shape = tuple(picture.shape[2:])
    features = fast.encode(picture)
    some = fast.match(features, features, shape, shape, 5000)
    inside = inside_border(torch.empty(1, 1, shape[0] // 8, shape[1] // 8), network.config.border)
    assert inside.flatten()[some.cells0[0]].all()
    assert some.confidence.min() > network.config.threshold
    fast.set_threshold(0.9)
    few = fast.match(features, features, shape, shape, 5000)
    assert 0 < few.valid.sum() < some.valid.sum()
    assert few.confidence.min() > 0.9


def test_scattered_matches_can_be_left_out():
    fast = FastLoFTR(load_weights('compact'), CPU, torch.float32)
    generator = torch.Generator().manual_seed(0)
    image = torch.from_numpy(World().see(pose()).image)[None, None]
    noise = torch.randint(0, 256, image.shape, dtype=torch.uint8, generator=generator)
    shape = tuple(image.shape[2:])
    features = fast.encode(image)
    moved, other = fast.encode(image.roll(16, 3)), fast.encode(noise)

    def counts():
        return [
            int(fast.match(features, second, shape, shape, 5000).valid.sum())
            for second in (moved, other)
        ]

    fast.set_threshold(0.01)  # so low that strangers match
    of_one_place, of_two = counts()
    fast.set_min_support(8)
    kept_of_one_place, kept_of_two = counts()
    assert of_two > 20
    assert kept_of_one_place > 0.95 * of_one_place
    assert kept_of_two < 0.25 * of_two


def test_plain_network_is_not_changed():
    network = load_weights('compact')
    before = {name: value.clone() for name, value in network.state_dict().items()}
    FastLoFTR(network, CPU, torch.bfloat16)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
