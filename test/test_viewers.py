# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The configurations for RViz and Foxglove show what the node really publishes."""

import json
import re

import numpy as np
import pytest
import yaml
from paths import ROOT

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry, Path
from rclpy.lifecycle import TransitionCallbackReturn
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from loftr_vo.odometry.estimate import Estimate, State
from loftr_vo.ros.health import Health
from loftr_vo.ros.level import Level
from loftr_vo.ros.odometry_node import VisualOdometryNode
from loftr_vo.ros.status_message import status_message

RVIZ = yaml.safe_load((ROOT / 'rviz' / 'vo.rviz').read_text(encoding='utf-8'))
FOXGLOVE = json.loads((ROOT / 'foxglove' / 'loftr_vo.json').read_text(encoding='utf-8'))
DISPLAYS = RVIZ['Visualization Manager']['Displays']
PANELS = FOXGLOVE['configById']

# What each display of RViz and each panel of Foxglove can show.
RVIZ_TYPES = {
    'rviz_default_plugins/Path': Path,
    'rviz_default_plugins/Odometry': Odometry,
    'rviz_default_plugins/PointCloud2': PointCloud2,
    'rviz_default_plugins/MarkerArray': MarkerArray,
    'rviz_default_plugins/Image': Image,
    'rviz_default_plugins/Camera': Image,
}
# Those that show no topic: /tf is not chosen.
RVIZ_PLAIN = {'rviz_default_plugins/Grid', 'rviz_default_plugins/TF'}
FOXGLOVE_PANELS = {'3D', 'Image', 'Plot', 'DiagnosticSummary', 'RawMessages'}


class IdleOdometry:
    """An odometry that is never given a frame."""

    def configure(self, settings):
        pass

    def stream(self, frames):
        yield from (None for _ in frames)

    def can_track(self, frame):
        return True

    def refine(self):
        return False


@pytest.fixture(scope='module')
def topics(ros):  # noqa: F811 it is the fixture imported
    """Return the type of each topic of an active node, by name."""
    node = VisualOdometryNode(load=lambda settings, report: IdleOdometry())
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    ends = [*node.publishers, *node.subscriptions]
    found = {end.topic_name: end.msg_type for end in ends}
    node.abandon()
    node.destroy_node()
    return found


@pytest.fixture(scope='module')
def status_keys():
    """Return the keys of the values in a status of a running odometry."""
    health = Health(lifecycle='active')
    health.estimate = Estimate(
        stamp=1,
        state=State.TRACKING,
        reason='',
        pose=np.eye(4),
        covariance=np.eye(6),
        timings={'encode': 1.0, 'match': 1.0, 'geometry': 1.0},
    )
    message = status_message('/loftr_vo', health, (Level.OK, 'tracking'), 1.0)
    return {pair.key for pair in message.values}


@pytest.mark.parametrize('display', DISPLAYS, ids=lambda display: display['Name'])
def test_rviz_displays_show_topics_of_the_node(display, topics):
    if display['Class'] in RVIZ_PLAIN:
        return
    topic = '/' + display['Topic']['Value']
    assert topics[topic] is RVIZ_TYPES[display['Class']]


def test_rviz_shows_all_that_there_is_to_look_at(topics):
    shown = {'/' + display['Topic']['Value'] for display in DISPLAYS if 'Topic' in display}
    looks = {topic for topic, kind in topics.items() if kind in RVIZ_TYPES.values()}
    assert looks <= shown


def test_rviz_knows_the_namespaces_of_the_markers():
    (markers,) = (d for d in DISPLAYS if d['Class'] == 'rviz_default_plugins/MarkerArray')
    assert set(markers['Namespaces']) == marker_namespaces()


def test_rviz_camera_shows_displays_that_exist():
    (camera,) = (d for d in DISPLAYS if d['Class'] == 'rviz_default_plugins/Camera')
    others = {display['Name'] for display in DISPLAYS} - {camera['Name']}
    assert set(camera['Visibility']) == others | {'Value'}


def marker_namespaces():
    """Return the namespaces, as the source has them."""
    source = (ROOT / 'loftr_vo' / 'ros' / 'markers.py').read_text(encoding='utf-8')
    return set(re.findall(r"_marker\(\s*header, '(\w+)'", source))


def panels_of(layout):
    if isinstance(layout, str):
        return [layout]
    assert layout['direction'] in ('row', 'column')
    assert 0 < layout['splitPercentage'] < 100
    return panels_of(layout['first']) + panels_of(layout['second'])


def foxglove_topics():
    """Return (topic, message type) pairs that the panels show; the type is None for any."""
    found = []
    for name, panel in PANELS.items():
        found += [(topic, None) for topic in panel.get('topics', {})]
        for key, kind in (('imageTopic', Image), ('calibrationTopic', CameraInfo)):
            if key in panel.get('imageMode', {}):
                found.append((panel['imageMode'][key], kind))
        for settings in panel.get('topics', {}).values():
            if 'cameraInfoTopic' in settings:
                found.append((settings['cameraInfoTopic'], CameraInfo))
        if 'topicToRender' in panel:
            found.append((panel['topicToRender'], DiagnosticArray))
        if name.startswith('RawMessages!'):
            found.append((panel['topicPath'], None))
    return found


def plotted():
    return [
        path['value']
        for name, panel in PANELS.items()
        if name.startswith('Plot!')
        for path in panel['paths']
    ]


def test_foxglove_layout_has_each_panel_once():
    placed = panels_of(FOXGLOVE['layout'])
    assert sorted(placed) == sorted(PANELS)
    assert {panel.partition('!')[0] for panel in placed} == FOXGLOVE_PANELS
    assert set(FOXGLOVE) == {
        'configById',
        'globalVariables',
        'userNodes',
        'playbackConfig',
        'layout',
    }


@pytest.mark.parametrize(('topic', 'kind'), foxglove_topics())
def test_foxglove_panels_show_topics_of_the_node(topic, kind, topics):
    assert topic in topics
    assert kind is None or topics[topic] is kind


@pytest.mark.parametrize('path', plotted())
def test_foxglove_plots_values_that_exist(path, topics, status_keys):
    topic, *fields = path.split('.')
    if topics[topic] is DiagnosticStatus:
        key = re.fullmatch(r'values\[:\]\{key=="(\w+)"\}\.value', '.'.join(fields))
        assert key.group(1) in status_keys
        return
    value = topics[topic]()
    for field in fields:
        value = getattr(value, field)
    assert isinstance(value, float)


def test_foxglove_plots_latency_matches_and_inliers():
    text = ' '.join(plotted())
    assert all(f'key=="{key}"' in text for key in ('latency', 'matches', 'inliers'))


def test_foxglove_shows_the_markers_by_their_namespaces():
    (view,) = (panel for name, panel in PANELS.items() if name.startswith('3D!'))
    assert set(view['topics']['/loftr_vo/matches']['namespaces']) == marker_namespaces()
