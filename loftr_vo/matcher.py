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
from loftr_vo.loftr.model import COARSE_STRIDE, Features, LoFTR, cell_position
from loftr_vo.loftr.weights import load_weights
from loftr_vo.matches import Matches

_PRECISIONS = {
    'float32': torch.float32,
    'float16': torch.float16,
    'bfloat16': torch.bfloat16,
}
# Where image_size leaves it open.
_CPU_SIZE, _GPU_SIZE = 480, 640
_SMALLEST_SIDE = 32  # pixels; four cells, of which the border leaves two


class DeviceError(ValueError):
    """The device asked for is not to be had; says what to do."""


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
        """
        self.settings = settings
        self.device = resolve_device(settings.device)
        self.dtype = resolve_precision(settings.precision, self.device)
        model = load_weights(settings.weights) if model is None else model
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
        """
        shape = image.shape
        working = working_shape(shape, self.image_size)
        if working != shape:
            shrinking = working[0] * working[1] < shape[0] * shape[1]
            method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
            image = cv2.resize(image, working[::-1], interpolation=method)
        tensor = torch.from_numpy(np.ascontiguousarray(image))[None, None].to(self.device)
        return EncodedPicture(self.model.encode(tensor.to(self.dtype) / 255), shape, working)

    @torch.inference_mode()
    def match(self, keyframe: EncodedPicture, frame: EncodedPicture) -> Matches:
        """Match the keyframe, whose points stay on its grid, with a frame.

        Returns:
            The matches in pixels of the pictures as they were given.
        """
        raw = self.model.match_features(
            keyframe.features,
            frame.features,
            max_matches=self.settings.max_matches,
            # Waiting for the number of matches costs nothing on the CPU, and refining only these
            # saves most of the fine stage.
            fixed_size=self.device.type != 'cpu',
        )
        valid = raw.valid[0].cpu().numpy()
        cells = raw.cells0[0].cpu().numpy()[valid]
        scale = frame.pixels_per_working_pixel
        keypoints1 = (raw.keypoints1[0].cpu().numpy()[valid] + 0.5) * scale - 0.5
        inside = ((keypoints1 >= 0) & (keypoints1 <= np.array(frame.shape[::-1]) - 1)).all(axis=1)
        return Matches(
            keypoints0=keyframe.cell_centres()[cells].astype(np.float32),
            keypoints1=keypoints1.astype(np.float32),
            confidence=raw.confidence[0].cpu().numpy()[valid],
            spread=(raw.spread[0].cpu().numpy()[valid] * scale.mean()).astype(np.float32),
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


def resolve_device(name: str) -> torch.device:
    """Turn auto, cpu, cuda or cuda:N into a device that is there.

    Raises:
        DeviceError: it is not; says why.
    """
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f'unknown device {name!r}: use auto, cpu, cuda or cuda:N') from error
    if device.type == 'cuda':
        if not torch.cuda.is_available():
            built = 'with' if torch.backends.cuda.is_built() else 'without'
            raise DeviceError(
                f'device {name!r} is not available: this PyTorch was built {built} CUDA and finds '
                'no usable GPU or driver; check nvidia-smi, or set matcher.device to auto or cpu'
            )
        if device.index is not None and device.index >= torch.cuda.device_count():
            raise DeviceError(
                f'device {name!r} is not there: {torch.cuda.device_count()} GPU(s) found'
            )
    elif device.type != 'cpu':
        raise DeviceError(f'device {name!r} is not supported: use auto, cpu, cuda or cuda:N')
    return device


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """Turn a precision's name into a type; auto is float16 on a GPU and float32 on a CPU."""
    if name == 'auto':
        return torch.float16 if device.type == 'cuda' else torch.float32
    return _PRECISIONS[name]
