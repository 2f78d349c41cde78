# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo calibrate``: a video of a checkerboard in, the camera's calibration out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from loftr_vo.datasets.sequence import DatasetError
from loftr_vo.datasets.uncalibrated import grey_pictures
from loftr_vo.datasets.writing import calibration_yaml
from loftr_vo.drawing.residual_picture import draw_residuals
from loftr_vo.evaluation.report import write_json
from loftr_vo.files.output_files import check_folder, write_text
from loftr_vo.files.output_pictures import write_picture
from loftr_vo.imaging.board import Board, View, distinct_views, find_corners
from loftr_vo.imaging.board_calibration import BoardCalibration, calibrate


def register(subparsers: Any) -> None:
    """Add ``calibrate`` to the parser."""
    parser = subparsers.add_parser(
        'calibrate',
        help='calibrate a camera from a video of a checkerboard',
        description='Find a checkerboard in a video or in a folder of pictures, and calibrate the '
        'camera with OpenCV. Writes camera.yaml, residuals.json and residuals.png.',
    )
    parser.add_argument('path', type=Path, metavar='VIDEO|FOLDER')
    parser.add_argument(
        '--board',
        required=True,
        metavar='COLUMNSxROWS',
        help='inner corners of the board, one fewer than squares: 9x6 for 10x7 squares',
    )
    parser.add_argument(
        '--square', type=float, required=True, metavar='METRES', help='side of a square'
    )
    parser.add_argument(
        '--fisheye', action='store_true', help='a lens of more than about 120 degrees: equidistant'
    )
    parser.add_argument(
        '--pictures',
        type=int,
        default=200,
        metavar='N',
        help='most pictures that the board is looked for in, spread evenly (default: 200)',
    )
    parser.add_argument(
        '--views',
        type=int,
        default=40,
        metavar='N',
        help='most views used, those that differ most (default: 40)',
    )
    parser.add_argument(
        '-o',
        '--output',
        type=Path,
        default=Path('results/calibration'),
        metavar='DIR',
        help='default: results/calibration',
    )
    parser.set_defaults(command=calibrate_command)


def calibrate_command(arguments: argparse.Namespace) -> int:
    """Find the board, calibrate, and write and print the result."""
    board = Board.from_text(arguments.board, arguments.square)
    if min(arguments.pictures, arguments.views) < 1:
        raise ValueError('--pictures and --views must be at least 1')
    check_folder(arguments.output)
    views, size, looked_at = _find_views(arguments.path, board, arguments.pictures)
    chosen = distinct_views(views, board, size[0], arguments.views)
    result = calibrate(chosen, board, size, arguments.fisheye)
    print(
        f'found the board in {len(views)} of {looked_at} pictures; {len(result.views)} different '
        f'views used, {len(result.left_out)} left out for their residuals'
    )
    for line in summary(result):
        print(line)
    _write(arguments.output, result)
    for doubt in result.doubts():
        print(f'doubtful: {doubt}')
    print(f'wrote {arguments.output / "camera.yaml"}, residuals.json and residuals.png')
    return 0


def _find_views(path: Path, board: Board, most: int) -> tuple[list[View], tuple[int, int], int]:
    """Return the views in a recording, the pictures' width and height, and how many there are."""
    views, size, looked_at = [], (0, 0), 0
    for number, image in tqdm(grey_pictures(path, most), unit='picture'):
        height, width = image.shape
        if looked_at and size != (width, height):
            raise DatasetError(
                f'{path} has pictures of {size[0]}x{size[1]} and of {width}x{height} pixels; a '
                'calibration is for one size'
            )
        size, looked_at = (width, height), looked_at + 1
        corners = find_corners(image, board)
        if corners is not None:
            views.append(View(number, corners))
    return views, size, looked_at


def summary(result: BoardCalibration) -> list[str]:
    """Return the result in lines to print."""
    camera = result.camera
    matrix, worst = camera.matrix, int(np.argmax(result.view_rms))
    sigma = '' if np.isnan(result.focal_sigma) else f' (± {result.focal_sigma:.2%})'
    return [
        f'{camera.width}x{camera.height}, focal length {matrix[0, 0]:.2f}, {matrix[1, 1]:.2f} '
        f'px{sigma}, principal point {matrix[0, 2]:.2f}, {matrix[1, 2]:.2f}',
        f'{camera.distortion_model}: ' + ', '.join(f'{each:.5f}' for each in camera.distortion),
        f'residuals: {result.rms:.3f} px, the worst view {result.view_rms[worst]:.3f} px '
        f'(picture {result.views[worst].number}); corners in {result.coverage:.0%} of the picture',
    ]


def _write(folder: Path, result: BoardCalibration) -> None:
    write_text(folder / 'camera.yaml', calibration_yaml(result.camera))
    write_json(
        folder / 'residuals.json',
        {
            'rms_px': result.rms,
            'focal_sigma': result.focal_sigma,
            'coverage': result.coverage,
            'doubts': result.doubts(),
            'left_out': [view.number for view in result.left_out],
            'views': [
                {'picture': view.number, 'rms_px': rms}
                for view, rms in zip(result.views, result.view_rms, strict=True)
            ],
        },
    )
    corners = np.stack([view.corners for view in result.views])
    size = result.camera.width, result.camera.height
    heading = [f'residuals a hundredfold, {result.rms:.3f} px in the mean', *result.doubts()]
    picture = draw_residuals(corners, result.residuals, size, heading)
    write_picture(folder / 'residuals.png', picture)
