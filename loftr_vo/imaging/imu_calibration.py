# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How an IMU sits beside a camera, and its noise, from the files of several tools."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.config import ImuSettings, describe
from loftr_vo.files.errors import naming
from loftr_vo.files.limited_yaml import read_yaml
from loftr_vo.files.numbers import number, numbers
from loftr_vo.files.text import quoted
from loftr_vo.geometry.inertial import ImuCalibration, ImuNoise
from loftr_vo.geometry.plausible import IMU_CLOCK, IMU_MOUNTING
from loftr_vo.geometry.rigid_motion import inverse_transform
from loftr_vo.geometry.trajectory import TrajectoryError, check_pose
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.calibration_files import split_camera

Fields = Mapping[str, Any]

# The names of each density of ``ImuNoise``: Kalibr's and EuRoC's, and the shorter ones.
_DENSITIES = (
    ('gyroscope_noise_density', 'gyro_noise_density'),
    ('accelerometer_noise_density', 'accel_noise_density'),
    ('gyroscope_random_walk', 'gyro_random_walk'),
    ('accelerometer_random_walk', 'accel_random_walk'),
)
# Metres, and entries of a rotation, within which two poses are one, rounded to a few digits.
_SAME_POSE = 0.005
# In the names of the files that Kalibr's calibration of camera and IMU writes.
_CHAIN = 'camchain-imucam'


def read_imu_calibration(given: str | Path) -> ImuCalibration:
    """Return how an IMU sits beside a camera, and its noise where the file has it.

    The file has ``T_imu_cam``, the pose of the camera's optical frame in the IMU, or its inverse
    ``T_cam_imu``, with ``timeshift_cam_imu`` where that is known; both at its top, or below
    ``cam0`` and so on, as in Kalibr's ``camchain-imucam.yaml``. Noise densities are at its top
    (``gyro_noise_density``, ``gyro_random_walk``, ``accel_noise_density``, ``accel_random_walk``,
    or the names that Kalibr has for them), or in Kalibr's ``imu.yaml`` beside it, which
    has the same ending or beginning of its name.

    Args:
        given: the file; with ``:CAMERA`` after it where it has several.

    Raises:
        CalibrationError: it is absent, lacks a field, has several cameras and none is named, or a
            value that is impossible; names file and field.
    """
    path, wanted = split_camera(given)
    values = read_yaml(path, CalibrationError)
    with naming(path, CalibrationError):
        values = _mapping(values)
        camera = _camera(values, wanted, path)
        pose = _pose(camera)
        shift = _number(camera.get('timeshift_cam_imu', 0.0), 'timeshift_cam_imu')
        if not IMU_CLOCK.holds(shift):
            raise CalibrationError(
                f'timeshift_cam_imu is {shift:g} s, beyond {IMU_CLOCK}: it must be in seconds'
            )
        noise = noise_of(values)
    if noise is None and (beside := _noise_beside(path)):
        noise = read_imu_noise(beside)
    return ImuCalibration(pose, noise, shift)


def read_imu_noise(path: Path) -> ImuNoise | None:
    """Return the noise in Kalibr's ``imu.yaml`` or in a ``sensor.yaml`` of EuRoC.

    Raises:
        CalibrationError: the file is absent or malformed; names file and field.
    """
    values = read_yaml(path, CalibrationError)
    with naming(path, CalibrationError):
        values = _mapping(values)
        # Kalibr's file of results has the IMU below its name.
        return noise_of(_mapping(values['imu0']) if 'imu0' in values else values)


def noise_of(values: Fields) -> ImuNoise | None:
    """Return the four densities among the fields of a file; None where it has none of them.

    Raises:
        CalibrationError: it has some of them only, or one that is impossible.
    """
    found = [next((name for name in names if name in values), '') for names in _DENSITIES]
    if not any(found):
        return None
    if not all(found):
        missing = next(
            names[-1] for names, name in zip(_DENSITIES, found, strict=True) if not name
        )
        raise CalibrationError(f'the field {missing} is missing, the other densities are there')
    densities = [_number(values[name], name) for name in found]
    for name, density, setting in zip(found, densities, ImuSettings.DENSITIES, strict=True):
        _check_density(name, density, setting)
    return ImuNoise(*densities)


def _check_density(name: str, density: float, setting: str) -> None:
    """Make sure that a density is within the range of the setting that it takes the place of."""
    about = next(about for each, _, about in describe(ImuSettings()) if each == setting)
    assert about.low is not None
    assert about.high is not None
    if not about.low <= density <= about.high:
        raise CalibrationError(
            f'{name} is {density:g}, but must be within {about.low:g} to {about.high:g} '
            f'{about.unit}'
        )


def rigid_motion(value: Any, name: str) -> np.ndarray:
    """Return a rigid motion (4, 4) that stands in a file as rows, as 16 numbers, or as ``data``.

    Its rotation is made exact: files have it to a few digits.

    Raises:
        CalibrationError: it is none.
    """
    if isinstance(value, Mapping):
        value = value.get('data')
    with naming(name, CalibrationError):
        matrix = np.array(numbers(value), np.float64)
        if matrix.size != 16:
            raise CalibrationError('expected the 16 numbers of a rigid motion')
        matrix = matrix.reshape(4, 4)
        try:
            check_pose(matrix)
        except TrajectoryError as error:
            raise CalibrationError(str(error)) from error
        matrix[:3, :3] = Rotation.from_matrix(matrix[:3, :3]).as_matrix()
        matrix[3] = [0.0, 0.0, 0.0, 1.0]
        if not IMU_MOUNTING.holds(matrix[:3, 3]):
            raise CalibrationError(
                f'its translation {matrix[:3, 3].tolist()} is beyond {IMU_MOUNTING}: it must be '
                'in metres'
            )
    return matrix


def _noise_beside(path: Path) -> Path | None:
    """Return Kalibr's file of the IMU; with ``walk-camchain-imucam.yaml`` is ``walk-imu.yaml``."""
    names = ['imu.yaml']
    if _CHAIN in path.name:
        names.insert(0, path.name.replace(_CHAIN, 'imu'))
    found = (path.with_name(name) for name in names)
    return next((each for each in found if each.exists()), None)


def _camera(values: Fields, wanted: str, path: Path) -> Fields:
    """Return the fields of the camera that is wanted, or of the only one."""
    cameras = {
        str(name): each for name, each in values.items() if re.fullmatch(r'cam\d+', str(name))
    }
    if not cameras and not wanted:
        return values
    if wanted and wanted not in cameras:
        raise CalibrationError(f'it has no camera {quoted(wanted)}')
    if not wanted and len(cameras) > 1:
        raise CalibrationError(
            f'it has several cameras: name one, as in {path}:{next(iter(cameras))}; it has '
            f'{", ".join(cameras)}'
        )
    return _mapping(cameras[wanted or next(iter(cameras))])


def _pose(camera: Fields) -> np.ndarray:
    """Return the motion (4, 4) that maps points of the camera to the IMU."""
    poses = []
    if 'T_imu_cam' in camera:
        poses.append(rigid_motion(camera['T_imu_cam'], 'T_imu_cam'))
    if 'T_cam_imu' in camera:
        poses.append(inverse_transform(rigid_motion(camera['T_cam_imu'], 'T_cam_imu')))
    if len(poses) == 2 and np.abs(poses[0] - poses[1]).max() > _SAME_POSE:
        raise CalibrationError(
            'T_imu_cam is not the inverse of T_cam_imu: remove the one that is wrong'
        )
    if poses:
        return poses[0]
    raise CalibrationError(
        'the field T_imu_cam is missing, the pose of the camera in the IMU (or T_cam_imu, as '
        'Kalibr names its inverse)'
    )


def _number(value: Any, name: str) -> float:
    # PyYAML takes 1e-4, without a point, for text.
    with naming(name, CalibrationError):
        return number(value)


def _mapping(value: Any) -> Fields:
    if not isinstance(value, Mapping):
        raise CalibrationError(
            f'expected the fields of an IMU beside a camera (T_imu_cam), found {quoted(value)}'
        )
    return value
