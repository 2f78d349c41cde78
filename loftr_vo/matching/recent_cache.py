# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A cache of the most recently used values."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar

Value = TypeVar('Value')


class RecentCache(OrderedDict[Hashable, Value]):
    """A cache of the most recently used values.

    Args:
        size: how many are kept.
        before_drop: called before one is dropped.
    """

    def __init__(self, size: int, before_drop: Callable[[], None]) -> None:
        super().__init__()
        self._size = size
        self._before_drop = before_drop

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:  # type: ignore[override]
        """Return the value of a key, created if it is missing."""
        if key not in self:
            self[key] = make()
            if len(self) > self._size:
                self._before_drop()
                self.popitem(last=False)
        self.move_to_end(key)
        return self[key]
