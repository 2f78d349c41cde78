# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""That nothing which is published or estimated holds a number that is not finite."""

import dataclasses
import math
import re

import numpy as np

# PointField's numbers of the types that can hold one, and numpy's names of these.
_FLOATS = {7: 'f4', 8: 'f8'}
_NOT_A_NUMBER = re.compile(r'(?<![a-z])[-+]?(nan|inf|infinity)(?![a-z])', re.IGNORECASE)
# Where "not known" is said by NaN or infinity within the package, as the field's docstring has it.
_UNKNOWN = {
    ('Estimate', 'readout_time'),
    ('Estimate', 'gravity_sigma'),
    ('Estimate', 'imu_offset'),
    ('ScaleStatus', 'sigma'),
    ('ScaleStatus', 'age'),
    ('CalibrationStatus', 'focal_error'),
    ('CalibrationStatus', 'focal_sigma'),
    ('CalibrationStatus', 'corner_error'),
    ('CalibrationStatus', 'corner_sigma'),
}


def assert_finite(value, name='message'):
    """Assert it of all numbers in a ROS message, a dataclass, an array or any nest of them.

    Numbers that are written out, as the values of diagnostics are, count too.

    Args:
        value: what to look through.
        name: what to call it in the assertion's words, which name the field that is to blame.
    """
    if isinstance(value, float):
        assert math.isfinite(value), f'{name} is {value}'
    elif isinstance(value, str):
        assert not _NOT_A_NUMBER.search(value), f'{name} says {value!r}'
    elif isinstance(value, np.ndarray):
        if value.dtype.kind in 'fc':
            wrong = ~np.isfinite(value)
            assert not wrong.any(), f'{name} has {wrong.sum()} of {value.size} that are not finite'
    elif hasattr(value, 'point_step'):
        _assert_points_finite(value, name)
    elif hasattr(value, 'get_fields_and_field_types'):
        for field in value.get_fields_and_field_types():
            assert_finite(getattr(value, field), f'{name}.{field}')
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            if (type(value).__name__, field.name) not in _UNKNOWN:
                assert_finite(getattr(value, field.name), f'{name}.{field.name}')
    elif isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            assert_finite(each, f'{name}[{index}]')
    elif isinstance(value, dict):
        for key, each in value.items():
            assert_finite(each, f'{name}[{key!r}]')
    elif hasattr(value, 'typecode') and value.typecode in 'fd':
        assert_finite(np.asarray(value), name)


def _assert_points_finite(cloud, name):
    """Assert it of the fields of a ``PointCloud2``, whose numbers are bytes."""
    order = '>' if cloud.is_bigendian else '<'
    fields = [field for field in cloud.fields if field.datatype in _FLOATS]
    kind = np.dtype(
        {
            'names': [field.name for field in fields],
            'formats': [order + _FLOATS[field.datatype] for field in fields],
            'offsets': [field.offset for field in fields],
            'itemsize': cloud.point_step,
        }
    )
    points = np.frombuffer(bytes(cloud.data), kind, cloud.width * cloud.height)
    for field in fields:
        assert_finite(points[field.name], f'{name}.{field.name}')
