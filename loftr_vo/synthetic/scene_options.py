# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The ranges of the options of a rendered scene."""

from __future__ import annotations

from loftr_vo.synthetic.places import KINDS, PLACES


def check_scene(
    kind: str, frames: int, rate: float, contrast: float, noise: float, exposure: float
) -> None:
    """Make sure that the scene exists, and that it and its camera are in their ranges.

    Raises:
        ValueError: one is not.
    """
    if kind not in KINDS:
        raise ValueError(f'there is no scene {kind!r}; the scenes are {", ".join(KINDS)}')
    if frames < 1:
        raise ValueError(f'a sequence needs one frame or more, got {frames}')
    if not rate > 0:
        raise ValueError(f'the rate must be positive, got {rate}')
    longest = PLACES[kind].longest
    if (frames - 1) / rate > longest:
        raise ValueError(
            f'the {kind} ends after {longest:g} s: {frames} frames at {rate:g} Hz are too many'
        )
    if not 0 <= contrast <= 1:
        raise ValueError(f'the contrast must lie in [0, 1], got {contrast}')
    if noise < 0 or exposure < 0:
        raise ValueError(f'noise and exposure cannot be negative, got {noise} and {exposure}')


def check_light(light: float, flicker: float, blur: int, hidden: float) -> None:
    """Make sure that light, flicker, blur and the hidden share are in their ranges.

    Raises:
        ValueError: one is not.
    """
    if not 0 <= light <= 1:
        raise ValueError(f'the light must lie in [0, 1], got {light}')
    if flicker < 0:
        raise ValueError(f'the flicker cannot be negative, got {flicker}')
    if blur < 1:
        raise ValueError(f'a picture is smeared by one pixel or more, got {blur}')
    if not 0 <= hidden < 1:
        raise ValueError(f'the hidden share of the view must lie in [0, 1), got {hidden}')
