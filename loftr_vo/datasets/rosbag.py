# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""ROS bags, read without ROS: rosbag2 (MCAP or SQLite) and ROS 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.image import ImageError, image_to_cvimage
from rosbags.image.image import to_cvtype
from rosbags.typesys import Stores, get_typestore

from loftr_vo.camera import CalibrationError, Camera
from loftr_vo.datasets.pictures import decode_grey
from loftr_vo.datasets.sequence import DatasetError, Sequence
from loftr_vo.frame import Frame

RAW = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'


class BagSequence(Sequence):
    """The frames of one image topic of a bag, stamped as their headers say."""

    def __init__(
        self,
        path: Path,
        camera: Path | None,
        image_topic: str | None,
        camera_info_topic: str | None,
    ) -> None:
        """Find the topics and the calibration.

        Args:
            path: a rosbag2 folder, a single ``.mcap`` or ``.db3`` file, or a ROS 1 ``.bag``.
            camera: a calibration file to use in place of the bag's ``CameraInfo``.
            image_topic: needed where the bag has several image topics.
            camera_info_topic: needed where the bag has several and none belongs to the image
                topic by name.

        Raises:
            DatasetError: the file is no bag, or a topic is missing or ambiguous; lists what the
                bag has.
            CalibrationError: the camera in the bag is not calibrated.
        """
        super().__init__(path.resolve().stem, 'rosbag')
        self.path = _storage(path)
        with _opened(self.path) as reader:
            types = {connection.topic: connection.msgtype for connection in reader.connections}
            self.image_topic = _choose_image_topic(types, image_topic, path)
            self._count = reader.topics[self.image_topic].msgcount
            if self._count == 0:
                raise DatasetError(f'the topic {self.image_topic} in {path} has no messages')
            self.camera = (
                Camera.from_yaml(camera)
                if camera
                else _read_camera(
                    reader,
                    _choose_camera_info_topic(types, self.image_topic, camera_info_topic, path),
                )
            )

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Frame]:
        before = None
        with _opened(self.path) as reader:
            for number, message in enumerate(_messages(reader, self.image_topic), start=1):
                where = f'{self.path}: message {number} on {self.image_topic}'
                stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
                if before is not None and stamp <= before:
                    raise DatasetError(
                        f'{where} is stamped {stamp / 1e9:.9f} s, not after the one before it '
                        f'({before / 1e9:.9f} s); frames must be in the order of time'
                    )
                before = stamp
                image = _grey(message, where)
                try:
                    frame = Frame(image, stamp, self.camera)
                except CalibrationError as error:
                    raise CalibrationError(f'{where}: {error}') from error
                yield frame


@contextmanager
def _opened(path: Path) -> Iterator[AnyReader]:
    # Bags recorded before Iron do not carry the definitions of their messages.
    known = get_typestore(Stores.ROS2_JAZZY)
    try:
        reader = AnyReader([path], default_typestore=known)
        reader.open()
    # The storage back ends let the errors of several libraries through.
    except Exception as error:
        raise DatasetError(f'{path} does not open as a bag: {error}') from error
    try:
        yield reader
    finally:
        reader.close()


def _storage(path: Path) -> Path:
    """Return what the reader wants: a folder with metadata.yaml, or the one file in it."""
    if path.is_file() or (path / 'metadata.yaml').exists():
        return path
    files = sorted([*path.glob('*.mcap'), *path.glob('*.db3')])
    if len(files) != 1:
        raise DatasetError(
            f'{path} has {len(files)} bag files and no metadata.yaml; make one with '
            f'"ros2 bag reindex {path}"'
        )
    return files[0]


def _choose_image_topic(types: dict[str, str], wanted: str | None, path: Path) -> str:
    images = [
        topic
        for topic, kind in types.items()
        if kind in (RAW, COMPRESSED) and not topic.endswith('/compressedDepth')
    ]
    if wanted in images:
        return wanted
    if wanted is not None:
        raise DatasetError(
            f'{path} has no image topic {wanted}; its image topics are: '
            f'{_listing(images)}; all its topics: {_listing(types)}'
        )
    if not images:
        raise DatasetError(f'{path} has no image topic; its topics are: {_listing(types)}')
    if len(images) > 1:
        raise DatasetError(
            f'{path} has several image topics, choose one with --image-topic: {_listing(images)}'
        )
    return images[0]


def _choose_camera_info_topic(
    types: dict[str, str], image_topic: str, wanted: str | None, path: Path
) -> str:
    infos = [topic for topic, kind in types.items() if kind == CAMERA_INFO]
    if wanted in infos:
        return wanted
    if wanted is not None:
        raise DatasetError(
            f'{path} has no CameraInfo topic {wanted}; its CameraInfo topics are: '
            f'{_listing(infos)}'
        )
    if not infos:
        raise DatasetError(
            f'{path} has no CameraInfo topic; name the calibration with --camera. '
            f'Its topics are: {_listing(types)}'
        )
    # By the convention of image_transport, camera_info lies beside the image topic.
    base = image_topic.removesuffix('/compressed').rpartition('/')[0]
    sibling = f'{base}/camera_info'
    if sibling in infos:
        return sibling
    if len(infos) > 1:
        raise DatasetError(
            f'{path} has several CameraInfo topics, choose one with --camera-info-topic: '
            f'{_listing(infos)}'
        )
    return infos[0]


def _listing(topics: Any) -> str:
    return ', '.join(sorted(topics)) or 'none'


def _messages(reader: AnyReader, topic: str) -> Iterator[Any]:
    connections = [connection for connection in reader.connections if connection.topic == topic]
    for connection, _, data in reader.messages(connections=connections):
        try:
            yield reader.deserialize(data, connection.msgtype)
        except AnyReaderError as error:
            raise DatasetError(f'a message on {topic} does not decode: {error}') from error


def _read_camera(reader: AnyReader, topic: str) -> Camera:
    info = next(_messages(reader, topic), None)
    if info is None:
        raise DatasetError(
            f'the topic {topic} has no messages; name the calibration with --camera'
        )
    # ROS 1 spells the fields with capitals.
    matrix = info.k if hasattr(info, 'k') else info.K
    distortion = info.d if hasattr(info, 'd') else info.D
    try:
        return Camera(
            info.width,
            info.height,
            np.reshape(matrix, (3, 3)),
            info.distortion_model,
            distortion,
        )
    except CalibrationError as error:
        raise CalibrationError(f'{topic}: {error}') from error


def _grey(message: Any, where: str) -> np.ndarray:
    if hasattr(message, 'format'):
        image = decode_grey(np.asarray(message.data))
        if image is None:
            raise DatasetError(f'{where} does not decode as a picture ({message.format!r})')
        return image
    try:
        return image_to_cvimage(_without_padding(message, where), 'mono8')
    except ImageError as error:
        raise DatasetError(f'{where} cannot be turned grey: {error}') from error


def _without_padding(message: Any, where: str) -> Any:
    """Return the image message with rows that follow each other without a gap."""
    depth, _, _, channels = to_cvtype(message.encoding)
    row = message.width * channels * depth // 8
    data = np.asarray(message.data, np.uint8)
    if message.step < row or data.size < message.step * message.height:
        raise DatasetError(
            f'{where} is cut short: {data.size} bytes in rows of {message.step} do not hold '
            f'{message.width}x{message.height} pixels of {message.encoding}'
        )
    rows = data[: message.step * message.height].reshape(message.height, message.step)
    return SimpleNamespace(
        height=message.height,
        width=message.width,
        encoding=message.encoding,
        is_bigendian=message.is_bigendian,
        data=np.ascontiguousarray(rows[:, :row]),
    )
