# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Dataclasses that hold arrays have no generated ``__eq__``, which would raise."""

import dataclasses
import importlib
import pkgutil
import re

import pytest

import loftr_vo

# What compares element by element, so that the truth of a comparison is ambiguous.
_ARRAYS = re.compile(r'\b(ndarray|Tensor)\b')


def dataclasses_of_the_package():
    """Return the dataclasses that can be imported; what needs a library that is absent cannot."""
    found = set()
    for module in pkgutil.walk_packages(loftr_vo.__path__, 'loftr_vo.'):
        if module.name.endswith('__main__'):
            continue
        try:
            members = vars(importlib.import_module(module.name))
        except ImportError:
            continue
        for value in members.values():
            own = str(getattr(value, '__module__', '')).startswith('loftr_vo')
            if own and isinstance(value, type) and dataclasses.is_dataclass(value):
                found.add(value)
    return found


def holds_arrays(each):
    """Whether a field is an array, or a nest of them."""
    return any(_ARRAYS.search(str(field.type)) for field in dataclasses.fields(each))


ALL = dataclasses_of_the_package()
WITH_ARRAYS = sorted(filter(holds_arrays, ALL), key=lambda each: each.__qualname__)


def test_there_are_some():
    assert len(ALL) > 80
    assert {'Keyframe', 'Frame', 'Matches', 'Motion'} <= {each.__name__ for each in WITH_ARRAYS}


@pytest.mark.parametrize('each', WITH_ARRAYS, ids=lambda each: each.__qualname__)
def test_no_comparison_is_generated(each):
    assert each.__eq__ is object.__eq__
    assert each.__hash__ is object.__hash__
