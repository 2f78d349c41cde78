# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the keyframes contradict the calibration enough for a warning."""

from __future__ import annotations

from collections import deque

import numpy as np

from loftr_vo.geometry.epipolar import parallax
from loftr_vo.geometry.rigid_motion import inverse_transform, split
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.camera_info import same_camera
from loftr_vo.odometry.calibration.calibration_status import (
    UNKNOWN_CALIBRATION,
    CalibrationStatus,
)
from loftr_vo.odometry.calibration.keyframe_pair import measured_matches
from loftr_vo.odometry.calibration.pair_equations import (
    CalibrationEquations,
    corner_distance,
    pair_equations,
)
from loftr_vo.odometry.calibration.stretches import CalibrationError, solve, summed
from loftr_vo.odometry.calibration.tuning import TUNING
from loftr_vo.odometry.map.keyframe import Keyframe, Link


class CalibrationCheck:
    """Collects pairs of keyframes, in stretches of a few; it changes none of them."""

    def __init__(self) -> None:
        self._camera: Camera | None = None
        self._pairs: list[CalibrationEquations] = []
        self._stretches: deque[CalibrationEquations] = deque(maxlen=TUNING.max_stretches)
        self._status: CalibrationStatus = UNKNOWN_CALIBRATION

    @property
    def status(self) -> CalibrationStatus:
        """How far off the calibration looks by now."""
        return self._status

    def add(self, keyframe: Keyframe) -> None:
        """Add a keyframe that was triangulated in older ones, with the oldest of them."""
        link = _widest_link(keyframe)
        if link is None:
            return
        matches = measured_matches(keyframe, link)
        if len(matches.rays0) < TUNING.min_matches:
            return
        rotation, translation = split(inverse_transform(link.other.pose) @ keyframe.pose)
        if np.median(parallax(matches.rays0, matches.rays1, rotation)) < TUNING.min_parallax:
            return
        equations = pair_equations(matches, rotation, translation)
        if equations is not None:
            self.add_pair(matches.camera, equations)

    def add_pair(self, camera: Camera, equations: CalibrationEquations) -> None:
        """Add the equations of a pair; another camera than before starts anew."""
        if self._camera is not camera:
            if self._camera is not None and not same_camera(camera, self._camera):
                self._pairs, self._status = [], UNKNOWN_CALIBRATION
                self._stretches.clear()
            self._camera = camera
        self._pairs.append(equations)
        if len(self._pairs) < TUNING.pairs_per_stretch:
            return
        self._stretches.append(summed(self._pairs))
        self._pairs = []
        if len(self._stretches) >= TUNING.min_stretches:
            self._status = status_of(solve(self._stretches), corner_distance(camera))


def status_of(found: CalibrationError, half_diagonal: float) -> CalibrationStatus:
    """Return the status by an error of the calibration.

    Args:
        found: the error.
        half_diagonal: of the picture, pixels.
    """
    limits = TUNING.min_focal_error, TUNING.min_corner_error
    clear = np.abs(found.smallest) > limits
    clear &= np.abs(found.error) > TUNING.min_sigmas * found.sigma
    doubts = []
    focal, corner = found.error.tolist()
    focal_sigma, corner_sigma = found.sigma.tolist()
    if clear[0]:
        doubts.append(
            f'focal length looks {100 * abs(focal):.1f} % too {"long" if focal > 0 else "short"} '
            f'(+-{100 * focal_sigma:.1f} %)'
        )
    if clear[1]:
        doubts.append(
            f'distortion looks wrong by {abs(corner) * half_diagonal:.0f} pixels at the corners '
            f'(+-{corner_sigma * half_diagonal:.0f})'
        )
    return CalibrationStatus(
        focal,
        focal_sigma,
        corner * half_diagonal,
        corner_sigma * half_diagonal,
        'calibration suspicious: ' + ', '.join(doubts) if doubts else '',
    )


def _widest_link(keyframe: Keyframe) -> Link | None:
    """Return the link to the oldest keyframe that shares enough cells; None without one."""
    enough = [link for link in keyframe.links if len(link.cells) >= TUNING.min_matches]
    return min(enough, key=lambda link: link.other.number, default=None)
