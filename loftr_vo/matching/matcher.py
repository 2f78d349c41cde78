# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The streaming matcher: encodes each picture once, and matches keyframe and frame."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from loftr_vo.config import MatcherSettings
from loftr_vo.loftr.model import LoFTR
from loftr_vo.matching.cpu_backend import CpuBackend
from loftr_vo.matching.cuda_backend import CudaBackend
from loftr_vo.matching.cuda_runtime import CudaRuntime
from loftr_vo.matching.device import resolve_device, resolve_precision
from loftr_vo.matching.encoded_image import DeferredPicture, EncodedImage
from loftr_vo.matching.matches import Matches, PendingMatches
from loftr_vo.matching.raw_matches import PairMatches
from loftr_vo.matching.stage_trace import Trace
from loftr_vo.matching.working_size import default_image_size, working_shape

Backend = CpuBackend | CudaBackend


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
        self._threads = torch.get_num_threads()
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

    def leave_a_core(self, leave: bool) -> None:
        """Whether a network on the CPU leaves one core to the tracking that runs beside it.

        With as many threads as cores, each waits for those that share a core with the tracking,
        which is slowed down, too. ``OMP_NUM_THREADS`` comes first.
        """
        if isinstance(self._backend, CpuBackend) and 'OMP_NUM_THREADS' not in os.environ:
            self._backend.use_threads(max(1, self._threads - leave))

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

        It runs again when the picture is matched after ``EncodedImage.release``, so the picture
        must not change.

        Raises:
            PictureError: a picture too small to match.
            DeviceLostError: a GPU failed, or has too little memory.
        """
        picture = self.encode_later(image)
        picture.start()
        return picture

    def encode_later(self, image: np.ndarray) -> DeferredPicture:
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

    def synchronize(self) -> None:
        """Wait until all that was started is done; needed only to measure time.

        Raises:
            DeviceLostError: the device failed.
        """
        self._backend.synchronize()

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
