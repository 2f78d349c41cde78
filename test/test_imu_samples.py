# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Samples of an IMU and the intervals between frames."""

import numpy as np
import pytest

from loftr_vo.geometry.inertial import ImuSamples


def samples(stamps):
    values = np.array(stamps, float)[:, None] + np.arange(3.0)
    return ImuSamples(np.array(stamps, np.int64), values, 10 * values)


@pytest.mark.parametrize(
    ('first', 'last', 'stamps'),
    [
        (22, 38, [20, 30, 40]),
        (20, 40, [20, 30, 40]),
        (None, 25, [0, 10, 20, 30]),
        (-5, 5, [0, 10]),
        (45, 70, [40, 50]),
        (60, 70, [50]),
        (-20, -10, [0]),
    ],
)
def test_an_interval_has_one_sample_beyond_each_end(first, last, stamps):
    part = samples([0, 10, 20, 30, 40, 50]).between(first, last)
    assert part.stamps.tolist() == stamps
    np.testing.assert_array_equal(part.angular_velocity[:, 0], stamps)
    np.testing.assert_array_equal(part.specific_force, 10 * part.angular_velocity)


def test_an_interval_of_nothing_is_empty():
    assert len(samples([]).between(None, 10)) == 0
