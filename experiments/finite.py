# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Whether all numbers in a ROS message are finite."""

from __future__ import annotations

import array
import functools
import math
from typing import Any

import numpy as np


def not_finite(message: Any) -> str:
    """Return the name of the first field that holds NaN or infinity; empty where none does.

    Fields are looked into at any depth, as are the points of a ``PointCloud2``. Of texts only
    those that are ``nan`` count: ``scale_sigma`` in ~/status is ``inf`` on purpose.
    """
    if type(message).__name__ == 'PointCloud2':
        return 'data' if not _cloud_is_finite(message) else ''
    kind: type = type(message)
    for name in _fields(kind):
        if where := _look_into(getattr(message, name)):
            return f'{name}{where}'.rstrip('.')
    return ''


def _look_into(value: Any) -> str:
    """Return where in a field's value the trouble is: '.' for itself, empty for nowhere."""
    if isinstance(value, float):
        return '' if math.isfinite(value) else '.'
    if isinstance(value, (np.ndarray, array.array)):
        numbers = np.asarray(value)
        return '' if numbers.dtype.kind != 'f' or np.isfinite(numbers).all() else '.'
    if isinstance(value, str):
        return '.' if value.lower() == 'nan' else ''
    if isinstance(value, list):
        found = ((index, _look_into(item)) for index, item in enumerate(value))
        return next((f'[{index}]{where}' for index, where in found if where), '')
    if hasattr(value, 'get_fields_and_field_types'):
        inner = not_finite(value)
        return f'.{inner}' if inner else ''
    return ''


@functools.cache
def _fields(kind: type) -> tuple[str, ...]:
    """Names of the fields of a type of message that may hold a number with a point, or a text."""
    types: dict[str, str] = kind.get_fields_and_field_types()  # type: ignore[attr-defined]
    whole = ('int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64')
    skipped = (*whole, 'boolean', 'octet', 'sequence<uint8>', 'builtin_interfaces/Time')
    return tuple(name for name, type_name in types.items() if type_name not in skipped)


def _cloud_is_finite(cloud: Any) -> bool:
    """Whether a cloud of float32 fields only is finite."""
    values = np.frombuffer(bytes(cloud.data), '>f4' if cloud.is_bigendian else '<f4')
    return bool(np.isfinite(values).all())
