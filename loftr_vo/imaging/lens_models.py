# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Lens models by all the names that tools give them, with as many coefficients as they write."""

from __future__ import annotations

import re

import numpy as np

from loftr_vo.files.errors import InputError
from loftr_vo.files.text import quoted

# How many coefficients each model may have; none at all stands for a lens without distortion.
COEFFICIENTS = {
    'plumb_bob': (0, 4, 5),
    'rational_polynomial': (0, 8, 12, 14),
    'equidistant': (0, 4),
}
# Names of the same formulas: by ROS, Kalibr, EuRoC, OpenCV, RealSense, ORB-SLAM3 and COLMAP, in
# small letters, words joined by one underscore.
_NAMES = {
    'plumb_bob': 'plumb_bob',
    'radtan': 'plumb_bob',
    'radial_tangential': 'plumb_bob',
    'brown_conrady': 'plumb_bob',
    'pinhole': 'plumb_bob',
    'opencv': 'plumb_bob',
    'rational_polynomial': 'rational_polynomial',
    'rational': 'rational_polynomial',
    'full_opencv': 'rational_polynomial',
    'equidistant': 'equidistant',
    'equi': 'equidistant',
    'fisheye': 'equidistant',
    'opencv_fisheye': 'equidistant',
    'kannala_brandt': 'equidistant',
    'kannala_brandt4': 'equidistant',
    'kannalabrandt8': 'equidistant',
}


class LensError(InputError):
    """A lens model is not known, or cannot have the coefficients given."""


def known_lens(name: str, coefficients: np.ndarray) -> tuple[str, np.ndarray]:
    """Return a lens as one of ``COEFFICIENTS``, whose formulas are OpenCV's.

    Tools write more zeros than a model has coefficients, and leave out those at the end: the
    model is what those say that are not zero. Three alone are radial (k1, k2, k3). A
    plumb_bob of more than five is OpenCV's rational polynomial, which begins the same. Zeros
    alone are a lens without distortion, whatever the model is called.

    Args:
        name: of the model, in any of its spellings.
        coefficients: (n,) float64, in OpenCV's order.

    Returns:
        Its name, and its coefficients, of a number that the model may have.

    Raises:
        LensError: the name is not known, or there are more than the model has.
    """
    word = re.sub(r'[\s_-]+', '_', name.strip().lower())
    if word not in _NAMES and not coefficients.any():
        return 'plumb_bob', np.zeros(0)
    if word not in _NAMES:
        raise LensError(
            f'unknown distortion model {quoted(name)}; known are {", ".join(COEFFICIENTS)} '
            f'(also called {", ".join(each for each in _NAMES if each not in COEFFICIENTS)})'
        )
    model = _NAMES[word]
    if coefficients.size in COEFFICIENTS[model]:
        return model, coefficients
    used = np.trim_zeros(coefficients, 'b')
    if model == 'plumb_bob' and used.size == 3 and coefficients.size == 3:
        used = np.array([used[0], used[1], 0.0, 0.0, used[2]])
    if model == 'plumb_bob' and used.size > 5:
        model = 'rational_polynomial'
    fitting = [count for count in COEFFICIENTS[model] if count >= used.size]
    if not fitting:
        raise LensError(
            f'distortion model {model} takes at most {max(COEFFICIENTS[model])} coefficients, '
            f'got {used.size}'
        )
    return model, np.pad(used, (0, fitting[0] - used.size))
