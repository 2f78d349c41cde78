# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A folder of pictures: the project's own layout, and pictures with nothing but a calibration."""

from __future__ import annotations

from pathlib import Path

from loftr_vo.datasets.pictures import PictureSequence, list_pictures, read_times
from loftr_vo.datasets.sequence import find_camera, read_ground_truth

# Pictures without times are taken to come at this rate.
NOMINAL_RATE = 30.0


def open_folder(path: Path, camera: Path | None) -> PictureSequence:
    """Open a sequence folder.

    It holds ``images/``, ``times.txt`` (seconds, one per line), ``camera.yaml`` and, if known,
    ``groundtruth.txt`` (TUM format).
    """
    pictures = list_pictures(path / 'images')
    return PictureSequence(
        path.name,
        'sequence folder',
        pictures,
        read_times(path / 'times.txt', len(pictures)),
        find_camera(path, camera),
        read_ground_truth(path / 'groundtruth.txt'),
    )


def open_pictures(path: Path, camera: Path | None) -> PictureSequence:
    """Open a folder that has the pictures themselves and ``camera.yaml``.

    ``times.txt`` and ``groundtruth.txt`` are used where they are; pictures without times are
    taken to come at 30 Hz.
    """
    pictures = list_pictures(path)
    if (path / 'times.txt').exists():
        stamps = read_times(path / 'times.txt', len(pictures))
    else:
        stamps = [round(index * 1e9 / NOMINAL_RATE) for index in range(len(pictures))]
    return PictureSequence(
        path.name,
        'folder of pictures',
        pictures,
        stamps,
        find_camera(path, camera),
        read_ground_truth(path / 'groundtruth.txt'),
    )
