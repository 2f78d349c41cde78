# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What a bag has besides the pictures: depth, right pictures, other odometry, an IMU."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader

from loftr_vo.datasets.bag_file import (
    listing,
    lower_case,
    messages,
    stamp_of,
    topic_types,
    topics_of,
)
from loftr_vo.datasets.bag_imu import IMU
from loftr_vo.datasets.bag_poses import ODOMETRY, pose_matrix
from loftr_vo.datasets.camera_topics import (
    camera_info_beside,
    depth_topics,
    picture_topics,
    right_cameras,
)
from loftr_vo.datasets.companion_topics import CompanionTopics
from loftr_vo.datasets.sequence import DatasetError
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.camera_info import is_rectified
from loftr_vo.imaging.frame import BasePose, Frame, RightPicture, stated_covariance
from loftr_vo.imaging.image_messages import ImageError, PictureReader, depth_image
from loftr_vo.imaging.stereo_extrinsics import pair_from_infos

# Largest difference in nanoseconds between a picture and what is paired with it; the two cameras
# of a pair are triggered together; odometry and IMU are taken as they come.
_MOST_APART = {'depth': 20_000_000, 'stereo': 5_000_000, 'odometry': 0, 'imu': 0}
# A picture is not held back for what has stopped coming.
_PATIENCE = 1_000_000_000
_OPTIONS = {
    'depth': '--depth-topic',
    'stereo': '--right-image-topic',
    'odometry': '--odometry-topic',
    'imu': '--imu-topic',
}


def find_companion(
    reader: AnyReader, path: Path, source: str, image_topic: str, named: CompanionTopics
) -> str | None:
    """Return the topic that a source of scale needs; None if the bag has none.

    Depth images are known by their encoding, a right camera by the baseline in its CameraInfo.

    Args:
        reader: of the bag, open.
        path: the bag's, for error messages.
        source: depth, stereo, odometry or imu.
        image_topic: of the pictures.
        named: by the user.

    Raises:
        DatasetError: the one named is not there, or there are several to choose from.
    """
    types = topic_types(reader)
    if source == 'depth':
        wanted, found = named.depth, depth_topics(reader, path)
    elif source == 'stereo':
        others = [topic for topic in picture_topics(reader, path) if topic != image_topic]
        wanted = named.right_image
        found = [wanted] if wanted in others else right_cameras(reader, path, others)
    elif source == 'imu':
        wanted, found = named.imu, topics_of(types, (IMU,))
    else:
        wanted, found = named.odometry, topics_of(types, (ODOMETRY,))
        # Ground truth is no source of scale, unless it is named as such.
        found = [topic for topic in found if topic == wanted or not _is_truth(topic)]
    found = [topic for topic in found if topic != image_topic]
    if wanted is not None and wanted not in found:
        raise DatasetError(f'{path} has no such topic {wanted}; there is: {listing(found)}')
    if wanted is None and len(found) > 1:
        raise DatasetError(
            f'{path} has several topics for scale.source {source}, choose one with '
            f'{_OPTIONS[source]}: {listing(found)}'
        )
    return wanted or (found[0] if found else None)


def _is_truth(topic: str) -> bool:
    return 'groundtruth' in topic.lower().replace('_', '')


@dataclass(frozen=True, eq=False)
class StereoPair:
    """The right camera, and how it lies to the left one; see ``RightPicture``."""

    camera: Camera
    right_from_left: np.ndarray


def read_pair(reader: AnyReader, path: Path, left_info: str, right_image: str) -> StereoPair:
    """Return the calibration of a pair from the two cameras' CameraInfo.

    Raises:
        DatasetError: one of the two is not there.
        CalibrationError: they have no baseline.
    """
    topics = (left_info, camera_info_beside(topic_types(reader), right_image) or '')
    infos = [next(messages(reader, path, [topic]), None) for topic in topics]
    if infos[0] is None or infos[1] is None:
        raise DatasetError(f'{path} lacks the CameraInfo of one of the two cameras')
    left, right = lower_case(infos[0][2]), lower_case(infos[1][2])
    try:
        return StereoPair(*pair_from_infos(left, right, is_rectified(right_image)))
    except CalibrationError as error:
        raise CalibrationError(f'{topics[1]}: {error}') from error


@dataclass
class Pairing:
    """Holds frames back until the messages paired with them have come, and yields both together.

    Attributes:
        attach: by source, the function that puts the messages paired with a frame into it.
        imu_ahead: nanoseconds by which the IMU's stamps are ahead of the pictures'.
    """

    attach: dict[str, Callable[[Frame, list[Any]], Frame]]
    imu_ahead: int = 0
    _frames: deque[Frame] = field(default_factory=deque)
    _arrived: dict[str, deque[Any]] = field(default_factory=dict)
    _newest: dict[str, int] = field(default_factory=dict)

    def arrive(self, source: str, message: Any) -> None:
        """Take a message of a source."""
        self._arrived.setdefault(source, deque()).append(message)
        self._newest[source] = max(stamp_of(message), self._newest.get(source, 0))

    def put(self, frame: Frame) -> Iterator[Frame]:
        """Take a frame; yield those that are complete by now."""
        self._frames.append(frame)
        while self._frames and self._is_settled(self._frames[0].stamp):
            yield self._complete(self._frames.popleft())

    def rest(self) -> Iterator[Frame]:
        """Yield the frames that are left at the end of the bag."""
        while self._frames:
            yield self._complete(self._frames.popleft())

    def _is_settled(self, stamp: int) -> bool:
        """Whether no later message can be paired with the stamp, or the messages have stopped."""
        if self._frames[-1].stamp - stamp > _PATIENCE:
            return True
        ahead = {'imu': self.imu_ahead}
        return all(
            self._newest.get(source, -1) >= stamp + _MOST_APART[source] + ahead.get(source, 0)
            for source in self.attach
        )

    def _complete(self, frame: Frame) -> Frame:
        for source, attach in self.attach.items():
            frame = attach(frame, self._belonging(source, frame.stamp))
        return frame

    def _belonging(self, source: str, stamp: int) -> list[Any]:
        arrived = self._arrived.setdefault(source, deque())
        if source == 'imu':
            # Those of later frames are kept by what attaches them.
            return [arrived.popleft() for _ in range(len(arrived))]
        if source == 'odometry':
            # All since the frame before, which has taken those up to itself.
            return [arrived.popleft() for _ in range(_count_until(arrived, stamp))]
        for _ in range(_count_until(arrived, stamp - _MOST_APART[source] - 1)):
            arrived.popleft()
        near = [each for each in arrived if stamp_of(each) - stamp <= _MOST_APART[source]]
        return sorted(near, key=lambda each: abs(stamp_of(each) - stamp))[:1]


def _count_until(arrived: Collection[Any], stamp: int) -> int:
    return sum(stamp_of(message) <= stamp for message in arrived)


def attach_depth(frame: Frame, found: list[Any]) -> Frame:
    """Return a frame with the depth image found for it.

    Raises:
        DatasetError: it does not decode.
    """
    if not found:
        return frame
    try:
        depth, lag = depth_image(found[0]), stamp_of(found[0]) - frame.stamp
        return dataclasses.replace(frame, depth=depth, depth_lag=lag)
    except ImageError as error:
        raise DatasetError(f'the depth image at {frame.stamp / 1e9:.9f} s: {error}') from error


def right_attacher(pair: StereoPair) -> Callable[[Frame, list[Any]], Frame]:
    """Return what attaches the picture of a right camera; it raises as ``attach_depth`` does."""
    reader = PictureReader()

    def attach_right(frame: Frame, found: list[Any]) -> Frame:
        if not found:
            return frame
        where = f'the right picture at {frame.stamp / 1e9:.9f} s'
        try:
            image = np.require(reader.read(found[0], pair.camera), requirements='W')
            pair.camera.check_size(image.shape)
        except ImageError as error:
            raise DatasetError(f'{where}: {error}') from error
        except CalibrationError as error:
            raise CalibrationError(f'{where}: {error}') from error
        right = RightPicture(image, pair.camera, pair.right_from_left)
        return dataclasses.replace(frame, right=right)

    return attach_right


def attach_wheels(frame: Frame, found: list[Any]) -> Frame:
    """Return a frame with the poses of another odometry since the frame before."""
    poses = [(stamp_of(message), pose_matrix(message.pose.pose)) for message in found]
    covariances = {stamp_of(each): stated_covariance(each.pose.covariance) for each in found}
    wheels = tuple(
        BasePose(stamp, pose, covariances[stamp]) for stamp, pose in sorted_poses(poses)
    )
    return dataclasses.replace(frame, wheels=wheels)


def sorted_poses(poses: list[tuple[int, np.ndarray | None]]) -> list[tuple[int, np.ndarray]]:
    """Return poses in the order of time, without those that are none or come twice."""
    known = {stamp: pose for stamp, pose in poses if pose is not None}
    return [(stamp, known[stamp]) for stamp in sorted(known)]
