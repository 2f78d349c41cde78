# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""EuRoC MAV sequences (Burri et al., IJRR 2016): cameras and IMU."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from loftr_vo.datasets.companions import Companions, ImuRecording, RightFiles
from loftr_vo.datasets.imu_files import samples_of, with_calibration
from loftr_vo.datasets.pictures import PictureSequence, rising_stamps
from loftr_vo.datasets.sequence import DatasetError, name_of
from loftr_vo.files.errors import naming
from loftr_vo.files.limited_yaml import read_yaml
from loftr_vo.files.numbers import numbers, whole_number
from loftr_vo.files.regular_file import read_text
from loftr_vo.files.text import quoted
from loftr_vo.geometry.inertial import ImuCalibration
from loftr_vo.geometry.trajectory import (
    MOST_SECONDS,
    NANOSECONDS,
    Trajectory,
    check_pose,
    pose_from,
)
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.calibration_formats import camera_of_sensor
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.imu_calibration import noise_of, rigid_motion


def open_euroc(
    path: Path, camera: Path | None, imu_calibration: Path | None = None
) -> PictureSequence:
    """Open a sequence folder that has ``mav0/``.

    The ground truth is that of the body (the inertial sensor) in the data set; it is carried to
    the camera by the extrinsics ``T_BS`` in ``cam0/sensor.yaml``. Right pictures are those of
    ``cam1`` and the IMU's measurements those of ``imu0``, where they are there; the IMU sits as
    the file ``imu_calibration`` says, or as both ``T_BS`` do.

    Raises:
        DatasetError: a file is missing or malformed.
    """
    sensor = path / 'mav0' / 'cam0'
    settings = _read_sensor(sensor / 'sensor.yaml')
    pictures, entries = _read_pictures(sensor)
    stamps = rising_stamps(entries)
    return PictureSequence(
        name_of(path),
        'EuRoC MAV',
        pictures,
        stamps,
        Camera.from_yaml(camera) if camera else _camera(settings, sensor / 'sensor.yaml'),
        partial(_read_ground_truth, path / 'mav0', settings, sensor / 'sensor.yaml'),
        Companions(
            find_right=partial(_find_right, path / 'mav0', settings, stamps),
            find_imu=partial(_find_imu, path / 'mav0', settings, imu_calibration),
        ),
    )


def _read_pictures(sensor: Path) -> tuple[list[Path], list[tuple[str, int]]]:
    """Return the files of a camera, and (place, stamp) of each."""
    rows = _read_rows(sensor / 'data.csv')
    if not rows:
        raise DatasetError(f'{sensor / "data.csv"} names no pictures')
    if any(len(words) != 2 for _, words in rows):
        raise DatasetError(f'{sensor / "data.csv"} needs a time and a file name on every line')
    return (
        [sensor / 'data' / words[1] for _, words in rows],
        [(where, _nanoseconds(words[0], where)) for where, words in rows],
    )


def _find_right(folder: Path, left: dict[str, Any], stamps: list[int]) -> RightFiles | None:
    """Return ``cam1``, whose pictures have the very stamps of ``cam0``."""
    sensor = folder / 'cam1'
    if not (sensor / 'data.csv').exists():
        return None
    settings = _read_sensor(sensor / 'sensor.yaml')
    files, entries = _read_pictures(sensor)
    by_stamp = dict(zip(rising_stamps(entries), files, strict=True))
    from_body = np.linalg.inv(_extrinsics(settings, sensor / 'sensor.yaml'))
    return RightFiles(
        [by_stamp.get(stamp) for stamp in stamps],
        _camera(settings, sensor / 'sensor.yaml'),
        from_body @ _extrinsics(left, folder / 'cam0' / 'sensor.yaml'),
    )


def _find_imu(
    folder: Path, camera: dict[str, Any], calibration: Path | None
) -> ImuRecording | None:
    """Return the measurements of ``imu0``, and how it sits beside ``cam0``."""
    sensor = folder / 'imu0'
    if not (sensor / 'data.csv').exists():
        return None
    samples = samples_of(_read_rows(sensor / 'data.csv'), _nanoseconds, sensor / 'data.csv')
    if calibration is not None:
        return with_calibration(samples, calibration)
    settings = _read_sensor(sensor / 'sensor.yaml')
    imu_from_body = np.linalg.inv(_extrinsics(settings, sensor / 'sensor.yaml'))
    imu_from_camera = imu_from_body @ _extrinsics(camera, folder / 'cam0' / 'sensor.yaml')
    with naming(sensor / 'sensor.yaml', CalibrationError):
        imu_from_camera = rigid_motion(imu_from_camera, 'T_BS')
        return ImuRecording(samples, ImuCalibration(imu_from_camera, noise_of(settings)))


def _read_sensor(path: Path) -> dict[str, Any]:
    settings = read_yaml(path, DatasetError)
    if not isinstance(settings, dict):
        raise DatasetError(f'{path} does not hold the fields of a sensor')
    return settings


def _camera(settings: dict[str, Any], path: Path) -> Camera:
    with naming(path, CalibrationError):
        return camera_of_sensor(settings)


def _read_ground_truth(folder: Path, settings: dict[str, Any], sensor: Path) -> Trajectory | None:
    path = folder / 'state_groundtruth_estimate0' / 'data.csv'
    if not path.exists():
        return None
    body_from_camera = _extrinsics(settings, sensor)
    rows = _read_rows(path)
    stamps = rising_stamps([(where, _nanoseconds(words[0], where)) for where, words in rows])
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    for pose, (where, words) in zip(poses, rows, strict=True):
        with naming(where, DatasetError):
            x, y, z, qw, qx, qy, qz = numbers(words[1:8])
            pose[:] = pose_from([x, y, z, qx, qy, qz, qw])
    return Trajectory(np.array(stamps, np.int64), poses @ body_from_camera)


def _extrinsics(settings: dict[str, Any], path: Path) -> np.ndarray:
    try:
        pose = np.array(numbers(settings['T_BS']['data'])).reshape(4, 4)
        check_pose(pose)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DatasetError(
            f'{path}: T_BS.data, the pose of the sensor on the body, must be the 16 numbers of a '
            'rigid motion; without it neither the ground truth nor the IMU is known to the camera'
        ) from error
    return pose


def _read_rows(path: Path) -> list[tuple[str, list[str]]]:
    reader = csv.reader(read_text(path, DatasetError).splitlines(), skipinitialspace=True)
    rows: list[tuple[str, list[str]]] = []
    with naming(path, DatasetError):
        for row in reader:
            if row and not row[0].startswith('#'):
                rows.append((f'{path}:{reader.line_num}', [word.strip() for word in row]))
    return rows


def _nanoseconds(word: str, where: str) -> int:
    try:
        stamp = whole_number(word)
    except ValueError as error:
        raise DatasetError(f'{where}: {quoted(word)} is not a time in nanoseconds') from error
    if abs(stamp) > MOST_SECONDS * NANOSECONDS:
        raise DatasetError(f'{where}: {quoted(word)} nanoseconds are more than a stamp can have')
    return stamp
