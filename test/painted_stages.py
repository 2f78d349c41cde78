# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Painted scenes that a process keeps: painting one takes as long as ten to thirty pictures."""

import contextlib
import copy
import dataclasses
import functools
from unittest import mock

from loftr_vo.synthetic.places import PLACES

# A room has 0.1 GB of textures, a street 0.3 GB.
_KEPT = 2


@contextlib.contextmanager
def painted_once():
    """Have the scene of a kind and seed painted once for all sequences while the context lasts."""
    places = {
        kind: dataclasses.replace(place, build=functools.partial(_stage_of, place.build))
        for kind, place in PLACES.items()
    }
    with mock.patch.dict(PLACES, places):
        yield


def forget():
    """Have every scene painted anew, for a test of the painters themselves."""
    _painted.cache_clear()


def _stage_of(build, rng):
    """Return what ``build(rng)`` does; the caller may add surfaces to it."""
    painted = _painted(build, _Start(rng))
    lists = {name: list(each) for name, each in vars(painted).items() if isinstance(each, list)}
    return dataclasses.replace(painted, rng=copy.deepcopy(painted.rng), **lists)


class _Start:
    """A generator that equals those in the same state.

    Args:
        rng: the generator; a copy of it is kept.
    """

    def __init__(self, rng):
        self.rng = copy.deepcopy(rng)
        self._state = str(rng.bit_generator.state)

    def __eq__(self, other):
        return self._state == other._state

    def __hash__(self):
        return hash(self._state)


@functools.lru_cache(maxsize=_KEPT)
def _painted(build, start):
    return build(copy.deepcopy(start.rng))
