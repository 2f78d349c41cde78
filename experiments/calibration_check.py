# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the check of the calibration finds: ``python -m experiments.calibration_check PATH ...``.

Each recording is run with its calibration changed: with the focal length multiplied by each factor
of ``--focal``, and with ``--no-distortion`` once more without its distortion. A row has what the
check finds in the end, and after how many keyframes it first warns.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterable, Iterator

import numpy as np

from loftr_vo.cli.options import add_settings_options, read_settings
from loftr_vo.config import Settings
from loftr_vo.datasets import open_sequence
from loftr_vo.datasets.sequence import Sequence
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame
from loftr_vo.odometry import VisualOdometry
from loftr_vo.odometry.estimate import Estimate, State
from loftr_vo.synthetic.places import KINDS
from loftr_vo.synthetic.sequence import SyntheticSequence


def changed_camera(camera: Camera, focal: float, *, distorted: bool = True) -> Camera:
    """Return a wrong calibration: other focal lengths, or no distortion."""
    matrix = camera.matrix.copy()
    matrix[0, 0] *= focal
    matrix[1, 1] *= focal
    distortion = camera.distortion if distorted else np.zeros_like(camera.distortion)
    return dataclasses.replace(camera, matrix=matrix, distortion=distortion)


def miscalibrated(
    frames: Iterable[Frame], focal: float, *, distorted: bool = True
) -> Iterator[Frame]:
    """Yield frames with a wrong calibration."""
    changed: tuple[Camera, Camera] | None = None
    for frame in frames:
        if changed is None or frame.camera is not changed[0]:
            changed = frame.camera, changed_camera(frame.camera, focal, distorted=distorted)
        yield dataclasses.replace(frame, camera=changed[1])


def row(name: str, change: str, estimates: Iterable[Estimate]) -> str:
    """Return a row of the table."""
    warned, frames, tracked, last = None, 0, 0, None
    for last in estimates:
        frames += 1
        tracked += last.state is State.TRACKING
        if warned is None and last.calibration.suspicion:
            warned = last.keyframe_id
    assert last is not None
    found = last.calibration
    return (
        f'| {name} | {change} | {tracked}/{frames} | {last.keyframe_id + 1} '
        f'| {100 * found.focal_error:+.1f} ± {100 * found.focal_sigma:.1f} '
        f'| {found.corner_error:+.1f} ± {found.corner_sigma:.1f} '
        f'| {"no" if warned is None else f"after {warned} keyframes"}'
        f'{"" if found.suspicion or warned is None else ", not in the end"} |'
    )


def rows(
    sequence: Sequence, settings: Settings, factors: Iterable[float], *, without_distortion: bool
) -> Iterator[str]:
    """Yield the rows of a recording."""
    changes = [(f'focal length times {factor:g}', factor, True) for factor in factors]
    if without_distortion and next(iter(sequence)).camera.distortion.any():
        changes.append(('without distortion', 1.0, False))
    for change, focal, distorted in changes:
        frames = miscalibrated(sequence, focal, distorted=distorted)
        yield row(sequence.name, change, VisualOdometry(settings).stream(frames))


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog='python -m experiments.calibration_check',
        description=(__doc__ or '').splitlines()[0],
    )
    parser.add_argument('paths', nargs='*', metavar='PATH', help='recordings')
    parser.add_argument('--scenes', nargs='+', choices=KINDS, default=[])
    parser.add_argument('--seeds', nargs='+', type=int, default=[0])
    parser.add_argument('--frames', type=int, default=120, help='of a scene, default: %(default)s')
    parser.add_argument('--focal', nargs='+', type=float, default=[1.0, 1.05], metavar='FACTOR')
    parser.add_argument('--no-distortion', action='store_true', help='run without distortion too')
    add_settings_options(parser)
    options = parser.parse_args(arguments)
    settings = read_settings(options)
    print('| recording | change | tracked | keyframes | focal length, % | corners, px | warns |')
    print('|---|---|---|---|---|---|---|')
    recordings = [open_sequence(path) for path in options.paths]
    recordings += [
        SyntheticSequence(kind, options.frames, seed=seed)
        for kind in options.scenes
        for seed in options.seeds
    ]
    for recording in recordings:
        for line in rows(
            recording, settings, options.focal, without_distortion=options.no_distortion
        ):
            print(line, flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
