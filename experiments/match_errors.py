# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Errors of matches along and across edges: ``python -m experiments.match_errors``.

On rendered pairs it is known exactly where a point of one picture is in the other. The errors of
the network's positions, and of those located by Lucas-Kanade, are divided by their own standard
deviations and listed by the ratio of weak to strong texture in the window: the less it is, the
more the window is an edge. Right covariances give ones. By this table ``network_anisotropy`` and
the model of ``model_sigma`` (``matching/tuning.py``) were chosen.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator

import numpy as np

from experiments.depth_bias import points_of, true_inverse_depth
from loftr_vo.cli.options import add_settings_options, read_settings
from loftr_vo.geometry.rigid_motion import inverse_transform, split
from loftr_vo.geometry.robust_cost import NORMAL_MEDIAN
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.lucas_kanade import LocatedMatches, locate, network_locations
from loftr_vo.matching.matcher import Matcher
from loftr_vo.odometry.map.keyframe import Keyframe
from loftr_vo.synthetic.places import KINDS
from loftr_vo.synthetic.sequence import SyntheticSequence

_RATIOS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
# Per square pixel, strong texture from which on a window counts.
_LEAST_TEXTURE = 50.0
# Share by which depths in both pictures may differ where a point is seen in both.
_SAME_DEPTH = 0.03


def pair_errors(
    matcher: Matcher, frame0: Frame, frame1: Frame, frame1_from_frame0: np.ndarray
) -> np.ndarray:
    """Return errors in standard deviations, (N, 5).

    The columns are the ratio of weak to strong texture; the network's error along the weak
    direction and along the strong one; and those of the located match.
    """
    encoded0, encoded1 = matcher.encode(frame0.image), matcher.encode(frame1.image)
    matches = matcher.match(encoded0, encoded1).result()
    keyframe = Keyframe(0, frame0, encoded0, np.eye(4), np.eye(7), 1.0)
    texture = keyframe.texture.select(matches.cells)
    located = locate(frame0.normalised, texture, frame1.normalised, matches)
    points = points_of(keyframe)[matches.cells]
    rotation, translation = split(frame1_from_frame0)
    inverse_depth = true_inverse_depth(keyframe, points)
    there = keyframe.rays[matches.cells] @ rotation.T + inverse_depth[:, None] * translation
    truth = frame1.camera.project(there)
    depth = there[:, 2] / inverse_depth
    values, vectors = np.linalg.eigh(texture.information)
    chosen = values[:, 1] > _LEAST_TEXTURE
    chosen &= np.isfinite(truth).all(axis=1) & _is_seen(frame1, truth, depth)
    offsets = keyframe.offsets[matches.cells]
    columns = [(values[:, 0] + 1) / (values[:, 1] + 1)]
    for found in (network_locations(matches), located):
        columns += _in_deviations(found, truth - offsets, vectors)
    return np.column_stack(columns)[chosen]


def _is_seen(frame: Frame, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Whether points at pixels (N, 2) and of depths (N,) are seen, and not hidden, (N,) bool."""
    assert frame.depth is not None  # rendered
    height, width = frame.depth.shape
    inside = (pixels >= 0) & (pixels <= (width - 1, height - 1))
    x, y = np.where(inside, pixels, 0).round().astype(int).T
    seen: np.ndarray = inside.all(axis=1) & (np.abs(frame.depth[y, x] / depth - 1) < _SAME_DEPTH)
    return seen


def _in_deviations(
    found: LocatedMatches, truth: np.ndarray, directions: np.ndarray
) -> list[np.ndarray]:
    """Return errors (N,) along the two columns of directions (N, 2, 2), in deviations."""
    covariance = np.linalg.inv(found.information)
    errors = np.einsum('nij,ni->nj', directions, found.points - truth)
    variances = np.einsum('nij,nik,nkj->nj', directions, covariance, directions)
    return list((errors / np.sqrt(variances)).T)


def sequence_errors(
    matcher: Matcher, sequence: SyntheticSequence, apart: int, every: int
) -> np.ndarray:
    """Return ``pair_errors`` of every so many pairs of pictures, so many apart."""
    frames = list(sequence)
    truth = sequence.ground_truth
    assert truth is not None
    found = []
    for first in range(0, len(frames) - apart, every):
        second = first + apart
        motion = inverse_transform(truth.poses[second]) @ truth.poses[first]
        found.append(pair_errors(matcher, frames[first], frames[second], motion))
    return np.concatenate(found)


def rows(name: str, errors: np.ndarray) -> Iterator[str]:
    """Yield rows of the table: robust standard deviations by the ratio of the texture."""
    for least, most in itertools.pairwise(_RATIOS):
        of_ratio = errors[(errors[:, 0] >= least) & (errors[:, 0] < most)]
        if len(of_ratio):
            spread = np.median(np.abs(of_ratio[:, 1:]), axis=0) / NORMAL_MEDIAN
            cells = ' | '.join(f'{value:.2f}' for value in spread)
            yield f'| {name} | {least:g} to {most:g} | {len(of_ratio)} | {cells} |'


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog='python -m experiments.match_errors', description=(__doc__ or '').splitlines()[0]
    )
    parser.add_argument('--scenes', nargs='+', choices=KINDS, default=['street', 'room'])
    parser.add_argument('--seeds', nargs='+', type=int, default=[1, 3])
    parser.add_argument('--frames', type=int, default=40, help='default: %(default)s')
    parser.add_argument('--apart', type=int, default=3, help='frames, default: %(default)s')
    add_settings_options(parser)
    options = parser.parse_args(arguments)
    matcher = Matcher(read_settings(options).matcher)
    print('| sequence | weak over strong texture | matches | network, along | across | ', end='')
    print('located, along | across |\n|---|---|---|---|---|---|---|')
    for kind in options.scenes:
        for seed in options.seeds:
            sequence = SyntheticSequence(kind, options.frames, seed=seed)
            for row in rows(sequence.name, sequence_errors(matcher, sequence, options.apart, 3)):
                print(row, flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
