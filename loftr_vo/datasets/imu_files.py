# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Files with the measurements of an IMU, and what is found of them beside pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from loftr_vo.datasets.companions import ImuRecording
from loftr_vo.datasets.pictures import stamp_of
from loftr_vo.datasets.sequence import DatasetError
from loftr_vo.files.errors import naming
from loftr_vo.files.numbers import numbers
from loftr_vo.files.regular_file import read_text
from loftr_vo.geometry.inertial import ImuSamples
from loftr_vo.geometry.plausible import SPECIFIC_FORCE, TURN_RATE
from loftr_vo.geometry.trajectory import NANOSECONDS
from loftr_vo.imaging.imu_calibration import read_imu_calibration
from loftr_vo.imaging.specific_force_unit import wrong_unit

HEADER = ('timestamp_s', 'gx', 'gy', 'gz', 'ax', 'ay', 'az')


def find_imu(folder: Path, calibration: Path | None) -> ImuRecording | None:
    """Return the IMU of a folder with ``imu.csv``; None where that is not there.

    Args:
        folder: with ``extrinsics.yaml``, or Kalibr's ``camchain-imucam.yaml`` or
            ``NAME-camchain-imucam.yaml``.
        calibration: a file to use in place of that; ``FILE:CAMERA`` where it has several cameras.

    Raises:
        DatasetError: a file is missing or malformed; names file and line.
        CalibrationError: the same, of the calibration.
    """
    file = folder / 'imu.csv'
    if not file.exists():
        return None
    return with_calibration(read_imu_csv(file), calibration or _find_calibration(folder))


def with_calibration(samples: ImuSamples, path: Path) -> ImuRecording:
    """Return measurements with the calibration in a file, on the pictures' clock.

    Raises:
        CalibrationError: see ``read_imu_calibration``.
    """
    calibration = read_imu_calibration(path)
    stamps = samples.stamps - round(calibration.time_shift * NANOSECONDS)
    return ImuRecording(dataclasses.replace(samples, stamps=stamps), calibration)


def _find_calibration(folder: Path) -> Path:
    found = [folder / 'extrinsics.yaml', *sorted(folder.glob('*camchain-imucam*.yaml'))]
    for path in found:
        if path.exists():
            return path
    raise DatasetError(
        f'{folder} has imu.csv, but neither extrinsics.yaml nor camchain-imucam.yaml, which say '
        'how the IMU sits beside the camera; name such a file with --imu-calibration'
    )


def read_imu_csv(path: Path) -> ImuSamples:
    """Read ``imu.csv``: a header, then seconds, three rad/s and three m/s^2 on each line.

    Raises:
        DatasetError: the file is absent or malformed; names file and line.
    """
    lines = read_text(path, DatasetError).splitlines()
    header = tuple(word.strip() for word in lines[0].split(',')) if lines else ()
    if header != HEADER:
        raise DatasetError(f'{path}:1: expected the header {",".join(HEADER)}')
    rows = (
        (f'{path}:{n}', line.split(',')) for n, line in enumerate(lines[1:], 2) if line.strip()
    )
    return samples_of(rows, stamp_of, path)


def samples_of(
    rows: Iterable[tuple[str, list[str]]], read_stamp: Callable[[str, str], int], path: Path
) -> ImuSamples:
    """Return the measurements in lines of a time and six numbers.

    Args:
        rows: the place of each line, and its words.
        read_stamp: makes nanoseconds of a time.
        path: of the file, for errors.

    Raises:
        DatasetError: a line is malformed or not after the one before (names its place), or forces
            are not in m/s^2.
    """
    places: list[str] = []
    stamps: list[int] = []
    values: list[list[float]] = []
    for where, words in rows:
        if len(words) != len(HEADER):
            raise DatasetError(f'{where}: expected {len(HEADER)} values, found {len(words)}')
        stamp = read_stamp(words[0].strip(), where)
        if stamps and stamp <= stamps[-1]:
            raise DatasetError(
                f'{where}: the time {words[0].strip()} is not after the one before it; samples '
                'must be in the order of time'
            )
        with naming(where, DatasetError):
            values.append(numbers(words[1:]))
        places.append(where)
        stamps.append(stamp)
    if not stamps:
        raise DatasetError(f'{path} has no samples')
    measured = np.array(values)
    for part, within in ((measured[:, :3], TURN_RATE), (measured[:, 3:], SPECIFIC_FORCE)):
        refused = np.flatnonzero(~within.within(part).all(axis=1))
        if refused.size:
            raise DatasetError(
                f'{places[refused[0]]}: {part[refused[0]].tolist()} is beyond {within}'
            )
    if fault := wrong_unit(np.linalg.norm(measured[:, 3:], axis=1)):
        raise DatasetError(f'{path}: {fault}')
    return ImuSamples(np.array(stamps, np.int64), measured[:, :3], measured[:, 3:])
