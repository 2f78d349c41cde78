# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The states of the IMU at the last keyframes, and the terms that a window of them has."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from loftr_vo.geometry.inertial import ImuNoise
from loftr_vo.geometry.rigid_motion import inverse_transform
from loftr_vo.odometry.inertial.inertial_state import InertialState
from loftr_vo.odometry.inertial.inertial_terms import PRIOR, InertialData, InertialTerms
from loftr_vo.odometry.inertial.preintegration import ImuSteps, preintegrate
from loftr_vo.odometry.inertial.sample_buffer import SampleBuffer
from loftr_vo.odometry.inertial.tuning import TUNING
from loftr_vo.odometry.inertial.vibration import with_vibration
from loftr_vo.odometry.inertial.window_after import inverse_covariance
from loftr_vo.odometry.map.covariance import correlation_inflation
from loftr_vo.odometry.map.keyframe import Keyframe


class KeyframeStates:
    """States by the stamps of their keyframes, each by the measurements until then.

    They are in the axes of their keyframe, whose position is the origin.
    """

    def __init__(self) -> None:
        self._states: deque[tuple[int, InertialState]] = deque(maxlen=TUNING.kept_states)

    def add(self, stamp: int, state: InertialState) -> None:
        """Add a state."""
        self._states.append((stamp, state))

    def clear(self) -> None:
        """Drop all of them."""
        self._states.clear()

    def rescale(self, factor: float) -> None:
        """Convert to another unit of the map, in which lengths are multiplied by ``factor``."""
        for index, (stamp, state) in enumerate(self._states):
            self._states[index] = stamp, state.rescaled(factor)

    def terms(
        self,
        window: Sequence[Keyframe],
        fixed: int,
        samples: SampleBuffer,
        imu_from_camera: np.ndarray,
        noise: ImuNoise,
    ) -> InertialTerms | None:
        """Return the terms of a window, from the newest fixed keyframe on.

        Args:
            window: keyframes, the oldest first.
            fixed: number of the oldest that keep their pose.
            samples: of the IMU.
            imu_from_camera: (4, 4), maps points of the camera to the IMU.
            noise: of the IMU.

        Returns:
            None where no keyframe but the newest has a state.

        Raises:
            NoReading: measurements of the IMU are missing.
        """
        known = dict(self._states)
        first = max(fixed - 1, 0)
        while first < len(window) and window[first].frame.stamp not in known:
            first += 1
        if first > len(window) - 2:
            return None
        stamps = [keyframe.frame.stamp for keyframe in window[first:]]
        steps = ImuSteps.stacked([samples.steps(*pair) for pair in itertools.pairwise(stamps)])
        state = known[stamps[0]].turned(window[first].pose[:3, :3])
        motions = preintegrate(steps, state.bias, _noise_of(steps, noise))
        walk = np.repeat([noise.gyroscope_walk, noise.accelerometer_walk], 3)
        information = inverse_covariance(state.covariance[np.ix_(PRIOR, PRIOR)])
        data = InertialData(
            first=first,
            free=fixed,
            motions=motions,
            whitening=np.linalg.inv(np.linalg.cholesky(motions.covariance)),
            walk_sigma=walk * np.sqrt(motions.seconds)[:, None],
            prior=state,
            prior_whitening=np.linalg.cholesky(information).T,
            imu_in_camera=inverse_transform(imu_from_camera),
            weight=correlation_inflation(window[-1]),
        )
        return InertialTerms.begin(data, [keyframe.pose[:3, :3] for keyframe in window])


def _noise_of(steps: ImuSteps, noise: ImuNoise) -> ImuNoise:
    """Return the noise of the steps; see ``InertialTuning.window_gyroscope_noise``."""
    shaken = with_vibration(noise, steps)
    return replace(shaken, gyroscope=TUNING.window_gyroscope_noise * noise.gyroscope)
