# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop of a ``CorrelationHead`` alone."""

from __future__ import annotations

from pathlib import Path

import torch

from loftr_vo.loftr.fine_matching import expected_offset
from loftr_vo.loftr.model import FINE_STRIDE
from loftr_vo.training.config import TrainingConfig
from loftr_vo.training.losses import fine_loss, spread_loss
from loftr_vo.training.trainer import Losses, Trainer
from loftr_vo.training.window_pool import WindowPool, Windows

_BATCHES_TO_BEGIN_WITH = 16


class HeadTrainer(Trainer):
    """Trains the head on windows that it meets many times, mirrored.

    Beside a step of the head, to render pairs and to find their windows takes long; so a batch of
    pairs comes once in ``steps_per_batch``.
    """

    def __init__(
        self,
        config: TrainingConfig,
        output: Path,
        device: str = 'cpu',
        real_data: Path | None = None,
    ) -> None:
        """See ``Trainer``.

        Raises:
            ValueError: the network has no head.
        """
        super().__init__(config, output, device, real_data)
        if self.model.correlation_head is None:
            raise ValueError('there is no head to train: correlation_hidden of the model is 0')
        self._head = self.model.correlation_head
        generator = torch.Generator(self.device).manual_seed(config.seed + self.step)
        self._pool = WindowPool(config.windows_kept, generator)
        for _ in range(_BATCHES_TO_BEGIN_WITH):
            self._pool.add(self._new_windows())

    def _next_terms(self) -> Losses:
        if self.step % self.config.steps_per_batch == 0:
            self._pool.add(self._new_windows())
        first, second, offset, spread, target = self._pool.draw(self.config.windows_drawn)
        offset, spread = self._head(first, second, offset, spread)
        half_window = self.config.model.window // 2
        refined = offset / half_window, target / half_window, spread / half_window
        nothing = torch.zeros((), device=self.device)
        return Losses(nothing, nothing, fine_loss(*refined), spread_loss(*refined))

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
