# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Visual odometry: frames in, estimates out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from loftr_vo.bundle import refine_window
from loftr_vo.config import Settings
from loftr_vo.estimate import Estimate, State
from loftr_vo.frame import Frame
from loftr_vo.geometry import inverse_transform
from loftr_vo.keyframe import Keyframe
from loftr_vo.loftr.model import LoFTR
from loftr_vo.matcher import EncodedPicture, Matcher
from loftr_vo.motion import Motion, MotionError, estimate_motion, pose_covariance
from loftr_vo.picture_quality import complaint, emptiness
from loftr_vo.stillness import RestDetector
from loftr_vo.triangulation import triangulate_by_tracking, triangulate_matches

# Standard deviation of a first pose: it defines the world.
_SURE = 1e-6
# Growth of the standard deviation while lost, in usual depths and radians a second.
_LOST_DRIFT = 0.5
# A pose found again counts as motion up to this many times the last speed.
_PLAUSIBLE_SPEEDUP = 3.0


@dataclass(frozen=True)
class _Tracked:
    """The last frame that was tracked, and how."""

    frame: Frame
    encoded: EncodedPicture
    pose: np.ndarray
    covariance: np.ndarray
    motion: Motion
    keyframe: Keyframe


class VisualOdometry:
    """Follows one camera; give it frames in the order of their stamps."""

    _keyframes: deque[Keyframe]

    def __init__(self, settings: Settings | None = None, model: LoFTR | None = None) -> None:
        """Load the network.

        Args:
            settings: see ``loftr_vo.config``.
            model: a network to use instead of the one that the settings name.

        Raises:
            WeightsError: the weights cannot be had.
            DeviceError: the device cannot.
        """
        self.settings = settings or Settings()
        self._matcher = Matcher(self.settings.matcher, model)
        self.reset()

    def configure(self, settings: Settings) -> None:
        """Take over settings marked ``runtime``; the others need a new odometry."""
        self.settings = settings
        self._matcher.configure(settings.matcher)
        self._keyframes = deque(self._keyframes, maxlen=settings.recovery.keyframes)

    def reset(self) -> None:
        """Forget everything; the next frame is the world's new origin."""
        self._keyframes = deque(maxlen=self.settings.recovery.keyframes)
        self._keyframe_count = 0
        self._tracked: _Tracked | None = None
        self._rest = RestDetector()
        self._initialised = False
        self._pose = np.eye(4)
        self._covariance = np.eye(6) * _SURE**2
        self._speed = 0.0  # units a second
        self._last_stamp = 0
        self._lost_since: int | None = None

    def stream(self, frames: Iterable[Frame]) -> Iterator[Estimate]:
        """Yield an estimate for each frame."""
        for frame in frames:
            yield self.track(frame)

    def track(self, frame: Frame) -> Estimate:
        """Return where the camera was at ``frame``.

        Raises:
            PictureError: the picture is too small to match; nothing else changes.
        """
        clock = _Stopwatch()
        encoded = self._matcher.encode(frame.image)
        clock.lap('encode')
        if not self._keyframes:
            self._add_keyframe(frame, encoded, usual_depth=1.0)
            return self._estimate(frame, State.INITIALISING, 'first frame', clock)
        try:
            keyframe, motion = self._find_motion(frame, encoded, clock)
        except MotionError as error:
            return self._lose(frame, encoded, str(error), clock)
        return self._follow(frame, encoded, keyframe, motion, clock)

    def _find_motion(
        self, frame: Frame, encoded: EncodedPicture, clock: _Stopwatch
    ) -> tuple[Keyframe, Motion]:
        """Motion against the keyframe; failing that, the last frame; when lost, older keyframes.

        Raises:
            MotionError: none of them explains the frame; the reason is the keyframe's.
        """
        try:
            return self._keyframe, self._motion(self._keyframe, frame, encoded, clock)
        except MotionError as error:
            reason = error
        if trouble := complaint(frame.image, self._keyframe.frame.image):
            raise MotionError(trouble)
        for candidate in self._alternatives(clock):
            try:
                return candidate, self._motion(candidate, frame, encoded, clock)
            except MotionError:
                continue
        raise reason

    def _alternatives(self, clock: _Stopwatch) -> Iterator[Keyframe]:
        """Keyframes to try when the present one fails."""
        last = self._tracked
        if self._lost_since is None:
            if last is not None and last.frame is not self._keyframe.frame:
                yield self._hand_over(last, clock)
        else:
            yield from list(self._keyframes)[-2::-1]

    def _motion(
        self, keyframe: Keyframe, frame: Frame, encoded: EncodedPicture, clock: _Stopwatch
    ) -> Motion:
        matches = self._matcher.match(keyframe.encoded, encoded).result()
        clock.lap('match')
        try:
            return estimate_motion(
                keyframe, frame, matches, self.settings.geometry, self._expected_motion(keyframe)
            )
        finally:
            clock.lap('geometry')

    def _expected_motion(self, keyframe: Keyframe) -> np.ndarray:
        """(4, 4) frame from keyframe if the camera had stopped."""
        return inverse_transform(self._pose) @ keyframe.pose

    def _follow(
        self,
        frame: Frame,
        encoded: EncodedPicture,
        keyframe: Keyframe,
        motion: Motion,
        clock: _Stopwatch,
    ) -> Estimate:
        """Take over a motion that explains the frame."""
        if keyframe is not self._keyframe:
            self._return_to(keyframe)
        pose = keyframe.pose @ inverse_transform(motion.frame_from_keyframe)
        pose, resting = self._rest.settle(
            keyframe, motion, pose, self.settings.geometry.stationary_motion
        )
        if self._lost_since is not None:
            self._keep_continuous(frame, pose)
            pose = keyframe.pose @ inverse_transform(motion.frame_from_keyframe)
        self._remember_speed(frame, pose)
        self._pose = pose
        self._covariance = pose_covariance(keyframe, motion)
        self._lost_since = None
        keyframe.age += 0 if resting else 1
        keyframe.best_inliers = max(keyframe.best_inliers, int(motion.inliers.sum()))
        self._initialised = self._initialised or motion.has_depth
        if motion.has_depth and not resting:
            keyframe.learn(motion)
        self._tracked = _Tracked(frame, encoded, self._pose, self._covariance, motion, keyframe)
        became_keyframe = self._gives_way(keyframe, motion, resting)
        if became_keyframe:
            self._pose = self._hand_over(self._tracked, clock).pose
        state = State.TRACKING if self._initialised else State.INITIALISING
        reason = motion.remark or ('resting' if resting else '')
        return self._estimate(frame, state, reason, clock, motion, keyframe, became_keyframe)

    def _gives_way(self, keyframe: Keyframe, motion: Motion, resting: bool) -> bool:
        rules = self.settings.keyframe
        overlap = motion.inliers.sum() / max(keyframe.best_inliers, 1)
        worn = motion.parallax > rules.max_parallax or keyframe.age >= rules.max_age
        return not resting and (worn or overlap < rules.min_overlap)

    def _hand_over(self, tracked: _Tracked, clock: _Stopwatch) -> Keyframe:
        """Make a tracked frame the keyframe and give its cells depth."""
        old, motion = tracked.keyframe, tracked.motion
        new = self._add_keyframe(
            tracked.frame, tracked.encoded, old.usual_depth, tracked.pose, tracked.covariance
        )
        if self._initialised:
            old.keep_learned_depth()
            new.inherit_depth(*motion.seen_depth())
            matches = self._matcher.match(new.encoded, old.encoded).result()
            clock.lap('match')
            triangulate_matches(new, old, matches, self.settings.geometry)
            for older in self._look_back():
                triangulate_by_tracking(new, older, self.settings.geometry)
            old.links.append(motion.link_to(new))
            self._refine_window()
            new.refresh_usual_depth()
            clock.lap('geometry')
        return new

    def _refine_window(self) -> None:
        """Adjust the newest keyframes; the older half of the window holds them in place."""
        window = list(self._keyframes)
        for keyframe in window:
            # Links to keyframes long gone would keep them, and their pictures, in memory.
            keyframe.links = [
                link for link in keyframe.links if any(link.other is kept for kept in window)
            ]
        if self.settings.keyframe.refine_window and len(window) > 2:
            refine_window(window, fixed=max(1, len(window) // 2))

    def _look_back(self) -> list[Keyframe]:
        """Keyframes before the last two, the newest first."""
        if not self.settings.geometry.refine_matches:
            return []
        return list(self._keyframes)[-3::-1]

    def _return_to(self, keyframe: Keyframe) -> None:
        """Make an older keyframe the present one again."""
        self._keyframes.remove(keyframe)
        self._keyframes.append(keyframe)

    def _keep_continuous(self, frame: Frame, found: np.ndarray) -> None:
        """Move the world's origin where going on at ``found`` would be a jump (REP 105).

        What the last speed could have covered in the time lost is motion, not a jump.
        """
        elapsed = (frame.stamp - self._last_stamp) * 1e-9
        usual_depth = self._keyframe.usual_depth
        reach = _PLAUSIBLE_SPEEDUP * self._speed * elapsed + 0.02 * usual_depth
        if np.linalg.norm(found[:3, 3] - self._pose[:3, 3]) > reach:
            correction = self._pose @ inverse_transform(found)
            for keyframe in self._keyframes:
                keyframe.pose = correction @ keyframe.pose

    def _remember_speed(self, frame: Frame, pose: np.ndarray) -> None:
        elapsed = (frame.stamp - self._last_stamp) * 1e-9
        if self._lost_since is None and elapsed > 0:
            self._speed = float(np.linalg.norm(pose[:3, 3] - self._pose[:3, 3])) / elapsed
        self._last_stamp = frame.stamp

    def _lose(
        self, frame: Frame, encoded: EncodedPicture, reason: str, clock: _Stopwatch
    ) -> Estimate:
        """Hold the pose, be less sure of it, and start anew after a while."""
        if not self._initialised:
            if not emptiness(frame.image):
                usual_depth = self._keyframe.usual_depth
                self._keyframes.clear()
                self._add_keyframe(frame, encoded, usual_depth, self._pose, self._covariance)
            return self._estimate(frame, State.INITIALISING, f'starting anew: {reason}', clock)
        if self._lost_since is None:
            self._lost_since = frame.stamp
        lost_for = (frame.stamp - self._lost_since) * 1e-9
        drift = np.full(6, _LOST_DRIFT * max(lost_for, 0.1))
        drift[:3] *= self._keyframe.usual_depth
        covariance = self._covariance + np.diag(drift**2)
        usable = not emptiness(frame.image)
        if usable and lost_for > self.settings.recovery.restart_after:
            usual_depth = self._keyframe.usual_depth
            self._keyframes.clear()
            self._tracked = None
            self._covariance = covariance
            self._add_keyframe(frame, encoded, usual_depth, self._pose, covariance)
            self._initialised, self._lost_since = False, None
            reason = f'starting anew from the last pose, with the last scale: {reason}'
            return self._estimate(frame, State.INITIALISING, reason, clock)
        return self._estimate(frame, State.LOST, reason, clock, covariance=covariance)

    @property
    def _keyframe(self) -> Keyframe:
        return self._keyframes[-1]

    def _add_keyframe(
        self,
        frame: Frame,
        encoded: EncodedPicture,
        usual_depth: float,
        pose: np.ndarray | None = None,
        covariance: np.ndarray | None = None,
    ) -> Keyframe:
        keyframe = Keyframe(
            number=self._keyframe_count,
            frame=frame,
            encoded=encoded,
            pose=self._pose if pose is None else pose,
            covariance=self._covariance if covariance is None else covariance,
            usual_depth=usual_depth,
        )
        self._keyframe_count += 1
        self._keyframes.append(keyframe)
        self._last_stamp = self._last_stamp or frame.stamp
        return keyframe

    def _estimate(
        self,
        frame: Frame,
        state: State,
        reason: str,
        clock: _Stopwatch,
        motion: Motion | None = None,
        keyframe: Keyframe | None = None,
        is_keyframe: bool = False,
        covariance: np.ndarray | None = None,
    ) -> Estimate:
        keyframe = keyframe or self._keyframe
        points, confidence = keyframe.points()
        return Estimate(
            stamp=frame.stamp,
            state=state,
            reason=reason,
            pose=self._pose.copy(),
            covariance=self._covariance if covariance is None else covariance,
            matches=motion.matches if motion else None,
            inliers=motion.inliers if motion else None,
            points=points.astype(np.float32),
            point_confidence=confidence.astype(np.float32),
            parallax=motion.parallax if motion else 0.0,
            keyframe_id=keyframe.number,
            keyframe_pose=keyframe.pose,
            keyframe_image=keyframe.frame.image,
            is_keyframe=is_keyframe or frame is keyframe.frame,
            timings=clock.milliseconds,
        )


class _Stopwatch:
    """Adds up the time of named stages."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Count the time since the last lap to ``stage``."""
        now = time.perf_counter()
        spent = (now - self._since) * 1e3
        self.milliseconds[stage] = self.milliseconds.get(stage, 0.0) + spent
        self._since = now
