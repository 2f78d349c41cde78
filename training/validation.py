# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of a network on held-out pairs: ray-cast ones and, where available, real ones."""

from __future__ import annotations

import argparse
import copy
import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from loftr_vo.config import MatcherSettings
from loftr_vo.files.output_files import write_text
from loftr_vo.files.regular_file import read_bytes
from loftr_vo.loftr.model import LoFTR
from loftr_vo.loftr.weights import available, load_weights
from loftr_vo.matching.image_pair import match_and_refine
from loftr_vo.matching.matcher import Matcher
from loftr_vo.synthetic.pairs import PairGenerator, Pairs
from loftr_vo.synthetic.textures import TextureBank
from training.pairs.cases import Pair, sequence_pairs
from training.pairs.methods import by_network
from training.pairs.scoring import motion_errors
from training.supervision import CELL, Supervision, supervise

_SEED = 987_654_321
_SIZE = (240, 320)
# The working size of a 4:3 camera by default, see ``default_image_size``.
_WORKING_SIZE = (360, 480)
_PAIRS = 24
# Sequence folders, and how many frames apart their pairs are.
_REAL = {'kitti06': 2, 'fountain': 1, 'tum_fr2_desk': 5, 'redkitchen': 10}
_REAL_PAIRS = 5  # of each


@dataclass(frozen=True)
class HeldOut:
    """Pairs for validation.

    Attributes:
        lit: with light, lens and sensor as in training.
        even: the same pairs in even light by an ideal camera.
        truth: of both.
    """

    lit: Pairs
    even: Pairs
    truth: Supervision


def validate(model: LoFTR, device: torch.device) -> dict[str, float]:
    """Score ``model`` on held-out textures, scenes and motions, at 320 x 240.

    Returns:
        precision: share of the matches that lie within 3 px of the truth, of those whose truth
            is known;
        recall: share of the true coarse matches that were found (within 8 px);
        false_rate: matches in cells that have none, as a share of those cells;
        fine_error_px: median distance of the found matches from the truth, in pixels;
        clean_error_px: that in even light, without noise, blur or compression.
    """
    held = held_out(device, _SIZE, _PAIRS)
    training = model.training
    model.eval()
    try:
        scores = _scores(model, held.lit, held.truth)
        clean = _scores(model, held.even, held.truth)['fine_error_px']
    finally:
        model.train(training)
    return {**scores, 'clean_error_px': clean}


@torch.no_grad()
def _scores(model: LoFTR, pairs: Pairs, truth: Supervision) -> dict[str, float]:
    errors, found, matched, false, unmatchable = [], 0, 0, 0, 0
    for index in range(_PAIRS):
        raw = model(*pairs.images[:, index : index + 1], max_matches=8192)
        chosen = raw.valid[0]
        cells = raw.cells0[0][chosen]
        errors.append(_distances(cells, raw.keypoints1[0][chosen], truth, index))
        found += int((errors[-1] < CELL).sum())
        matched += int(truth.matched[index].sum())
        false += int(truth.unmatchable[index, cells].sum())
        unmatchable += int(truth.unmatchable[index].sum())
    error = torch.cat(errors)
    return {
        'precision': float((error < 3).float().mean()) if len(error) else 0.0,
        'recall': found / max(matched, 1),
        'false_rate': false / max(unmatchable, 1),
        'fine_error_px': _median_of_found(error),
    }


@functools.cache
def held_out(
    device: torch.device, size: tuple[int, int], count: int, seed: int = _SEED
) -> HeldOut:
    """Return ``count`` pairs of (H, W) pictures and their truth; of textures of their own."""
    bank = TextureBank.random(64, 256, seed=seed, device=device)
    generator = PairGenerator(bank, seed=seed, taps=4)
    even = generator.draw_unlit(count, size)
    return HeldOut(generator.light(even), even, supervise(even))


def validate_places(
    model: LoFTR,
    size: tuple[int, int] = _WORKING_SIZE,
    count: int = _PAIRS,
    seed: int = _SEED,
) -> dict[str, float]:
    """Score where matches are placed in pictures of the size that the network works on.

    Args:
        model: the network.
        size: (H, W) of the pictures.
        count: of pairs.
        seed: of their textures, scenes and motions.

    Returns:
        Median distances from the truth, in pixels: working_error_px of the network's places and
        refined_error_px of those that follow, see ``match_and_refine``; and of both, with clean_
        before, in even light, without noise, blur or compression.
    """
    device = next(model.parameters()).device
    settings = MatcherSettings(device=str(device), precision='float32', image_size=size[1])
    matcher = Matcher(settings, copy.deepcopy(model))
    held = held_out(torch.device('cpu'), size, count, seed)
    scores = {}
    for prefix, pairs in (('', held.lit), ('clean_', held.even)):
        images = (255 * pairs.images[:, :, 0]).round().byte().numpy()
        for name, refine in (('working_error_px', False), ('refined_error_px', True)):
            errors = []
            for index, pair in enumerate(images.swapaxes(0, 1)):
                matches = match_and_refine(matcher, *pair, refine=refine)
                cells, points = map(torch.from_numpy, (matches.cells, matches.keypoints1))
                errors.append(_distances(cells, points, held.truth, index))
            scores[prefix + name] = _median_of_found(torch.cat(errors))
    return scores


def _distances(
    cells: torch.Tensor, points: torch.Tensor, truth: Supervision, index: int
) -> torch.Tensor:
    """Distances of a pair's matches from their true places, where these are known.

    Args:
        cells: (N,) int64, of the first picture.
        points: (N, 2) pixels of the second.
        truth: of the pairs.
        index: of the pair.
    """
    distances = (points - truth.position[index, cells]).norm(dim=-1)
    return distances[truth.matched[index, cells]]


def _median_of_found(error: torch.Tensor) -> float:
    close = error[error < CELL]
    return float(close.median()) if len(close) else float('nan')


def validate_real(model: LoFTR, data: Path) -> dict[str, float]:
    """Score ``model`` by the motions it finds between real pictures.

    Its own sub-pixel positions are taken, not those refined on the full pictures.

    Args:
        model: the network.
        data: folder of the sequences; those that are not there are left out.

    Returns:
        Of each sequence, NAME_rotation_deg and NAME_direction_deg, median errors.
    """
    device = next(model.parameters()).device
    settings = MatcherSettings(device=str(device), precision='float32')
    method = by_network(Matcher(settings, copy.deepcopy(model)), refine=False)
    scores: dict[str, float] = {}
    for name, pairs in real_pairs(data).items():
        errors = [motion_errors(pair, *method(pair.image0, pair.image1)) for pair in pairs]
        rotation, direction = np.median(errors, axis=0).tolist()
        scores |= {f'{name}_rotation_deg': rotation, f'{name}_direction_deg': direction}
    return scores


@functools.cache
def real_pairs(data: Path) -> dict[str, list[Pair]]:
    """Return the pairs of each sequence that is in the folder ``data``."""
    return {
        name: sequence_pairs(data / name, apart, _REAL_PAIRS)
        for name, apart in _REAL.items()
        if (data / name).is_dir()
    }


def _sha256(weights: str) -> str:
    """Digest of the file of weights, given by name or path."""
    named = {info.name: info.path for info in available()}
    return hashlib.sha256(read_bytes(named.get(weights) or weights)).hexdigest()


def main() -> None:
    """Validate weights by the command line, and write the scores."""
    parser = argparse.ArgumentParser(
        prog='python -m training.validation',
        description='Score weights on held-out rendered pairs and, where there, on real ones.',
    )
    parser.add_argument('--weights', default='compact', metavar='NAME|FILE')
    parser.add_argument('--device', default='cpu', help='cpu, cuda or cuda:N')
    parser.add_argument('--real-data', type=Path, metavar='DIR', help='sequence folders')
    parser.add_argument('-o', '--output', type=Path, metavar='FILE', help='JSON')
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    model = load_weights(arguments.weights, device)
    scores = validate(model, device) | validate_places(model)
    if arguments.real_data is not None:
        scores |= validate_real(model, arguments.real_data)
    table = {
        'weights': arguments.weights,
        'sha256': _sha256(arguments.weights),
        **{name: round(value, 4) for name, value in scores.items()},
    }
    text = json.dumps(table, indent=2) + '\n'
    print(text, end='')
    if arguments.output is not None:
        write_text(arguments.output, text)


if __name__ == '__main__':
    main()
