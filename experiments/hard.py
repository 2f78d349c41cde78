# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The odometry in hard cases: ``python -m experiments.hard``.

Rendered sequences with exact poses, several seeds each; the tables of docs/accuracy.md, "When it
gets hard": what is to be tracked all the same (``Tracked``), cameras that do not leave their place
(``Unmoved``), and cameras that are lost for a while (``Lost``).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.cli.options import add_settings_options, read_settings
from loftr_vo.cli.render import picture_size
from loftr_vo.config import Settings
from loftr_vo.datasets.sequence import Sequence
from loftr_vo.evaluation.classical import ClassicalOdometry
from loftr_vo.evaluation.running import Odometry, run_sequence
from loftr_vo.evaluation.scoring import EvaluationError, score
from loftr_vo.odometry import VisualOdometry
from loftr_vo.odometry.estimate import Estimate, State
from loftr_vo.synthetic import disturbance
from loftr_vo.synthetic.places import HALT
from loftr_vo.synthetic.sequence import SyntheticSequence

_Maker = Callable[[int, tuple[int, int]], Sequence]
"""From a seed and the size (H, W) of the pictures to a sequence."""

_RATE = 10.0  # Hz
# Of a sequence with a disturbance: all frames, the first disturbed and the first after it.
_FRAMES, _FIRST, _LAST = 55, 25, 35
_LONG_AWAY = 60  # frames away, more than ``recovery.restart_after`` is


@dataclass(frozen=True)
class Tracked:
    """A sequence that is to be tracked from its first frame to its last.

    Attributes:
        frames: how many are tracked, as a share.
        ate_percent: position error, in percent of the path, after alignment by a similarity.
        rotation_deg: median error of the rotation from one frame to the next.
        orb: the share that ORB and an essential matrix track.
    """

    frames: float
    ate_percent: float
    rotation_deg: float
    orb: float


@dataclass(frozen=True)
class Unmoved:
    """A sequence whose camera keeps its position from a time on.

    Attributes:
        frames: since it stopped.
        moved: farthest that the pose went from where it stopped, in thousandths of the depth.
        rotation_deg: largest error of the rotation since then.
        lost: frames lost.
    """

    frames: float
    moved: float
    rotation_deg: float
    lost: float


@dataclass(frozen=True)
class Lost:
    """A sequence with a disturbance in the middle.

    Attributes:
        named: frames from the first that shows it until it is said, 0 being that frame; NaN where
            the camera is tracked all the same.
        reason: what it is called.
        recovered: frames from the first that shows the old place again until it is tracked.
        step: longest step of the pose in odom, in usual steps of the camera.
        end_percent: error of the last position, in percent of the path; the steps up to the
            disturbance give the scale. After a new start elsewhere, of the way since it is back.
    """

    named: float
    reason: str
    recovered: float
    step: float
    end_percent: float


@dataclass(frozen=True)
class Case:
    """One row of a table: how to make the sequence of a seed, and how to judge it."""

    make: _Maker
    judge: Callable[[Sequence, Settings], Tracked | Unmoved | Lost]


def judge_tracked(sequence: Sequence, settings: Settings) -> Tracked:
    """Run ours and ORB over a sequence."""
    frames = list(sequence)
    run = run_sequence(Listed(sequence, frames), VisualOdometry(settings))
    orb = run_sequence(Listed(sequence, frames), ClassicalOdometry('orb'))
    try:
        assert sequence.ground_truth is not None
        scores = score(run.trajectory, sequence.ground_truth, run.metric)
        ate, rotation = scores.ate_percent, scores.rpe_rotation_deg
    except EvaluationError:
        ate = rotation = float('nan')
    return Tracked(run.tracked / run.frames, ate, rotation, orb.tracked / orb.frames)


def judge_unmoved(sequence: Sequence, settings: Settings) -> Unmoved:
    """Run ours over a sequence whose camera stops at ``HALT`` and stands still or turns."""
    estimates, depths = _estimates(sequence, VisualOdometry(settings))
    truth = _true_poses(sequence)
    still = round((HALT + 0.5) * _RATE) + 1
    scale = _scale(estimates, truth, still)
    depth = scale * float(np.median(depths[still]))
    places = np.stack([each.pose[:3, 3] for each in estimates])
    moved = np.linalg.norm(places[still:] - places[still], axis=1).max()
    errors = [
        _degrees(truth[still], truth[index], estimates[still].pose, estimates[index].pose)
        for index in range(still, len(estimates))
    ]
    lost = sum(each.state is State.LOST for each in estimates)
    return Unmoved(len(estimates) - still, 1000 * moved / depth, max(errors), lost)


def judge_lost(sequence: Sequence, settings: Settings) -> Lost:
    """Run ours over a sequence that is disturbed from ``_FIRST`` on."""
    estimates, _ = _estimates(sequence, VisualOdometry(settings))
    truth = _true_poses(sequence)
    last = len(estimates) - (_FRAMES - _LAST)
    lost = [index for index in range(_FIRST, last) if estimates[index].state is State.LOST]
    named = lost[0] - _FIRST if lost else float('nan')
    # After a new start, it is back when the scale is its own again.
    back = [
        index
        for index in range(last, len(estimates))
        if estimates[index].state is State.TRACKING and not estimates[index].scale_carried
    ]
    recovered = back[0] - last + 1 if back else float('inf')
    places = np.stack([each.pose[:3, 3] for each in estimates])
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    usual = np.median(steps[5:_FIRST])
    scale = _scale(estimates, truth, _FIRST - 1)
    path = scale * np.linalg.norm(np.diff(truth[:, :3, 3], axis=0), axis=1).sum()
    since = back[0] if back and estimates[-1].restarts else 0
    way = np.linalg.inv(truth[since]) @ truth[-1]
    found = np.linalg.inv(estimates[since].pose) @ estimates[-1].pose
    error = np.linalg.norm(found[:3, 3] - scale * way[:3, 3])
    reason = estimates[lost[0]].reason.split(':')[0] if lost else 'tracked'
    return Lost(named, reason, recovered, float(steps.max() / usual), 100 * error / path)


def _estimates(sequence: Sequence, odometry: Odometry) -> tuple[list[Estimate], list[float]]:
    """Estimates of all frames, and the median true depth that each sees."""
    estimates, depths = [], []
    for frame in sequence:
        estimates.append(odometry.track(frame))
        depths.append(float('nan') if frame.depth is None else float(np.median(frame.depth)))
    return estimates, depths


def _true_poses(sequence: Sequence) -> np.ndarray:
    assert sequence.ground_truth is not None
    return sequence.ground_truth.poses


def _scale(estimates: list[Estimate], truth: np.ndarray, until: int) -> float:
    """Units of the odometry per metre, from the path up to a frame."""
    start = np.linalg.inv(truth[0])
    true = [np.linalg.norm((start @ truth[index])[:3, 3]) for index in range(5, until)]
    found = [np.linalg.norm(estimates[index].pose[:3, 3]) for index in range(5, until)]
    return float(np.median(np.array(found) / np.array(true)))


def _degrees(true0: np.ndarray, true1: np.ndarray, pose0: np.ndarray, pose1: np.ndarray) -> float:
    """Angle between two rotations from one frame to another."""
    true, found = true0[:3, :3].T @ true1[:3, :3], pose0[:3, :3].T @ pose1[:3, :3]
    return float(np.degrees(Rotation.from_matrix(true.T @ found).magnitude()))


class Listed(Sequence):
    """A sequence with its frames in memory."""

    def __init__(self, sequence: Sequence, frames: list) -> None:
        self._frames = frames
        super().__init__(sequence.name, sequence.kind, sequence.ground_truth)

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self):
        return iter(self._frames)


def _scene(kind: str, frames: int, **details: Any) -> _Maker:
    return lambda seed, size: SyntheticSequence(kind, frames, size, _RATE, seed, **details)


def _disturbed(happens: disturbance.Disturbance) -> _Maker:
    return lambda seed, size: disturbance.DisturbedSequence(
        SyntheticSequence('room', _FRAMES, size, _RATE, seed), happens, _FIRST, _LAST, seed
    )


def _carried_off(frames: int) -> _Maker:
    """The camera sees a wall elsewhere for some frames, and then what it saw before."""

    def make(seed: int, size: tuple[int, int]) -> Sequence:
        here = _Detour(SyntheticSequence('room', _FRAMES, size, _RATE, seed), _FIRST, frames)
        there = SyntheticSequence('wall', frames, size, _RATE, seed)
        happens = disturbance.carried_to(there)
        return disturbance.DisturbedSequence(here, happens, _FIRST, _FIRST + frames, seed)

    return make


class _Detour(Sequence):
    """A sequence that repeats one frame for some time, and then continues."""

    def __init__(self, sequence: SyntheticSequence, first: int, frames: int) -> None:
        self._sequence = sequence
        count = len(sequence) - (_LAST - _FIRST)
        self._index = [*range(first), *[first] * frames, *range(first, count)]
        truth = sequence.ground_truth
        assert truth is not None
        stamps = truth.stamps[0] + np.round(np.arange(len(self._index)) / _RATE * 1e9)
        trajectory = type(truth)(stamps.astype(np.int64), truth.poses[self._index])
        super().__init__(sequence.name, sequence.kind, trajectory)

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self):
        assert self.ground_truth is not None
        before = None
        for stamp, index in zip(self.ground_truth.stamps, self._index, strict=True):
            if before is None or before[0] != index:
                before = index, self._sequence.frame(index)
            frame = before[1]
            yield type(frame)(frame.image, int(stamp), frame.camera, frame.depth)


CASES = {
    'nearly blank room': Case(_scene('room', 60, contrast=0.12), judge_tracked),
    'blur of 31 px': Case(_scene('room', 60, blur=31), judge_tracked),
    'dim, noisy room': Case(_scene('room', 60, light=0.12, noise=2.0), judge_tracked),
    'a plane fills the view': Case(_scene('wall', 60), judge_tracked),
    'somebody hides 40 %': Case(_scene('room', 60, hidden=0.4), judge_tracked),
    'the same, dull room': Case(_scene('room', 60, hidden=0.4, contrast=0.25), judge_tracked),
    'somebody is there at once': Case(
        _scene('room', 60, hidden=0.4, hidden_since=0.0), judge_tracked
    ),
    'rest': Case(_scene('rest', 225), judge_unmoved),
    'rest, noise, flicker': Case(_scene('rest', 225, noise=4.0, flicker=0.1), judge_unmoved),
    'rest, dull, noisy': Case(_scene('rest', 225, contrast=0.2, noise=2.0), judge_unmoved),
    'turning on the spot': Case(_scene('turn', 115), judge_unmoved),
    'black for a second': Case(_disturbed(disturbance.darkened), judge_lost),
    'white for a second': Case(_disturbed(disturbance.dazzled), judge_lost),
    'covered for a second': Case(_disturbed(disturbance.covered()), judge_lost),
    'covered by four fifths': Case(_disturbed(disturbance.covered(0.8)), judge_lost),
    'shaken for a second': Case(_disturbed(disturbance.smeared), judge_lost),
    'elsewhere for a second': Case(_carried_off(_LAST - _FIRST), judge_lost),
    'elsewhere for six seconds': Case(_carried_off(_LONG_AWAY), judge_lost),
}


def main(arguments: list[str] | None = None) -> int:
    """Print a row for each case: medians over the seeds, and the worst of them."""
    parser = argparse.ArgumentParser(
        prog='python -m experiments.hard', description=(__doc__ or '').splitlines()[0]
    )
    listed = ', '.join(CASES).replace('%', '%%')
    parser.add_argument('cases', nargs='*', help=f'some of: {listed}')
    parser.add_argument('--seeds', type=int, default=5, help='default: %(default)s')
    parser.add_argument('--size', type=picture_size, default=(240, 320), help='WxH, 320x240')
    add_settings_options(parser)
    options = parser.parse_args(arguments)
    if unknown := set(options.cases) - set(CASES):
        parser.error(f'there is no case {", ".join(sorted(unknown))}; see --help')
    settings = read_settings(options)
    for name in options.cases or CASES:
        case = CASES[name]
        results = []
        for seed in range(options.seeds):
            results.append(case.judge(case.make(seed, options.size), settings))
            print(f'{name}, seed {seed}: {results[-1]}', file=sys.stderr, flush=True)
        print(_row(name, results), flush=True)
    return 0


def _row(name: str, results: Iterable[Tracked | Unmoved | Lost]) -> str:
    rows = list(results)
    cells = [name]
    for key in vars(rows[0]):
        values = [getattr(row, key) for row in rows]
        if isinstance(values[0], str):
            cells.append(', '.join(sorted(set(values))))
        else:
            cells.append(f'{np.median(values):.3g} ({min(values):.3g} to {max(values):.3g})')
    return f'| {" | ".join(cells)} |'


if __name__ == '__main__':
    sys.exit(main())
