# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A correction of fine matches by all correlations of two windows; not in the paper."""

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
        mean is zero: a correlation common to all points has no information on the position.
    """
    centred = windows1 - windows1.mean(dim=1, keepdim=True)
    return (windows0 @ centred.transpose(1, 2)).flatten(1) * windows0.shape[2] ** -0.5


class CorrelationHead(nn.Module):
    """Predicts the error of a heatmap's expectation, and the expected remaining error.

    The expectation (section 3.4 of the paper) uses only the centre of the first window, and is
    biased inwards by the edge of the second. The points around the centre move with it, so their
    heatmaps shift together and add information.

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
    """Apply the output of a ``CorrelationHead``'s layers.

    Args:
        places: (..., N, 2), offsets or positions.
        spread: (..., N), in the unit of the places.
        correction: (N, 3).
        unit: of the positions per fine cell.
    """
    moved = torch.add(places, correction[:, :2], alpha=unit)
    return moved, spread * correction[:, 2].exp()
