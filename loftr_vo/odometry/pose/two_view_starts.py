# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The motion between two views from several starts, while no depth is known.

With little parallax very different motions explain most matches: a translation looks like a
rotation, a plane has two motions. RANSAC stops at the first one with nearly all inliers, and the
fit after it ends in the local minimum that is nearest (Soatto and Brockett, Optimal Structure from
Motion, CVPR 1998). The depths of a wrong one are wrong, too, and all later poses rest on them.
"""

from __future__ import annotations

import numpy as np

from loftr_vo.geometry.epipolar import epipolar_distance, inverse_depth
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.pose.rotation_refinement import fit_rotation, refine_rotation
from loftr_vo.odometry.pose.tuning import TUNING
from loftr_vo.odometry.pose.two_view import TwoView, planar_motions, polished


def best_two_view(observations: Observations, two_view: TwoView, threshold: float) -> TwoView:
    """Return the motion of lowest cost among fits from several starts.

    They are the translations along the axes and the motions that a plane would have. The cost is
    that of MSAC over all matches (Torr and Zisserman 2000).

    Args:
        observations: N matches; their depths are ignored.
        two_view: the motion by the essential matrix, which is kept unless another is clearly
            better.
        threshold: largest distance of an inlier from its epipolar line, in pixels.
    """
    rays0, rays1, by_pixel = observations.rays0, observations.rays1, observations.by_pixel
    rotation = refine_rotation(observations, fit_rotation(observations)[0])
    starts = [(rotation, axis) for axis in np.eye(3)]
    starts += planar_motions(rays0, rays1, threshold, by_pixel)
    everything = np.ones(len(rays0), bool)
    others = [
        polished(rays0, rays1, TwoView(*start, everything), threshold, by_pixel)
        for start in starts
    ]

    def squared(motion: TwoView) -> np.ndarray:
        distance = epipolar_distance(rays0, rays1, motion.rotation, motion.direction, by_pixel)
        return np.minimum(distance**2, threshold**2)

    best = min(others, key=lambda each: squared(each).sum())
    found = squared(best)
    noise = np.mean(found[best.inliers])
    if squared(two_view).sum() - found.sum() < TUNING.other_start_gain * noise:
        return two_view
    rho = inverse_depth(rays0, rays1, best.rotation, best.direction)
    # The distance from epipolar lines does not depend on the sign of the translation.
    sign = np.sign(np.median(rho[best.inliers]))
    return TwoView(best.rotation, sign * best.direction, best.inliers)
