# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A trajectory: poses over time, and the TUM text format that holds one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.files.output_files import write_text

NANOSECONDS = 10**9


class TrajectoryError(ValueError):
    """A trajectory is malformed; the message names file and line where there is one."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """N poses of a camera in the order of time.

    Attributes:
        stamps: (N,) int64, nanoseconds, strictly rising.
        poses: (N, 4, 4) float64, world from camera; the camera's axes are the optical ones (x
            right, y down, z forward).

    Raises:
        TrajectoryError: when made from arrays that do not fit together or times out of order.
    """

    stamps: np.ndarray
    poses: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, 'stamps', np.asarray(self.stamps, np.int64).reshape(-1))
        object.__setattr__(self, 'poses', np.asarray(self.poses, np.float64).reshape(-1, 4, 4))
        if len(self.stamps) != len(self.poses):
            raise TrajectoryError(f'{len(self.stamps)} stamps for {len(self.poses)} poses')
        late = np.flatnonzero(np.diff(self.stamps) <= 0)
        if late.size:
            raise TrajectoryError(f'the time of pose {late[0] + 1} is not after the one before it')

    def __len__(self) -> int:
        return len(self.stamps)

    @property
    def positions(self) -> np.ndarray:
        """Where the camera was: (N, 3) float64 in the world."""
        return self.poses[:, :3, 3]

    @property
    def distances(self) -> np.ndarray:
        """Length of the path from its start to each pose: (N,) float64."""
        steps = np.linalg.norm(np.diff(self.positions, axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)])[: len(self)]

    @property
    def path_length(self) -> float:
        """Length of the path, in the unit of the poses."""
        return float(self.distances[-1]) if len(self) else 0.0

    @classmethod
    def read_tum(cls, path: str | Path) -> Trajectory:
        """Read a file of lines ``timestamp tx ty tz qx qy qz qw`` (seconds; ``#`` comments).

        Stamps are kept to the nanosecond, quaternions are normalised.

        Raises:
            TrajectoryError: the file is absent or a line malformed; names file and line.
        """
        path = Path(path)
        stamps: list[int] = []
        poses: list[np.ndarray] = []
        for number, line in _content_lines(path):
            where = f'{path}:{number}'
            words = line.split()
            if len(words) != 8:
                raise TrajectoryError(
                    f'{where}: expected 8 values (timestamp tx ty tz qx qy qz qw), '
                    f'found {len(words)}'
                )
            stamp = parse_seconds(words[0], where)
            if stamps and stamp <= stamps[-1]:
                raise TrajectoryError(f'{where}: the time {words[0]} is not after the one before')
            stamps.append(stamp)
            poses.append(_pose(words[1:], where))
        if not stamps:
            raise TrajectoryError(f'{path} holds no poses')
        return cls(np.array(stamps, np.int64), np.stack(poses))

    def write_tum(self, path: str | Path, what: str = 'camera optical frame in world') -> None:
        """Write lines ``timestamp tx ty tz qx qy qz qw``, the time in seconds with 9 decimals.

        The file is written whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        lines = [f'# timestamp tx ty tz qx qy qz qw ({what})']
        if len(self):
            quaternions = Rotation.from_matrix(self.poses[:, :3, :3]).as_quat()
            values = np.hstack([self.positions, quaternions])
            lines += [
                f'{format_seconds(stamp)} ' + ' '.join(f'{value:.9g}' for value in row)
                for stamp, row in zip(self.stamps.tolist(), values, strict=True)
            ]
        write_text(path, '\n'.join(lines) + '\n')


def parse_seconds(text: str, where: str) -> int:
    """Return a decimal number of seconds as nanoseconds, with no digit lost to binary fractions.

    Args:
        text: for example ``1311868169.163497925``.
        where: the place of the text, for the error message.

    Raises:
        TrajectoryError: the text is not a finite number.
    """
    try:
        return int((Decimal(text) * NANOSECONDS).to_integral_value())
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise TrajectoryError(f'{where}: {text!r} is not a time in seconds') from error


def format_seconds(stamp: int) -> str:
    """Return nanoseconds as seconds with nine decimals, exactly."""
    sign = '-' if stamp < 0 else ''
    seconds, rest = divmod(abs(stamp), NANOSECONDS)
    return f'{sign}{seconds}.{rest:09d}'


def _content_lines(path: Path) -> list[tuple[int, str]]:
    try:
        text = path.read_text(encoding='utf-8')
    except OSError as error:
        raise TrajectoryError(f'cannot read the trajectory {path}: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise TrajectoryError(f'{path} is not a text file') from error
    lines = enumerate(text.splitlines(), start=1)
    return [(n, line) for n, line in lines if line.strip() and not line.lstrip().startswith('#')]


def _pose(words: list[str], where: str) -> np.ndarray:
    try:
        values = np.array([float(word) for word in words])
    except ValueError as error:
        raise TrajectoryError(f'{where}: {error}') from error
    if not np.isfinite(values).all():
        raise TrajectoryError(f'{where}: a value is not finite')
    if np.linalg.norm(values[3:]) < 1e-6:
        raise TrajectoryError(f'{where}: the quaternion is zero, so it is no rotation')
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_quat(values[3:]).as_matrix()
    pose[:3, 3] = values[:3]
    return pose
