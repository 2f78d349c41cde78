# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Options that several subcommands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from loftr_vo.config import (
    MatcherSettings,
    SettingError,
    Settings,
    describe,
    replace,
)
from loftr_vo.datasets import Sequence, open_sequence
from loftr_vo.datasets.companion_topics import CompanionTopics
from loftr_vo.files.numbers import number, whole_number
from loftr_vo.imaging.view_mask import NO_MARGIN, ViewMask, check_margin

_TRUTH = {'true': True, 'yes': True, 'on': True, 'false': False, 'no': False, 'off': False}


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--weights`` and ``--device``."""
    about = {name: description.text for name, _, description in describe(MatcherSettings())}
    parser.add_argument('--weights', metavar='NAME|FILE', help=about['weights'])
    parser.add_argument('--device', metavar='DEVICE', help=about['device'])


def add_settings_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--weights``, ``--device`` and ``--set``, from which ``read_settings`` reads."""
    add_network_options(parser)
    parser.add_argument(
        '--set',
        dest='assignments',
        metavar='NAME=VALUE',
        action='append',
        default=[],
        help='change a setting, for example --set matcher.image_size=320; may be repeated',
    )


def add_sequence_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``open_from`` reads."""
    parser.add_argument(
        '--camera',
        type=Path,
        metavar='FILE[:CAMERA]',
        help="calibration to use in place of the recording's own: of ROS, Kalibr, EuRoC, OpenCV, "
        'ORB-SLAM3 or COLMAP; with the name of the camera where the file has several',
    )
    parser.add_argument(
        '--mask',
        type=Path,
        metavar='FILE',
        help='picture of what is used of the view, white, and of what is not, black; resized to '
        'the pictures',
    )
    parser.add_argument(
        '--mask-margin',
        type=_margin,
        default=NO_MARGIN,
        metavar='TOP,BOTTOM,LEFT,RIGHT',
        help='pixels of the pictures that are not used',
    )
    parser.add_argument('--image-topic', metavar='TOPIC', help='of a bag with several')
    parser.add_argument('--camera-info-topic', metavar='TOPIC', help='of a bag with several')
    for name, source in (
        ('depth', 'depth'),
        ('right-image', 'stereo'),
        ('odometry', 'odometry'),
        ('imu', 'imu'),
    ):
        parser.add_argument(
            f'--{name}-topic', metavar='TOPIC', help=f'for scale.source {source}, likewise'
        )
    parser.add_argument(
        '--imu-calibration',
        type=Path,
        metavar='FILE[:CAMERA]',
        help="how the IMU sits beside the camera, in place of the recording's own: a file with "
        "T_imu_cam, or Kalibr's camchain-imucam.yaml",
    )


def open_from(path: Path, arguments: argparse.Namespace) -> Sequence:
    """Open the recording at ``path`` as the sequence options say; see ``open_sequence``."""
    sequence = open_sequence(
        path,
        arguments.camera,
        arguments.image_topic,
        arguments.camera_info_topic,
        CompanionTopics(
            arguments.depth_topic,
            arguments.right_image_topic,
            arguments.odometry_topic,
            arguments.imu_topic,
            arguments.imu_calibration,
        ),
        ViewMask.read(arguments.mask or '', arguments.mask_margin),
    )
    # The name of a folder of results; it must not be a path to elsewhere.
    if sequence.name in ('', '.', '..') or Path(sequence.name).name != sequence.name:
        sequence.name = 'recording'
    return sequence


def _margin(text: str) -> tuple[int, ...]:
    """Return the margin in a word of the command line."""
    try:
        return check_margin(text.split(','))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def read_settings(arguments: argparse.Namespace) -> Settings:
    """Return the settings that the options make.

    Raises:
        SettingError: an unknown setting or an impossible value.
    """
    values = dict(_parse_assignment(text) for text in arguments.assignments)
    if arguments.weights is not None:
        values['matcher.weights'] = arguments.weights
    if arguments.device is not None:
        values['matcher.device'] = arguments.device
    settings: Settings = replace(Settings(), values)
    return settings


def _parse_assignment(text: str) -> tuple[str, Any]:
    name, equals, word = text.partition('=')
    if not equals:
        raise SettingError(f'--set takes NAME=VALUE, got {text!r}')
    defaults = {known: value for known, value, _ in describe(Settings())}
    # An unknown name is passed on: the error of `replace` lists those that exist.
    return name, _parse_value(name, word, defaults.get(name, ''))


def _parse_value(name: str, word: str, default: Any) -> Any:
    if isinstance(default, bool):
        if word.lower() not in _TRUTH:
            raise SettingError(f'{name} must be true or false, got {word!r}')
        return _TRUTH[word.lower()]
    read = {int: whole_number, float: number}.get(type(default), type(default))
    try:
        return read(word)
    except ValueError as error:
        kind = 'a whole number' if isinstance(default, int) else 'a number'
        raise SettingError(f'{name} must be {kind}, got {word!r}') from error
