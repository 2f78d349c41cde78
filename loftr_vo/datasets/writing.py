# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Writing a sequence as a folder, the project's own layout."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from loftr_vo.datasets.sequence import DatasetError, Sequence
from loftr_vo.geometry.trajectory import Trajectory, format_seconds
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import BasePose, Frame
from loftr_vo.imaging.image_writing import write_picture


def write_sequence(
    sequence: Sequence,
    folder: Path,
    progress: Callable[[Iterable[Frame]], Iterable[Frame]] = iter,
) -> None:
    """Write ``images/``, ``times.txt``, ``camera.yaml`` and, if known, ``groundtruth.txt``.

    What the sequence was asked to ``provide`` is written too: ``depth/``, ``right/`` with
    ``right_camera.yaml``, ``odometry.txt``; see ``open_folder``.

    Args:
        sequence: the frames, all of one camera.
        folder: made where it is not there.
        progress: wraps the frames to show how far it is, as ``tqdm`` does.

    Raises:
        DatasetError: the folder holds pictures already, or the sequence no frame.
    """
    images = folder / 'images'
    if images.exists() and any(images.iterdir()):
        raise DatasetError(f'{images} is not empty; name another folder or remove it')
    images.mkdir(parents=True, exist_ok=True)
    times: list[str] = []
    wheels: list[BasePose] = []
    camera = None
    for index, frame in enumerate(progress(sequence)):
        camera = frame.camera
        times.append(format_seconds(frame.stamp))
        wheels += frame.wheels
        _write_picture(images / f'{index:06d}.png', frame.image)
        _write_companions(frame, folder, f'{index:06d}.png', sequence.provided)
    if camera is None:
        raise DatasetError(f'{sequence.name} has no frames to write')
    (folder / 'times.txt').write_text('\n'.join(times) + '\n', encoding='utf-8')
    (folder / 'camera.yaml').write_text(calibration_yaml(camera), encoding='utf-8')
    if sequence.ground_truth is not None:
        sequence.ground_truth.write_tum(folder / 'groundtruth.txt')
    if wheels:
        poses = np.stack([each.pose for each in wheels])
        Trajectory(np.array([each.stamp for each in wheels]), poses).write_tum(
            folder / 'odometry.txt', 'robot base in odom'
        )


def _write_companions(frame: Frame, folder: Path, name: str, provided: Collection[str]) -> None:
    if 'depth' in provided and frame.depth is not None:
        millimetres = np.nan_to_num(frame.depth * 1e3).round()
        # What does not fit into 16 bits is not known.
        millimetres[millimetres > np.iinfo(np.uint16).max] = 0
        _write_picture(folder / 'depth' / name, millimetres.astype(np.uint16))
    if 'stereo' in provided and frame.right is not None:
        _write_picture(folder / 'right' / name, frame.right.image)
        calibration = folder / 'right_camera.yaml'
        if not calibration.exists():
            right = frame.right
            calibration.write_text(
                calibration_yaml(right.camera, right.right_from_left), encoding='utf-8'
            )


def _write_picture(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, picture)


def calibration_yaml(camera: Camera, right_from_left: np.ndarray | None = None) -> str:
    """Return a calibration as ROS' ``camera_calibration`` writes it.

    Args:
        camera: the camera.
        right_from_left: (4, 4), of the right camera of a rectified pair; else None.
    """
    count = len(camera.distortion)
    fields: dict[str, Any] = {
        'image_width': camera.width,
        'image_height': camera.height,
        'camera_name': 'camera',
        'camera_matrix': {'rows': 3, 'cols': 3, 'data': camera.matrix.ravel().tolist()},
        'distortion_model': camera.distortion_model,
        'distortion_coefficients': {'rows': 1, 'cols': count, 'data': camera.distortion.tolist()},
    }
    if right_from_left is not None:
        shift = camera.matrix @ right_from_left[:3, 3]
        projection = np.column_stack([camera.matrix, shift])
        fields['projection_matrix'] = {'rows': 3, 'cols': 4, 'data': projection.ravel().tolist()}
    text: str = yaml.safe_dump(fields, sort_keys=False, default_flow_style=None)
    return text
