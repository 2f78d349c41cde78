# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Accuracy of the odometry on many versions of a recording.

``python -m experiments.variants RECORDING...``; the tables of docs/accuracy.md, "Many
versions of each".

One run over one recording is one draw: a small change anywhere gives another. So the same pictures
are given in parts, faster, backwards, darker and smaller, and what counts is the median of the
errors and the worst of them.

Where the ground truth is loose, its own error is most of what is measured. What the versions
differ by among each other does not depend on it: a start, a direction and a step of its own make
the errors of each, and the camera's path is the same for all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from loftr_vo.cli.options import add_settings_options, read_settings
from loftr_vo.config import Settings
from loftr_vo.datasets import open_sequence
from loftr_vo.datasets.sequence import Sequence
from loftr_vo.evaluation.running import run_sequence
from loftr_vo.evaluation.scoring import (
    EvaluationError,
    align,
    score,
    score_alignment,
)
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame
from loftr_vo.odometry import VisualOdometry

# Parts are half a recording long and begin at so many places, evenly from its start to its middle.
_PARTS = 6
# With fewer frames the score of a part or a faster version means nothing.
_FEWEST_FRAMES = 10
# Of the dark version: gain, and noise in grey levels.
_GAIN, _NOISE = 0.25, 2.0


@dataclass(frozen=True)
class Variant:
    """A version of a recording.

    Attributes:
        name: what it is called in the table.
        index: the frames that are shown, in their order.
        change: what is done to a frame; the number is the frame's in the recording.
    """

    name: str
    index: range
    change: Callable[[Frame, int], Frame] = lambda frame, number: frame


@dataclass(frozen=True)
class Result:
    """The score of a version.

    Attributes:
        name: of the version.
        tracked: share of the frames.
        ate_percent: position error after alignment by a similarity, in percent of the path; NaN
            where there is no ground truth, or no trajectory to score.
        scale_drift: scale over the last five motions, relative to that over the first five.
        trajectory: what was estimated, in the order and with the stamps of the recording.
    """

    name: str
    tracked: float
    ate_percent: float
    scale_drift: float
    trajectory: Trajectory


def variants_of(count: int) -> list[Variant]:
    """Return the versions of a recording of so many frames."""
    whole = range(count)
    part = count // 2
    starts = sorted({round(start) for start in np.linspace(0, count - part, _PARTS)})
    versions = [
        Variant('whole', whole),
        *(Variant(f'{part} frames from {start}', whole[start : start + part]) for start in starts),
        Variant('every 2nd frame', whole[::2]),
        Variant('every 3rd frame', whole[::3]),
        Variant('backwards', whole[::-1]),
        Variant('second half backwards', whole[: part - 1 : -1]),
        Variant('dark and noisy', whole, darkened),
        Variant('half size', whole, halved),
    ]
    return [each for each in versions if len(each.index) >= _FEWEST_FRAMES]


def darkened(frame: Frame, number: int) -> Frame:
    """Reduce the light to a quarter and add noise, seeded by the number."""
    noise = np.random.default_rng(number).normal(0, _NOISE, frame.image.shape)
    return replace(frame, image=np.clip(_GAIN * frame.image + noise, 0, 255).astype(np.uint8))


def halved(frame: Frame, number: int) -> Frame:
    """Show every two by two pixels as one; an odd row or column at the end is left out."""
    height, width = (side // 2 for side in frame.image.shape)
    image = cv2.resize(
        frame.image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA
    )
    matrix = frame.camera.matrix.copy()
    # Pixel (0, 0) is the centre of the top left pixel, so its corner is at (-0.5, -0.5).
    matrix[:2, 2] += 0.5
    matrix[:2] /= 2
    matrix[:2, 2] -= 0.5
    camera = Camera(width, height, matrix, frame.camera.distortion_model, frame.camera.distortion)
    return replace(frame, image=image, camera=camera)


class Varied(Sequence):
    """A version of a recording with its frames in memory.

    Args:
        recording: the original.
        frames: all its frames.
        variant: which of them, and how.
    """

    def __init__(self, recording: Sequence, frames: list[Frame], variant: Variant) -> None:
        self._frames = frames
        self._variant = variant
        truth = recording.ground_truth
        if truth is not None:
            truth = self.shown(truth)
        super().__init__(f'{recording.name}, {variant.name}', recording.kind, truth)

    def __len__(self) -> int:
        return len(self._variant.index)

    def __iter__(self) -> Iterator[Frame]:
        for number in self._variant.index:
            frame = self._frames[number]
            stamp = int(self._stamps(np.array(frame.stamp)))
            yield self._variant.change(replace(frame, stamp=stamp), number)

    def shown(self, trajectory: Trajectory) -> Trajectory:
        """Turn a trajectory from the order of the recording to that of the version, or back."""
        if self._variant.index.step > 0:
            return trajectory
        return Trajectory(self._stamps(trajectory.stamps)[::-1], trajectory.poses[::-1])

    def _stamps(self, stamps: np.ndarray) -> np.ndarray:
        """Stamps of a recording that is shown backwards: they still grow."""
        if self._variant.index.step > 0:
            return stamps
        mirrored: np.ndarray = self._frames[0].stamp + self._frames[-1].stamp - stamps
        return mirrored


def judge(sequence: Varied, settings: Settings) -> Result:
    """Run the odometry over a version, and score it if there is ground truth."""
    run = run_sequence(sequence, VisualOdometry(settings))
    ate = drift = float('nan')
    if sequence.ground_truth is not None:
        try:
            scores = score(run.trajectory, sequence.ground_truth, run.metric)
            ate, drift = scores.ate_percent, scores.scale_drift
        except EvaluationError as error:
            print(f'{sequence.name}: {error}', file=sys.stderr)
    return Result(
        sequence.name, run.tracked / run.frames, ate, drift, sequence.shown(run.trajectory)
    )


def differences(trajectories: list[Trajectory]) -> np.ndarray:
    """By how much versions of one path differ from each other.

    Returns:
        (V,) median over the others of the distance to them after alignment by a similarity, in
        percent of the path that both have; NaN for one that has too little in common with any.
    """
    count = len(trajectories)
    table = np.full((count, count), np.nan)
    for first in range(count):
        for second in range(first):
            table[first, second] = table[second, first] = _difference(
                trajectories[first], trajectories[second]
            )
    return np.array(
        [np.median(row[np.isfinite(row)]) if np.isfinite(row).any() else np.nan for row in table]
    )


def _difference(first: Trajectory, second: Trajectory) -> float:
    shared, *places = np.intersect1d(first.stamps, second.stamps, return_indices=True)
    if len(shared) < _FEWEST_FRAMES:
        return float('nan')
    both = [
        Trajectory(shared, each.poses[place])
        for each, place in zip((first, second), places, strict=True)
    ]
    try:
        return score_alignment(align(both[0], both[1], metric=False)).ate_percent
    except EvaluationError:
        return float('nan')


def main(arguments: list[str] | None = None) -> int:
    """Print a row for each version, and median and worst of each recording's."""
    parser = argparse.ArgumentParser(
        prog='python -m experiments.variants',
        description='Score the odometry on many versions of recordings.',
    )
    parser.add_argument('paths', nargs='+', type=Path, metavar='RECORDING')
    parser.add_argument(
        '--only',
        metavar='WORDS',
        help='those versions whose name has one of these words, parted by commas',
    )
    add_settings_options(parser)
    options = parser.parse_args(arguments)
    settings = read_settings(options)
    print(_HEADING, flush=True)
    for path in options.paths:
        recording = open_sequence(path)
        frames = list(recording)
        wanted = _chosen(variants_of(len(frames)), options.only)
        if not wanted:
            parser.error(f'{path}: no version of its {len(frames)} frames is called so')
        results = []
        for variant in wanted:
            results.append(judge(Varied(recording, frames, variant), settings))
            print(_row(results[-1], float('nan')), file=sys.stderr, flush=True)
        apart = differences([each.trajectory for each in results])
        for result, difference in zip(results, apart, strict=True):
            print(_row(result, difference))
        print(_summary(recording.name, results, apart), flush=True)
    return 0


_HEADING = '| recording | tracked | ATE | scale drift | from the others |\n|---|---|---|---|---|'


def _chosen(versions: list[Variant], only: str | None) -> list[Variant]:
    if only is None:
        return versions
    words = [word.strip() for word in only.split(',')]
    return [each for each in versions if any(word in each.name for word in words)]


def _row(result: Result, difference: float) -> str:
    return (
        f'| {result.name} | {result.tracked:.0%} | {result.ate_percent:.2f} % '
        f'| {result.scale_drift:.2f} | {difference:.2f} % |'
    )


def _summary(name: str, results: list[Result], apart: np.ndarray) -> str:
    """Median and worst of what could be measured, of drifts as factors above one."""
    drifts = np.array([each.scale_drift for each in results])
    errors, factors, differing = (
        _median_and_worst(values)
        for values in (
            np.array([each.ate_percent for each in results]),
            np.exp(np.abs(np.log(drifts))),
            apart,
        )
    )
    return (
        f'| **{name}**, median (worst) of {len(results)} '
        f'| {min(each.tracked for each in results):.0%} '
        f'| **{errors[0]:.2f}** ({errors[1]:.2f}) % | {factors[0]:.2f} ({factors[1]:.2f}) '
        f'| **{differing[0]:.2f}** ({differing[1]:.2f}) % |'
    )


def _median_and_worst(values: np.ndarray) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return float('nan'), float('nan')
    return float(np.median(known)), float(known.max())


if __name__ == '__main__':
    sys.exit(main())
