# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Constants copied to a device once, since each copy waits for the device."""

from __future__ import annotations

import functools

import torch

Numbers = float | tuple['Numbers', ...]


@functools.cache
def constant(numbers: Numbers, device: torch.device) -> torch.Tensor:
    """Return nested tuples of numbers as a float32 tensor, not to be written to."""
    return torch.tensor(numbers, dtype=torch.float32, device=device)
