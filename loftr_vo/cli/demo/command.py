# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``loftr_vo demo``: the ROS node on a rendered camera, from end to end."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def register(subparsers: Any) -> None:
    """Add ``demo`` to the parser."""
    parser = subparsers.add_parser(
        'demo',
        help='stream a rendered camera through the ROS node and score what comes back',
    )
    parser.add_argument(
        '-o',
        '--output',
        type=Path,
        metavar='DIR',
        default=Path('results') / 'demo',
        help='where the pictures go (default: %(default)s)',
    )
    parser.set_defaults(command=demo_command)


def demo_command(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    # Imported late: it is the only command that needs ROS.
    from loftr_vo.cli.demo.run import run_demo

    return run_demo(arguments.output)
