# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Where the scale goes: ``python -m experiments.depth_bias``.

On rendered sequences the depth of every pixel is exact. The median of estimated over true inverse
depth of a keyframe's cells is the inverse of the map's unit there, so a step that changes that
median of the same cells changes the scale. The changes of each step are added up, as logarithms in
percent: of all cells, and of the near and the far half, by which a relief that is squeezed shows.

Interpolation gives depth to other cells than those that it is taken from, so its row also has what
differs between both sets, such as wrong depths at the rim of the picture.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from typing import Any
from unittest import mock

import numpy as np

from loftr_vo.cli.options import add_settings_options, read_settings
from loftr_vo.config import Settings
from loftr_vo.datasets.sequence import Sequence
from loftr_vo.odometry import VisualOdometry, keyframe_creation, keyframe_manager
from loftr_vo.odometry.map.bundle_adjustment import refine_window
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.odometry.map.window import FurtherTerms
from loftr_vo.synthetic.places import KINDS
from loftr_vo.synthetic.sequence import SyntheticSequence

_LEAST_CELLS = 20
# Of the inverse depths of four neighbouring pixels, where they lie on one surface.
_SAME_SURFACE = 0.05


def true_inverse_depth(keyframe: Keyframe, pixels: np.ndarray) -> np.ndarray:
    """Return the exact inverse depth (N,) at pixels (N, 2); NaN at edges of surfaces."""
    truth = keyframe.frame.depth
    assert truth is not None  # rendered
    height, width = truth.shape
    x, y = pixels.T
    column = np.clip(np.floor(x).astype(int), 0, width - 2)
    row = np.clip(np.floor(y).astype(int), 0, height - 2)
    # Inverse depth is linear in the pixel on a plane.
    corners = 1 / np.array([truth[row + i, column + j] for i in (0, 1) for j in (0, 1)], float)
    right, down = x - column, y - row
    weights = np.array(
        [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right]
    )
    inverse: np.ndarray = np.sum(weights * corners, axis=0)
    edge = np.ptp(corners, axis=0) > _SAME_SURFACE * inverse
    outside = (x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)
    return np.where(edge | outside, np.nan, inverse)


def points_of(keyframe: Keyframe) -> np.ndarray:
    """Return the pixels (C, 2) of a keyframe's points."""
    pixels: np.ndarray = keyframe.encoded.cell_centres() + keyframe.offsets
    return pixels


def log_ratios(keyframe: Keyframe) -> np.ndarray:
    """Return the logarithm (C,) of estimated over true inverse depth; NaN where not known."""
    estimated = np.where(keyframe.known, keyframe.inverse_depth, np.nan)
    ratios: np.ndarray = np.log(estimated / true_inverse_depth(keyframe, points_of(keyframe)))
    return ratios


def medians(values: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Return the medians (3,) of values (N,): all, those of the near half, and the others."""
    kept = np.isfinite(values)
    values, depth = values[kept], depth[kept]
    if len(values) < _LEAST_CELLS:
        return np.full(3, np.nan)
    near = depth < np.median(depth)
    return np.array([np.median(values), np.median(values[near]), np.median(values[~near])])


class Ledger:
    """What each step has added to the scale.

    Attributes:
        added: by step, a list of changes (3,): of all cells, the near and the far half.
        course: medians (3,) of each keyframe's log ratios after its window was refined.
    """

    def __init__(self) -> None:
        self.added: dict[str, list[np.ndarray]] = defaultdict(list)
        self.course: list[np.ndarray] = []

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Keep accounts while the block runs the odometry."""
        manager, creation = keyframe_manager, keyframe_creation
        in_place = self._in_place
        refine = in_place('window', refine_window)

        def at_once(
            window: list[Keyframe], fixed: int, terms: FurtherTerms | None
        ) -> Generator[None, None, bool]:
            refine(window, fixed, terms)
            yield
            return True

        stand_ins = (
            (manager, 'update_depth', in_place('depth filter', manager.update_depth)),
            (
                manager,
                'triangulate_by_tracking',
                in_place('triangulation', manager.triangulate_by_tracking),
            ),
            (manager, 'refine_window_in_steps', at_once),
            (creation, 'propagate_depth', self._propagated(creation.propagate_depth)),
        )
        with contextlib.ExitStack() as stack:
            for module, name, stand_in in stand_ins:
                stack.enter_context(mock.patch.object(module, name, stand_in))
            yield

    def _add(self, step: str, change: np.ndarray, depth: np.ndarray) -> None:
        found = medians(change, depth)
        if np.isfinite(found).all():
            self.added[step].append(found)

    def _in_place(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        """Compare the same cells before and after."""

        def run(*arguments: Any, **options: Any) -> Any:
            first = arguments[0]
            keyframe = first if isinstance(first, Keyframe) else first[-1]
            before = log_ratios(keyframe)
            result = step(*arguments, **options)
            after = log_ratios(keyframe)
            depth = 1 / true_inverse_depth(keyframe, points_of(keyframe))
            self._add(name, after - before, depth)
            if name == 'window':
                self.course.append(medians(after, depth))
            return result

        return run

    def _propagated(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """Compare a new keyframe's cells with the points that they are interpolated from."""

        def run(
            keyframe: Keyframe, points: np.ndarray, inverse_depths: np.ndarray, *rest: Any
        ) -> Any:
            result = step(keyframe, points, inverse_depths, *rest)
            truth = true_inverse_depth(keyframe, points)
            given = medians(np.log(inverse_depths / truth), 1 / truth)
            mine = points_of(keyframe)
            got = medians(log_ratios(keyframe), 1 / true_inverse_depth(keyframe, mine))
            if np.isfinite(got - given).all():
                self.added['interpolation'].append(got - given)
            return result

        return run


def follow(sequence: Sequence, settings: Settings) -> Ledger:
    """Run the odometry on a rendered sequence, and keep accounts of its scale."""
    ledger = Ledger()
    with ledger.kept():
        for _ in VisualOdometry(settings).stream(sequence):
            pass
    return ledger


def rows(name: str, ledger: Ledger) -> Iterator[str]:
    """Yield rows of the table: the sum of each step's changes in percent, and the course."""
    for step, changes in ledger.added.items():
        total = 100 * np.sum(changes, axis=0)
        cells = ' | '.join(f'{value:+.2f}' for value in total)
        yield f'| {name} | {step} | {len(changes)} | {cells} |'
    course = np.array(ledger.course)
    course = 100 * course[np.isfinite(course).all(axis=1)] if len(course) else course
    if len(course):
        cells = ' | '.join(f'{value:+.2f}' for value in course[-1] - course[0])
        yield f'| {name} | last keyframe less first | {len(course)} | {cells} |'
        for column, cells_of in enumerate(('all', 'near', 'far')):
            along = course[:: max(1, len(course) // 12), column] - course[-1, 0]
            shown = ' '.join(f'{value:+.1f}' for value in along)
            yield f'| {name} | {cells_of}: {shown} | | | | |'


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog='python -m experiments.depth_bias', description=(__doc__ or '').splitlines()[0]
    )
    parser.add_argument('--scenes', nargs='+', choices=KINDS, default=['room', 'street'])
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--frames', type=int, default=120, help='default: %(default)s')
    parser.add_argument('--rate', type=float, default=10.0, help='Hz, default: %(default)s')
    add_settings_options(parser)
    options = parser.parse_args(arguments)
    settings = read_settings(options)
    print('| sequence | step | times | all cells, % | near half | far half |')
    print('|---|---|---|---|---|---|')
    for kind in options.scenes:
        for seed in options.seeds:
            sequence = SyntheticSequence(kind, options.frames, rate=options.rate, seed=seed)
            for row in rows(sequence.name, follow(sequence, settings)):
                print(row, flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
