# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Fields of a calibration file, as ``camera_calibration`` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from loftr_vo.files.numbers import numbers as read_numbers
from loftr_vo.files.text import quoted
from loftr_vo.imaging.calibration_checks import CalibrationError


def field(values: Mapping[str, Any], name: str, source: str) -> Any:
    """Return the value of a field of a calibration file.

    Raises:
        CalibrationError: it is missing.
    """
    if name not in values:
        raise CalibrationError(f'{source}: the field {name} is missing')
    return values[name]


def whole_number(values: Mapping[str, Any], name: str, source: str) -> int:
    """Return a field that is a whole number.

    Raises:
        CalibrationError: it is missing, or another value.
    """
    value = field(values, name, source)
    if type(value) is not int:
        raise CalibrationError(f'{source}: {name} must be a whole number, got {quoted(value)}')
    return value


def numbers(values: Mapping[str, Any], name: str, source: str) -> np.ndarray:
    """Return a field's ``data``, a list of numbers, as (n,) float64.

    Raises:
        CalibrationError: it is missing, or another value.
    """
    entry = field(values, name, source)
    if not isinstance(entry, Mapping) or 'data' not in entry:
        raise CalibrationError(f'{source}: the field {name}.data is missing')
    try:
        return np.array(read_numbers(entry['data']), np.float64).ravel()
    except (TypeError, ValueError, OverflowError) as error:
        raise CalibrationError(
            f'{source}: {name}.data must be a list of numbers, got {quoted(entry["data"])}'
        ) from error
