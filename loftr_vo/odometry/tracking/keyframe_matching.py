# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Matches between consecutive keyframes by the network, in its own thread.

Where frames are tracked, no pose waits for the network. A new keyframe is matched with the one
before in the network's thread. The result gives depth to cells that were not tracked, above all
those with little texture, and a link with more cells. The poses of both keyframes are held fixed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loftr_vo.config import GeometrySettings
from loftr_vo.geometry.rigid_motion import inverse_transform, split
from loftr_vo.matching.matcher import Matcher
from loftr_vo.matching.matches import Matches, PendingMatches
from loftr_vo.odometry.map.depth_filter import propagate_depth
from loftr_vo.odometry.map.keyframe import Keyframe, Link, is_known, locate_matches
from loftr_vo.odometry.map.tuning import TUNING
from loftr_vo.odometry.pose.depth_refinement import excess_variance, refine_depth
from loftr_vo.odometry.pose.pose_refinement import inlier_mask


@dataclass(frozen=True, eq=False)
class _PendingPair:
    older: Keyframe
    keyframe: Keyframe
    matches: PendingMatches


class KeyframeMatching:
    """Matches each new keyframe with the one before it.

    Args:
        matcher: returns the network.
    """

    def __init__(self, matcher: Callable[[], Matcher]) -> None:
        self._matcher = matcher
        self._started: _PendingPair | None = None

    @property
    def busy(self) -> bool:
        """Whether there are matches that were not joined yet."""
        return self._started is not None

    def start(self, older: Keyframe, keyframe: Keyframe) -> None:
        """Start matching two keyframes, unless the last two are still being matched."""
        if self._started is not None and not self._started.matches.ready:
            return
        matches = self._matcher().match(older.encoded, keyframe.encoded)
        self._started = _PendingPair(older, keyframe, matches)

    def join(self, settings: GeometrySettings, *, wait: bool) -> None:
        """Add the matches of the last pair to the map, if they are ready.

        Args:
            settings: thresholds.
            wait: whether to wait for them.
        """
        started = self._started
        if started is None or not (wait or started.matches.ready):
            return
        self._started = None
        matches = started.matches.result()
        if len(matches):
            join_matches(started.older, started.keyframe, matches, settings)

    def forget(self) -> None:
        """Drop the pending pair."""
        self._started = None


def join_matches(
    older: Keyframe, keyframe: Keyframe, matches: Matches, settings: GeometrySettings
) -> None:
    """Give depth to cells of unknown depth by matches, and link both keyframes by them.

    Args:
        older: the keyframe before.
        keyframe: the new one; the matches' keypoints1 are in its picture.
        matches: of the network.
        settings: thresholds.
    """
    motion = split(inverse_transform(keyframe.pose) @ older.pose)
    located = locate_matches(older, keyframe.frame, matches, settings)
    camera = keyframe.frame.camera
    observations, kept = older.observed(matches.cells, located, camera, keyframe.readout_rotation)
    if not len(kept):
        return
    matches, located = matches.select(kept), located.select(kept)
    observations = observations.with_inflated_noise(excess_variance(observations, *motion))
    refined = refine_depth(observations, *motion)
    good = inlier_mask(refined, older.threshold(settings))
    cells, seen = matches.cells[good], observations.select(good)
    older.links = [link for link in older.links if link.other is not keyframe]
    link = Link(keyframe, cells, seen.rays1, seen.whitening)
    older.links.append(link.thinned(TUNING.max_linked_cells))
    known = good & is_known(refined.inverse_depth, refined.depth_variance)
    rotation, translation = motion
    rho = refined.inverse_depth[known]
    rotated_z = observations.rays0[known] @ rotation[2]
    z = rotated_z + rho * translation[2]
    propagate_depth(
        keyframe,
        (located.points + older.offsets.take(matches.cells, axis=0))[known],
        rho / z,
        (rotated_z / z**2) ** 2 * refined.depth_variance[known],
        older.agreement_count[matches.cells[known]],
        only=~keyframe.known,
    )
