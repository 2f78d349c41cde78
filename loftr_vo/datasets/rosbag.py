# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The pictures in a ROS bag, as the node would get them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader

from loftr_vo.datasets.bag_companions import (
    Pairing,
    attach_depth,
    attach_wheels,
    find_companion,
    read_pair,
    right_attacher,
)
from loftr_vo.datasets.bag_file import (
    lower_case,
    messages,
    opened,
    stamp_of,
    topic_types,
)
from loftr_vo.datasets.bag_imu import imu_attacher, read_bag_imu
from loftr_vo.datasets.camera_topics import choose_camera_info_topic, choose_image_topic
from loftr_vo.datasets.companion_topics import CompanionTopics
from loftr_vo.datasets.sequence import DatasetError, Sequence
from loftr_vo.geometry.inertial import ImuCalibration
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.camera_info import camera_from_info, is_rectified, same_camera
from loftr_vo.imaging.frame import JUMP_BACK, Frame
from loftr_vo.imaging.image_messages import ImageError, PictureReader


class BagSequence(Sequence):
    """The frames of one image topic of a bag, with the stamps of their headers.

    Messages become pictures and cameras by the same code as in the node. As there, the
    calibration is the last one before a picture, and a picture that is not later than the one
    before it is left out.

    Attributes:
        image_topic: where the pictures come from.
        camera: the first calibration.
    """

    def __init__(
        self,
        path: Path,
        camera: Path | None,
        image_topic: str | None,
        camera_info_topic: str | None,
        companions: CompanionTopics | None = None,
    ) -> None:
        """Find the topics and the calibration.

        Args:
            path: a rosbag2 folder, a single ``.mcap`` or ``.db3`` file, or a ROS 1 ``.bag``.
            camera: a calibration file to use in place of the bag's ``CameraInfo``.
            image_topic: needed where the bag has several image topics.
            camera_info_topic: needed where the bag has several and none belongs to the image
                topic by name.
            companions: topics of depth, of right pictures, of other odometry and of an IMU,
                needed where the bag has several; how the IMU sits beside the camera.

        Raises:
            DatasetError: the file is no bag, or a topic is missing or ambiguous; lists what the
                bag has.
            CalibrationError: the camera in the bag is not calibrated.
        """
        super().__init__(path.resolve().stem, 'rosbag')
        self._bag = path
        self._named = companions or CompanionTopics()
        self._companions: dict[str, str | None] = {}
        with opened(path) as reader:
            types = topic_types(reader)
            self.image_topic = choose_image_topic(reader, image_topic, path)
            self._count = reader.topics[self.image_topic].msgcount
            first = next(messages(reader, path, [self.image_topic]), None)
            if first is None:
                raise DatasetError(f'the topic {self.image_topic} in {path} has no messages')
            self.camera_frame = first[2].header.frame_id.lstrip('/')
            self._info_topic = ''
            if camera is None:
                self._info_topic = choose_camera_info_topic(
                    types, self.image_topic, camera_info_topic, path
                )
            self.camera = Camera.from_yaml(camera) if camera else self._first_calibration(reader)

    @property
    def camera_info_topic(self) -> str:
        """Where the calibration comes from; empty if it is from a file."""
        return self._info_topic

    def __len__(self) -> int:
        return self._count

    @property
    def odometry_topic(self) -> str | None:
        """Where the other odometry comes from that frames carry; None if they carry none."""
        return self._companions.get('odometry') if 'odometry' in self.provided else None

    def companion_topic(self, source: str) -> str | None:
        """Return the topic that a source of scale needs besides the pictures; None if it lacks.

        Args:
            source: depth, stereo (the right pictures), odometry or imu.

        Raises:
            DatasetError: there are several to choose from, or the one named is not there.
        """
        if source not in self._companions:
            with opened(self._bag) as reader:
                self._companions[source] = find_companion(
                    reader, self._bag, source, self.image_topic, self._named
                )
        return self._companions[source]

    def lacks(self, source: str) -> bool:
        """See ``Sequence``; raises ``DatasetError`` where there are several topics for it."""
        return self.companion_topic(source) is None

    def provide(self, source: str, needed_by: str = 'scale.source') -> None:
        """See ``Sequence``; of an IMU it is looked up where it is."""
        super().provide(source, needed_by)
        if source == 'imu':
            _ = self._found_imu

    def __iter__(self) -> Iterator[Frame]:
        camera, before, number = self.camera, None, 0
        self.left_out = 0
        pictures = PictureReader()
        sources = {topic: source for source, topic in self._companions.items() if topic}
        sources = {topic: source for topic, source in sources.items() if source in self.provided}
        with opened(self._bag) as reader:
            pairing = Pairing(self._attachments(reader), self._imu_ahead)
            topics = [self.image_topic, self._info_topic, *sources]
            for topic, _, message in messages(reader, self._bag, topics):
                if topic in sources:
                    pairing.arrive(sources[topic], message)
                    continue
                if topic == self._info_topic:
                    camera = self._calibration(message, camera)
                    continue
                number += 1
                where = f'{self._bag}: message {number} on {self.image_topic}'
                stamp = stamp_of(message)
                if before is not None and stamp <= before:
                    _refuse_jump(before, stamp, where)
                    self.left_out += 1
                    continue
                before = stamp
                yield from pairing.put(_frame(pictures, message, stamp, camera, where))
            yield from pairing.rest()
        # A file that is overwritten in its middle reads as if there were nothing in it.
        if number < self._count:
            raise DatasetError(
                f'{self._bag}: of {self._count} messages on {self.image_topic} only {number} are '
                'there: the file is damaged'
            )

    def _attachments(self, reader: AnyReader) -> dict[str, Callable[[Frame, list[Any]], Frame]]:
        """Return what puts the companions that are provided into a frame."""
        attach: dict[str, Callable[[Frame, list[Any]], Frame]] = {}
        if 'depth' in self.provided:
            attach['depth'] = attach_depth
        if 'stereo' in self.provided:
            right = self._companions['stereo'] or ''
            pair = read_pair(reader, self._bag, self._info_topic, right)
            attach['stereo'] = right_attacher(pair)
        if 'odometry' in self.provided:
            attach['odometry'] = attach_wheels
        if 'imu' in self.provided:
            attach['imu'] = imu_attacher(self._imu_ahead)
        return attach

    def _imu_calibration(self) -> ImuCalibration:
        return self._found_imu

    @functools.cached_property
    def _found_imu(self) -> ImuCalibration:
        topic = self.companion_topic('imu') or ''
        with opened(self._bag) as reader:
            return read_bag_imu(
                reader, self._bag, topic, self.camera_frame, self._named.imu_calibration
            )

    @property
    def _imu_ahead(self) -> int:
        """Nanoseconds by which the IMU's stamps are ahead of the pictures'."""
        return round(self._found_imu.time_shift * 1e9) if 'imu' in self.provided else 0

    def _first_calibration(self, reader: AnyReader) -> Camera:
        found = next(messages(reader, self._bag, [self._info_topic]), None)
        if found is None:
            raise DatasetError(
                f'the topic {self._info_topic} has no messages; name the calibration with --camera'
            )
        return self._calibration(found[2], None)

    def _calibration(self, message: Any, before: Camera | None) -> Camera:
        """Return the camera that a message describes; ``before`` itself if that is the same."""
        try:
            camera = camera_from_info(lower_case(message), is_rectified(self.image_topic))
            if before is not None and same_camera(camera, before):
                return before
            return dataclasses.replace(camera, mask=self.mask)
        except CalibrationError as error:
            raise CalibrationError(f'{self._info_topic}: {error}') from error


def _refuse_jump(before: int, stamp: int, where: str) -> None:
    if before - stamp > JUMP_BACK:
        raise DatasetError(
            f'{where} is stamped {stamp / 1e9:.9f} s, long before the one before it '
            f'({before / 1e9:.9f} s); the clock was set back while this bag was recorded, or a '
            'replay that looped; frames must be in the order of time'
        )


def _frame(reader: PictureReader, message: Any, stamp: int, camera: Camera, where: str) -> Frame:
    try:
        # What is read from a bag is not writable, which PyTorch does not support.
        image = np.require(reader.read(message, camera), requirements='W')
        return Frame(image, stamp, camera)
    except ImageError as error:
        raise DatasetError(f'{where}: {error}') from error
    except CalibrationError as error:
        raise CalibrationError(f'{where}: {error}') from error
