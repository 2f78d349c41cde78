# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Whether specific forces are in m/s^2: most of the time they are about as long as gravity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Where the median length of a second lies, in m/s^2, and what that means. A robot is not
# accelerated by gravity's half, or by three times as much, for half of a second and longer.
_NONE, _HALF_G, _TWO_G = 0.3, 0.5, 2.0
_ONE_G = 0.8, 1.25
_LOW, _HIGH = 4.0, 40.0
# Lengths between the first and the last tenth, as a multiple of the median. Where gravity is in
# them, accelerations of 3 m/s^2 along it make 0.8; accelerations alone, equally strong in all
# directions, make 1.1 (chi distribution of three degrees of freedom), along a line 1.2 and more.
_BROAD = 0.9
_REST = 'an accelerometer at rest measures 9.81 m/s^2 upwards (REP 145)'
NO_GRAVITY = f'there is no gravity in the specific force: {_REST}; has the driver subtracted it?'
NEGATED = (
    'the specific force is negated: it points against the accelerations of the pictures; at rest '
    'it must be +9.81 m/s^2 upwards (REP 145)'
)


def wrong_unit(lengths: Sequence[float] | np.ndarray) -> str:
    """Return what is wrong with specific forces of these lengths; empty if nothing is.

    Args:
        lengths: (N,), of a second or more, as they were given; at least one.
    """
    low, median, high = np.quantile(lengths, [0.1, 0.5, 0.9])
    if _LOW <= median <= _HIGH:
        return ''
    if median < _NONE or (median < _LOW and high - low > _BROAD * median):
        return NO_GRAVITY
    if _ONE_G[0] <= median <= _ONE_G[1]:
        return f'the specific force is given in g (it is {median:.2f} long), not in m/s^2'
    if _HALF_G <= median <= _TWO_G:
        return (
            f'the specific force is {median:.2f} long: it is given in g, not in m/s^2, or the '
            'driver has subtracted gravity'
        )
    return f'the specific force is {median:.4g} long, not in m/s^2: {_REST}'
