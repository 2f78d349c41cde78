# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures at the size that the network sees: OpenCV's filters, on the host and on a device."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

Shape = tuple[int, int]


def filter_between(shape: Shape, new_shape: Shape) -> int:
    """Return OpenCV's name of the filter that resizes pictures of (H, W) to another (H, W).

    Where one side grows, ``INTER_AREA`` is no mean over areas any more, on the other side neither.
    """
    shrinks = all(new <= old for new, old in zip(new_shape, shape, strict=True))
    return cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR


def resized(picture: np.ndarray, shape: Shape) -> np.ndarray:
    """Return an (H, W) uint8 picture at another (H, W), always as a copy."""
    if picture.shape == shape:
        return picture.copy()
    height, width = picture.shape
    return cv2.resize(picture, shape[::-1], interpolation=filter_between((height, width), shape))


class DeviceResizing:
    """Does on a device what ``resized`` does, with fixed shapes and without waiting.

    The filters are separable and linear: a product with a matrix along each axis. OpenCV itself
    says what these are, so that the two differ by rounding alone: by one grey level at most, and
    that seldom unless pictures are enlarged, where OpenCV computes with few digits.

    Args:
        shape: (H, W) of the pictures.
        new_shape: (H, W) of the results.
        device: where they are.
    """

    def __init__(self, shape: Shape, new_shape: Shape, device: torch.device) -> None:
        self._weights: tuple[Tensor, Tensor] | None = None
        if shape != new_shape:
            interpolation = filter_between(shape, new_shape)
            rows, columns = (
                torch.from_numpy(_weights(old, new, interpolation)).to(device)
                for old, new in zip(shape, new_shape, strict=True)
            )
            self._weights = rows, columns.T

    def __call__(self, picture: Tensor) -> Tensor:
        """Return a (1, 1, H, W) uint8 picture resized; itself where the shapes are the same."""
        if self._weights is None:
            return picture
        rows, columns = self._weights
        # Means of grey levels stay between 0 and 255. Halves go to the even one, as in OpenCV.
        grey = rows @ picture[0, 0].float() @ columns
        return grey.round_().to(torch.uint8)[None, None]


def _weights(size: int, new_size: int, interpolation: int) -> np.ndarray:
    """Return the filter along one axis, (new size, size) float32: what it makes of each pixel."""
    impulses = np.eye(size, dtype=np.float32)
    return cv2.resize(impulses, (size, new_size), interpolation=interpolation)
