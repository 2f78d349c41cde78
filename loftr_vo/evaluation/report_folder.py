# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The report of a run: a folder with the trajectory, the figures, and pictures."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from loftr_vo.config import Settings
from loftr_vo.drawing.match_image import draw_matches
from loftr_vo.evaluation.html_report import Provenance, render_page
from loftr_vo.evaluation.page_picture import Picture
from loftr_vo.evaluation.report import write_json
from loftr_vo.evaluation.run_record import FrameRecord, MatchSample, Run
from loftr_vo.evaluation.scoring import Alignment
from loftr_vo.files.growing_file import GrowingFile
from loftr_vo.files.output_files import OutputError, check_folder, check_writable, write_text
from loftr_vo.files.output_pictures import write_picture
from loftr_vo.geometry.trajectory import format_seconds, tum_header, tum_line
from loftr_vo.odometry.estimate import State

# The files whose names are known before the run.
_FILES = (
    'trajectory.txt',
    'metrics.json',
    'settings.yaml',
    'status.csv',
    'top_view.png',
    'error.png',
    'report.html',
)
_STATUS_COLUMNS = (
    'frame',
    'stamp',
    'state',
    'reason',
    'matches',
    'inliers',
    'parallax_deg',
    'keyframe',
    'latency_ms',
)


class ReportFolder:
    """Writes the report of a run into a folder; the trajectory already during the run.

    ``report.html`` is all of it in one page. The other files are ``trajectory.txt`` (TUM format),
    ``metrics.json``, ``settings.yaml``, ``status.csv`` (a row per frame), ``top_view.png``,
    ``matches_NNNNNN.png`` for a few frames and, with ground truth, ``error.png``. While the run
    goes on, and where it is killed, the poses so far are in ``trajectory.txt.part``.

    A context manager around the run. A file that cannot be written is left out.

    Attributes:
        path: the folder; created with the first pose.
        problems: what could not be written, and why.
    """

    def __init__(self, path: Path) -> None:
        """Make sure that all of it can be written, without writing anything yet.

        Raises:
            OutputError: a file cannot be written.
        """
        self.path = path
        self.problems: list[str] = []
        check_folder(path)
        for name in _FILES:
            check_writable(path / name)
        self._trajectory = GrowingFile(path / 'trajectory.txt', tum_header())

    def __enter__(self) -> ReportFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self._trajectory.close()

    @property
    def unfinished(self) -> Path | None:
        """The file with the poses so far, or None where there is none."""
        path = self._trajectory.unfinished
        return path if self._trajectory.begun and path.exists() else None

    def keep(self, record: FrameRecord) -> None:
        """Write the pose of one more frame."""
        if record.state is not State.LOST:
            self._trajectory.add(tum_line(record.stamp, record.pose))

    def write(
        self,
        run: Run,
        metrics: dict[str, Any],
        settings: Settings,
        alignment: Alignment | None,
        provenance: Provenance,
    ) -> None:
        """Write the report of a run whose records were kept.

        Args:
            run: the outcome.
            metrics: as ``collect_metrics`` gives them.
            settings: of the run.
            alignment: of the estimate with the ground truth, or None without.
            provenance: the origin of the run.
        """
        folder = self.path
        with self._part('trajectory.txt'):
            self._finish_trajectory(run)
        with self._part('metrics.json'):
            write_json(folder / 'metrics.json', metrics)
        with self._part('settings.yaml'):
            _write_settings(folder / 'settings.yaml', settings)
        with self._part('status.csv'):
            _write_status(folder / 'status.csv', run)
        pictures = self._draw_samples(run)
        if run.trajectory:
            with self._part('top_view.png'):
                _draw_top_view(folder / 'top_view.png', run, metrics, alignment)
            if alignment is not None:
                with self._part('error.png'):
                    _draw_errors(folder / 'error.png', metrics, alignment)
        with self._part('report.html'):
            page = render_page(run, metrics, settings, alignment, provenance, pictures)
            write_text(folder / 'report.html', page)

    def _finish_trajectory(self, run: Run) -> None:
        if self._trajectory.fault:
            # The disk was full during the run, and may have room again.
            run.trajectory.write_tum(self._trajectory.path)
            self._trajectory.unfinished.unlink(missing_ok=True)
        else:
            self._trajectory.finish()

    def _draw_samples(self, run: Run) -> list[Picture]:
        pictures = []
        for sample in run.samples:
            name = f'matches_{sample.frame_index:06d}.png'
            with self._part(name):
                pictures.append(_draw_sample(sample))
                write_picture(self.path / name, pictures[-1].pixels)
        return pictures

    @contextlib.contextmanager
    def _part(self, name: str) -> Iterator[None]:
        """Note where a part cannot be written or made; the run may have taken hours."""
        try:
            yield
        except OutputError as error:
            self.problems.append(str(error))
        # Libraries for pictures and pages raise errors of many types.
        except Exception as error:
            self.problems.append(f'cannot make {name}: {type(error).__name__}: {error}')


def _draw_top_view(
    path: Path, run: Run, metrics: dict[str, Any], alignment: Alignment | None
) -> None:
    # Imported late: matplotlib takes a second to load, and only reports need it.
    from loftr_vo.evaluation.plots import plot_top_view

    estimated = run.trajectory if alignment is None else alignment.estimated
    plot_top_view(
        path, _title(metrics, alignment), estimated, None if alignment is None else alignment.true
    )


def _draw_errors(path: Path, metrics: dict[str, Any], alignment: Alignment) -> None:
    from loftr_vo.evaluation.plots import plot_errors

    plot_errors(path, _title(metrics, alignment), alignment)


def _title(metrics: dict[str, Any], alignment: Alignment | None) -> str:
    title = f'{metrics["sequence"]}: {metrics["tracked"]} of {metrics["frames"]} frames tracked'
    title += f' ({metrics["weights"]})'
    if alignment is None:
        return title
    return (
        f'{title}\nATE {metrics["ate_rmse_m"]:.3g} m RMSE, {metrics["ate_percent"]:.2f} % of '
        f'{metrics["path_length_m"]:.3g} m; rotation {metrics["rpe_rotation_deg"]:.3f}° per frame'
    )


def _write_settings(path: Path, settings: Settings) -> None:
    text = yaml.safe_dump(dataclasses.asdict(settings), sort_keys=False)
    write_text(path, text)


def _write_status(path: Path, run: Run) -> None:
    file = io.StringIO(newline='')
    writer = csv.writer(file)
    writer.writerow(_STATUS_COLUMNS)
    for index, record in enumerate(run.records):
        writer.writerow(
            [
                index,
                format_seconds(record.stamp),
                record.state.value,
                record.reason,
                record.matches,
                record.inliers,
                f'{record.parallax:.3f}',
                int(record.is_keyframe),
                f'{record.latency_ms:.2f}',
            ]
        )
    write_text(path, file.getvalue())


def _draw_sample(sample: MatchSample) -> Picture:
    count, agreeing = len(sample.matches), int(sample.inliers.sum())
    line = f'frame {sample.frame_index}: {count} matches, {agreeing} agree with the motion'
    if sample.parallax:
        line += f', parallax {sample.parallax:.1f}°'
    pixels = draw_matches(sample.keyframe_image, sample.image, sample.matches, sample.inliers, [])
    return Picture(pixels, line)
