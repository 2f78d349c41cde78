# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Fine windows of many pairs, each used for training many times.

What comes before a ``CorrelationHead`` takes a hundred times as long as the head itself. While
only the head learns, its windows stay the same, so they are kept.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Windows(NamedTuple):
    """Inputs and targets of a ``CorrelationHead`` for N matches.

    Attributes:
        first: (N, R, C), of the fine transformer.
        second: (N, R, C).
        offset: (N, 2) float32, x and y of the heatmap's expectation, in fine cells.
        spread: (N,) float32, its standard deviation, in fine cells.
        target: (N, 2) float32, the true offset, in fine cells.
    """

    first: Tensor
    second: Tensor
    offset: Tensor
    spread: Tensor
    target: Tensor


class WindowPool:
    """Keeps the windows given last.

    Args:
        capacity: most matches kept; 1.6 kB each for a window of 5 and 16 channels.
        generator: source of randomness, on the device of the windows.
    """

    def __init__(self, capacity: int, generator: torch.Generator) -> None:
        self._capacity, self._generator = capacity, generator
        self._kept: Windows | None = None
        self._given = 0
        self._drawn = 0

    def add(self, windows: Windows) -> None:
        """Keep windows, in half precision, instead of the oldest where there is no room."""
        device = windows.target.device
        if self._kept is None:
            self._kept = Windows(
                *(
                    torch.empty(
                        self._capacity,
                        *part.shape[1:],
                        dtype=torch.float16 if part.ndim == 3 else part.dtype,
                        device=device,
                    )
                    for part in windows
                )
            )
        count = len(windows.target)
        rows = (torch.arange(count, device=device) + self._given) % self._capacity
        for kept, part in zip(self._kept, windows, strict=True):
            kept[rows] = part.to(kept.dtype)
        self._given += count

    def draw(self, count: int) -> Windows:
        """Return windows by chance, all of a draw mirrored and transposed alike.

        Raises:
            RuntimeError: none were added.
        """
        if self._kept is None:
            raise RuntimeError('there are no windows to draw from; add some first')
        within = min(self._given, self._capacity)
        device = self._generator.device
        rows = torch.randint(within, (count,), generator=self._generator, device=device)
        drawn = Windows(*(part[rows].float() for part in self._kept))
        # All eight in turn, without a random number from the device.
        self._drawn += 1
        return mirrored(
            drawn,
            left_right=bool(self._drawn & 1),
            up_down=bool(self._drawn & 2),
            transposed=bool(self._drawn & 4),
        )


def mirrored(windows: Windows, *, left_right: bool, up_down: bool, transposed: bool) -> Windows:
    """Return windows as they would be in mirrored pictures; ``transposed``: x and y exchanged."""
    size = round(windows.first.shape[1] ** 0.5)
    first, second, offset, spread, target = windows
    maps = [part.unflatten(1, (size, size)) for part in (first, second)]
    places = [offset, target]
    for axis, mirror in enumerate((left_right, up_down)):
        if mirror:
            maps = [part.flip(2 - axis) for part in maps]
            sign = torch.ones(2, device=offset.device)
            sign[axis] = -1
            places = [place * sign for place in places]
    if transposed:
        maps = [part.transpose(1, 2) for part in maps]
        places = [place.flip(1) for place in places]
    first, second = (part.flatten(1, 2) for part in maps)
    return Windows(first, second, places[0], spread, places[1])
