# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A rendered camera that is covered, carried elsewhere and brought back, and its true steps."""

import dataclasses

import numpy as np

from loftr_vo.synthetic.sequence import SyntheticSequence

PERIOD = 100_000_000  # nanoseconds


class RenderedTrip:
    """Pictures of two places: here, dark, here, elsewhere for long, and here again.

    Attributes:
        frames: with consecutive stamps.
        steps: (4, 4) from each frame to the one before, None where the camera was carried.
    """

    def __init__(self, here, elsewhere, depth_from=None):
        """Render it.

        Args:
            here, elsewhere: kind and seed of the scenes.
            depth_from: number of the first frame that has a depth image; None for none.
        """
        here = SyntheticSequence(here[0], 30, seed=here[1])
        elsewhere = SyntheticSequence(elsewhere[0], 16, seed=elsewhere[1])
        for sequence in (here, elsewhere):
            sequence.provide('depth')
        shots = [
            *((here, index, 14 <= index < 17) for index in range(25)),
            *((elsewhere, index, False) for index in range(16)),
            *((here, index, False) for index in range(16, 30)),
        ]
        self.frames, self.steps = [], []
        before = None
        for number, (sequence, index, dark) in enumerate(shots):
            frame = sequence.frame(index)
            image = np.zeros_like(frame.image) if dark else frame.image
            has_depth = depth_from is not None and number >= depth_from and not dark
            self.frames.append(
                dataclasses.replace(
                    frame,
                    image=image,
                    stamp=10**9 + number * PERIOD,
                    depth=frame.depth if has_depth else None,
                )
            )
            pose = sequence.ground_truth.poses[index]
            carried = before is None or before[0] is not sequence
            self.steps.append(None if carried else np.linalg.inv(before[1]) @ pose)
            before = sequence, pose
