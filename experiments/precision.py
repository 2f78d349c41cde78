# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The effect of half precision: ``python -m experiments.precision SEQUENCE ...``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loftr_vo.config import Settings, replace
from loftr_vo.datasets import open_sequence
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.matcher import Matcher
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry import VisualOdometry
from loftr_vo.odometry.estimate import Estimate, State

HALF = ('float16', 'bfloat16')


@dataclass(frozen=True)
class Agreement:
    """How matches and motion of one pair agree with those in float32.

    Attributes:
        matches: how many there are in float32.
        shared: share of them that are there in half precision too.
        distance_px: median distance of those, in pixels of the picture.
        rotation_deg: angle between the two rotations.
        well_posed: whether float32 itself gives the motion, and not only the rotation roughly.
    """

    matches: int
    shared: float
    distance_px: float
    rotation_deg: float
    well_posed: bool


def agreement(frames: tuple[Frame, Frame], precision: str, settings: Settings) -> Agreement:
    """Match and track a pair in float32 and in ``precision`` and compare."""
    exact, half = (
        _matches(frames, replace(settings, {'matcher.precision': each}))
        for each in ('float32', precision)
    )
    _, at0, at1 = np.intersect1d(exact.cells, half.cells, return_indices=True)
    distance = np.linalg.norm(exact.keypoints1[at0] - half.keypoints1[at1], axis=1)
    poses = [
        _tracked(frames, replace(settings, {'matcher.precision': each}))
        for each in ('float32', precision)
    ]
    turn = poses[0].pose[:3, :3].T @ poses[1].pose[:3, :3]
    cosine = np.clip((np.trace(turn) - 1) / 2, -1, 1)
    return Agreement(
        len(exact),
        len(at0) / max(len(exact), 1),
        float(np.median(distance)) if len(distance) else float('inf'),
        float(np.degrees(np.arccos(cosine))),
        poses[0].state is State.TRACKING and not poses[0].reason,
    )


def _matches(frames: tuple[Frame, Frame], settings: Settings) -> Matches:
    """Return the network's matches without refinement."""
    matcher = Matcher(settings.matcher)
    return matcher.match(*(matcher.encode(frame.image) for frame in frames)).result()


def _tracked(frames: tuple[Frame, Frame], settings: Settings) -> Estimate:
    odometry = VisualOdometry(settings)
    odometry.track(frames[0])
    return odometry.track(frames[1])


def main() -> None:
    """Print a table for pairs of pictures out of sequences."""
    parser = argparse.ArgumentParser(description='Compare half precision with float32.')
    parser.add_argument('sequences', nargs='+', type=Path, metavar='SEQUENCE')
    parser.add_argument('--apart', type=int, default=1, help='frames between the two of a pair')
    parser.add_argument('--pairs', type=int, default=1, help='of each sequence')
    parser.add_argument('--image-size', type=int, default=640)
    parser.add_argument('--weights', default='compact')
    parser.add_argument('--device', default='auto')
    arguments = parser.parse_args()
    settings = replace(
        Settings(),
        {
            'matcher.weights': arguments.weights,
            'matcher.device': arguments.device,
            'matcher.image_size': arguments.image_size,
        },
    )
    print('| sequence | precision | matches | same | median px | rotation deg |')
    print('|---|---|---|---|---|---|')
    for path in arguments.sequences:
        sequence = open_sequence(path)
        frames = list(sequence)
        starts = np.linspace(0, len(frames) - 1 - arguments.apart, arguments.pairs).astype(int)
        for start in starts:
            pair = frames[start], frames[start + arguments.apart]
            for precision in HALF:
                found = agreement(pair, precision, settings)
                rotation = f'{found.rotation_deg:.4f}' if found.well_posed else 'not determined'
                print(
                    f'| {sequence.name} {start}, {start + arguments.apart} | {precision} '
                    f'| {found.matches} | {100 * found.shared:.2f} % '
                    f'| {found.distance_px:.3f} | {rotation} |',
                    flush=True,
                )


if __name__ == '__main__':
    main()
