# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The check that all numbers in a message are finite finds those that are not, wherever."""

import math

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, PoseStamped
from nav_msgs.msg import Odometry, Path
from visualization_msgs.msg import Marker, MarkerArray

from experiments.finite import not_finite
from loftr_vo.ros.messages import point_cloud


def test_messages_as_they_are_made_are_finite():
    for kind in (Odometry, Path, MarkerArray, DiagnosticStatus):
        assert not_finite(kind()) == ''
    assert not_finite(Path(poses=[PoseStamped()])) == ''


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_a_field_deep_inside_is_named(value):
    message = Odometry()
    message.twist.twist.angular.z = value
    assert not_finite(message) == 'twist.twist.angular.z'
    path = Path(poses=[PoseStamped(), PoseStamped()])
    path.poses[1].pose.position.x = value
    assert not_finite(path) == 'poses[1].pose.position.x'


def test_an_entry_of_a_covariance_is_found():
    message = Odometry()
    message.pose.covariance[35] = math.nan
    assert not_finite(message) == 'pose.covariance'


def test_points_of_markers_are_looked_at():
    marker = Marker(points=[Point(), Point(y=math.nan)])
    assert not_finite(MarkerArray(markers=[Marker(), marker])) == 'markers[1].points[1].y'


def test_points_of_a_cloud_are_looked_at():
    points = np.zeros((3, 3))
    assert not_finite(point_cloud(0, 'odom', points, np.ones(3))) == ''
    points[2, 1] = np.inf
    assert not_finite(point_cloud(0, 'odom', points, np.ones(3))) == 'data'


def test_a_value_of_the_status_that_is_nan_is_found():
    status = DiagnosticStatus(values=[KeyValue(key='parallax', value='nan')])
    assert not_finite(status) == 'values[0].value'
    unknown = DiagnosticStatus(values=[KeyValue(key='scale_sigma', value='inf')])
    assert not_finite(unknown) == ''
