# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Opening a ROS bag and going through its messages, without ROS: rosbag2 and ROS 1."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection
from rosbags.typesys import Stores, get_typestore

from loftr_vo.datasets.bag_path import BagPath
from loftr_vo.datasets.sequence import DatasetError
from loftr_vo.files.regular_file import check_regular
from loftr_vo.files.text import summary

_SUFFIXES = frozenset(['.mcap', '.db3'])


@contextmanager
def opened(path: Path) -> Iterator[AnyReader]:
    """Open a rosbag2 folder, a single ``.mcap`` or ``.db3`` file, or a ROS 1 ``.bag``.

    Raises:
        DatasetError: it does not open; the message has what to do.
    """
    storage = _storage(path)
    for file in _files(storage):
        # SQLite opens them by itself.
        check_regular(file, DatasetError)
    try:
        # Bags of before Iron hold no message definitions in SQLite files.
        reader = AnyReader([BagPath(storage)], default_typestore=get_typestore(Stores.LATEST))
        reader.open()
    # The storage back ends let the errors of several libraries through.
    except Exception as error:
        raise DatasetError(
            f'{path} does not open as a bag: {summary(error)}{_repair(storage)}'
        ) from error
    try:
        yield reader
    finally:
        reader.close()


def messages(
    reader: AnyReader, path: Path, topics: Collection[str]
) -> Iterator[tuple[str, int, Any]]:
    """Yield topic, time of recording in nanoseconds and message, in the order of that time.

    Args:
        reader: of the bag, open.
        path: the bag's, for error messages.
        topics: those that are read.

    Raises:
        DatasetError: the bag is damaged, or a message does not decode.
    """
    connections = [connection for connection in reader.connections if connection.topic in topics]
    for connection, received, data in raw_messages(reader, path, connections):
        try:
            message = reader.deserialize(data, connection.msgtype)
        # Damaged lengths and texts let the errors of several libraries through.
        except Exception as error:
            raise DatasetError(
                f'{path}: the message on {connection.topic} recorded at {received / 1e9:.9f} s '
                f'does not decode: {summary(error)}'
            ) from error
        yield connection.topic, received, message


def raw_messages(
    reader: AnyReader,
    path: Path,
    connections: Collection[Connection],
    start: int | None = None,
    stop: int | None = None,
) -> Iterator[tuple[Connection, int, bytes]]:
    """Yield messages as they are serialized, in the order of the time of recording.

    Args:
        reader: of the bag, open.
        path: the bag's, for error messages.
        connections: those that are read; none, if there are none.
        start, stop: nanoseconds; only what was recorded from ``start`` on and before ``stop``.

    Raises:
        DatasetError: the bag is damaged.
    """
    if not connections:
        return
    number = 0
    found = reader.messages(connections, start, stop)
    while True:
        try:
            entry = next(found)
        except StopIteration:
            return
        # The storage back ends let the errors of several libraries through.
        except Exception as error:
            raise DatasetError(
                f'{path} is damaged: after {number} messages: {summary(error)}{_repair(path)}'
            ) from error
        number += 1
        yield entry


def topic_types(reader: AnyReader) -> dict[str, str]:
    """Return the type of each topic, as ``sensor_msgs/msg/Image``, in the order of their names."""
    return dict(sorted((found.topic, found.msgtype) for found in reader.connections))


def topics_of(types: dict[str, str], kinds: Collection[str]) -> list[str]:
    """Return the topics that are of one of some types."""
    return [topic for topic, kind in types.items() if kind in kinds]


def stamp_of(message: Any) -> int:
    """Return the time in a message's header in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def lower_case(info: Any) -> Any:
    """Return a CameraInfo with the fields as ROS 2 spells them; ROS 1 has D, K, R and P."""
    if hasattr(info, 'k'):
        return info
    return SimpleNamespace(**{name.lower(): value for name, value in vars(info).items()})


def listing(topics: Iterable[str]) -> str:
    """Return topics for people to choose from."""
    return ', '.join(sorted(topics)) or 'none'


def _storage(path: Path) -> Path:
    """Return what the reader wants: a folder with metadata.yaml, or the one file in it."""
    if path.is_file() or (path / 'metadata.yaml').exists():
        return path
    files = sorted(child for child in path.iterdir() if child.suffix in _SUFFIXES)
    if len(files) != 1:
        raise DatasetError(
            f'{path} has {len(files)} bag files and no metadata.yaml; make one with '
            f'"ros2 bag reindex {path}"'
        )
    return files[0]


def _files(storage: Path) -> list[Path]:
    """Return the files that the reader may open."""
    if not storage.is_dir():
        return [storage]
    return sorted(child for child in storage.iterdir() if child.exists() and not child.is_dir())


def _repair(path: Path) -> str:
    """Return how a damaged bag may be mended: recorders that are killed leave such."""
    if path.suffix == '.mcap' or (path.is_dir() and any(path.glob('*.mcap'))):
        return '; if its recorder was killed, "mcap recover" may save what it holds'
    if path.suffix == '.bag':
        return '; if its recorder was killed, "rosbag reindex" may save what it holds'
    return ''
