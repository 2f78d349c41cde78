# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A frame: one grey picture, when it was taken, and the camera that took it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.camera import Camera

# A stamp this much before the last is a clock set back or a bag that loops, not a late picture.
JUMP_BACK = 10**9


@dataclass(frozen=True)
class Frame:
    """One picture of the stream.

    Attributes:
        image: (H, W) uint8, grey.
        stamp: nanoseconds, as the source gave it.
        camera: the calibration, for pictures of this size.
        depth: (H, W) float32 in metres registered to the picture, 0 or NaN where unknown; or None.
    """

    image: np.ndarray
    stamp: int
    camera: Camera
    depth: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.image.ndim != 2 or self.image.dtype != np.uint8:
            raise ValueError(
                f'a frame needs a grey (H, W) uint8 picture, got {self.image.dtype} '
                f'of shape {self.image.shape}'
            )
        self.camera.check_size(self.image.shape)
