# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Where a camera looks, in words, and frames that cannot be optical ones."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip('rclpy', reason='rclpy is not installed')

from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.ros.viewing_direction import in_words, suspicion


def mounted(yaw=0.0, pitch=0.0, roll=0.0):
    """Return a camera turned on its robot: degrees to the left, down, and about its axis."""
    turn = Rotation.from_euler('ZYX', [yaw, pitch, roll], degrees=True)
    pose = BODY_FROM_OPTICAL.copy()
    pose[:3, :3] = turn.as_matrix() @ pose[:3, :3]
    return pose


@pytest.mark.parametrize(
    ('pose', 'words'),
    [
        (mounted(), 'forward'),
        (mounted(yaw=90), 'left'),
        (mounted(yaw=180), 'backward'),
        (mounted(yaw=-90), 'right'),
        (mounted(yaw=30), 'forward, 30 deg to the left'),
        (mounted(yaw=-100), 'right, 10 deg to the right'),
        (mounted(pitch=12), 'forward, 12 deg down'),
        (mounted(pitch=-12), 'forward, 12 deg up'),
        (mounted(pitch=85), 'down'),
        (mounted(pitch=40, roll=10), 'forward, 40 deg down'),
        (mounted(roll=90), 'forward, turned about its axis'),
        (mounted(roll=180), 'forward, turned about its axis'),
    ],
)
def test_the_direction_is_said_in_words(pose, words):
    assert in_words(pose) == words


@pytest.mark.parametrize('pose', [mounted(), mounted(yaw=170, pitch=40), mounted(roll=180)])
def test_a_camera_that_looks_about_level_is_not_suspected(pose):
    assert suspicion(pose) == ''


@pytest.mark.parametrize('yaw', [0, 90, 200])
def test_a_frame_with_the_axes_of_a_body_is_suspected(yaw):
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler('z', yaw, degrees=True).as_matrix()
    assert 'axes of a body' in suspicion(pose)


def test_a_camera_that_looks_down_is_said_to_do_so():
    assert '90 deg down: right only if it is mounted so' in suspicion(mounted(pitch=90))
