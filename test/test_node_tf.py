# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The node and the real tf2: what it broadcasts, and how it finds the camera on the robot."""

import signal

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
tf2_ros = pytest.importorskip(
    'tf2_ros', reason='tf2_ros is not installed (pip has no wheel of it)'
)

from camera_process import FRAME, camera_info, image
from node_harness import OK, SECOND, WARN
from rclpy.time import Time
from ros_domain import ros  # noqa: F401 a fixture, used by every test here

from loftr_vo.ros.messages import matrix, transform_stamped

PICTURE = np.zeros((48, 64), np.uint8)
K = [50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0]
# The camera looks backwards, from one unit behind the base.
MOUNTED = np.array([[0.0, 0, -1, -1], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


@pytest.fixture
def listener(make_listener):
    """Return ears that hear TF as well."""
    listener = make_listener()
    listener.buffer = tf2_ros.Buffer()
    listener.tf = tf2_ros.TransformListener(listener.buffer, listener.node)
    yield listener
    listener.tf.unregister()


def stream(listener, node, seconds):
    """Send pictures; the stand-in goes one unit forward with each."""
    listener.infos.publish(camera_info(seconds[0] * SECOND, K, 64, 48))
    for second in seconds:
        listener.images.publish(image(second * SECOND, PICTURE))
    last = seconds[-1] * SECOND
    listener.until(node, lambda: last in listener.stamps(), 'odometry')


def transform_at(listener, node, target, source, seconds):
    stamp = Time(nanoseconds=round(seconds * SECOND))
    listener.until(
        node, lambda: listener.buffer.can_transform(target, source, stamp), f'{target} <- {source}'
    )
    return matrix(listener.buffer.lookup_transform(target, source, stamp).transform)


@pytest.mark.parametrize('invert', [False, True])
def test_transform_agrees_with_odom_and_has_its_stamp(start_node, listener, invert):
    node = start_node(stand_in=[], queue_policy='all', invert_tf=invert)
    listener.meet(node)
    stream(listener, node, [1, 2, 3])
    found = transform_at(listener, node, 'odom', 'base_link', 2)
    np.testing.assert_allclose(found[:3, 3], [1, 0, 0], atol=1e-12)
    # Half-way between two pictures tf2 interpolates, so the stamps are the pictures'.
    found = transform_at(listener, node, 'odom', 'base_link', 2.5)
    np.testing.assert_allclose(found[:3, 3], [1.5, 0, 0], atol=1e-12)
    frames = 'base_link -> odom' if invert else 'odom -> base_link'
    assert listener.until_status(node, OK, 'tracking')['transform'] == frames
    parent = 'base_link' if invert else 'odom'
    assert f"parent: '{parent}'" in listener.buffer.all_frames_as_yaml()
    assert node.stop(signal.SIGINT)[0] == 0, node.text


def test_nothing_is_broadcast_where_a_filter_does_it(start_node, listener):
    node = start_node(stand_in=[], queue_policy='all', publish_tf=False)
    listener.meet(node)
    stream(listener, node, [1, 2])
    assert listener.until_status(node, OK, 'tracking')['transform'] == 'off'
    assert not listener.node.count_publishers('/tf')


def test_camera_is_waited_for_and_found_where_a_base_frame_is_given(start_node, listener):
    node = start_node(stand_in=[], queue_policy='all', base_frame='chassis')
    listener.meet(node)
    listener.infos.publish(camera_info(SECOND, K, 64, 48))
    for second in (1, 2):
        listener.images.publish(image(second * SECOND, PICTURE))
    listener.until_status(node, WARN, f"waits for the transform from chassis to '{FRAME}'")
    assert listener.stamps() == []
    static = tf2_ros.StaticTransformBroadcaster(listener.node)
    static.sendTransform(transform_stamped(0, 'chassis', FRAME, MOUNTED))
    # What waited is not lost.
    listener.images.publish(image(3 * SECOND, PICTURE))
    expected = [1 * SECOND, 2 * SECOND, 3 * SECOND]
    listener.until(node, lambda: listener.stamps() == expected, 'odometry')
    last = listener.odometry[-1]
    assert last.child_frame_id == 'chassis'
    position = last.pose.pose.position
    assert (position.x, position.y, position.z) == pytest.approx((-2, 0, 0))
    found = transform_at(listener, node, 'odom', 'chassis', 3)
    np.testing.assert_allclose(found[:3, 3], [-2, 0, 0], atol=1e-12)
    assert node.stop(signal.SIGINT)[0] == 0, node.text
    assert 'Traceback' not in node.text


def test_listening_to_tf_ends_with_cleanup():
    from forward_odometry import ForwardOdometry
    from rclpy.parameter import Parameter

    from loftr_vo.ros.odometry_node import VisualOdometryNode

    node = VisualOdometryNode(
        lambda settings, report: ForwardOdometry(),
        parameter_overrides=[Parameter('base_frame', value='base_link')],
    )
    counts = []
    for _ in range(3):
        node.trigger_configure()
        assert node._pipeline.extrinsics is not None
        node.trigger_cleanup()
        counts.append((len(list(node.subscriptions)), len(list(node.publishers))))
    assert counts[0] == counts[1] == counts[2]
    node.destroy_node()
