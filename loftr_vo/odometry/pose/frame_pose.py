# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The motion of a frame relative to its keyframe, from matches and what depth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from loftr_vo.config import GeometrySettings
from loftr_vo.geometry.epipolar import (
    epipolar_distance,
    inverse_depth,
    parallax,
    translation_from_depth,
)
from loftr_vo.geometry.rigid_motion import split, transform
from loftr_vo.geometry.robust_cost import upper_median
from loftr_vo.geometry.rotation import angle_of
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.lucas_kanade import LocatedMatches
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.map.keyframe import Keyframe, is_known, locate_matches
from loftr_vo.odometry.map.motion import Motion, MotionError
from loftr_vo.odometry.pose.initialisation import (
    estimate_without_depth,
    resolve_planar_ambiguity,
    triangulate_first_depths,
    why_no_depth,
    with_free_depths,
)
from loftr_vo.odometry.pose.pose_refinement import (
    Observations,
    RefinedPose,
    approach_by_depth,
    better_start,
    complete_depths,
    distance_by_depth,
    excess_variance,
    inlier_mask,
    refine_pose,
)
from loftr_vo.odometry.pose.static_scene import (
    motion_by_depth,
    prefer_static_scene,
)
from loftr_vo.odometry.pose.tuning import TUNING
from loftr_vo.odometry.pose.two_view import TwoView, essential_motion
from loftr_vo.odometry.rolling_shutter.model import ReadoutEstimate

_MIN_BASELINE = 1e-12


def locate_in_frame(
    keyframe: Keyframe, frame: Frame, matches: Matches, settings: GeometrySettings
) -> LocatedMatches:
    """Find the matches of a keyframe with a frame to sub-pixel.

    Args:
        keyframe: the first picture.
        frame: the second.
        matches: of the network, keypoints0 in the keyframe.
        settings: whether to look, and how many matches there must be.

    Raises:
        MotionError: too few matches, or pictures that cannot be compared.
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
) -> Motion:
    """Find the motion, all of it finite.

    Args:
        keyframe: with its cells' depths.
        frame: the frame.
        matches: of the network, keypoints0 in the keyframe.
        located: the same by ``locate_in_frame``.
        settings: thresholds.
        readout: how the camera turned in the meantime, and a guess of the motion.

    Raises:
        MotionError: too few matches that agree, or a system of equations that has no solution.
    """
    try:
        motion = _estimated(keyframe, frame, matches, located, settings, readout)
    except np.linalg.LinAlgError as error:
        raise MotionError(f'solver: {error}') from error
    if not (
        np.isfinite(motion.frame_from_keyframe).all() and np.isfinite(motion.covariance).all()
    ):
        raise MotionError('solver: the motion is not finite')
    return motion


def _estimated(
    keyframe: Keyframe,
    frame: Frame,
    matches: Matches,
    located: LocatedMatches,
    settings: GeometrySettings,
    readout: ReadoutEstimate,
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
    led = None
    if settings.pose_from != 'two_views':
        led = _motion_from_known_depth(observations, known & located.tracked, expected, threshold)
    two_view: TwoView | None
    if led is not None:
        start, two_view = led
    else:
        two_view = essential_motion(rays0, rays1, threshold, observations.by_pixel)
        for_long = keyframe.agreement_count[matches.cells]
        two_view = prefer_static_scene(observations, known, for_long, two_view, threshold)
    if two_view is None:
        raise MotionError('too few inliers: no motion agrees with the matches', 0)
    _check_support(two_view.inliers, settings)
    known &= two_view.inliers
    remark = ''
    if np.count_nonzero(known) >= TUNING.min_known_depths:
        sharp = _subpixel_matches(
            known if settings.pose_from == 'depths' else two_view.inliers, located
        )
        chosen = np.flatnonzero(_subsample(sharp))
        if led is not None:
            observations, refined = _refine_nearby(observations, chosen, start)
        else:
            near = _initial_pose(observations, two_view, known, expected, settings)
            held = settings.pose_from == 'two_views'
            used = observations.select(chosen)
            refined = refine_pose(used, *near, held=held)
            if not held and _is_far_from_prediction(refined, expected):
                others = _other_starts(observations.select(known), expected, threshold)
                refined = _lowest_cost(used, refined, others)
            observations, refined = _refine_with_measured_noise(
                observations, chosen, refined, held
            )
        refined = complete_depths(observations, chosen, _rescale_covariance(refined, sharp))
    else:
        remark = why_no_depth(observations.select(two_view.inliers), two_view, settings)
        if remark:
            guessed, refined = estimate_without_depth(
                observations, two_view, split(expected), keyframe.reference_depth, threshold
            )
            refined = complete_depths(guessed, np.flatnonzero(two_view.inliers), refined)
        else:
            two_view = resolve_planar_ambiguity(observations, two_view, threshold)
            refined = triangulate_first_depths(observations, two_view, keyframe.reference_depth)
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
        _measured_variance(refined, observations),
        observations,
        located.points + keyframe.offsets.take(matches.cells, axis=0),
        upper_median(angle),
        remark,
        readout,
    )


def _motion_from_known_depth(
    observations: Observations, known: np.ndarray, expected: np.ndarray, threshold: float
) -> tuple[tuple[np.ndarray, np.ndarray], TwoView] | None:
    """Return the motion that known depths lead to, if these and most of all matches agree with it.

    Then no other motion competes, and RANSAC would find the same in three times the time.

    Args:
        observations: N matches.
        known: (N,) bool, those to be trusted whose depth is known.
        expected: (4, 4) frame from keyframe, to start from.
        threshold: distance of an inlier from its epipolar line, in pixels.

    Returns:
        Rotation and translation, frame from keyframe, and what they are up to the length.
    """
    witnesses = np.flatnonzero(known)
    if len(witnesses) < TUNING.sufficient_matches:
        return None
    some = observations.select(witnesses[:: len(witnesses) // TUNING.sufficient_matches])
    rotation, translation = approach_by_depth(some, *split(expected))
    away = distance_by_depth(some, rotation, translation)
    if _share(away < TUNING.depth_threshold_ratio * threshold) < TUNING.clear_inlier_ratio:
        return None
    length = max(float(np.linalg.norm(translation)), _MIN_BASELINE)
    direction = translation / length
    if length * upper_median(some.prior) > TUNING.min_baseline_ratio:
        rays0, rays1 = observations.rays0, observations.rays1
        distance = np.abs(
            epipolar_distance(rays0, rays1, rotation, direction, observations.by_pixel)
        )
        exact, inliers = distance < threshold, distance < TUNING.loose_threshold_ratio * threshold
    else:
        distance = distance_by_depth(observations, rotation, translation)
        exact = inliers = distance < TUNING.depth_threshold_ratio * threshold
    if _share(exact) < TUNING.clear_inlier_ratio:
        return None
    two_view = TwoView(rotation, direction, inliers)
    return (rotation, translation), two_view


def _share(chosen: np.ndarray) -> float:
    """Share of (N,) bool that are true."""
    return float(np.count_nonzero(chosen)) / len(chosen)


def _subpixel_matches(chosen: np.ndarray, located: LocatedMatches) -> np.ndarray:
    """Of chosen matches (N,), those refined on the picture, where they are enough for a pose.

    The others are several times less exact, so their weight is next to nothing.
    """
    sharp = chosen & located.tracked
    return sharp if np.count_nonzero(sharp) >= TUNING.sufficient_matches else chosen


def _subsample(chosen: np.ndarray) -> np.ndarray:
    """Of chosen matches (N,), as many as make a pose exact, evenly from among them."""
    indices = np.flatnonzero(chosen)
    if len(indices) <= TUNING.max_matches:
        return chosen
    sampled = np.zeros(len(chosen), bool)
    sampled[indices[np.arange(TUNING.max_matches) * len(indices) // TUNING.max_matches]] = True
    return sampled


def _rescale_covariance(refined: RefinedPose, sharp: np.ndarray) -> RefinedPose:
    """Give a pose found from sampled matches the covariance that all (N,) bool would give it.

    How little neighbours add to each other is counted in one place, see ``uncertainty``.
    """
    share = len(refined.inverse_depth) / np.count_nonzero(sharp)
    return replace(refined, covariance=share * refined.covariance)


def _initial_pose(
    observations: Observations,
    two_view: TwoView,
    known: np.ndarray,
    expected: np.ndarray,
    settings: GeometrySettings,
) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and translation to refine: the better of the essential matrix's and the expected.

    A forward motion on a flat scene has an essential matrix that is poorly determined.
    """
    seen = observations.select(known)
    if settings.pose_from == 'two_views':
        return _two_view_motion(observations.select(two_view.inliers), seen, two_view)
    length = translation_from_depth(seen.rays0, seen.rays1, seen.prior, two_view.rotation)
    return better_start(
        observations.select(two_view.inliers), (two_view.rotation, length), split(expected)
    )


def _two_view_motion(
    inliers: Observations, known: Observations, two_view: TwoView
) -> tuple[np.ndarray, np.ndarray]:
    """Motion with all depths free; its length by the median ratio of depths to the known ones.

    What odometry does without one solve for both; here to be measured against.
    """
    free = with_free_depths(inliers, two_view.rotation, two_view.direction)
    refined = refine_pose(free, two_view.rotation, two_view.direction, fixed_length=True)
    direction = refined.translation
    rho = inverse_depth(known.rays0, known.rays1, refined.rotation, direction)
    return refined.rotation, direction * float(np.median(rho / known.prior))


def _other_starts(
    known: Observations, expected: np.ndarray, threshold: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Motions to start from where the first ended far from what was expected.

    It may be a minimum that is not the lowest: where something hides most that is near, or where a
    place is seen again from so far aside that little is left of it, and that flat. Then so may be
    that from the expected motion, but hardly that from what most of the known depths agree with.

    Args:
        known: the matches of known depth.
        expected: (4, 4) frame from keyframe.
        threshold: distance of an inlier from its epipolar line, in pixels.
    """
    by_depth = motion_by_depth(known, TUNING.depth_threshold_ratio * threshold)
    found = [] if by_depth is None else [(by_depth.rotation, by_depth.translation)]
    return [split(expected), *found]


def _lowest_cost(
    used: Observations, refined: RefinedPose, starts: list[tuple[np.ndarray, np.ndarray]]
) -> RefinedPose:
    """Of a pose and those that other starts lead to, the one of the least cost."""
    candidates = [refined, *(refine_pose(used, *start) for start in starts)]
    return min(candidates, key=lambda each: each.cost)


def _refine_with_measured_noise(
    observations: Observations, chosen: np.ndarray, refined: RefinedPose, held: bool
) -> tuple[Observations, RefinedPose]:
    """Refine once more, with matches no surer than they have shown to be.

    The balance between them and the known depths hangs on it.

    Returns:
        The observations, as sure as they are, and the pose.
    """
    used = observations.select(chosen)
    excess = excess_variance(used, refined.rotation, refined.translation)
    if excess > 1:
        refined = refine_pose(
            used.with_inflated_noise(excess), refined.rotation, refined.translation, held=held
        )
    return observations.with_inflated_noise(excess), refined


def _refine_nearby(
    observations: Observations, chosen: np.ndarray, near: tuple[np.ndarray, np.ndarray]
) -> tuple[Observations, RefinedPose]:
    """Refine from a pose so near that it tells already how sure the matches are.

    Returns:
        See ``_refine_with_measured_noise``.
    """
    used = observations.select(chosen)
    excess = excess_variance(used, *near)
    return observations.with_inflated_noise(excess), refine_pose(
        used.with_inflated_noise(excess), *near
    )


def _is_far_from_prediction(refined: RefinedPose, expected: np.ndarray) -> bool:
    """Whether a pose is so far from the expected (4, 4) that it may be another minimum."""
    rotation, translation = split(expected)
    turn = angle_of(rotation.T @ refined.rotation)
    seen = float(np.median(np.abs(refined.inverse_depth)))
    shift = float(np.linalg.norm(refined.translation - translation)) * seen
    return bool(max(turn, shift) > TUNING.max_prediction_error)


def _measured_variance(refined: RefinedPose, observations: Observations) -> np.ndarray:
    information = 1 / refined.depth_variance - 1 / observations.variance
    return 1 / np.maximum(information, 1e-12)


def _check_support(inliers: np.ndarray, settings: GeometrySettings) -> None:
    count, total = int(np.count_nonzero(inliers)), len(inliers)
    if count < settings.min_inliers or count < settings.min_inlier_ratio * total:
        raise MotionError(
            f'too few inliers: only {count} of {total} matches agree with one motion, at least '
            f'{settings.min_inliers} and {settings.min_inlier_ratio:.0%} must',
            count,
        )
