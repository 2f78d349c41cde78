# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Odometry as PX4 takes it: forward, right, down; w first; NaN for what is not known."""

from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from paths import ROOT
from scipy.spatial.transform import Rotation

pytest.importorskip('rclpy', reason='rclpy is not installed')

from loftr_vo.config import NodeSettings, Settings, replace
from loftr_vo.ros import messages, px4_bridge
from loftr_vo.ros.px4_odometry import Px4Odometry
from loftr_vo.ros.velocity import UNKNOWN


def odometry(position=(1.0, 2.0, 3.0), yaw=0.0, pitch=0.0, variance=0.01, turn_variance=None):
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler('ZYX', [yaw, pitch, 0.0]).as_matrix()
    pose[:3, 3] = position
    covariance = np.diag([0.1, 0.2, 0.3, *(turn_variance or (0.4, 0.5, 0.6))])
    velocity = np.array([4.0, 5.0, 6.0, 0.1, 0.2, 0.3])
    return messages.odometry(
        7_000_000_123, 'odom', 'base_link', pose, covariance, velocity, variance * np.eye(6)
    )


def fill(message, metric=True, convert=None):
    return (convert or Px4Odometry()).fill(SimpleNamespace(), message, metric)


def test_axes_are_forward_right_down():
    sent = fill(odometry())
    assert sent.position == [1.0, -2.0, -3.0]
    assert sent.velocity == [4.0, -5.0, -6.0]
    assert sent.angular_velocity == [0.1, -0.2, -0.3]
    assert (sent.pose_frame, sent.velocity_frame) == (2, 3)
    assert sent.position_variance == [0.1, 0.2, 0.3]
    assert sent.velocity_variance == pytest.approx([0.01] * 3)
    assert sent.timestamp_sample == 7_000_000


def test_a_turn_to_the_left_is_one_about_the_downward_axis_backwards():
    half = np.sqrt(0.5)
    np.testing.assert_allclose(fill(odometry(yaw=np.pi / 2)).q, [half, 0, 0, -half], atol=1e-12)
    # Nose down: backwards about the axis to the right.
    np.testing.assert_allclose(fill(odometry(pitch=np.pi / 2)).q, [half, 0, -half, 0], atol=1e-12)


def test_the_variance_of_the_attitude_is_about_the_body_s_axes():
    sent = fill(odometry(yaw=np.pi / 2))
    np.testing.assert_allclose(sent.orientation_variance, [0.5, 0.4, 0.6], atol=1e-12)


def test_lengths_that_are_no_metres_are_not_sent():
    sent = fill(odometry(), metric=False)
    assert np.isnan([*sent.position, *sent.position_variance, *sent.velocity]).all()
    assert np.isfinite([*sent.q, *sent.orientation_variance, *sent.angular_velocity]).all()


def test_a_jump_is_counted_and_a_held_pose_is_not():
    convert = Px4Odometry()
    counts = [
        fill(message, convert=convert).reset_counter
        for message in (
            odometry(variance=UNKNOWN),
            odometry((1.5, 2.0, 3.0)),
            odometry((1.5, 2.0, 3.0), variance=UNKNOWN),
            odometry((0.0, 0.0, 0.0), variance=UNKNOWN),
            odometry((0.1, 0.0, 0.0)),
        )
    ]
    assert counts == [0, 0, 0, 1, 1]
    assert np.isnan(fill(odometry(variance=UNKNOWN)).velocity).all()


def test_the_bridge_is_silent_while_lost(monkeypatch):
    sent = []
    node = SimpleNamespace(
        create_publisher=lambda *_: SimpleNamespace(publish=sent.append),
        create_subscription=lambda *_: None,
    )
    bridge = px4_bridge.Px4Bridge(node, SimpleNamespace)
    for state, scale in (('tracking', 'metric'), ('lost', 'metric'), ('tracking', 'none')):
        values = [SimpleNamespace(key='state', value=state)]
        values.append(SimpleNamespace(key='scale', value=scale))
        bridge._on_status(SimpleNamespace(values=values))
        bridge._on_odometry(odometry())
    assert [np.isnan(each.position[0]) for each in sent] == [False, True]


def test_without_px4_msgs_the_bridge_says_so(capsys):
    assert px4_bridge.main([]) == 1
    assert 'px4_msgs is not installed' in capsys.readouterr().err


def test_the_example_for_mavros_has_parameters_that_exist():
    text = (ROOT / 'config' / 'mavros.yaml').read_text()
    values = yaml.safe_load(text)['/**']['ros__parameters']
    for name, value in values.items():
        settings = Settings() if '.' in name else NodeSettings()
        replace(settings, {name: value})
