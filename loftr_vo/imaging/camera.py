# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The calibrated camera: from pixels to rays and back, for the lens models that ROS knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from loftr_vo.files.errors import InputError, naming
from loftr_vo.files.text import quoted
from loftr_vo.geometry.matrix2x2 import inverse
from loftr_vo.geometry.plausible import FOCAL_LENGTH, PRINCIPAL_POINT
from loftr_vo.imaging.lens_models import LensError, known_lens
from loftr_vo.imaging.ray_lookup import RayTable

if TYPE_CHECKING:
    from loftr_vo.imaging.view_mask import ViewMask

# A pixel that does not project back to within this many pixels lies outside the lens model.
INVERSION_TOLERANCE = 0.01
# Pixels by which rays that are looked up may be wrong.
_TABLE_TOLERANCE = 5e-4
# Pixels around a picture that count as near it, and from point to point where it is checked.
_MARGIN, _GRID = 16, 8

# OpenCV 5 gave `undistortPoints` the stopping rule that 4 has under a name of its own.
_undistort_points: Any = getattr(cv2, 'undistortPointsIter', cv2.undistortPoints)
_STOP = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-5)  # pixels


# Beyond these a number describes no camera but is a mistake: JPEG's widest picture, and a view of
# a hundredth of a degree on it.
_MOST_SIDE, _MOST_FOCAL, _MOST_COEFFICIENT = 65535, 1e9, 1e9


class CalibrationError(InputError):
    """A calibration is missing, incomplete, impossible, or made for pictures of another size."""


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera with lens distortion; the optical frame has x right, y down, z forward.

    Pixel (0, 0) is the centre of the top left pixel.

    Attributes:
        width, height: size in pixels of the pictures that the calibration is for.
        matrix: (3, 3) float64, K = [fx s cx; 0 fy cy; 0 0 1], in pixels; s is the skew.
        distortion_model: plumb_bob, rational_polynomial or equidistant, as in
            ``sensor_msgs/CameraInfo``; made from any name that ``known_lens`` knows.
        distortion: (n,) float64, the model's coefficients in OpenCV's order; may be empty.
        mask: what of its pictures is used; None for all.

    Raises:
        CalibrationError: when made from values that no camera can have.
    """

    width: int
    height: int
    matrix: np.ndarray
    distortion_model: str
    distortion: np.ndarray
    mask: ViewMask | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, 'matrix', np.array(self.matrix, np.float64))
        object.__setattr__(self, 'distortion', np.array(self.distortion, np.float64).ravel())
        self._check_matrix()
        self._check_distortion()
        self._check_size_of_pictures()
        if self.mask is not None:
            self.mask.used((self.height, self.width))

    def _check_size_of_pictures(self) -> None:
        if self.width < 1 or self.height < 1:
            raise CalibrationError(
                f'the picture size {self.width}x{self.height} is not positive; '
                'calibrate the camera, or set width and height'
            )
        if max(self.width, self.height) > _MOST_SIDE:
            raise CalibrationError(
                f'the picture size {self.width}x{self.height} is of no camera: a side has at most '
                f'{_MOST_SIDE} pixels; correct width and height'
            )

    @classmethod
    def from_yaml(cls, path: str | Path) -> Camera:
        """Read a calibration file of any kind; see ``read_calibration``.

        Raises:
            CalibrationError: the file is absent or of no kind that is known, lacks a field, or
                holds values that no camera can have; names the file and the field.
        """
        # Imported late: that module is built on this one.
        from loftr_vo.imaging.calibration_files import read_calibration

        return read_calibration(path).camera

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str) -> Camera:
        """Make a camera from the fields of a calibration file.

        Args:
            values: ``image_width``, ``image_height``, ``camera_matrix`` and
                ``distortion_coefficients`` (each with ``data``), ``distortion_model``; or in its
                place ``camera_model``, as ``camera_calibration`` names a fisheye.
            source: where the values come from, for error messages.

        Raises:
            CalibrationError: a field is missing or its value impossible.
        """
        if not isinstance(values, Mapping):
            raise CalibrationError(
                f'{source}: expected the fields of a camera calibration (image_width, '
                f'camera_matrix, ...), found {type(values).__name__}'
            )
        name = 'distortion_model'
        if name not in values and 'camera_model' in values:
            name = 'camera_model'
        matrix = _numbers(values, 'camera_matrix', source)
        if matrix.size != 9:
            raise CalibrationError(
                f'{source}: camera_matrix.data needs 9 numbers, has {matrix.size}'
            )
        with naming(source, CalibrationError):
            return cls(
                width=_integer(values, 'image_width', source),
                height=_integer(values, 'image_height', source),
                matrix=matrix.reshape(3, 3),
                distortion_model=str(_field(values, name, source)),
                distortion=_numbers(values, 'distortion_coefficients', source),
            )

    @property
    def focal(self) -> float:
        """Mean of the two focal lengths, in pixels: turns pixels into tangents of angles."""
        return float(self.matrix[0, 0] + self.matrix[1, 1]) / 2.0

    def uses(self, points: np.ndarray) -> np.ndarray:
        """Whether pixels (N, 2) are in the part of the pictures that is used, (N,) bool."""
        if self.mask is None:
            return np.ones(len(points), bool)
        return self.mask.holds(points, (self.height, self.width))

    def undistort(self, points: np.ndarray) -> np.ndarray:
        """Return where the rays of pixels cross the plane at depth one.

        Args:
            points: (N, 2) pixels of the picture as the camera took it.

        Returns:
            (N, 2) float64, x/z and y/z in the optical frame; NaN for a pixel that no ray in
            front of the camera reaches by the lens model (the rim of a fisheye picture).
        """
        points = np.asarray(points, np.float64).reshape(-1, 2)
        if not self.distortion.any():
            points = self._without_skew(points)
            rays = np.empty(points.shape)
            for axis, pixels in enumerate(points.T):
                rays[:, axis] = (pixels - self.matrix[axis, 2]) / self.matrix[axis, axis]
            return rays
        if len(points) == 0:
            return np.empty((0, 2))
        if self._has_all_rays and self._is_near(points):
            table = self._ray_table
            return self._inverted(points) if table is None else table.rays(points)
        rays = self._inverted(points)
        missed = np.linalg.norm(self._distort(rays) - points, axis=1)
        rays[~(missed < INVERSION_TOLERANCE)] = np.nan
        return rays

    def ray_by_pixel(self, points: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """Return how rays change with their pixels: what an error in pixels is at z = 1.

        Args:
            points: (N, 2) pixels.
            rays: (N, 2), what ``undistort`` makes of them.

        Returns:
            (N, 2, 2) float64, the derivative of x/z and y/z (rows) by the pixel's x and y; not
            finite where ``rays`` are not, or where the lens model folds over.
        """
        if not self.distortion.any():
            return np.broadcast_to(np.linalg.inv(self.matrix[:2, :2]), (len(points), 2, 2))
        if len(points) and self._has_all_rays and self._is_near(points):
            table = self._ray_table
            if table is not None:
                return table.derivatives(points)
        return inverse(self.pixel_by_ray(rays))

    def pixel_by_ray(self, rays: np.ndarray) -> np.ndarray:
        """Return the derivative (N, 2, 2) of the pixel (rows) by x/z and y/z of rays (N, 2)."""
        if not self.distortion.any():
            return np.broadcast_to(self.matrix[:2, :2], (len(rays), 2, 2))
        if len(rays) == 0:
            return np.empty((0, 2, 2))
        _, derivatives = self._projected(rays)
        # OpenCV's columns for the translation: at z = 1, moving the point is moving the ray.
        first = 11 if self.distortion_model == 'equidistant' else 3
        by_ray: np.ndarray = derivatives[:, first : first + 2].reshape(-1, 2, 2)
        skew = self.matrix[0, 1] / self.matrix[1, 1]
        return np.array([[1.0, skew], [0.0, 1.0]]) @ by_ray

    def _inverted(self, points: np.ndarray) -> np.ndarray:
        """Rays (N, 2) of pixels (N, 2), of whatever worth where the lens model has none."""
        pixels = np.ascontiguousarray(self._without_skew(points)[:, None])
        if self.distortion_model == 'equidistant':
            rays = cv2.fisheye.undistortPoints(pixels, self.matrix, self.distortion)
        else:
            rays = _undistort_points(
                pixels, self.matrix, self.distortion, R=np.eye(3), P=np.eye(3), criteria=_STOP
            )
        inverted: np.ndarray = rays[:, 0]
        return inverted

    def _is_near(self, points: np.ndarray) -> bool:
        """Whether all points (N, 2) are in the picture, or a little outside."""
        x, y = points.T
        return bool(
            points.min() >= -_MARGIN
            and x.max() < self.width + _MARGIN
            and y.max() < self.height + _MARGIN
        )

    @cached_property
    def _has_all_rays(self) -> bool:
        """Whether the lens model has a ray for all that is near, told from a grid to its edges.

        Then each is spared the check, which takes about as long as the inversion.
        """
        x, y = (
            np.append(np.arange(-_MARGIN, side + _MARGIN, _GRID), side + _MARGIN)
            for side in (self.width, self.height)
        )
        points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float64)
        missed = np.linalg.norm(self._distort(self._inverted(points)) - points, axis=1)
        return bool((missed < INVERSION_TOLERANCE).all())

    @cached_property
    def _ray_table(self) -> RayTable | None:
        """``_inverted`` of all that is near; None where that itself is as quick, or needed."""
        if self.distortion_model == 'equidistant':
            return None
        size, tolerance = (self.width, self.height), _TABLE_TOLERANCE / self.focal
        return RayTable.made(self._inverted, size, _MARGIN, tolerance)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return the pixels where points in space are seen.

        Args:
            points: (N, 3) in the camera's optical frame, any unit of length.

        Returns:
            (N, 2) float64 pixels, distortion included; they may lie outside the picture. NaN for
            a point that is not in front of the camera.
        """
        points = np.asarray(points, np.float64).reshape(-1, 3)
        depth = np.where(points[:, 2:] > 0.0, points[:, 2:], np.nan)
        return self._distort(points[:, :2] / depth)

    def check_size(self, shape: tuple[int, ...]) -> None:
        """Make sure that the calibration is for pictures of ``shape``, (height, width, ...).

        Raises:
            CalibrationError: it is for another size.
        """
        height, width = shape[:2]
        if (width, height) != (self.width, self.height):
            raise CalibrationError(
                f'the picture is {width}x{height} pixels, but the calibration is for '
                f'{self.width}x{self.height}; calibrate at the size that is used'
            )

    def _distort(self, rays: np.ndarray) -> np.ndarray:
        if not self.distortion.any():
            focal, centre = self.matrix[[0, 1], [0, 1]], self.matrix[:2, 2]
            return self._with_skew(rays * focal + centre)
        if len(rays) == 0:
            return np.empty((0, 2))
        return self._projected(rays)[0]

    def _projected(self, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (N, 2) of rays (N, 2), N > 0, and OpenCV's derivatives (2 N, D), without skew."""
        points = np.column_stack([rays, np.ones(len(rays))])[:, None]
        project = (
            cv2.fisheye.projectPoints
            if self.distortion_model == 'equidistant'
            else cv2.projectPoints
        )
        pixels, derivatives = project(
            points, np.zeros(3), np.zeros(3), self.matrix, self.distortion
        )
        return self._with_skew(pixels.reshape(-1, 2)), derivatives

    def _with_skew(self, pixels: np.ndarray, sign: float = 1.0) -> np.ndarray:
        """Pixels (N, 2) from what they would be without skew, which OpenCV leaves out."""
        skew = sign * self.matrix[0, 1] / self.matrix[1, 1]
        if skew == 0.0:
            return pixels
        return pixels + np.outer(pixels[:, 1] - self.matrix[1, 2], [skew, 0.0])

    def _without_skew(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (N, 2) as they would be without skew."""
        return self._with_skew(pixels, -1.0)

    def _check_matrix(self) -> None:
        matrix = self.matrix
        if matrix.shape != (3, 3):
            raise CalibrationError(f'the camera matrix K must be 3x3, got shape {matrix.shape}')
        if not np.isfinite(matrix).all():
            raise CalibrationError('the camera matrix K has a value that is not finite')
        if not matrix.any():
            raise CalibrationError(
                'the camera matrix K is all zero, which is how ROS marks a camera that is not '
                'calibrated; calibrate it with camera_calibration'
            )
        if matrix[0, 0] <= 0.0 or matrix[1, 1] <= 0.0:
            raise CalibrationError(
                f'the focal lengths must be positive, got fx = {matrix[0, 0]:g}, '
                f'fy = {matrix[1, 1]:g}'
                + (
                    '; where y is taken to point up, as in ICL-NUIM, write fy as positive: the '
                    'pictures are the same, and of the true poses y has to be turned round'
                    if matrix[0, 0] > 0.0 > matrix[1, 1]
                    else ''
                )
            )
        sides = np.array([self.width, self.height], np.float64)
        focal, centre = matrix[[0, 1], [0, 1]], matrix[:2, 2]
        if sides.min() >= 1 and not (
            FOCAL_LENGTH.holds(focal / sides.max()) and PRINCIPAL_POINT.holds(centre / sides.max())
        ):
            raise CalibrationError(
                f'no camera of {self.width}x{self.height} pixels has fx, fy = {focal.tolist()} '
                f'and cx, cy = {centre.tolist()} pixels'
            )
        if np.abs(matrix).max() > _MOST_FOCAL:
            raise CalibrationError(
                f'a value of the camera matrix K is larger than {_MOST_FOCAL:g} pixels'
            )
        form = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        free = np.array([[True, True, True], [False, True, True], [False, False, False]])
        if (matrix != form)[~free].any():
            raise CalibrationError(
                'the camera matrix K must have the form [fx s cx; 0 fy cy; 0 0 1], got '
                f'{matrix.tolist()}'
            )

    def _check_distortion(self) -> None:
        try:
            model, distortion = known_lens(self.distortion_model, self.distortion)
        except LensError as error:
            raise CalibrationError(str(error)) from error
        object.__setattr__(self, 'distortion_model', model)
        object.__setattr__(self, 'distortion', distortion)
        if not np.isfinite(self.distortion).all():
            raise CalibrationError('a distortion coefficient is not finite')
        if self.distortion.size and np.abs(self.distortion).max() > _MOST_COEFFICIENT:
            raise CalibrationError(
                f'a distortion coefficient is larger than {_MOST_COEFFICIENT:g}'
            )


def _field(values: Mapping[str, Any], name: str, source: str) -> Any:
    if name not in values:
        raise CalibrationError(f'{source}: the field {name} is missing')
    return values[name]


def _integer(values: Mapping[str, Any], name: str, source: str) -> int:
    value = _field(values, name, source)
    if type(value) is not int:
        raise CalibrationError(f'{source}: {name} must be a whole number, got {quoted(value)}')
    return value


def _numbers(values: Mapping[str, Any], name: str, source: str) -> np.ndarray:
    entry = _field(values, name, source)
    if not isinstance(entry, Mapping) or 'data' not in entry:
        raise CalibrationError(f'{source}: the field {name}.data is missing')
    try:
        return np.array(entry['data'], np.float64).ravel()
    except (TypeError, ValueError, OverflowError) as error:
        raise CalibrationError(
            f'{source}: {name}.data must be a list of numbers, got {quoted(entry["data"])}'
        ) from error
