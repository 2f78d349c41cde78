# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What every kind of recording becomes: frames in the order of time."""

from __future__ import annotations

import dataclasses
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

from loftr_vo.config import ImuSettings, Settings
from loftr_vo.files.errors import InputError
from loftr_vo.files.text import printable
from loftr_vo.geometry.inertial import ImuCalibration, ImuNoise
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.imaging.calibration_files import read_calibration, split_camera
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame
from loftr_vo.imaging.view_mask import ViewMask

# The true trajectory, or the function that reads it at first use.
Truth = Trajectory | Callable[[], Trajectory | None] | None


class DatasetError(InputError):
    """A recording cannot be read; the message has the reason and what to do."""


# What the sources of scale need in addition to the picture.
_BESIDES = {
    'depth': 'depth images',
    'stereo': 'right pictures with a calibration of the pair',
    'odometry': 'other odometry',
    'imu': 'measurements of an IMU',
}


class Sequence(ABC):
    """Frames in the order of time, decoded one at a time as they are asked for.

    Iterating raises ``DatasetError`` at a frame that does not decode or is out of order, and
    ``CalibrationError`` at one that the camera does not fit. It may be done more than once.

    Attributes:
        name: what to call the recording in reports, and the folder that they are in; printable.
        kind: the layout that was recognised, for example ``KITTI odometry``.
        path: where the recording is; None if nowhere, as of a rendered scene.
        mask: what of the pictures is used; None for all. See ``use_mask``.
        calibration: the file that was given in place of the recording's own calibration, and
            whose format it is; empty if none.
        camera_frame: the name of the camera's optical frame; empty where there is none.
        left_out: pictures of the last iteration that were late or came twice.
        provided: the sources of scale that frames carry what is needed for; see ``provide``.
    """

    camera: Camera
    path: Path | None = None
    mask: ViewMask | None = None
    calibration = ''
    camera_frame = ''
    left_out = 0
    provided: frozenset[str] = frozenset()
    _imu_settings: ImuSettings | None = None

    def __init__(self, name: str, kind: str, ground_truth: Truth = None) -> None:
        """Take what is known of the recording; see the attributes."""
        self.name = printable(name)
        self.kind = kind
        self._truth = ground_truth

    @property
    def ground_truth(self) -> Trajectory | None:
        """The true poses of the camera, where the recording has them as such.

        They are read at first use: malformed ones are no error where none are needed. Those of a
        bag are found by ``loftr_vo.evaluation.ground_truth``.

        Raises:
            DatasetError, TrajectoryError: they are there, but malformed.
        """
        if callable(self._truth):
            self._truth = self._truth()
        return self._truth

    def use_mask(self, mask: ViewMask) -> None:
        """Have frames use a part of their pictures only.

        Raises:
            MaskError: the mask leaves nothing of the pictures.
        """
        self.mask = mask
        self.camera = dataclasses.replace(self.camera, mask=mask)

    def provide(self, source: str, needed_by: str = 'scale.source') -> None:
        """Have frames carry what a source of scale needs besides the picture.

        Args:
            source: one of ``config.SCALE_SOURCES``.
            needed_by: the setting that it is the value of.

        Raises:
            DatasetError: the recording does not have it.
        """
        if source in _BESIDES:
            if self.lacks(source):
                raise DatasetError(
                    f'{self.name} ({self.kind}) has no {_BESIDES[source]}, which {needed_by} '
                    f'{source} needs'
                )
            self.provided = self.provided | {source}

    def lacks(self, source: str) -> bool:
        """Whether the recording does not have what ``source`` needs besides the picture."""
        return True

    @property
    def imu(self) -> ImuCalibration | None:
        """How an IMU sits beside the camera, and its noise; None unless frames carry it.

        The noise is the recording's, None where it does not have it. Once settings were given to
        ``provide_for``, it is that of ``ImuNoise.chosen``.
        """
        if 'imu' not in self.provided:
            return None
        found = self._imu_calibration()
        if self._imu_settings is None:
            return found
        return dataclasses.replace(found, noise=ImuNoise.chosen(found.noise, self._imu_settings))

    def _imu_calibration(self) -> ImuCalibration:
        """Return how the IMU sits beside the camera, and its noise by the recording."""
        raise NotImplementedError

    def provide_for(self, settings: Settings) -> None:
        """Have frames carry all that the settings need besides the picture.

        Raises:
            DatasetError: the recording does not have it.
        """
        self._imu_settings = settings.imu
        for source, needed_by in settings.companions.items():
            self.provide(source, needed_by)

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of frames; a video's is as its container states it."""

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames from the first on."""


def name_of(path: Path) -> str:
    """Return what to call the recording in a folder, also where that is given as ``..``."""
    # Not resolved: a link is called by its own name.
    return Path(os.path.abspath(path)).name or 'recording'


def find_camera(beside: Path, given: Path | None) -> Camera:
    """Return the calibration ``given``, or else the ``camera.yaml`` in the folder ``beside``.

    Raises:
        DatasetError: there is neither.
        CalibrationError: the file is there but is no calibration.
    """
    path = given or beside / 'camera.yaml'
    if not split_camera(path)[0].exists():
        hint = '' if given else ', or name the calibration with --camera'
        raise DatasetError(
            f'there is no calibration {path}; make one with camera_calibration{hint}'
        )
    return read_calibration(path).camera


def read_ground_truth(path: Path) -> Trajectory | None:
    """Return the trajectory in a TUM file, or None where there is no such file."""
    return Trajectory.read_tum(path) if path.exists() else None
