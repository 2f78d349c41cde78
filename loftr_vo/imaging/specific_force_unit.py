# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Whether specific forces are in m/s^2: most of the time they are about as long as gravity."""

from __future__ import annotations

# Where the median length of a second lies, in m/s^2, and what that means. A robot is not
# accelerated by gravity's half, or by three times as much, for half of a second and longer.
_NONE, _HALF_G, _TWO_G = 0.3, 0.5, 2.0
_LOW, _HIGH = 4.0, 40.0
_REST = 'an accelerometer at rest measures 9.81 m/s^2 upwards (REP 145)'


def wrong_unit(median: float) -> str:
    """Return what is wrong with specific forces of this median length; empty if nothing is.

    Args:
        median: of the lengths over a second, as they were given.
    """
    if _LOW <= median <= _HIGH:
        return ''
    if median < _NONE:
        return f'there is no gravity in the specific force: {_REST}'
    if _HALF_G <= median <= _TWO_G:
        return f'the specific force is given in g (it is {median:.2f} long), not in m/s^2'
    return f'the specific force is {median:.4g} long, not in m/s^2: {_REST}'
