# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Opening a recording of any kind, which is recognised by its path and its files."""

from __future__ import annotations

from pathlib import Path

from loftr_vo.datasets.companion_topics import CompanionTopics
from loftr_vo.datasets.euroc import open_euroc
from loftr_vo.datasets.folder import open_folder, open_pictures
from loftr_vo.datasets.image_files import SUFFIXES
from loftr_vo.datasets.kitti import open_kitti
from loftr_vo.datasets.sequence import DatasetError, Sequence
from loftr_vo.datasets.tum import open_tum
from loftr_vo.datasets.video import VideoSequence
from loftr_vo.files.regular_file import check_regular
from loftr_vo.files.text import printable
from loftr_vo.imaging.calibration_files import read_calibration
from loftr_vo.imaging.view_mask import ViewMask

LAYOUTS = """\
  sequence folder     images/, times.txt, camera.yaml, groundtruth.txt if known
  folder of pictures  the pictures and camera.yaml
  KITTI odometry      image_0/, calib.txt, times.txt
  TUM RGB-D           rgb.txt, rgb/
  EuRoC MAV           mav0/
  rosbag              a rosbag2 folder, or a .mcap, .db3 or .bag file
  video               a file that OpenCV opens, camera.yaml beside it"""

BAG_SUFFIXES = ('.mcap', '.db3', '.bag')
# OpenCV opens more; these are what is looked for in a folder of recordings.
_VIDEO_SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov')


def open_sequence(
    path: str | Path,
    camera: str | Path | None = None,
    image_topic: str | None = None,
    camera_info_topic: str | None = None,
    companions: CompanionTopics | None = None,
    mask: ViewMask | None = None,
) -> Sequence:
    """Open a recording, whatever its kind; ``LAYOUTS`` lists the kinds.

    Args:
        path: file or folder.
        camera: a calibration file, used in place of the recording's own; ``FILE:CAMERA`` where it
            has several, see ``read_calibration``.
        image_topic: of a bag, where it has several.
        camera_info_topic: of a bag, where it has several.
        companions: topics of a bag with what the scale needs, where it has several; how an IMU
            sits beside the camera.
        mask: what of the pictures is used; None for all.

    Raises:
        DatasetError: there is nothing at ``path``, its layout is not known, or it is incomplete.
        CalibrationError: its calibration is unusable, or the mask leaves nothing of its pictures.
        TrajectoryError: its ground truth is malformed.
    """
    path = Path(path)
    if not path.exists():
        raise DatasetError(f'there is no file or folder {path}')
    if not path.is_dir():
        check_regular(path, DatasetError)
    calibration = None if camera is None else Path(camera)
    if is_bag(path):
        sequence = _open_bag(path, calibration, image_topic, camera_info_topic, companions)
    else:
        imu_calibration = companions.imu_calibration if companions else None
        sequence = _open_files(path, calibration, imu_calibration)
    sequence.path = path
    if camera is not None:
        sequence.calibration = printable(read_calibration(camera).source)
    if mask is not None:
        sequence.use_mask(mask)
    return sequence


def is_bag(path: Path) -> bool:
    """Whether there is a ROS bag at a path, judged by its name, a folder by what is in it."""
    if not path.is_dir():
        return path.is_file() and path.suffix.lower() in BAG_SUFFIXES
    if (path / 'metadata.yaml').exists():
        return True
    return any(child.suffix.lower() in ('.mcap', '.db3') for child in path.iterdir())


def is_recording(path: Path) -> bool:
    """Whether there is a recording at a path, judged by names alone; a guess for a search.

    Pictures and videos count only with a ``camera.yaml`` beside them: any folder may have some.
    """
    if not path.is_dir():
        video = path.suffix.lower() in _VIDEO_SUFFIXES and (path.parent / 'camera.yaml').exists()
        return is_bag(path) or (path.is_file() and video)
    layouts = ('mav0', 'image_0', 'rgb.txt', 'images')
    if any((path / name).exists() for name in layouts) or is_bag(path):
        return True
    calibrated = (path / 'camera.yaml').exists()
    return calibrated and any(child.suffix.lower() in SUFFIXES for child in path.iterdir())


def _open_files(path: Path, camera: Path | None, imu_calibration: Path | None) -> Sequence:
    if path.is_dir():
        return _open_folder(path, camera, imu_calibration)
    if path.suffix.lower() in SUFFIXES:
        raise DatasetError(f'{path} is a single picture; give the folder that holds them')
    if path.suffix == '.zstd':
        raise DatasetError(f'{path} is a compressed file of a bag; give the folder that it is in')
    return VideoSequence(path, camera)


def _open_bag(
    path: Path,
    camera: Path | None,
    image_topic: str | None,
    camera_info_topic: str | None,
    companions: CompanionTopics | None,
) -> Sequence:
    try:
        from loftr_vo.datasets.rosbag import BagSequence
    except ImportError as error:
        raise DatasetError(
            f'reading the bag {path} needs the packages rosbags and rosbags-image '
            f'("pip install rosbags rosbags-image"): {error}'
        ) from error
    return BagSequence(path, camera, image_topic, camera_info_topic, companions)


def _open_folder(path: Path, camera: Path | None, imu_calibration: Path | None) -> Sequence:
    if path.name == 'mav0':
        path = path.parent
    if (path / 'mav0').is_dir():
        return open_euroc(path, camera, imu_calibration)
    if (path / 'image_0').is_dir():
        return open_kitti(path, camera)
    if (path / 'rgb.txt').is_file():
        return open_tum(path, camera)
    if (path / 'images').is_dir():
        return open_folder(path, camera, imu_calibration)
    if any(child.suffix.lower() in SUFFIXES for child in path.iterdir()):
        return open_pictures(path, camera, imu_calibration)
    what = 'is empty' if not any(path.iterdir()) else 'has no layout that is known'
    raise DatasetError(f'the folder {path} {what}; the known layouts are:\n{LAYOUTS}')
