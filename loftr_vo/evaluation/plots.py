# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The report's plots."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.evaluation.scoring import Alignment
from loftr_vo.files.output_files import OutputError, write_bytes
from loftr_vo.geometry.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TRUE: dict[str, Any] = {'color': '#555555', 'linewidth': 2.5, 'label': 'ground truth'}
_ESTIMATE: dict[str, Any] = {'color': '#d1495b', 'linewidth': 1.5, 'label': 'estimate'}
_AXES = 'xyz'
# Names of recordings come from the file system: a $ in one begins no formula.
_TITLE: dict[str, Any] = {'fontsize': 11, 'parse_math': False, 'usetex': False}


def plot_top_view(path: Path, title: str, estimated: Trajectory, true: Trajectory | None) -> None:
    """Draw the path over the two axes in which it extends most.

    Args:
        path: the picture to write.
        title: what to write above, as it is; may have several lines.
        estimated: aligned with ``true`` where that is given.
        true: ground truth in metres, or None.
    """
    figure = new_figure(figsize=(8.0, 6.0), dpi=130, layout='constrained')
    axes = figure.add_subplot()
    reference = true or estimated
    across, up = widest_axes(reference.positions)
    if true is not None:
        axes.plot(true.positions[:, across], true.positions[:, up], **_TRUE)
    axes.plot(estimated.positions[:, across], estimated.positions[:, up], **_ESTIMATE)
    start = reference.positions[0]
    axes.plot(start[across], start[up], 'o', color='black', markersize=6, label='start')
    unit = 'm' if true is not None else 'units of the estimate'
    axes.set_xlabel(f'{_AXES[across]} ({unit})')
    axes.set_ylabel(f'{_AXES[up]} ({unit})')
    axes.set_aspect('equal', adjustable='datalim')
    axes.margins(0.08)
    axes.grid(color='#dddddd')
    axes.set_axisbelow(True)
    axes.legend(frameon=True)
    axes.set_title(title, **_TITLE)
    save_figure(figure, path)


def plot_errors(path: Path, title: str, alignment: Alignment) -> None:
    """Draw along the path: position error, rotation error per frame, and length of the motions.

    Args:
        path: the picture to write.
        title: what to write above, as it is; may have several lines.
        alignment: the estimate laid onto the ground truth.
    """
    figure = new_figure(figsize=(8.0, 7.0), dpi=130, layout='constrained')
    position, rotation, length = figure.subplots(3, sharex=True)
    along = alignment.true.distances
    position.plot(along, alignment.errors, color='#d1495b')
    position.set_ylabel('position error (m)')
    position.set_ylim(bottom=0.0)
    rotation.plot(along[1:], rotation_errors(alignment), '.-', color='#30638e', linewidth=0.8)
    rotation.set_ylabel('rotation error\nper frame (deg)')
    rotation.set_ylim(bottom=0.0)
    length.axhline(1.0, color='#555555', linewidth=1.0)
    length.plot(along[1:], length_ratios(alignment), '.-', color='#00798c', linewidth=0.8)
    length.set_ylabel('length of motion\n(estimate / true)')
    length.set_xlabel('distance along the true path (m)')
    for axes in (position, rotation, length):
        axes.grid(color='#dddddd')
        axes.set_axisbelow(True)
    position.set_title(title, **_TITLE)
    save_figure(figure, path)


def new_figure(**options: Any) -> Figure:
    """Return matplotlib's figure; imported here, since most commands need no matplotlib."""
    from matplotlib.figure import Figure

    return Figure(**options)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format that the name ends in, whole or not at all.

    Raises:
        OutputError: it cannot be written, or there is no such format.
    """
    data = io.BytesIO()
    check_figure_name(path)
    figure.savefig(data, format=path.suffix[1:].lower())
    write_bytes(path, data.getvalue())


def check_figure_name(path: Path) -> None:
    """Make sure that a name ends in a format of figures.

    Raises:
        OutputError: it does not.
    """
    if path.suffix[1:].lower() not in new_figure().canvas.get_supported_filetypes():
        raise OutputError(f'cannot write {path}; name a .png, .svg or .pdf file')


def widest_axes(positions: np.ndarray) -> tuple[int, int]:
    """Return the two axes, in order, in which positions (N, 3) extend most."""
    first, second = np.sort(np.argsort(np.ptp(positions, axis=0))[1:]).tolist()
    return first, second


def rotation_errors(alignment: Alignment) -> np.ndarray:
    """Return how far the rotation from each pose to the next is off: (N - 1,) degrees."""
    found, wanted = _rotations(alignment.estimated), _rotations(alignment.true)
    motions = (found[:-1].inv() * found[1:], wanted[:-1].inv() * wanted[1:])
    return np.degrees((motions[1].inv() * motions[0]).magnitude())


def _rotations(trajectory: Trajectory) -> Rotation:
    return Rotation.from_matrix(trajectory.poses[:, :3, :3])


def length_ratios(alignment: Alignment) -> np.ndarray:
    """Return estimated over true length of each motion: (N - 1,); NaN for no true motion."""
    wanted = np.diff(alignment.true.distances)
    found = np.diff(alignment.estimated.distances)
    return np.divide(found, wanted, out=np.full(len(wanted), np.nan), where=wanted > 0.0)
