# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What to say of an offset between the clocks of an IMU and the pictures."""

from __future__ import annotations

# Seconds from which an offset that is corrected is worth a warning. A camera that turns at one
# radian a second turns by a degree meanwhile, and what is measured before it is found is off by
# that; drivers that stamp at the same event differ by a few milliseconds.
_LARGE = 0.02


def large_offset(seconds: float) -> str:
    """Return a warning of an offset that is corrected; empty where it is small, or NaN.

    Args:
        seconds: by which the IMU's stamps are later than those of pictures of the same moment.
    """
    return f'{_in_words(seconds)}, which is corrected' if abs(seconds) > _LARGE else ''


def too_large_offset(seconds: float, most: float) -> str:
    """Return what is wrong where an offset is beyond the ``most`` seconds that are corrected."""
    return f'{_in_words(seconds)}: more than the {1e3 * most:.0f} ms that are corrected'


def _in_words(seconds: float) -> str:
    sense = 'later' if seconds > 0 else 'earlier'
    return (
        f"the IMU's stamps are {1e3 * abs(seconds):.0f} ms {sense} than those of pictures of the "
        'same moment'
    )
