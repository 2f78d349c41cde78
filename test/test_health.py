# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the node says when there is no odometry."""

import dataclasses

import numpy as np
import pytest

from loftr_vo.imaging.imu_report import ImuReport
from loftr_vo.odometry.calibration.calibration_status import CalibrationStatus
from loftr_vo.odometry.estimate import Estimate, State
from loftr_vo.ros.diagnosis import diagnose
from loftr_vo.ros.health import Feed, Health
from loftr_vo.ros.level import Level
from loftr_vo.ros.rate import Rate

TIMEOUT = 2.0


def estimate(state=State.TRACKING, reason=''):
    return Estimate(0, state, reason, np.eye(4), np.eye(6))


def healthy(now=10.0):
    """Return the health of a node that got a picture and a camera_info just now."""
    health = Health(
        lifecycle='active',
        image=Feed('/camera/image', 'best effort, depth 5', publishers=('/camera (reliable)',)),
        camera_info=Feed(
            '/camera/camera_info', 'best effort, depth 5', publishers=('/camera (reliable)',)
        ),
        estimate=estimate(),
    )
    for step in range(10):
        for rate in (health.image.rate, health.camera_info.rate, health.output):
            rate.happened(now - 0.1 * (9 - step))
    return health


def test_all_well():
    assert diagnose(healthy(), 10.0, TIMEOUT) == (Level.OK, 'tracking')


@pytest.mark.parametrize(
    ('change', 'level', 'words'),
    [
        ({'fault': 'no weights'}, Level.ERROR, 'no weights'),
        ({'lifecycle': 'inactive'}, Level.WARN, 'activated'),
        ({'paused': True}, Level.WARN, '~/pause'),
        ({'calibration_error': 'K is zero'}, Level.ERROR, '/camera/camera_info: K is zero'),
        ({'waiting_for_transform': 'waits for base'}, Level.WARN, 'waits for base'),
        ({'picture_error': 'encoding x'}, Level.ERROR, '/camera/image: encoding x'),
        ({'stamp_error': 'not after'}, Level.WARN, '/camera/image: not after'),
        ({'tracking_error': 'boom'}, Level.ERROR, 'boom'),
        ({'estimate': None}, Level.WARN, 'first picture'),
        ({'estimate': estimate(State.LOST, '3 inliers')}, Level.ERROR, 'lost: 3 inliers'),
        (
            {'estimate': estimate(State.INITIALISING, 'too little parallax')},
            Level.WARN,
            'initialising: too little parallax',
        ),
    ],
)
def test_each_trouble_is_named(change, level, words):
    got_level, message = diagnose(dataclasses.replace(healthy(), **change), 10.0, TIMEOUT)
    assert got_level is level
    assert words in message


@pytest.mark.parametrize('what', ['image', 'camera_info'])
def test_topic_that_nothing_publishes_is_named_with_its_qos(what):
    health = healthy()
    setattr(health, what, Feed(f'/camera/{what}', 'best effort, depth 5'))
    level, message = diagnose(health, 10.0, TIMEOUT)
    assert level is Level.WARN
    assert f'nothing publishes /camera/{what} (best effort, depth 5)' in message


def test_a_silent_publisher_is_distinguished_from_none():
    health = healthy()
    health.image = Feed(
        '/camera/image', 'best effort, depth 5', publishers=('/camera (reliable)',)
    )
    assert 'though it is published by /camera (reliable)' in diagnose(health, 10.0, TIMEOUT)[1]


def test_incompatible_qos_wins_over_silence():
    health = healthy()
    health.image = Feed(
        '/camera/image', '', publishers=('/camera (reliable)',), incompatible='set qos_overrides'
    )
    assert diagnose(health, 10.0, TIMEOUT) == (Level.ERROR, 'set qos_overrides')


def test_incompatible_publisher_beside_a_good_one_is_no_trouble():
    health = healthy()
    health.image.incompatible = 'set qos_overrides'
    assert diagnose(health, 10.0, TIMEOUT)[0] is Level.OK


def test_camera_that_stopped_is_an_error():
    level, message = diagnose(healthy(), 13.5, TIMEOUT)
    assert level is Level.ERROR
    assert message == 'no image on /camera/image for 3.5 s'


def test_pictures_that_still_wait_are_worked_on_before_their_end_is_an_error():
    health = healthy()
    health.backlog = 20
    assert diagnose(health, 13.5, TIMEOUT)[0] is Level.OK


def test_calibration_sent_once_is_enough():
    health = healthy(now=100.0)
    health.camera_info.rate = Rate()
    health.camera_info.rate.happened(1.0)
    assert diagnose(health, 100.0, TIMEOUT)[0] is Level.OK


def test_overload_is_said_with_figures():
    health = healthy()
    health.dropped = 20
    health.output = Rate()
    for second in (8.0, 9.0, 10.0):
        health.output.happened(second)
    level, message = diagnose(health, 10.0, TIMEOUT)
    assert level is Level.WARN
    assert '1.0 of 10.0 pictures a second' in message


def test_rate_falls_when_nothing_comes():
    rate = Rate()
    for second in range(11):
        rate.happened(0.1 * second)
    assert rate.hertz(1.0) == pytest.approx(10.0)
    assert rate.hertz(5.0) == pytest.approx(0.25)
    assert Rate().hertz(1.0) == 0.0


def test_rate_does_not_span_a_pause():
    rate = Rate()
    for second in (*range(10), *range(1000, 1010)):
        rate.happened(0.1 * second)
    assert rate.hertz(100.9) == pytest.approx(10.0)
    assert rate.count == 20


def test_rate_of_what_becomes_slower_is_measured_anew():
    rate = Rate()
    for tick in (*(0.01 * number for number in range(30)), 1.0, 2.0, 3.0):
        rate.happened(tick)
    assert rate.hertz(3.0) == pytest.approx(1.0)


def test_a_pause_is_no_overload():
    health = healthy(now=1000.0)
    health.dropped = 20
    health.output = Rate()
    # Worked on at 10 Hz, with a pause of most of an hour before the last second.
    for step in range(30):
        health.output.happened(1.0 + 0.1 * step)
    for step in range(10):
        health.output.happened(999.1 + 0.1 * step)
    assert diagnose(health, 1000.0, TIMEOUT)[0] is Level.OK


def test_what_was_logged_when_it_came_up_is_known():
    health = healthy()
    health.stamp_error = 'the stamp is not after the one before'
    assert health.was_logged(diagnose(health, 10.0, TIMEOUT)[1])
    health.image = Feed('/camera/image', 'best effort, depth 5')
    assert not health.was_logged(diagnose(health, 10.0, TIMEOUT)[1])


SUSPICIOUS = CalibrationStatus(
    0.051, 0.006, 2.0, 3.0, 'calibration suspicious: focal length looks 5.1 % too long (+-0.6 %)'
)


def test_a_suspicious_calibration_is_a_warning_while_the_camera_is_tracked():
    health = healthy()
    health.estimate = dataclasses.replace(estimate(), calibration=SUSPICIOUS)
    assert diagnose(health, 10.0, TIMEOUT) == (Level.WARN, f'tracking, {SUSPICIOUS.suspicion}')
    health.estimate = dataclasses.replace(
        estimate(State.LOST, '3 inliers'), calibration=SUSPICIOUS
    )
    assert diagnose(health, 10.0, TIMEOUT) == (Level.ERROR, 'lost: 3 inliers')


def test_an_imu_that_ended_is_missed_once_pictures_go_without_it():
    health = healthy()
    imu = Feed('/imu', publishers=('/imu (reliable)',), without=': the camera goes on alone')
    imu.rate.happened(1.0)
    health.scale_feeds = {'imu': imu}
    health.imu_used = True
    assert diagnose(health, 10.0, TIMEOUT) == (Level.OK, 'tracking')
    health.imu_used = False
    level, message = diagnose(health, 10.0, TIMEOUT)
    assert (level, message) == (Level.WARN, 'no imu on /imu for 9.0 s: the camera goes on alone')


@pytest.mark.parametrize(
    ('is_usable', 'words'),
    [(True, 'imu: it is bad'), (False, 'imu: it is bad; the camera goes on alone')],
)
def test_the_fault_of_an_imu_is_named_with_what_follows(is_usable, words):
    health = healthy()
    health.imu = ImuReport('it is bad', is_usable)
    assert diagnose(health, 10.0, TIMEOUT) == (Level.WARN, words)
    health.imu = ImuReport()
    health.imu_error = 'imu: it is elsewhere'
    assert diagnose(health, 10.0, TIMEOUT) == (Level.WARN, 'imu: it is elsewhere')
