# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of 16 bits as pictures of 8, alike for all the pictures of a stream."""

from __future__ import annotations

import numpy as np

# Every so many rows and columns are enough to know which values are in use.
_STRIDE = 4
# Percentiles between which the values in use lie: dead pixels and reflections are left out.
_LOWEST, _HIGHEST = 1.0, 99.0
# A camera of visible light has something in view that is a fourth as bright as the brightest. The
# counts of a thermal one stand on an offset: those of an Optris PI 450 are 2438 to 3737.
_OFFSET_SHARE = 0.25
# Room beside the values in use, as a share of them, so that most changes need no other limits.
_MARGIN = 0.1
# No count is made more than one grey level: nothing is gained by that, and noise is enlarged.
_NARROWEST = 256.0
# Share of the range between the limits by which each of them moves with a picture at most: a pixel
# changes by three grey levels then, which is about the noise of a picture.
_STEP = 0.01
# Share of the pixels outside the limits from which these are set anew at once.
_CLIPPED = 0.1


class BitDepthReduction:
    """Reduces the pictures of one stream from 16 bits to 8.

    Cameras of 10, 12 and 14 bits send their values unscaled in 16. Of those, the 8 highest that
    the stream has used so far are kept, so that a picture is not darker than the one before it
    because something bright has left it.

    A thermal camera's values stand on an offset and fill a small part of the range. Such a stream,
    recognised by its first picture that is not all of one value, is stretched between limits that
    follow the values in use slowly: a jump of the limits changes every pixel. Values beyond them
    are cut off; where many would be, the limits are set anew. Zeros are taken for no measurement,
    as in the corners of a rectified picture.
    """

    def __init__(self) -> None:
        self._bits = 8
        self._on_offset: bool | None = None
        self._limits: np.ndarray | None = None

    def reduce(self, picture: np.ndarray) -> np.ndarray:
        """Return a picture of any number of channels as uint8; one of uint8 as it is.

        Args:
            picture: the next of the stream, (H, W) or (H, W, channels), uint8 or uint16.
        """
        if picture.dtype != np.uint16:
            return picture
        used = int(picture.max()).bit_length()
        # Sensors have an even number of bits, whatever the first picture makes of them.
        self._bits = max(self._bits, used + used % 2)
        values = picture[::_STRIDE, ::_STRIDE]
        values = values[values > 0]
        if values.size and self._on_offset is not False:
            self._follow(values)
        if self._limits is None:
            return (picture >> (self._bits - 8)).astype(np.uint8)
        return _stretched(picture, *self._limits.tolist())

    def _follow(self, values: np.ndarray) -> None:
        """Take the values of a picture, (N,) none of them 0, into account for the limits."""
        low, high = np.percentile(values, [_LOWEST, _HIGHEST])
        if low == high:
            return
        on_offset = bool(low > _OFFSET_SHARE * high)
        if self._on_offset is None:
            self._on_offset = on_offset
        if not self._on_offset:
            return
        wanted = np.array([0.0, 2.0**self._bits])
        if on_offset:
            half = max((0.5 + _MARGIN) * (high - low), _NARROWEST / 2)
            wanted = np.array([-half, half]) + (low + high) / 2
        if self._limits is None or _share_outside(values, self._limits) > _CLIPPED:
            self._limits = wanted
        else:
            most = _STEP * (self._limits[1] - self._limits[0])
            self._limits = self._limits + np.clip(wanted - self._limits, -most, most)


def _share_outside(values: np.ndarray, limits: np.ndarray) -> float:
    return float(np.mean((values < limits[0]) | (values > limits[1])))


def _stretched(picture: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map values from ``low`` to ``high`` to 0 to 255, by a table of all that 16 bits can hold."""
    levels = (np.arange(1 << 16) - low) * (255.0 / (high - low))
    table = np.clip(np.rint(levels), 0.0, 255.0).astype(np.uint8)
    return table[picture]
