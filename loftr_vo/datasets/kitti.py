# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI odometry sequences (Geiger et al., CVPR 2012), the grey cameras."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np

from loftr_vo.datasets.companions import Companions, RightFiles
from loftr_vo.datasets.image_files import read_grey
from loftr_vo.datasets.pictures import PictureSequence, list_pictures, read_times
from loftr_vo.datasets.sequence import DatasetError, find_camera, name_of
from loftr_vo.files.errors import naming
from loftr_vo.files.numbers import numbers
from loftr_vo.files.regular_file import read_text
from loftr_vo.geometry.trajectory import Trajectory, check_pose
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.stereo_extrinsics import right_from_left


def open_kitti(path: Path, camera: Path | None) -> PictureSequence:
    """Open ``sequences/NN`` with ``image_0/``, ``calib.txt`` and ``times.txt``.

    Right pictures are taken from ``image_1/``, where it is there.

    The poses are read from ``../../poses/NN.txt``, where the data set keeps them, or from
    ``poses.txt`` in the folder itself.

    Raises:
        DatasetError: a file is missing or malformed.
    """
    path = path.resolve()
    pictures = list_pictures(path / 'image_0')
    stamps = read_times(path / 'times.txt', len(pictures))
    return PictureSequence(
        name_of(path),
        'KITTI odometry',
        pictures,
        stamps,
        find_camera(path, camera) if camera else _read_camera(path / 'calib.txt', pictures[0]),
        partial(_read_poses, path, stamps),
        Companions(find_right=partial(_find_right, path, pictures)),
    )


def _read_camera(calibration: Path, first_picture: Path) -> Camera:
    height, width = read_grey(first_picture).shape
    matrix = _projection(calibration, 'P0')[:, :3]
    with naming(calibration, CalibrationError):
        return Camera(width, height, matrix, 'plumb_bob', np.zeros(5))


def _projection(calibration: Path, name: str) -> np.ndarray:
    """(3, 4) matrix of a camera; its fourth column is by its distance from camera 0."""
    found = next((row[1:] for row in _rows(calibration) if row[0] == f'{name}:'), None)
    if found is None or len(found) != 12:
        raise DatasetError(f'{calibration} has no line "{name}:" with 12 numbers')
    return _numbers(found, str(calibration)).reshape(3, 4)


def _find_right(path: Path, pictures: list[Path]) -> RightFiles | None:
    folder = path / 'image_1'
    if not folder.is_dir():
        return None
    files = [folder / picture.name for picture in pictures]
    projection = _projection(path / 'calib.txt', 'P1')
    height, width = read_grey(pictures[0]).shape
    with naming(path / 'calib.txt', CalibrationError):
        return RightFiles(
            [file if file.exists() else None for file in files],
            Camera(width, height, projection[:, :3], 'plumb_bob', np.zeros(5)),
            right_from_left(projection),
        )


def _read_poses(path: Path, stamps: list[int]) -> Trajectory | None:
    sequences = Path(os.path.abspath(path)).parent
    candidates = [path / 'poses.txt', sequences.parent / 'poses' / f'{name_of(path)}.txt']
    found = next((candidate for candidate in candidates if candidate.exists()), None)
    if found is None:
        return None
    rows = _rows(found)
    if len(rows) != len(stamps) or any(len(row) != 12 for row in rows):
        raise DatasetError(f'{found} needs {len(stamps)} lines of 12 numbers, one per picture')
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    for number, (pose, row) in enumerate(zip(poses, rows, strict=True), start=1):
        pose[:3] = _numbers(row, f'{found}:{number}').reshape(3, 4)
        with naming(f'{found}:{number}', DatasetError):
            check_pose(pose)
    return Trajectory(np.array(stamps, np.int64), poses)


def _rows(path: Path) -> list[list[str]]:
    lines = read_text(path, DatasetError).splitlines()
    return [line.split() for line in lines if line.strip()]


def _numbers(words: list[str], where: str) -> np.ndarray:
    with naming(where, DatasetError):
        found = np.array(numbers(words))
        if not np.isfinite(found).all():
            raise DatasetError('a value is not finite')
        return found
