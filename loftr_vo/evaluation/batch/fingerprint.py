# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Digests of all that a result depends on: code, settings, weights and input."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import loftr_vo
from loftr_vo.evaluation.batch import storage
from loftr_vo.evaluation.batch.task import Task, settings_of
from loftr_vo.imaging.calibration_files import split_camera

_CHUNK = 1 << 20


def fingerprint(task: Task) -> dict[str, str]:
    """Return the digests that a result is valid for.

    Of the input it has the names, sizes and times of change of all files of the recording, and
    of its ground truth, calibrations and mask where these are given; the files are not read.

    Raises:
        OSError, StorageError: the recording cannot be read.
    """
    options = task.options
    # A calibration may be named as FILE:CAMERA.
    calibrations = [
        named and split_camera(named)[0] for named in (options.camera, options.imu_calibration)
    ]
    given = (options.truth.path, *calibrations, options.mask)
    places = [task.source, *(str(path) for path in given if path is not None)]
    inputs = [
        storage.versions(place)
        for place in places
        if storage.is_url(place) or Path(place).exists()
    ]
    return {
        'code': task.code,
        'settings': digest(settings_of(task)),
        'weights': task.baseline or _weights_digest(task.settings.matcher.weights),
        'input': digest([task.source, inputs]),
    }


def code_digest() -> str:
    """Return a digest of the version and the source files of the package."""
    root = Path(loftr_vo.__file__).parent
    total = hashlib.sha256(loftr_vo.__version__.encode())
    for path in sorted(root.rglob('*.py')):
        total.update(str(path.relative_to(root)).encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def digest(value: Any) -> str:
    """Return a digest of a value of JSON types, paths and arrays."""
    text = json.dumps(value, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode('utf-8', 'backslashreplace')).hexdigest()


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, 'tolist') else str(value)


def _weights_digest(name: str) -> str:
    """Return the SHA-256 of the file of weights; the name where there is no file."""
    # Imported late: it loads torch.
    from loftr_vo.loftr.weights import local_file

    path = local_file(name)
    if path is None:
        return name
    total = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()
