# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's losses (Sun et al., CVPR 2021, section 3.6), and one for cells without a match."""

from __future__ import annotations

import torch

_ALPHA = 0.25
_GAMMA = 2.0
# Below this the distance is squared after all, or its gradient would jump; half windows.
_SOFTENING = 0.02
# Half windows within which a match can be refined; a little beyond the window, where its
# gradient still points to the match.
_MAX_SPEED_RATIO = 1.5
# Half windows; no spread is less than a hundredth of a pixel.
_LEAST_SPREAD = 0.0025


def coarse_loss(
    log_confidence: torch.Tensor, matched: torch.Tensor, partner: torch.Tensor
) -> torch.Tensor:
    """Focal loss of the dual-softmax confidence at the true matches.

    Args:
        log_confidence: (B, L, S) logarithm of the dual-softmax.
        matched: (B, L) bool.
        partner: (B, L) int64, see ``Supervision``.
    """
    log_p = log_confidence.gather(2, partner[..., None])[..., 0]
    focal = -_ALPHA * (1 - log_p.exp()) ** _GAMMA * log_p
    return _masked_mean(focal, matched)


def unmatched_loss(log_confidence: torch.Tensor, unmatchable: torch.Tensor) -> torch.Tensor:
    """Focal loss that pushes down the best confidence of cells with nothing to match.

    The published training leaves these alone; a streamed camera whose view is covered needs them
    to say so.
    """
    best = log_confidence.amax(dim=2).exp().clamp_max(1 - 1e-4)
    focal = -(1 - _ALPHA) * best**_GAMMA * torch.log1p(-best)
    return _masked_mean(focal, unmatchable)


def place_losses(
    offset: torch.Tensor, target: torch.Tensor, spread: torch.Tensor, half_window: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``fine_loss`` and ``spread_loss`` of lengths in the unit of ``half_window``."""
    lengths = offset / half_window, target / half_window, spread / half_window
    return fine_loss(*lengths), spread_loss(*lengths)


def fine_loss(offset: torch.Tensor, target: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    """Distance, each match weighted by the inverse of its predicted spread.

    The paper squares the distance. A few matches that nothing tells apart, on a plain wall or
    along an edge, then outweigh all others, and the network learns to answer with the middle of
    the window. The distance itself asks for the median instead.

    Args:
        offset: (M, 2) predicted, in units of half the fine window.
        target: (M, 2) true, likewise; only those within reach count.
        spread: (M,) predicted, likewise; a weight without gradient.
    """
    within = _within_reach(target)
    weight = 1 / spread.detach().clamp_min(1e-3)
    weight = weight / _masked_mean(weight, within).clamp_min(1e-6)
    distance = (((offset - target) ** 2).sum(-1) + _SOFTENING**2).sqrt() - _SOFTENING
    return _masked_mean(distance * weight, within)


def spread_loss(offset: torch.Tensor, target: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood of the distances, if they fall off exponentially with the spread.

    It is least where the spread is the expected distance. The offset learns nothing from it: to be
    better where it is sure already would pay more than to be better where it can be.

    Args:
        offset: (M, 2) predicted, in units of half the fine window.
        target: (M, 2) true, likewise; only those within reach count.
        spread: (M,) predicted, likewise.
    """
    distance = (offset.detach() - target).norm(dim=-1)
    spread = spread.clamp_min(_LEAST_SPREAD)
    return _masked_mean(spread.log() + distance / spread, _within_reach(target))


def _within_reach(target: torch.Tensor) -> torch.Tensor:
    return target.abs().amax(-1) < _MAX_SPEED_RATIO


def _masked_mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean where ``mask``; by a product, so that shapes do not depend on values."""
    return (values * mask).sum() / mask.sum().clamp_min(1)
