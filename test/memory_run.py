# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A long run in a process of its own: ``python test/memory_run.py FRAMES [WIDTH HEIGHT]``.

It walks a rendered room to and fro, and prints the resident memory in MiB: when the network is
loaded, and after each tenth of the frames. The settings of memory are those of the node.
"""

import dataclasses
import itertools
import sys

from loftr_vo.matching.cpu_memory import (
    keep_memory_between_frames,
    resident_memory,
    return_unused_memory,
)

VIEWS = 16
TENTHS = 10


def to_and_fro(views, count):
    """Yield frames with rising stamps; no picture is the same array as one before."""
    order = itertools.cycle([*range(len(views)), *range(len(views) - 2, 0, -1)])
    for number, view in zip(range(count), order, strict=False):
        frame = views[view]
        yield dataclasses.replace(frame, image=frame.image.copy(), stamp=number * 33_000_000)


def main():
    keep_memory_between_frames()
    from loftr_vo.odometry import VisualOdometry
    from loftr_vo.synthetic.sequence import SyntheticSequence

    count, *size = (int(word) for word in sys.argv[1:])
    width, height = size or (320, 240)
    views = list(SyntheticSequence('room', frames=VIEWS, size=(height, width)))
    odometry = VisualOdometry()
    return_unused_memory()  # the renderer's
    print(resident_memory() >> 20, flush=True)
    step = count // TENTHS
    for number, _ in enumerate(odometry.stream(to_and_fro(views, count)), start=1):
        if number % step == 0:
            print(resident_memory() >> 20, flush=True)


if __name__ == '__main__':
    main()
