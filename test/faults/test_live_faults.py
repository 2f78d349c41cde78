# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Faults against the real node over DDS: each named within a second, none fatal, none for good."""

import signal

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

import compressed_faults
from calibration_faults import KIND as CALIBRATION
from fault import ODDITIES, faults_of, name_of
from fault_rig import FaultRig
from imu_faults import KIND as IMU
from oddities import COMPRESSED, PLAIN
from picture_faults import KIND as PICTURE
from ros_domain import ros  # noqa: F401 a fixture, used by every test here
from scale_faults import DEPTH, WHEELS
from service_faults import KIND as SERVICE

from experiments.scene import Scene

# Small, so that a picture takes a few hundredths of a second.
SIZE = 144, 192


@pytest.fixture(scope='module')
def scene():
    return Scene(SIZE)


def folder(factory, name):
    """Return a folder to work in that has a neighbourhood of its own."""
    path = factory.mktemp(name) / 'work'
    path.mkdir()
    return path


@pytest.fixture(scope='module')
def make_rig(ros, scene, tmp_path_factory):  # noqa: F811 the fixture of that name
    """Return a function that makes a rig, which is alive and well again when all is over."""
    rigs = []

    def make(name, **options):
        rig = FaultRig(name, scene, folder(tmp_path_factory, name), **options)
        rigs.append(rig)
        rig.meet()
        rig.track()
        return rig

    yield make
    for rig in rigs:
        rig.close()


@pytest.fixture(scope='module')
def plain(make_rig):
    return make_rig('plain')


@pytest.fixture(scope='module')
def compressed(make_rig):
    return make_rig('compressed', encode=compressed_faults.png)


@pytest.fixture(scope='module')
def depth(make_rig):
    # The scale is asked for when a picture becomes a keyframe: here each does.
    return make_rig('depth', **{'scale.source': 'depth', 'keyframe.max_age': 1})


@pytest.fixture(scope='module')
def wheels(make_rig):
    return make_rig('wheels', **{'scale.source': 'odometry', 'keyframe.max_age': 1})


@pytest.fixture(scope='module')
def imu(make_rig):
    return make_rig('imu', **{'scale.source': 'imu'})


def face(rig, fault):
    try:
        rig.face(fault)
    except BaseException:
        rig.resume()
        raise


@pytest.mark.parametrize('fault', faults_of(PICTURE), ids=name_of)
def test_bad_picture(plain, fault):
    face(plain, fault)


@pytest.mark.parametrize('fault', faults_of(CALIBRATION), ids=name_of)
def test_bad_calibration(plain, fault):
    face(plain, fault)


@pytest.mark.parametrize('fault', faults_of(SERVICE), ids=name_of)
def test_bad_request(plain, fault):
    face(plain, fault)


@pytest.mark.parametrize('oddity', [o for o in ODDITIES if o.kind == PLAIN], ids=name_of)
def test_odd_picture(plain, oddity):
    plain.take(oddity)


@pytest.mark.parametrize('oddity', [o for o in ODDITIES if o.kind == COMPRESSED], ids=name_of)
def test_odd_compressed_picture(compressed, oddity):
    compressed.take(oddity)


@pytest.mark.parametrize('fault', faults_of(compressed_faults.KIND), ids=name_of)
def test_bad_compressed_picture(compressed, fault):
    face(compressed, fault)


@pytest.mark.parametrize('fault', faults_of(DEPTH), ids=name_of)
def test_bad_depth(depth, fault):
    face(depth, fault)


@pytest.mark.parametrize('fault', faults_of(WHEELS), ids=name_of)
def test_bad_wheels(wheels, fault):
    face(wheels, fault)


@pytest.mark.parametrize('fault', faults_of(IMU), ids=name_of)
def test_bad_imu(imu, fault):
    face(imu, fault)


@pytest.mark.parametrize('name', ['plain', 'compressed', 'depth', 'wheels', 'imu'])
def test_node_ends_well_after_all_that(request, name):
    rig = request.getfixturevalue(name)
    rig.track()
    code, _ = rig.process.stop(signal.SIGTERM)
    assert code == 0
    assert not rig.ears.violations
