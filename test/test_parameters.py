# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The settings as ROS parameters."""

import pytest
import yaml
from paths import ROOT

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.parameter import Parameter
from ros_domain import ros  # noqa: F401 a fixture, used by every test here

from loftr_vo.config import (
    Description,
    NodeSettings,
    SettingError,
    Settings,
    describe,
)
from loftr_vo.ros import parameters

EVERY = [*describe(NodeSettings()), *describe(Settings())]


@pytest.fixture
def make_node():
    nodes = []

    def make(**overrides):
        values = [Parameter(name.replace('__', '.'), value=v) for name, v in overrides.items()]
        nodes.append(rclpy.create_node('settings', parameter_overrides=values))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()


def test_every_setting_is_declared_with_its_default(make_node):
    node = make_node()
    assert parameters.declare(node, NodeSettings()) == NodeSettings()
    assert parameters.declare(node, Settings()) == Settings()
    for name, value, _ in EVERY:
        found = node.get_parameter(name).value
        assert (tuple(found) if isinstance(value, tuple) else found) == value


def test_every_descriptor_says_what_the_setting_is(make_node):
    node = make_node()
    parameters.declare(node, NodeSettings())
    parameters.declare(node, Settings())
    for name, value, about in EVERY:
        found = node.describe_parameter(name)
        assert about.text in found.description
        assert about.unit in found.description
        assert found.read_only is not about.runtime
        assert all(choice in found.additional_constraints for choice in about.choices)
        ranges = [*found.floating_point_range, *found.integer_range]
        numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
        assert len(ranges) == numeric
        for limits in ranges:
            assert (limits.from_value, limits.to_value) == (about.low, about.high)


def test_an_open_range_stays_open():
    limits = parameters.descriptor(1.0, Description('x', low=0.0)).floating_point_range[0]
    assert (limits.from_value, limits.to_value) == (0.0, float('inf'))
    limits = parameters.descriptor(1, Description('x', high=5)).integer_range[0]
    assert limits.from_value < -(10**18)
    assert limits.to_value == 5


def test_overrides_are_taken_over(make_node):
    node = make_node(matcher__weights='outdoor', geometry__min_inliers=30, odom_frame='vo')
    settings = parameters.declare(node, Settings())
    assert (settings.matcher.weights, settings.geometry.min_inliers) == ('outdoor', 30)
    assert parameters.declare(node, NodeSettings()).odom_frame == 'vo'


@pytest.mark.parametrize(
    ('overrides', 'error', 'words'),
    [
        ({'geometry__min_inliers': 1}, InvalidParameterValueException, 'out of range'),
        ({'matcher__threshold': float('nan')}, (SettingError, Exception), 'threshold'),
        ({'matcher__precision': 'float8'}, SettingError, 'one of auto, float32'),
        ({'matcher__threshold': 'high'}, InvalidParameterTypeException, 'DOUBLE'),
    ],
)
def test_bad_override_is_refused_with_the_reason(make_node, overrides, error, words):
    with pytest.raises(error, match=words):
        parameters.declare(make_node(**overrides), Settings())


def test_changed_takes_only_what_belongs_to_the_settings():
    changes = [Parameter('matcher.threshold', value=0.4), Parameter('odom_frame', value='x')]
    assert parameters.changed(Settings(), changes).matcher.threshold == 0.4
    assert parameters.changed(NodeSettings(), changes) == NodeSettings(odom_frame='x')


def test_changed_refuses_what_is_out_of_range():
    with pytest.raises(SettingError, match=r'matcher\.threshold must be at most 1'):
        parameters.changed(Settings(), [Parameter('matcher.threshold', value=1.5)])


def test_parameter_file_is_up_to_date():
    text = (ROOT / 'config' / 'vo.yaml').read_text(encoding='utf-8')
    assert text == parameters.parameter_file(), (
        'run: python -m loftr_vo.ros.parameters > config/vo.yaml'
    )


def test_parameter_file_holds_every_default():
    tree = yaml.safe_load(parameters.parameter_file())['/**']['ros__parameters']
    for name, value, _ in EVERY:
        found = tree
        for part in name.split('.'):
            found = found[part]
        if isinstance(value, tuple):
            found = tuple(found)
        assert found == value
        assert type(found) is type(value)
