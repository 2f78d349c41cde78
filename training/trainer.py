# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from loftr_vo.files.output_files import replacing
from loftr_vo.loftr.correlation_head import CorrelationHead
from loftr_vo.loftr.model import (
    FINE_STRIDE,
    Features,
    LoFTR,
    cell_position,
)
from loftr_vo.loftr.weights import load_weights
from loftr_vo.synthetic.pairs import PairGenerator, Pairs
from loftr_vo.synthetic.textures import TextureBank
from training.config import TrainingConfig
from training.losses import coarse_loss, place_losses, unmatched_loss
from training.pool import PairPool
from training.supervision import (
    CELL,
    Supervision,
    cells_around,
    estranged,
    supervise,
)
from training.validation import validate, validate_real

logger = logging.getLogger(__name__)

CHECKPOINT = 'checkpoint.pt'
WEIGHTS = 'weights.pt'
LOG = 'log.jsonl'


@dataclass(frozen=True, eq=False)
class Losses:
    """The terms of one step's loss, each a scalar."""

    coarse: torch.Tensor
    unmatched: torch.Tensor
    fine: torch.Tensor
    spread: torch.Tensor


class RunningMean(AveragedModel):
    """The running mean of a network's parameters and of its batch norms' statistics.

    As the base class makes it, whose number of steps is sent to the device at each of them: that
    waits for all the work there, during which the next step could be prepared.
    """

    def __init__(self, model: torch.nn.Module, kept: float) -> None:
        """Begin with ``model``; ``kept`` is the share of the mean that is kept at each step."""
        super().__init__(model, use_buffers=True)
        self._blend = get_ema_multi_avg_fn(kept)

    @torch.no_grad()
    def update_parameters(self, model: torch.nn.Module) -> None:
        """Take a step's weights into the mean; those of the first step are the mean."""
        mean, current = self.module.state_dict(), model.state_dict()
        begun = bool(self.n_averaged > 0)
        blended = [name for name in mean if begun and mean[name].is_floating_point()]
        if blended:
            self._blend([mean[name] for name in blended], [current[name] for name in blended], 0)
        for name in mean.keys() - set(blended):
            mean[name].copy_(current[name])
        self.n_averaged += 1


class Trainer:
    """Trains a LoFTR on ray-cast pairs; stops and resumes at checkpoints."""

    def __init__(
        self,
        config: TrainingConfig,
        output: Path,
        device: str = 'cpu',
        real_data: Path | None = None,
    ) -> None:
        """Prepare a run that writes into ``output``; resumes from its checkpoint if there is one.

        Args:
            config: the run.
            output: folder of checkpoint, weights and log.
            device: cpu, cuda or cuda:N.
            real_data: folder of sequences that are validated on, never trained on.
        """
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config = config
        self.output = output
        self.real_data = real_data
        self.device = torch.device(device)
        self.step = 0
        self.seconds = 0.0
        self.model = _first_model(config).to(self.device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.AdamW(
            [parameter for parameter in self.model.parameters() if parameter.requires_grad],
            config.learning_rate,
            weight_decay=config.weight_decay,
            # The fused optimiser checks for overflow on the device; otherwise the scaler waits.
            fused=self.device.type == 'cuda' or None,
        )
        self.averaged = RunningMean(self.model, config.averaging)
        self._losses: list[dict[str, torch.Tensor | float]] = []
        self.scaler = torch.amp.GradScaler(enabled=self.device.type == 'cuda')
        output.mkdir(parents=True, exist_ok=True)
        if (output / CHECKPOINT).exists():
            self._resume()
        # Painting the textures counts: the run's limit is elapsed time.
        self._began = time.monotonic() - self.seconds
        bank = TextureBank.random(
            config.textures, config.texture_size, seed=config.seed, device=self.device
        )
        # Seeding by the step makes a resumed run see new pairs.
        generator = PairGenerator(
            bank,
            seed=config.seed + 1_000_003 * (self.step + 1),
            supersampling=config.supersampling,
        )
        self.pairs = PairPool(generator, config.reuse)

    @property
    def progress(self) -> float:
        """Share of the run that is over."""
        return self.config.progress(self.step, self.seconds)

    def run(self) -> None:
        """Train to the end of the run; validate and save on the way and at the end."""
        with tqdm(total=self.config.steps, initial=self.step, unit='step', smoothing=0.05) as bar:
            while self.progress < 1:
                self._losses.append(self._train_step())
                self.step += 1
                self.seconds = time.monotonic() - self._began
                bar.update()
                if self.step % self.config.validate_every == 0 or self.progress == 1:
                    self._validate()
                elif self.step % self.config.checkpoint_every == 0:
                    self._checkpoint()

    def _train_step(self) -> dict[str, torch.Tensor | float]:
        """Take a step; its losses are left on the device, since to read them waits for it."""
        learning_rate = self.config.learning_rate_at(self.step, self.progress)
        for group in self.optimizer.param_groups:
            group['lr'] = learning_rate
        with torch.autocast(self.device.type, enabled=self.device.type == 'cuda'):
            terms = self._next_terms()
        loss = (
            self.config.coarse_weight * terms.coarse
            + self.config.unmatched_weight * terms.unmatched
            + self.config.fine_weight * terms.fine
            + self.config.spread_weight * terms.spread
        )
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.averaged.update_parameters(self.model)
        return {
            'loss': loss.detach(),
            'coarse': terms.coarse.detach(),
            'unmatched': terms.unmatched.detach(),
            'fine': terms.fine.detach(),
            'spread': terms.spread.detach(),
        }

    def _next_terms(self) -> Losses:
        """Return the terms of the next batch."""
        pairs, truth = self._next_pairs()
        return self._loss_terms(pairs.images, truth, *self._fine_choice(truth))

    def _next_pairs(self) -> tuple[Pairs, Supervision]:
        batch, height, width = self.config.shape_at(self.step, self.progress)
        pairs = self.pairs.draw(batch, (height, width))
        truth = supervise(pairs)
        if batch > 1 and torch.rand(()) < self.config.strangers:
            return estranged(pairs, truth)
        return pairs, truth

    def _read_losses(self) -> list[dict[str, float]]:
        """Losses of the steps since the last validation."""
        return [{name: float(term) for name, term in terms.items()} for terms in self._losses]

    def _fine_choice(self, truth: Supervision) -> tuple[torch.Tensor, torch.Tensor]:
        """Cells (B, K) of matches to refine, and which of them are true (B, K).

        A fixed number of each pair, so that shapes never change; pairs with fewer are filled up.
        """
        order = torch.rand(truth.matched.shape, device=self.device) + truth.matched
        cells = order.topk(min(self.config.fine_matches, order.shape[1]), dim=1).indices
        return cells, truth.matched.gather(1, cells)

    def _loss_terms(
        self,
        images: torch.Tensor,
        truth: Supervision,
        cells: torch.Tensor,
        chosen: torch.Tensor,
    ) -> Losses:
        features0, features1 = self._encoded(images)
        tokens0, tokens1 = self.model.condition(features0, features1)
        logits = self.model.similarity(tokens0, tokens1)
        log_confidence = logits.log_softmax(dim=2) + logits.log_softmax(dim=1)

        partner, target = self._fine_targets(images, truth, cells, chosen)
        offset, spread = self.model.refine(features0, features1, tokens0, tokens1, cells, partner)
        half_window = FINE_STRIDE * (self.config.model.window // 2)
        return Losses(
            coarse_loss(log_confidence, truth.matched, truth.partner),
            unmatched_loss(log_confidence, truth.unmatchable),
            *place_losses(
                offset.flatten(0, 1), target.flatten(0, 1), spread.flatten(), half_window
            ),
        )

    def _encoded(self, images: torch.Tensor) -> tuple[Features, Features]:
        """Features of the first and of the second pictures, both computed at once."""
        coarse, fine = (f.chunk(2) for f in self.model.encode(images.flatten(0, 1)))
        return Features(coarse[0], fine[0]), Features(coarse[1], fine[1])

    def _fine_targets(
        self,
        images: torch.Tensor,
        truth: Supervision,
        cells: torch.Tensor,
        chosen: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cells (B, K) in which partners are looked for, and offsets (B, K, 2) in pixels there.

        Filling rows are pushed outside the window, where they do not count.
        """
        height, width = images.shape[-2:]
        position = truth.position.gather(1, cells[..., None].expand(-1, -1, 2))
        partner = cells_around(position, self.config.fine_jitter, height, width)
        target = position - cell_position(partner, width // CELL)
        return partner, torch.where(chosen[..., None], target, torch.full_like(target, CELL))

    def _validate(self) -> None:
        """Score the network, log that with the mean losses since the last time, and save."""
        losses, self._losses = self._read_losses(), []
        entry: dict[str, float] = {
            'step': self.step,
            'hours': round(self.seconds / 3600, 4),
            'lr': self.optimizer.param_groups[0]['lr'],
        }
        for name in losses[0]:
            entry[name] = round(sum(terms[name] for terms in losses) / len(losses), 5)
        mean = cast(LoFTR, self.averaged.module)
        scores = validate(mean, self.device)
        if self.real_data is not None:
            scores |= validate_real(mean, self.real_data)
        entry |= {name: round(value, 5) for name, value in scores.items()}
        logger.info('%s', entry)
        with (self.output / LOG).open('a') as log:
            log.write(json.dumps(entry) + '\n')
        self._checkpoint()
        weights = {
            'config': mean.config.to_dict(),
            'state_dict': mean.state_dict(),
            'training': {'config': self.config.to_dict(), **entry},
        }
        _save(weights, self.output / WEIGHTS)

    def _checkpoint(self) -> None:
        state = {
            'step': self.step,
            'seconds': self.seconds,
            'losses': self._read_losses(),
            'model': self.model.state_dict(),
            'averaged': self.averaged.state_dict(),
            'optimizer': self.optimizer.state_dict(),
            'scaler': self.scaler.state_dict(),
        }
        _save(state, self.output / CHECKPOINT)

    def _resume(self) -> None:
        state = torch.load(self.output / CHECKPOINT, map_location=self.device, weights_only=True)
        self.step, self.seconds = state['step'], state['seconds']
        self._losses = state['losses']
        self.model.load_state_dict(state['model'])
        self.averaged.load_state_dict(state['averaged'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.scaler.load_state_dict(state['scaler'])
        logger.info('going on from step %d of %s', self.step, self.output / CHECKPOINT)


def _first_model(config: TrainingConfig) -> LoFTR:
    model = load_weights(config.start_from) if config.start_from else LoFTR(config.model)
    if config.model.correlation_hidden and model.correlation_head is None:
        model = _with_new_head(model, config.model.correlation_hidden)
    if config.trained == 'all':
        return model.train().requires_grad_()
    # In eval mode: batch norms would take in the statistics of its pictures.
    model.eval().requires_grad_(False)
    for part in _fine_stage(model) if config.trained == 'fine' else [_head_of(model)]:
        part.requires_grad_()
    return model


def _with_new_head(model: LoFTR, hidden: int) -> LoFTR:
    """Return the same network with a ``CorrelationHead``, which changes nothing yet."""
    extended = LoFTR(dataclasses.replace(model.config, correlation_hidden=hidden))
    extended.load_state_dict(extended.state_dict() | model.state_dict())
    return extended


def _head_of(model: LoFTR) -> CorrelationHead:
    if model.correlation_head is None:
        raise ValueError('there is no head to train: correlation_hidden of the model is 0')
    return model.correlation_head


def _fine_stage(model: LoFTR) -> list[torch.nn.Module]:
    """Return the parts that do not affect which cells match."""
    backbone = model.backbone
    parts = [backbone.layer1_outconv, backbone.layer1_outconv2]
    parts += [model.fine_preprocess, model.loftr_fine]
    return parts if model.correlation_head is None else [*parts, model.correlation_head]


def _save(state: dict[str, Any], path: Path) -> None:
    """Write whole or not at all, so that an interruption loses no checkpoint."""
    with replacing(path) as file:
        torch.save(state, file)
