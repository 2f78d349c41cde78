# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Where a camera looks on the robot, in words, and whether its frame can be an optical one."""

from __future__ import annotations

import math

import numpy as np

# Degrees: a view less than this off the horizontal is one that a robot on the ground has.
_HORIZONTAL = 45.0
# Degrees: a frame whose z axis is less than this off the vertical has the axes of a body.
_VERTICAL = 20.0
# By quarter turns to the left.
_DIRECTIONS = ('forward', 'left', 'backward', 'right')


def in_words(base_from_camera: np.ndarray) -> str:
    """Return the direction of the optical axis, such as ``forward, 10 deg down``.

    Args:
        base_from_camera: (4, 4), from optical axes (x right, y down, z forward) to a body's (x
            forward, y left, z up).
    """
    azimuth, elevation = _angles(base_from_camera)
    if abs(elevation) > 90.0 - _VERTICAL:
        return 'up' if elevation > 0.0 else 'down'
    quarter = round(azimuth / 90.0)
    words = [_DIRECTIONS[quarter % 4]]
    aside = round(azimuth - 90.0 * quarter)
    if aside:
        words.append(f'{abs(aside)} deg to the {"left" if aside > 0 else "right"}')
    if round(elevation):
        words.append(f'{abs(round(elevation))} deg {"up" if elevation > 0 else "down"}')
    if -base_from_camera[2, 1] < math.cos(math.radians(_HORIZONTAL)) * _level(elevation):
        words.append('turned about its axis')
    return ', '.join(words)


def suspicion(base_from_camera: np.ndarray) -> str:
    """Return why the frame of the pictures may be the wrong one; empty if nothing suggests it.

    A body's frame (z up) in place of an optical one (z forward) seems to look up. The odometry
    would run, and its path would be rotated.
    """
    _, elevation = _angles(base_from_camera)
    if elevation > 90.0 - _VERTICAL:
        return (
            'by TF the camera looks up: its frame seems to have the axes of a body (x forward, z '
            'up) and not of optics (x right, y down, z forward); set frame_id in the driver to '
            'the optical frame'
        )
    if abs(elevation) > _HORIZONTAL:
        return (
            f'by TF the camera looks {abs(elevation):.0f} deg '
            f'{"up" if elevation > 0 else "down"}: right only if it is mounted so'
        )
    return ''


def _angles(base_from_camera: np.ndarray) -> tuple[float, float]:
    """Return azimuth (to the left of x) and elevation of the optical axis in degrees."""
    x, y, z = base_from_camera[:3, 2]
    return math.degrees(math.atan2(y, x)), math.degrees(math.asin(max(-1.0, min(1.0, z))))


def _level(elevation: float) -> float:
    """Return the largest vertical component that the picture's upward axis can have."""
    return math.cos(math.radians(elevation))
