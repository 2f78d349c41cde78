# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``--max-ate`` and ``--min-tracked``: bounds that decide the exit code, for scripts and CI."""

from __future__ import annotations

import argparse
import sys
from typing import Any

NOT_HELD = 1


def add_threshold_options(parser: argparse.ArgumentParser) -> None:
    """Add the bounds, which ``bounds_hold`` reads."""
    bounds = parser.add_argument_group('bounds', 'The exit code is 1 where one does not hold.')
    bounds.add_argument(
        '--max-ate',
        type=float,
        metavar='PERCENT',
        help='largest error of the positions (ATE) in percent of the path',
    )
    bounds.add_argument(
        '--min-tracked',
        type=float,
        metavar='PERCENT',
        help='least share of the frames that must be tracked',
    )


def bounds_hold(
    arguments: argparse.Namespace, metrics: dict[str, Any], scale_source: str = 'none'
) -> bool:
    """Return whether the figures of a recording keep the bounds; print to stderr which do not.

    Args:
        arguments: with the bounds.
        metrics: of the recording.
        scale_source: of the odometry; unless ``none``, lengths must be metres, too.
    """
    missed = list(_missed(arguments, metrics))
    if scale_source != 'none' and not metrics['metric']:
        missed.append(f'scale.source is {scale_source}, but lengths never became metres')
    for reason in missed:
        print(f'loftr_vo: {metrics["sequence"]}: {reason}', file=sys.stderr)
    return not missed


def _missed(arguments: argparse.Namespace, metrics: dict[str, Any]) -> Any:
    ate, most = metrics['ate_percent'], arguments.max_ate
    if most is not None and ate is None:
        yield f'there is no error to hold against --max-ate {most:g}'
    # NaN exceeds every bound.
    elif most is not None and not ate <= most:
        yield f'the error is {ate:.3g} % of the path, more than --max-ate {most:g}'
    least = arguments.min_tracked
    share = 100.0 * metrics['tracked'] / max(metrics['frames'], 1)
    if least is not None and not share >= least:
        yield (
            f'{metrics["tracked"]} of {metrics["frames"]} frames are tracked ({share:.1f} %), '
            f'less than --min-tracked {least:g}'
        )
