# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Measurements of the metric scale at keyframes, by the source that is set."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from loftr_vo.config import GeometrySettings, ImuSettings, ScaleSettings
from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.geometry.inertial import ImuNoise
from loftr_vo.geometry.plausible import Refusals
from loftr_vo.matching.matcher import Matcher
from loftr_vo.odometry.inertial.inertial_estimator import InertialEstimator
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.scale import depth_image, stereo
from loftr_vo.odometry.scale.cell_depth import CellDepth, NoReading, compare
from loftr_vo.odometry.scale.ground_plane import GroundScale
from loftr_vo.odometry.scale.scale_filter import Reading
from loftr_vo.odometry.scale.tuning import TUNING
from loftr_vo.odometry.scale.wheel_odometry import WheelScale
from loftr_vo.odometry.scale.wheel_path import WheelPath


class ScaleMeasurement:
    """Measures how many metres the odometry's present unit has.

    Args:
        settings: the source and what it needs.
        geometry: thresholds of matching.
        matcher: returns the matcher, for the right picture.
        base_from_camera: (4, 4), mounting of the camera; None: at the base, looking forward.
        imu: noise of an IMU.

    Attributes:
        mounting: (4, 4), base from camera.
        wheels: the source ``odometry``.
        wheel_path: the other odometry, which is kept whatever the source is.
        inertial: the source ``imu``.
        refusals: implausible measurements that were left out.
    """

    def __init__(
        self,
        settings: ScaleSettings,
        geometry: GeometrySettings,
        matcher: Callable[[], Matcher],
        base_from_camera: np.ndarray | None = None,
        imu: ImuSettings | None = None,
    ) -> None:
        self.refusals = Refusals()
        self._source = settings.source
        self._imu_noise = ImuNoise.from_settings(imu or ImuSettings())
        self._imu_from_camera: np.ndarray | None = None
        self._matcher = matcher
        self.mounting = BODY_FROM_OPTICAL if base_from_camera is None else base_from_camera
        self.configure(settings, geometry)
        self.reset()

    def configure(self, settings: ScaleSettings, geometry: GeometrySettings) -> None:
        """Apply settings that may change at run time."""
        self._settings = settings
        self._geometry = geometry

    def mount(self, base_from_camera: np.ndarray) -> None:
        """Set the mounting of the camera, (4, 4)."""
        self.mounting = base_from_camera
        self._make_sources()

    def mount_imu(self, imu_from_camera: np.ndarray, noise: ImuNoise | None) -> None:
        """Set where the IMU is, (4, 4), and its noise if that is known."""
        self._imu_from_camera = imu_from_camera
        self._imu_noise = noise or self._imu_noise
        self.inertial.mount(imu_from_camera, self._imu_noise)

    def reset(self) -> None:
        """Return to the state without any measurement."""
        self._cell_depth: CellDepth | None = None
        self._make_sources()
        self.inertial = InertialEstimator(self._imu_noise, self._imu_from_camera)

    def _make_sources(self) -> None:
        self.wheel_path = WheelPath(self.refusals)
        self.wheels = WheelScale(self.mounting, self.wheel_path)
        # Down in the camera, for a base on level ground.
        self._ground = GroundScale(self._settings.camera_height, -self.mounting[2, :3])

    def reading(
        self, keyframe: Keyframe, before: Keyframe, of_map: Sequence[Keyframe], has_depth: bool
    ) -> Reading:
        """Return the source's reading at a new keyframe.

        Args:
            keyframe: the new one.
            before: the one before it, with its depths updated.
            of_map: all keyframes of the map.
            has_depth: whether any depth by motion is known.

        Raises:
            NoReading: the source has none.
        """
        if self._source == 'odometry':
            return self.wheels.reading()
        if self._source == 'imu':
            return self.inertial.reading(of_map)
        if self._source == 'camera_height':
            if not has_depth:
                raise NoReading('no depth by motion yet')
            return self._ground.reading(before, keyframe)
        self._cell_depth = self.cell_depth(keyframe)
        if has_depth:
            return compare(keyframe, self._cell_depth)
        # All cells are assumed at the reference depth, so the median depth gives the unit.
        depth = median_depth(self._cell_depth)
        return Reading(math.log(depth / keyframe.reference_depth), TUNING.first_reading_sigma)

    def cell_depth(self, keyframe: Keyframe) -> CellDepth:
        """Return the depth of a keyframe's cells by the source ``depth`` or ``stereo``.

        Raises:
            NoReading: nothing was measured.
        """
        if self._source == 'depth':
            return depth_image.depth_of_cells(keyframe, self.refusals)
        return stereo.depth_of_cells(keyframe, self._matcher(), self._geometry)

    def take_cell_depth(self) -> CellDepth | None:
        """Return the cells' depth of the last reading, once; None where it has none."""
        taken, self._cell_depth = self._cell_depth, None
        return taken


def median_depth(measured: CellDepth) -> float:
    """Return the median depth in metres.

    Raises:
        NoReading: too few cells have measured depth.
    """
    if len(measured) < TUNING.min_cells:
        raise NoReading(f'only {len(measured)} cells have measured depth')
    return float(1 / np.median(measured.inverse_depth))
