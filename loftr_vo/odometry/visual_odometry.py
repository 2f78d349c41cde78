# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Visual odometry: frames in, estimates out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from loftr_vo.config import Settings
from loftr_vo.geometry.inertial import ImuNoise
from loftr_vo.imaging.frame import Frame
from loftr_vo.loftr.model import LoFTR
from loftr_vo.matching.encoded_image import EncodedImage
from loftr_vo.matching.matcher import Matcher
from loftr_vo.matching.prefetch import Prefetch
from loftr_vo.matching.stage_trace import NoTrace, Trace
from loftr_vo.odometry.estimate import Cloud, Estimate, State
from loftr_vo.odometry.estimate_builder import EstimateBuilder
from loftr_vo.odometry.frame_encoding import FrameEncoding
from loftr_vo.odometry.keyframe_creation import KeyframeCreation
from loftr_vo.odometry.keyframe_manager import KeyframeManager
from loftr_vo.odometry.map.motion import MotionError
from loftr_vo.odometry.odometry_state import OdometryState, PendingKeyframe
from loftr_vo.odometry.pose_update import PoseUpdate
from loftr_vo.odometry.reference_choice import ReferenceChoice
from loftr_vo.odometry.scale.metric_scale import MetricScale
from loftr_vo.odometry.stopwatch import Stopwatch
from loftr_vo.odometry.tracking.keyframe_matching import KeyframeMatching
from loftr_vo.odometry.tracking.reference_search import Reference, ReferenceSearch
from loftr_vo.odometry.tracking_loss import TrackingLoss


class VisualOdometry:
    """Tracks one camera; give it frames in the order of their stamps.

    Inside, poses are in the map, the coordinates of the keyframes. The map coincides with ``odom``
    until the camera is lost and found elsewhere (``tracking.odom_frame``).

    Attributes:
        settings: see ``loftr_vo.config``.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        model: LoFTR | None = None,
        trace: Trace | None = None,
    ) -> None:
        """Load the network.

        Args:
            settings: see ``loftr_vo.config``.
            model: a network to use instead of the one that the settings name.
            trace: records when each stage runs.

        Raises:
            WeightsError: the weights are not available.
            DeviceError: the device is not available.
            SettingError: a setting that the source of scale needs is missing.
        """
        self.settings = settings or Settings()
        self._trace = trace or NoTrace()
        self._matcher = Matcher(self.settings.matcher, model, trace)
        self._scale = MetricScale(
            self.settings.scale, self.settings.geometry, self._matcher, imu=self.settings.imu
        )
        self._prefetch = Prefetch(lambda: self._matcher)
        self._keyframe_matching = KeyframeMatching(lambda: self._matcher)
        self._live = False
        self._trial_milliseconds: Counter[str] = Counter()
        self._state = OdometryState(self.settings)
        self.reset()

    @property
    def live(self) -> bool:
        """Whether frames come from a live camera, which does not wait for the odometry.

        Then a keyframe is refined in steps between frames, and the network's matches between
        keyframes are added when they are ready, so results depend on timing. Otherwise the same
        frames give the same trajectory, bit for bit.
        """
        return self._live

    @live.setter
    def live(self, live: bool) -> None:
        self._live = live
        self._matcher.leave_a_core(live and not self._matcher.sees_every_frame)
        self._use_settings()

    @property
    def device(self) -> str:
        """The device of the network, such as cpu or cuda:0."""
        return str(self._matcher.device)

    def configure(self, settings: Settings) -> None:
        """Apply settings marked ``runtime``; the others need a new odometry."""
        self.finish()
        self.settings = settings
        self._matcher.configure(settings.matcher)
        self._scale.configure(settings.scale, settings.geometry, settings.imu)
        self._state.configure(settings)
        self._use_settings()

    def _use_settings(self) -> None:
        # A source of scale needs the depths of a refined keyframe.
        in_steps = (
            self._live
            and not self._matcher.sees_every_frame
            and self.settings.scale.source == 'none'
        )
        state, scale, geometry = self._state, self._scale, self.settings.geometry
        state.readout_time.measured_rate = lambda stamp, around: scale.inertial.angular_velocity(
            stamp, around
        )
        self._encoding = FrameEncoding(
            state, self._prefetch, lambda: self._matcher, geometry, live=self._live
        )
        self._creation = KeyframeCreation(
            state, scale, self._keyframe_matching, geometry, wait=not self._live
        )
        self._keyframe_manager = KeyframeManager(
            state, scale, self._creation, self.settings, in_steps=in_steps
        )
        search = ReferenceSearch(
            state,
            self._prefetch,
            geometry,
            lambda start, end: scale.inertial.turn_with_sigma(start, end),
        )
        self._reference = ReferenceChoice(state, search, self._keyframe_manager)
        self._pose_update = PoseUpdate(state, scale, geometry)
        self._loss = TrackingLoss(state, scale, self._creation)
        self._estimates = EstimateBuilder(
            state, lambda: self._matcher, scale, self._keyframe_manager
        )

    def mount(self, base_from_camera: np.ndarray) -> None:
        """Set the mounting of the camera, which scale from odometry or height needs.

        Args:
            base_from_camera: (4, 4), maps points of the optical frame to the base (x forward, y
                left, z up). Without it the camera is at the base and looks along its x axis.
        """
        self.finish()
        self._scale.mount(base_from_camera)

    def mount_imu(self, imu_from_camera: np.ndarray, noise: ImuNoise | None = None) -> None:
        """Set where the IMU is beside the camera, which ``scale.source`` imu needs.

        Args:
            imu_from_camera: (4, 4) in metres, maps points of the optical frame to the IMU's.
            noise: of the IMU; None for that of the settings.
        """
        self.finish()
        self._scale.mount_imu(imu_from_camera, noise)

    def synchronize(self) -> None:
        """Wait until all work is done; only needed to measure time."""
        self.finish()
        self._matcher.synchronize()

    def reset(self) -> None:
        """Drop the map; the next frame is the world's new origin."""
        self._prefetch.forget()
        self._keyframe_matching.forget()
        self._scale.reset()
        # The cloud refers to the state, and would keep it in memory.
        self._state.cloud = Cloud.empty()
        self._state = OdometryState(self.settings)
        self._use_settings()

    def stream(self, frames: Iterable[Frame]) -> Iterator[Estimate]:
        """Yield an estimate for each frame.

        Where the frames have a method ``peek``, it is to return the frame after the last one if
        that is there already, else None; see ``track``.
        """
        peek = getattr(frames, 'peek', lambda: None)
        for frame in frames:
            yield self.track(frame, peek())
            # The estimate is published by now.
            self.finish()

    def track(self, frame: Frame, upcoming: Frame | None = None) -> Estimate:
        """Return where the camera was at ``frame``.

        Args:
            frame: the next frame.
            upcoming: the one after it, if it is there already: the network works on it while the
                geometry of this one is computed. The estimates are the same.

        Raises:
            PictureError: the picture is too small to match; nothing else changes.
        """
        self._finish_frame()
        clock = self._start_clock()
        tracked = self._encoding.tracked_cells()
        encoded = self._encoding.encode(frame, upcoming, later=tracked is not None)
        self._encoding.normalise_contrast(frame)
        clock.lap('encode')
        self._scale.add_measurements(frame)
        self._state.measured_turn = self._scale.inertial.turn(self._state.last_stamp, frame.stamp)
        if not self._state.keyframes:
            return self._begin(frame, encoded, clock)
        try:
            reference = self._reference.find(frame, tracked, clock)
            reference = self._reference.return_to_old_map(frame, reference, clock)
            return self._accept(frame, encoded, reference, clock)
        except MotionError as error:
            return self._lose(frame, encoded, str(error), clock)
        except np.linalg.LinAlgError as error:
            return self._lose(frame, encoded, f'solver: {error}', clock)

    def can_track(self, frame: Frame) -> bool:
        """Whether a later frame can be tracked from the last one without the network.

        For a live camera, of which not every frame is given to ``track``: the network takes longer
        than several frames, and is needed only where the camera moved far. What is found out here
        is used if ``track`` gets the frame next.

        Returns:
            True also where the network sees every frame, or has to see the next one in any case.
        """
        self._finish_frame()
        tracked, last = self._encoding.tracked_cells(), self._state.last_stamp
        if (
            tracked is None
            or frame.stamp <= last
            or frame.image.shape != tracked.frame.image.shape
        ):
            return True
        clock = Stopwatch(self._trace)
        self._state.measured_turn = None
        try:
            return self._reference.can_track(frame, tracked, clock)
        except np.linalg.LinAlgError:
            return False
        finally:
            self._trial_milliseconds.update(clock.milliseconds)

    def finish(self) -> None:
        """Do the work after the last estimate: update depths, make and refine a keyframe.

        It takes longer than a pose and changes none that was returned, so it comes after.
        ``track`` does it first if it was not done; the estimates are the same.
        """
        self._finish_frame()
        self.refine()

    def refine(self) -> bool:
        """Do a step of refining the newest keyframe of a live camera.

        ``finish`` does one for each frame. More are for the time until the next frame is there.

        Returns:
            Whether there was a step to do.
        """
        if self._state.refinement is None:
            return False
        clock = Stopwatch(self._trace)
        self._keyframe_manager.refine_further()
        clock.lap('refine')
        self._state.keyframe_milliseconds += clock.total
        return True

    def _finish_frame(self) -> None:
        """Do the part of the work that the next frame needs."""
        self._keyframe_manager.apply_depth_update()
        # Compute the last estimate's cloud now, before the new keyframe changes the map.
        self._state.cloud.made()
        self._creation.join_matches()
        if self._state.pending_keyframe is not None:
            clock = Stopwatch(self._trace)
            self._keyframe_manager.make_pending_keyframe(clock)
            self._state.keyframe_milliseconds += clock.total

    def _start_clock(self) -> Stopwatch:
        """Return a stopwatch with the time spent since the last estimate: map and trials."""
        clock = Stopwatch(self._trace)
        clock.milliseconds.update(self._trial_milliseconds)
        self._trial_milliseconds.clear()
        clock.milliseconds['keyframe'] = self._state.keyframe_milliseconds
        self._state.keyframe_milliseconds = 0.0
        return clock

    def _begin(self, frame: Frame, encoded: EncodedImage, clock: Stopwatch) -> Estimate:
        """Make the very first frame a keyframe of unit depth."""
        self._creation.add_keyframe(frame, encoded, reference_depth=1.0)
        return self._estimates.make(frame, State.INITIALISING, 'first frame', clock.milliseconds)

    def _accept(
        self, frame: Frame, encoded: EncodedImage, reference: Reference, clock: Stopwatch
    ) -> Estimate:
        """Update the state with the motion of the frame."""
        state = self._state
        updated = self._pose_update.apply(frame, encoded, reference)
        becomes_keyframe = self._keyframe_manager.needs_new_keyframe(reference, updated.resting)
        if becomes_keyframe:
            assert state.last_tracked is not None  # this frame
            state.pending_keyframe = PendingKeyframe(state.last_tracked, updated.rotating)
        return self._estimates.make(
            frame,
            State.TRACKING if state.initialised else State.INITIALISING,
            updated.reason,
            clock.milliseconds,
            reference,
            updated.step,
            becomes_keyframe,
        )

    def _lose(
        self, frame: Frame, encoded: EncodedImage, reason: str, clock: Stopwatch
    ) -> Estimate:
        """Continue without a motion of the frame."""
        state_of_tracking, reason, step = self._loss.apply(frame, encoded, reason)
        return self._estimates.make(
            frame, state_of_tracking, reason, clock.milliseconds, step=step
        )
