# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""An encoded picture, and the pixels of its coarse cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from loftr_vo.loftr.model import COARSE_STRIDE

_CACHED_SIZES = 8  # of pictures, whose cell centres are kept; a camera has one size


@dataclass(frozen=True)
class EncodedImage:
    """A picture's features, which depend on no other picture.

    Attributes:
        features: of the matcher's backend, on its device; they may still be in computation.
        shape: (H, W) of the original picture.
        working_shape: (H, W) of the picture resized for the network.
    """

    features: Any
    shape: tuple[int, int]
    working_shape: tuple[int, int]

    @cached_property
    def image_pixels_per_network_pixel(self) -> np.ndarray:
        """(2,) along x and y."""
        return _image_pixels_per_network_pixel(self.shape, self.working_shape)

    def cell_centres(self) -> np.ndarray:
        """Return the coarse cells' centres (L, 2) float64, in pixels of the original picture.

        Row-major. The array is read-only, since pictures of one size share it.
        """
        return _cell_centres(self.shape, self.working_shape)

    def release(self) -> None:
        """Free the features' memory, where they can be computed again when they are needed."""


def _image_pixels_per_network_pixel(
    shape: tuple[int, int], working_shape: tuple[int, int]
) -> np.ndarray:
    return np.array(shape[::-1]) / np.array(working_shape[::-1])


class DeferredPicture(EncodedImage):
    """A picture that is encoded once its features are needed, and again after ``release``.

    Args:
        encode: starts the network on it.
        shape, working_shape: see ``EncodedImage``.
    """

    def __init__(
        self, encode: Callable[[], Any], shape: tuple[int, int], working_shape: tuple[int, int]
    ) -> None:
        for name, value in (
            ('_encode', encode),
            ('shape', shape),
            ('working_shape', working_shape),
        ):
            object.__setattr__(self, name, value)

    @cached_property
    def features(self) -> Any:  # type: ignore[override]
        """See ``EncodedImage``."""
        return self._encode()  # type: ignore[attr-defined]

    def start(self) -> None:
        """Start to encode it, unless that was done."""
        _ = self.features

    def release(self) -> None:
        """See ``EncodedImage``."""
        self.__dict__.pop('features', None)


@lru_cache(maxsize=_CACHED_SIZES)
def _cell_centres(shape: tuple[int, int], working_shape: tuple[int, int]) -> np.ndarray:
    rows, columns = (side // COARSE_STRIDE for side in working_shape)
    y, x = np.mgrid[:rows, :columns] * COARSE_STRIDE
    scale = _image_pixels_per_network_pixel(shape, working_shape)
    centres = (np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) * scale - 0.5
    centres.flags.writeable = False
    return centres
