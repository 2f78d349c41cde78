# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Which topics of a bag are the camera's: found by type, asked for where there are several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rosbags.highlevel import AnyReader

from loftr_vo.datasets.bag_file import (
    listing,
    lower_case,
    messages,
    topic_types,
    topics_of,
)
from loftr_vo.datasets.sequence import DatasetError
from loftr_vo.imaging.compressed_depth import is_compressed_depth

RAW = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'

# Those of REP 118.
_DEPTH_ENCODINGS = ('16UC1', '32FC1')


def choose_image_topic(reader: AnyReader, wanted: str | None, path: Path) -> str:
    """Return the topic of the pictures: the one wanted, or the only one there is.

    Of one camera's raw and compressed pictures the raw ones are taken, and of a calibrated pair
    the left ones; depth images are taken only where there is nothing else.

    Args:
        reader: of the bag, open.
        wanted: by the user; None to find it.
        path: the bag's, for error messages.

    Raises:
        DatasetError: there is none, or several to choose from.
    """
    types = topic_types(reader)
    images = _image_topics(reader)
    if wanted in images:
        return wanted
    if wanted is not None:
        raise DatasetError(
            f'{path} has no image topic {wanted}; its image topics are: '
            f'{listing(images)}; all its topics: {listing(types)}'
        )
    if not images:
        raise DatasetError(f'{path} has no image topic; its topics are: {listing(types)}')
    if len(images) > 1:
        images = picture_topics(reader, path) or images
        right = right_cameras(reader, path, images)
        images = [topic for topic in images if topic not in right] or images
    if len(images) > 1:
        raise DatasetError(
            f'{path} has several image topics, choose one with --image-topic: {listing(images)}'
        )
    return images[0]


def picture_topics(reader: AnyReader, path: Path) -> list[str]:
    """Return the topics of pictures, without depth and without second forms of another."""
    images = _image_topics(reader)
    again = {f'{topic}/compressed' for topic in images}
    depth = depth_topics(reader, path)
    depth += [f'{topic}/compressed' for topic in depth]
    return [topic for topic in images if topic not in again and topic not in depth]


def depth_topics(reader: AnyReader, path: Path) -> list[str]:
    """Return the topics of depth images, by the encoding or format of the first.

    Of one camera's raw and compressed depth images the raw ones are taken.
    """
    found = []
    for topic in topics_of(topic_types(reader), (RAW, COMPRESSED)):
        first = next(messages(reader, path, [topic]), None)
        if first is not None and _is_depth(first[2]):
            found.append(topic)
    raw = set(found)
    return [topic for topic in found if topic.rpartition('/')[0] not in raw]


def _is_depth(message: Any) -> bool:
    if hasattr(message, 'format'):
        return is_compressed_depth(message.format)
    return message.encoding in _DEPTH_ENCODINGS


def right_cameras(reader: AnyReader, path: Path, topics: list[str]) -> list[str]:
    """Return those of some pictures that a right camera took: its CameraInfo has the baseline."""
    types = topic_types(reader)
    found = []
    for topic in topics:
        beside = camera_info_beside(types, topic)
        info = next(messages(reader, path, [beside]), None) if beside else None
        if info is not None and lower_case(info[2]).p[3] < 0.0:
            found.append(topic)
    return found


def camera_info_beside(types: dict[str, str], image_topic: str) -> str | None:
    """Return the calibration's topic by the convention of image_transport, if it is there."""
    base = image_topic.removesuffix('/compressed').rpartition('/')[0]
    beside = f'{base}/camera_info'
    return beside if types.get(beside) == CAMERA_INFO else None


def _image_topics(reader: AnyReader) -> list[str]:
    found = topics_of(topic_types(reader), (RAW, COMPRESSED))
    return [topic for topic in found if not topic.endswith('/compressedDepth')]


def choose_camera_info_topic(
    types: dict[str, str], image_topic: str, wanted: str | None, path: Path
) -> str:
    """Return the topic of the calibration: that wanted, that beside the pictures, or the only one.

    Args:
        types: of the bag's topics.
        image_topic: where the pictures are.
        wanted: by the user; None to find it.
        path: the bag's, for error messages.

    Raises:
        DatasetError: there is none, or several to choose from.
    """
    infos = topics_of(types, (CAMERA_INFO,))
    if wanted in infos:
        return wanted
    if wanted is not None:
        raise DatasetError(
            f'{path} has no CameraInfo topic {wanted}; its CameraInfo topics are: {listing(infos)}'
        )
    if not infos:
        raise DatasetError(
            f'{path} has no CameraInfo topic; name the calibration with --camera. '
            f'Its topics are: {listing(types)}'
        )
    beside = camera_info_beside(types, image_topic)
    if beside is not None:
        return beside
    if len(infos) > 1:
        raise DatasetError(
            f'{path} has several CameraInfo topics, choose one with --camera-info-topic: '
            f'{listing(infos)}'
        )
    return infos[0]
