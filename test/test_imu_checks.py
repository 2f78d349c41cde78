# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""An IMU that contradicts the camera is found out, one that agrees with it is not doubted."""

from functools import lru_cache

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.geometry.inertial import ImuSamples
from loftr_vo.odometry.inertial.imu_checks import ImuChecks
from loftr_vo.odometry.inertial.imu_gate import ImuGate
from loftr_vo.odometry.tracking.camera_step import CameraStep

RATE, EVERY = 200, 10  # Hz of the IMU; measurements from one picture to the next
GRAVITY = 9.81
BIAS = np.array([0.03, -0.03, 0.02])
# The IMU is turned against the camera, as on most robots.
IMU_FROM_CAMERA = BODY_FROM_OPTICAL.copy()
IMU_FROM_CAMERA[:3, 3] = 0.1, 0.0, -0.05
QUARTER = Rotation.from_euler('z', 90, degrees=True).as_matrix()
FLIPPED = np.diag([1.0, -1.0, -1.0])
MIRRORED = np.diag([1.0, -1.0, 1.0])


def shaken(time):
    """Angular velocity in the IMU's axes, of a camera in a hand."""
    return np.array([0.9 * np.sin(5 * time), 0.7 * np.cos(3 * time + 1), 0.8 * np.sin(2 * time)])


def planar(time):
    return np.array([0.0, 0.0, 0.8 * np.sin(1.5 * time)])


def slow(time):
    return 0.1 * shaken(time)


def at_rest(time):
    return np.zeros(3)


@lru_cache
def truth(motion, seconds):
    """Return turn rates, specific forces and, for each picture, the turn since the last."""
    turns = np.array([motion(index / RATE) for index in range(round(seconds * RATE))])
    # Body to world at each measurement, by steps that are short enough.
    orientation = [np.eye(3)]
    for step in Rotation.from_rotvec(turns[:-1] / RATE).as_matrix():
        orientation.append(orientation[-1] @ step)
    forces = GRAVITY * np.array(orientation)[:, 2]
    at = np.array(orientation)[::EVERY]
    return turns, forces, np.swapaxes(at[:-1], 1, 2) @ at[1:]


def run(motion, change=lambda turn, force: (turn, force), seconds=6.0, base=None, late=0.0):
    """Return the checks after a camera has moved with an IMU that tests change."""
    checks = ImuChecks()
    checks.mount(IMU_FROM_CAMERA, base)
    rng = np.random.default_rng(0)
    turns, forces, steps = truth(motion, seconds)
    measured = turns + BIAS + rng.normal(0.0, 0.01, turns.shape)
    measured, forces = change(measured, forces + rng.normal(0.0, 0.2, forces.shape))
    stamps = 10**9 + np.arange(len(turns)) * (10**9 // RATE)
    every = ImuSamples(stamps + round(late * 1e9), measured, forces)
    axes = IMU_FROM_CAMERA[:3, :3]
    noise = Rotation.from_rotvec(rng.normal(0.0, 0.002, (len(steps), 3))).as_matrix()
    for index, turned in enumerate(axes.T @ steps @ axes @ noise):
        motion_of_camera = np.eye(4)
        motion_of_camera[:3, :3] = turned
        start, end = (int(stamps[at * EVERY]) for at in (index, index + 1))
        samples = every.between(start, end)
        step = CameraStep(EVERY / RATE, motion_of_camera, np.eye(6))
        checks.add(end, step, samples)
    return checks


@pytest.mark.parametrize('motion', [shaken, planar, at_rest])
def test_an_imu_that_agrees_is_not_doubted(motion):
    base = BODY_FROM_OPTICAL
    assert run(motion, base=base).fault == ''
    assert run(motion, base=base, late=0.02).fault == ''


@pytest.mark.parametrize('motion', [shaken, planar])
def test_degrees_are_found_out(motion):
    checks = run(motion, lambda turn, force: (np.degrees(turn), force))
    assert checks.fault.endswith('it is in degrees/s, not in rad/s')


@pytest.mark.parametrize(
    ('axes', 'words'),
    [(QUARTER, 'turned by about 90 deg'), (FLIPPED, 'turned by about 180 deg')],
)
def test_axes_of_another_convention_are_found_out(axes, words):
    checks = run(shaken, lambda turn, force: (turn @ axes, force))
    assert words in checks.fault
    assert 'another convention' in checks.fault


def test_mirrored_axes_are_found_out():
    assert 'mirrored' in run(shaken, lambda turn, force: (turn @ MIRRORED, force)).fault


def test_on_a_floor_another_axis_is_found_out():
    checks = run(planar, lambda turn, force: (turn @ FLIPPED, force))
    assert 'turned by about 17' in checks.fault  # with bias and noise
    checks = run(planar, lambda turn, force: (turn[:, [2, 1, 0]], force))
    assert 'turned by about 90 deg' in checks.fault


def test_turns_of_something_else_are_found_out():
    rng = np.random.default_rng(1)
    checks = run(shaken, lambda turn, force: (rng.normal(0.0, 3.0, turn.shape), force))
    assert checks.fault != ''


def test_a_gyroscope_that_measures_nothing_is_found_out():
    assert 'times the turns' in run(shaken, lambda turn, force: (0.001 * turn, force)).fault


@pytest.mark.parametrize('value', [0.0, 0.25])
def test_a_gyroscope_that_repeats_one_value_is_found_out(value):
    checks = run(slow, lambda turn, force: (0 * turn + value, force))
    assert f'repeats one value, ({value:g}, {value:g}, {value:g})' in checks.fault
    # At rest a gyroscope without noise may do so.
    assert run(at_rest, lambda turn, force: (0 * turn, force)).fault == ''


def test_a_clock_that_is_far_off_is_not_taken_for_other_axes():
    assert "the IMU's stamps are 44" in run(shaken, late=0.45).fault
    assert 'earlier' in run(shaken, late=-0.45).fault


@pytest.mark.parametrize('strength', [0.4, 1.5, 9.0])
def test_forces_without_gravity_are_found_out_whatever_is_left(strength):
    def change(turn, force):
        phases = np.outer(np.arange(len(turn)) / RATE, [3.0, 4.0, 5.0])
        return turn, strength * np.sin(phases + np.arange(3))

    assert run(shaken, change).fault.startswith('there is no gravity in the specific force')


def test_turns_of_the_gyroscope_alone_are_found_out():
    checks = run(at_rest, lambda turn, force: (turn + 1.0, force))
    assert 'times the turns' in checks.fault


@pytest.mark.parametrize('axes', [FLIPPED, -np.eye(3), np.eye(3)[[2, 1, 0]]])
def test_which_way_is_up_is_compared_with_the_mounting(axes):
    def change(turn, force):
        return turn, force @ axes

    checks = run(planar, change, base=BODY_FROM_OPTICAL)
    assert 'from the z axis of the base' in checks.fault
    # Where the mounting is not known, nothing can be said.
    assert run(planar, change).fault == ''


def test_it_is_trusted_again_once_it_agrees():
    def change(turn, force):
        half = len(turn) // 2
        return np.concatenate([np.degrees(turn[:half]), turn[half:]]), force

    assert run(shaken, change, seconds=10.0).fault == ''


@pytest.mark.parametrize(
    ('factor', 'words'), [(1 / 9.81, 'given in g'), (0.0, 'no gravity'), (1e3, 'not in m/s^2')]
)
def test_another_unit_of_the_force_is_found_out(factor, words):
    assert words in run(shaken, lambda turn, force: (turn, factor * force)).fault


def test_the_gate_is_closed_by_a_fault_and_opens_after_it():
    gate = ImuGate()
    gate.mount_imu(IMU_FROM_CAMERA)
    turns, forces, steps = truth(shaken, 6.0)
    axes = IMU_FROM_CAMERA[:3, :3]
    admitted, new = [], 0
    for index, turned in enumerate(axes.T @ steps @ axes):
        motion_of_camera = np.eye(4)
        motion_of_camera[:3, :3] = turned
        part = np.s_[index * EVERY : (index + 1) * EVERY + 1]
        stamps = 10**9 + np.arange(part.start, part.stop) * (10**9 // RATE)
        measured = np.degrees(turns[part]) if index < 50 else turns[part]
        samples = ImuSamples(stamps, measured, forces[part])
        admitted.append(gate.admitted(samples) is not None)
        step = CameraStep(EVERY / RATE, motion_of_camera, np.eye(6))
        new += gate.compare(int(stamps[-1]), step)
    assert admitted[0]
    assert not admitted[49]
    assert admitted[-1]
    assert new == 1
    # A frame without measurements, and one before the IMU is found, are not compared.
    assert gate.admitted(None) is None
    assert not gate.compare(0, None)
    assert ImuGate().admitted(samples) is samples


def test_without_a_step_or_measurements_nothing_is_compared():
    checks = ImuChecks()
    checks.mount(np.eye(4), None)
    none = ImuSamples(np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros((0, 3)))
    checks.add(10**9, CameraStep(0.1, np.eye(4), np.eye(6)), none)
    checks.add(10**9, None, none)
    assert checks.fault == ''
