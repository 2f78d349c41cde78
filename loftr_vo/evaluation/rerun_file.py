# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A run as a file for the viewer Rerun (https://rerun.io): pictures, poses, figures by stamp."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from loftr_vo.drawing.rerun_log import RerunError, RerunLog
from loftr_vo.evaluation.running import FrameRecord, Run
from loftr_vo.evaluation.scoring import EvaluationError
from loftr_vo.imaging.frame import Frame
from loftr_vo.odometry.estimate import State


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

    def frames(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield the frames; write the picture and the camera of each."""
        for frame in frames:
            self._log.at(frame.stamp)
            self._log.picture(frame.image, frame.camera)
            yield frame

    def close(self, run: Run) -> None:
        """Write the poses and figures of all frames and the path, and close the file."""
        for record in run.records:
            self._log.at(record.stamp)
            self._write(record)
        self._log.path(run.trajectory.positions)
        self._log.close()

    def _write(self, record: FrameRecord) -> None:
        if record.state is not State.LOST:
            self._log.camera(record.pose)
        self._log.state(record.state.value, record.reason)
        self._log.figures(
            {
                'matches': record.matches,
                'inliers': record.inliers,
                'latency_ms': record.latency_ms,
            }
        )
