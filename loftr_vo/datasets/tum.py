# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""TUM RGB-D sequences (Sturm et al., IROS 2012), the colour camera."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from loftr_vo.datasets.companions import Companions, DepthFiles, nearest
from loftr_vo.datasets.pictures import PictureSequence, rising_stamps, stamp_of
from loftr_vo.datasets.sequence import DatasetError, find_camera, name_of, read_ground_truth
from loftr_vo.files.regular_file import read_text
from loftr_vo.files.text import quoted
from loftr_vo.imaging.camera import Camera

# fx, fy, cx, cy and k1, k2, p1, p2, k3 of the colour cameras, as the data set's pages give them.
_INTRINSICS = {
    '1': ((517.3, 516.5, 318.6, 255.3), (0.2624, -0.9531, -0.0054, 0.0026, 1.1633)),
    '2': ((520.9, 521.0, 325.1, 249.7), (0.2312, -0.7849, -0.0033, -0.0001, 0.9172)),
    '3': ((535.4, 539.2, 320.1, 247.6), (0.0, 0.0, 0.0, 0.0, 0.0)),
}

# Units of depth in a metre, and how far in time a depth image may be from its picture.
_PER_METRE = 5000.0
_MOST_APART = 20_000_000  # nanoseconds


def open_tum(path: Path, camera: Path | None) -> PictureSequence:
    """Open a folder with ``rgb.txt`` (time and file per line) and ``groundtruth.txt``.

    Depth images are taken from the list ``depth.txt``, where it is there.

    The calibration is ``camera`` or ``camera.yaml`` in the folder; else the one published for
    the camera in the folder's name (``freiburg1``, ``2`` or ``3``).

    Raises:
        DatasetError: a list is malformed or the camera is not known.
    """
    index = path / 'rgb.txt'
    entries, pictures = _read_list(path, index)
    if not pictures:
        raise DatasetError(f'{index} names no pictures')
    stamps = rising_stamps(entries)
    return PictureSequence(
        name_of(path),
        'TUM RGB-D',
        pictures,
        stamps,
        _find_camera(path, camera),
        partial(read_ground_truth, path / 'groundtruth.txt'),
        Companions(partial(_find_depth, path, stamps)),
    )


def _read_list(path: Path, index: Path) -> tuple[list[tuple[str, int]], list[Path]]:
    """Return (place, stamp) of the lines of a list, and the files that they name."""
    entries: list[tuple[str, int]] = []
    files: list[Path] = []
    for number, line in enumerate(read_text(index, DatasetError).splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith('#'):
            continue
        where = f'{index}:{number}'
        if len(words) != 2:
            raise DatasetError(f'{where}: expected a time and a file name, found {quoted(line)}')
        entries.append((where, stamp_of(words[0], where)))
        files.append(path / words[1])
    return entries, files


def _find_depth(path: Path, stamps: list[int]) -> DepthFiles | None:
    """Return the depth image nearest in time to each picture."""
    index = path / 'depth.txt'
    if not index.exists():
        return None
    entries, files = _read_list(path, index)
    depth_stamps = rising_stamps(entries)
    found = [nearest(depth_stamps, stamp, _MOST_APART) for stamp in stamps]
    lags = [
        0 if n is None else depth_stamps[n] - stamp for n, stamp in zip(found, stamps, strict=True)
    ]
    return DepthFiles([None if n is None else files[n] for n in found], 1 / _PER_METRE, lags)


def _find_camera(path: Path, given: Path | None) -> Camera:
    if given or (path / 'camera.yaml').exists():
        return find_camera(path, given)
    name = path.resolve().name
    found = re.search(r'(?:freiburg|fr)([123])', name)
    if found is None:
        raise DatasetError(
            f'which camera took {path} is not known: its name has none of freiburg1, freiburg2, '
            'freiburg3, and there is no camera.yaml in it; name the calibration with --camera'
        )
    (fx, fy, cx, cy), distortion = _INTRINSICS[found[1]]
    matrix = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    return Camera(640, 480, matrix, 'plumb_bob', np.array(distortion))
