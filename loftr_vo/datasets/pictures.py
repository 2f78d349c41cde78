# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings that are picture files with a time each."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from loftr_vo.datasets.companions import Companions
from loftr_vo.datasets.image_files import SUFFIXES, GreyReader
from loftr_vo.datasets.sequence import DatasetError, Sequence, Truth
from loftr_vo.files.regular_file import read_text
from loftr_vo.geometry.inertial import ImuCalibration
from loftr_vo.geometry.trajectory import TrajectoryError, parse_seconds
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame


class PictureSequence(Sequence):
    """Frames from picture files that are read one at a time."""

    def __init__(
        self,
        name: str,
        kind: str,
        paths: list[Path],
        stamps: list[int],
        camera: Camera,
        ground_truth: Truth = None,
        companions: Companions | None = None,
    ) -> None:
        """Take the files in the order of time, each with its stamp in nanoseconds."""
        super().__init__(name, kind, ground_truth)
        self.paths = paths
        self.stamps = stamps
        self.camera = camera
        self.companions = companions or Companions()

    def lacks(self, source: str) -> bool:
        """See ``Sequence``."""
        return self.companions.lacks(source)

    def _imu_calibration(self) -> ImuCalibration:
        assert self.companions.imu is not None  # it is provided
        return self.companions.imu.calibration

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Frame]:
        before = None
        reader = GreyReader()
        for index, (path, stamp) in enumerate(zip(self.paths, self.stamps, strict=True)):
            frame = Frame(reader.read(path, self.camera), stamp, self.camera)
            yield self.companions.accompany(frame, index, before, self.provided)
            before = stamp


def list_pictures(folder: Path) -> list[Path]:
    """Return the picture files in a folder, numbers in their names in numeric order.

    Raises:
        DatasetError: there is none.
    """
    paths = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    if not paths:
        raise DatasetError(f'there are no pictures ({", ".join(SUFFIXES)}) in {folder}')
    return sorted(paths, key=_numeric_order)


def read_times(path: Path, count: int) -> list[int]:
    """Read ``times.txt``: seconds, one per line, for ``count`` pictures.

    Returns:
        Nanoseconds.

    Raises:
        DatasetError: the file is absent, holds more or fewer times than there are pictures, or
            one that is no number or not after the one before; names file and line.
    """
    lines = read_text(path, DatasetError).splitlines()
    entries = [(f'{path}:{n}', line.strip()) for n, line in enumerate(lines, 1) if line.strip()]
    if len(entries) != count:
        raise DatasetError(
            f'{path} has {len(entries)} times for {count} pictures; it needs one for each'
        )
    return rising_stamps([(where, stamp_of(text, where)) for where, text in entries])


def stamp_of(seconds: str, where: str) -> int:
    """Return seconds in decimal as nanoseconds.

    Raises:
        DatasetError: it is not a number; names ``where`` it stands.
    """
    try:
        return parse_seconds(seconds, where)
    except TrajectoryError as error:
        raise DatasetError(str(error)) from error


def rising_stamps(entries: list[tuple[str, int]]) -> list[int]:
    """Return the stamps of ``(place, stamp)`` pairs after making sure that they rise.

    Raises:
        DatasetError: a stamp is not after the one before; names its place.
    """
    for (_, before), (where, stamp) in itertools.pairwise(entries):
        if stamp <= before:
            raise DatasetError(
                f'{where}: the time {stamp / 1e9:.9f} s is not after the one before it '
                f'({before / 1e9:.9f} s); frames must be in the order of time'
            )
    return [stamp for _, stamp in entries]


def _numeric_order(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r'(\d+)', path.name)
    # Every second part is what the pattern found.
    return [(int(part), '') if odd % 2 else (0, part) for odd, part in enumerate(parts)]
