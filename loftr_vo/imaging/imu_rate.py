# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Whether an IMU measures often enough for its measurements to be integrated."""

from __future__ import annotations

# Measurements a second. Two neighbours are integrated up to 0.05 s apart (``max_gap`` of the
# inertial tuning); with fewer than these, a late one is a gap. Chosen by hand; no figure kept.
_LEAST = 25.0


def too_slow(hertz: float) -> str:
    """Return what is wrong with a rate in measurements a second; empty if nothing is."""
    if hertz >= _LEAST:
        return ''
    return (
        f'it measures {hertz:.1f} times a second, too seldom to be integrated: {_LEAST:.0f} at '
        'least, better 100 to 1000'
    )
