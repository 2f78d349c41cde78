# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What a run shows in the viewer Rerun (https://rerun.io): each thing under one name."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from loftr_vo.drawing.match_segments import PICTURE_DEPTH, even_choice
from loftr_vo.drawing.rerun_layout import BLUE, GREEN, GREY, RED, TIMELINE, layout, styles
from loftr_vo.files.output_files import check_writable
from loftr_vo.imaging.camera import Camera
from loftr_vo.odometry.estimate import State

SUFFIX = '.rrd'
_JPEG_QUALITY = 75
# The longest that a viewer may take to answer, and to take what is left at the end. [s]
_PATIENCE = 5.0
# Points that are drawn of a keyframe; of more, an even choice.
_MAX_POINTS = 1500
# Stamps before this (September 2001) are of a simulated clock, and shown as seconds. [ns]
_FIRST_DATE = 10**18
# Of points, from not confident to confident.
_UNSURE, _SURE = np.array([235.0, 200.0, 30.0]), np.array([20.0, 215.0, 60.0])
# Widths in pixels of the screen: the length of a unit is not known.
_POINT, _MAP_POINT, _KEYFRAME, _WAY, _MATCH = 1.5, 1.0, 3.0, 1.5, 0.5
# What is taken away at a reset.
_MAP = ('path', 'points', 'map', 'keyframes', 'matches')


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
        RerunError: Rerun is not installed, or is too old.
    """

    def __init__(self, axes: str) -> None:
        try:
            import rerun
            import rerun.blueprint
        except ImportError as error:
            raise RerunError('Rerun needs its package: pip install "loftr_vo[rerun]"') from error
        if not hasattr(rerun, 'StateChange'):
            raise RerunError(
                f'Rerun {rerun.__version__} is too old: pip install -U "loftr_vo[rerun]"'
            )
        self._rerun: Any = rerun
        self._stream = rerun.RecordingStream('loftr_vo')
        self._axes = axes
        self._has_dates: bool | None = None
        self._keyframe: int | None = None
        self._last_points: Any = None

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
        self._stream.save(path, default_blueprint=layout(self._rerun.blueprint))
        self._log_styles()

    def connect(self, url: str) -> None:
        """Log to a viewer that runs already.

        Raises:
            RerunError: it is no URL of Rerun, or nothing answers there.
        """
        try:
            self._stream.connect_grpc(url, default_blueprint=layout(self._rerun.blueprint))
            self._log_styles()
            self._stream.flush(timeout_sec=_PATIENCE)
        except RuntimeError as error:
            raise RerunError(f'no viewer of Rerun at {url}: {error}') from error

    def spawn(self) -> None:
        """Start a viewer, and log to it; it stays when the log is closed.

        Raises:
            RerunError: it cannot be started.
        """
        try:
            self._stream.spawn(default_blueprint=layout(self._rerun.blueprint))
        except RuntimeError as error:
            reason = str(error).partition('\n')[0]
            raise RerunError(f"Rerun's viewer cannot be started: {reason}") from error
        self._log_styles()

    def show_whole(self, scene: np.ndarray, up: np.ndarray) -> None:
        """Have the viewer show all of a scene at first, (N, 3) positions; ``up`` is a (3,) axis.

        Otherwise it follows the camera.
        """
        self._stream.send_blueprint(layout(self._rerun.blueprint, scene, up))

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
            return
        if self._has_dates is None:
            # For all: a timeline has dates or seconds.
            self._has_dates = stamp >= _FIRST_DATE
        if self._has_dates:
            self._stream.set_time(TIMELINE, timestamp=np.datetime64(stamp, 'ns'))
        else:
            self._stream.set_time(TIMELINE, duration=np.timedelta64(stamp, 'ns'))

    def picture(self, image: np.ndarray, camera: Camera | None) -> None:
        """Log a picture, (H, W) uint8, and its camera where that is known."""
        values = [self._jpeg(image)]
        if camera is not None:
            values.append(
                self._rerun.Pinhole(
                    image_from_camera=camera.matrix,
                    resolution=[camera.width, camera.height],
                    image_plane_distance=PICTURE_DEPTH,
                    color=GREEN,
                )
            )
        self._log('camera/image', *values)

    def camera(self, pose: np.ndarray) -> None:
        """Log the (4, 4) pose of the camera's optical frame."""
        transform = self._rerun.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3])
        self._log('camera', transform)

    def path(self, positions: np.ndarray) -> None:
        """Log the whole way, (N, 3), at all times."""
        self._stream.log('path', self._way(positions), static=True)

    def path_piece(self, number: int, positions: np.ndarray) -> None:
        """Log the way's piece of a number, (N, 3), in place of what was logged as that piece."""
        self._log(f'path/{number}', self._way(positions))

    def points(
        self,
        points: np.ndarray,
        confidence: np.ndarray,
        keyframe: int | None,
        grey: np.ndarray | None = None,
    ) -> None:
        """Log triangulated points of a keyframe, coloured by confidence.

        When another keyframe follows, they stay in the map, in grey.

        Args:
            points: (P, 3).
            confidence: (P,) in [0, 1].
            keyframe: its number; None where that is not known.
            grey: (P,) uint8, of the picture where the points are seen, for the map.
        """
        chosen = even_choice(len(points), _MAX_POINTS)
        share = np.clip(confidence[chosen], 0.0, 1.0)[:, None]
        colours = (_UNSURE + share * (_SURE - _UNSURE)).astype(np.uint8)
        if self._keyframe is not None and keyframe != self._keyframe:
            self._log(f'map/{self._keyframe}', self._last_points)
        greys = GREY if grey is None else np.repeat(grey[chosen, None], 3, axis=1)
        self._keyframe = keyframe
        self._last_points = self._dots(points[chosen], greys, _MAP_POINT)
        self._log('points', self._dots(points[chosen], colours, _POINT))

    def keyframes(self, positions: np.ndarray) -> None:
        """Log where keyframes are, (K, 3)."""
        self._log('keyframes', self._dots(positions, BLUE, _KEYFRAME))

    def inliers(self, segments: np.ndarray) -> None:
        """Log (I, 2, 3) lines between the pictures of keyframe and camera in space."""
        self._log('matches/inliers', self._lines(segments, GREEN, _MATCH))

    def outliers(self, segments: np.ndarray) -> None:
        """Log (O, 2, 3) lines as of inliers."""
        self._log('matches/outliers', self._lines(segments, RED, _MATCH))

    def match_image(self, picture: np.ndarray) -> None:
        """Log keyframe and picture with their matches, (H, W, 3) uint8 BGR."""
        self._log('match_image', self._jpeg(picture, 'BGR'))

    def state(self, state: str, reason: str) -> None:
        """Log the state of the odometry, and its reason as text."""
        level = 'INFO' if state == State.TRACKING.value else 'WARN'
        self._log('state', self._rerun.StateChange(state=state))
        text = f'{state}: {reason}' if reason not in ('', state) else state
        self._log('reason', self._rerun.TextLog(text, level=level))

    def figures(self, values: Mapping[str, float]) -> None:
        """Log points of curves, by their names."""
        for name, value in values.items():
            self._log(f'figures/{name}', self._rerun.Scalars(float(value)))

    def deviations(self, covariance: np.ndarray) -> None:
        """Log the standard deviations of a pose: of its (6, 6) covariance, position first."""
        variances = np.diagonal(covariance)
        self.figures(
            {
                'position_sigma': np.sqrt(variances[:3].sum()),
                'rotation_sigma_deg': np.degrees(np.sqrt(variances[3:].sum())),
            }
        )

    def clear_map(self) -> None:
        """Take away path, points, keyframes and matches from now on."""
        for entity in _MAP:
            self._log(entity, self._rerun.Clear(recursive=True))
        self._keyframe = self._last_points = None

    def _log(self, entity: str, *values: Any) -> None:
        self._stream.log(entity, *values)

    def _jpeg(self, picture: np.ndarray, *model: str) -> Any:
        return self._rerun.Image(picture, *model).compress(jpeg_quality=_JPEG_QUALITY)

    def _dots(self, points: np.ndarray, colours: Any, size: float) -> Any:
        radii = self._rerun.Radius.ui_points(size)
        return self._rerun.Points3D(points, colors=colours, radii=radii)

    def _lines(self, lines: Any, colour: Any, width: float) -> Any:
        radii = self._rerun.Radius.ui_points(width)
        return self._rerun.LineStrips3D(lines, colors=colour, radii=radii)

    def _way(self, positions: np.ndarray) -> Any:
        return self._lines([positions], BLUE, _WAY)

    def _log_styles(self) -> None:
        axes = getattr(self._rerun.ViewCoordinates, self._axes)
        self._stream.log('/', axes, static=True)
        for entity, style in styles(self._rerun):
            self._stream.log(entity, style, static=True)
