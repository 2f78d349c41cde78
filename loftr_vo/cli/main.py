# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``loftr_vo``."""

from __future__ import annotations

import argparse
import io
import shlex
import sys
from collections.abc import Sequence

from loftr_vo.evaluation.interrupts import interrupted_exit_code, interrupts_noted, was_interrupted
from loftr_vo.files.text import printable
from loftr_vo.matching.cpu_memory import keep_memory_between_frames
from loftr_vo.matching.openmp import wait_briefly

BAD_INPUT = 2


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code.

    Args:
        words: the command line without the program's name; that of the process if None.
    """
    if words is None and isinstance(sys.stdout, io.TextIOWrapper):
        # As on stderr: file names that are not UTF-8 are escaped.
        sys.stdout.reconfigure(errors='backslashreplace')
    with interrupts_noted(to_the_end=words is None):
        try:
            return _run(sys.argv[1:] if words is None else words)
        except KeyboardInterrupt:
            pass
        # A library may have replaced KeyboardInterrupt by an error of its own.
        except Exception:
            if not was_interrupted():
                raise
        print('loftr_vo: interrupted', file=sys.stderr)
        return interrupted_exit_code()


def _run(words: Sequence[str]) -> int:
    wait_briefly()
    keep_memory_between_frames()
    arguments = make_parser().parse_args(words)
    arguments.command_line = printable(shlex.join(['loftr_vo', *words]))
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files need not be text; stderr escapes them by itself.
        sys.stdout.reconfigure(errors='backslashreplace')
    try:
        result: int = arguments.command(arguments)
        return result
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
    # Imported late: numpy and OpenCV take a second to load; an interrupt may come meanwhile.
    from loftr_vo.cli import (
        benchmark,
        calibrate,
        compare,
        evaluate,
        match,
        play,
        record,
        render,
        run,
        score,
        topics,
        weights,
    )
    from loftr_vo.cli.demo import command as demo

    parser = argparse.ArgumentParser(
        prog='loftr_vo', description='Visual odometry from LoFTR matches.'
    )
    parser.add_argument(
        '--traceback', action='store_true', help='show where in the code an error comes from'
    )
    subparsers = parser.add_subparsers(title='commands', metavar='COMMAND', required=True)
    for module in (
        run,
        evaluate,
        compare,
        score,
        topics,
        record,
        play,
        match,
        benchmark,
        weights,
        calibrate,
        render,
        demo,
    ):
        module.register(subparsers)
    return parser


def _refuse(error: Exception, arguments: argparse.Namespace) -> int:
    from numpy.linalg import LinAlgError

    # numpy's error is a ValueError, too, but a fault of the program and not of its input.
    if arguments.traceback or isinstance(error, LinAlgError):
        raise error
    print(f'loftr_vo: error: {printable(str(error))}', file=sys.stderr)
    return interrupted_exit_code() if was_interrupted() else BAD_INPUT
