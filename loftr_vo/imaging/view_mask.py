# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Which part of a camera's pictures is used: a robot may see its own arm, wheels or hood."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from loftr_vo.files.numbers import whole_number
from loftr_vo.files.regular_file import read_bytes
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.image_decoding import GREY_ANY_DEPTH, ImageError, decode_picture

# Pixels from the edge of what is masked within which nothing is used: half of Lucas-Kanade's
# window, and half of a coarse cell, see across it.
_CLEARANCE = 8.0
# Grey level from which a pixel of the mask's picture is white.
_WHITE = 128
NO_MARGIN = (0, 0, 0, 0)


class MaskError(CalibrationError):
    """A mask cannot be read, or leaves nothing of the pictures."""


def check_margin(values: Iterable[Any]) -> tuple[int, int, int, int]:
    """Return the pixels at the top, bottom, left and right in four numbers or their texts.

    Raises:
        ValueError: they are not four whole numbers from 0 on.
    """
    margin = [whole_number(value) for value in values]
    if len(margin) != 4 or min(margin) < 0:
        raise ValueError(f'a margin is four numbers of pixels from 0 on, got {margin}')
    top, bottom, left, right = margin
    return top, bottom, left, right


@dataclass(frozen=True, eq=False)
class ViewMask:
    """The part of the view that is used, for pictures of any size.

    Attributes:
        picture: (h, w) bool, whether a place is used; resized to that of the pictures by the
            nearest pixel. None where only the margin counts.
        margin: pixels of the pictures that are left out at the top, bottom, left and right.
    """

    picture: np.ndarray | None = None
    margin: tuple[int, int, int, int] = NO_MARGIN
    _by_size: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = field(
        default_factory=dict, repr=False
    )

    @classmethod
    def read(cls, path: str | Path, margin: Sequence[int] = NO_MARGIN) -> ViewMask | None:
        """Return the mask in a picture file, white where the view is used; None if there is none.

        Args:
            path: the file; empty for none.
            margin: see ``ViewMask``.

        Raises:
            MaskError: the file is absent, no picture, or has no white pixel.
        """
        top, bottom, left, right = margin
        picture = None
        if str(path):
            picture = _read_picture(Path(path))
        elif not any(margin):
            return None
        return cls(picture, (top, bottom, left, right))

    def used(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return (H, W) bool, the pixels that are used of a picture of (H, W).

        Raises:
            MaskError: none are.
        """
        return self._of_size(shape)[0]

    def holds(self, points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Whether pixels (N, 2) of a picture of (H, W) are used, and not near what is masked.

        Pixels that are not finite, or outside the picture, are not.

        Raises:
            MaskError: no pixel is used.
        """
        clear = self._of_size(shape)[1]
        height, width = shape
        with np.errstate(invalid='ignore'):
            inside = ((points > -0.5) & (points < (width - 0.5, height - 0.5))).all(axis=1)
        held = np.zeros(len(points), bool)
        x, y = np.rint(points[inside]).astype(int).T
        held[inside] = clear[y, x]
        return held

    def _of_size(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return what is used of a picture, and what of that is clear of its edge."""
        height, width = shape[0], shape[1]
        if (height, width) not in self._by_size:
            picture = np.ones((1, 1), bool) if self.picture is None else self.picture
            used = cv2.resize(
                picture.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
            )
            top, bottom, left, right = self.margin
            for rows, columns in (
                (slice(0, top), slice(None)),
                (slice(max(height - bottom, 0), None), slice(None)),
                (slice(None), slice(0, left)),
                (slice(None), slice(max(width - right, 0), None)),
            ):
                used[rows, columns] = 0
            distance = cv2.distanceTransform(used, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            clear = distance > _CLEARANCE
            if not clear.any():
                raise MaskError(f'mask and mask_margin leave nothing of {width}x{height} pixels')
            self._by_size[height, width] = used.astype(bool), clear
        return self._by_size[height, width]


def _read_picture(path: Path) -> np.ndarray:
    try:
        grey = decode_picture(read_bytes(path, MaskError), GREY_ANY_DEPTH, None, str(path))
    except ImageError as error:
        raise MaskError(f'mask: {error}') from error
    # Of 16 bits the upper 8 count.
    white = (grey >> 8 if grey.dtype == np.uint16 else grey) >= _WHITE
    if not white.any():
        raise MaskError(f'the mask {path} has no white pixel: white is used, black is not')
    return white
