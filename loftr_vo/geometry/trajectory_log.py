# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A bounded log of poses, 64 bytes each: the newest replace the oldest."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.rotation import quaternion
from loftr_vo.geometry.trajectory import Trajectory

# Position and unit quaternion (x, y, z, w) in float64: a float32 resolves a tenth of a millimetre
# a kilometre away. A day at 30 Hz is 158 MiB.
_ROW = np.dtype([('stamp', np.int64), ('position', np.float64, 3), ('quaternion', np.float64, 4)])
# Rows that are allocated and freed at once.
_CHUNK = 4096


class TrajectoryLog:
    """Keeps the newest poses; one thread appends, others may read.

    Args:
        capacity: most poses that are kept.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._chunks: deque[np.ndarray] = deque()
        self._filled = _CHUNK  # rows of the last chunk
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return min(self._rows, self._capacity)

    @property
    def _rows(self) -> int:
        return len(self._chunks) * _CHUNK - (_CHUNK - self._filled) if self._chunks else 0

    def append(self, stamp: int, pose: np.ndarray) -> None:
        """Keep one more pose (4, 4), ``stamp`` nanoseconds after those before."""
        with self._lock:
            if self._filled == _CHUNK:
                self._chunks.append(np.empty(_CHUNK, _ROW))
                self._filled = 0
            self._chunks[-1][self._filled] = stamp, pose[:3, 3], quaternion(pose[:3, :3])
            self._filled += 1
            if self._rows - _CHUNK >= self._capacity:
                self._chunks.popleft()

    def trajectory(self) -> Trajectory:
        """Return the poses that are kept."""
        with self._lock:
            parts = list(self._chunks)
            if parts:
                parts[-1] = parts[-1][: self._filled].copy()
        rows = np.concatenate(parts)[-self._capacity :] if parts else np.empty(0, _ROW)
        poses = np.tile(np.eye(4), (len(rows), 1, 1))
        poses[:, :3, 3] = rows['position']
        if len(rows):
            poses[:, :3, :3] = Rotation.from_quat(rows['quaternion']).as_matrix()
        return Trajectory(rows['stamp'], poses)
