# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The motion of a frame relative to its keyframe, from matches and what depth is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from loftr_vo.before_depth import follow_without_depth
from loftr_vo.config import GeometrySettings
from loftr_vo.frame import Frame
from loftr_vo.geometry import (
    TwoView,
    epipolar_distance,
    essential_motion,
    inverse_depth,
    inverse_transform,
    parallax,
    planar_motions,
    split,
    transform,
    translation_from_depth,
)
from loftr_vo.keyframe import Keyframe, Link, is_known
from loftr_vo.matches import Matches
from loftr_vo.pose_refinement import (
    Observations,
    RefinedPose,
    agreeing,
    approach_by_depth,
    better_start,
    excess_variance,
    fit_rotation,
    refine_depth,
    refine_pose,
)
from loftr_vo.readout import Readout
from loftr_vo.reprojection import middle
from loftr_vo.rotation import angle_of
from loftr_vo.static_world import WIDER, distance_by_depth, motion_by_depth, prefer_static
from loftr_vo.subpixel import LocatedMatches
from loftr_vo.triangulation import locate_matches

# Matches with known depth that a pose needs to take its length from them.
_FEWEST_KNOWN = 15
# Share of the cost of one motion under which another fits clearly better, and is not the same.
_CLEARLY = 0.8
# Exact matches that make a pose as exact as it gets.
_ENOUGH = 300
# As many as a pose is refined on. Neighbouring cells look at the same pixels, so that of two
# thousand each second one tells what all do, in half the time.
_PLENTY = 1000
# Share of the matches that leaves no doubt whose motion it is.
_UNDISPUTED = 0.75
# It is found from some depths only; what is a little off by it may be an inlier all the same.
_ROUGHLY = 2.0
# Of the usual depth; of a shorter way, the little that depths are wrong decides its direction, but
# it hardly matters how deep a cell is: those not known are taken to be as deep as usual.
_CLEAR_WAY = 0.01
_NO_WAY = 1e-12
_OUTLYING = 3.0  # standard deviations
# Radians, and the same of the translation as seen at the usual depth, from what was expected.
_SURPRISING = 0.01
# Standard deviations, in median; noise alone leaves 1.18, and a turn's perspective adds to it.
_AS_NOISE = 2.0
# Cells that must come out in front of both cameras for the first depths to be believed.
_IN_FRONT = 0.75


class MotionError(ValueError):
    """A frame that no motion explains; the message says why.

    Attributes:
        agreeing: how many matches agree with one motion, at most; None where that is not the
            matter.
    """

    def __init__(self, message: str, agreeing: int | None = None) -> None:
        super().__init__(message)
        self.agreeing = agreeing


@dataclass(frozen=True)
class Motion:
    """How a frame lies to its keyframe.

    Attributes:
        frame_from_keyframe: (4, 4).
        covariance: (6, 6) of (translation, rotation), a left perturbation of the rotation.
        matches: N matches, keypoints0 in the keyframe.
        inliers: (N,) bool.
        inverse_depth: (N,) posterior, seen from the keyframe.
        depth_variance: (N,).
        measured_variance: (N,), of this measurement of depth alone.
        observations: what the motion was found from.
        places: (N, 2) pixels of the frame, where the points are that the cells stand for.
        parallax: degrees, median over inliers.
        remark: what keeps the depth from being known, else empty.
        readout: how the camera turned while the frame's rows were read.
    """

    frame_from_keyframe: np.ndarray
    covariance: np.ndarray
    matches: Matches
    inliers: np.ndarray
    inverse_depth: np.ndarray
    depth_variance: np.ndarray
    measured_variance: np.ndarray
    observations: Observations
    places: np.ndarray
    parallax: float
    remark: str
    readout: Readout

    @property
    def has_depth(self) -> bool:
        """Whether the length of the translation and the depths are of one scale."""
        return not self.remark

    def pose_from(self, keyframe: Keyframe) -> np.ndarray:
        """Return the frame's pose (4, 4), world from camera, given the keyframe's."""
        return keyframe.pose @ self._keyframe_from_frame

    @cached_property
    def _keyframe_from_frame(self) -> np.ndarray:
        return inverse_transform(self.frame_from_keyframe)

    @property
    def seen(self) -> np.ndarray:
        """(N,) bool, inliers whose depth is known."""
        return self.inliers & is_known(self.inverse_depth, self.depth_variance)

    def seen_depth(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``seen`` in the frame: pixels (M, 2), inverse depth there (M,) and its variance (M,)."""
        chosen = self.seen
        rotation, translation = split(self.frame_from_keyframe)
        rho = self.inverse_depth[chosen]
        turned_z = self.observations.rays0[chosen] @ rotation[2]
        z = turned_z + rho * translation[2]  # depth in the frame, over that in the keyframe
        slope = turned_z / z**2
        return self.places[chosen], rho / z, slope**2 * self.depth_variance[chosen]

    def link_to(self, frame: Keyframe) -> Link:
        """Return where the keyframe's cells are seen in ``frame``, this motion's frame."""
        seen = self.observations.select(self.inliers)
        return Link(frame, self.matches.cells[self.inliers], seen.rays1, seen.whitening)


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
    readout: Readout,
) -> Motion:
    """Find the motion.

    Args:
        keyframe: with its cells' depths.
        frame: the frame.
        matches: of the network, keypoints0 in the keyframe.
        located: the same by ``locate_in_frame``.
        settings: thresholds.
        readout: how the camera turned in the meantime, and a guess of the motion.

    Raises:
        MotionError: too few matches that agree.
    """
    expected = readout.expected
    matches = replace(matches, keypoints1=located.points.astype(np.float32))
    focal = frame.camera.focal
    observations = keyframe.observed(matches.cells, located, frame.camera, readout.turn)
    rays0, rays1 = observations.rays0, observations.rays1
    threshold = keyframe.threshold(settings) / focal
    known = is_known(observations.prior, observations.variance)
    led = None
    if settings.pose_from != 'two_views':
        led = _led_by_depth(observations, known & located.tracked, expected, threshold)
    two_view: TwoView | None
    if led is not None:
        start, two_view = led
    else:
        two_view = essential_motion(rays0, rays1, threshold)
        for_long = keyframe.agreed[matches.cells]
        two_view = prefer_static(observations, known, for_long, two_view, threshold)
    if two_view is None:
        raise MotionError('too few inliers: no motion agrees with the matches', 0)
    _check_support(two_view.inliers, settings)
    known &= two_view.inliers
    remark = ''
    if np.count_nonzero(known) >= _FEWEST_KNOWN:
        sharp = _sharp(known if settings.pose_from == 'depths' else two_view.inliers, located)
        chosen = np.flatnonzero(_sampled(sharp))
        if led is not None:
            observations, refined = _pose_nearby(observations, chosen, start)
        else:
            near = _start(observations, two_view, known, expected, settings)
            held = settings.pose_from == 'two_views'
            used = observations.select(chosen)
            refined = refine_pose(used, *near, held=held)
            if not held and _is_surprising(refined, expected):
                others = _other_starts(observations.select(known), expected, threshold)
                refined = _lowest(used, refined, others)
            observations, refined = _as_sure_as_shown(observations, chosen, refined, held)
        refined = _complete(observations, chosen, _as_sure_as_all(refined, sharp))
    else:
        remark = _no_depth_yet(observations.select(two_view.inliers), two_view, settings)
        if remark:
            guessed, refined = follow_without_depth(
                observations, two_view, split(expected), keyframe.usual_depth, threshold
            )
            refined = _complete(guessed, np.flatnonzero(two_view.inliers), refined)
        else:
            two_view = _told_from_its_twin(observations, two_view, threshold)
            refined = _first_depths(observations, two_view, keyframe.usual_depth)
    inliers = agreeing(refined, threshold)
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
        middle(angle),
        remark,
        readout,
    )


def _led_by_depth(
    observations: Observations, known: np.ndarray, expected: np.ndarray, threshold: float
) -> tuple[tuple[np.ndarray, np.ndarray], TwoView] | None:
    """Return the motion that known depths lead to, if these and most of all matches agree with it.

    Then no other motion competes, and RANSAC would find the same in three times the time.

    Args:
        observations: N matches.
        known: (N,) bool, those to be trusted whose depth is known.
        expected: (4, 4) frame from keyframe, to start from.
        threshold: distance of an inlier from its epipolar line, in units of z = 1.

    Returns:
        Rotation and translation, frame from keyframe, and what they are up to the length.
    """
    witnesses = np.flatnonzero(known)
    if len(witnesses) < _ENOUGH:
        return None
    some = observations.select(witnesses[:: len(witnesses) // _ENOUGH])
    rotation, translation = approach_by_depth(some, *split(expected))
    away = distance_by_depth(some, rotation, translation)
    if _share(away < WIDER * threshold) < _UNDISPUTED:
        return None
    length = max(float(np.linalg.norm(translation)), _NO_WAY)
    direction = translation / length
    if length * middle(some.prior) > _CLEAR_WAY:
        rays0, rays1 = observations.rays0, observations.rays1
        distance = np.abs(epipolar_distance(rays0, rays1, rotation, direction))
        exact, inliers = distance < threshold, distance < _ROUGHLY * threshold
    else:
        distance = distance_by_depth(observations, rotation, translation)
        exact = inliers = distance < WIDER * threshold
    if _share(exact) < _UNDISPUTED:
        return None
    two_view = TwoView(rotation, direction, inliers)
    return (rotation, translation), two_view


def _share(chosen: np.ndarray) -> float:
    """Share of (N,) bool that are true."""
    return float(np.count_nonzero(chosen)) / len(chosen)


def _sharp(chosen: np.ndarray, located: LocatedMatches) -> np.ndarray:
    """Of chosen matches (N,), those refined on the picture, where they are enough for a pose.

    The others are several times less exact, so their weight is next to nothing.
    """
    sharp = chosen & located.tracked
    return sharp if np.count_nonzero(sharp) >= _ENOUGH else chosen


def _sampled(chosen: np.ndarray) -> np.ndarray:
    """Of chosen matches (N,), as many as make a pose exact, evenly from among them."""
    indices = np.flatnonzero(chosen)
    if len(indices) <= _PLENTY:
        return chosen
    sampled = np.zeros(len(chosen), bool)
    sampled[indices[np.arange(_PLENTY) * len(indices) // _PLENTY]] = True
    return sampled


def _as_sure_as_all(refined: RefinedPose, sharp: np.ndarray) -> RefinedPose:
    """Give a pose found from sampled matches the covariance that all (N,) bool would give it.

    How little neighbours add to each other is counted in one place, see ``uncertainty``.
    """
    share = len(refined.inverse_depth) / np.count_nonzero(sharp)
    return replace(refined, covariance=share * refined.covariance)


def _start(
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
    free = _with_free_depths(inliers, two_view.rotation, two_view.direction)
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
        threshold: distance of an inlier from its epipolar line, in units of z = 1.
    """
    by_depth = motion_by_depth(known, WIDER * threshold)
    found = [] if by_depth is None else [(by_depth.rotation, by_depth.translation)]
    return [split(expected), *found]


def _lowest(
    used: Observations, refined: RefinedPose, starts: list[tuple[np.ndarray, np.ndarray]]
) -> RefinedPose:
    """Of a pose and those that other starts lead to, the one of the least cost."""
    candidates = [refined, *(refine_pose(used, *start) for start in starts)]
    return min(candidates, key=lambda each: each.cost)


def _as_sure_as_shown(
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
            used.less_sure(excess), refined.rotation, refined.translation, held=held
        )
    return observations.less_sure(excess), refined


def _pose_nearby(
    observations: Observations, chosen: np.ndarray, near: tuple[np.ndarray, np.ndarray]
) -> tuple[Observations, RefinedPose]:
    """Refine from a pose so near that it tells already how sure the matches are.

    Returns:
        See ``_as_sure_as_shown``.
    """
    used = observations.select(chosen)
    excess = excess_variance(used, *near)
    return observations.less_sure(excess), refine_pose(used.less_sure(excess), *near)


def _is_surprising(refined: RefinedPose, expected: np.ndarray) -> bool:
    """Whether a pose is so far from the expected (4, 4) that it may be another minimum."""
    rotation, translation = split(expected)
    turn = angle_of(rotation.T @ refined.rotation)
    seen = float(np.median(np.abs(refined.inverse_depth)))
    shift = float(np.linalg.norm(refined.translation - translation)) * seen
    return bool(max(turn, shift) > _SURPRISING)


def _told_from_its_twin(
    observations: Observations, two_view: TwoView, threshold: float
) -> TwoView:
    """Return the motion, or another that fits better where most of what is seen is a plane.

    Two motions explain a plane. What tells them apart is by how little the rest fits, which is
    less than what makes an outlier.
    """
    inliers = observations.select(two_view.inliers)
    motions = [
        (two_view.rotation, two_view.direction),
        *planar_motions(inliers.rays0, inliers.rays1, threshold),
    ]
    fits = [
        refine_pose(_with_free_depths(inliers, *motion), *motion, fixed_length=True)
        for motion in motions
    ]
    best = min(fits, key=lambda fit: fit.cost)
    if best.cost > _CLEARLY * fits[0].cost:
        return two_view
    rays0, rays1 = observations.rays0, observations.rays1
    distance = epipolar_distance(rays0, rays1, best.rotation, best.translation)
    return TwoView(best.rotation, best.translation, np.abs(distance) < threshold)


def _with_free_depths(
    observations: Observations, rotation: np.ndarray, direction: np.ndarray
) -> Observations:
    """Return the observations with depths that a motion gives, and nothing known of them."""
    rho = inverse_depth(observations.rays0, observations.rays1, rotation, direction)
    return replace(observations, prior=rho, variance=np.full(len(rho), 1e6))


def _first_depths(
    observations: Observations, two_view: TwoView, usual_depth: float
) -> RefinedPose:
    """Triangulate with nothing known: the scale is such that the median depth is the usual one."""
    free = _with_free_depths(observations, two_view.rotation, two_view.direction)
    refined = refine_pose(
        free.select(two_view.inliers), two_view.rotation, two_view.direction, fixed_length=True
    )
    # Nothing holds these depths yet, so a single outlier can bend them: once more without.
    chosen = np.flatnonzero(two_view.inliers)[refined.error < _OUTLYING]
    refined = refine_pose(
        free.select(chosen), refined.rotation, refined.translation, fixed_length=True
    )
    if np.mean(refined.inverse_depth > 0) < _IN_FRONT:
        raise MotionError('too few inliers: the first depths do not lie in front of the camera')
    scale = usual_depth * float(np.median(refined.inverse_depth))
    translation = refined.translation * scale
    # The unit is a depth, so how the depths follow the pose makes the length uncertain.
    to_unit = np.diag([scale] * 3 + [1.0] * 3)
    to_unit[:3] += np.outer(translation, _median_by_pose(refined))
    refined = _complete(free, chosen, refined)
    return replace(
        refined,
        translation=translation,
        covariance=to_unit @ refined.covariance @ to_unit.T,
        inverse_depth=refined.inverse_depth / scale,
        depth_variance=refined.depth_variance / scale**2,
    )


def _median_by_pose(refined: RefinedPose) -> np.ndarray:
    """Derivative (6,) of the logarithm of the median inverse depth by the pose."""
    low, middle, high = np.quantile(refined.inverse_depth, [0.4, 0.5, 0.6])
    near = (refined.inverse_depth >= low) & (refined.inverse_depth <= high)
    # One cell's derivative would do, were it not for noise.
    return np.mean(refined.depth_by_pose[:, near], axis=1) / middle


def _no_depth_yet(inliers: Observations, two_view: TwoView, settings: GeometrySettings) -> str:
    """Say why nothing can be triangulated; empty where it can."""
    if np.median(fit_rotation(inliers)[1]) < _AS_NOISE:
        return 'no parallax, the camera rests or only turns: move it sideways to see depth'
    angle = float(np.median(parallax(inliers.rays0, inliers.rays1, two_view.rotation)))
    if angle < settings.min_parallax:
        return (
            f'parallax of {angle:.2f} deg is too little for depth, '
            f'{settings.min_parallax:g} deg is needed: move the camera sideways'
        )
    return ''


def _complete(observations: Observations, chosen: np.ndarray, refined: RefinedPose) -> RefinedPose:
    """Give the pose found from ``chosen`` observations (indices) depths and errors for all."""
    others = np.ones(len(observations.prior), bool)
    others[chosen] = False
    left = np.flatnonzero(others)
    depth = refine_depth(observations.select(left), refined.rotation, refined.translation)

    def joined(of_chosen: np.ndarray, of_others: np.ndarray) -> np.ndarray:
        both = np.empty(len(others))
        both[chosen], both[left] = of_chosen, of_others
        return both

    return replace(
        refined,
        inverse_depth=joined(refined.inverse_depth, depth.inverse_depth),
        depth_variance=joined(refined.depth_variance, depth.depth_variance),
        error=joined(refined.error, depth.error),
        distance=joined(refined.distance, depth.distance),
    )


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
