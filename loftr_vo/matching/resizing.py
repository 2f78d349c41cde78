# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Resizing for the network: OpenCV's filters, on the host and on a device."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

Shape = tuple[int, int]


def filter_between(shape: Shape, new_shape: Shape) -> int:
    """Return OpenCV's interpolation flag for resizing pictures of (H, W) to another (H, W).

    Where either side grows, ``INTER_AREA`` is no mean over areas any more along both.
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
    """``resized`` on a device, with fixed shapes and without waiting for it.

    The filters are separable and linear: along each axis, a few pixels are weighted and added.
    Their weights are taken from OpenCV, so that both differ only by rounding: by one grey level at
    most, and rarely unless pictures are enlarged, where OpenCV computes with few digits.

    Args:
        shape: (H, W) of the pictures.
        new_shape: (H, W) of the results.
        device: of the pictures.
    """

    def __init__(self, shape: Shape, new_shape: Shape, device: torch.device) -> None:
        self._axes: list[tuple[Tensor, Tensor]] = []
        if shape != new_shape:
            interpolation = filter_between(shape, new_shape)
            self._axes = [
                (torch.from_numpy(places).to(device), torch.from_numpy(weights).to(device))
                for places, weights in (
                    _taps(old, new, interpolation)
                    for old, new in zip(shape, new_shape, strict=True)
                )
            ]

    def __call__(self, picture: Tensor) -> Tensor:
        """Return a (1, 1, H, W) uint8 picture resized; itself where the shapes are the same."""
        if not self._axes:
            return picture
        (rows, row_weights), (columns, column_weights) = self._axes
        grey = (picture[0, 0][rows] * row_weights[..., None]).sum(dim=0)
        grey = (grey[:, columns] * column_weights).sum(dim=1)
        # Means of grey levels stay between 0 and 255. Halves go to the even one, as in OpenCV.
        return grey.round_().to(torch.uint8)[None, None]


def _taps(size: int, new_size: int, interpolation: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the filter along one axis, for every new pixel.

    Returns:
        (T, new size) int64, the old pixels that each is made of, and (T, new size) float32, their
        weights; some are zero.
    """
    impulses = np.eye(size, dtype=np.float32)
    matrix = cv2.resize(impulses, (size, new_size), interpolation=interpolation)
    most = int(np.count_nonzero(matrix, axis=1).max())
    places = np.sort(np.argsort(matrix == 0, axis=1, kind='stable')[:, :most], axis=1)
    return (
        np.ascontiguousarray(places.T),
        np.ascontiguousarray(np.take_along_axis(matrix, places, axis=1).T),
    )
