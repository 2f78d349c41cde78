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
from loftr_vo.matching.lucas_kanade import LocatedMatches
from loftr_vo.matching.matcher import EncodedImage, Matcher
from loftr_vo.matching.matches import Matches
from loftr_vo.matching.prefetch import Prefetch
from loftr_vo.matching.stage_trace import NoTrace, Trace
from loftr_vo.odometry.estimate import Cloud, Estimate, State
from loftr_vo.odometry.map.bundle_adjustment import refine_window
from loftr_vo.odometry.map.covariance import (
    initial_covariance,
    initial_covariance_with_carried_scale,
    keyframe_covariance,
    pose_covariance,
    relative_covariance,
    with_known_scale,
)
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.keyframe_store import KeyframeStore
from loftr_vo.odometry.map.lucas_kanade_triangulation import triangulate_by_tracking
from loftr_vo.odometry.map.map_alignment import align_maps
from loftr_vo.odometry.map.motion import Motion, MotionError
from loftr_vo.odometry.odometry_state import PendingDepthUpdate, PendingKeyframe, TrackedFrame
from loftr_vo.odometry.pose.frame_pose import estimate_motion, locate_in_frame
from loftr_vo.odometry.rolling_shutter.readout_time import ReadoutTimeEstimator
from loftr_vo.odometry.scale.metric_scale import MetricScale
from loftr_vo.odometry.stopwatch import Stopwatch
from loftr_vo.odometry.tracking.failure_reason import failure_reason
from loftr_vo.odometry.tracking.keyframe_matching import MOST_LINKED, KeyframeMatching
from loftr_vo.odometry.tracking.keyframe_tracks import (
    Seen,
    depth_was_carried,
    enough_followed,
    followable,
    predict_matches,
)
from loftr_vo.odometry.tracking.relocalisation import Relocalisation
from loftr_vo.odometry.tracking.stationary import PureRotationDetector, StationaryDetector
from loftr_vo.odometry.tracking.track_completion import complete_tracks

# While a new map is tracked, the old ones are looked for in one frame out of these.
_OLD_MAP_INTERVAL = 3
# Radians by which the turn of a keyframe must have changed to be looked at; a fiftieth of a pixel.
_MIN_ROTATION_CHANGE = 1e-4
# What makes a place that is seen again sure to be it: inliers in multiples of what a pose needs,
# or as a share of the most that the keyframe had; and their share of the matches. Two rooms that
# are not one have doors alike, too.
_MIN_INLIER_FACTOR, _MIN_INLIERS_OF_BEST, _MIN_INLIER_RATIO = 2, 0.5, 0.5


class VisualOdometry:
    """Follows one camera; give it frames in the order of their stamps.

    Inside, poses are in the map, the system of coordinates of the keyframes. It is the world of
    the estimates until the camera is lost and found elsewhere (``Relocalisation``).

    Attributes:
        settings: see ``loftr_vo.config``.
        live: whether the next frame may not wait for the network's word on a keyframe, which then
            joins when it is there. Else the same frames give the same trajectory, to the bit.
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
        self.live = False
        self._trace = trace or NoTrace()
        self._matcher = Matcher(self.settings.matcher, model, trace)
        self._scale = MetricScale(self.settings.scale, self.settings.geometry, self._matcher)
        self._prefetch = Prefetch(lambda: self._matcher)
        self._keyframe_matching = KeyframeMatching(lambda: self._matcher)
        self.reset()

    @property
    def device(self) -> str:
        """What the network runs on, such as cpu or cuda:0."""
        return str(self._matcher.device)

    def configure(self, settings: Settings) -> None:
        """Take over settings marked ``runtime``; the others need a new odometry."""
        self.finish()
        self.settings = settings
        self._matcher.configure(settings.matcher)
        self._keyframes.configure(settings.recovery)
        self._relocalisation.configure(settings.recovery)
        self._scale.configure(settings.scale, settings.geometry)
        self._shutter.configure(settings.geometry)

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
        self._keyframes = KeyframeStore(self.settings.recovery)
        self._relocalisation = Relocalisation(self.settings.recovery)
        self._scale.reset()
        self._keyframe_count = 0
        self._frame_count = 0
        self._last_stamp = 0
        self._last_tracked: TrackedFrame | None = None
        self._pending_keyframe: PendingKeyframe | None = None
        self._pending_depth_update: PendingDepthUpdate | None = None
        self._refinement: Iterator[bool] | None = None
        self._cloud = Cloud.empty()
        self._time_of_keyframe = 0.0
        self._shutter = ReadoutTimeEstimator(self.settings.geometry)
        self._stationary_detector = StationaryDetector()
        self._pure_rotation_detector = PureRotationDetector()
        self._initialised = False
        self._matched_by = 'network'
        self._overlap: float | None = None
        self._pose = self._published_pose = np.eye(4)
        self._covariance = initial_covariance()

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
        clock = Stopwatch(self._trace)
        clock.milliseconds['keyframe'], self._time_of_keyframe = self._time_of_keyframe, 0.0
        seen = self._seen_cells()
        if seen is None:
            encoded = self._prefetch.encoded(frame)
            self._prefetch_features(frame, upcoming)
        else:
            encoded = self._prefetch.encoded_later(frame)
        if self.settings.geometry.refine_matches:
            # Made while the network is at work.
            _ = frame.normalised
        clock.lap('encode')
        self._scale.listen(frame)
        if not self._keyframes:
            self._add_keyframe(frame, encoded, reference_depth=1.0)
            return self._estimate(frame, State.INITIALISING, 'first frame', clock)
        try:
            keyframe, motion = self._find_motion(frame, encoded, seen, clock)
        except MotionError as error:
            return self._handle_loss(frame, encoded, str(error), clock)
        keyframe, motion = self._prefer_old_map(frame, encoded, keyframe, motion, clock)
        return self._accept(frame, encoded, keyframe, motion, clock)

    def finish(self) -> None:
        """Do what the last frame left to do: learn from it, and make it the keyframe if it is.

        That takes longer than a pose and changes none that was given, so it comes after. ``track``
        does it first where nobody else did; the estimates are the same.
        """
        self._finish_frame()
        if self._refinement is not None:
            clock = Stopwatch(self._trace)
            self._refine_further()
            clock.lap('refine')
            self._time_of_keyframe += sum(clock.milliseconds.values())

    def _finish_frame(self) -> None:
        """Do what the next frame cannot do without."""
        self._apply_depth_update()
        # What is known until now is what the last estimate shows, whenever it is asked.
        self._cloud.made()
        self._keyframe_matching.join(self.settings.geometry, wait=not self.live)
        if self._pending_keyframe is not None:
            successor, self._pending_keyframe = self._pending_keyframe, None
            clock = Stopwatch(self._trace)
            self._make_pending_keyframe(successor, clock)
            self._time_of_keyframe += sum(clock.milliseconds.values())

    def _apply_depth_update(self) -> None:
        """Learn what the last frame taught of the shutter, and of the keyframe's depths."""
        if self._pending_depth_update is not None:
            lesson, self._pending_depth_update = self._pending_depth_update, None
            self._update_readout_time(lesson.frame, lesson.keyframe, lesson.motion)
            if lesson.of_depth:
                lesson.keyframe.update_depth(lesson.motion)

    def _points(
        self, keyframe: Keyframe, odom_from_map: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cells of known depth in odom, (P, 3), and how sure they are, (P,)."""
        self._apply_depth_update()
        points, confidence = keyframe.points()
        return transform_points(odom_from_map, points), confidence

    def _prefetch_features(self, frame: Frame, upcoming: Frame | None) -> None:
        """Have the matcher at work on what is needed now and, if that is known, next."""
        keyframe = self._keyframe.encoded if self._keyframes else None
        self._prefetch.start(frame, keyframe)
        if upcoming is not None:
            # Where the network has a device to itself, a guess that proves wrong costs nothing.
            guess = keyframe if self._matcher.can_speculate else None
            self._prefetch.start(upcoming, guess)

    def _seen_cells(self) -> Seen | None:
        """Cells of the keyframe to be followed from the last frame; None for the network."""
        if self._relocalisation.lost or not self._keyframes:
            return None
        if self._matcher.sees_every_frame or not self.settings.geometry.refine_matches:
            return None
        last, keyframe = self._last_tracked, self._keyframe
        if keyframe.frame.stamp == self._last_stamp:
            carried = not self._initialised or depth_was_carried(keyframe)
            return Seen.in_itself(keyframe) if carried else None
        if last is None or last.keyframe is not keyframe:
            return None
        return Seen.by(last.frame, last.motion)

    def _find_motion(
        self, frame: Frame, encoded: EncodedImage, seen: Seen | None, clock: Stopwatch
    ) -> tuple[Keyframe, Motion]:
        """Motion against the keyframe; failing that, against others.

        Raises:
            MotionError: none of them explains the frame; says why.
        """
        if seen is not None and (motion := self._motion_by_tracks(seen, frame, clock)):
            return self._keyframe, motion
        try:
            return self._keyframe, self._motion(self._keyframe, frame, encoded, clock)
        except MotionError as error:
            reason = failure_reason(error, frame.image, self._keyframe, self._expected_inliers)
        if not empty_image_reason(frame.image):
            for candidate in self._alternatives(frame, clock):
                try:
                    return candidate, self._motion(candidate, frame, encoded, clock)
                except MotionError:
                    continue
        raise MotionError(reason)

    @property
    def _expected_inliers(self) -> int:
        """Of frames that the keyframe explains; while it is new, of the last frame."""
        last = 0 if self._last_tracked is None else int(self._last_tracked.motion.inliers.sum())
        return max(self._keyframe.best_inliers, last)

    def _alternatives(self, frame: Frame, clock: Stopwatch) -> Iterator[Keyframe]:
        """The last frame, since only the keyframe may be too far; when lost, older keyframes."""
        if self._relocalisation.lost:
            yield from self._keyframes.candidates(frame.image)
            return
        last = self._last_tracked
        if last is not None and last.frame is not self._keyframe.frame:
            yield self._make_keyframe(last, clock)
        yield from self._keyframes.old_candidates(frame.image)

    def _motion(
        self, keyframe: Keyframe, frame: Frame, encoded: EncodedImage, clock: Stopwatch
    ) -> Motion:
        geometry = self.settings.geometry
        matches = self._prefetch.matches(keyframe.encoded, frame)
        self._matched_by, self._overlap = 'network', None
        clock.lap('match')
        try:
            located = locate_in_frame(keyframe, frame, matches, geometry)
        finally:
            clock.lap('locate')
        motion = self._motion_from(keyframe, frame, matches, located, clock)
        if self._relocalisation.lost:
            self._reject_uncertain_place(keyframe, motion)
        return motion

    def _motion_by_tracks(self, seen: Seen, frame: Frame, clock: Stopwatch) -> Motion | None:
        """Motion against the keyframe without the network; None where that does not suffice."""
        keyframe, geometry = self._keyframe, self.settings.geometry
        turn, expected = (
            self._shutter.expected_readout_rotation(),
            self._expected_motion(keyframe, frame),
        )
        predicted = predict_matches(keyframe, seen, frame, expected, turn)
        clock.lap('track')
        tried = 0 if predicted is None else len(predicted.matches)
        if predicted is None or not enough_followed(tried, tried):
            return None
        try:
            located = locate_in_frame(keyframe, frame, predicted.matches, geometry)
            clock.lap('locate')
            found = np.flatnonzero(located.tracked)
            if not enough_followed(len(found), tried):
                return None
            matches = predicted.matches.select(found)
            motion = self._motion_from(keyframe, frame, matches, located.select(found), clock)
        except MotionError:
            return None
        inliers = int(motion.inliers.sum())
        if not enough_followed(inliers, tried):
            return None
        self._matched_by, self._overlap = 'tracks', predicted.in_view * inliers / tried
        return motion

    def _motion_from(
        self,
        keyframe: Keyframe,
        frame: Frame,
        matches: Matches,
        located: LocatedMatches,
        clock: Stopwatch,
    ) -> Motion:
        """Motion by matches and where they were located.

        Raises:
            MotionError: they do not agree, or on nothing that a camera does.
        """
        geometry, expected = self.settings.geometry, self._expected_motion(keyframe, frame)
        try:
            readout = self._shutter.read(keyframe, frame, matches.cells, located, expected)
            motion = estimate_motion(keyframe, frame, matches, located, geometry, readout)
        finally:
            clock.lap('geometry')
        self._reject_jump(keyframe, frame, motion)
        return motion

    def _expected_motion(self, keyframe: Keyframe, frame: Frame) -> np.ndarray:
        """(4, 4) frame from keyframe if the camera goes on as it went."""
        seconds = self._seconds_since_last(frame)
        return inverse_transform(self._relocalisation.predict(self._pose, seconds)) @ keyframe.pose

    def _reject_jump(self, keyframe: Keyframe, frame: Frame, motion: Motion) -> None:
        """Have a camera that is elsewhere all at once be lost, to be found by the next frame.

        Raises:
            MotionError: the motion is nothing that a camera does between two frames.
        """
        if not (self._initialised and motion.has_depth):
            return
        there = motion.pose_from(keyframe)
        seconds = self._seconds_since_last(frame)
        if self._relocalisation.is_jump(self._pose, there, seconds, keyframe.reference_depth):
            raise MotionError('jump: the camera is elsewhere all at once')

    def _reject_uncertain_place(self, keyframe: Keyframe, motion: Motion) -> None:
        """Have a place that is seen again be surely it.

        Raises:
            MotionError: it may be another that looks like it.
        """
        count, total = int(motion.inliers.sum()), len(motion.inliers)
        wanted = _MIN_INLIER_FACTOR * self.settings.geometry.min_inliers
        wanted = min(wanted, round(_MIN_INLIERS_OF_BEST * keyframe.best_inliers))
        if count < wanted or count < _MIN_INLIER_RATIO * total:
            raise MotionError(
                f'too few inliers: {count} of {total} matches agree, which is not sure to be the '
                'place it looks like',
                count,
            )

    def _prefer_old_map(
        self,
        frame: Frame,
        encoded: EncodedImage,
        keyframe: Keyframe,
        motion: Motion,
        clock: Stopwatch,
    ) -> tuple[Keyframe, Motion]:
        """Go back to a map that was given up once one of its places is seen again.

        The pose in odom goes on from where the present map has the camera, and the present map is
        put where it belongs beside the old one.
        """
        self._frame_count += 1
        there_already = not any(keyframe is each for each in self._keyframes.of_map)
        if there_already or self._relocalisation.lost or self._frame_count % _OLD_MAP_INTERVAL:
            return keyframe, motion
        for candidate in self._keyframes.old_candidates(frame.image):
            try:
                found = self._motion(candidate, frame, encoded, clock)
                self._reject_uncertain_place(candidate, found)
            except MotionError:
                continue
            if found.has_depth:
                self._pose = motion.pose_from(keyframe)
                if motion.has_depth:
                    align_maps(self._keyframes.of_map, keyframe, motion, candidate, found)
                return candidate, found
        return keyframe, motion

    def _accept(
        self,
        frame: Frame,
        encoded: EncodedImage,
        keyframe: Keyframe,
        motion: Motion,
        clock: Stopwatch,
    ) -> Estimate:
        """Take over a motion that explains the frame."""
        changed_map = keyframe is not self._keyframe and self._switch_to_keyframe(keyframe, frame)
        pose = motion.pose_from(keyframe)
        pose, resting = self._stationary_detector.settle(
            keyframe, motion, pose, self.settings.geometry.stationary_motion
        )
        turning = False
        if changed_map or self._relocalisation.lost:
            self._pure_rotation_detector.move_to(pose)
        elif not resting:
            pose, turning = self._pure_rotation_detector.settle(keyframe, motion, pose)
        is_continuous = motion.has_depth and not (changed_map or self._relocalisation.lost)
        if changed_map or self._relocalisation.lost:
            self._shutter.interrupt()
            self._continue_odom(frame, pose, changed_map)
        self._relocalisation.follow(
            frame.stamp, pose, self._seconds_since_last(frame), keyframe.reference_depth
        )
        shown = self._relocalisation.shown(pose)[:3, 3]
        self._scale.follow(frame.stamp, pose, shown, keyframe.reference_depth, is_continuous)
        self._pose = pose
        relative = relative_covariance(keyframe, motion)
        self._covariance = pose_covariance(keyframe, motion, relative)
        keyframe.age += 0 if resting else 1
        keyframe.best_inliers = max(keyframe.best_inliers, self._inliers_of_all(keyframe, motion))
        self._initialised = self._initialised or motion.has_depth
        self._pending_depth_update = PendingDepthUpdate(
            frame, keyframe, motion, motion.has_depth and not resting
        )
        self._last_tracked = TrackedFrame(
            frame, encoded, self._pose, self._covariance, motion, keyframe, self._matched_by
        )
        becomes_keyframe = self._needs_new_keyframe(keyframe, motion, resting)
        if becomes_keyframe:
            self._pending_keyframe = PendingKeyframe(self._last_tracked, turning)
        state = State.TRACKING if self._initialised else State.INITIALISING
        reason = motion.remark or _motion_reason(resting, turning)
        if changed_map:
            reason = 'a place of the map before is seen again'
        elif self._keyframes.scale_carried and not motion.remark:
            reason = f'{reason or "started anew"}: the scale is carried over, and uncertain'
        return self._estimate(
            frame, state, reason, clock, motion, relative, keyframe, becomes_keyframe
        )

    def _update_readout_time(self, frame: Frame, keyframe: Keyframe, motion: Motion) -> None:
        """Learn how the shutter reads its rows, and see the keyframe accordingly."""
        rotation = motion.pose_from(keyframe)[:3, :3]
        self._shutter.follow(frame, rotation, keyframe, motion.readout)
        turn = self._shutter.readout_rotation_at(keyframe.frame.stamp)
        if (
            turn is not None
            and np.abs(turn - keyframe.readout_rotation).max() > _MIN_ROTATION_CHANGE
        ):
            keyframe.set_readout_rotation(turn)

    def _inliers_of_all(self, keyframe: Keyframe, motion: Motion) -> int:
        """Inliers that there would be had all cells been followed and not a part of them."""
        if self._overlap is None:
            return int(motion.inliers.sum())
        return round(self._overlap * np.count_nonzero(followable(keyframe)))

    def _needs_new_keyframe(self, keyframe: Keyframe, motion: Motion, resting: bool) -> bool:
        rules = self.settings.keyframe
        overlap = self._overlap
        if overlap is None:
            overlap = motion.inliers.sum() / max(keyframe.best_inliers, 1)
        worn = motion.parallax > rules.max_parallax or keyframe.age >= rules.max_age
        return not resting and (worn or overlap < rules.min_overlap)

    def _make_pending_keyframe(self, successor: PendingKeyframe, clock: Stopwatch) -> None:
        """Make the last frame the keyframe, and go on from its pose, now refined."""
        turning = successor.turning
        while self._refinement is not None:
            self._refine_further()
        new = self._make_keyframe(successor.tracked, clock)
        refinement = self._refine(new, successor.tracked, clock, window=not turning)
        if self._refines_in_steps:
            self._refinement = refinement
            return
        for _ in refinement:
            pass
        self._pose = new.pose
        if not turning:
            self._pure_rotation_detector.move_to(self._pose)

    @property
    def _refines_in_steps(self) -> bool:
        """Whether a keyframe is refined in steps between frames, since all at once takes longer.

        A source of scale needs the depths that come of it.
        """
        every_frame = self._matcher.sees_every_frame
        return self.live and not every_frame and self.settings.scale.source == 'none'

    def _refine_further(self) -> None:
        """Do one step of what a new keyframe is refined by, and move along with it."""
        assert self._refinement is not None
        before = self._keyframe.pose
        if next(self._refinement, None) is None:
            self._refinement = None
        if self._keyframe.pose is not before:
            step = self._keyframe.pose @ inverse_transform(before)
            self._pose = step @ self._pose
            self._stationary_detector.move(step)
            self._pure_rotation_detector.move_to(self._pose)

    def _make_keyframe(self, tracked: TrackedFrame, clock: Stopwatch) -> Keyframe:
        """Make a tracked frame the keyframe, refined at once."""
        new = self._make_keyframe(tracked, clock)
        for _ in self._refine(new, tracked, clock):
            pass
        return new

    def _make_keyframe(self, tracked: TrackedFrame, clock: Stopwatch) -> Keyframe:
        """Make a tracked frame the keyframe and give its cells depth."""
        old, motion = tracked.keyframe, tracked.motion
        by_tracks = tracked.matched_by == 'tracks'
        if by_tracks and self._initialised:
            motion = complete_tracks(old, tracked.frame, motion, self.settings.geometry)
        new = self._add_keyframe(
            tracked.frame,
            tracked.encoded,
            old.reference_depth,
            tracked.pose,
            keyframe_covariance(tracked.covariance, old, motion)
            if self._initialised
            else tracked.covariance,
            motion.readout.readout_rotation,
        )
        if self._initialised:
            old.store_filtered_depth()
            agreed = old.agreement_count[motion.matches.cells[motion.seen]]
            new.propagate_depth(*motion.seen_depth(), agreed)
            link = motion.link_to(new)
            old.links.append(link.thinned(MOST_LINKED) if by_tracks else link)
            if by_tracks:
                self._keyframe_matching.start(old, new)
                self._keyframe_matching.join(self.settings.geometry, wait=not self.live)
            clock.lap('geometry')
        return new

    def _refine(
        self, new: Keyframe, tracked: TrackedFrame, clock: Stopwatch, *, window: bool = True
    ) -> Iterator[bool]:
        """Make a new keyframe as exact as it gets; a step each time.

        The window is not refined where nothing is to be had from it: without parallax all that
        moves is what should not.
        """
        if self._initialised:
            most = MOST_LINKED if tracked.matched_by == 'tracks' else None
            for older in self._older_keyframes():
                triangulate_by_tracking(new, older, self.settings.geometry, most)
                yield True
            clock.lap('geometry')
        self._measure_scale(new, tracked.keyframe)
        clock.lap('scale')
        if self._initialised:
            if window:
                self._refine_window()
            new.update_reference_depth()
            clock.lap('geometry')

    def _measure_scale(self, new: Keyframe, old: Keyframe) -> None:
        """Make the unit a metre, seen from the new keyframe, whose pose stays (REP 105)."""
        first = not self._scale.known
        factor = self._scale.measure(new, old, self._initialised)
        if factor is not None:
            shift = (1 - factor) * new.pose[:3, 3]
            for keyframe in self._keyframes.of_map:
                keyframe.move(np.eye(3), shift, factor)
                keyframe.covariance = with_known_scale(keyframe.covariance)
            self._relocalisation.rescale(factor, shift)
            if first:
                # Their unit is another one, and nobody will tell which.
                self._keyframes.forget_old_maps()
            self._keyframes.scale_is_known()
        self._scale.finish(new)

    def _refine_window(self) -> None:
        """Adjust the newest keyframes; the older half of the window holds them in place."""
        window = self._keyframes.window
        if self.settings.keyframe.refine_window and len(window) > 2:
            refine_window(window, fixed=max(1, len(window) // 2))

    def _older_keyframes(self) -> list[Keyframe]:
        """Keyframes before the last, the newest first."""
        if not self.settings.geometry.refine_matches:
            return []
        return self._keyframes.window[-2::-1]

    def _switch_to_keyframe(self, keyframe: Keyframe, frame: Frame) -> bool:
        """Make an older keyframe the present one again; return whether the map changes with it."""
        self._refinement = None
        changed_map = self._keyframes.go_back_to(keyframe, frame.stamp)
        self._initialised = self._initialised or changed_map
        return changed_map

    def _continue_odom(self, frame: Frame, found: np.ndarray, changed_map: bool) -> None:
        """Have the pose in odom go on from where it stands, now that the camera is found."""
        self._relocalisation.find(
            frame.stamp,
            self._pose,
            found,
            self._shown_covariance(frame),
            self._keyframe.reference_depth,
            changed_map,
        )

    def _handle_loss(
        self, frame: Frame, encoded: EncodedImage, reason: str, clock: Stopwatch
    ) -> Estimate:
        """Carry the pose on without a motion, and start anew after a while."""
        self._scale.interrupt()
        self._shutter.interrupt()
        usable = not empty_image_reason(frame.image)
        if not self._initialised:
            if usable:
                self._start_map(frame, encoded)
            return self._estimate(frame, State.INITIALISING, f'starting anew: {reason}', clock)
        seconds = self._seconds_since_last(frame)
        # What was given is held, and not what a keyframe made of it afterwards.
        self._pose = self._relocalisation.lose(frame.stamp, self._published_pose, seconds)
        if not (usable and self._relocalisation.is_over(frame.stamp)):
            return self._estimate(frame, State.LOST, reason, clock)
        self._relocalisation.start_anew(self._shown_covariance(frame))
        self._covariance = initial_covariance_with_carried_scale()
        self._start_map(frame, encoded)
        reason = f'starting anew from the last pose, with the last scale: {reason}'
        return self._estimate(frame, State.INITIALISING, reason, clock)

    def _start_map(self, frame: Frame, encoded: EncodedImage) -> None:
        """Begin a map with this frame, at the last pose and with the last usual depth."""
        reference_depth = self._keyframe.reference_depth
        self._refinement = None
        self._keyframe_matching.forget()
        self._keyframes.start_anew(frame.stamp, keep=self._initialised)
        self._last_tracked, self._initialised = None, False
        self._add_keyframe(frame, encoded, reference_depth)

    @property
    def _keyframe(self) -> Keyframe:
        return self._keyframes.newest

    def _seconds_since_last(self, frame: Frame) -> float:
        return (frame.stamp - self._last_stamp) * 1e-9

    def _shown_covariance(self, frame: Frame) -> np.ndarray:
        """(6, 6), of the pose in odom."""
        return self._relocalisation.covariance(
            frame.stamp, self._pose, self._covariance[:6, :6], self._keyframe.reference_depth
        )

    def _add_keyframe(
        self,
        frame: Frame,
        encoded: EncodedImage,
        reference_depth: float,
        pose: np.ndarray | None = None,
        covariance: np.ndarray | None = None,
        turn: np.ndarray | None = None,
    ) -> Keyframe:
        keyframe = Keyframe(
            number=self._keyframe_count,
            frame=frame,
            encoded=encoded,
            pose=self._pose if pose is None else pose,
            covariance=self._covariance if covariance is None else covariance,
            reference_depth=reference_depth,
            refined=self.settings.geometry.refine_matches,
            readout_rotation=self._shutter.expected_readout_rotation() if turn is None else turn,
            angular_velocity=self._shutter.angular_velocity(),
        )
        self._keyframe_count += 1
        self._keyframes.add(keyframe)
        if len(self._keyframes) == 1 and self._scale.begin(keyframe):
            keyframe.covariance = with_known_scale(keyframe.covariance)
            self._keyframes.scale_is_known()
        return keyframe

    def _estimate(
        self,
        frame: Frame,
        state: State,
        reason: str,
        clock: Stopwatch,
        motion: Motion | None = None,
        relative: np.ndarray | None = None,
        keyframe: Keyframe | None = None,
        is_keyframe: bool = False,
    ) -> Estimate:
        """Say how it stands; ``relative`` is the (6, 6) covariance of ``motion``, in the map."""
        self._last_stamp, self._published_pose = frame.stamp, self._pose
        keyframe = keyframe or self._keyframe
        odom_from_map = self._relocalisation.odom_from_map
        scale = self._scale.status(frame.stamp)
        covariance = self._shown_covariance(frame)
        covariance[:3, :3] += np.outer(scale.position_error, scale.position_error)
        self._cloud = Cloud(lambda: self._points(keyframe, odom_from_map))
        return Estimate(
            stamp=frame.stamp,
            state=state,
            reason=reason,
            pose=odom_from_map @ self._pose,
            covariance=covariance,
            relative_covariance=(
                None if relative is None else rotate_covariance(relative, odom_from_map[:3, :3])
            ),
            scale_deviation=(
                scale.sigma if self._scale.known else float(np.sqrt(keyframe.covariance[6, 6]))
            ),
            matches=motion.matches if motion else None,
            inliers=motion.inliers if motion else None,
            cloud=self._cloud,
            parallax=motion.parallax if motion else 0.0,
            matched_by=self._matched_by,
            network_frames=self._matcher.encoded,
            keyframe_id=keyframe.number,
            keyframe_pose=odom_from_map @ keyframe.pose,
            keyframe_image=keyframe.frame.image,
            is_keyframe=is_keyframe or frame is keyframe.frame,
            restarts=self._relocalisation.restarts,
            scale_carried=self._keyframes.scale_carried,
            silent=state is State.LOST and self._relocalisation.silent,
            readout_time=self._shutter.seconds if self._shutter.known else np.nan,
            scale=scale,
            timings=clock.milliseconds,
        )


def _motion_reason(resting: bool, turning: bool) -> str:
    if resting:
        return 'resting'
    return 'turning on the spot' if turning else ''
