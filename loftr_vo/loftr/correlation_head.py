# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A correction of fine matches by all that two windows have in common; not in the paper."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_OUTPUTS = 3  # x, y and the logarithm of the spread's correction


def correlation_volume(windows0: Tensor, windows1: Tensor) -> Tensor:
    """Correlate every point of each first window with every point of the second.

    Args:
        windows0: (N, R, C), of the fine transformer.
        windows1: (N, R, C).

    Returns:
        (N, R * R), for each point of the first window a row over the points of the second, whose
        mean is zero: what a point has in common with all points says nothing of its place.
    """
    centred = windows1 - windows1.mean(dim=1, keepdim=True)
    return (windows0 @ centred.transpose(1, 2)).flatten(1) * windows0.shape[2] ** -0.5


class CorrelationHead(nn.Module):
    """Says how far a heatmap's expectation is off, and how sure the place is then.

    The expectation (section 3.4 of the paper) follows one point of the first window, its centre,
    and the edge of the second window draws it inwards. The points around it move with it: their
    heatmaps shift together, so all of them tell where the centre went.

    The last layer begins at zero, so a new head changes nothing.

    Args:
        window: side of a window.
        hidden: width of the two hidden layers.
    """

    def __init__(self, window: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(window**4, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, _OUTPUTS),
        )
        last: Any = self.layers[-1]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(
        self, windows0: Tensor, windows1: Tensor, offset: Tensor, spread: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Correct what ``expected_offset`` returned of the same windows.

        Args:
            windows0: (N, R, C), of the fine transformer.
            windows1: (N, R, C).
            offset: (N, 2) float32, in fine cells.
            spread: (N,) float32, in fine cells.

        Returns:
            Both, corrected; the spread is now the expected distance from the truth.
        """
        # float32, as the expectation itself.
        with torch.autocast(windows0.device.type, enabled=False):
            volume = correlation_volume(windows0.float(), windows1.float())
            first: Any = self.layers[0]
            correction = self.layers(volume.to(first.weight.dtype))
        return corrected(offset, spread, correction.float())


def corrected(
    places: Tensor, spread: Tensor, correction: Tensor, unit: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Apply what the layers of a ``CorrelationHead`` say.

    Args:
        places: (..., N, 2), offsets or what they were added to.
        spread: (..., N), in the unit of the places.
        correction: (N, 3).
        unit: of the places: so many are a fine cell.
    """
    moved = torch.add(places, correction[:, :2], alpha=unit)
    return moved, spread * correction[:, 2].exp()
