# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Saving a trajectory where others on the network have named the file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from loftr_vo.files.output_files import OutputError, inside
from loftr_vo.geometry.trajectory import Trajectory

# How each file begins that ``Trajectory.write_tum`` has written.
_BEGINNING = b'# timestamp tx ty tz qx qy qz qw'


def save_trajectory(trajectory: Trajectory, folder: str, name: str) -> Path:
    """Write a trajectory into a folder, whole or not at all; return where it was written.

    Only a new file is made, or one replaced that is a trajectory.

    Args:
        trajectory: what to write.
        folder: that must not be left; ``~`` is the home of the user.
        name: of the file, relative to the folder or absolute and in it.

    Raises:
        OutputError: the name leads out of the folder, is that of something else, or the file
            cannot be written.
    """
    try:
        root, file = Path(folder).expanduser(), Path(name).expanduser()
    except RuntimeError as error:  # a user who has no home
        raise OutputError(str(error)) from error
    path = inside(root, file)
    if not path.parent.is_dir():
        raise OutputError(f'the folder {path.parent} is not there')
    _check_kind(path)
    trajectory.write_tum(path)
    return path


def _check_kind(path: Path) -> None:
    """Make sure that nothing but a trajectory is replaced.

    Raises:
        OutputError: what is there is something else.
    """
    try:
        # Not to wait for whoever writes into a FIFO.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, 'rb') as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OutputError(f'{path} is not a regular file')
        beginning = file.read(len(_BEGINNING))
    if beginning not in (b'', _BEGINNING):
        raise OutputError(f'{path} is there and is no trajectory that was saved before')
