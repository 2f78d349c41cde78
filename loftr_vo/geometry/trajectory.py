# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A trajectory: poses over time, and the TUM text format that holds one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.files.errors import InputError, naming
from loftr_vo.files.numbers import is_number, numbers
from loftr_vo.files.output_files import write_text
from loftr_vo.files.regular_file import read_text
from loftr_vo.files.text import quoted

NANOSECONDS = 10**9
# Stamps are nanoseconds in 64 bits.
MOST_SECONDS = (2**63 - 1) // NANOSECONDS
# Coordinates of the Earth's satellites are smaller; beyond, a double no longer holds millimetres.
MOST_METRES = 1e9
# Bounds of a quaternion's length, and of the error of R R^T: that of entries with two digits.
_SHORTEST_QUATERNION, _LONGEST_QUATERNION = 1e-6, 1e6
_ROTATION_TOLERANCE = 0.05
# Of the last row of a rigid motion, which is exact but for the rounding of a product.
_LAST_ROW_TOLERANCE = 1e-6


class TrajectoryError(InputError):
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
        late = np.flatnonzero(self.stamps[1:] <= self.stamps[:-1])
        if late.size:
            raise TrajectoryError(f'the time of pose {late[0] + 1} is not after the one before it')

    def __len__(self) -> int:
        return len(self.stamps)

    @property
    def positions(self) -> np.ndarray:
        """Positions of the camera in the world, (N, 3) float64."""
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
            with naming(where, TrajectoryError):
                poses.append(pose_from(numbers(words[1:])))
        if not stamps:
            raise TrajectoryError(f'{path} holds no poses')
        return cls(np.array(stamps, np.int64), np.stack(poses))

    def write_tum(self, path: str | Path, what: str = 'camera optical frame in world') -> None:
        """Write lines ``timestamp tx ty tz qx qy qz qw``, the time in seconds with 9 decimals.

        The file is written whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        lines = [tum_header(what), *_tum_lines(self.stamps.tolist(), self.poses)]
        write_text(path, '\n'.join(lines) + '\n')


def tum_header(what: str = 'camera optical frame in world') -> str:
    """Return the comment that a file of poses begins with."""
    return f'# timestamp tx ty tz qx qy qz qw ({what})'


def tum_line(stamp: int, pose: np.ndarray) -> str:
    """Return the line that ``write_tum`` writes for one pose (4, 4), stamped in nanoseconds."""
    return _tum_lines([stamp], pose[None])[0]


def _tum_lines(stamps: list[int], poses: np.ndarray) -> list[str]:
    if not stamps:
        return []
    quaternions = Rotation.from_matrix(poses[:, :3, :3]).as_quat()
    values = np.hstack([poses[:, :3, 3], quaternions])
    return [
        f'{format_seconds(stamp)} ' + ' '.join(f'{value:.9g}' for value in row)
        for stamp, row in zip(stamps, values, strict=True)
    ]


def parse_seconds(text: str, where: str) -> int:
    """Return a decimal number of seconds as nanoseconds, with no digit lost to binary fractions.

    Args:
        text: for example ``1311868169.163497925``.
        where: file and line of the text, for the error message.

    Raises:
        TrajectoryError: the text is not a number, or of more seconds than a stamp can have.
    """
    try:
        if not is_number(text):
            raise ValueError('it is no decimal number')
        seconds = Decimal(text)
        # A whole number is made of it below, which takes for ever where it has a million digits.
        possible = seconds.copy_abs() <= MOST_SECONDS
    except (ArithmeticError, ValueError) as error:
        raise TrajectoryError(f'{where}: {quoted(text)} is not a time in seconds') from error
    if not possible:
        raise TrajectoryError(
            f'{where}: {quoted(text)} is not a time in seconds: no stamp has more than '
            f'{MOST_SECONDS}'
        )
    return int((seconds * NANOSECONDS).to_integral_value())


def format_seconds(stamp: int) -> str:
    """Return nanoseconds as seconds with nine decimals, exactly."""
    sign = '-' if stamp < 0 else ''
    seconds, rest = divmod(abs(stamp), NANOSECONDS)
    return f'{sign}{seconds}.{rest:09d}'


def pose_from(values: list[float]) -> np.ndarray:
    """Return a pose (4, 4) from a position and a quaternion ``x y z qx qy qz qw``.

    Raises:
        TrajectoryError: a value is not finite or beyond ``MOST_METRES``, or the quaternion is no
            rotation.
    """
    array = np.array(values, np.float64)
    if not np.isfinite(array).all():
        raise TrajectoryError('a value is not finite')
    pose = np.eye(4)
    pose[:3, 3] = array[:3]
    length = np.abs(array[3:]).max()
    if length < _SHORTEST_QUATERNION:
        raise TrajectoryError('the quaternion is zero, so it is no rotation')
    if length > _LONGEST_QUATERNION:
        raise TrajectoryError('the quaternion is far longer than one, so it is no rotation')
    pose[:3, :3] = Rotation.from_quat(array[3:]).as_matrix()
    check_pose(pose)
    return pose


def check_pose(pose: np.ndarray) -> None:
    """Make sure that a matrix is a rigid motion of a plausible length.

    Args:
        pose: (4, 4) float64, or its upper three rows.

    Raises:
        TrajectoryError: it is none.
    """
    if not np.isfinite(pose).all():
        raise TrajectoryError('a value is not finite')
    if np.abs(pose[:3, 3]).max() > MOST_METRES:
        raise TrajectoryError(f'a position is more than {MOST_METRES:g} from the origin')
    if not is_rotation(pose[:3, :3]):
        raise TrajectoryError('its three columns on the left are no rotation')
    if len(pose) == 4 and np.abs(pose[3] - [0.0, 0.0, 0.0, 1.0]).max() > _LAST_ROW_TOLERANCE:
        raise TrajectoryError('its last row is not 0 0 0 1')


def is_rotation(matrix: np.ndarray) -> bool:
    """Whether a matrix (3, 3) is a rotation but for rounding."""
    if not np.isfinite(matrix).all():
        return False
    bounded = np.clip(matrix, -2.0, 2.0)
    error = np.abs(bounded @ bounded.T - np.eye(3)).max()
    return bool(error <= _ROTATION_TOLERANCE and np.linalg.det(bounded) > 0.0)


def _content_lines(path: Path) -> list[tuple[int, str]]:
    lines = enumerate(read_text(path, TrajectoryError).splitlines(), start=1)
    return [(n, line) for n, line in lines if line.strip() and not line.lstrip().startswith('#')]
