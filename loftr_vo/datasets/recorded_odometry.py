# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Odometry that a node has published and a bag has recorded, with the status of the node."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loftr_vo.datasets.bag_file import (
    messages,
    opened,
    topic_types,
    topics_of,
)
from loftr_vo.datasets.bag_poses import (
    ODOMETRY,
    Track,
    find_pose_topics,
    read_track,
)
from loftr_vo.datasets.sequence import DatasetError
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.odometry.estimate import State

_STATUS = 'diagnostic_msgs/msg/DiagnosticStatus'
_STAMP = re.compile('[0-9]{1,19}')


@dataclass(frozen=True)
class RecordedOdometry:
    """A trajectory that was estimated earlier.

    Attributes:
        track: its poses, without those while it was lost, and if lengths became metres, without
            those before that; as far as the recording has it.
        topic: where it was recorded; empty for a file.
        frames: how many frames were worked on.
        tracked: how many of them were not lost.
        metric: whether lengths are metres; None where that is not recorded.
        knows_lost: whether the recording has the frames that were lost too; else ``frames`` is
            the number of poses.
    """

    track: Track
    topic: str
    frames: int
    tracked: int
    metric: bool | None = None
    knows_lost: bool = False


def read_recorded_odometry(
    path: Path, topic: str | None, but: Collection[str] = ()
) -> RecordedOdometry:
    """Return the odometry in a bag.

    Where the bag has this package's ``~/status`` too, it has which frames were lost and whether
    lengths are metres.

    Args:
        path: the bag.
        topic: where the odometry is; may be left open where one topic alone is of that type.
        but: topics that are something else.

    Raises:
        DatasetError: there is none, or several to choose from.
    """
    if topic is None:
        topics = find_pose_topics(path, (ODOMETRY,), but)
        if len(topics) != 1:
            found = f'several: {", ".join(topics)}' if topics else 'none'
            raise DatasetError(
                f'which topic of {path} is to be scored? Choose it with --topic; of type Odometry '
                f'there is {found}'
            )
        topic = topics[0]
    track = read_track(path, topic)
    statuses = _read_statuses(path)
    said = [statuses.get(stamp, {}) for stamp in track.trajectory.stamps.tolist()]
    kept = np.array([each.get('state') != State.LOST.value for each in said])
    metric_from = _metric_from(said)
    scored = kept & (np.arange(len(said)) >= (metric_from or 0))
    trajectory = Trajectory(track.trajectory.stamps[scored], track.trajectory.poses[scored])
    return RecordedOdometry(
        Track(trajectory, track.frame, track.source),
        topic,
        # While it is lost the node may publish no odometry, but it publishes a status.
        frames=len(statuses.keys() | set(track.trajectory.stamps.tolist())),
        tracked=int(kept.sum()),
        metric=metric_from is not None if any('scale' in each for each in said) else None,
        knows_lost=bool(statuses),
    )


def _metric_from(said: list[dict[str, str]]) -> int | None:
    """Return the first pose from which on lengths are metres in every frame that was tracked."""
    first = None
    for index in range(len(said) - 1, -1, -1):
        if said[index].get('scale') == 'metric':
            first = index
        elif said[index].get('state') == State.TRACKING.value:
            break
    return first


def _read_statuses(path: Path) -> dict[int, dict[str, str]]:
    """Return the values of each status about a frame, by the frame's stamp."""
    statuses: dict[int, dict[str, str]] = {}
    with opened(path) as reader:
        topics = topics_of(topic_types(reader), (_STATUS,))
        for _, _, message in messages(reader, path, topics):
            values = {pair.key: pair.value for pair in message.values}
            # Another node's values may be called so, too, and be anything.
            if 'state' in values and _STAMP.fullmatch(values.get('stamp', '')):
                statuses[int(values['stamp'])] = values
    return statuses
