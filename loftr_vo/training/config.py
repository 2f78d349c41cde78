# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What a training run is made of; the shipped one is ``compact.yaml`` beside this file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from loftr_vo.loftr.config import LoFTRConfig


@dataclass(frozen=True)
class Stage:
    """Steps taken with pictures of one size.

    Attributes:
        steps: optimiser steps.
        height, width: pixels, multiples of 8.
        batch: pairs a step.
    """

    steps: int
    height: int
    width: int
    batch: int


@dataclass(frozen=True)
class TrainingConfig:
    """A training run.

    Attributes:
        model: the network.
        stages: run one after the other.
        learning_rate: held after the warm-up, then taken down to zero over the last steps.
        warmup_steps: steps over which the learning rate rises from zero.
        cooldown: share of all steps over which it falls.
        weight_decay: of AdamW.
        clip: largest norm of the gradient.
        fine_matches: true matches refined of each pair.
        coarse_weight, unmatched_weight: of ``coarse_loss`` and ``unmatched_loss``; the fine loss
            has weight one.
        textures, texture_size: the bank's number of textures and their side in texels.
        seed: of the weights, the textures and the pairs.
        checkpoint_every: steps between checkpoints, each with a validation.
        threads: CPU threads; 0 leaves torch's default.
    """

    model: LoFTRConfig = field(default_factory=LoFTRConfig.compact)
    stages: tuple[Stage, ...] = (Stage(1000, 96, 128, 4),)
    learning_rate: float = 1e-3
    warmup_steps: int = 300
    cooldown: float = 0.3
    weight_decay: float = 0.01
    clip: float = 1.0
    fine_matches: int = 128
    coarse_weight: float = 4.0
    unmatched_weight: float = 1.0
    textures: int = 256
    texture_size: int = 256
    seed: int = 0
    checkpoint_every: int = 500
    threads: int = 0

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> Stage:
        """Return the stage that ``step``, from 0, belongs to."""
        for stage in self.stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        return self.stages[-1]

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of ``step``: warm-up, plateau, linear fall to zero."""
        rising = min(1.0, (step + 1) / max(self.warmup_steps, 1))
        left = (self.steps - step) / max(self.cooldown * self.steps, 1)
        return self.learning_rate * rising * min(1.0, left)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as YAML and checkpoints hold them."""
        return dataclasses.asdict(self) | {'model': self.model.to_dict()}

    @classmethod
    def from_yaml(cls, path: Path) -> TrainingConfig:
        """Read the config.

        Raises:
            ValueError: a field that does not exist or a value that does not fit.
        """
        values = yaml.safe_load(path.read_text())
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
            values['stages'] = tuple(Stage(**stage) for stage in values['stages'])
        return cls(**values)
