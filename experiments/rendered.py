# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Accuracy of the odometry on rendered sequences: ``python -m experiments.rendered``.

Rendered rooms and streets with exact poses, several seeds of each; the table of docs/accuracy.md,
"Rendered sequences".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from loftr_vo.cli.options import add_settings_options, read_settings
from loftr_vo.config import Settings
from loftr_vo.evaluation.consistency import inside, normalised_errors
from loftr_vo.evaluation.scoring import score
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.odometry import VisualOdometry
from loftr_vo.odometry.estimate import Estimate, State
from loftr_vo.synthetic.lens import LENSES
from loftr_vo.synthetic.places import KINDS
from loftr_vo.synthetic.sequence import SyntheticSequence


@dataclass(frozen=True, eq=False)
class Result:
    """The score of one sequence.

    Attributes:
        tracked: share of the frames after the first.
        ate_percent: position error after alignment by a similarity, in percent of the path.
        rotation: degrees, median error from one frame to the next.
        scale_drift: scale over the last five motions, relative to that over the first five.
        normalised: (N,) normalised errors of the poses, see ``consistency``.
    """

    tracked: float
    ate_percent: float
    rotation: float
    scale_drift: float
    normalised: np.ndarray


def follow(sequence: SyntheticSequence, settings: Settings) -> list[Estimate]:
    """Return the estimate of each frame."""
    return list(VisualOdometry(settings).stream(sequence))


def judge(sequence: SyntheticSequence, settings: Settings) -> Result:
    """Run the odometry on a sequence and score it."""
    estimates = follow(sequence, settings)
    poses = np.stack([each.pose for each in estimates])
    truth = sequence.ground_truth
    assert truth is not None
    scores = score(Trajectory(truth.stamps, poses), truth, metric=False)
    return Result(
        float(np.mean([each.state is State.TRACKING for each in estimates[1:]])),
        scores.ate_percent,
        scores.rpe_rotation_deg,
        scores.scale_drift,
        normalised_errors(estimates, truth.poses),
    )


def main(arguments: list[str] | None = None) -> int:
    """Print a row for each sequence, and the medians."""
    parser = argparse.ArgumentParser(
        prog='python -m experiments.rendered', description=__doc__.splitlines()[0]
    )
    parser.add_argument('--scenes', nargs='+', choices=KINDS, default=list(KINDS))
    parser.add_argument('--seeds', nargs='+', type=int, default=list(range(5)))
    parser.add_argument('--lens', choices=LENSES, help='default: a pinhole')
    parser.add_argument('--frames', type=int, default=120, help='default: %(default)s')
    add_settings_options(parser)
    parsed = parser.parse_args(arguments)
    settings = read_settings(parsed)
    print(_HEADING, flush=True)
    for scene in parsed.scenes:
        results = []
        for seed in parsed.seeds:
            camera = LENSES[parsed.lens] if parsed.lens else None
            sequence = SyntheticSequence(scene, parsed.frames, seed=seed, camera=camera)
            results.append(judge(sequence, settings))
            print(_row(f'{scene} {seed}', results[-1:]), flush=True)
        print(_row(f'{scene}, median', results), flush=True)
    return 0


_HEADING = (
    '| sequence | tracked | ATE | rotation | scale drift | normalised errors inside | median |\n'
    '|---|---|---|---|---|---|---|'
)


def _row(name: str, results: Iterable[Result]) -> str:
    results = list(results)
    normalised = np.concatenate([each.normalised for each in results])
    return (
        f'| {name} | {min(each.tracked for each in results):.0%} '
        f'| {np.median([each.ate_percent for each in results]):.2f} % '
        f'| {np.median([each.rotation for each in results]):.4f}° '
        f'| {np.median([each.scale_drift for each in results]):.3f} '
        f'| {inside(normalised):.0%} | {np.median(normalised):.1f} |'
    )


if __name__ == '__main__':
    sys.exit(main())
