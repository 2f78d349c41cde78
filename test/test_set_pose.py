# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``~/set_pose`` starts the odometry anew at a given pose."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from geometry_msgs.msg import PoseWithCovarianceStamped
from ros_domain import ros  # noqa: F401 a fixture, used by a test here
from std_srvs.srv import Trigger
from test_node import SECOND, Rig

from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.ros.body import ORIGIN, Body, StartPose
from loftr_vo.ros.pose_setting import PoseError, start_pose


def pose(rotation_vector, position=(0.0, 0.0, 0.0)):
    result = np.eye(4)
    result[:3, :3] = Rotation.from_rotvec(rotation_vector).as_matrix()
    result[:3, 3] = position
    return result


def message(frame='odom', variance=0.0, yaw=np.pi / 2, position=(10.0, 20.0, 0.0)):
    result = PoseWithCovarianceStamped()
    result.header.frame_id = frame
    place, turn = result.pose.pose.position, result.pose.pose.orientation
    place.x, place.y, place.z = position
    turn.z, turn.w = np.sin(yaw / 2), np.cos(yaw / 2)
    result.pose.covariance = (variance * np.eye(6)).ravel()
    return result


def test_the_node_starts_anew_where_it_is_told(ros, capfd):  # noqa: F811
    rig = Rig(queue_policy='all')
    try:
        setter = rig.camera.create_publisher(PoseWithCovarianceStamped, 'loftr_vo/set_pose', 10)
        rig.start()
        rig.until(setter.get_subscription_count)
        rig.send_info()
        rig.track(SECOND)
        setter.publish(message('map'))
        setter.publish(message(variance=0.25))
        rig.until(lambda: rig.odometry.resets)
        rig.track(2 * SECOND)
        rig.track(3 * SECOND)
        # One unit forward, which is along y after a quarter turn to the left.
        place = rig.heard['odom'][-1].pose.pose.position
        assert (place.x, place.y, place.z) == pytest.approx((10.0, 21.0, 0.0))
        covariance = np.reshape(rig.heard['odom'][-1].pose.covariance, (6, 6))
        # The start's, that of its rotation over one unit, and the odometry's own.
        assert covariance[0, 0] == pytest.approx(0.25 + 0.25 + 0.01)
        assert covariance[1, 1] == pytest.approx(0.25 + 0.01)
        rig.call(Trigger, 'loftr_vo/reset', Trigger.Request())
        rig.until(lambda: rig.odometry.resets == 2)
        rig.track(4 * SECOND)
        assert rig.heard['odom'][-1].pose.pose.position.x == 0.0
    finally:
        rig.close()
    told = capfd.readouterr().err
    assert "refused: the pose is in 'map' and not in 'odom'" in told
    assert 'starts anew at (10.000, 20.000, 0.000)' in told


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'frame': 'map'}, 'not in'),
        ({'position': (np.nan, 0.0, 0.0)}, 'no pose'),
        ({'variance': np.nan}, 'not finite'),
        ({'variance': -1.0}, 'negative'),
    ],
)
def test_what_is_no_pose_is_refused(change, reason):
    with pytest.raises(PoseError, match=reason):
        start_pose(message(**change), 'odom')


def test_a_message_without_a_frame_is_taken_as_in_odom():
    start = start_pose(message(frame='', variance=1.0), 'odom')
    np.testing.assert_allclose(start.pose[:3, 3], (10, 20, 0))
    np.testing.assert_allclose(start.pose[:3, 0], (0, 1, 0), atol=1e-12)
    np.testing.assert_array_equal(start.covariance, np.eye(6))


def test_the_start_s_covariance_is_carried_to_the_pose_as_samples_are():
    rng = np.random.default_rng(0)
    start, moved = pose((0.1, -0.2, 0.8), (1, 2, 3)), pose((0.2, 0.3, -0.1), (0.5, -1.0, 4.0))
    root = 1e-3 * rng.normal(size=(6, 6))
    body = Body(BODY_FROM_OPTICAL, StartPose(start, root @ root.T))
    errors = []
    for noise in rng.normal(size=(1000, 6)) @ root.T:
        off = start.copy()
        off[:3, :3] = Rotation.from_rotvec(noise[3:]).as_matrix() @ start[:3, :3]
        off[:3, 3] += noise[:3]
        sample = Body(BODY_FROM_OPTICAL, StartPose(off, np.zeros((6, 6)))).pose(moved)
        turn = Rotation.from_matrix(sample[:3, :3] @ body.pose(moved)[:3, :3].T).as_rotvec()
        errors.append(np.concatenate([sample[:3, 3] - body.pose(moved)[:3, 3], turn]))
    predicted = body.covariance(moved, np.zeros((6, 6)))
    np.testing.assert_allclose(
        np.cov(np.transpose(errors)), predicted, atol=0.15 * predicted.max()
    )


def test_without_a_start_odom_is_where_the_base_was():
    moved = pose((0.2, 0.3, -0.1), (0.5, -1.0, 4.0))
    np.testing.assert_allclose(
        Body(BODY_FROM_OPTICAL, ORIGIN).pose(moved),
        BODY_FROM_OPTICAL @ moved @ np.linalg.inv(BODY_FROM_OPTICAL),
    )
