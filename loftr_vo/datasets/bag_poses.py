# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Trajectories and transforms in a ROS bag."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from loftr_vo.datasets.bag_file import (
    listing,
    messages,
    opened,
    stamp_of,
    topic_types,
    topics_of,
)
from loftr_vo.datasets.frame_tree import FrameTree
from loftr_vo.datasets.sequence import DatasetError
from loftr_vo.geometry.trajectory import Trajectory, TrajectoryError, pose_from

ODOMETRY = 'nav_msgs/msg/Odometry'
TF = ('tf2_msgs/msg/TFMessage', 'tf/msg/tfMessage')
# Types whose every message is one pose.
POSES = (
    ODOMETRY,
    'geometry_msgs/msg/PoseStamped',
    'geometry_msgs/msg/PoseWithCovarianceStamped',
    'geometry_msgs/msg/TransformStamped',
)


@dataclass(frozen=True)
class Track:
    """Poses as they were recorded.

    Attributes:
        trajectory: world from ``frame``.
        frame: name of what the poses are of; empty where the recording has none.
        source: where they come from, for people to read.
        topic: of a bag; empty where they come from a file or from TF.
    """

    trajectory: Trajectory
    frame: str
    source: str
    topic: str = ''


def find_pose_topics(
    path: Path, kinds: Collection[str] = POSES, but: Collection[str] = ()
) -> list[str]:
    """Return the topics of a bag that carry poses, except those in ``but``.

    Raises:
        DatasetError: the file is no bag.
    """
    with opened(path) as reader:
        found = topics_of(topic_types(reader), kinds)
    return [topic for topic in found if topic not in but]


def read_track(path: Path, topic: str) -> Track:
    """Return the poses on a topic, in the order of their stamps.

    Poses that are not finite, as motion capture sends while it sees nothing, and those that come
    twice for one time, are left out.

    Raises:
        DatasetError: the topic is not there, carries no poses, or none that can be used.
    """
    poses: dict[int, np.ndarray] = {}
    frame = world = ''
    unusable = 0
    with opened(path) as reader:
        types = topic_types(reader)
        if types.get(topic) not in POSES:
            raise DatasetError(
                f'{path} has no topic {topic} with poses; its topics with poses are: '
                f'{listing(topics_of(types, POSES))}'
            )
        for _, _, message in messages(reader, path, [topic]):
            pose = pose_matrix(_pose_of(message))
            if pose is None:
                unusable += 1
                continue
            poses.setdefault(stamp_of(message), pose)
            world = message.header.frame_id.lstrip('/')
            frame = getattr(message, 'child_frame_id', '').lstrip('/')
    if not poses:
        raise DatasetError(f'the topic {topic} in {path} has no pose that can be used')
    of = f' of {frame}' if frame else ''
    left_out = f', {unusable} without a pose left out' if unusable else ''
    source = f'{topic} ({types[topic].rpartition("/")[2]}{of} in {world}{left_out})'
    return Track(_sorted(poses), frame, source, topic)


def read_tf_track(path: Path, world: str, frame: str) -> Track:
    """Return the poses of one TF frame in another.

    Raises:
        DatasetError: the bag has no transforms between the two that change with time.
    """
    tree = read_transforms(path, static_only=False)
    trajectory = tree.along_time(world, frame)
    if trajectory is None:
        raise DatasetError(
            f'{path} has no transforms along time from {world} to {frame}; the frames that its '
            f'/tf and /tf_static connect are: {listing(tree.frames)}'
        )
    return Track(trajectory, frame, f'TF of {frame} in {world}')


def read_transforms(path: Path, static_only: bool = True) -> FrameTree:
    """Return the transforms of a bag; of moving ones all poses, unless only rigid are wanted.

    Raises:
        DatasetError: the file is no bag.
    """
    tree = FrameTree()
    moving: dict[tuple[str, str], dict[int, np.ndarray]] = defaultdict(dict)
    with opened(path) as reader:
        topics = topics_of(topic_types(reader), TF)
        if static_only:
            topics = [topic for topic in topics if _is_static(topic)]
        for topic, parent, child, stamp, pose in _transforms(reader, path, topics):
            if _is_static(topic):
                tree.add(parent, child, pose)
            else:
                moving[parent, child].setdefault(stamp, pose)
    for (parent, child), poses in moving.items():
        tree.add(parent, child, _sorted(poses))
    return tree


def _transforms(
    reader: Any, path: Path, topics: list[str]
) -> Iterator[tuple[str, str, str, int, np.ndarray]]:
    for topic, _, message in messages(reader, path, topics):
        for transform in message.transforms:
            pose = pose_matrix(transform.transform)
            if pose is not None:
                parent = transform.header.frame_id.lstrip('/')
                child = transform.child_frame_id.lstrip('/')
                yield topic, parent, child, stamp_of(transform), pose


def _is_static(topic: str) -> bool:
    return topic.endswith('tf_static')


def _pose_of(message: Any) -> Any:
    """Return the pose or transform in a message; some types wrap it once, some twice."""
    if hasattr(message, 'transform'):
        return message.transform
    return getattr(message.pose, 'pose', message.pose)


def pose_matrix(pose: Any) -> np.ndarray | None:
    """Return a pose or transform message as (4, 4); None if it is none."""
    place = pose.position if hasattr(pose, 'position') else pose.translation
    turn = pose.orientation if hasattr(pose, 'orientation') else pose.rotation
    try:
        return pose_from([place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w])
    except TrajectoryError:
        return None


def _sorted(poses: dict[int, np.ndarray]) -> Trajectory:
    stamps = sorted(poses)
    return Trajectory(np.array(stamps, np.int64), np.stack([poses[stamp] for stamp in stamps]))
