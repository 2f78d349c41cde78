# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The scale of the odometry by whichever source is set.

The odometry works in a unit of its own. At each new keyframe the source is asked how many metres
that is, and the world is rescaled about the present pose: `odom` goes on from where it is, and
moves by metres from then on (REP 105).
"""

from __future__ import annotations

import math

import numpy as np

from loftr_vo.config import GeometrySettings, ScaleSettings, SettingError
from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.geometry.plausible import CAMERA_HEIGHT, Refusals
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.matcher import Matcher
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.scale import depth_image, stereo
from loftr_vo.odometry.scale.cell_depth import (
    CellDepth,
    NoReading,
    NotYet,
    compare,
    overwrite_depth,
)
from loftr_vo.odometry.scale.ground_plane import GroundScale
from loftr_vo.odometry.scale.scale_filter import Reading, ScaleFilter
from loftr_vo.odometry.scale.status import ScaleStatus
from loftr_vo.odometry.scale.tuning import TUNING
from loftr_vo.odometry.scale.wheel_odometry import WheelScale


class MetricScale:
    """Keeps the odometry's unit a metre.

    Args:
        settings: the source and what it needs.
        geometry: thresholds of matching.
        matcher: for the right picture.
        base_from_camera: (4, 4), how the camera is mounted; None: at the base, looking forward.

    Raises:
        SettingError: the source needs a setting that is not there.
    """

    def __init__(
        self,
        settings: ScaleSettings,
        geometry: GeometrySettings,
        matcher: Matcher,
        base_from_camera: np.ndarray | None = None,
    ) -> None:
        if settings.source == 'camera_height' and not CAMERA_HEIGHT.holds(settings.camera_height):
            raise SettingError(
                'scale.source camera_height needs scale.camera_height: measure how high the '
                'camera is above the ground, in metres'
            )
        self.source = settings.source
        self._refusals = Refusals()
        self._matcher = matcher
        self._mounting = BODY_FROM_OPTICAL if base_from_camera is None else base_from_camera
        self.configure(settings, geometry)
        self.reset()

    def configure(self, settings: ScaleSettings, geometry: GeometrySettings) -> None:
        """Take over settings that may change at run time."""
        self._settings = settings
        self._geometry = geometry

    def mount(self, base_from_camera: np.ndarray) -> None:
        """Say how the camera is mounted, (4, 4); what is known so far is kept."""
        self._mounting = base_from_camera
        self._make_source()

    def reset(self) -> None:
        """Forget everything."""
        self._running = ScaleFilter()
        self._variance_of_old_maps = 0.0
        self._told: int | None = None
        self._reason = ''
        self._position = np.zeros(3)
        self._position_error = np.zeros(3)
        self._measured: CellDepth | None = None
        self._make_source()

    def _make_source(self) -> None:
        self._wheels = WheelScale(self._mounting, self._refusals)
        # Down in the camera, for a base on level ground.
        self._ground = GroundScale(self._settings.camera_height, -self._mounting[2, :3])

    @property
    def sigma(self) -> float:
        """Relative standard deviation of a length in metres; infinite if that is unknown."""
        return math.sqrt(self._running.variance + TUNING.common_sigma.get(self.source, 0.0) ** 2)

    @property
    def metric(self) -> bool:
        """Whether lengths are metres, as surely as is asked for."""
        return self.sigma <= self._settings.max_sigma

    @property
    def known(self) -> bool:
        """Whether the source has told at all."""
        return math.isfinite(self.sigma)

    def status(self, stamp: int) -> ScaleStatus:
        """Say how the scale stands at a time in nanoseconds."""
        age = math.inf if self._told is None else (stamp - self._told) * 1e-9
        reason = self._reason
        if not self.known:
            reason = f'scale not known yet: {reason}' if reason else 'scale not known yet'
        return ScaleStatus(
            self.source,
            self.metric,
            self.sigma,
            age,
            reason,
            str(self._refusals),
            self._position_error.copy(),
        )

    def listen(self, frame: Frame) -> None:
        """Take what other sensors said, of each frame."""
        self._wheels.add(frame.wheels)

    def begin(self, keyframe: Keyframe) -> bool:
        """Give depth to a keyframe that has none, and that no other belongs to.

        Returns:
            Whether its unit is a metre by that.
        """
        self.interrupt()
        self._running.drift(TUNING.new_start_sigma)
        if self.source not in ('depth', 'stereo'):
            return False
        try:
            measured = self._cell_depth(keyframe)
            usual = _median_depth(measured)
        except NoReading as error:
            self._reason = str(error)
            return False
        self._take_note(keyframe, usual / keyframe.reference_depth, self.known)
        self._running.variance = 0.0
        keyframe.reset_depth(usual)
        overwrite_depth(keyframe, measured)
        return True

    def put_away(self) -> None:
        """Have the map in use kept as an old one: its scale is as sure as it is now."""
        self._variance_of_old_maps = max(self._variance_of_old_maps, self._running.variance)

    def go_back(self) -> None:
        """Have an old map in use again: its scale is no surer than the least sure of them was."""
        self.put_away()
        self._running.variance = self._variance_of_old_maps

    def follow(
        self,
        stamp: int,
        pose: np.ndarray,
        shown: np.ndarray,
        reference_depth: float,
        is_continuous: bool,
    ) -> None:
        """Take the pose of a frame.

        Args:
            stamp: nanoseconds.
            pose: (4, 4), map from camera.
            shown: (3,) the camera in ``odom``.
            reference_depth: of the scene, in the present unit.
            is_continuous: whether lengths from the frame before to this one are in one unit.
        """
        if self.known:
            self._position_error = self._position_error + self.sigma * (shown - self._position)
        self._position = shown
        if not is_continuous:
            self.interrupt()
        elif self.source == 'odometry':
            self._wheels.follow(stamp, pose, reference_depth)

    def interrupt(self) -> None:
        """Have the way torn: the camera is lost."""
        self._wheels.interrupt()

    def measure(self, keyframe: Keyframe, before: Keyframe, has_depth: bool) -> float | None:
        """Ask the source at a new keyframe.

        Args:
            keyframe: the new one.
            before: the one before it, whose cells have learnt their depth.
            has_depth: whether depth by motion is known at all.

        Returns:
            The factor by which all lengths are to be rescaled; None if the source is silent.
        """
        if self.source == 'none':
            return None
        self._running.drift()
        try:
            reading = self._read(keyframe, before, has_depth)
        except NotYet as error:
            if not self.known:
                self._reason = str(error)
            return None
        except NoReading as error:
            self._reason = str(error)
            return None
        known = self.known
        factor = self._running.correct(reading)
        if factor is None:
            off = math.expm1(reading.log_ratio)
            self._reason = f'the last reading is {off:+.0%} off, and left out'
            return None
        if not known:
            # Maps in another unit are forgotten.
            self._variance_of_old_maps = 0.0
        self._take_note(keyframe, factor, known)
        self._wheels.rescale(factor)
        return factor

    def _take_note(self, keyframe: Keyframe, factor: float, known: bool) -> None:
        self._told, self._reason = keyframe.frame.stamp, ''
        if not known:
            # The way until here was told in another unit, and `odom` does not jump to mend it.
            self._position_error = (factor - 1) * self._position

    def finish(self, keyframe: Keyframe) -> None:
        """Give a new keyframe, rescaled by now, the depth that was measured in metres."""
        if self._measured is not None and self.metric:
            overwrite_depth(keyframe, self._measured)
            keyframe.update_reference_depth()
        self._measured = None

    def _read(self, keyframe: Keyframe, before: Keyframe, has_depth: bool) -> Reading:
        if self.source == 'odometry':
            return self._wheels.reading()
        if self.source == 'camera_height':
            if not has_depth:
                raise NoReading('no depth by motion yet')
            return self._ground.reading(before, keyframe)
        self._measured = self._cell_depth(keyframe)
        if has_depth:
            return compare(keyframe, self._measured)
        # Everything is taken to be at the usual depth, and so the unit is what that is.
        usual = _median_depth(self._measured)
        return Reading(math.log(usual / keyframe.reference_depth), TUNING.first_reading_sigma)

    def _cell_depth(self, keyframe: Keyframe) -> CellDepth:
        if self.source == 'depth':
            return depth_image.depth_of_cells(keyframe, self._refusals)
        return stereo.depth_of_cells(keyframe, self._matcher, self._geometry)


def _median_depth(measured: CellDepth) -> float:
    if len(measured) < TUNING.min_cells:
        raise NoReading(f'only {len(measured)} cells have measured depth')
    return float(1 / np.median(measured.inverse_depth))
