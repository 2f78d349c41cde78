# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A run as a file for the viewer Rerun (https://rerun.io): what was estimated, by stamp."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from loftr_vo.drawing.match_image import dimmed, draw_matches, heading
from loftr_vo.drawing.match_segments import match_segments
from loftr_vo.drawing.rerun_log import RerunError, RerunLog
from loftr_vo.evaluation.running import Run
from loftr_vo.evaluation.scoring import EvaluationError
from loftr_vo.geometry.rigid_motion import inverse_transform, transform_points
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame
from loftr_vo.odometry.estimate import Estimate, State

_UP = np.array([0.0, -1.0, 0.0])
# Of the points, for the place from which all is seen at first.
_STRIDE = 20


class RerunFile:
    """Writes a file of Rerun while a recording is run, and is closed with what came out.

    Coordinates are those of the poses: x right, y down, z ahead.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            EvaluationError: Rerun is not installed, or ``path`` does not end in ``.rrd``.
            OutputError: ``path`` cannot be written.
        """
        try:
            self._log = RerunLog('RDF')
            self._log.save(path)
        except RerunError as error:
            raise EvaluationError(str(error)) from error
        self._keyframes: dict[int, np.ndarray] = {}
        self._points: dict[int, np.ndarray] = {}
        self._shown: tuple[State, str] | None = None

    def write(self, frame: Frame, estimate: Estimate, latency_ms: float) -> None:
        """Write a frame and its estimate, which took so many milliseconds."""
        self._log.at(frame.stamp)
        self._log.picture(frame.image, frame.camera)
        if (estimate.state, estimate.reason) != self._shown:
            self._shown = estimate.state, estimate.reason
            self._log.state(estimate.state.value, estimate.reason)
        self._log.figures(
            {
                'matches': estimate.match_count,
                'inliers': estimate.inlier_count,
                'latency_ms': latency_ms,
            }
        )
        self._write_matches(frame, estimate, latency_ms)
        if estimate.state is not State.LOST:
            self._write_space(frame, estimate)

    def close(self, run: Run) -> None:
        """Write the whole path, and close the file."""
        positions = run.trajectory.positions
        if len(positions):
            self._log.path(positions)
            self._log.show_whole(np.concatenate([positions, *self._points.values()]), _UP)
        self._log.close()

    def _write_matches(self, frame: Frame, estimate: Estimate, latency_ms: float) -> None:
        matches, inliers = estimate.matches, estimate.inliers
        if estimate.keyframe_image is None or matches is None or inliers is None:
            return
        lines = heading(
            estimate.state, estimate.reason, len(matches), int(inliers.sum()), 1e3 / latency_ms
        )
        mask = frame.camera.mask
        pictures = dimmed(estimate.keyframe_image, mask), dimmed(frame.image, mask)
        self._log.match_image(draw_matches(*pictures, matches, inliers, lines))

    def _write_space(self, frame: Frame, estimate: Estimate) -> None:
        self._log.camera(estimate.pose)
        self._log.deviations(estimate.covariance)
        inliers, outliers = match_segments(estimate, frame.camera)
        self._log.inliers(inliers)
        self._log.outliers(outliers)
        self._keyframes[estimate.keyframe_id] = estimate.keyframe_pose[:3, 3]
        self._log.keyframes(np.array(list(self._keyframes.values())))
        self._log.points(
            estimate.points,
            estimate.point_confidence,
            estimate.keyframe_id,
            _grey_of_points(estimate, frame.camera),
        )
        self._points[estimate.keyframe_id] = estimate.points[::_STRIDE]


def _grey_of_points(estimate: Estimate, camera: Camera) -> np.ndarray | None:
    """Return (P,) uint8, the grey of the keyframe's picture where the points are in it."""
    if estimate.keyframe_image is None:
        return None
    keyframe_from_world = inverse_transform(estimate.keyframe_pose)
    points = transform_points(keyframe_from_world, estimate.points.astype(np.float64))
    pixels = camera.project(points)
    height, width = estimate.keyframe_image.shape
    # A point that no pixel shows has NaN.
    columns, rows = np.nan_to_num(pixels).T.round().astype(int)
    return estimate.keyframe_image[rows.clip(0, height - 1), columns.clip(0, width - 1)]
