# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Writing a sequence as a folder, the project's own layout."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from loftr_vo.datasets.imu_files import HEADER as IMU_HEADER
from loftr_vo.datasets.sequence import DatasetError, Sequence
from loftr_vo.files.growing_file import GrowingFile
from loftr_vo.files.output_files import write_text
from loftr_vo.files.output_pictures import write_picture
from loftr_vo.geometry.inertial import ImuCalibration, ImuSamples, ImuStream
from loftr_vo.geometry.trajectory import Trajectory, format_seconds
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import BasePose, Frame


def write_sequence(
    sequence: Sequence,
    folder: Path,
    progress: Callable[[Iterable[Frame]], Iterable[Frame]] = iter,
) -> None:
    """Write ``images/``, ``times.txt``, ``camera.yaml`` and, if known, ``groundtruth.txt``.

    What the frames carry by ``Sequence.provide`` is written too: ``depth/``, ``right/`` with
    ``right_camera.yaml``, ``odometry.txt``, ``imu.csv`` with ``extrinsics.yaml``; see
    ``open_folder``.

    Args:
        sequence: the frames, all of one camera.
        folder: made where it is not there.
        progress: wraps the frames to show how far it is, as ``tqdm`` does.

    Raises:
        DatasetError: the folder holds pictures already, or the sequence no frame.
        OutputError: something cannot be written; the frames before can be read.
    """
    images = folder / 'images'
    if images.exists() and any(images.iterdir()):
        raise DatasetError(f'{images} is not empty; name another folder or remove it')
    wheels: list[BasePose] = []
    imu = ImuStream()
    count = 0
    with GrowingFile(folder / 'times.txt') as times:
        try:
            for frame in progress(sequence):
                if count == 0:
                    _write_once(frame, sequence, folder)
                _write_pictures(frame, folder, f'{count:06d}.png', sequence.provided)
                times.add(format_seconds(frame.stamp))
                wheels += frame.wheels
                imu.add(frame.imu)
                count += 1
        finally:
            # A sequence that ends early can be read as far as it goes.
            if count:
                times.finish()
                _write_wheels(wheels, folder)
                _write_imu(imu.samples, sequence.imu, folder)
    if count == 0:
        raise DatasetError(f'{sequence.name} has no frames to write')


def _write_once(frame: Frame, sequence: Sequence, folder: Path) -> None:
    """Write what is of the whole sequence."""
    write_text(folder / 'camera.yaml', calibration_yaml(frame.camera))
    if sequence.ground_truth is not None:
        sequence.ground_truth.write_tum(folder / 'groundtruth.txt')


def _write_wheels(wheels: list[BasePose], folder: Path) -> None:
    if wheels:
        poses = np.stack([each.pose for each in wheels])
        Trajectory(np.array([each.stamp for each in wheels]), poses).write_tum(
            folder / 'odometry.txt', 'robot base in odom'
        )


def _write_imu(
    samples: ImuSamples | None, calibration: ImuCalibration | None, folder: Path
) -> None:
    if samples is None or calibration is None:
        return
    values = np.hstack([samples.angular_velocity, samples.specific_force])
    lines = [
        ','.join([format_seconds(stamp), *(f'{value:.9g}' for value in row)])
        for stamp, row in zip(samples.stamps.tolist(), values, strict=True)
    ]
    write_text(folder / 'imu.csv', '\n'.join([','.join(IMU_HEADER), *lines]) + '\n')
    rate = 1e9 / float(np.median(np.diff(samples.stamps))) if len(samples) > 1 else 0.0
    write_text(folder / 'extrinsics.yaml', extrinsics_yaml(calibration, round(rate, 3)))


def extrinsics_yaml(calibration: ImuCalibration, rate: float) -> str:
    """Return how an IMU sits beside a camera, as ``read_imu_calibration`` reads it.

    Args:
        calibration: the shift of its clock is not written: it was taken off the stamps.
        rate: samples a second, for people to read.
    """
    pose = calibration.imu_from_camera.ravel().tolist()
    fields: dict[str, Any] = {'T_imu_cam': {'rows': 4, 'cols': 4, 'data': pose}}
    noise = calibration.noise
    if noise is not None:
        fields |= {
            'gyro_noise_density': noise.gyroscope,
            'accel_noise_density': noise.accelerometer,
            'gyro_random_walk': noise.gyroscope_walk,
            'accel_random_walk': noise.accelerometer_walk,
        }
    fields['rate'] = rate
    text: str = yaml.safe_dump(fields, sort_keys=False, default_flow_style=None)
    return text


def _write_pictures(frame: Frame, folder: Path, name: str, provided: Collection[str]) -> None:
    """Write all of the pictures of a frame, or none."""
    pictures = {folder / 'images' / name: frame.image}
    if 'depth' in provided and frame.depth is not None:
        millimetres = np.nan_to_num(frame.depth * 1e3).round()
        # What does not fit into 16 bits is not known.
        millimetres[millimetres > np.iinfo(np.uint16).max] = 0
        pictures[folder / 'depth' / name] = millimetres.astype(np.uint16)
    if 'stereo' in provided and frame.right is not None:
        pictures[folder / 'right' / name] = frame.right.image
        calibration = folder / 'right_camera.yaml'
        if not calibration.exists():
            right = frame.right
            write_text(calibration, calibration_yaml(right.camera, right.right_from_left))
    try:
        for path, picture in pictures.items():
            write_picture(path, picture, sync=False)
    except BaseException:
        for path in pictures:
            path.unlink(missing_ok=True)
        raise


def calibration_yaml(camera: Camera, right_from_left: np.ndarray | None = None) -> str:
    """Return a calibration as ROS' ``camera_calibration`` writes it.

    Args:
        camera: the camera.
        right_from_left: (4, 4), of the right camera of a rectified pair; else None.
    """
    count = len(camera.distortion)
    fields: dict[str, Any] = {
        'image_width': camera.width,
        'image_height': camera.height,
        'camera_name': 'camera',
        'camera_matrix': {'rows': 3, 'cols': 3, 'data': camera.matrix.ravel().tolist()},
        'distortion_model': camera.distortion_model,
        'distortion_coefficients': {'rows': 1, 'cols': count, 'data': camera.distortion.tolist()},
    }
    if right_from_left is not None:
        shift = camera.matrix @ right_from_left[:3, 3]
        projection = np.column_stack([camera.matrix, shift])
        fields['projection_matrix'] = {'rows': 3, 'cols': 4, 'data': projection.ravel().tolist()}
    text: str = yaml.safe_dump(fields, sort_keys=False, default_flow_style=None)
    return text
