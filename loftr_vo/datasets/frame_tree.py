# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The transforms of a bag as a tree of frames, still or moving, to be looked up at any time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from loftr_vo.geometry.inertial import interpolated
from loftr_vo.geometry.trajectory import Trajectory

# Of the child in its parent: a (4, 4) pose if the link is rigid, else poses along time.
Link = np.ndarray | Trajectory


@dataclass(frozen=True)
class _Step:
    """One link on the way from a frame to another."""

    link: Link
    backwards: bool


class FrameTree:
    """Frames, each with one parent, as TF has them."""

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, Link]] = {}

    def __bool__(self) -> bool:
        return bool(self._parents)

    @property
    def frames(self) -> list[str]:
        """The names of all frames."""
        parents = {parent for parent, _ in self._parents.values()}
        return sorted(parents | self._parents.keys())

    def add(self, parent: str, child: str, link: Link) -> None:
        """Add the pose of ``child`` in ``parent``; a link that is there is replaced."""
        self._parents[child] = (parent, link)

    def update(self, other: FrameTree) -> None:
        """Add all links of another tree."""
        self._parents.update(other._parents)

    def rigid(self, target: str, source: str) -> np.ndarray | None:
        """Return the (4, 4) pose of ``source`` in ``target``; None if not by rigid links alone."""
        steps = self._way(target, source)
        if steps is None or any(isinstance(step.link, Trajectory) for step in steps):
            return None
        return self._compose(steps, np.zeros(1, np.int64))[0]

    def along_time(self, target: str, source: str) -> Trajectory | None:
        """Return the poses of ``source`` in ``target``; None if nothing that moves links them.

        They are given at the times of the moving link that has most, as far as all others reach;
        the others are interpolated.
        """
        steps = self._way(target, source)
        moving = [step.link for step in steps or [] if isinstance(step.link, Trajectory)]
        if not moving:
            return None
        assert steps is not None
        stamps = max(moving, key=len).stamps
        first = max(int(link.stamps[0]) for link in moving)
        last = min(int(link.stamps[-1]) for link in moving)
        stamps = stamps[(first <= stamps) & (stamps <= last)]
        return Trajectory(stamps, self._compose(steps, stamps)) if len(stamps) else None

    def _way(self, target: str, source: str) -> list[_Step] | None:
        """Return the links from ``target`` to ``source``, or None if there is no way."""
        up, down = self._ancestors(target), self._ancestors(source)
        meeting = next((frame for frame in up if frame in down), None)
        if meeting is None:
            return None
        climb = [_Step(self._parents[f][1], True) for f in up[: up.index(meeting)]]
        descend = [_Step(self._parents[f][1], False) for f in down[: down.index(meeting)]]
        return climb + descend[::-1]

    def _ancestors(self, frame: str) -> list[str]:
        """Return the frame, its parent, and so on; ends where a loop would begin."""
        chain = [frame]
        while chain[-1] in self._parents and self._parents[chain[-1]][0] not in chain:
            chain.append(self._parents[chain[-1]][0])
        return chain

    @staticmethod
    def _compose(steps: list[_Step], stamps: np.ndarray) -> np.ndarray:
        result = np.tile(np.eye(4), (len(stamps), 1, 1))
        for step in steps:
            link = step.link
            poses = interpolate(link, stamps) if isinstance(link, Trajectory) else link
            result = result @ (np.linalg.inv(poses) if step.backwards else poses)
        return result


def interpolate(trajectory: Trajectory, stamps: np.ndarray) -> np.ndarray:
    """Return the (N, 4, 4) poses at times within a trajectory: straight lines, even turns."""
    if len(trajectory) == 1:
        return np.repeat(trajectory.poses, len(stamps), axis=0)
    # Seconds from the start: those since 1970 would not keep their nanoseconds in a float.
    origin = trajectory.stamps[0]
    known, wanted = (trajectory.stamps - origin) / 1e9, (stamps - origin) / 1e9
    poses = np.tile(np.eye(4), (len(stamps), 1, 1))
    turn = Slerp(known, Rotation.from_matrix(trajectory.poses[:, :3, :3]))
    poses[:, :3, :3] = turn(wanted).as_matrix()
    poses[:, :3, 3] = interpolated(wanted, known, trajectory.positions)
    return poses
