# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Writing a sequence as a rosbag2, as a camera driver's recording would be; needs no ROS."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from loftr_vo.datasets.bag_messages import CAMERA_FRAME, BagMessages
from loftr_vo.datasets.sequence import DatasetError, Sequence
from loftr_vo.files.output_files import OutputError, new_folder
from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.geometry.inertial import ImuCalibration, ImuSamples, ImuStream
from loftr_vo.imaging.frame import Frame
from loftr_vo.imaging.stereo_extrinsics import rectification

STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
COMPRESSIONS = {
    'none': CompressionMode.NONE,
    'message': CompressionMode.MESSAGE,
    'file': CompressionMode.FILE,
    'chunk': CompressionMode.STORAGE,
}
# How a picture is stored, and what turns it into a file; None for the pixels as they are.
PICTURES: dict[str, tuple[str, list[int]] | None] = {
    'raw': None,
    'png': ('.png', []),
    'jpeg': ('.jpg', [cv2.IMWRITE_JPEG_QUALITY, 95]),
}
GROUND_TRUTHS = ('odometry', 'pose', 'none')

WORLD_FRAME = 'world'
BASE_FRAME = 'base_link'
IMU_FRAME = 'imu_link'

# The version of the metadata that the most distributions read: Jazzy writes 9, Humble knows 5 and
# leaves out what it does not know, but cannot read 9's quality of service.
_VERSION: Literal[8] = 8
_FOREVER = QosTime(9223372036, 854775807)  # RMW_DURATION_INFINITE


@dataclass(frozen=True)
class BagOptions:
    """How a bag is written.

    Attributes:
        storage: one of ``STORAGES``.
        compression: one of ``COMPRESSIONS``, by zstd; ``chunk`` is MCAP's own.
        pictures: one of ``PICTURES``; all but jpeg keep every pixel.
        ground_truth: one of ``GROUND_TRUTHS``: the type that true poses are written as.
        namespace: of the camera's topics.
    """

    storage: str = 'mcap'
    compression: str = 'none'
    pictures: str = 'raw'
    ground_truth: str = 'odometry'
    namespace: str = '/camera'


def write_bag(
    sequence: Sequence,
    path: Path,
    options: BagOptions,
    progress: Callable[[Iterable[Frame]], Iterable[Frame]] = iter,
) -> None:
    """Write pictures, their calibration, true poses where there are any, and a static transform.

    What frames carry besides, as ``Sequence.provide`` had it, is written too: depth images, right
    pictures with the calibration of the pair, other odometry, the measurements of an IMU with the
    transform to it.

    The transform puts the camera at the origin of ``base_link``, looking along its x axis, which
    is the default of the node. Messages are recorded at
    the time in their headers.

    Args:
        sequence: the frames.
        path: the folder to make; must not be there.
        options: see there.
        progress: wraps the frames to show how far it is, as ``tqdm`` does.

    Raises:
        DatasetError: there is a file or folder at ``path``, the options do not go together, or the
            sequence has no frame.
        OutputError: the bag cannot be written; then nothing is left at ``path``.
    """
    if options.compression == 'chunk' and options.storage != 'mcap':
        raise DatasetError('chunks can be compressed in MCAP alone; use message or file')
    if path.exists():
        raise DatasetError(f'{path} is there already; name another or remove it')
    try:
        # Half a bag has no metadata, and nothing opens it.
        with new_folder(path) as unfinished, _open(unfinished, options) as writer:
            if _write_all(sequence, _MessageWriter(writer, options), progress) == 0:
                raise DatasetError(f'{sequence.name} has no frames to write')
    except sqlite3.Error as error:
        raise OutputError(f'cannot write {path}: {error}') from error


def _open(path: Path, options: BagOptions) -> Writer:
    writer = Writer(path, version=_VERSION, storage_plugin=STORAGES[options.storage])
    writer.set_compression(COMPRESSIONS[options.compression], CompressionFormat.ZSTD)
    return writer


def _write_all(
    sequence: Sequence,
    writer: _MessageWriter,
    progress: Callable[[Iterable[Frame]], Iterable[Frame]],
) -> int:
    """Write everything in the order of time; return the number of frames."""
    count = 0
    frames = ((frame.stamp, frame) for frame in progress(sequence))
    entries: Iterator[tuple[int, Frame | np.ndarray]] = heapq.merge(
        frames, _true_poses(sequence), key=lambda entry: entry[0]
    )
    for stamp, entry in entries:
        if isinstance(entry, Frame):
            if count == 0:
                writer.write_transforms(stamp, sequence.imu)
            writer.write_frame(entry)
            count += 1
        else:
            writer.write_pose(stamp, entry)
    return count


def _true_poses(sequence: Sequence) -> Iterator[tuple[int, np.ndarray]]:
    truth = sequence.ground_truth
    if truth is not None:
        yield from zip(truth.stamps.tolist(), truth.poses, strict=True)


class _MessageWriter:
    """Writes frames and poses to their topics."""

    def __init__(self, writer: Writer, options: BagOptions) -> None:
        self._writer = writer
        self._options = options
        self._make = BagMessages()
        self._connections: dict[str, Any] = {}
        self._imu = ImuStream()

    def write_transforms(self, stamp: int, imu: ImuCalibration | None) -> None:
        """Write where the camera sits on the robot, and where the IMU sits beside it."""
        transforms = [self._transform(stamp, BASE_FRAME, CAMERA_FRAME, BODY_FROM_OPTICAL)]
        if imu is not None:
            pose = np.linalg.inv(imu.imu_from_camera)
            transforms.append(self._transform(stamp, CAMERA_FRAME, IMU_FRAME, pose))
        message = self._make.message('tf2_msgs/msg/TFMessage', transforms=transforms)
        self._write('/tf_static', stamp, message, latched=True)

    def _transform(self, stamp: int, parent: str, child: str, pose: np.ndarray) -> Any:
        return self._make.message(
            'geometry_msgs/msg/TransformStamped',
            header=self._make.header(stamp, parent),
            child_frame_id=child,
            transform=self._make.message(
                'geometry_msgs/msg/Transform',
                translation=self._make.vector(pose),
                rotation=self._make.quaternion(pose),
            ),
        )

    def write_frame(self, frame: Frame) -> None:
        """Write a picture, its calibration before it, and what the frame carries besides."""
        namespace, stamp = self._options.namespace.rstrip('/'), frame.stamp
        left, right = np.eye(3), frame.right
        if right is not None:
            left, turn = rectification(right.right_from_left)
            baseline = float(np.linalg.norm(right.right_from_left[:3, 3]))
            info = self._make.camera_info(right.camera, stamp, turn, baseline)
            self._write(f'{namespace}/right/camera_info', stamp, info)
            self._write_picture(f'{namespace}/right/image_raw', stamp, right.image)
        if frame.depth is not None:
            depth = self._make.image(frame.depth.astype('<f4'), stamp, '32FC1')
            self._write(f'{namespace}/depth/image_raw', stamp, depth)
        for wheels in frame.wheels:
            header = self._make.header(wheels.stamp, 'odom')
            message = self._make.odometry(header, self._make.pose(wheels.pose), BASE_FRAME)
            self._write('/odom', wheels.stamp, message)
        self._write_imu(frame.imu)
        info = self._make.camera_info(frame.camera, stamp, left)
        self._write(f'{namespace}/camera_info', stamp, info)
        self._write_picture(f'{namespace}/image_raw', stamp, frame.image)

    def _write_imu(self, samples: ImuSamples | None) -> None:
        new = self._imu.add(samples)
        if new is None:
            return
        measured = zip(new.stamps.tolist(), new.angular_velocity, new.specific_force, strict=True)
        for stamp, turn, force in measured:
            header = self._make.header(stamp, IMU_FRAME)
            self._write('/imu', stamp, self._make.imu(header, turn, force))

    def write_pose(self, stamp: int, pose: np.ndarray) -> None:
        """Write a true pose of the camera's optical frame."""
        kind = self._options.ground_truth
        if kind == 'none':
            return
        header = self._make.header(stamp, WORLD_FRAME)
        place = self._make.pose(pose)
        if kind == 'pose':
            message = self._make.message(
                'geometry_msgs/msg/PoseStamped', header=header, pose=place
            )
        else:
            message = self._make.odometry(header, place, CAMERA_FRAME)
        self._write(f'/ground_truth/{kind}', stamp, message)

    def _write(self, topic: str, stamp: int, message: Any, latched: bool = False) -> None:
        kind = message.__msgtype__
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic,
                kind,
                typestore=self._make.store,
                offered_qos_profiles=[_quality(latched)],
            )
        data = self._make.store.serialize_cdr(message, kind)
        self._writer.write(self._connections[topic], stamp, data)

    def _write_picture(self, topic: str, stamp: int, image: np.ndarray) -> None:
        form = PICTURES[self._options.pictures]
        if form is None:
            self._write(topic, stamp, self._make.image(image, stamp, 'mono8'))
        else:
            self._write(
                f'{topic}/compressed',
                stamp,
                self._make.compressed(image, stamp, *form, self._options.pictures),
            )


def _quality(latched: bool) -> Qos:
    """Return the quality of service that the topic's publisher would have offered."""
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=1 if latched else 10,
        reliability=QosReliability.RELIABLE,
        durability=QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        deadline=_FOREVER,
        lifespan=_FOREVER,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=_FOREVER,
        avoid_ros_namespace_conventions=False,
    )
