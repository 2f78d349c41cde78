# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Cells of a keyframe in other frames: tracked positions and projections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loftr_vo.geometry.matrix2x2 import largest_eigenvalue
from loftr_vo.geometry.rigid_motion import split
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.motion import Motion
from loftr_vo.odometry.rolling_shutter.model import (
    project_row_by_row,
)
from loftr_vo.odometry.tracking.tuning import TUNING


@dataclass(frozen=True, eq=False)
class TrackedCells:
    """N cells of a keyframe and their positions in the last frame.

    Attributes:
        frame: the last frame.
        frame_from_keyframe: (4, 4).
        cells: (N,) of the keyframe.
        pixels: (N, 2) positions of the cells' centres in the last frame.
        inverse_depth: (N,), in the keyframe.
    """

    frame: Frame
    frame_from_keyframe: np.ndarray
    cells: np.ndarray
    pixels: np.ndarray
    inverse_depth: np.ndarray

    @classmethod
    def by(cls, frame: Frame, motion: Motion) -> TrackedCells:
        """Return the inliers of a frame's motion."""
        inliers = np.flatnonzero(motion.inliers)
        return cls(
            frame,
            motion.frame_from_keyframe,
            motion.matches.cells.take(inliers),
            motion.matches.keypoints1.take(inliers, axis=0).astype(np.float64),
            motion.inverse_depth.take(inliers),
        )

    @classmethod
    def in_itself(cls, keyframe: Keyframe) -> TrackedCells:
        """Return all cells of a keyframe in its own picture."""
        cells = np.arange(len(keyframe.rays))
        pixels = keyframe.encoded.cell_centres()
        return cls(keyframe.frame, np.eye(4), cells, pixels, keyframe.inverse_depth)

    def select(self, chosen: np.ndarray) -> TrackedCells:
        """Return the cells chosen by a mask or by indices."""
        return TrackedCells(
            self.frame,
            self.frame_from_keyframe,
            self.cells[chosen],
            self.pixels[chosen],
            self.inverse_depth[chosen],
        )


def trackable(keyframe: Keyframe) -> np.ndarray:
    """(C,) bool, cells with a usable ray and enough texture."""
    textured = largest_eigenvalue(keyframe.texture.information) > TUNING.min_texture
    usable: np.ndarray = textured & keyframe.usable
    return usable


def evenly(indices: np.ndarray, most: int) -> np.ndarray:
    """Return at most ``most`` of the indices (N,), evenly selected."""
    if len(indices) <= most:
        return indices
    return indices[np.arange(most) * len(indices) // most]


def moved_pixels(
    keyframe: Keyframe,
    tracked: TrackedCells,
    frame: Frame,
    pose: tuple[np.ndarray, np.ndarray],
    readout_rotation: np.ndarray,
) -> np.ndarray:
    """Pixels (N, 2) of tracked cells in a frame: their last ones, moved as depth predicts."""
    before = split(tracked.frame_from_keyframe)
    rho = tracked.inverse_depth
    return (
        tracked.pixels
        + projected(keyframe, tracked.cells, frame, pose, readout_rotation, rho)
        - projected(keyframe, tracked.cells, frame, before, readout_rotation, rho)
    )


def projected(
    keyframe: Keyframe,
    cells: np.ndarray,
    frame: Frame,
    pose: tuple[np.ndarray, np.ndarray],
    readout_rotation: np.ndarray,
    rho: np.ndarray | None = None,
) -> np.ndarray:
    """Project the centres of cells to pixels (N, 2) by their depth; NaN behind the camera."""
    rho = keyframe.inverse_depth.take(cells) if rho is None else rho
    rotation, translation = pose
    points = keyframe.rays.take(cells, axis=0) @ rotation.T + rho[:, None] * translation
    points[points[:, 2] < TUNING.min_depth_ratio] = np.nan
    pixels = project_row_by_row(points, frame.camera, readout_rotation)
    return pixels - keyframe.offsets.take(cells, axis=0)


def as_matches(keyframe: Keyframe, frame: Frame, cells: np.ndarray, pixels: np.ndarray) -> Matches:
    """Make matches of cells (N,) and predicted pixels (N, 2); those outside are left out."""
    inside = np.flatnonzero(in_image(pixels, frame))
    cells, pixels = cells[inside], pixels[inside]
    count = len(cells)
    return Matches(
        keyframe.encoded.cell_centres().take(cells, axis=0).astype(np.float32),
        pixels.astype(np.float32, order='C'),
        np.ones(count, np.float32),
        np.full(count, np.sqrt(2) * TUNING.predicted_sigma, np.float32),
        cells,
    )


def in_image(pixels: np.ndarray, frame: Frame) -> np.ndarray:
    """Whether pixels (N, 2) are in a frame's picture, (N,) bool."""
    height, width = frame.image.shape
    x, y = pixels.T
    inside: np.ndarray = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    return inside
