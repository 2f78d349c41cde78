# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``sensor_msgs/CameraInfo`` as a camera."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from loftr_vo.files.numbers import numbers
from loftr_vo.files.text import quoted
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.camera import Camera


def camera_from_info(info: Any, rectified: bool = False) -> Camera:
    """Return the camera of the pictures that come with a ``CameraInfo``.

    The message describes the full picture of the sensor; the region of interest is cut from that
    and then binned, as ``image_geometry`` does it.

    Args:
        info: the message.
        rectified: whether the pictures were rectified already: then P describes them, and there
            is no distortion.

    Raises:
        CalibrationError: the camera is not calibrated (K all zero), or the values are impossible.
    """
    matrix = _projection(info) if rectified else np.array(info.k).reshape(3, 3)
    distortion = np.zeros(0) if rectified else np.array(info.d, np.float64)
    # Simulators and rectified streams without distortion name their models as they like.
    model = info.distortion_model if distortion.any() else 'plumb_bob'
    width, height = info.width, info.height
    region = info.roi
    if region.width and region.height:
        width, height = region.width, region.height
        matrix[:2, 2] -= region.x_offset, region.y_offset
    binning = np.array([max(info.binning_x, 1), max(info.binning_y, 1)])
    matrix[:2] /= binning[:, None]
    return Camera(
        width=width // int(binning[0]),
        height=height // int(binning[1]),
        matrix=matrix,
        distortion_model=model,
        distortion=distortion if distortion.any() else np.zeros(0),
    )


def camera_from_fields(values: Mapping[str, Any]) -> Camera:
    """Return the camera of a ``CameraInfo`` as ``ros2 topic echo`` or ``rostopic echo`` prints it.

    Raises:
        CalibrationError: a field is missing, or see ``camera_from_info``.
    """
    # ROS 1 has the matrices in capitals.
    fields = {str(name).lower(): value for name, value in values.items()}
    for name in ('width', 'height', 'k', 'd'):
        if name not in fields:
            raise CalibrationError(f'the field {name} is missing')
    for name in ('width', 'height', 'binning_x', 'binning_y'):
        if type(fields.setdefault(name, 0)) is not int:
            raise CalibrationError(f'{name} must be a whole number, got {quoted(fields[name])}')
    region = {'width': 0, 'height': 0, 'x_offset': 0, 'y_offset': 0, **(fields.get('roi') or {})}
    info = SimpleNamespace(
        **{
            **fields,
            'k': np.array(numbers(fields['k'])),
            'd': np.array(numbers(fields['d'] or []), np.float64),
            'distortion_model': str(fields.get('distortion_model', '')),
            'roi': SimpleNamespace(**region),
        }
    )
    return camera_from_info(info)


def _projection(info: Any) -> np.ndarray:
    """Return the (3, 3) matrix of the rectified picture."""
    projection = np.array(info.p).reshape(3, 4)[:, :3]
    if projection.any():
        return projection
    # Some drivers of cameras without distortion fill in K alone.
    if np.any(info.d):
        raise CalibrationError(
            'the topic is that of rectified pictures, and the projection matrix P, which '
            'describes them, is all zero'
        )
    return np.array(info.k).reshape(3, 3)


def is_rectified(topic: str) -> bool:
    """Whether a topic carries rectified pictures, by the names that ``image_proc`` uses.

    Rectified pictures come with the CameraInfo of the raw ones: only the name tells them apart.
    """
    return any(part.startswith('image_rect') for part in topic.split('/'))


def same_camera(one: Camera, other: Camera) -> bool:
    """Whether two calibrations are equal in every number."""
    return (
        (one.width, one.height, one.distortion_model)
        == (other.width, other.height, other.distortion_model)
        and np.array_equal(one.matrix, other.matrix)
        and np.array_equal(one.distortion, other.distortion)
    )
