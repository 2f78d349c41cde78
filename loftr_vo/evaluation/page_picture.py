# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures embedded in an HTML page, shrunk to its width."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

_WIDEST = 1070  # as wide as the page shows it
_JPEG_QUALITY = 65


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture with a line under it.

    Attributes:
        pixels: (H, W, 3) uint8 BGR.
        caption: the line.
    """

    pixels: np.ndarray
    caption: str

    def embedded(self) -> dict[str, Any]:
        """Return its size in the page, its JPEG as base64, and its line, for a template."""
        height, width = self.pixels.shape[:2]
        shrink = min(1.0, _WIDEST / width)
        width, height = max(1, round(width * shrink)), max(1, round(height * shrink))
        pixels = cv2.resize(self.pixels, (width, height), interpolation=cv2.INTER_AREA)
        done, data = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        assert done  # a picture of 8 bits always encodes
        return {
            'width': width,
            'height': height,
            'base64': base64.b64encode(data.tobytes()).decode('ascii'),
            'caption': self.caption,
        }
