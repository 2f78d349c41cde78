# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""One run of one recording, as sent to the process that does it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from loftr_vo.config import Settings
from loftr_vo.datasets import Sequence, open_sequence
from loftr_vo.datasets.companion_topics import CompanionTopics
from loftr_vo.evaluation.ground_truth import TruthOptions
from loftr_vo.imaging.view_mask import NO_MARGIN, ViewMask


@dataclass(frozen=True, eq=False)
class RecordingOptions:
    """How one recording is opened and scored; the attributes are the options of the command."""

    camera: Path | None = None
    image_topic: str | None = None
    camera_info_topic: str | None = None
    depth_topic: str | None = None
    right_image_topic: str | None = None
    odometry_topic: str | None = None
    imu_topic: str | None = None
    imu_calibration: Path | None = None
    mask: Path | None = None
    mask_margin: tuple[int, ...] = NO_MARGIN
    truth: TruthOptions = field(default_factory=TruthOptions)


@dataclass(frozen=True, eq=False)
class Task:
    """One run of one recording.

    Attributes:
        name: of the recording; empty for its own name.
        source: its path or URL.
        options: how it is opened and scored.
        settings: of the odometry.
        baseline: a classical odometry to run instead, or None.
        output: path or URL of the folder for its report and result; None to write none.
        command: the command line, for the report.
        repeat: the number of the run, from 1 on, and the seed of the libraries' random numbers;
            0 for the only one, which seeds nothing.
        code: the digest of the code, see fingerprint.py.
        resume: take the result that is in ``output`` where it is of the same fingerprint.
        threads: of the process; None to leave them as they are.
    """

    name: str
    source: str
    options: RecordingOptions
    settings: Settings
    baseline: str | None = None
    output: str | None = None
    command: str = ''
    repeat: int = 0
    code: str = ''
    resume: bool = False
    threads: int | None = None


def open_task(task: Task, path: Path) -> Sequence:
    """Open the recording of a task.

    Args:
        task: to open.
        path: where the recording is on this machine.

    Raises:
        DatasetError, CalibrationError, TrajectoryError: as ``open_sequence``; also where it lacks
            what the source of scale needs.
    """
    options = task.options
    companions = CompanionTopics(
        options.depth_topic,
        options.right_image_topic,
        options.odometry_topic,
        options.imu_topic,
        options.imu_calibration,
    )
    sequence = open_sequence(
        path,
        options.camera,
        options.image_topic,
        options.camera_info_topic,
        companions,
        ViewMask.read(options.mask or '', options.mask_margin),
    )
    sequence.name = task.name or safe_name(sequence.name)
    if task.baseline is None:
        sequence.provide_for(task.settings)
    return sequence


def safe_name(name: str) -> str:
    """Return a name for a folder of results that is no path to elsewhere."""
    return 'recording' if name in ('', '.', '..') or Path(name).name != name else name


def settings_of(task: Task) -> dict[str, object]:
    """Return the settings that a result depends on, besides code, weights and input."""
    return {
        'settings': dataclasses.asdict(task.settings),
        'options': dataclasses.asdict(task.options),
        'baseline': task.baseline,
        'repeat': task.repeat,
    }
