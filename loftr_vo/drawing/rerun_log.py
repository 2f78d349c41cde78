# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What a run shows in the viewer Rerun (https://rerun.io): each thing under one name."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from loftr_vo.files.output_files import check_writable
from loftr_vo.imaging.camera import Camera
from loftr_vo.odometry.estimate import State

SUFFIX = '.rrd'
_JPEG_QUALITY = 80
_TIMELINE = 'stamp'
# The longest that a viewer may take to answer, and to take what is left at the end. [s]
_PATIENCE = 5.0

_GREEN, _RED, _BLUE = (50, 230, 75), (255, 50, 50), (50, 130, 255)
# Of points, from not confident to confident.
_UNSURE, _SURE = np.array([235.0, 200.0, 30.0]), np.array([20.0, 215.0, 60.0])


class RerunError(RuntimeError):
    """Rerun is not installed, or does not take what is logged; says why."""


class RerunLog:
    """Logs to one of a file, a viewer that runs already, and a viewer that is started.

    What is logged has the time that ``at`` was given last. Poses and points are all in one frame.
    Rerun draws a camera without its lens distortion.

    Args:
        axes: where x, y and z of that frame point, as Rerun has it: ``RDF`` is right, down,
            forward.

    Raises:
        RerunError: Rerun is not installed.
    """

    def __init__(self, axes: str) -> None:
        try:
            import rerun
            import rerun.blueprint
        except ImportError as error:
            raise RerunError('Rerun needs its package: pip install "loftr_vo[rerun]"') from error
        self._rerun: Any = rerun
        self._stream = rerun.RecordingStream('loftr_vo')
        self._axes = axes

    def save(self, path: Path) -> None:
        """Log to a file, which takes the place of one that is there.

        Raises:
            RerunError: ``path`` does not end in ``.rrd``.
            OutputError: it cannot be written.
        """
        if path.suffix != SUFFIX:
            raise RerunError(f'{path}: the name of a file for Rerun ends in {SUFFIX}')
        check_writable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream.save(path, default_blueprint=self._layout())
        self._log_axes()

    def connect(self, url: str) -> None:
        """Log to a viewer that runs already.

        Raises:
            RerunError: it is no URL of Rerun, or nothing answers there.
        """
        try:
            self._stream.connect_grpc(url, default_blueprint=self._layout())
            self._log_axes()
            self._stream.flush(timeout_sec=_PATIENCE)
        except RuntimeError as error:
            raise RerunError(f'no viewer of Rerun at {url}: {error}') from error

    def spawn(self) -> None:
        """Start a viewer, and log to it; it stays when the log is closed.

        Raises:
            RerunError: it cannot be started.
        """
        try:
            self._stream.spawn(default_blueprint=self._layout())
        except RuntimeError as error:
            reason = str(error).partition('\n')[0]
            raise RerunError(f"Rerun's viewer cannot be started: {reason}") from error
        self._log_axes()

    def close(self) -> None:
        """Hand over what is left, and close the file or the connection."""
        # The viewer may be gone.
        with contextlib.suppress(RuntimeError):
            self._stream.flush(timeout_sec=_PATIENCE)
        self._stream.disconnect()

    def at(self, stamp: int | None) -> None:
        """Give what is logged from now on this time in nanoseconds; None: only that of logging."""
        if stamp is None:
            self._stream.reset_time()
        else:
            self._stream.set_time(_TIMELINE, timestamp=np.datetime64(stamp, 'ns'))

    def picture(self, image: np.ndarray, camera: Camera | None) -> None:
        """Log a picture, (H, W) uint8, and its camera where that is known."""
        values = [self._jpeg(image)]
        if camera is not None:
            size = [camera.width, camera.height]
            values += [self._rerun.Pinhole(image_from_camera=camera.matrix, resolution=size)]
        self._log('camera/image', *values)

    def camera(self, pose: np.ndarray) -> None:
        """Log the (4, 4) pose of the camera's optical frame."""
        transform = self._rerun.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3])
        self._log('camera', transform)

    def path(self, positions: np.ndarray) -> None:
        """Log the way so far, (N, 3), in place of the one before, at all times."""
        self._stream.log('path', self._rerun.LineStrips3D([positions]), static=True)

    def points(self, points: np.ndarray, confidence: np.ndarray) -> None:
        """Log triangulated points, (P, 3), coloured by their (P,) confidence in [0, 1]."""
        share = np.clip(confidence, 0.0, 1.0)[:, None]
        colours = (_UNSURE + share * (_SURE - _UNSURE)).astype(np.uint8)
        self._log('points', self._rerun.Points3D(points, colors=colours))

    def keyframes(self, positions: np.ndarray) -> None:
        """Log where keyframes are, (K, 3)."""
        self._log('keyframes', self._rerun.Points3D(positions, colors=_BLUE, radii=0.05))

    def inliers(self, segments: np.ndarray) -> None:
        """Log (I, 2, 3) lines between the pictures of keyframe and camera in space."""
        self._log('matches/inliers', self._rerun.LineStrips3D(segments, colors=_GREEN))

    def outliers(self, segments: np.ndarray) -> None:
        """Log (O, 2, 3) lines as of inliers."""
        self._log('matches/outliers', self._rerun.LineStrips3D(segments, colors=_RED))

    def match_image(self, picture: np.ndarray) -> None:
        """Log keyframe and picture with their matches, (H, W, 3) uint8 BGR."""
        self._log('match_image', self._jpeg(picture, 'BGR'))

    def state(self, state: str, reason: str) -> None:
        """Log the state of the odometry as text."""
        level = 'INFO' if state == State.TRACKING.value else 'WARN'
        text = ': '.join(filter(None, (state, reason)))
        self._log('state', self._rerun.TextLog(text, level=level))

    def figures(self, values: Mapping[str, float]) -> None:
        """Log points of curves, by their names."""
        for name, value in values.items():
            self._log(f'figures/{name}', self._rerun.Scalars(float(value)))

    def _log(self, entity: str, *values: Any) -> None:
        self._stream.log(entity, *values)

    def _jpeg(self, picture: np.ndarray, *model: str) -> Any:
        return self._rerun.Image(picture, *model).compress(jpeg_quality=_JPEG_QUALITY)

    def _log_axes(self) -> None:
        axes = getattr(self._rerun.ViewCoordinates, self._axes)
        self._stream.log('/', axes, static=True)

    def _layout(self) -> Any:
        """Return how the viewer shows it at first: space on the left, the rest beside it."""
        views = self._rerun.blueprint
        curves = {
            'Matches': ['matches', 'inliers'],
            'Latency': ['latency_ms'],
            'Standard deviation': ['position_sigma', 'rotation_sigma_deg'],
        }
        return views.Blueprint(
            views.Horizontal(
                views.Spatial3DView(origin='/', name='Space'),
                views.Vertical(
                    views.Spatial2DView(origin='camera/image', name='Camera'),
                    views.Spatial2DView(origin='match_image', name='Matches in the pictures'),
                    views.TextLogView(origin='state', name='State'),
                ),
                views.Vertical(
                    *(
                        views.TimeSeriesView(
                            name=title, contents=[f'/figures/{name}' for name in names]
                        )
                        for title, names in curves.items()
                    )
                ),
                column_shares=[3, 2, 2],
            ),
            collapse_panels=True,
        )
