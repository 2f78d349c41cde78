# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Messages made wrong at random, against the live node; 100,000 by the command of the same."""

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_domain import ros  # noqa: F401 a fixture, used by every test here

from experiments.fuzz import fuzz

MESSAGES = 2000
KINDS = {'Image', 'CompressedImage', 'CameraInfo', 'depth Image', 'Odometry', 'Imu'}


def test_two_thousand_messages_made_wrong(tmp_path):
    outcome = fuzz(MESSAGES, seed=0, folder=tmp_path, report=lambda text: None)
    assert sum(outcome.sent.values()) >= MESSAGES
    assert set(outcome.sent) == KINDS
    assert min(outcome.sent.values()) > MESSAGES // 20
    # It tracked in between.
    assert outcome.odometry > MESSAGES // 250
