# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A folder of pictures: the project's own layout, and pictures with nothing but a calibration."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from loftr_vo.datasets.companions import Companions, DepthFiles, RightFiles
from loftr_vo.datasets.imu_files import find_imu
from loftr_vo.datasets.pictures import PictureSequence, list_pictures, read_times
from loftr_vo.datasets.sequence import find_camera, name_of, read_ground_truth
from loftr_vo.files.errors import naming
from loftr_vo.files.limited_yaml import read_yaml
from loftr_vo.files.numbers import numbers
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.calibration_files import split_camera
from loftr_vo.imaging.stereo_extrinsics import right_from_left

# Pictures without times are taken to come at this rate.
NOMINAL_RATE = 30.0
_MILLIMETRES = 1e-3


def open_folder(
    path: Path, camera: Path | None, imu_calibration: Path | None = None
) -> PictureSequence:
    """Open a sequence folder.

    It holds ``images/``, ``times.txt`` (seconds, one per line), ``camera.yaml`` and, if known,
    ``groundtruth.txt`` (TUM format). For the scale it may hold

    - ``depth/``: PNG files of 16 bits in millimetres, named as the pictures are;
    - ``right/``, named so too, with ``right_camera.yaml``, whose ``projection_matrix`` has the
      baseline (see ``right_from_left``); where both files have a ``rectification_matrix``, the
      pictures are taken not to be rectified;
    - ``odometry.txt``: poses of the robot's base by another odometry, in TUM format;
    - ``imu.csv`` with ``extrinsics.yaml``: the measurements of an IMU (see ``find_imu``), or with
      the file ``imu_calibration``.
    """
    pictures = list_pictures(path / 'images')
    return PictureSequence(
        name_of(path),
        'sequence folder',
        pictures,
        read_times(path / 'times.txt', len(pictures)),
        find_camera(path, camera),
        partial(read_ground_truth, path / 'groundtruth.txt'),
        Companions(
            partial(_find_depth, path, pictures),
            partial(_find_right, path, pictures, camera or path / 'camera.yaml'),
            partial(read_ground_truth, path / 'odometry.txt'),
            partial(find_imu, path, imu_calibration),
        ),
    )


def open_pictures(
    path: Path, camera: Path | None, imu_calibration: Path | None = None
) -> PictureSequence:
    """Open a folder that has the pictures themselves and ``camera.yaml``.

    ``times.txt``, ``groundtruth.txt`` and ``imu.csv`` are used where they are; pictures without
    times are taken to come at 30 Hz.
    """
    pictures = list_pictures(path)
    if (path / 'times.txt').exists():
        stamps = read_times(path / 'times.txt', len(pictures))
    else:
        stamps = [round(index * 1e9 / NOMINAL_RATE) for index in range(len(pictures))]
    return PictureSequence(
        name_of(path),
        'folder of pictures',
        pictures,
        stamps,
        find_camera(path, camera),
        partial(read_ground_truth, path / 'groundtruth.txt'),
        Companions(find_imu=partial(find_imu, path, imu_calibration)),
    )


def _find_depth(path: Path, pictures: list[Path]) -> DepthFiles | None:
    folder = path / 'depth'
    if not folder.is_dir():
        return None
    files = [folder / f'{picture.stem}.png' for picture in pictures]
    return DepthFiles([file if file.exists() else None for file in files], _MILLIMETRES)


def _find_right(path: Path, pictures: list[Path], left_camera: Path) -> RightFiles | None:
    folder, calibration = path / 'right', path / 'right_camera.yaml'
    if not folder.is_dir() or not calibration.exists():
        return None
    by_name = {file.stem: file for file in list_pictures(folder)}
    right = find_camera(path, calibration)
    left_values, right_values = _fields(split_camera(left_camera)[0]), _fields(calibration)
    with naming(calibration, CalibrationError):
        if 'projection_matrix' not in right_values:
            raise CalibrationError('the field projection_matrix is missing')
        turns = [_matrix(values, 'rectification_matrix') for values in (left_values, right_values)]
        raw = all(turn is not None for turn in turns)
        motion = right_from_left(
            np.array(numbers(right_values['projection_matrix']['data'])),
            *(turns if raw else ()),
        )
    return RightFiles([by_name.get(picture.stem) for picture in pictures], right, motion)


def _fields(path: Path) -> dict[str, Any]:
    values = read_yaml(path, CalibrationError)
    return values if isinstance(values, dict) else {}


def _matrix(values: dict[str, Any], name: str) -> np.ndarray | None:
    if name not in values:
        return None
    return np.array(numbers(values[name]['data'])).reshape(3, 3)
