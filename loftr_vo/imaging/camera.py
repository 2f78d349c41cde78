# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The calibrated camera: from pixels to rays and back, for the lens models that ROS knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loftr_vo.files.errors import naming
from loftr_vo.imaging.calibration_checks import (
    CalibrationError,
    check_matrix,
    check_picture_size,
    checked_distortion,
)
from loftr_vo.imaging.calibration_fields import field, numbers, whole_number
from loftr_vo.imaging.lens_projection import LensProjection

if TYPE_CHECKING:
    from loftr_vo.imaging.view_mask import ViewMask


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
        check_matrix(self.matrix, self.width, self.height)
        model, distortion = checked_distortion(self.distortion_model, self.distortion)
        object.__setattr__(self, 'distortion_model', model)
        object.__setattr__(self, 'distortion', distortion)
        check_picture_size(self.width, self.height)
        if self.mask is not None:
            self.mask.used((self.height, self.width))

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
        matrix = numbers(values, 'camera_matrix', source)
        if matrix.size != 9:
            raise CalibrationError(
                f'{source}: camera_matrix.data needs 9 numbers, has {matrix.size}'
            )
        with naming(source, CalibrationError):
            return cls(
                width=whole_number(values, 'image_width', source),
                height=whole_number(values, 'image_height', source),
                matrix=matrix.reshape(3, 3),
                distortion_model=str(field(values, name, source)),
                distortion=numbers(values, 'distortion_coefficients', source),
            )

    @cached_property
    def _lens(self) -> LensProjection:
        return LensProjection(
            self.matrix, self.distortion_model, self.distortion, (self.width, self.height)
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
        return self._lens.undistort(points)

    def ray_by_pixel(self, points: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """Return how rays change with their pixels: what an error in pixels is at z = 1.

        Args:
            points: (N, 2) pixels.
            rays: (N, 2), what ``undistort`` makes of them.

        Returns:
            (N, 2, 2) float64, the derivative of x/z and y/z (rows) by the pixel's x and y; not
            finite where ``rays`` are not, or where the lens model folds over.
        """
        return self._lens.ray_by_pixel(points, rays)

    def pixel_by_ray(self, rays: np.ndarray) -> np.ndarray:
        """Return the derivative (N, 2, 2) of the pixel (rows) by x/z and y/z of rays (N, 2)."""
        return self._lens.pixel_by_ray(rays)

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
        return self._lens.project(points[:, :2] / depth)

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
