# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The streaming matcher: encodes each picture once, and matches keyframe and frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from loftr_vo.config import MatcherSettings
from loftr_vo.loftr.model import COARSE_STRIDE, LoFTR
from loftr_vo.matching.cpu_backend import CpuBackend
from loftr_vo.matching.cuda_backend import CudaBackend
from loftr_vo.matching.cuda_runtime import CudaRuntime
from loftr_vo.matching.device import resolve_device, resolve_precision
from loftr_vo.matching.matches import Matches, PendingMatches
from loftr_vo.matching.raw_matches import PairMatches
from loftr_vo.matching.stage_trace import Trace
from loftr_vo.matching.tuning import TUNING

Backend = CpuBackend | CudaBackend

_PUBLISHED_WIDTH = 256  # of the coarse tokens of the published networks
_SMALLEST_SIDE = 32  # pixels; four cells, of which the border leaves two
_CACHED_SIZES = 8  # of pictures, whose cell centres are kept; a camera has one size


def default_image_size(device: str, width: int) -> int:
    """Return the ``image_size`` that suits a type of device and a width of the coarse tokens."""
    large = device != 'cpu' and width >= _PUBLISHED_WIDTH
    return TUNING.large_image_size if large else TUNING.image_size


class PictureError(ValueError):
    """A picture too small for the network."""


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


def _image_pixels_per_network_pixel(
    shape: tuple[int, int], working_shape: tuple[int, int]
) -> np.ndarray:
    return np.array(shape[::-1]) / np.array(working_shape[::-1])


class DeferredPicture(EncodedImage):
    """A picture that is encoded only once its features are needed, if ever.

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


@lru_cache(maxsize=_CACHED_SIZES)
def _cell_centres(shape: tuple[int, int], working_shape: tuple[int, int]) -> np.ndarray:
    rows, columns = (side // COARSE_STRIDE for side in working_shape)
    y, x = np.mgrid[:rows, :columns] * COARSE_STRIDE
    scale = _image_pixels_per_network_pixel(shape, working_shape)
    centres = (np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) * scale - 0.5
    centres.flags.writeable = False
    return centres


class Matcher:
    """Encodes each picture once and matches it with others.

    Both calls are asynchronous: they return at once, and reading a result waits for it.

    Attributes:
        encoded: pictures that the network has encoded until now.
    """

    def __init__(
        self,
        settings: MatcherSettings,
        model: LoFTR | None = None,
        trace: Trace | None = None,
    ) -> None:
        """Load the weights that ``settings`` name, unless a model is given.

        Args:
            settings: of the matcher.
            model: a network to use instead of the one that the settings name.
            trace: records the spans of encoding and matching.

        Raises:
            WeightsError: the weights cannot be loaded.
            DeviceError: the device is not available.
            DeviceLostError: the device fails, or has too little memory for the weights.
        """
        self.settings = settings
        self.encoded = 0
        self.device = resolve_device(settings.device)
        self.dtype = resolve_precision(settings.precision, self.device)
        weights = settings.weights if model is None else model
        self._backend: Backend = (
            CpuBackend(weights, self.dtype, trace)
            if self.device.type == 'cpu'
            else CudaBackend(
                weights, self.dtype, self.device, CudaRuntime(self.device, trace=trace)
            )
        )
        self.configure(settings)

    def configure(self, settings: MatcherSettings) -> None:
        """Apply the settings that may change while running."""
        self.settings = settings
        self._backend.set_threshold(settings.threshold)
        self._backend.set_min_support(settings.min_support)

    @property
    def image_size(self) -> int:
        """The setting ``image_size``, or the default where that is zero."""
        width = self._backend.config.coarse_dim
        return self.settings.image_size or default_image_size(self.device.type, width)

    @property
    def sees_every_frame(self) -> bool:
        """Whether the network is to see each frame, see the setting ``when``.

        A GPU does a frame in a millisecond or three, which no tracking on the CPU undercuts.
        """
        when = self.settings.when
        return when == 'every_frame' or (when == 'auto' and self.device.type != 'cpu')

    @property
    def can_speculate(self) -> bool:
        """Whether a match whose result is never used does not delay others, as on a GPU."""
        return self.device.type != 'cpu'

    def working_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return the (H, W) to which a picture of (H, W) is resized for the network.

        Raises:
            PictureError: a picture too small to match.
        """
        return working_shape(shape, self.image_size)

    def encode(self, image: np.ndarray) -> EncodedImage:
        """Start to run the CNN on an (H, W) uint8 picture.

        Raises:
            PictureError: a picture too small to match.
            DeviceLostError: a GPU failed, or has too little memory.
        """
        shape = image.shape[0], image.shape[1]
        working = self.working_shape(shape)
        return EncodedImage(self._encode(image, working), shape, working)

    def encode_later(self, image: np.ndarray) -> EncodedImage:
        """Return what ``encode`` does; the CNN runs when the picture is first matched, if ever.

        Raises:
            PictureError: a picture too small to match.
        """
        shape = image.shape[0], image.shape[1]
        working = self.working_shape(shape)
        return DeferredPicture(lambda: self._encode(image, working), shape, working)

    def _encode(self, image: np.ndarray, working: tuple[int, int]) -> Any:
        self.encoded += 1
        return self._backend.encode(image, working)

    def match(self, keyframe: EncodedImage, frame: EncodedImage) -> PendingMatches:
        """Start to match a keyframe, whose points stay on its coarse grid, with a frame.

        Returns:
            The pending matches, in pixels of the original pictures. Their ``result`` raises
            ``DeviceLostError`` if the device failed at them or at the features.
        """
        raw = self._backend.match(
            keyframe.features,
            frame.features,
            keyframe.working_shape,
            frame.working_shape,
            self.settings.max_matches,
        )
        # What a GPU was given is done sooner than it could be asked.
        arrived = getattr(raw, 'done', lambda: True)
        return PendingMatches(lambda: _matches(raw.result(), keyframe, frame), arrived)

    def settle(self) -> None:
        """Wait until all that was started is done; needed only to measure time.

        Raises:
            DeviceLostError: the device failed.
        """
        self._backend.settle()

    def wait(self, picture: EncodedImage) -> None:
        """Wait until a picture is encoded; needed only to measure time.

        Raises:
            DeviceLostError: the device failed.
        """
        self._backend.wait(picture.features)


def _matches(pair: PairMatches, keyframe: EncodedImage, frame: EncodedImage) -> Matches:
    """Convert one pair's matches to pixels of the original pictures."""
    scale = frame.image_pixels_per_network_pixel
    keypoints1 = (pair.keypoints1 + 0.5) * scale - 0.5
    inside = ((keypoints1 >= 0) & (keypoints1 <= np.array(frame.shape[::-1]) - 1)).all(axis=1)
    matches = Matches(
        keypoints0=keyframe.cell_centres().take(pair.cells0, axis=0).astype(np.float32),
        keypoints1=keypoints1.astype(np.float32, order='C'),
        confidence=pair.confidence,
        spread=(pair.spread * scale.mean()).astype(np.float32),
        cells=pair.cells0,
    )
    return matches if inside.all() else matches.select(np.flatnonzero(inside))


def working_shape(shape: tuple[int, int], image_size: int) -> tuple[int, int]:
    """Return the (H, W) to which a picture is resized for the network, both multiples of 8.

    The area is bounded, not a side: a wide picture has as many cells as a square one. Each side is
    rounded separately, which stretches the picture by a few pixels; in exchange the network needs
    no padding and no masks.

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
