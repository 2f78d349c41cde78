# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Which topics of a bag are the camera's: found by type, asked for where there are several."""

from __future__ import annotations

from pathlib import Path

from rosbags.highlevel import AnyReader

from loftr_vo.datasets.bag_file import listing, messages, topic_types, topics_of
from loftr_vo.datasets.sequence import DatasetError

RAW = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'

# Those of REP 118.
_DEPTH_ENCODINGS = ('16UC1', '32FC1')


def choose_image_topic(reader: AnyReader, wanted: str | None, path: Path) -> str:
    """Return the topic of the pictures: the one wanted, or the only one there is.

    Of one camera's raw and compressed pictures the raw ones are taken; depth images are taken
    only where there is nothing else.

    Args:
        reader: of the bag, open.
        wanted: by the user; None to find it.
        path: the bag's, for error messages.

    Raises:
        DatasetError: there is none, or several to choose from.
    """
    types = topic_types(reader)
    images = [
        topic
        for topic in topics_of(types, (RAW, COMPRESSED))
        if not topic.endswith('/compressedDepth')
    ]
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
        images = _likely(reader, images, path)
    if len(images) > 1:
        raise DatasetError(
            f'{path} has several image topics, choose one with --image-topic: {listing(images)}'
        )
    return images[0]


def _likely(reader: AnyReader, images: list[str], path: Path) -> list[str]:
    """Return those that are no second form of another and no depth; all if none is left."""
    again = {f'{topic}/compressed' for topic in images}
    once = [topic for topic in images if topic not in again]
    grey = [topic for topic in once if not _is_depth(reader, topic, path)]
    return grey or once


def _is_depth(reader: AnyReader, topic: str, path: Path) -> bool:
    first = next(messages(reader, path, [topic]), None)
    return first is not None and getattr(first[2], 'encoding', '') in _DEPTH_ENCODINGS


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
    # By the convention of image_transport, camera_info lies beside the image topic.
    base = image_topic.removesuffix('/compressed').rpartition('/')[0]
    sibling = f'{base}/camera_info'
    if sibling in infos:
        return sibling
    if len(infos) > 1:
        raise DatasetError(
            f'{path} has several CameraInfo topics, choose one with --camera-info-topic: '
            f'{listing(infos)}'
        )
    return infos[0]
