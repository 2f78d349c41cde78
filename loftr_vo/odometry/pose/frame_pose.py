# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The motion of a frame relative to its keyframe, from matches and known depths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from loftr_vo.config import GeometrySettings
from loftr_vo.geometry.epipolar import (
    parallax,
)
from loftr_vo.geometry.rigid_motion import split, transform
from loftr_vo.geometry.robust_cost import upper_median
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.lucas_kanade import LocatedMatches
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.map.keyframe import Keyframe, is_known, locate_matches
from loftr_vo.odometry.map.motion import Motion, MotionError
from loftr_vo.odometry.pose.depth_refinement import measured_variance
from loftr_vo.odometry.pose.initialisation import (
    estimate_without_depth,
    triangulate_first_depths,
    why_no_depth,
)
from loftr_vo.odometry.pose.known_depth_motion import motion_from_known_depth
from loftr_vo.odometry.pose.measured_turn import MeasuredTurn
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.pose.pose_by_depth import pose_by_depth
from loftr_vo.odometry.pose.pose_refinement import (
    RefinedPose,
    complete_depths,
    inlier_mask,
)
from loftr_vo.odometry.pose.static_scene import (
    prefer_static_scene,
)
from loftr_vo.odometry.pose.tuning import TUNING
from loftr_vo.odometry.pose.two_view import TwoView, essential_motion
from loftr_vo.odometry.pose.two_view_starts import best_two_view
from loftr_vo.odometry.rolling_shutter.model import ReadoutEstimate


def locate_in_frame(
    keyframe: Keyframe, frame: Frame, matches: Matches, settings: GeometrySettings
) -> LocatedMatches:
    """Find the matches of a keyframe with a frame to sub-pixel.

    Args:
        keyframe: the first picture.
        frame: the second.
        matches: keypoints0 in the keyframe.
        settings: whether to refine, and how many matches there must be.

    Raises:
        MotionError: too few matches, or pictures of different size.
    """
    if frame.image.shape != keyframe.frame.image.shape:
        sizes = [
            f'{image.shape[1]}x{image.shape[0]}' for image in (frame.image, keyframe.frame.image)
        ]
        raise MotionError(f'the picture is {sizes[0]}, the keyframe {sizes[1]} pixels')
    if len(matches) < settings.min_inliers:
        raise MotionError(
            f'too few inliers: only {len(matches)} matches with the keyframe, '
            f'{settings.min_inliers} are needed',
            len(matches),
        )
    return locate_matches(keyframe, frame, matches, settings)


def estimate_motion(
    keyframe: Keyframe,
    frame: Frame,
    matches: Matches,
    located: LocatedMatches,
    settings: GeometrySettings,
    readout: ReadoutEstimate,
    turn: MeasuredTurn | None = None,
) -> Motion:
    """Estimate the motion of a frame; all of it is finite.

    Args:
        keyframe: with its cells' depths.
        frame: the frame.
        matches: keypoints0 in the keyframe.
        located: the same by ``locate_in_frame``.
        settings: thresholds.
        readout: the rotation during readout, and the predicted motion.
        turn: the rotation by a gyroscope; None without one. It counts where depths are known.

    Raises:
        MotionError: too few inliers, or a system of equations without a solution.
    """
    try:
        motion = _estimate(keyframe, frame, matches, located, settings, readout, turn)
    except np.linalg.LinAlgError as error:
        raise MotionError(f'solver: {error}') from error
    if not (
        np.isfinite(motion.frame_from_keyframe).all() and np.isfinite(motion.covariance).all()
    ):
        raise MotionError('solver: the motion is not finite')
    return motion


def _estimate(
    keyframe: Keyframe,
    frame: Frame,
    matches: Matches,
    located: LocatedMatches,
    settings: GeometrySettings,
    readout: ReadoutEstimate,
    turn: MeasuredTurn | None,
) -> Motion:
    """See ``estimate_motion``."""
    expected = readout.expected
    observations, kept = keyframe.observed(
        matches.cells, located, frame.camera, readout.readout_rotation
    )
    matches, located = matches.select(kept), located.select(kept)
    matches = replace(matches, keypoints1=located.points.astype(np.float32))
    rays0, rays1 = observations.rays0, observations.rays1
    threshold = keyframe.threshold(settings)
    known = is_known(observations.prior, observations.variance)
    start, two_view = _motion_up_to_length(
        keyframe, observations, matches, known, located, settings, readout
    )
    _check_support(two_view.inliers, settings)
    known &= two_view.inliers
    no_depth_reason = ''
    if np.count_nonzero(known) >= TUNING.min_known_depths:
        observations, refined = pose_by_depth(
            observations, two_view, known, located, threshold, settings, expected, start, turn
        )
    else:
        no_depth_reason = why_no_depth(observations.select(two_view.inliers), two_view, settings)
        refined = _without_depth(
            observations, two_view, keyframe.reference_depth, threshold, expected, no_depth_reason
        )
    inliers = inlier_mask(refined, threshold)
    _check_support(inliers, settings)
    agreed = np.flatnonzero(inliers)
    angle = parallax(rays0.take(agreed, axis=0), rays1.take(agreed, axis=0), refined.rotation)
    return Motion(
        transform(refined.rotation, refined.translation),
        refined.covariance + readout.covariance,
        matches,
        inliers,
        refined.inverse_depth,
        refined.depth_variance,
        measured_variance(refined.depth_variance, observations.variance),
        observations,
        located.points + keyframe.offsets.take(matches.cells, axis=0),
        upper_median(angle),
        no_depth_reason,
        readout,
        by_matches=refined.by_matches,
    )


def _motion_up_to_length(
    keyframe: Keyframe,
    observations: Observations,
    matches: Matches,
    known: np.ndarray,
    located: LocatedMatches,
    settings: GeometrySettings,
    readout: ReadoutEstimate,
) -> tuple[tuple[np.ndarray, np.ndarray] | None, TwoView]:
    """Find the motion that most matches agree with: by known depths, else by RANSAC.

    Returns:
        Rotation and translation where known depths give them, else None; and the motion up to its
        length, with its inliers.

    Raises:
        MotionError: there is none.
    """
    threshold = keyframe.threshold(settings)
    if settings.pose_from != 'two_views':
        found = motion_from_known_depth(
            observations, known & located.tracked, readout.expected, threshold
        )
        if found is not None:
            return found
    two_view = essential_motion(
        observations.rays0, observations.rays1, threshold, observations.by_pixel
    )
    agreement_count = keyframe.agreement_count[matches.cells]
    two_view = prefer_static_scene(observations, known, agreement_count, two_view, threshold)
    if two_view is None:
        raise MotionError('too few inliers: no motion agrees with the matches', 0)
    return None, two_view


def _without_depth(
    observations: Observations,
    two_view: TwoView,
    reference_depth: float,
    threshold: float,
    expected: np.ndarray,
    no_depth_reason: str,
) -> RefinedPose:
    """Estimate the pose while no depth is known; with enough parallax, the first depths too.

    Args:
        observations: N matches.
        two_view: the motion up to its length.
        reference_depth: median depth of the scene.
        threshold: distance of an inlier from its epipolar line, in pixels.
        expected: (4, 4) frame from keyframe.
        no_depth_reason: why there can be no depths; empty where they can be triangulated.
    """
    if not no_depth_reason:
        two_view = best_two_view(observations, two_view, threshold)
        return triangulate_first_depths(observations, two_view, reference_depth)
    guessed, refined = estimate_without_depth(
        observations, two_view, split(expected), reference_depth, threshold
    )
    return complete_depths(guessed, np.flatnonzero(two_view.inliers), refined)


def _check_support(inliers: np.ndarray, settings: GeometrySettings) -> None:
    count, total = int(np.count_nonzero(inliers)), len(inliers)
    if count < settings.min_inliers or count < settings.min_inlier_ratio * total:
        raise MotionError(
            f'too few inliers: only {count} of {total} matches agree with one motion, at least '
            f'{settings.min_inliers} and {settings.min_inlier_ratio:.0%} must',
            count,
        )
