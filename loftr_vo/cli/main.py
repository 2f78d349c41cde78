# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``loftr_vo``."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

from loftr_vo.cli import (
    benchmark,
    match,
    play,
    record,
    render,
    score,
    sequences,
    topics,
    weights,
)
from loftr_vo.cli.demo import command as demo
from loftr_vo.matching.cpu_memory import keep_memory_between_frames
from loftr_vo.matching.openmp import wait_briefly

BAD_INPUT = 2
INTERRUPTED = 130


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code.

    Args:
        words: the command line without the program's name; that of the process if None.
    """
    wait_briefly()
    keep_memory_between_frames()
    words = sys.argv[1:] if words is None else words
    arguments = make_parser().parse_args(words)
    arguments.command_line = shlex.join(['loftr_vo', *words])
    try:
        result: int = arguments.command(arguments)
        return result
    except KeyboardInterrupt:
        print('loftr_vo: interrupted', file=sys.stderr)
        return INTERRUPTED
    except (ValueError, OSError) as error:
        return _refuse(error, arguments)
    except RuntimeError as error:
        # Imported late: only what has loaded torch can raise it.
        from loftr_vo.loftr.weights import WeightsError
        from loftr_vo.matching.device import DeviceLostError

        if not isinstance(error, (DeviceLostError, WeightsError)):
            raise
        return _refuse(error, arguments)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser with all subcommands."""
    parser = argparse.ArgumentParser(
        prog='loftr_vo', description='Visual odometry from LoFTR matches.'
    )
    parser.add_argument(
        '--traceback', action='store_true', help='show where in the code an error comes from'
    )
    subparsers = parser.add_subparsers(title='commands', metavar='COMMAND', required=True)
    for module in (
        sequences,
        score,
        topics,
        record,
        play,
        match,
        benchmark,
        weights,
        render,
        demo,
    ):
        module.register(subparsers)
    return parser


def _refuse(error: Exception, arguments: argparse.Namespace) -> int:
    if arguments.traceback:
        raise error
    print(f'loftr_vo: error: {error}', file=sys.stderr)
    return BAD_INPUT
