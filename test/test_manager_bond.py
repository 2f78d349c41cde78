# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The bond with Nav2's lifecycle manager, by a module in bondpy's place; the node as component."""

import sys
import types

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from forward_odometry import ForwardOdometry
from rclpy.parameter import Parameter
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from test_node import FAILURE, SUCCESS, Rig

from loftr_vo.ros.component import VisualOdometryComponent


@pytest.fixture
def bonds(monkeypatch):
    """What became of the bonds, as [topic, id, node's name, words ...]."""
    made = []

    class Bond:
        """Has the methods of ``bondpy.bondpy.Bond`` that are used, and its order of them."""

        def __init__(self, topic, bond_id, node, on_broken=None, on_formed=None):
            self.log = [topic, bond_id, node.get_name()]
            made.append(self.log)

        def set_heartbeat_period(self, seconds):
            assert 'start' not in self.log
            self.log.append(seconds)

        set_heartbeat_timeout = set_heartbeat_period

        def start(self):
            self.log.append('start')

        def shutdown(self):
            assert 'start' in self.log
            self.log.append('shutdown')

    package, module = types.ModuleType('bondpy'), types.ModuleType('bondpy.bondpy')
    module.Bond = Bond
    monkeypatch.setitem(sys.modules, 'bondpy', package)
    monkeypatch.setitem(sys.modules, 'bondpy.bondpy', module)
    return made


@pytest.fixture
def make_rig():
    rigs = []

    def make(**options):
        rigs.append(Rig(**options))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


FORMED = ['bond', 'loftr_vo', 'loftr_vo', 0.1, 4.0, 'start']


@pytest.mark.parametrize('ending', ['trigger_deactivate', 'trigger_shutdown'])
def test_it_is_formed_on_activation_and_broken_after(make_rig, bonds, ending):
    rig = make_rig(autostart=False)
    assert rig.node.trigger_configure() == SUCCESS
    assert bonds == []
    assert rig.node.trigger_activate() == SUCCESS
    assert bonds == [FORMED]
    assert getattr(rig.node, ending)() == SUCCESS
    assert bonds == [[*FORMED, 'shutdown']]


def test_each_activation_has_its_own(make_rig, bonds):
    rig = make_rig(autostart=False)
    rig.node.trigger_configure()
    for _ in range(2):
        assert rig.node.trigger_activate() == SUCCESS
        assert rig.node.trigger_deactivate() == SUCCESS
    assert bonds == [[*FORMED, 'shutdown']] * 2


def test_an_activation_that_fails_leaves_none(make_rig, bonds):
    def fail(settings, report):
        raise RuntimeError('no weights')

    rig = make_rig(load=fail, autostart=False)
    rig.node.trigger_configure()
    assert rig.node.trigger_activate() == FAILURE
    assert all(each[-1] == 'shutdown' for each in bonds)


def test_a_node_without_a_manager_has_none(make_rig, bonds):
    rig = make_rig(autostart=True)
    rig.node.trigger_configure()
    assert rig.node.trigger_activate() == SUCCESS
    assert bonds == []


def test_without_bondpy_it_does_without(make_rig, monkeypatch):
    monkeypatch.setitem(sys.modules, 'bondpy', None)
    rig = make_rig(autostart=False)
    rig.node.trigger_configure()
    assert rig.node.trigger_activate() == SUCCESS
    assert rig.node.trigger_deactivate() == SUCCESS


@pytest.mark.parametrize('autostart', [True, False])
def test_a_component_comes_up_by_itself(ros, autostart):  # noqa: F811
    component = VisualOdometryComponent(
        'front_vo',
        load=lambda settings, report: ForwardOdometry(),
        parameter_overrides=[Parameter('autostart', value=autostart)],
    )
    executor = rclpy.executors.SingleThreadedExecutor()
    executor.add_node(component)
    try:
        assert component.get_name() == 'front_vo'
        wanted = 'active' if autostart else 'unconfigured'
        for count in range(200):
            executor.spin_once(timeout_sec=0.02)
            if component._health.lifecycle == 'active':
                break
            if not autostart and count > 10:
                break
        assert component._health.lifecycle == wanted
    finally:
        component.abandon()
        executor.shutdown()
        component.destroy_node()
