# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What a fault is: a row of the registry, and of the table in docs/reliability.md."""

import contextlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass

STATUS, TERMINAL, REPLY = '`~/status`', 'terminal', "service's reply"
NEXT_PICTURE = 'with the next good picture'


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        kind: what it is done to; faults of a kind share a node.
        name: what is injected, in words.
        named: the words by which it is named; ``...`` stands for anything.
        where: where they are to be read.
        recovers: when all is well again.
        inject: does it; a function of the rig, or a generator that ends it after its ``yield``.
    """

    kind: str
    name: str
    named: str
    where: str
    recovers: str
    inject: Callable

    @contextlib.contextmanager
    def injected(self, rig):
        """Have the fault while the context lasts."""
        if inspect.isgeneratorfunction(self.inject):
            with contextlib.contextmanager(self.inject)(rig):
                yield
        else:
            self.inject(rig)
            yield


@dataclass(frozen=True)
class Oddity:
    """Something that looks like a fault and is none: it is read as it is.

    Attributes:
        kind: of the rig that it is tried on.
        name: what is sent, in words.
        send: sends it, and returns the stamp of the picture that is to be tracked.
    """

    kind: str
    name: str
    send: Callable


REGISTRY: list[Fault] = []
ODDITIES: list[Oddity] = []


def fault(kind, name, named, where=STATUS, recovers=NEXT_PICTURE):
    """Put the decorated function into the registry as a fault."""

    def register(inject):
        REGISTRY.append(Fault(kind, name, named, where, recovers, inject))
        return inject

    return register


def oddity(kind, name):
    """Put the decorated function into the registry as an oddity."""

    def register(send):
        ODDITIES.append(Oddity(kind, name, send))
        return send

    return register


def faults_of(kind):
    """Return the faults of a kind as pytest's parameters."""
    return [each for each in REGISTRY if each.kind == kind]


def name_of(each):
    """Return what pytest calls a fault."""
    return each.name.replace(' ', '-')
