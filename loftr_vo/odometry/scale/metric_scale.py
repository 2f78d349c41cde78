# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The metric scale of the odometry by the source that is set.

The odometry has a unit of its own. At each new keyframe the source measures it in metres, and the
world is rescaled about the present pose: ``odom`` continues from where it is, in metres (REP 105).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from loftr_vo.config import GeometrySettings, ImuSettings, ScaleSettings, SettingError
from loftr_vo.geometry.inertial import ImuNoise
from loftr_vo.geometry.plausible import CAMERA_HEIGHT
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.matcher import Matcher
from loftr_vo.odometry.inertial.imu_gate import ImuGate
from loftr_vo.odometry.inertial.inertial_estimator import InertialEstimator
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.scale.cell_depth import (
    Contradiction,
    NoReading,
    NotYet,
    overwrite_depth,
)
from loftr_vo.odometry.scale.scale_filter import ScaleFilter
from loftr_vo.odometry.scale.scale_measurement import ScaleMeasurement, median_depth
from loftr_vo.odometry.scale.status import ScaleStatus
from loftr_vo.odometry.scale.tuning import TUNING
from loftr_vo.odometry.scale.wheel_path import Guide
from loftr_vo.odometry.tracking.camera_step import CameraStep


class MetricScale:
    """Keeps the odometry's unit at a metre.

    Args:
        settings: the source and what it needs.
        geometry: thresholds of matching.
        matcher: for the right picture.
        base_from_camera: (4, 4), mounting of the camera; None: at the base, looking forward.
        imu: noise of an IMU.

    Attributes:
        source: ``scale.source``.

    Raises:
        SettingError: a setting that the source needs is missing.
    """

    def __init__(
        self,
        settings: ScaleSettings,
        geometry: GeometrySettings,
        matcher: Matcher,
        base_from_camera: np.ndarray | None = None,
        imu: ImuSettings | None = None,
    ) -> None:
        if settings.source == 'camera_height' and not CAMERA_HEIGHT.holds(settings.camera_height):
            raise SettingError(
                'scale.source camera_height needs scale.camera_height: measure how high the '
                'camera is above the ground, in metres'
            )
        self.source = settings.source
        self._matcher = matcher
        self._imu = imu or ImuSettings()
        self._imu_gate = ImuGate()
        self._measurement = ScaleMeasurement(
            settings, geometry, lambda: self._matcher, base_from_camera, imu
        )
        self.configure(settings, geometry)
        self.reset()

    def configure(
        self, settings: ScaleSettings, geometry: GeometrySettings, imu: ImuSettings | None = None
    ) -> None:
        """Apply settings that may change at run time."""
        self._settings = settings
        self._imu = imu or self._imu
        self._measurement.configure(settings, geometry)

    def mount(self, base_from_camera: np.ndarray) -> None:
        """Set the mounting of the camera, (4, 4); the scale is kept."""
        self._measurement.mount(base_from_camera)
        self._imu_gate.mount_base(base_from_camera)

    def mount_imu(self, imu_from_camera: np.ndarray, noise: ImuNoise | None = None) -> None:
        """Set where the IMU is, (4, 4), and its noise; the scale is kept."""
        self._measurement.mount_imu(imu_from_camera, noise)
        self._imu_gate.mount_imu(imu_from_camera)

    def reset(self) -> None:
        """Return to the state without any reading."""
        self._filter = ScaleFilter()
        self._variance_of_old_maps = 0.0
        self._last_reading_stamp: int | None = None
        self._reason = ''
        self._position = np.zeros(3)
        self._position_error = np.zeros(3)
        self._measurement.reset()
        self._imu_gate.reset()

    @property
    def sigma(self) -> float:
        """Relative standard deviation of lengths in metres; infinite without a reading."""
        return math.sqrt(self._filter.variance + TUNING.common_sigma.get(self.source, 0.0) ** 2)

    @property
    def metric(self) -> bool:
        """Whether lengths are metres, within ``scale.max_sigma``."""
        return self.sigma <= self._settings.max_sigma

    @property
    def known(self) -> bool:
        """Whether there was a reading."""
        return math.isfinite(self.sigma)

    @property
    def guide(self) -> Guide:
        """What a lost camera follows: another odometry, which is kept whatever the source is.

        Where none has come, it is the IMU, while that bridges a loss.
        """
        wheels, bridge = self._measurement.wheel_path, self.inertial.bridge
        if bridge is None or wheels.last_stamp is not None:
            return Guide(wheels, self._measurement.mounting, self.known)
        return Guide(bridge, self.inertial.imu_from_camera, self.known, 'the IMU', bridges=True)

    @property
    def inertial(self) -> InertialEstimator:
        """The IMU beside the camera."""
        return self._measurement.inertial

    @property
    def imu_fault(self) -> str:
        """In what the IMU contradicts the pictures, and is left out; empty while it does not."""
        return self._imu_gate.fault

    def compare_imu(self, stamp: int, step: CameraStep | None) -> None:
        """Compare the IMU's measurements of a frame with its step; see ``ImuGate.compare``."""
        if self._imu_gate.compare(stamp, step):
            self.inertial.interrupt()

    def doubt_imu(self, consequence: str) -> None:
        """Note that the IMU contradicts the pictures, and what was done without it."""
        self._reason = f'the IMU contradicts the pictures: {consequence}'

    def status(self, stamp: int) -> ScaleStatus:
        """Return the state of the scale at a time in nanoseconds."""
        age = (
            math.inf
            if self._last_reading_stamp is None
            else (stamp - self._last_reading_stamp) * 1e-9
        )
        reason = f'IMU left out: {self.imu_fault}' if self.imu_fault else self._reason
        if not self.known:
            reason = f'scale not known yet: {reason}' if reason else 'scale not known yet'
        return ScaleStatus(
            self.source,
            self.metric,
            self.sigma,
            age,
            reason,
            str(self._measurement.refusals),
            self._position_error.copy(),
        )

    def add_measurements(self, frame: Frame) -> None:
        """Add the measurements of other sensors that came with a frame."""
        self._measurement.wheel_path.add(frame.wheels)
        samples = self._imu_gate.admitted(frame.imu)
        if samples is not None:
            self.inertial.add(samples)

    def begin(self, keyframe: Keyframe) -> bool:
        """Give depth to the first keyframe of a map, if the source measures depth.

        Returns:
            Whether its unit is a metre now.
        """
        self.interrupt()
        self._filter.drift(TUNING.new_start_sigma)
        if self.source not in ('depth', 'stereo'):
            return False
        try:
            measured = self._measurement.cell_depth(keyframe)
            depth = median_depth(measured)
        except NoReading as error:
            self._reason = str(error)
            return False
        self._note_reading(keyframe, depth / keyframe.reference_depth, self.known)
        self._filter.variance = 0.0
        keyframe.reset_depth(depth)
        overwrite_depth(keyframe, measured)
        return True

    def archive_map(self) -> None:
        """Note the variance of the scale of a map that is kept as an old one."""
        self._variance_of_old_maps = max(self._variance_of_old_maps, self._filter.variance)

    def return_to_old_map(self) -> None:
        """Return to an old map; its scale has the largest variance of any of them."""
        self.archive_map()
        self._filter.variance = self._variance_of_old_maps

    def follow(
        self,
        stamp: int,
        pose: np.ndarray,
        position: np.ndarray,
        keyframe: Keyframe,
        relative: np.ndarray,
        is_continuous: bool,
    ) -> None:
        """Add the pose of a frame.

        Args:
            stamp: nanoseconds.
            pose: (4, 4), map from camera.
            position: (3,) of the camera in ``odom``.
            keyframe: that the pose was measured against.
            relative: (6, 6) covariance of the pose, the keyframe taken as exact.
            is_continuous: whether the frame before was in the same unit.
        """
        if self.known:
            self._position_error = self._position_error + self.sigma * (position - self._position)
        self._position = position
        if not is_continuous:
            self.interrupt()
            self.inertial.bridge = None
        elif self.source == 'odometry':
            self._measurement.wheels.follow(stamp, pose, keyframe.reference_depth)
        elif self.source == 'imu':
            self.inertial.follow(stamp, keyframe, pose, relative)

    def interrupt(self) -> None:
        """Interrupt the path: the camera is lost."""
        self._measurement.wheels.interrupt()
        self.inertial.interrupt()

    def lose(self) -> None:
        """Interrupt the path; the IMU bridges the gap for ``imu.bridge`` seconds."""
        self.inertial.lose(self._imu.bridge)
        self.interrupt()

    def measure(
        self, keyframe: Keyframe, before: Keyframe, of_map: Sequence[Keyframe], has_depth: bool
    ) -> float | None:
        """Measure the scale at a new keyframe.

        Args:
            keyframe: the new one.
            before: the one before it, with its depths updated.
            of_map: all keyframes of the map.
            has_depth: whether any depth by motion is known.

        Returns:
            The factor by which all lengths are to be multiplied; None without a reading.
        """
        if self.source == 'none':
            return None
        self._filter.drift()
        try:
            reading = self._measurement.reading(keyframe, before, of_map, has_depth)
        except NotYet as error:
            if not self.known:
                self._reason = str(error)
            return None
        except NoReading as error:
            if isinstance(error, Contradiction):
                self._filter.doubt()
            self._reason = str(error)
            return None
        known = self.known
        factor = self._filter.correct(reading)
        if factor is None:
            off = math.expm1(reading.log_ratio)
            self._reason = f'the last reading is {off:+.0%} off, and left out'
            return None
        if not known:
            # Maps in another unit are forgotten.
            self._variance_of_old_maps = 0.0
        self._note_reading(keyframe, factor, known)
        self._measurement.wheels.rescale(factor)
        self.inertial.rescale(factor, (1 - factor) * keyframe.pose[:3, 3])
        return factor

    def _note_reading(self, keyframe: Keyframe, factor: float, known: bool) -> None:
        self._last_reading_stamp, self._reason = keyframe.frame.stamp, ''
        if not known:
            # The path until here is in another unit, and ``odom`` does not jump to correct it.
            self._position_error = (factor - 1) * self._position

    def finish(self, keyframe: Keyframe) -> None:
        """Fuse the measured depth into the new keyframe, which is rescaled by now."""
        measured = self._measurement.take_cell_depth()
        if measured is not None and self.metric:
            overwrite_depth(keyframe, measured)
            keyframe.update_reference_depth()
