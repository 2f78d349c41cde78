# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Writing a sequence as a folder, the project's own layout."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import yaml

from loftr_vo.camera import Camera
from loftr_vo.datasets.sequence import DatasetError, Sequence
from loftr_vo.frame import Frame
from loftr_vo.trajectory import format_seconds


def write_sequence(
    sequence: Sequence,
    folder: Path,
    progress: Callable[[Iterable[Frame]], Iterable[Frame]] = iter,
) -> None:
    """Write ``images/``, ``times.txt``, ``camera.yaml`` and, if known, ``groundtruth.txt``.

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
    times, camera = [], None
    for index, frame in enumerate(progress(sequence)):
        camera = frame.camera
        times.append(format_seconds(frame.stamp))
        path = images / f'{index:06d}.png'
        if not cv2.imwrite(str(path), frame.image):
            raise DatasetError(f'cannot write {path}')
    if camera is None:
        raise DatasetError(f'{sequence.name} has no frames to write')
    (folder / 'times.txt').write_text('\n'.join(times) + '\n', encoding='utf-8')
    (folder / 'camera.yaml').write_text(calibration_yaml(camera), encoding='utf-8')
    if sequence.ground_truth is not None:
        sequence.ground_truth.write_tum(folder / 'groundtruth.txt')


def calibration_yaml(camera: Camera) -> str:
    """Return a calibration as ROS' ``camera_calibration`` writes it."""
    count = len(camera.distortion)
    fields = {
        'image_width': camera.width,
        'image_height': camera.height,
        'camera_name': 'camera',
        'camera_matrix': {'rows': 3, 'cols': 3, 'data': camera.matrix.ravel().tolist()},
        'distortion_model': camera.distortion_model,
        'distortion_coefficients': {'rows': 1, 'cols': count, 'data': camera.distortion.tolist()},
    }
    text: str = yaml.safe_dump(fields, sort_keys=False, default_flow_style=None)
    return text
