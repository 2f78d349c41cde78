# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The configuration of a training run; the shipped one is ``compact.yaml`` beside this file."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loftr_vo.files.limited_yaml import read_yaml
from loftr_vo.loftr.config import LoFTRConfig

TRAINED = ('all', 'fine', 'head')


@dataclass(frozen=True)
class Stage:
    """A part of a run.

    Attributes:
        share: of the run that it takes; the shares of all stages sum to one.
        shapes: (pairs, height, width) of its batches, taken in turn; sides are multiples of 8.
    """

    share: float
    shapes: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class TrainingConfig:
    """A training run.

    A run lasts for ``steps``, or for ``hours`` if they are over before. What changes on the way
    (stages, learning rate) follows the share of the run that is over, so that a run given less
    time is a shorter run and not one cut off.

    Attributes:
        model: the network; its sizes are those of ``start_from`` where that is given.
        start_from: weights to begin with, a name or a file; empty for random ones.
        trained: all; or fine, the fine stage alone, while all that decides which cells match is
            kept as it is, to the bit; or head, its ``CorrelationHead`` alone.
        steps: optimiser steps, at most.
        hours: at most, 0 for no limit. Of the textures' painting, the steps and the validations
            between them; the last validation comes on top, and interruptions do not count.
        stages: run one after the other.
        learning_rate: held after the warm-up, then taken down to zero along half a cosine.
        warmup_steps: steps over which the learning rate rises from zero.
        cooldown: share of the run over which it falls.
        weight_decay: of AdamW.
        clip: largest norm of the gradient.
        averaging: what is kept, at each step, of the running mean of the weights; the mean is what
            is validated and written out, and it is better than any of the weights it is of. Zero
            takes the weights as they are.
        fine_matches: true matches refined of each pair.
        fine_jitter: standard deviation in pixels of the places whose cells are refined. In use, a
            place close to the border of two cells is found in either.
        coarse_weight, unmatched_weight, fine_weight, spread_weight: of the four losses.
        windows_kept, windows_drawn, steps_per_batch: where the head alone is trained: of how many
            matches the windows are kept, how many a step takes of them, and after how many steps
            those of a new batch of pairs are added.
        textures, texture_size: the bank's number of textures and their side in texels.
        reuse: how many times a rendered pair is trained on, each time mirrored, swapped and lit
            anew by chance. One where rendering is cheap, as on a GPU.
        supersampling: rays per pixel along each axis.
        strangers: share of batches whose pairs show different places, so that nothing matches.
        seed: of the weights, the textures and the pairs.
        checkpoint_every: steps between checkpoints.
        validate_every: steps between validations, each with a checkpoint.
        threads: CPU threads; 0 leaves torch's default.
    """

    model: LoFTRConfig = field(default_factory=LoFTRConfig.compact)
    start_from: str = ''
    trained: str = 'all'
    steps: int = 1000
    hours: float = 0.0
    stages: tuple[Stage, ...] = (Stage(1.0, ((4, 96, 128),)),)
    learning_rate: float = 1e-3
    warmup_steps: int = 300
    cooldown: float = 0.3
    weight_decay: float = 0.01
    clip: float = 1.0
    averaging: float = 0.0
    fine_matches: int = 128
    fine_jitter: float = 0.0
    coarse_weight: float = 4.0
    unmatched_weight: float = 1.0
    fine_weight: float = 1.0
    spread_weight: float = 0.0
    windows_kept: int = 300_000
    windows_drawn: int = 512
    steps_per_batch: int = 8
    textures: int = 256
    texture_size: int = 256
    reuse: int = 1
    supersampling: int = 1
    strangers: float = 0.0
    seed: int = 0
    checkpoint_every: int = 250
    validate_every: int = 500
    threads: int = 0

    def __post_init__(self) -> None:
        total = sum(stage.share for stage in self.stages)
        if not math.isclose(total, 1.0, abs_tol=1e-3):
            raise ValueError(f'the shares of the stages must sum to 1, got {total:g}')
        if self.trained not in TRAINED:
            raise ValueError(f'trained must be one of {TRAINED}, got {self.trained!r}')
        for stage in self.stages:
            for pairs, height, width in stage.shapes:
                if height % 8 or width % 8 or pairs < 1:
                    raise ValueError(
                        'shapes are [pairs, height, width] with sides that are multiples of 8, '
                        f'got {[pairs, height, width]}'
                    )

    def progress(self, step: int, seconds: float = 0.0) -> float:
        """Return the share of the run, 0 to 1, that ``step`` steps in ``seconds`` are."""
        spent = seconds / (3600 * self.hours) if self.hours else 0.0
        return min(1.0, max(step / self.steps, spent))

    def shape_at(self, step: int, progress: float) -> tuple[int, int, int]:
        """Return (pairs, height, width) of step ``step``, from 0."""
        over = 0.0
        for stage in self.stages:
            over += stage.share
            if progress < over:
                break
        return stage.shapes[step % len(stage.shapes)]

    def learning_rate_at(self, step: int, progress: float) -> float:
        """Return the learning rate of step ``step``, from 0: warm-up, plateau, half a cosine."""
        rising = min(1.0, (step + 1) / max(self.warmup_steps, 1))
        left = min(1.0, (1 - progress) / max(self.cooldown, 1e-9))
        return self.learning_rate * rising * (1 - math.cos(math.pi * left)) / 2

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as YAML and checkpoints hold them."""
        return dataclasses.asdict(self) | {'model': self.model.to_dict()}

    @classmethod
    def from_yaml(cls, path: Path) -> TrainingConfig:
        """Read the config.

        Raises:
            ValueError: a field that does not exist or a value that does not fit.
        """
        values = read_yaml(path)
        known = {entry.name for entry in dataclasses.fields(cls)}
        if unknown := set(values) - known:
            raise ValueError(
                f'{path}: unknown fields {sorted(unknown)}; known are {sorted(known)}'
            )
        if 'model' in values:
            differing: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in values['model'].items()
            }
            values['model'] = dataclasses.replace(LoFTRConfig.compact(), **differing)
        if 'stages' in values:
            values['stages'] = tuple(
                Stage(stage['share'], tuple(tuple(shape) for shape in stage['shapes']))
                for stage in values['stages']
            )
        return cls(**values)
