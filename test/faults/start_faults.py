# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Signals while the node starts or works, and parameters that it cannot start with.

Each fault is a start of its own: parameters, what signal comes how long after the start, and the
exit code that is right.
"""

import signal
from dataclasses import dataclass, field

from fault import STATUS, TERMINAL, fault

KIND = 'start'
AGAIN = 'when started without it'
RESTART = 'when started again'
EXIT = 'exit code'


@dataclass(frozen=True)
class Start:
    """How the node is started, and what becomes of it.

    Attributes:
        parameters: of the node.
        signal: sent to it; None for none.
        after: seconds from the start until the signal; None: once it works on a picture.
        code: that it ends with; None if it lives on.
    """

    parameters: dict = field(default_factory=dict)
    signal: int | None = None
    after: float | None = None
    code: int | None = None


def start(name, named, where, recovers=AGAIN, **options):
    """Register a start."""
    fault(KIND, name, named, where, recovers)(Start(**options))


for label, number in (('SIGTERM', signal.SIGTERM), ('SIGINT', signal.SIGINT)):
    for after in (0.3, 1.0, 2.0):
        start(
            f'{label} {after} s after the start',
            '0',
            EXIT,
            RESTART,
            signal=number,
            after=after,
            code=0,
        )
    start(f'{label} while pictures are worked on', '0', EXIT, RESTART, signal=number, code=0)

start(
    'a parameter out of range',
    'geometry.min_inliers',
    TERMINAL,
    parameters={'geometry.min_inliers': 100_000},
    code=1,
)
start(
    'a parameter of the wrong type',
    'min_inliers',
    TERMINAL,
    parameters={'geometry.min_inliers': 'many'},
    code=1,
)
start(
    'weights that are not there',
    'absent.ckpt',
    STATUS,
    parameters={'matcher.weights': 'absent.ckpt'},
)
start(
    'a device that is not there',
    'cuda:7',
    STATUS,
    parameters={'matcher.device': 'cuda:7'},
)
