# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Visual odometry: frames in, estimates out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from loftr_vo.config import Settings
from loftr_vo.geometry.rigid_motion import inverse_transform, transform_points
from loftr_vo.geometry.rotation import rotate_covariance
from loftr_vo.imaging.frame import Frame
from loftr_vo.imaging.image_quality import empty_image_reason
from loftr_vo.loftr.model import LoFTR
from loftr_vo.matching.matcher import EncodedImage, Matcher
from loftr_vo.matching.prefetch import Prefetch
from loftr_vo.matching.stage_trace import NoTrace, Trace
from loftr_vo.odometry.estimate import Cloud, Estimate, State
from loftr_vo.odometry.keyframe_manager import KeyframeManager
from loftr_vo.odometry.map.covariance import (
    initial_covariance_with_carried_scale,
    pose_covariance,
    relative_covariance,
)
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.map_alignment import align_maps
from loftr_vo.odometry.map.motion import Motion, MotionError
from loftr_vo.odometry.odometry_state import (
    OdometryState,
    PendingDepthUpdate,
    PendingKeyframe,
    TrackedFrame,
)
from loftr_vo.odometry.scale.metric_scale import MetricScale
from loftr_vo.odometry.stopwatch import Stopwatch
from loftr_vo.odometry.tracking.camera_step import CameraStep, Placement, step_between
from loftr_vo.odometry.tracking.failure_reason import failure_reason
from loftr_vo.odometry.tracking.keyframe_matching import KeyframeMatching
from loftr_vo.odometry.tracking.keyframe_tracks import TrackedCells, depth_was_carried
from loftr_vo.odometry.tracking.reference_search import Reference, ReferenceSearch


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
            trace: notes when each stage runs.

        Raises:
            WeightsError: the weights cannot be had.
            DeviceError: the device cannot.
            SettingError: the source of scale lacks a setting.
        """
        self.settings = settings or Settings()
        self._trace = trace or NoTrace()
        self._matcher = Matcher(self.settings.matcher, model, trace)
        self._scale = MetricScale(self.settings.scale, self.settings.geometry, self._matcher)
        self._prefetch = Prefetch(lambda: self._matcher)
        self._keyframe_matching = KeyframeMatching(lambda: self._matcher)
        self._live = False
        self.reset()

    @property
    def live(self) -> bool:
        """Whether frames come from a camera that does not wait.

        Then a keyframe is refined between frames, and the network's matches between keyframes
        join when they are there. Otherwise the same frames give the same trajectory to the bit.
        """
        return self._live

    @live.setter
    def live(self, live: bool) -> None:
        self._live = live
        self._use_settings()

    @property
    def device(self) -> str:
        """What the network runs on, such as cpu or cuda:0."""
        return str(self._matcher.device)

    def configure(self, settings: Settings) -> None:
        """Take over settings marked ``runtime``; the others need a new odometry."""
        self.finish()
        self.settings = settings
        self._matcher.configure(settings.matcher)
        self._scale.configure(settings.scale, settings.geometry)
        self._state.configure(settings)
        self._use_settings()

    def _use_settings(self) -> None:
        self._search = ReferenceSearch(self._state, self._prefetch, self.settings.geometry)
        # A source of scale needs the depths that come of a refined keyframe.
        in_steps = (
            self._live
            and not self._matcher.sees_every_frame
            and self.settings.scale.source == 'none'
        )
        self._keyframe_manager = KeyframeManager(
            self._state,
            self._scale,
            self._keyframe_matching,
            self.settings,
            in_steps=in_steps,
            wait=not self._live,
        )

    def mount(self, base_from_camera: np.ndarray) -> None:
        """Say how the camera sits on the robot; scale from odometry or height needs it.

        Args:
            base_from_camera: (4, 4), maps points of the optical frame to the base (x forward, y
                left, z up). Without it the camera is at the base and looks along its x axis.
        """
        self.finish()
        self._scale.mount(base_from_camera)

    def settle(self) -> None:
        """Wait until all that was started is done; only who measures time needs to."""
        self.finish()
        self._matcher.settle()

    def reset(self) -> None:
        """Forget everything; the next frame is the world's new origin."""
        self._prefetch.forget()
        self._keyframe_matching.forget()
        self._scale.reset()
        self._state = OdometryState(self.settings)
        self._cloud = Cloud.empty()
        self._keyframe_milliseconds = 0.0
        self._use_settings()

    def stream(self, frames: Iterable[Frame]) -> Iterator[Estimate]:
        """Yield an estimate for each frame.

        Where the frames have a method ``peek``, it is to return the frame after the last one if
        that is there already, else None; see ``track``.
        """
        peek = getattr(frames, 'peek', lambda: None)
        for frame in frames:
            yield self.track(frame, peek())
            # Whoever has the estimate has published it by now.
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
        tracked = self._tracked_cells()
        encoded = self._encode(frame, upcoming, later=tracked is not None)
        self._normalise_contrast(frame)
        clock.lap('encode')
        self._scale.listen(frame)
        if not self._state.keyframes:
            return self._begin(frame, encoded, clock)
        try:
            reference = self._find_reference(frame, tracked, clock)
            reference = self._return_to_old_map(frame, reference, clock)
            return self._accept(frame, encoded, reference, clock)
        except MotionError as error:
            return self._handle_loss(frame, encoded, str(error), clock)
        except np.linalg.LinAlgError as error:
            return self._handle_loss(frame, encoded, f'solver: {error}', clock)

    def finish(self) -> None:
        """Do what the last frame left to do: update depths, and make it the keyframe if it is.

        That takes longer than a pose and changes none that was given, so it comes after. ``track``
        does it first where nobody else did; the estimates are the same.
        """
        self._finish_frame()
        if self._state.refinement is not None:
            clock = Stopwatch(self._trace)
            self._keyframe_manager.refine_further()
            clock.lap('refine')
            self._keyframe_milliseconds += sum(clock.milliseconds.values())

    def _finish_frame(self) -> None:
        """Do what the next frame cannot do without."""
        self._keyframe_manager.apply_depth_update()
        # The cloud of the last estimate is as of now, whenever it is asked for.
        self._cloud.made()
        self._keyframe_manager.join_matches()
        if self._state.pending_keyframe is not None:
            clock = Stopwatch(self._trace)
            self._keyframe_manager.make_pending_keyframe(clock)
            self._keyframe_milliseconds += sum(clock.milliseconds.values())

    def _start_clock(self) -> Stopwatch:
        """A stopwatch that has the time of the last frame's keyframe on it."""
        clock = Stopwatch(self._trace)
        clock.milliseconds['keyframe'], self._keyframe_milliseconds = (
            self._keyframe_milliseconds,
            0.0,
        )
        return clock

    def _tracked_cells(self) -> TrackedCells | None:
        """Cells of the keyframe to be tracked from the last frame; None for the network."""
        state = self._state
        if state.relocalisation.lost or not state.keyframes:
            return None
        if self._matcher.sees_every_frame or not self.settings.geometry.refine_matches:
            return None
        last, keyframe = state.last_tracked, state.keyframe
        if keyframe.frame.stamp == state.last_stamp:
            carried = not state.initialised or depth_was_carried(keyframe)
            return TrackedCells.in_itself(keyframe) if carried else None
        if last is None or last.keyframe is not keyframe:
            return None
        return TrackedCells.by(last.frame, last.motion)

    def _encode(self, frame: Frame, upcoming: Frame | None, *, later: bool) -> EncodedImage:
        """Start the network on what is needed now and, if that is known, next.

        Args:
            frame: the frame.
            upcoming: the one after it, if it is there already.
            later: whether tracks may do without the network: it starts when it is needed.

        Raises:
            PictureError: the picture is too small to match.
        """
        if later:
            return self._prefetch.encoded_later(frame)
        encoded = self._prefetch.encoded(frame)
        keyframe = self._state.keyframe.encoded if self._state.keyframes else None
        self._prefetch.start(frame, keyframe)
        if upcoming is not None:
            # Where the network has a device to itself, a guess that proves wrong costs nothing.
            guess = keyframe if self._matcher.can_speculate else None
            self._prefetch.start(upcoming, guess)
        return encoded

    def _normalise_contrast(self, frame: Frame) -> None:
        """Have the picture ready for Lucas-Kanade, while the network is at work."""
        if self.settings.geometry.refine_matches:
            _ = frame.normalised

    def _begin(self, frame: Frame, encoded: EncodedImage, clock: Stopwatch) -> Estimate:
        """Make the very first frame a keyframe, of unit depth."""
        self._keyframe_manager.add_keyframe(frame, encoded, reference_depth=1.0)
        return self._estimate(frame, State.INITIALISING, 'first frame', clock)

    def _find_reference(
        self, frame: Frame, tracked: TrackedCells | None, clock: Stopwatch
    ) -> Reference:
        """Motion against the keyframe, by tracks or the network; failing that, against others.

        Raises:
            MotionError: none of them explains the frame; says why.
        """
        state = self._state
        if tracked is not None and (found := self._search.match_by_tracks(tracked, frame, clock)):
            return found
        state.matched_by = 'network'
        try:
            return self._search.match(state.keyframe, frame, clock)
        except MotionError as error:
            reason = failure_reason(error, frame.image, state.keyframe, state.expected_inliers())
        if empty_image_reason(frame.image):
            raise MotionError(reason)
        if state.relocalisation.lost:
            candidates = state.keyframes.candidates(frame.image)
        else:
            if promoted := self._promote_last_frame(clock):
                try:
                    return self._search.match(promoted, frame, clock)
                except MotionError:
                    pass
            candidates = state.keyframes.old_candidates(frame.image)
        found = self._search.first_match(candidates, frame, clock)
        if found is None:
            raise MotionError(reason)
        return found

    def _promote_last_frame(self, clock: Stopwatch) -> Keyframe | None:
        """Make the last frame the keyframe: the present one may only be too far away."""
        last = self._state.last_tracked
        if last is None or last.frame is self._state.keyframe.frame:
            return None
        return self._keyframe_manager.promote(last, clock)

    def _return_to_old_map(
        self, frame: Frame, reference: Reference, clock: Stopwatch
    ) -> Reference:
        """Go back to a map that was given up, once one of its places is seen again.

        The pose in ``odom`` goes on from where the present map has the camera, and the present map
        is aligned with the old one.
        """
        state = self._state
        state.frame_count += 1
        found = self._search.old_map(frame, reference.keyframe, clock)
        if found is None:
            return reference
        keyframe, motion = reference.keyframe, reference.motion
        state.pose = motion.pose_from(keyframe)
        if motion.has_depth:
            of_map = state.keyframes.of_map
            align_maps(of_map, keyframe, motion, found.keyframe, found.motion)
        return found

    def _accept(
        self, frame: Frame, encoded: EncodedImage, reference: Reference, clock: Stopwatch
    ) -> Estimate:
        """Take over a motion that explains the frame."""
        state, keyframe, motion = self._state, reference.keyframe, reference.motion
        changed_map = keyframe is not state.keyframe and self._switch_to(keyframe, frame)
        interrupted = changed_map or state.relocalisation.lost
        pose, resting, turning = self._settle_pose(reference, interrupted)
        if interrupted:
            state.readout_time.interrupt()
            self._continue_odom(frame, pose, changed_map)
        self._update_motion_model(frame, pose, reference, interrupted)
        relative = relative_covariance(keyframe, motion)
        step = self._step(frame, reference, relative)
        state.covariance = pose_covariance(keyframe, motion, relative)
        keyframe.age += 0 if resting else 1
        keyframe.best_inliers = max(keyframe.best_inliers, reference.inliers_of_all())
        state.initialised = state.initialised or motion.has_depth
        state.pending_depth_update = PendingDepthUpdate(
            frame, keyframe, motion, motion.has_depth and not resting
        )
        state.matched_by = reference.matched_by
        state.last_tracked = TrackedFrame(
            frame, encoded, state.pose, state.covariance, motion, keyframe, state.matched_by
        )
        becomes_keyframe = self._keyframe_manager.needs_new_keyframe(reference, resting)
        if becomes_keyframe:
            state.pending_keyframe = PendingKeyframe(state.last_tracked, turning)
        return self._estimate(
            frame,
            State.TRACKING if state.initialised else State.INITIALISING,
            self._tracking_reason(motion, resting, turning, changed_map),
            clock,
            motion,
            step,
            keyframe,
            becomes_keyframe,
        )

    def _step(self, frame: Frame, reference: Reference, relative: np.ndarray) -> CameraStep | None:
        """Return how the camera moved since the frame before, if one keyframe has both.

        Args:
            frame: at ``state.pose`` now.
            reference: what it was tracked against.
            relative: (6, 6), their ``relative_covariance``.
        """
        state, keyframe = self._state, reference.keyframe
        before, state.placement = (
            state.placement,
            Placement(
                frame.stamp,
                keyframe.number,
                inverse_transform(keyframe.pose) @ state.pose,
                rotate_covariance(relative, keyframe.pose[:3, :3].T),
                reference.motion.has_depth,
            ),
        )
        return step_between(before, state.placement, self._scale_deviation(keyframe))

    def _scale_deviation(self, keyframe: Keyframe) -> float:
        """Relative standard deviation of the unit of length."""
        if self._scale.known:
            return self._scale.sigma
        return float(np.sqrt(keyframe.covariance[6, 6]))

    def _settle_pose(
        self, reference: Reference, interrupted: bool
    ) -> tuple[np.ndarray, bool, bool]:
        """Hold the pose of a camera that rests, and the position of one that only rotates.

        Returns:
            The pose (4, 4), map from camera; whether it rests; whether it only rotates.
        """
        state, keyframe, motion = self._state, reference.keyframe, reference.motion
        pose, resting = state.stationary.settle(
            keyframe,
            motion,
            motion.pose_from(keyframe),
            self.settings.geometry.stationary_motion,
        )
        turning = False
        if interrupted:
            state.pure_rotation.move_to(pose)
        elif not resting:
            pose, turning = state.pure_rotation.settle(keyframe, motion, pose)
        return pose, resting, turning

    def _update_motion_model(
        self, frame: Frame, pose: np.ndarray, reference: Reference, interrupted: bool
    ) -> None:
        """Take the pose (4, 4) over into the state, the motion model and the source of scale."""
        state, depth = self._state, reference.keyframe.reference_depth
        seconds = state.seconds_since_last(frame)
        state.relocalisation.follow(frame.stamp, pose, seconds, depth)
        position = state.relocalisation.shown(pose)[:3, 3]
        is_continuous = reference.motion.has_depth and not interrupted
        self._scale.follow(frame.stamp, pose, position, depth, is_continuous)
        state.pose = pose

    def _tracking_reason(
        self, motion: Motion, resting: bool, turning: bool, changed_map: bool
    ) -> str:
        if changed_map:
            return 'a place of the map before is seen again'
        if motion.remark:
            return motion.remark
        reason = 'resting' if resting else 'turning on the spot' if turning else ''
        if self._state.keyframes.scale_carried:
            return f'{reason or "started anew"}: the scale is carried over, and uncertain'
        return reason

    def _switch_to(self, keyframe: Keyframe, frame: Frame) -> bool:
        """Make an older keyframe the present one again; return whether the map changes with it."""
        self._state.refinement = None
        changed_map = self._state.keyframes.go_back_to(keyframe, frame.stamp)
        if changed_map:
            self._scale.go_back()
        self._state.initialised = self._state.initialised or changed_map
        return changed_map

    def _continue_odom(self, frame: Frame, found: np.ndarray, changed_map: bool) -> None:
        """Have the pose in ``odom`` go on from where it stands, now that the camera is found."""
        self._state.relocalisation.find(
            frame.stamp,
            self._state.pose,
            found,
            self._state.odom_covariance(frame.stamp),
            self._state.keyframe.reference_depth,
            changed_map,
        )

    def _handle_loss(
        self, frame: Frame, encoded: EncodedImage, reason: str, clock: Stopwatch
    ) -> Estimate:
        """Carry the pose on without a motion, and start anew after a while."""
        state = self._state
        self._scale.interrupt()
        state.readout_time.interrupt()
        state.placement = None
        usable = not empty_image_reason(frame.image)
        if not state.initialised:
            if usable:
                self._keyframe_manager.start_map(frame, encoded)
            return self._estimate(frame, State.INITIALISING, f'starting anew: {reason}', clock)
        # The published pose is held, not the one that bundle adjustment refined since.
        state.pose = state.relocalisation.lose(
            frame.stamp, state.published_pose, state.seconds_since_last(frame)
        )
        if not (usable and state.relocalisation.is_over(frame.stamp)):
            return self._estimate(frame, State.LOST, reason, clock)
        state.relocalisation.start_anew(state.odom_covariance(frame.stamp))
        state.covariance = initial_covariance_with_carried_scale()
        self._keyframe_manager.start_map(frame, encoded)
        reason = f'starting anew from the last pose, with the last scale: {reason}'
        return self._estimate(frame, State.INITIALISING, reason, clock)

    def _points(
        self, keyframe: Keyframe, odom_from_map: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cells of known depth in ``odom``, (P, 3), and their confidence, (P,)."""
        self._keyframe_manager.apply_depth_update()
        points, confidence = keyframe.points()
        return transform_points(odom_from_map, points), confidence

    def _estimate(
        self,
        frame: Frame,
        state_of_tracking: State,
        reason: str,
        clock: Stopwatch,
        motion: Motion | None = None,
        step: CameraStep | None = None,
        keyframe: Keyframe | None = None,
        is_keyframe: bool = False,
    ) -> Estimate:
        """Return what is published of a frame."""
        state = self._state
        reason, state.solver_warning = '; '.join(filter(None, (reason, state.solver_warning))), ''
        state.last_stamp, state.published_pose = frame.stamp, state.pose
        keyframe = keyframe or state.keyframe
        odom_from_map = state.relocalisation.odom_from_map
        scale = self._scale.status(frame.stamp)
        covariance = state.odom_covariance(frame.stamp)
        covariance[:3, :3] += np.outer(scale.position_error, scale.position_error)
        self._cloud = Cloud(lambda: self._points(keyframe, odom_from_map))
        return Estimate(
            stamp=frame.stamp,
            state=state_of_tracking,
            reason=reason,
            pose=odom_from_map @ state.pose,
            covariance=covariance,
            step=step,
            matches=motion.matches if motion else None,
            inliers=motion.inliers if motion else None,
            cloud=self._cloud,
            parallax=motion.parallax if motion else 0.0,
            matched_by=state.matched_by,
            network_frames=self._matcher.encoded,
            keyframe_id=keyframe.number,
            keyframe_pose=odom_from_map @ keyframe.pose,
            keyframe_image=keyframe.frame.image,
            is_keyframe=is_keyframe or frame is keyframe.frame,
            restarts=state.relocalisation.restarts,
            scale_carried=state.keyframes.scale_carried,
            silent=state_of_tracking is State.LOST and state.relocalisation.silent,
            readout_time=state.readout_time.seconds if state.readout_time.known else np.nan,
            scale=scale,
            timings=clock.milliseconds,
        )
