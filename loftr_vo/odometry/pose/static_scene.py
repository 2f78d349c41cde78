# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The camera's motion where a moving object has more matches than the static scene.

An essential matrix counts matches, and a moving object can have most of them: a patterned coat in
front of a dull wall. It can even bias the motion so that both agree in part, since a plane agrees
with many motions. Known depths distinguish the two: cells of the static scene have them, and they
are correct, since they agreed with the motions until now.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from loftr_vo.geometry.epipolar import by_pixel_coordinates, inverse_depth
from loftr_vo.geometry.rigid_motion import skew
from loftr_vo.odometry.pose.depth_refinement import distance_by_depth
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.pose.pose_refinement import refine_pose
from loftr_vo.odometry.pose.tuning import TUNING
from loftr_vo.odometry.pose.two_view import TwoView, threshold_at_unit_depth


def prefer_static_scene(
    observations: Observations,
    known: np.ndarray,
    agreement_count: np.ndarray,
    two_view: TwoView | None,
    threshold: float,
) -> TwoView | None:
    """Return the motion of the static scene, where another has more matches.

    Args:
        observations: N matches.
        known: (N,) bool, matches of known depth.
        agreement_count: (N,) int, in how many consecutive frames the depth agreed. If there
            are enough, only cells with several are used: a moving object can agree with some depth
            by chance.
        two_view: motion by the essential matrix; None if there is none.
        threshold: distance of an inlier from its epipolar line, in pixels.
    """
    proven = known & (agreement_count >= TUNING.min_agreements)
    chosen = proven if proven.sum() >= TUNING.min_voting_cells else known
    if chosen.sum() < TUNING.min_voting_cells:
        return two_view
    voting = observations.select(chosen)
    explained = (
        0
        if two_view is None
        else _explained_by(two_view, voting, TUNING.depth_threshold_ratio * threshold)
    )
    if explained > TUNING.uncontested_ratio * len(voting.prior):
        return two_view
    found = motion_by_depth(voting, TUNING.depth_threshold_ratio * threshold)
    if found is None or found.support < TUNING.clear_support_ratio * explained:
        return two_view
    return found.as_two_view(observations, known, threshold)


@dataclass(frozen=True, eq=False)
class MotionByDepth:
    """A motion (R, t), frame from keyframe, and how many cells agree with it."""

    rotation: np.ndarray
    translation: np.ndarray
    support: int

    def as_two_view(
        self, observations: Observations, known: np.ndarray, threshold: float
    ) -> TwoView:
        """Return it with its inliers; cells of known depth must also agree with their depth."""
        inliers = _epipolar_distance(observations, self.rotation, self.translation) < threshold
        away = distance_by_depth(observations, self.rotation, self.translation)
        inliers &= ~known | (away < TUNING.depth_threshold_ratio * threshold)
        length = max(float(np.linalg.norm(self.translation)), 1e-12)
        return TwoView(self.rotation, self.translation / length, inliers)


def motion_by_depth(observations: Observations, threshold: float) -> MotionByDepth | None:
    """Return the motion that most cells of known depth agree with (P3P, RANSAC), refined.

    Args:
        observations: of cells of known depth.
        threshold: distance of an inlier from its projection, in pixels.
    """
    if len(observations.prior) < TUNING.min_voting_cells:
        return None
    points = observations.rays0 / observations.prior[:, None]
    # OpenCV seeds its generator with a constant here.
    found, rotation, translation, inliers = cv2.solvePnPRansac(
        points,
        np.ascontiguousarray(observations.rays1[:, :2]),
        np.eye(3),
        np.zeros(4),
        iterationsCount=TUNING.p3p_iterations,
        reprojectionError=threshold_at_unit_depth(threshold, observations.by_pixel),
        confidence=TUNING.p3p_confidence,
        flags=cv2.SOLVEPNP_AP3P,
    )
    if not found or inliers is None or len(inliers) < TUNING.min_voting_cells:
        return None
    refined = refine_pose(
        observations.select(inliers[:, 0]), cv2.Rodrigues(rotation)[0], translation[:, 0]
    )
    away = distance_by_depth(observations, refined.rotation, refined.translation)
    support = int(np.count_nonzero(away < threshold))
    return MotionByDepth(refined.rotation, refined.translation, support)


def _explained_by(two_view: TwoView, known: Observations, threshold: float) -> int:
    """Number of cells of known depth that a motion explains, with its length fitted to them."""
    rotation = two_view.rotation
    length = float(
        np.median(
            inverse_depth(known.rays0, known.rays1, rotation, two_view.direction) / known.prior
        )
    )
    away = distance_by_depth(known, rotation, length * two_view.direction)
    return int((away < threshold).sum())


def _epipolar_distance(
    observations: Observations, rotation: np.ndarray, translation: np.ndarray
) -> np.ndarray:
    """Distance (N,) in pixels from the epipolar lines, or from the points without a baseline."""
    rotated = observations.rays0 @ rotation.T
    if np.linalg.norm(translation) < 1e-9:
        away = rotated[:, :2] / rotated[:, 2:] - observations.rays1[:, :2]
        return observations.match_arrays.in_pixels(away.T)
    line = rotated @ skew(translation).T
    across = np.abs(np.sum(line * observations.rays1, axis=1))
    slope = np.hypot(*by_pixel_coordinates(line[:, 0], line[:, 1], observations.by_pixel1))
    distance: np.ndarray = across / np.maximum(slope, 1e-12)
    return distance
