# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The two-dimensional sinusoidal position encoding."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def position_encoding(
    channels: int, height: int, width: int, *, corrected: bool, device: torch.device | None = None
) -> Tensor:
    """Return the encoding of every cell of a coarse map (Sun et al. 2021, supplementary).

    Channels 4k to 4k+3 are sin(f x), cos(f x), sin(f y), cos(f y), where x and y count from one
    and f is the k-th frequency. The paper means f to fall from 1 to 1/10000; its first release
    falls by exp(-2) from each frequency to the next, because of an integer division
    (zju3dv/LoFTR issue 41). Weights work only with the encoding that they were trained with.

    Args:
        channels: C, a multiple of 4.
        height: of the map, in cells.
        width: of the map, in cells.
        corrected: whether the frequencies are the paper's rather than the first release's.
        device: where the encoding is made.

    Returns:
        (C, height, width) float32.
    """
    slope = -math.log(10000.0) / (channels // 2) if corrected else -1.0
    even = torch.arange(0, channels // 2, 2, device=device, dtype=torch.float32)
    frequency = torch.exp(slope * even)[:, None]
    x = frequency * torch.arange(1, width + 1, device=device)
    y = frequency * torch.arange(1, height + 1, device=device)
    shape = (channels // 4, height, width)
    parts = [
        torch.sin(x)[:, None, :].expand(shape),
        torch.cos(x)[:, None, :].expand(shape),
        torch.sin(y)[:, :, None].expand(shape),
        torch.cos(y)[:, :, None].expand(shape),
    ]
    return torch.stack(parts, dim=1).flatten(0, 1)
