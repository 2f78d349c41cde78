# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The contribution of each part: ``python -m experiments.ablation [RECORDING...]``.

Every part is switched off in turn, and whole sequences are run again: the recordings given,
rendered rooms and streets, and the hard cases that the part is there for (``experiments.hard``).
The table is in docs/design.md. A part that changes no figure by a twentieth is to be deleted.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from experiments import hard
from loftr_vo.cli.options import add_settings_options, read_settings
from loftr_vo.config import Settings
from loftr_vo.datasets import open_sequence
from loftr_vo.datasets.sequence import Sequence
from loftr_vo.evaluation.running import run_sequence
from loftr_vo.evaluation.scoring import EvaluationError, score
from loftr_vo.odometry import VisualOdometry
from loftr_vo.odometry.map.keyframe_store import KeyframeStore
from loftr_vo.odometry.pose import frame_pose, pose_by_depth
from loftr_vo.odometry.pose.pose_refinement import refine_pose
from loftr_vo.odometry.pose.rotation_refinement import fit_rotation, refine_rotation
from loftr_vo.odometry.tracking.odom_frame import OdomFrame
from loftr_vo.odometry.tracking.stationary import PureRotationDetector, StationaryDetector
from loftr_vo.synthetic.sequence import SyntheticSequence

_SIZE = (240, 320)  # of the hard cases
_FRAMES, _RATE = 60, 10.0  # of the rendered rooms and streets
_START = 10  # frames in which depth becomes known


@dataclass(frozen=True)
class Part:
    """A part of the estimator.

    Attributes:
        switch_off: context in which it does nothing.
        cases: the hard cases that it is there for, see ``hard.CASES``.
    """

    switch_off: Callable[[], contextlib.AbstractContextManager[Any]]
    cases: tuple[str, ...] = ()


def _replaced(target: Any, name: str, stand_in: Any) -> Callable[[], Any]:
    return lambda: mock.patch.object(target, name, stand_in)


def _rotation_only(observations, two_view, expected, reference_depth, threshold):
    """Stand-in for ``estimate_without_depth``: rotation only until depth is known."""
    inliers = observations.select(two_view.inliers)
    rotation = refine_rotation(inliers, fit_rotation(inliers)[0])
    still = refine_pose(inliers, rotation, np.zeros(3))
    return observations, replace(still, rotation=rotation, translation=np.zeros(3))


def _move_for_good(self: OdomFrame, in_odom: np.ndarray, in_map: np.ndarray) -> None:
    """Stand-in for ``blend_from``: the map stays where it was moved to."""
    self.move_map(in_odom, in_map, np.zeros((6, 6)))


_LOSSES = tuple(name for name in hard.CASES if 'second' in name)

PARTS = {
    'stationary detection': Part(
        _replaced(StationaryDetector, 'hold', lambda self, k, motion, pose, t: (pose, False)),
        ('rest', 'rest, noise, flicker', 'rest, dull, noisy'),
    ),
    'pure-rotation detection': Part(
        _replaced(PureRotationDetector, 'hold', lambda self, k, motion, pose: (pose, False)),
        ('turning on the spot',),
    ),
    'motion before depth': Part(
        _replaced(frame_pose, 'estimate_without_depth', _rotation_only),
        ('turning on the spot', 'somebody is there at once'),
    ),
    'static-scene preference': Part(
        _replaced(frame_pose, 'prefer_static_scene', lambda o, k, c, two_view, t: two_view),
        ('somebody hides 40 %', 'the same, dull room', 'somebody is there at once'),
    ),
    'other starts of the solve': Part(
        _replaced(pose_by_depth, 'other_starts', lambda *_: []),
        ('somebody hides 40 %', 'the same, dull room', 'elsewhere for a second'),
    ),
    'glide after a loss': Part(_replaced(OdomFrame, 'blend_from', _move_for_good), _LOSSES),
    'old maps': Part(
        _replaced(KeyframeStore, 'old_candidates', lambda self, image: iter(())),
        ('elsewhere for six seconds',),
    ),
}


@functools.cache
def _case(name: str, seed: int) -> Sequence:
    return _rendered_once(hard.CASES[name].make(seed, _SIZE))


@functools.cache
def _scene(kind: str, seed: int) -> Sequence:
    return _rendered_once(SyntheticSequence(kind, _FRAMES, _SIZE, _RATE, seed))


def _rendered_once(sequence: Sequence) -> Sequence:
    """Return the sequence with its frames in memory: rendering takes longer than the odometry."""
    return hard.Listed(sequence, list(sequence))


class Figures(dict[str, list[float]]):
    """Errors by the name of what was measured; a list entry for each sequence."""

    def add(self, name: str, value: float) -> None:
        """Add one sequence's figure."""
        self.setdefault(name, []).append(value)


def measure(
    cases: tuple[str, ...], recordings: list[Path], seeds: int, settings: Settings
) -> Figures:
    """Run the hard cases, the rendered sequences and the recordings."""
    figures = Figures()
    for name in cases:
        case = hard.CASES[name]
        for seed in range(seeds):
            result = case.judge(_case(name, seed), settings)
            for key, value in _figures_of(result):
                figures.add(f'{name}: {key}', value)
    for kind in ('room', 'street'):
        for seed in range(seeds):
            figures.add(f'{kind}: error %', _error(_scene(kind, seed), settings))
    for path in recordings:
        sequence = open_sequence(str(path))
        figures.add(f'{path.name}: error %', _error(sequence, settings))
        figures.add(f'{path.name}: longest first step', _longest_first_step(sequence, settings))
    return figures


def _figures_of(result: hard.Tracked | hard.Unmoved | hard.Lost) -> Iterator[tuple[str, float]]:
    if isinstance(result, hard.Tracked):
        yield 'error %', result.ate_percent
        yield 'lost %', 100 * (1 - result.frames)
    elif isinstance(result, hard.Unmoved):
        yield 'moved', result.moved
        yield 'rotation deg', result.rotation_deg
    else:
        yield 'longest step', result.step
        yield 'end error %', result.end_percent
        yield 'frames to recover', result.recovered


def _error(sequence: Sequence, settings: Settings) -> float:
    run = run_sequence(sequence, VisualOdometry(settings))
    assert sequence.ground_truth is not None
    try:
        return score(run.trajectory, sequence.ground_truth, run.metric).ate_percent
    except EvaluationError:
        return math.inf


def _longest_first_step(sequence: Sequence, settings: Settings) -> float:
    """Longest step between published poses at the start, in median steps after it."""
    frames = itertools.islice(sequence, 2 * _START)
    poses = np.stack([each.pose for each in VisualOdometry(settings).stream(frames)])
    steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    return float(steps.max() / np.median(steps[_START:]))


def _compare(name: str, before: Figures, after: Figures) -> Iterator[str]:
    """Rows of the table: median (worst) with the part and without."""
    for key, values in before.items():
        if key in after:
            shown = [
                f'{np.median(each):.3g} ({np.max(each):.3g})' for each in (values, after[key])
            ]
            yield f'| {name} | {key} | {shown[0]} | {shown[1]} |'


def main(arguments: list[str] | None = None) -> int:
    """Print the table: for each part, each figure with it and without it."""
    parser = argparse.ArgumentParser(
        prog='python -m experiments.ablation', description=(__doc__ or '').splitlines()[0]
    )
    parser.add_argument('recordings', nargs='*', type=Path)
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=list(PARTS))
    parser.add_argument('--seeds', type=int, default=3, help='default: %(default)s')
    add_settings_options(parser)
    options = parser.parse_args(arguments)
    settings = read_settings(options)
    wanted = {case for name in options.parts for case in PARTS[name].cases}
    before = measure(
        tuple(case for case in hard.CASES if case in wanted),
        options.recordings,
        options.seeds,
        settings,
    )
    print(
        '| part | figure | with it: median (worst) | without it |\n|---|---|---|---|', flush=True
    )
    for name in options.parts:
        part = PARTS[name]
        with part.switch_off():
            after = measure(part.cases, options.recordings, options.seeds, settings)
        for row in _compare(name, before, after):
            print(row, flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
