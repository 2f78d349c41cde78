# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A run as a file for the viewer Rerun (https://rerun.io): pictures, poses, figures by stamp."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from loftr_vo.evaluation.running import FrameRecord, Run
from loftr_vo.evaluation.scoring import EvaluationError
from loftr_vo.files.output_files import check_writable
from loftr_vo.imaging.frame import Frame
from loftr_vo.odometry.estimate import State

SUFFIX = '.rrd'
_JPEG_QUALITY = 80
_TIMELINE = 'stamp'


class RerunFile:
    """Writes a file of Rerun while a recording is run, and is closed with what came out.

    Coordinates are those of the poses: x right, y down, z ahead. Rerun draws a camera without its
    lens distortion.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            EvaluationError: Rerun is not installed, or ``path`` does not end in ``.rrd``.
            OutputError: ``path`` cannot be written.
        """
        try:
            import rerun
        except ImportError as error:
            raise EvaluationError(
                'a file for Rerun needs its package: pip install "loftr_vo[rerun]"'
            ) from error
        if path.suffix != SUFFIX:
            raise EvaluationError(f'{path}: the name of a file for Rerun ends in {SUFFIX}')
        check_writable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._rerun: Any = rerun
        self._stream = rerun.RecordingStream('loftr_vo')
        self._stream.save(path)
        self._stream.log('/', rerun.ViewCoordinates.RDF, static=True)

    def frames(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield the frames; write the picture and the camera of each."""
        for frame in frames:
            self._at(frame.stamp)
            camera = frame.camera
            self._stream.log(
                'camera/image',
                self._rerun.Image(frame.image).compress(jpeg_quality=_JPEG_QUALITY),
                self._rerun.Pinhole(
                    image_from_camera=camera.matrix, resolution=[camera.width, camera.height]
                ),
            )
            yield frame

    def close(self, run: Run) -> None:
        """Write the poses and figures of all frames and the path, and close the file."""
        for record in run.records:
            self._at(record.stamp)
            self._write(record)
        self._stream.log('path', self._rerun.LineStrips3D([run.trajectory.positions]), static=True)
        self._stream.flush()
        self._stream.disconnect()

    def _write(self, record: FrameRecord) -> None:
        log = self._stream.log
        if record.state is not State.LOST:
            rotation, position = record.pose[:3, :3], record.pose[:3, 3]
            log('camera', self._rerun.Transform3D(translation=position, mat3x3=rotation))
        level = 'INFO' if record.state is State.TRACKING else 'WARN'
        text = ': '.join(filter(None, (record.state.value, record.reason)))
        log('state', self._rerun.TextLog(text, level=level))
        figures = {
            'matches': record.matches,
            'inliers': record.inliers,
            'latency_ms': record.latency_ms,
        }
        for name, value in figures.items():
            log(f'figures/{name}', self._rerun.Scalars(float(value)))

    def _at(self, stamp: int) -> None:
        self._stream.set_time(_TIMELINE, timestamp=np.datetime64(stamp, 'ns'))
