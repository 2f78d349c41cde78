# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The kernels in Triton against plain PyTorch; without a GPU they are interpreted, in float16."""

import pytest
import torch
from exact_world import World, pose
from used_modules import used

pytest.importorskip('triton', reason='there is no Triton')

from loftr_vo.loftr import LoFTR, LoFTRConfig, load_weights
from loftr_vo.loftr.coarse_matching import inside_border
from loftr_vo.loftr.fast import FastLoFTR
from loftr_vo.loftr.fast import parts as parts_module
from loftr_vo.loftr.fast.fused.layer import FusedEncoderLayer
from loftr_vo.loftr.fast.fused.selection import select_by_tiles
from loftr_vo.loftr.fast.kernels import choose_kernels
from loftr_vo.loftr.fast.parts import (
    choose_parts,
    fused_parts,
    plain_parts,
    select_plainly,
)
from loftr_vo.loftr.fast.torch_kernels import Kernels
from loftr_vo.loftr.transformer import EncoderLayer

DEVICE = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
# NumPy, which Triton interprets with, has no bfloat16.
HALF = [
    torch.float16,
    pytest.param(torch.bfloat16, marks=pytest.mark.gpu),
]


# Of batches, tokens and those they attend to: tiles that end within, one tile, many tiles.
COUNTS = [(2, 130, 130), (1, 64, 300), (2, 16, 600)]


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.inference_mode():
        torch.manual_seed(0)
        yield


def random(*shape):
    return torch.randn(shape).to(DEVICE)


@pytest.mark.parametrize('dtype', HALF)
@pytest.mark.parametrize(
    ('dim', 'heads', 'batch', 'count', 'source_count'),
    [
        # A layer of 64 channels has a kernel of its own, wider ones share one.
        *((64, 4, *counts) for counts in COUNTS),
        *((128, 8, *counts) for counts in COUNTS),
        *((dim, heads, *COUNTS[0]) for dim, heads in ((64, 8), (256, 8), (256, 4))),
    ],
)
def test_layer_is_the_layer(dtype, dim, heads, batch, count, source_count):
    layer = used(EncoderLayer(dim, heads))
    fused = FusedEncoderLayer(layer, DEVICE, dtype)
    tokens, source = random(batch, count, dim), random(batch, source_count, dim)
    exact = layer.to(DEVICE)(tokens, source)
    error = (fused(tokens, source) - exact).abs().max() / exact.abs().max()
    assert error < 4 * torch.finfo(dtype).eps


class TestSelection:
    @pytest.mark.parametrize(
        ('grid0', 'grid1', 'kept', 'support', 'dim'),
        [
            ((12, 16), (12, 16), 1000, 0, 64),
            ((12, 16), (12, 16), 50, 0, 64),
            # Wider tokens differ in the size of their tiles alone.
            *(((9, 11), (13, 17), 60, 2, dim) for dim in (64, 256)),
            *(((17, 19), (13, 15), 400, 4, dim) for dim in (64, 256)),
        ],
    )
    def test_selects_what_the_reference_selects(self, grid0, grid1, kept, support, dim):
        tokens0, tokens1 = self._pair(grid0, grid1, dim)
        borders = [
            inside_border(torch.empty(1, 1, *grid, device=DEVICE), 1) for grid in (grid0, grid1)
        ]
        threshold = torch.tensor(0.2, device=DEVICE)
        support = torch.tensor(support, device=DEVICE)
        arguments = tokens0, tokens1, 0.1, *borders, threshold, kept, support
        ours, plain = select_by_tiles(*arguments), select_plainly(*arguments)
        count = int(plain.valid.sum())
        assert count > 10
        assert ours.valid.shape == plain.valid.shape
        assert ours.valid[0, :count].all() and not ours.valid[0, count:].any()
        assert torch.equal(ours.cells0[0, :count], plain.cells0[0, :count])
        assert torch.equal(ours.cells1[0, :count], plain.cells1[0, :count])
        torch.testing.assert_close(ours.confidence, plain.confidence, atol=1e-5, rtol=1e-4)

    @pytest.mark.parametrize('dim', [64, 256])
    def test_large_logits_are_as_exact_as_in_float32(self, dim):
        """Of nearly equal rivals, whose logits of hundreds differ by little."""
        grid = 9, 11
        tokens0, tokens1 = (5.0 * tokens for tokens in self._pair(grid, grid, dim))
        tokens1 = torch.lerp(tokens1, tokens1.flip(1), 0.49)
        inside = torch.ones(1, *grid, dtype=torch.bool, device=DEVICE)
        threshold, support = torch.tensor(0.0, device=DEVICE), torch.tensor(0, device=DEVICE)
        arguments = 0.1, inside, inside, threshold, 99, support
        ours = select_by_tiles(tokens0, tokens1, *arguments)
        exact = select_plainly(tokens0.double(), tokens1.double(), *arguments)
        count = int(exact.valid.sum())
        assert count > 10
        partners = [
            dict(zip(raw.cells0[0].tolist(), raw.cells1[0].tolist(), strict=True))
            for raw in (ours, exact)
        ]
        assert partners[0] == partners[1]
        torch.testing.assert_close(ours.confidence, exact.confidence.float(), atol=1e-4, rtol=2e-4)

    @pytest.mark.filterwarnings('ignore:All-NaN slice')  # of the interpreter
    def test_what_is_no_number_matches_nothing(self):
        tokens0, tokens1 = self._pair((9, 11), (9, 11), 64)
        inside = torch.ones(1, 9, 11, dtype=torch.bool, device=DEVICE)
        numbers = torch.tensor(0.0, device=DEVICE), 99, torch.tensor(0, device=DEVICE)
        assert select_by_tiles(tokens0, tokens1, 0.1, inside, inside, *numbers).valid.any()
        tokens1[0, 5] = torch.nan
        chosen = select_by_tiles(tokens0, tokens1, 0.1, inside, inside, *numbers)
        assert not chosen.valid.any()
        assert (chosen.cells1 < 99).all()

    @staticmethod
    def _pair(grid0, grid1, dim):
        """Tokens of two pictures, one of them moved by a cell; of all confidences."""
        count0, count1 = grid0[0] * grid0[1], grid1[0] * grid1[1]
        rows, columns = max(grid0[0], grid1[0]) + 1, max(grid0[1], grid1[1]) + 1
        world = random(rows, columns, dim) * torch.rand(rows, columns, 1, device=DEVICE)
        tokens0 = world[: grid0[0], : grid0[1]].reshape(1, count0, dim)
        tokens1 = world[1 : grid1[0] + 1, 1 : grid1[1] + 1].reshape(1, count1, dim)
        noise = [0.3 * random(*tokens.shape) for tokens in (tokens0, tokens1)]
        return tokens0 + noise[0], tokens1 + noise[1]

    @pytest.mark.parametrize('rows', [5, 25])
    def test_every_cell_is_in_one_match_at_most(self, rows):
        """Where all pairs are alike, in a tile or several: of those that tie, the first counts."""
        tokens = torch.ones(1, rows * 6, 64, device=DEVICE)
        inside = torch.ones(1, rows, 6, dtype=torch.bool, device=DEVICE)
        numbers = torch.tensor(0.0, device=DEVICE), 30, torch.tensor(0, device=DEVICE)
        chosen = select_by_tiles(tokens, tokens, 0.1, inside, inside, *numbers)
        assert chosen.valid.sum() == 1
        assert chosen.cells0[0, 0] == chosen.cells1[0, 0] == 0


@pytest.mark.parametrize('dtype', HALF)
@pytest.mark.parametrize('weights', ['compact', 'random:outdoor'])
def test_the_network_is_the_network(weights, dtype):
    """Two real views, small enough to interpret; random weights match at any confidence."""
    views = [World().see(pose((x, 0.0, 0.0), (2 * x, 0, 0))).image for x in (0.0, 0.04)]
    pictures = [torch.from_numpy(view[:96, :128].copy())[None, None].to(DEVICE) for view in views]
    model = load_weights(weights)
    if model.correlation_head is not None:
        used(model.correlation_head)
    kernels = choose_kernels(DEVICE, dtype)
    found = []
    for make in (fused_parts, plain_parts):
        parts = make(model, kernels, DEVICE, dtype)
        network = FastLoFTR(model, DEVICE, dtype, kernels, fixed_size=True, parts=parts)
        network.set_threshold(0.2 if weights == 'compact' else 0.0)
        features = [network.encode(picture) for picture in pictures]
        found.append(network.match(*features, (96, 128), (96, 128), 24))
    assert all(raw.valid.sum() > 5 for raw in found)
    ours, plain = ({int(c): i for i, c in enumerate(raw.cells0[0])} for raw in found)
    shared = [(ours[cell], plain[cell]) for cell in ours if cell in plain]
    assert len(shared) >= 0.9 * len(plain)
    at0, at1 = (torch.tensor(rows) for rows in zip(*shared, strict=True))
    both = found[0].valid[0, at0] & found[1].valid[0, at1]
    both &= found[0].cells1[0, at0] == found[1].cells1[0, at1]
    assert both.sum() >= 0.9 * found[1].valid.sum()
    for name in ('keypoints1', 'spread'):
        difference = getattr(found[0], name)[0, at0] - getattr(found[1], name)[0, at1]
        assert difference[both].abs().median() < 16 * torch.finfo(dtype).eps


class TestChoosing:
    @pytest.fixture
    def model(self):
        return load_weights('compact').eval()

    @pytest.fixture
    def as_on_a_gpu(self, monkeypatch):
        """Choose as for a CUDA device, but compute where this test does."""
        plain = parts_module.plain_parts

        def choose(model, dtype=torch.float16):
            device = type('Device', (), {'type': 'cuda'})()
            monkeypatch.setattr(
                parts_module, 'plain_parts', lambda m, k, _, d: plain(m, k, DEVICE, d)
            )
            fused = parts_module.fused_parts
            monkeypatch.setattr(
                parts_module, 'fused_parts', lambda m, k, _, d: fused(m, k, DEVICE, d)
            )
            agree = parts_module._agree
            monkeypatch.setattr(
                parts_module, '_agree', lambda a, b, m, _, d: agree(a, b, m, DEVICE, d)
            )
            return choose_parts(model, Kernels(), device, dtype)

        return choose

    def test_fused_parts_are_taken_where_they_agree(self, model, as_on_a_gpu):
        assert as_on_a_gpu(model).select is select_by_tiles

    @pytest.mark.parametrize('part', ['layer', 'selection', 'fine'])
    def test_parts_that_lie_are_not_taken(self, model, as_on_a_gpu, monkeypatch, caplog, part):
        from loftr_vo.loftr.fast.fused import fine, layer, selection

        def wrong(function):
            def lie(*arguments):
                answer = function(*arguments)
                if part == 'layer':
                    return answer * 1.1
                if part == 'fine':
                    return answer[0] + 0.5, answer[1]
                return answer._replace(cells1=answer.cells1.roll(1, dims=1))

            return lie

        owner, name = {
            'layer': (layer.FusedEncoderLayer, '__call__'),
            'selection': (selection, 'select_by_tiles'),
            'fine': (fine.FusedFine, '__call__'),
        }[part]
        monkeypatch.setattr(owner, name, wrong(getattr(owner, name)))
        chosen = as_on_a_gpu(model)
        assert chosen.select is not select_by_tiles
        assert 'other numbers' in caplog.text

    def test_without_a_compiler_the_plain_ones_are_taken(
        self, model, as_on_a_gpu, monkeypatch, caplog
    ):
        def fail(*_):
            raise RuntimeError('Failed to find C compiler.\nPlease specify one')

        monkeypatch.setattr(FusedEncoderLayer, '__call__', fail)
        assert as_on_a_gpu(model).select is not select_by_tiles
        assert 'no fused kernels, frames will be slower: Failed to find C comp' in caplog.text

    def test_sizes_that_they_are_not_written_for_are_left_to_the_plain_ones(self, as_on_a_gpu):
        config = LoFTRConfig(block_dims=(16, 24, 96), coarse_heads=4, fine_heads=4)
        assert as_on_a_gpu(LoFTR(config).eval()).select is not select_by_tiles

    def test_float32_is_left_to_the_plain_ones(self, model, as_on_a_gpu):
        assert as_on_a_gpu(model, torch.float32).select is not select_by_tiles


@pytest.mark.gpu
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('weights', ['compact', 'random:outdoor'])
def test_fused_parts_are_taken_on_a_gpu(weights, dtype):
    kernels = choose_kernels(DEVICE, dtype)
    chosen = choose_parts(load_weights(weights), kernels, DEVICE, dtype)
    assert chosen.select is select_by_tiles
