# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The camera in a calibration file, as each of the tools writes it down.

Pixel (0, 0) is the centre of the first pixel for all of them but COLMAP, for which it is the
corner.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from loftr_vo.files.errors import naming
from loftr_vo.files.numbers import number, numbers, whole_number
from loftr_vo.files.text import quoted
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.lens_models import known_lens

Fields = Mapping[str, Any]

# Of a camera in a COLMAP file: focal lengths (1 or 2), then the coefficients that come after the
# centre as OpenCV orders them, by places in the list; None is zero. Formulas: COLMAP's models.h.
_COLMAP: dict[str, tuple[int, str, tuple[int | None, ...]]] = {
    'SIMPLE_PINHOLE': (1, 'plumb_bob', ()),
    'PINHOLE': (2, 'plumb_bob', ()),
    'SIMPLE_RADIAL': (1, 'plumb_bob', (0, None, None, None)),
    'RADIAL': (1, 'plumb_bob', (0, 1, None, None)),
    'OPENCV': (2, 'plumb_bob', (0, 1, 2, 3)),
    'FULL_OPENCV': (2, 'rational_polynomial', (0, 1, 2, 3, 4, 5, 6, 7)),
    'OPENCV_FISHEYE': (2, 'equidistant', (0, 1, 2, 3)),
    'SIMPLE_RADIAL_FISHEYE': (1, 'equidistant', (0, None, None, None)),
    'RADIAL_FISHEYE': (1, 'equidistant', (0, 1, None, None)),
}
_COLMAP_LINE = re.compile(r'\s*\d+\s+[A-Z_]+\s+\d+\s+\d+\s+\S')
_COLMAP_CENTRE = 0.5
# Of a fisheye: moves no ray by more than 1e-10.
_NEXT_TO_NOTHING = 1e-12
# Names of the fields in OpenCV's own programs, of which those of version 2 have capitals, and in
# those derived from them.
_OPENCV_MATRIX = ('camera_matrix', 'cameraMatrix', 'Camera_Matrix', 'K', 'M1')
_OPENCV_LENS = (
    'distortion_coefficients',
    'Distortion_Coefficients',
    'dist_coeffs',
    'distCoeffs',
    'D',
    'D1',
)


def camera_of_sensor(fields: Fields, coefficients: str = 'distortion_coefficients') -> Camera:
    """Return the camera in a ``sensor.yaml`` of EuRoC, or, but for a name, in Kalibr's file.

    Raises:
        CalibrationError: a field is missing, or no camera can have its value.
    """
    kind = fields.get('camera_model', 'pinhole')
    if kind != 'pinhole':
        raise CalibrationError(
            f'its camera_model is {quoted(kind)}; of those, pinhole is supported: calibrate '
            'with pinhole-radtan or pinhole-equi'
        )
    width, height = (_whole(side) for side in _list(fields, 'resolution', 2))
    fx, fy, cx, cy = numbers(_list(fields, 'intrinsics', 4))
    model, lens = str(_field(fields, 'distortion_model')), _list(fields, coefficients)
    if model == 'none':
        model, lens = 'plumb_bob', []
    return Camera(width, height, _pinhole(fx, fy, cx, cy), model, _lens(model, lens))


def opencv_matrix(values: Fields) -> Fields | None:
    """Return K in a file of OpenCV's FileStorage; None if there is none, or it is not of that."""
    matrix = next((values[name] for name in _OPENCV_MATRIX if name in values), None)
    return matrix if isinstance(matrix, Mapping) and 'dt' in matrix else None


def opencv_camera(values: Fields) -> Camera:
    """What OpenCV's calibration programs write; rational_polynomial begins as plumb_bob does."""
    matrix = opencv_matrix(values) or {}
    lens = next((values[name] for name in _OPENCV_LENS if name in values), None)
    if not isinstance(lens, Mapping):
        raise CalibrationError('the field distortion_coefficients is missing')
    size = values.get('image_size') or [
        values[f'image_{side}'] if f'image_{side}' in values else _field(values, f'image_{other}')
        for side, other in (('Width', 'width'), ('Height', 'height'))
    ]
    width, height = (_whole(side) for side in size)
    model = 'equidistant' if values.get('fisheye_model') else 'plumb_bob'
    return Camera(
        width,
        height,
        np.array(numbers(_list(matrix, 'data', 9))).reshape(3, 3),
        model,
        _lens(model, _list(lens, 'data')),
    )


def orb_slam_camera(values: Fields, name: str) -> Camera:
    """A camera of ORB-SLAM's settings; the second has its size from the first."""

    def parameter(field: str, default: float | None = None) -> float:
        if default is not None and f'{name}.{field}' not in values:
            return default
        return number(_field(values, f'{name}.{field}'))

    kind = str(values.get('Camera.type', 'PinHole'))
    if kind == 'KannalaBrandt8':
        model, lens = 'equidistant', [parameter(f'k{order}') for order in range(1, 5)]
    elif kind in ('PinHole', 'Rectified'):
        model, lens = 'plumb_bob', []
        if kind == 'PinHole':
            lens = [parameter(field, 0.0) for field in ('k1', 'k2', 'p1', 'p2', 'k3')]
    else:
        raise CalibrationError(
            f'its Camera.type is {quoted(kind)}; known are PinHole, Rectified and KannalaBrandt8'
        )
    return Camera(
        _whole(_field(values, 'Camera.width')),
        _whole(_field(values, 'Camera.height')),
        _pinhole(parameter('fx'), parameter('fy'), parameter('cx'), parameter('cy')),
        model,
        _lens(model, lens),
    )


def is_colmap(text: str) -> bool:
    """Whether a text is COLMAP's ``cameras.txt``, by its first line."""
    return bool(_COLMAP_LINE.match(next(iter(_content(text)), (0, ''))[1]))


def colmap_lines(text: str) -> dict[str, tuple[int, list[str]]]:
    """Return by CAMERA_ID the number and the words of each line that has a camera."""
    return {line.split()[0]: (number, line.split()) for number, line in _content(text)}


def colmap_camera(number: int, words: list[str]) -> Camera:
    """Return the camera of a line ``CAMERA_ID MODEL WIDTH HEIGHT PARAMS``."""
    with naming(f'line {number}', CalibrationError):
        kind, sides, found = words[1], words[2:4], numbers(words[4:])
        if kind not in _COLMAP:
            raise CalibrationError(f'its model is {quoted(kind)}; known are {", ".join(_COLMAP)}')
        focals, model, places = _COLMAP[kind]
        count = focals + 2 + sum(place is not None for place in places)
        if len(found) != count:
            raise CalibrationError(f'{kind} takes {count} parameters, found {len(found)}')
        fx, fy, (cx, cy) = found[0], found[focals - 1], found[focals : focals + 2]
        rest = found[focals + 2 :]
        lens = [0.0 if place is None else rest[place] for place in places]
        return Camera(
            whole_number(sides[0]),
            whole_number(sides[1]),
            _pinhole(fx, fy, cx - _COLMAP_CENTRE, cy - _COLMAP_CENTRE),
            model,
            _lens(model, lens),
        )


def _content(text: str) -> list[tuple[int, str]]:
    """Return the lines that are not empty or a comment, with their numbers."""
    lines = enumerate(text.splitlines(), start=1)
    return [(n, line) for n, line in lines if line.strip() and not line.lstrip().startswith('#')]


def _pinhole(fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def _lens(model: str, coefficients: list[Any]) -> np.ndarray:
    """Return the coefficients of a lens; of a fisheye never zeros alone.

    To ROS, and so to ``Camera``, zeros are a lens without distortion. To these tools a fisheye of
    zeros is the ideal one, whose angles are as the distances from the centre.
    """
    lens = np.array(numbers(coefficients), np.float64)
    if lens.size and not lens.any() and known_lens(model, lens)[0] == 'equidistant':
        lens[0] = _NEXT_TO_NOTHING
    return lens


def _field(fields: Fields, name: str) -> Any:
    if name not in fields:
        raise CalibrationError(f'the field {name} is missing')
    return fields[name]


def _list(fields: Fields, name: str, count: int | None = None) -> list[Any]:
    value = _field(fields, name)
    if not isinstance(value, list) or count not in (None, len(value)):
        what = 'numbers' if count is None else f'{count} numbers'
        raise CalibrationError(f'{name} must be a list of {what}, got {quoted(value)}')
    return value


def _whole(value: Any) -> int:
    if type(value) is not int and not (isinstance(value, float) and value.is_integer()):
        raise CalibrationError(f'{quoted(value)} is not a whole number of pixels')
    return int(value)
