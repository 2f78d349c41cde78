# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The IMU in a bag: how it sits beside the camera, and its measurements for each frame."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader

from loftr_vo.datasets.bag_file import listing, messages, stamp_of
from loftr_vo.datasets.bag_poses import read_transforms
from loftr_vo.datasets.sequence import DatasetError
from loftr_vo.files.text import quoted
from loftr_vo.geometry.inertial import ImuCalibration
from loftr_vo.geometry.plausible import IMU_MOUNTING
from loftr_vo.imaging.frame import Frame
from loftr_vo.imaging.imu_buffer import ImuBuffer
from loftr_vo.imaging.imu_calibration import read_imu_calibration
from loftr_vo.imaging.imu_signal import ImuSignal
from loftr_vo.imaging.specific_force_unit import wrong_unit
from loftr_vo.imaging.stamp_gate import Succession

IMU = 'sensor_msgs/msg/Imu'
# Measurements that are kept for a frame: more than a minute at 1 kHz.
_KEPT = 100_000
# The unit is found out from so many measurements at the start.
_FIRST = 200
_OTHERWISE = 'name a file with it by --imu-calibration'


def read_bag_imu(
    reader: AnyReader, path: Path, topic: str, camera_frame: str, calibration: Path | None
) -> ImuCalibration:
    """Return how the IMU on a topic sits beside the camera.

    Args:
        reader: of the bag, open.
        path: the bag's.
        topic: of the measurements.
        camera_frame: the camera's optical frame; empty where the bag does not name it.
        calibration: a file in place of /tf_static; ``FILE:CAMERA`` where it has several cameras.

    Raises:
        DatasetError: the topic has no messages, no specific force in m/s^2, or /tf_static does not
            link IMU and camera.
        CalibrationError: the file cannot be used.
    """
    first = [each[2] for each in itertools.islice(messages(reader, path, [topic]), _FIRST)]
    if not first:
        raise DatasetError(f'the topic {topic} in {path} has no messages')
    forces = np.array([_vector(message.linear_acceleration) for message in first])
    forces = forces[np.isfinite(forces).all(axis=1)]
    if len(forces) and (fault := wrong_unit(np.linalg.norm(forces, axis=1))):
        raise DatasetError(f'{path}: {topic}: {fault}')
    if calibration is not None:
        return read_imu_calibration(calibration)
    imu_frame = first[0].header.frame_id.lstrip('/')
    for frame, what in ((imu_frame, topic), (camera_frame, 'the pictures')):
        if not frame:
            raise DatasetError(f'{path}: no frame_id on {what}; {_OTHERWISE}')
    tree = read_transforms(path)
    pose = np.eye(4) if imu_frame == camera_frame else tree.rigid(imu_frame, camera_frame)
    if pose is None:
        raise DatasetError(
            f'{path}: /tf_static does not link {quoted(imu_frame)} (the IMU) and '
            f'{quoted(camera_frame)} (the camera); {_OTHERWISE}; the frames in it are: '
            f'{listing(tree.frames)}'
        )
    if not IMU_MOUNTING.holds(pose[:3, 3]):
        raise DatasetError(
            f'{path}: by /tf_static {quoted(camera_frame)} is not beside {quoted(imu_frame)}, but '
            f'beyond {IMU_MOUNTING}'
        )
    return ImuCalibration(pose)


def imu_attacher(time_shift: int) -> Callable[[Frame, list[Any]], Frame]:
    """Return what attaches the measurements since the frame before, as the node takes them.

    It is to be given the messages that have come since its last call. Measurements that are not
    plausible, come twice or out of order are left out.

    Args:
        time_shift: nanoseconds by which the IMU's stamps are ahead of the pictures'.
    """
    signal, buffer = ImuSignal(), ImuBuffer(_KEPT)

    def attach_imu(frame: Frame, found: list[Any]) -> Frame:
        for message in found:
            stamp = stamp_of(message) - time_shift
            values = _vector(message.angular_velocity), _vector(message.linear_acceleration)
            how = signal.accept(stamp, *values)
            if how is Succession.JUMP:
                buffer.clear()
            if how is not Succession.REFUSED:
                buffer.put(stamp, *values)
        return dataclasses.replace(frame, imu=buffer.take(frame.stamp))

    return attach_imu


def _vector(vector: Any) -> tuple[float, float, float]:
    return float(vector.x), float(vector.y), float(vector.z)
