# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Camera motion: a smooth path, the viewing direction, and the tremor of a hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial.transform import Rotation

CameraPath = Callable[[float], np.ndarray]
"""From a time in seconds to the (4, 4) pose of the camera in the world, optical axes."""


def looking_along(position: np.ndarray, yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Return the pose of a camera in a world with x right, y down, z forward.

    Args:
        position: (3,) metres.
        yaw: radians to the right of the z axis.
        pitch: radians above the horizon.
        roll: radians by which the picture's right side is lower than its left.
    """
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler('YXZ', [yaw, pitch, roll]).as_matrix()
    pose[:3, 3] = position
    return pose


def stopping(path: CameraPath, when: float, within: float = 0.5) -> CameraPath:
    """Return a path that ends at rest.

    Args:
        path: the motion until then.
        when: seconds at which the camera begins to slow down.
        within: seconds that it takes to stop.
    """

    def pose(seconds: float) -> np.ndarray:
        late = np.clip((seconds - when) / within, 0.0, 1.0)
        # The speed falls evenly from the path's own to nothing.
        return path(min(seconds, when) + within * float(late - late**2 / 2))

    return pose


def turning(path: CameraPath, when: float, rate: float) -> CameraPath:
    """Return a path on which the camera stops, and then turns on the spot to its right.

    Args:
        path: the motion until then.
        when: seconds at which the camera begins to slow down; it turns once it stands.
        rate: radians a second; reached within half a second.
    """
    halted, stands = stopping(path, when), when + 0.5

    def pose(seconds: float) -> np.ndarray:
        late = max(0.0, seconds - stands)
        angle = rate * (late - 0.25 if late > 0.5 else late**2)
        turned = halted(seconds)
        turned[:3, :3] = turned[:3, :3] @ Rotation.from_rotvec([0.0, angle, 0.0]).as_matrix()
        return turned

    return pose


def swinging(path: CameraPath, rng: np.random.Generator) -> CameraPath:
    """Return a path with added rotational oscillation, as of a camera in a hurried hand.

    Args:
        path: the path without it.
        rng: draws frequencies and phases.
    """
    swing = Tremor(rng, [0.06, 0.15, 0.05], (0.5, 1.5))

    def pose(seconds: float) -> np.ndarray:
        swung = path(seconds)
        swung[:3, :3] = swung[:3, :3] @ Rotation.from_rotvec(swing(seconds)).as_matrix()
        return swung

    return pose


class Tremor:
    """A smooth random signal that stays small: a sum of a few incommensurate sines.

    Args:
        rng: draws frequencies and phases.
        amplitudes: (C,) standard deviation of each channel.
        frequencies: lowest and highest, in hertz.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        amplitudes: list[float],
        frequencies: tuple[float, float],
        terms: int = 4,
    ) -> None:
        shape = (len(amplitudes), terms)
        self._weights = np.array(amplitudes)[:, None] * np.sqrt(2.0 / terms)
        self._rates = 2 * np.pi * rng.uniform(*frequencies, shape)
        self._phases = rng.uniform(0, 2 * np.pi, shape)

    def __call__(self, seconds: float) -> np.ndarray:
        """Return the (C,) values at a time."""
        values: np.ndarray = (self._weights * np.sin(self._rates * seconds + self._phases)).sum(
            axis=1
        )
        return values
