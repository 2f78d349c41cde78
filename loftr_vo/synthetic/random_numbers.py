# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Random numbers on a device, the same for the same seed."""

from __future__ import annotations

import torch


class RandomNumbers:
    """Draws from one generator.

    Attributes:
        device: where the numbers are.
        generator: draws them.
    """

    def __init__(self, device: torch.device, seed: int) -> None:
        self.device = device
        self.generator = torch.Generator(device).manual_seed(seed)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
        """Return numbers of this shape, evenly between two bounds."""
        random = torch.rand(shape, generator=self.generator, device=self.device)
        return low + (high - low) * random

    def normal(self, *shape: int) -> torch.Tensor:
        """Return numbers of this shape with mean zero and standard deviation one."""
        return torch.randn(shape, generator=self.generator, device=self.device)
