# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo match``: the matches of one pair of pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from loftr_vo.cli.options import add_network_options
from loftr_vo.config import MatcherSettings, describe, replace
from loftr_vo.datasets.image_files import read_grey
from loftr_vo.drawing.match_image import draw_matches
from loftr_vo.evaluation.report import write_json
from loftr_vo.files.output_files import check_writable
from loftr_vo.files.output_pictures import check_picture_name, write_picture
from loftr_vo.matching.matches import Matches


def register(subparsers: Any) -> None:
    """Add ``match`` to the parser."""
    parser = subparsers.add_parser(
        'match',
        help='matches of one pair of pictures',
        description='Match two pictures and draw the matches or write them as JSON.',
    )
    about = {name: description.text for name, _, description in describe(MatcherSettings())}
    parser.add_argument('image0', type=Path, metavar='IMAGE0')
    parser.add_argument('image1', type=Path, metavar='IMAGE1')
    parser.add_argument('-o', '--output', type=Path, metavar='PICTURE', help='draw them here')
    parser.add_argument(
        '--json',
        type=Path,
        metavar='FILE',
        help='write keypoints0, keypoints1 (pixels of the files) and confidence here',
    )
    parser.add_argument(
        '--image-size',
        type=int,
        default=0,
        metavar='PIXELS',
        help=about['image_size'],
    )
    parser.add_argument(
        '--no-refine',
        action='store_true',
        help="leave the matches where the network's fine stage puts them, instead of placing "
        'them on the full pictures',
    )
    add_network_options(parser)
    parser.set_defaults(command=match_command)


def match_command(arguments: argparse.Namespace) -> int:
    """Match the two pictures."""
    if arguments.json:
        check_writable(arguments.json)
    if arguments.output:
        check_picture_name(arguments.output)
        check_writable(arguments.output)
    image0, image1 = read_grey(arguments.image0), read_grey(arguments.image1)
    # Imported late: a picture that cannot be read is reported without loading torch.
    from loftr_vo.matching.image_pair import match_and_refine
    from loftr_vo.matching.matcher import Matcher

    values = {
        'image_size': arguments.image_size,
        'weights': arguments.weights,
        'device': arguments.device,
    }
    given = {name: value for name, value in values.items() if value is not None}
    settings: MatcherSettings = replace(MatcherSettings(), given)
    matches = match_and_refine(Matcher(settings), image0, image1, refine=not arguments.no_refine)
    inliers = _epipolar_inliers(matches)
    print(f'{len(matches)} matches, {int(inliers.sum())} agree with one epipolar geometry')
    if arguments.json:
        write_json(
            arguments.json,
            {
                'keypoints0': matches.keypoints0.tolist(),
                'keypoints1': matches.keypoints1.tolist(),
                'confidence': matches.confidence.tolist(),
            },
        )
    if arguments.output:
        _write_picture(arguments, image0, image1, matches, inliers, settings.weights)
    return 0


def _epipolar_inliers(matches: Matches) -> np.ndarray:
    """Return which matches are inliers of a fundamental matrix (MAGSAC++): (N,) bool."""
    if len(matches) < 8:
        return np.zeros(len(matches), bool)
    cv2.setRNGSeed(0)
    _, mask = cv2.findFundamentalMat(
        matches.keypoints0, matches.keypoints1, cv2.USAC_MAGSAC, 1.0, 0.999, 10000
    )
    return np.zeros(len(matches), bool) if mask is None else mask[:, 0] > 0


def _write_picture(
    arguments: argparse.Namespace,
    image0: np.ndarray,
    image1: np.ndarray,
    matches: Matches,
    inliers: np.ndarray,
    weights: str,
) -> None:
    line = (
        f'{arguments.image0.name} and {arguments.image1.name} ({weights}): {len(matches)} '
        f'matches, {int(inliers.sum())} agree with one epipolar geometry'
    )
    picture = draw_matches(image0, image1, matches, inliers, [line])
    write_picture(arguments.output, picture)
