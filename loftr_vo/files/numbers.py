# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers in text and values that others wrote.

Python's own ``float`` and ``int`` read more than files of numbers mean: ``1_0`` is 10 to them, and
so are digits of other scripts; ``True`` is 1.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from loftr_vo.files.text import quoted

_NUMBER = re.compile(
    r'[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity|nan)', re.ASCII | re.IGNORECASE
)
_WHOLE = re.compile(r'[+-]?\d+', re.ASCII)


def is_number(text: str) -> bool:
    """Whether a text is a decimal number, NaN or infinity; spaces around it do not count."""
    return _NUMBER.fullmatch(text.strip()) is not None


def number(value: Any) -> float:
    """Return a number, or the one that a text has.

    Raises:
        ValueError: it is neither.
        OverflowError: it is a whole number beyond every float.
    """
    if isinstance(value, str):
        if not is_number(value):
            raise ValueError(f'{quoted(value)} is not a number')
    elif isinstance(value, bool) or not hasattr(value, '__float__'):
        raise ValueError(f'{quoted(value)} is not a number')
    return float(value)


def whole_number(value: Any) -> int:
    """Return a whole number, or the one that a text has.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, str):
        if not _WHOLE.fullmatch(value.strip()):
            raise ValueError(f'{quoted(value)} is not a whole number')
    elif isinstance(value, bool) or not hasattr(value, '__index__'):
        raise ValueError(f'{quoted(value)} is not a whole number')
    return int(value)


def numbers(values: Any) -> Any:
    """Return an array or list of numbers, or of lists of them, with each read by ``number``.

    Raises:
        ValueError: a value is no number.
    """
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, (list, tuple)):
        return [numbers(each) for each in values]
    return number(values)
