# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What a rolling shutter does to what a turning camera sees, and how to undo it.

Such a camera takes the rows of a picture one after the other, so while it turns it sees each of
them from another direction. A picture belongs to the moment of its middle row. The *turn* of a
picture is the rotation vector, in the camera's axes, by which the camera turns from the first row
to the last; a row that is read a share s of that time after the middle one is seen by a camera
turned by s times the turn (Forssen, Ringaby: Rectifying Rolling Shutter Video from Hand-held
Devices, CVPR 2010). Only turning is looked at: it moves all that is seen, and by the most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from loftr_vo.imaging.camera import Camera
from loftr_vo.odometry.rolling_shutter.tuning import TUNING

# The turn of a picture whose rows are all taken at once.
NO_ROTATION = np.zeros(3)
NO_ROTATION.flags.writeable = False


def share_of_readout(rows: np.ndarray, height: int) -> np.ndarray:
    """Time (N,) after the middle row at which rows (N,) of so many are read.

    In shares of the time from the first to the last: from -1/2 to 1/2.
    """
    return (rows + 0.5) / height - 0.5


def to_middle_row(rays: np.ndarray, share: np.ndarray, readout_rotation: np.ndarray) -> np.ndarray:
    """Rays (N, 3), z = 1, that a shutter open for all rows at once would have given.

    Args:
        rays: (N, 3), z = 1, lens distortion taken out.
        share: (N,), see ``share_of_readout``.
        readout_rotation: (3,) radians, see above.
    """
    if not np.any(readout_rotation):
        return rays
    turned = _rotated(rays, share, readout_rotation)
    return turned / turned[:, 2:]


def straighten_derivatives(
    rays: np.ndarray,
    share: np.ndarray,
    readout_rotation: np.ndarray,
    by_pixel: np.ndarray,
    height: int,
) -> np.ndarray:
    """Derivatives (N, 2, 2) of the straightened rays' x and y by the pixel.

    Args:
        rays: (N, 3), as ``to_middle_row`` takes them.
        share: (N,), see ``share_of_readout``.
        readout_rotation: (3,) radians, see above.
        by_pixel: (N, 2, 2), derivatives of ``rays`` by the pixel, see ``Camera.ray_by_pixel``.
        height: rows of the picture; where a point is seen says when it was, too.
    """
    if not np.any(readout_rotation):
        return by_pixel
    x, y, z = _rotated(rays, share, readout_rotation).T
    moved = np.zeros((len(rays), 3, 2))
    for axis in range(2):
        step = np.zeros_like(rays)
        step[:, :2] = by_pixel[:, :, axis]
        moved[:, :, axis] = _rotated(step, share, readout_rotation)
    once = np.cross(readout_rotation, rays)
    moved[:, :, 1] += (once + share[:, None] * np.cross(readout_rotation, once)) / height
    place = np.stack([x / z, y / z], axis=1)
    derivatives: np.ndarray = (moved[:, :2] - place[:, :, None] * moved[:, 2:]) / z[:, None, None]
    return derivatives


def project_row_by_row(
    points: np.ndarray, camera: Camera, readout_rotation: np.ndarray
) -> np.ndarray:
    """Pixels (N, 2) where points (N, 3) in the camera are seen; see ``Camera.project``."""
    pixels = camera.project(points)
    if not np.any(readout_rotation):
        return pixels
    for _ in range(TUNING.projection_rounds):
        share = share_of_readout(pixels[:, 1], camera.height)
        pixels = camera.project(_rotated(points, -share, readout_rotation))
    return pixels


def _rotated(vectors: np.ndarray, share: np.ndarray, readout_rotation: np.ndarray) -> np.ndarray:
    """Vectors (N, 3), each rotated by its share (N,) of a turn (3,).

    Rodrigues' formula to the second order: of a turn by 0.1 rad it leaves 2e-5 rad in the
    outermost rows, a hundredth of a pixel.
    """
    once = np.cross(readout_rotation, vectors) * share[:, None]
    return vectors + once + np.cross(readout_rotation, once) * (share / 2)[:, None]


@dataclass(frozen=True, eq=False)
class ReadoutEstimate:
    """What is known of a frame's rows before its motion is.

    Attributes:
        readout_rotation: (3,) radians, to be corrected for.
        measured: gives the (3,) turn that the picture shows, or None where it is not looked for.
            While nothing is corrected no pose needs it, and it takes as long as the pose does: so
            it is asked once the pose is out, before the keyframe learns of this frame.
        expected: (4, 4) frame from keyframe, a guess.
        covariance: (6, 6), what the turn adds to that of the pose.
    """

    readout_rotation: np.ndarray
    measured: Callable[[], np.ndarray | None]
    expected: np.ndarray
    covariance: np.ndarray
