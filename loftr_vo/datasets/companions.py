# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What recordings of picture files have besides: depth, right pictures, odometry, an IMU."""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from loftr_vo.datasets.image_files import read_grey, read_picture
from loftr_vo.datasets.sequence import DatasetError
from loftr_vo.geometry.inertial import ImuCalibration, ImuSamples
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import BasePose, Frame, RightPicture
from loftr_vo.imaging.image_decoding import AS_STORED


@dataclass(frozen=True)
class DepthFiles:
    """Depth images, one for each picture, or None where a picture has none.

    Attributes:
        paths: PNG files of 16 bits.
        metres: in one of their units.
        lags: nanoseconds by which each was taken after its picture; none where they are empty.
    """

    paths: list[Path | None]
    metres: float
    lags: list[int] = field(default_factory=list)

    def read(self, index: int) -> np.ndarray | None:
        """Return the depth of a picture, (H, W) float32 in metres, 0 where unknown.

        Raises:
            DatasetError: the file is absent or no depth image.
        """
        path = self.paths[index]
        if path is None:
            return None
        depth = read_picture(path, AS_STORED, None)
        if depth.ndim != 2 or depth.dtype != np.uint16:
            raise DatasetError(f'{path} is no depth image: one channel of 16 bits is needed')
        return depth.astype(np.float32) * np.float32(self.metres)


@dataclass(frozen=True, eq=False)
class RightFiles:
    """Right pictures, one for each left one, or None where that has none.

    Attributes:
        paths: picture files.
        camera: that took them.
        right_from_left: (4, 4), see ``RightPicture``.
    """

    paths: list[Path | None]
    camera: Camera
    right_from_left: np.ndarray

    def read(self, index: int) -> RightPicture | None:
        """Return the right picture of a left one.

        Raises:
            DatasetError: the file is absent or no picture.
            CalibrationError: it has another size than its calibration.
        """
        path = self.paths[index]
        if path is None:
            return None
        image = read_grey(path, self.camera)
        return RightPicture(image, self.camera, self.right_from_left)


@dataclass(frozen=True, eq=False)
class ImuRecording:
    """All measurements of an IMU.

    Attributes:
        samples: on the pictures' clock, as far as the calibration has the shift between the two.
        calibration: how it sits beside the camera.
    """

    samples: ImuSamples
    calibration: ImuCalibration


def _nothing() -> None:
    return None


class Companions:
    """What a recording has besides its pictures; None for what it has not.

    Each is looked for at its first use: a fault in the files of the right camera is no error for
    those who need no right camera.
    """

    def __init__(
        self,
        find_depth: Callable[[], DepthFiles | None] = _nothing,
        find_right: Callable[[], RightFiles | None] = _nothing,
        find_wheels: Callable[[], Trajectory | None] = _nothing,
        find_imu: Callable[[], ImuRecording | None] = _nothing,
    ) -> None:
        """Take what finds each; it may raise ``DatasetError`` and its like."""
        self._find_depth = find_depth
        self._find_right = find_right
        self._find_wheels = find_wheels
        self._find_imu = find_imu

    @cached_property
    def depth(self) -> DepthFiles | None:
        """Depth images."""
        return self._find_depth()

    @cached_property
    def right(self) -> RightFiles | None:
        """The pictures of a right camera."""
        return self._find_right()

    @cached_property
    def wheels(self) -> Trajectory | None:
        """Another odometry: the base's poses in its own frame."""
        return self._find_wheels()

    @cached_property
    def imu(self) -> ImuRecording | None:
        """The measurements of an IMU."""
        return self._find_imu()

    def lacks(self, source: str) -> bool:
        """Whether what a source of scale needs is not there."""
        if source == 'depth':
            return self.depth is None
        if source == 'stereo':
            return self.right is None
        if source == 'odometry':
            return self.wheels is None
        return source == 'imu' and self.imu is None

    def accompany(
        self, frame: Frame, index: int, before: int | None, wanted: frozenset[str]
    ) -> Frame:
        """Return a frame with what is wanted.

        Args:
            frame: the picture's.
            index: of the picture.
            before: stamp of the frame before; None for the first.
            wanted: sources of scale.
        """
        if 'depth' in wanted and self.depth:
            lag = self.depth.lags[index] if self.depth.lags else 0
            frame = dataclasses.replace(frame, depth=self.depth.read(index), depth_lag=lag)
        if 'stereo' in wanted and self.right:
            frame = dataclasses.replace(frame, right=self.right.read(index))
        if 'odometry' in wanted and self.wheels:
            frame = dataclasses.replace(frame, wheels=since(self.wheels, before, frame.stamp))
        if 'imu' in wanted and self.imu:
            samples = self.imu.samples.between(before, frame.stamp)
            frame = dataclasses.replace(frame, imu=samples)
        return frame


def since(wheels: Trajectory, before: int | None, now: int) -> tuple[BasePose, ...]:
    """Return the poses after ``before`` up to ``now``, in nanoseconds."""
    stamps = wheels.stamps.tolist()
    first = 0 if before is None else bisect.bisect_right(stamps, before)
    last = bisect.bisect_right(stamps, now)
    return tuple(BasePose(stamps[index], wheels.poses[index]) for index in range(first, last))


def nearest(stamps: list[int], stamp: int, tolerance: int) -> int | None:
    """Return the index of the nearest of rising stamps, or None if it is not near enough."""
    after = bisect.bisect_left(stamps, stamp)
    around = [index for index in (after - 1, after) if 0 <= index < len(stamps)]
    if not around:
        return None
    index = min(around, key=lambda each: abs(stamps[each] - stamp))
    return index if abs(stamps[index] - stamp) <= tolerance else None
