# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The parts after the backbone, in the fastest implementation available."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from loftr_vo.loftr.coarse_matching import CoarseMatches, select_matches, similarity
from loftr_vo.loftr.fast.fine import FastFine
from loftr_vo.loftr.fast.selection import select_by_blocks
from loftr_vo.loftr.fast.torch_kernels import Kernels
from loftr_vo.loftr.fast.transformer import FastTransformer
from loftr_vo.loftr.model import LoFTR

_HALF = (torch.float16, torch.bfloat16)
# Matches that are refined to see whether parts agree.
_REFINED = 8


class Parts(NamedTuple):
    """The parts of a network behind its backbone.

    Attributes:
        coarse: the coarse transformer.
        select: coarse matches of tokens (1, L, C) and (1, S, C), a temperature, and what
            ``select_matches`` takes after the logits.
        refine: see ``FastFine``.
    """

    coarse: FastTransformer
    select: Callable[..., CoarseMatches]
    refine: Callable[..., tuple[Tensor, Tensor]]


def choose_parts(
    model: LoFTR, kernels: Kernels, device: torch.device, dtype: torch.dtype
) -> Parts:
    """Return the fastest parts that work here; fused ones are first compared with plain ones."""
    plain = plain_parts(model, kernels, device, dtype)
    if device.type != 'cuda' or dtype not in _HALF or not _can_be_fused(model):
        return plain
    try:
        fused = fused_parts(model, kernels, device, dtype)
        if _agree(fused, plain, model, device, dtype):
            return fused
        reason = 'they give other numbers than PyTorch'
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        # A compiler that is missing or too old, too small a GPU: Triton has errors of its own.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
    logging.getLogger(__name__).warning('no fused kernels, frames will be slower: %s', reason)
    return plain


def plain_parts(model: LoFTR, kernels: Kernels, device: torch.device, dtype: torch.dtype) -> Parts:
    """Return the parts in PyTorch's operations."""
    return Parts(
        FastTransformer.plain(model.loftr_coarse, kernels, device, dtype),
        (
            functools.partial(select_by_blocks, kernels=kernels)
            if device.type == 'cpu'
            else select_plainly
        ),
        FastFine(model, kernels, device, dtype),
    )


def fused_parts(model: LoFTR, kernels: Kernels, device: torch.device, dtype: torch.dtype) -> Parts:
    """Return the parts in fused kernels, for a half precision.

    Raises:
        ImportError: there is no Triton.
    """
    from loftr_vo.loftr.fast.fused.fine import FusedFine
    from loftr_vo.loftr.fast.fused.layer import FusedEncoderLayer
    from loftr_vo.loftr.fast.fused.selection import select_by_tiles

    return Parts(
        FastTransformer(
            [
                FusedEncoderLayer(layer, device, dtype)  # type: ignore[arg-type]
                for layer in model.loftr_coarse.layers
            ]
        ),
        select_by_tiles,
        FusedFine(model, kernels, device, dtype),
    )


def select_plainly(
    tokens0: Tensor,
    tokens1: Tensor,
    temperature: float,
    inside0: Tensor,
    inside1: Tensor,
    threshold: Tensor | float,
    max_matches: int,
    min_support: Tensor | int = 0,
) -> CoarseMatches:
    """Select by ``similarity`` and ``select_matches``, see there."""
    logits = similarity(tokens0, tokens1, temperature)
    return select_matches(logits, inside0, inside1, threshold, max_matches, min_support)


def _can_be_fused(model: LoFTR) -> bool:
    """Return whether the fused kernels support the network's sizes."""
    config = model.config
    coarse, fine = config.coarse_dim, config.fine_dim
    return (
        coarse in (64, 128, 256)
        and coarse // config.coarse_heads <= 64
        and fine in (16, 32, 64, 128)
        and config.fine_pairs == 1
        and config.window <= 5
    )


@torch.inference_mode()
def _agree(
    fused: Parts, plain: Parts, model: LoFTR, device: torch.device, dtype: torch.dtype
) -> bool:
    """Return whether both agree on random tokens with unambiguous pairs."""
    config, grid = model.config, (12, 16)
    tolerance = 16 * torch.finfo(dtype).eps
    generator = torch.Generator().manual_seed(0)
    count = grid[0] * grid[1]

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    tokens0 = random(1, count, config.coarse_dim)
    order = torch.randperm(count, generator=generator).to(device)
    tokens1 = tokens0[:, order] + 0.1 * random(1, count, config.coarse_dim)
    layers = [parts.coarse.layers[0](tokens0, tokens1) for parts in (fused, plain)]
    inside = torch.ones(1, *grid, dtype=torch.bool, device=device)
    threshold, support = torch.tensor(0.2, device=device), torch.tensor(0, device=device)
    ours, theirs = (
        parts.select(
            tokens0, tokens1, config.temperature, inside, inside, threshold, count, support
        )
        for parts in (fused, plain)
    )
    margin = config.window // 2
    pixels = (4 * grid[0] + 2 * margin) * (4 * grid[1] + 2 * margin)
    fine = tuple(random(1, pixels, config.fine_dim).to(dtype) for _ in range(2))
    few = CoarseMatches(*(rows[:, :_REFINED] for rows in theirs))
    places = [
        parts.refine(fine, (tokens0, tokens1), few, (grid[1], grid[1]))[0]
        for parts in (fused, plain)
    ]
    return bool(
        (layers[0] - layers[1]).abs().max() < tolerance * layers[1].abs().max()
        and torch.equal(_partners(ours), _partners(theirs))
        and (places[0] - places[1]).abs().mean() < tolerance
    )


def _partners(coarse: CoarseMatches) -> Tensor:
    """Return the partner of every cell of the first picture, -1 where there is none."""
    partners = torch.where(coarse.valid, coarse.cells1, -1)
    return partners.gather(1, coarse.cells0.argsort(dim=1))
