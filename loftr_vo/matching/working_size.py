# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The size to which a picture is resized for the network."""

from __future__ import annotations

import math

from loftr_vo.loftr.model import COARSE_STRIDE
from loftr_vo.matching.tuning import TUNING

_PUBLISHED_WIDTH = 256  # of the coarse tokens of the published networks

_SMALLEST_SIDE = 32  # pixels; four cells, of which the border leaves two


def default_image_size(device: str, width: int) -> int:
    """Return the ``image_size`` that suits a type of device and a width of the coarse tokens."""
    large = device != 'cpu' and width >= _PUBLISHED_WIDTH
    return TUNING.large_image_size if large else TUNING.image_size


class PictureError(ValueError):
    """A picture too small for the network."""


def working_shape(shape: tuple[int, int], image_size: int) -> tuple[int, int]:
    """Return the (H, W) to which a picture is resized for the network, both multiples of 8.

    The area is bounded, not a side: a wide picture has as many cells as a square one. Each side is
    rounded separately, which stretches the picture by a few pixels; in exchange the network needs
    no padding and no masks.

    Args:
        shape: (H, W) of the picture.
        image_size: width of a 4:3 picture of the largest area.

    Raises:
        PictureError: less than four cells along a side.
    """
    area = shape[0] * shape[1]
    shrink = min(1.0, math.sqrt(0.75 * image_size**2 / max(area, 1)))
    height, width = (round(side * shrink / COARSE_STRIDE) * COARSE_STRIDE for side in shape)
    if min(height, width) < _SMALLEST_SIDE:
        raise PictureError(
            f'a picture of {shape[1]}x{shape[0]} pixels is too small to match: the network would '
            f'see {width}x{height}, and needs {_SMALLEST_SIDE} on each side'
        )
    return height, width
