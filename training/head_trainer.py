# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop of a ``CorrelationHead`` alone."""

from __future__ import annotations

import functools
from typing import cast

import torch

from loftr_vo.loftr.correlation_head import CorrelationHead
from loftr_vo.loftr.fine_matching import expected_offset
from loftr_vo.loftr.model import FINE_STRIDE
from training.losses import place_losses
from training.trainer import Losses, Trainer
from training.window_pool import WindowPool, Windows

_BATCHES_TO_BEGIN_WITH = 16


class HeadTrainer(Trainer):
    """Trains the head on windows that are used many times, mirrored.

    Beside a step of the head, to render pairs and to find their windows takes long; so a batch of
    pairs comes once in ``steps_per_batch``.
    """

    @functools.cached_property
    def _head(self) -> CorrelationHead:
        return cast(CorrelationHead, self.model.correlation_head)

    @functools.cached_property
    def _pool(self) -> WindowPool:
        generator = torch.Generator(self.device).manual_seed(self.config.seed + self.step)
        pool = WindowPool(self.config.windows_kept, generator)
        for _ in range(_BATCHES_TO_BEGIN_WITH):
            pool.add(self._new_windows())
        return pool

    def _next_terms(self) -> Losses:
        if self.step % self.config.steps_per_batch == 0:
            self._pool.add(self._new_windows())
        first, second, offset, spread, target = self._pool.draw(self.config.windows_drawn)
        offset, spread = self._head(first, second, offset, spread)
        nothing = torch.zeros((), device=self.device)
        half_window = self.config.model.window // 2
        return Losses(nothing, nothing, *place_losses(offset, target, spread, half_window))

    @torch.no_grad()
    def _new_windows(self) -> Windows:
        pairs, truth = self._next_pairs()
        cells, chosen = self._fine_choice(truth)
        features = self._encoded(pairs.images)
        tokens = self.model.condition(*features)
        partner, target = self._fine_targets(pairs.images, truth, cells, chosen)
        windows = self.model.fine_windows(*features, *tokens, cells, partner)
        offset, spread = expected_offset(*windows)
        return Windows(*windows, offset, spread, target.flatten(0, 1) / FINE_STRIDE)
