# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How good a network is on ray-cast pairs it was not trained on."""

from __future__ import annotations

import functools

import torch

from loftr_vo.loftr.model import LoFTR
from loftr_vo.synthetic.pairs import PairGenerator, Pairs
from loftr_vo.synthetic.textures import TextureBank
from loftr_vo.training.supervision import Supervision, supervise

_SEED = 987_654_321
_SIZE = (240, 320)
_PAIRS = 24


@torch.no_grad()
def validate(model: LoFTR, device: torch.device) -> dict[str, float]:
    """Score ``model`` on held-out textures, scenes and motions, at 320 x 240.

    Returns:
        precision: share of the matches that lie within 3 px of the truth, of those whose truth
            is known;
        recall: share of the true coarse matches that were found (within 8 px);
        false_rate: matches in cells that have none, as a share of those cells;
        fine_error_px: median distance of the found matches from the truth, in pixels.
    """
    pairs, truth = held_out(device)
    training = model.training
    model.eval()
    try:
        errors, found, matched, false, unmatchable = [], 0, 0, 0, 0
        for index in range(_PAIRS):
            raw = model(*pairs.images[:, index : index + 1], max_matches=8192)
            chosen = raw.valid[0]
            cells = raw.cells0[0][chosen]
            known = truth.matched[index, cells]
            error = (raw.keypoints1[0][chosen] - truth.position[index, cells]).norm(dim=-1)
            errors.append(error[known])
            found += int((error[known] < 8).sum())
            matched += int(truth.matched[index].sum())
            false += int(truth.unmatchable[index, cells].sum())
            unmatchable += int(truth.unmatchable[index].sum())
    finally:
        model.train(training)
    error = torch.cat(errors)
    close = error[error < 8]
    return {
        'precision': float((error < 3).float().mean()) if len(error) else 0.0,
        'recall': found / max(matched, 1),
        'false_rate': false / max(unmatchable, 1),
        'fine_error_px': float(close.median()) if len(close) else float('nan'),
    }


@functools.cache
def held_out(device: torch.device) -> tuple[Pairs, Supervision]:
    """Return the validation pairs and their truth; of textures of their own."""
    bank = TextureBank.random(64, 256, seed=_SEED, device=device)
    pairs = PairGenerator(bank, seed=_SEED, taps=4).draw(_PAIRS, _SIZE)
    return pairs, supervise(pairs)
