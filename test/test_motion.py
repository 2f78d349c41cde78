# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The motion of a frame where one start of the refinement leads nowhere."""

import numpy as np
import pytest
from point_scenes import degrees_between
from scipy.spatial.transform import Rotation

from loftr_vo.geometry import transform
from loftr_vo.motion import _lowest, _other_starts
from loftr_vo.pose_refinement import Observations, refine_pose

FOCAL, NOISE = 280.0, 0.3  # pixels
COUNT = 100
# A place that is seen again from far aside: the way and the turn to there.
TURN = Rotation.from_euler('y', 28, degrees=True).as_matrix()
WAY = np.array([-0.23, 0.0, -0.29])
# Where the camera was taken to be, which leads to another minimum.
ASTRAY = transform(
    Rotation.from_euler('y', -60, degrees=True).as_matrix(), np.array([1.0, 0.0, 0.3])
)


def what_is_left_of_it(seed):
    """A strip of a nearly flat wall with known depths; one match of seven is wrong."""
    rng = np.random.default_rng(seed)
    points = np.column_stack([rng.uniform(-0.6, -0.1, COUNT), rng.uniform(-0.4, 0.4, COUNT)])
    rays0 = np.column_stack([points, np.ones(COUNT)])
    depth = 1.33 + 0.1 * points[:, 0] + rng.normal(0, 0.02, COUNT)
    there = (rays0 * depth[:, None]) @ TURN.T + WAY
    seen = there[:, :2] / there[:, 2:] + rng.normal(0, NOISE / FOCAL, (COUNT, 2))
    wrong = rng.random(COUNT) < 0.15
    seen[wrong] += rng.uniform(-0.2, 0.2, (wrong.sum(), 2))
    prior = (1 + rng.normal(0, 0.02, COUNT)) / depth
    return Observations(
        rays0,
        np.column_stack([seen, np.ones(COUNT)]),
        np.broadcast_to(np.eye(2) * FOCAL / NOISE, (COUNT, 2, 2)),
        prior,
        (0.02 * prior) ** 2,
    )


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_known_depths_lead_out_of_a_minimum_that_is_not_the_lowest(seed):
    matches = what_is_left_of_it(seed)
    alone = refine_pose(matches, ASTRAY[:3, :3], ASTRAY[:3, 3])
    found = _lowest(matches, alone, _other_starts(matches, ASTRAY, 1 / FOCAL))
    assert degrees_between(alone.rotation, TURN) > 10
    assert degrees_between(found.rotation, TURN) < 1
    assert np.linalg.norm(found.translation - WAY) < 0.03
