# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Warnings of a wrong set-up: parameters, transforms, transports, clocks and calibrations."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from ros_domain import ros  # noqa: F401 a fixture, used by a test here

from loftr_vo.ros.diagnosis import diagnose
from loftr_vo.ros.graph import base_topic, look_for_publishers
from loftr_vo.ros.health import Feed, Health
from loftr_vo.ros.input_diagnosis import explain_silence
from loftr_vo.ros.level import Level
from loftr_vo.ros.messages import transform_stamped
from loftr_vo.ros.odometry_node import VisualOdometryNode
from loftr_vo.ros.parameter_warnings import files_for_others, undeclared
from loftr_vo.ros.transform_watch import OwnTransforms, make_watch

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
ODOMETRY = 'nav_msgs/msg/Odometry'


class Graph:
    """A node that sees these publishers: (topic, type, name of the node)."""

    def __init__(self, *publishers):
        self._publishers = publishers

    def get_publishers_info_by_topic(self, topic):
        return [
            SimpleNamespace(
                node_namespace=name.rpartition('/')[0] or '/',
                node_name=name.rpartition('/')[2],
                topic_type=kind,
                qos_profile=QoSProfile(depth=1),
            )
            for at, kind, name in self._publishers
            if at == topic
        ]

    def get_topic_names_and_types(self):
        return [(topic, [kind]) for topic, kind, _ in self._publishers]

    def count_publishers(self, topic):
        return len(self.get_publishers_info_by_topic(topic))

    def get_fully_qualified_name(self):
        return '/loftr_vo'


def advice(topic, kind, what, *publishers):
    feed = Feed(topic, kind=kind)
    look_for_publishers(Graph(*publishers), feed)
    return explain_silence(feed, what)


@pytest.mark.parametrize(
    ('topic', 'kind', 'what', 'published', 'words'),
    [
        ('/image', IMAGE, 'image', ('/image/compressed', COMPRESSED), 'image_transport to compr'),
        ('/image/compressed', COMPRESSED, 'image', ('/image', IMAGE), 'image_transport to raw'),
        (
            *('/depth', IMAGE, 'depth'),
            *(('/depth/compressedDepth', COMPRESSED), 'depth_transport to compressedDepth'),
        ),
        (
            *('/depth/compressedDepth', COMPRESSED, 'depth/compressedDepth'),
            *(('/depth', IMAGE), 'depth_transport to raw'),
        ),
        (
            *('/image', IMAGE, 'image'),
            *(('/image/theora', 'theora_image_transport/msg/Packet'), 'have republish'),
        ),
        # Depth is no picture to be matched.
        ('/image', IMAGE, 'image', ('/image/compressedDepth', COMPRESSED), 'does not decode'),
    ],
)
def test_another_transport_of_the_same_pictures_is_named(topic, kind, what, published, words):
    told = advice(topic, kind, what, (*published, '/camera'))
    assert f'{published[0]} is published' in told
    assert words in told
    assert 'is the camera on' not in told


def test_outputs_of_this_package_are_not_offered_as_inputs():
    publishers = [
        ('/loftr_vo/match_image', IMAGE, '/loftr_vo'),
        ('/rear/vo/match_image', IMAGE, '/rear/vo'),
        ('/front/image_raw', IMAGE, '/camera'),
        ('/odom', ODOMETRY, '/loftr_vo'),
        ('/rear/odom', ODOMETRY, '/rear/vo'),
        ('/wheels', ODOMETRY, '/base'),
    ]
    assert 'pictures are on /front/image_raw:' in advice('/image', IMAGE, 'image', *publishers)
    told = advice('/scale_odom', ODOMETRY, 'scale_odom', *publishers)
    assert 'odometry is on /wheels: remap scale_odom' in told


def test_the_base_topic_of_transports():
    names = ('/a/image', '/a/image/compressed', '/a/image/compressedDepth')
    assert {base_topic(name) for name in names} == {'/a/image'}


def test_a_parameter_that_nobody_declares_is_named_with_the_nearest():
    given = ['matcher.image_siz', 'use_sim_time', 'qos_overrides./image.subscription.depth', 'xyz']
    warnings = list(undeclared(given, ['matcher.image_size', 'use_sim_time']))
    assert len(warnings) == 2
    assert (
        "'matcher.image_siz': it was given and has no effect; is matcher.image_size"
        in (warnings[0])
    )
    assert warnings[1].endswith('no effect')


@pytest.mark.parametrize(
    ('section', 'count'), [('/**', 0), ('loftr_vo', 0), ('/*/vo', 1), ('rear/loftr_vo', 1)]
)
def test_a_parameter_file_for_another_node_is_named(tmp_path, section, count):
    path = tmp_path / 'vo.yaml'
    path.write_text(f'{section}:\n  ros__parameters:\n    queue_size: 5\n')
    words = ['vo_node', '--ros-args', '--params-file', str(path)]
    assert len(list(files_for_others(words, '/loftr_vo'))) == count


def test_the_node_warns_of_a_parameter_without_effect(ros, capfd):  # noqa: F811
    node = VisualOdometryNode(parameter_overrides=[Parameter('matcher.wieghts', value='compact')])
    node.destroy_node()
    assert "no parameter 'matcher.wieghts'" in capfd.readouterr().err


def test_another_broadcaster_of_the_same_transform_is_known():
    own = OwnTransforms('odom', 'base_link')
    pose = np.eye(4)
    sent = transform_stamped(5, 'odom', 'base_link', pose)
    own.add(5)
    assert not own.is_foreign(sent)
    assert not own.is_foreign(transform_stamped(9, 'base_link', 'camera', pose))
    # The same again, one of another time, and one of another parent.
    assert own.is_foreign(sent)
    assert own.is_foreign(transform_stamped(6, 'odom', 'base_link', pose))
    assert own.is_foreign(transform_stamped(5, 'map', 'base_link', pose))


def test_another_broadcaster_is_warned_of_once(monkeypatch):
    module = ModuleType('tf2_msgs.msg')
    module.TFMessage = object
    monkeypatch.setitem(sys.modules, 'tf2_msgs', ModuleType('tf2_msgs'))
    monkeypatch.setitem(sys.modules, 'tf2_msgs.msg', module)
    told = []
    node = SimpleNamespace(
        create_subscription=lambda *_: None,
        get_logger=lambda: SimpleNamespace(warning=told.append),
    )
    watch = make_watch(node, 'odom', 'base_link')
    foreign = SimpleNamespace(transforms=[transform_stamped(5, 'map', 'base_link', np.eye(4))])
    watch._on_transforms(foreign)
    assert not told  # nothing of its own is broadcast yet
    watch.broadcast(4)
    for _ in range(2):
        watch._on_transforms(foreign)
    assert len(told) == 1
    assert "another node broadcasts 'map' to 'base_link'" in told[0]
    assert 'set publish_tf to false' in told[0]


def test_sim_time_without_a_clock_is_a_warning():
    from test_health import TIMEOUT, healthy

    health = healthy()
    health.lacks_clock = True
    level, message = diagnose(health, 10.0, TIMEOUT)
    assert level is Level.WARN
    assert 'nothing publishes /clock' in message


def test_a_calibration_that_goes_back_and_forth_slowly_is_a_warning():
    from test_health import TIMEOUT, healthy

    health = healthy()
    health.calibration_changes = (7.0, 8.0, 9.0)
    assert diagnose(health, 10.0, TIMEOUT)[0] is Level.OK
    health.calibration_returns = 2
    level, message = diagnose(health, 10.0, TIMEOUT)
    assert level is Level.WARN
    assert 'do two cameras share the topic? It is published by /camera (reliable)' in message


def test_transitions_are_no_reason_for_a_warning_in_the_log():
    assert Health(lifecycle='activating').in_transition
    assert not Health(lifecycle='inactive').in_transition
