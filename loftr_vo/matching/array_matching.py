# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Matches of two grey pictures given as arrays, by a network in PyTorch, without streaming."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from loftr_vo.loftr.model import COARSE_STRIDE, LoFTR, cell_position
from loftr_vo.matching.matches import Matches

_SMALLEST_SIDE = 16  # pixels: two coarse cells


@torch.inference_mode()
def match_pair(
    model: LoFTR, image0: np.ndarray, image1: np.ndarray, max_size: int | None = None
) -> Matches:
    """Match two pictures; see ``LoFTR.match``."""
    if max_size is not None and max_size < _SMALLEST_SIDE:
        raise ValueError(f'max_size must be at least {_SMALLEST_SIDE} pixels, got {max_size}')
    tensor0, scale0 = _prepared(model, image0, max_size)
    tensor1, scale1 = _prepared(model, image1, max_size)
    features0, features1 = model.encode(tensor0), model.encode(tensor1)
    height, width = features0.coarse.shape[2:]
    raw = model.match_features(features0, features1, max_matches=height * width, fixed_size=False)
    keypoints0 = cell_position(raw.cells0, width)
    matches = Matches(
        keypoints0=_enlarged(keypoints0[0].cpu().numpy(), scale0),
        keypoints1=_enlarged(raw.keypoints1[0].cpu().numpy(), scale1),
        confidence=raw.confidence[0].cpu().numpy(),
        spread=raw.spread[0].cpu().numpy() / np.float32(scale1.mean()),
        cells=raw.cells0[0].cpu().numpy(),
    )
    # The input has padding, and the fine stage may also go beyond the edge.
    last = np.array(image1.shape[::-1]) - 1
    inside = (matches.keypoints1 >= 0) & (matches.keypoints1 <= last)
    return matches.select(raw.valid[0].cpu().numpy() & inside.all(axis=1))


def _prepared(model: LoFTR, image: np.ndarray, max_size: int | None) -> tuple[Tensor, np.ndarray]:
    """Return the network's input (1, 1, H, W), and the scale (2,) by which it was shrunk."""
    _check_picture(image)
    height, width = image.shape
    longer = max(height, width)
    if max_size is not None and longer > max_size:
        size = [max(round(side * max_size / longer), _SMALLEST_SIDE) for side in (width, height)]
        shrunk = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    else:
        shrunk = image
    scale = np.array(shrunk.shape[::-1], np.float32) / np.array((width, height), np.float32)
    # A coarse cell sits on its first pixel, so none lies in padding and no mask is needed.
    padded = np.pad(shrunk, [(0, -side % COARSE_STRIDE) for side in shrunk.shape])
    parameter = next(model.parameters())
    tensor = torch.from_numpy(padded)[None, None].to(parameter.device)
    return tensor.to(parameter.dtype) / 255, scale


def _check_picture(image: np.ndarray) -> None:
    if not isinstance(image, np.ndarray) or image.ndim != 2 or image.dtype != np.uint8:
        got = (
            f'{image.dtype} of shape {image.shape}'
            if isinstance(image, np.ndarray)
            else type(image).__name__
        )
        raise ValueError(
            f'a picture must be a grey (H, W) uint8 array, got {got}; '
            'convert it, for example with cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)'
        )
    if min(image.shape) < _SMALLEST_SIDE:
        raise ValueError(
            f'a picture needs at least {_SMALLEST_SIDE} pixels on each side, '
            f'got {image.shape[1]} x {image.shape[0]}'
        )


def _enlarged(points: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Map pixels of a shrunk picture to the full one; both count from the centre of a pixel."""
    return ((points + 0.5) / scale - 0.5).astype(np.float32)
