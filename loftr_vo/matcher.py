# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The streaming matcher: pictures in, features kept, matches with a keyframe out."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from loftr_vo.config import MatcherSettings
from loftr_vo.device import device_faults, resolve_device, resolve_precision
from loftr_vo.loftr.model import COARSE_STRIDE, Features, LoFTR, RawMatches, cell_position
from loftr_vo.loftr.weights import load_weights
from loftr_vo.matches import Matches, PendingMatches

# Where image_size leaves it open.
_CPU_SIZE, _GPU_SIZE = 480, 640
_SMALLEST_SIDE = 32  # pixels; four cells, of which the border leaves two


class PictureError(ValueError):
    """A picture that the network cannot work on."""


@dataclass(frozen=True)
class EncodedPicture:
    """What is kept of a picture: the CNN's features, which depend on no other picture.

    Attributes:
        features: on the matcher's device.
        shape: (H, W) of the picture as it was given.
        working_shape: (H, W) of the picture that the network saw.
    """

    features: Features
    shape: tuple[int, int]
    working_shape: tuple[int, int]

    @property
    def pixels_per_working_pixel(self) -> np.ndarray:
        """(2,) by x and y."""
        given, worked = np.array(self.shape[::-1]), np.array(self.working_shape[::-1])
        return given / worked

    def cell_centres(self) -> np.ndarray:
        """(L, 2) float64, pixels of the picture as given, of every coarse cell, row-major."""
        rows, columns = self.features.coarse.shape[2:]
        centres = cell_position(torch.arange(rows * columns), columns).numpy()
        return (centres + 0.5) * self.pixels_per_working_pixel - 0.5


class Matcher:
    """Encodes each picture once and matches it with others."""

    def __init__(self, settings: MatcherSettings, model: LoFTR | None = None) -> None:
        """Load the weights that ``settings`` name, unless a model is given.

        Raises:
            WeightsError: the weights cannot be had.
            DeviceError: the device cannot.
            DeviceLostError: the device fails, or has too little memory for the weights.
        """
        self.settings = settings
        self.device = resolve_device(settings.device)
        self.dtype = resolve_precision(settings.precision, self.device)
        model = load_weights(settings.weights) if model is None else model
        with device_faults(self.device):
            self.model = model.to(self.device, self.dtype).eval()
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.configure(settings)

    def configure(self, settings: MatcherSettings) -> None:
        """Take over the settings that may change while running."""
        self.settings = settings
        self.model.config = dataclasses.replace(self.model.config, threshold=settings.threshold)

    @property
    def image_size(self) -> int:
        """See the setting; zero resolved."""
        return self.settings.image_size or (_CPU_SIZE if self.device.type == 'cpu' else _GPU_SIZE)

    @torch.inference_mode()
    def encode(self, image: np.ndarray) -> EncodedPicture:
        """Run the CNN on an (H, W) uint8 picture.

        Raises:
            PictureError: a picture too small to match.
            DeviceLostError: the device failed, or has too little memory.
        """
        shape = image.shape
        working = working_shape(shape, self.image_size)
        if working != shape:
            shrinking = working[0] * working[1] < shape[0] * shape[1]
            method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
            image = cv2.resize(image, working[::-1], interpolation=method)
        with device_faults(self.device):
            tensor = torch.from_numpy(np.ascontiguousarray(image))[None, None].to(self.device)
            return EncodedPicture(self.model.encode(tensor.to(self.dtype) / 255), shape, working)

    @torch.inference_mode()
    def match(self, keyframe: EncodedPicture, frame: EncodedPicture) -> PendingMatches:
        """Start to match the keyframe, whose points stay on its grid, with a frame.

        Returns:
            The matches to come, in pixels of the pictures as they were given.

        Raises:
            DeviceLostError: the device failed, or has too little memory.
        """
        with device_faults(self.device):
            raw = self.model.match_features(
                keyframe.features,
                frame.features,
                max_matches=self.settings.max_matches,
                # Waiting for the number of matches costs nothing on the CPU, and refining only
                # these saves most of the fine stage.
                fixed_size=self.device.type != 'cpu',
            )
        return PendingMatches(lambda: self._fetch(raw, keyframe, frame))

    def _fetch(self, raw: RawMatches, keyframe: EncodedPicture, frame: EncodedPicture) -> Matches:
        """Bring matches to the host, in pixels of the pictures as they were given."""
        with device_faults(self.device):
            raw = RawMatches(*(rows[0].cpu() for rows in raw))
        valid = raw.valid.numpy()
        cells = raw.cells0.numpy()[valid]
        scale = frame.pixels_per_working_pixel
        keypoints1 = (raw.keypoints1.numpy()[valid] + 0.5) * scale - 0.5
        inside = ((keypoints1 >= 0) & (keypoints1 <= np.array(frame.shape[::-1]) - 1)).all(axis=1)
        return Matches(
            keypoints0=keyframe.cell_centres()[cells].astype(np.float32),
            keypoints1=keypoints1.astype(np.float32),
            confidence=raw.confidence.numpy()[valid],
            spread=(raw.spread.numpy()[valid] * scale.mean()).astype(np.float32),
            cells=cells,
        ).select(inside)


def working_shape(shape: tuple[int, int], image_size: int) -> tuple[int, int]:
    """(H, W) that the network sees, both multiples of 8.

    The area is bounded, not a side: a wide picture has as many cells as a square one. Each side is
    rounded by itself, which stretches the picture by a few pixels and spares the network padding
    and masks.

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
