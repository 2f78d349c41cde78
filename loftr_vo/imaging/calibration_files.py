# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration files of every kind: one function reads them all and returns which format it was."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loftr_vo.files.errors import naming
from loftr_vo.files.limited_yaml import parse_yaml
from loftr_vo.files.regular_file import MOST_SETTINGS_BYTES, read_text
from loftr_vo.files.text import quoted
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.calibration_formats import (
    Fields,
    camera_of_sensor,
    colmap_camera,
    colmap_lines,
    is_colmap,
    opencv_camera,
    opencv_matrix,
    orb_slam_camera,
)
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.camera_info import camera_from_fields
from loftr_vo.imaging.opencv_xml import is_opencv_xml, parse_opencv_xml


@dataclass(frozen=True)
class Calibration:
    """A camera, and what it was read from.

    Attributes:
        camera: the camera.
        source: the file, the camera in it where it has several, and whose format it is.
    """

    camera: Camera
    source: str


def split_camera(given: str | Path) -> tuple[Path, str]:
    """Return the file in ``FILE[:CAMERA]``, and the camera; empty if none is named."""
    path = Path(given)
    file, colon, camera = str(given).rpartition(':')
    if not colon or path.exists() or not Path(file).exists():
        return path, ''
    return Path(file), camera


def read_calibration(given: str | Path) -> Calibration:
    """Return the camera in a calibration file.

    It may be one of ROS' ``camera_calibration``, a ``CameraInfo`` as ``ros2 topic echo`` prints
    it, Kalibr's ``camchain.yaml``, EuRoC's ``sensor.yaml``, OpenCV's FileStorage (YAML, JSON or
    XML), the settings of ORB-SLAM2 and 3, or COLMAP's ``cameras.txt``.

    Args:
        given: the file; with ``:CAMERA`` after it where it has several.

    Raises:
        CalibrationError: it is absent, of no kind that is known, lacks a field, has several
            cameras and none is named, or values that no camera can have; names file and field.
    """
    path, wanted = split_camera(given)
    text = read_text(path, CalibrationError, MOST_SETTINGS_BYTES)
    with naming(path, CalibrationError):
        if is_colmap(text):
            return _chosen(path, wanted, 'COLMAP', _colmap_cameras(text))
        if is_opencv_xml(text):
            values = parse_opencv_xml(text)
        else:
            values = parse_yaml(_first_message(text), path, CalibrationError)
        if not isinstance(values, Mapping):
            raise CalibrationError(
                'expected the fields of a camera calibration (image_width, camera_matrix, ...), '
                f'found {type(values).__name__}'
            )
        return _chosen(path, wanted, *_cameras(values, str(path)))


Cameras = dict[str, Callable[[], Camera]]


def _cameras(values: Fields, source: str) -> tuple[str, Cameras]:
    """Return the name of the format, and by name what makes each camera; '' without one."""
    chain = {
        str(name): each for name, each in values.items() if re.fullmatch(r'cam\d+', str(name))
    }
    if chain:
        return 'Kalibr', {
            name: lambda each=each: camera_of_sensor(  # type: ignore[misc]
                _mapping(each), 'distortion_coeffs'
            )
            for name, each in chain.items()
        }
    if 'Camera.fx' in values or 'Camera1.fx' in values:
        names = [name for name in ('Camera', 'Camera1', 'Camera2') if f'{name}.fx' in values]
        return 'ORB-SLAM', {
            name: lambda name=name: orb_slam_camera(values, name)  # type: ignore[misc]
            for name in names
        }
    if isinstance(values.get('k', values.get('K')), list) and 'width' in values:
        return 'CameraInfo', {'': lambda: camera_from_fields(values)}
    if 'intrinsics' in values and 'resolution' in values:
        return 'EuRoC', {'': lambda: camera_of_sensor(values)}
    named = 'distortion_model' in values or 'camera_model' in values
    if opencv_matrix(values) is not None and not named:
        return 'OpenCV', {'': lambda: opencv_camera(values)}
    return 'ROS', {'': lambda: Camera.from_dict(values, source)}


def _first_message(text: str) -> str:
    """Return the first of the messages that ``ros2 topic echo`` prints, each with a line after."""
    return text.split('\n---')[0] if text.lstrip().startswith('header:') else text


def _colmap_cameras(text: str) -> Cameras:
    return {
        name: lambda line=line: colmap_camera(*line)  # type: ignore[misc]
        for name, line in colmap_lines(text).items()
    }


def _chosen(path: Path, wanted: str, kind: str, cameras: Cameras) -> Calibration:
    """Return the camera that is wanted, or the only one."""
    names = ', '.join(quoted(name) for name in cameras if name)
    if wanted and wanted not in cameras:
        raise CalibrationError(
            f'it has no camera {quoted(wanted)}; '
            + (f'it has {names}' if names else f'{kind} files have one camera, without a name')
        )
    # ORB-SLAM3's first camera is the one that it tracks with; before version 1 it had no number.
    name = wanted or next((name for name in ('Camera1', 'Camera') if name in cameras), '')
    if not name and len(cameras) > 1:
        raise CalibrationError(
            f'it has several cameras: name one, as in {path}:{next(iter(cameras))}; it has {names}'
        )
    name = name or next(iter(cameras))
    camera = cameras[name]()
    return Calibration(camera, f'{path}{f", {name}" if name else ""} ({kind})')


def _mapping(value: Any) -> Fields:
    if not isinstance(value, Mapping):
        raise CalibrationError(f'expected the fields of a camera, found {quoted(value)}')
    return value
