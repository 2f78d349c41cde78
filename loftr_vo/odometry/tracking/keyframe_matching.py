# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The network between consecutive keyframes, off the path of the frames.

Where frames are followed by tracks, no pose waits for the network. A new keyframe is encoded and
matched with the one before in the network's own thread, and what comes of it joins when it is
there: depth for cells that no track gave any, in what Lucas-Kanade cannot follow above all, and a
fuller link between both keyframes. Their poses are taken as they are.
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
class _Started:
    older: Keyframe
    keyframe: Keyframe
    matches: PendingMatches


class KeyframeMatching:
    """Has the network match each new keyframe with the one before it.

    Args:
        matcher: returns what does the work.
    """

    def __init__(self, matcher: Callable[[], Matcher]) -> None:
        self._matcher = matcher
        self._started: _Started | None = None

    @property
    def busy(self) -> bool:
        """Whether there is something that has not joined."""
        return self._started is not None

    def start(self, older: Keyframe, keyframe: Keyframe) -> None:
        """Have two keyframes matched, unless the network is still at the two before."""
        if self._started is not None and not self._started.matches.ready:
            return
        matches = self._matcher().match(older.encoded, keyframe.encoded)
        self._started = _Started(older, keyframe, matches)

    def join(self, settings: GeometrySettings, *, wait: bool) -> None:
        """Take over what the network found.

        Args:
            settings: thresholds.
            wait: whether to wait for it; else it is left for later where it is not there yet.
        """
        started = self._started
        if started is None or not (wait or started.matches.ready):
            return
        self._started = None
        matches = started.matches.result()
        if len(matches):
            join_matches(started.older, started.keyframe, matches, settings)

    def forget(self) -> None:
        """Drop what was started."""
        self._started = None


def join_matches(
    older: Keyframe, keyframe: Keyframe, matches: Matches, settings: GeometrySettings
) -> None:
    """Give cells of unknown depth what matches tell, and link both keyframes by them.

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
    turned_z = observations.rays0[known] @ rotation[2]
    z = turned_z + rho * translation[2]
    propagate_depth(
        keyframe,
        (located.points + older.offsets.take(matches.cells, axis=0))[known],
        rho / z,
        (turned_z / z**2) ** 2 * refined.depth_variance[known],
        older.agreement_count[matches.cells[known]],
        only=~keyframe.known,
    )
