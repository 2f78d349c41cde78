# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The turns of a gyroscope beside those of a camera: by their lengths and directions."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from loftr_vo.odometry.inertial.tuning import CHECK_TUNING as TUNING


class TurnComparison:
    """The last turns of both.

    Attributes:
        fault: in what they differ; empty while they agree or too little was turned.
    """

    def __init__(self) -> None:
        self.fault = ''
        self._turns: deque[np.ndarray] = deque(maxlen=TUNING.turns)

    def add(self, by_camera: np.ndarray, by_gyroscope: np.ndarray, seconds: float) -> None:
        """Add a turn.

        Args:
            by_camera: (3,) rotation vector in radians, in the camera's axes.
            by_gyroscope: (3,) integral of its angular velocity, in the same axes.
            seconds: how long it took.
        """
        if np.linalg.norm(by_camera) < TUNING.least_rate * seconds:
            self._note_idle(by_gyroscope, by_camera, seconds)
            return
        self._turns.append(np.stack([by_camera, by_gyroscope]))
        if len(self._turns) >= TUNING.fewest_turns:
            self.fault = _judge(np.array(self._turns))

    def _note_idle(self, gyroscope: np.ndarray, camera: np.ndarray, seconds: float) -> None:
        """Add a turn that the gyroscope alone measured: as large as no bias is."""
        if np.linalg.norm(gyroscope - camera) > TUNING.ratio * TUNING.least_rate * seconds:
            self._turns.append(np.stack([camera, gyroscope]))
            if len(self._turns) >= TUNING.fewest_turns:
                self.fault = _judge(np.array(self._turns))


def _judge(turns: np.ndarray) -> str:
    """Return in what the turns (N, 2, 3) of camera and gyroscope differ; empty if they agree."""
    camera, gyroscope = turns[:, 0], turns[:, 1]
    sizes = np.linalg.norm(turns, axis=2)
    ratio = float(np.median(sizes[:, 1]) / max(np.median(sizes[:, 0]), 1e-9))
    if TUNING.degrees_from < ratio < TUNING.degrees_to:
        return (
            f'the gyroscope measures {ratio:.0f} times the turns of the pictures: it is in '
            'degrees/s, not in rad/s'
        )
    if not 1 / TUNING.ratio < ratio < TUNING.ratio:
        return f'the gyroscope measures {ratio:.2g} times the turns of the pictures'
    weight = max(float((sizes[:, 0] * sizes[:, 1]).sum()), 1e-12)
    agreement = float((camera * gyroscope).sum()) / weight
    if agreement > TUNING.agrees:
        return ''
    u, values, v = np.linalg.svd(camera.T @ gyroscope)
    if values.sum() / weight > TUNING.agrees_turned:
        return _in_words(u, values, v, agreement)
    if agreement < TUNING.disagrees:
        return "the gyroscope's turns are not those of the pictures"
    return ''


def _in_words(u: np.ndarray, values: np.ndarray, v: np.ndarray, agreement: float) -> str:
    """Return how the axes differ; the orthogonal Procrustes problem (Schonemann 1966)."""
    if values[1] < TUNING.one_axis * values[0]:
        how = _angle_in_words(agreement)
    elif np.linalg.det(u @ v) < 0 and values[2] > TUNING.one_axis * values[0]:
        how = 'mirrored'
    else:
        sign = np.diag([1.0, 1.0, np.linalg.det(u @ v)])
        how = _angle_in_words((np.trace(u @ sign @ v) - 1) / 2)
    return (
        f"the gyroscope's axes are {how} against its mounting: axes of another convention, or a "
        'wrong transform from the camera'
    )


def _angle_in_words(cosine: float) -> str:
    # Bias and noise leave no more than ten degrees.
    tens = round(math.degrees(math.acos(np.clip(cosine, -1.0, 1.0))) / 10)
    return f'turned by about {10 * tens} deg'
