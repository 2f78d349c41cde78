# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m training.pairs``: the table of docs/training.md.

Real pairs are taken from the sequences in DATA that are there: kitti06, fountain, tum_fr2_desk,
redkitchen, as sequence folders. Without any, what can be rendered is measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from loftr_vo.config import MatcherSettings
from loftr_vo.drawing.match_image import draw_matches
from loftr_vo.evaluation.report import write_json
from loftr_vo.files.output_files import write_text
from loftr_vo.files.output_pictures import write_picture
from loftr_vo.imaging.camera import Camera
from loftr_vo.loftr.weights import load_weights
from loftr_vo.matching.matcher import Matcher
from loftr_vo.matching.matches import Matches
from loftr_vo.synthetic.blank_room import blank_room_pairs
from training.pairs.cases import (
    Pair,
    blurred,
    darkened,
    rendered_pairs,
    sequence_pairs,
    strangers,
    thinned,
)
from training.pairs.methods import (
    Method,
    by_network,
    orb,
    sift,
)
from training.pairs.scoring import CaseScore, motion_errors, score_case
from training.validation import validate

# Sequence, frames apart.
REAL_CASES = (
    ('kitti06', 1),
    ('kitti06', 2),
    ('fountain', 1),
    ('tum_fr2_desk', 5),
    ('redkitchen', 10),
)
HARD_PAIRS = 12  # of each of the last four, blurred or darkened
CONTRASTS = (1.0, 0.5, 0.25)  # of the blank rooms
BLURS = (9.0, 12.0, 15.0)  # pixels
NOISES = (2.0, 4.0, 8.0, 16.0, 24.0)  # grey levels, with a quarter of the light
# Grey levels of noise where it is dark and a moving camera blurs what it sees, as it does there.
BLURRED_NOISE = 4.0
RENDERED_PAIRS = 12
METHODS = ('orb', 'sift', 'network', 'refined')
_PICTURES = 3


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(
        prog='python -m training.pairs',
        description='Compare the matches of single pairs with those of ORB and SIFT.',
    )
    parser.add_argument('data', type=Path, nargs='?', default=Path('../shared/data'))
    parser.add_argument('--weights', default='compact', metavar='NAME|FILE')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--image-size', type=int, default=0, help='see matcher.image_size')
    parser.add_argument('--methods', nargs='+', choices=METHODS, default=METHODS)
    parser.add_argument('--pairs', type=int, default=50, help='of each case at most')
    parser.add_argument('-o', '--output', type=Path, metavar='DIR', help='table, JSON, pictures')
    arguments = parser.parse_args()

    matcher = Matcher(
        MatcherSettings(
            weights=arguments.weights,
            device=arguments.device,
            image_size=arguments.image_size,
        )
    )
    methods: dict[str, Method] = {
        'orb': orb,
        'sift': sift,
        'network': by_network(matcher, refine=False),
        'refined': by_network(matcher, refine=True),
    }
    methods = {name: methods[name] for name in arguments.methods}
    groups = real_groups(arguments.data, arguments.pairs)
    blank = {contrast: blank_rooms(arguments.pairs, contrast) for contrast in CONTRASTS}
    results: dict[str, Any] = {'weights': arguments.weights}
    rendered = rendered_pairs(min(arguments.pairs, RENDERED_PAIRS))
    cases = all_cases(groups, blank, rendered)
    with tqdm(total=len(cases) * len(methods), unit='case') as bar:
        scores: dict[str, dict[str, CaseScore]] = {}
        for (case, pairs), name in itertools.product(cases.items(), methods):
            scores.setdefault(case, {})[name] = score_case(methods[name], pairs)
            bar.update()
    results['cases'] = {
        case: {name: dataclasses.asdict(score) for name, score in by_method.items()}
        for case, by_method in scores.items()
    }
    # One group of each place.
    places = [*{case.split(',')[0]: pairs for case, pairs in groups.items()}.values(), blank[1.0]]
    results['strangers'] = {
        name: count_strangers(method, places) for name, method in methods.items()
    }
    results['itself_px'] = {name: median_shift(method, places) for name, method in methods.items()}
    device = torch.device(arguments.device)
    results['held_out'] = validate(load_weights(arguments.weights, device), device)
    table = as_table(results)
    print(table)
    if arguments.output:
        write_json(arguments.output / 'pairs.json', results)
        write_text(arguments.output / 'pairs.md', table)
        for contrast, pairs in blank.items():
            draw_examples(methods, pairs, f'blank_room_{contrast:g}', arguments.output)
        for length in BLURS:
            pairs = dark_and_blurred(rendered, length)
            draw_examples(methods, pairs, f'dark_blurred_room_{length:g}', arguments.output)


def real_groups(data: Path, most: int) -> dict[str, list[Pair]]:
    """Return the real pairs of every case whose sequence is there."""
    return {
        f'{name}, {apart} apart': sequence_pairs(data / name, apart, most)
        for name, apart in REAL_CASES
        if (data / name).is_dir()
    }


def blank_rooms(most: int, contrast: float = 1.0) -> list[Pair]:
    """Return the ray-cast pairs of nearly blank rooms."""
    pairs = []
    for pair in blank_room_pairs(min(most, 40), contrast=contrast):
        height, width = pair.image0.shape
        camera = Camera(width, height, pair.intrinsics, 'plumb_bob', np.zeros(5))
        pairs.append(Pair(pair.image0, pair.image1, camera, pair.motion))
    return pairs


def dark_and_blurred(pairs: list[Pair], length: float) -> list[Pair]:
    """Return the pairs with a quarter of the light and a motion blur of ``length`` pixels."""
    return darkened(blurred(pairs, length), noise=BLURRED_NOISE)


def all_cases(
    groups: dict[str, list[Pair]], blank: dict[float, list[Pair]], rendered: list[Pair]
) -> dict[str, list[Pair]]:
    """Return the pairs of every row of the table."""
    hard = [
        pair
        for name, group in groups.items()
        if name != 'kitti06, 1 apart'
        for pair in thinned(group, HARD_PAIRS)
    ]
    cases = dict(groups)
    cases |= {f'blank rooms, contrast {contrast:g}': pairs for contrast, pairs in blank.items()}
    if hard:
        cases |= {f'real, blurred by {length:g} px': blurred(hard, length) for length in BLURS}
        cases |= {
            f'real, gain 0.25, noise {noise:g}': darkened(hard, noise=noise) for noise in NOISES
        }
    for place, pairs in (('real', hard), ('rendered rooms', rendered)):
        if pairs:
            cases |= {
                f'{place}, gain 0.25, noise {BLURRED_NOISE:g}, blurred by {length:g} px': (
                    dark_and_blurred(pairs, length)
                )
                for length in BLURS
            }
    return cases


def count_strangers(method: Method, groups: list[list[Pair]]) -> dict[str, float]:
    """Return median and largest number of matches of pictures of different places."""
    counts = [len(method(*images)[0]) for images in strangers(groups)]
    if not counts:
        return {'median': float('nan'), 'most': float('nan')}
    return {'median': float(np.median(counts)), 'most': float(max(counts))}


def median_shift(method: Method, groups: list[list[Pair]]) -> float:
    """Return how far matches of pictures with themselves are from where they are, in pixels."""
    shifts = []
    for group in groups:
        for pair in thinned(group, 3):
            points0, points1 = method(pair.image0, pair.image0)
            shifts.append(np.linalg.norm(points1 - points0, axis=1))
    return float(np.median(np.concatenate(shifts)))


def as_table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    methods = list(results['strangers'])
    lines = [
        '| pairs | ' + ' | '.join(methods) + ' |',
        '|---' * (1 + len(methods)) + '|',
    ]
    for case, by_method in results['cases'].items():
        cells = [
            f'{score["rotation_deg"]:.2f}° / {score["direction_deg"]:.2f}° '
            f'({100 * score["solved"]:.0f} %, {100 * score["exact"]:.0f} %)'
            for score in by_method.values()
        ]
        pairs = next(iter(by_method.values()))['pairs']
        lines.append(f'| {case} ({pairs}) | ' + ' | '.join(cells) + ' |')
    counts = [
        f'{score["median"]:.0f}, {score["most"]:.0f}' for score in results['strangers'].values()
    ]
    lines.append('| different places: matches, median and most | ' + ' | '.join(counts) + ' |')
    shifts = [f'{shift:.3f} px' for shift in results['itself_px'].values()]
    lines.append('| a picture and itself | ' + ' | '.join(shifts) + ' |')
    held_out = ', '.join(f'{name} {value:.3f}' for name, value in results['held_out'].items())
    lines += ['', f'Held-out rendered pairs at 320x240: {held_out}.']
    return '\n'.join(lines) + '\n'


def draw_examples(methods: dict[str, Method], pairs: list[Pair], stem: str, folder: Path) -> None:
    """Draw rendered pairs with the matches of each method and whether they solve the motion."""
    for index, pair in enumerate(thinned(pairs, _PICTURES)):
        for name, method in methods.items():
            points0, points1 = method(pair.image0, pair.image1)
            count = len(points0)
            matches = Matches(
                keypoints0=points0,
                keypoints1=points1,
                confidence=np.ones(count, np.float32),
                spread=np.ones(count, np.float32),
                cells=np.arange(count),
            )
            rotation, direction = motion_errors(pair, points0, points1)
            line = f'{name}: {count} matches, {rotation:.2f} and {direction:.1f} degrees off'
            picture = draw_matches(
                pair.image0, pair.image1, matches, epipolar_inliers(pair, points0, points1), [line]
            )
            write_picture(folder / f'{stem}_{index}_{name}.png', picture)


def epipolar_inliers(pair: Pair, points0: np.ndarray, points1: np.ndarray) -> np.ndarray:
    """Return which matches (N,) lie within 2 px of the true epipolar line."""
    x, y, z = pair.motion[:3, 3]
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rays0, rays1 = (
        np.column_stack([pair.camera.undistort(points), np.ones(len(points))])
        for points in (points0, points1)
    )
    lines = rays0 @ (cross @ pair.motion[:3, :3]).T
    distance = abs((lines * rays1).sum(1)) / np.maximum(np.hypot(lines[:, 0], lines[:, 1]), 1e-12)
    return np.asarray(distance * pair.camera.focal < 2.0)


if __name__ == '__main__':
    main()
