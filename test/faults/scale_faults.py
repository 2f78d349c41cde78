# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Depth images and wheels that say nonsense, or nothing."""

import math
import time

import numpy as np
from fault import fault

DEPTH, WHEELS = 'depth', 'wheels'
KEPT = 'with the next good depth; the last scale is kept until then'
SECOND = 10**9
SILENCE = 0.5  # seconds after which an input is missed, here


# --- depth: each is sent with good pictures


def with_depth(rig, change, count=2):
    """Send good pictures whose depth images were changed; each becomes a keyframe."""
    for _ in range(count):
        rig.calibrate()
        frame, stamp = rig.scene.next(), rig.next_stamp()
        change(frame.depth, stamp)
        show_last(rig, frame, stamp)


def show_last(rig, frame, stamp):
    """Send a picture, which is the last one of the fault so far, and wait for its odometry."""
    rig.began = time.monotonic()
    rig.show(frame.image, stamp)
    rig.until(lambda: rig.ears.state_at(stamp), 'answer to the picture')


@fault(DEPTH, 'depth all zero', 'the depth image has no depth', recovers=KEPT)
def zero_depth(rig):
    with_depth(rig, lambda depth, stamp: rig.show_depth(0 * depth, stamp))


@fault(DEPTH, 'depth all NaN', 'the depth image has no depth', recovers=KEPT)
def nan_depth(rig):
    with_depth(rig, lambda depth, stamp: rig.show_depth(math.nan * depth, stamp))


@fault(DEPTH, 'depth all infinite', 'the depth image has no depth', recovers=KEPT)
def infinite_depth(rig):
    with_depth(rig, lambda depth, stamp: rig.show_depth(depth + math.inf, stamp))


@fault(DEPTH, 'depth of 1e30 m', 'the depth image has no depth', recovers=KEPT)
def huge_depth(rig):
    with_depth(rig, lambda depth, stamp: rig.show_depth(np.full_like(depth, 1e30), stamp))


@fault(DEPTH, 'depth of 1e-30 m', 'the depth image has no depth', recovers=KEPT)
def tiny_depth(rig):
    with_depth(rig, lambda depth, stamp: rig.show_depth(np.full_like(depth, 1e-30), stamp))


@fault(DEPTH, 'negative depth', 'the depth image has no depth', recovers=KEPT)
def negative_depth(rig):
    with_depth(rig, lambda depth, stamp: rig.show_depth(-1 - depth, stamp))


@fault(DEPTH, 'depth in another encoding', "depth encoding 'rgb8' is not", recovers=KEPT)
def depth_encoding(rig):
    with_depth(rig, lambda depth, stamp: rig.show_depth(depth, stamp, encoding='rgb8'))


@fault(DEPTH, 'half of the data of a depth image', 'but the data has', recovers=KEPT)
def short_depth(rig):
    with_depth(rig, lambda depth, stamp: rig.show_depth(depth, stamp, data=bytes(depth.size)))


@fault(DEPTH, 'a depth image of one pixel', 'the depth image has no depth', recovers=KEPT)
def depth_of_one_pixel(rig):
    with_depth(rig, lambda depth, stamp: rig.show_depth(depth[:1, :1], stamp))


@fault(DEPTH, 'depth images that are 0.1 s late', 'not in step', recovers=KEPT)
def late_depth(rig):
    with_depth(rig, lambda depth, stamp: rig.show_depth(depth, stamp - SECOND // 10))


@fault(DEPTH, 'pictures without depth images', 'no depth on', recovers=KEPT)
def silent_depth(rig):
    rig.set_parameters(input_timeout=SILENCE)
    start = time.monotonic()
    with_depth(rig, lambda depth, stamp: time.sleep(0.1), 10)
    rig.began = start + SILENCE
    yield
    rig.set_parameters(input_timeout=rig.INPUT_TIMEOUT)


# --- wheels


def with_wheels(rig, change, count=20):
    """Send good pictures with poses of wheels that were changed."""
    for _ in range(count):
        rig.calibrate()
        frame, index, stamp = rig.scene.next(), rig.scene.index, rig.next_stamp()
        pose = change(rig.scene.base_pose(index))
        if pose is not None:
            rig.roll(pose, stamp)
        show_last(rig, frame, stamp)


def moved(pose, by):
    """Return a pose whose position is another."""
    result = pose.copy()
    result[:3, 3] = by
    return result


@fault(WHEELS, 'wheels at NaN', 'pose on scale_odom is none')
def nan_wheels(rig):
    with_wheels(rig, lambda pose: moved(pose, math.nan), 2)


@fault(WHEELS, 'wheels at infinity', 'pose on scale_odom is none')
def infinite_wheels(rig):
    with_wheels(rig, lambda pose: moved(pose, math.inf), 2)


@fault(WHEELS, 'wheels at 1e155 m', 'pose on scale_odom is none')
def far_wheels(rig):
    with_wheels(rig, lambda pose: moved(pose, 1e155), 2)


@fault(WHEELS, 'wheels at 1e155 m now and then among good poses', 'pose on scale_odom is none')
def sometimes_far_wheels(rig):
    def change(pose):
        return moved(pose, 1e155) if rig.scene.index % 2 else pose

    with_wheels(rig, change, 6)


@fault(WHEELS, 'a quaternion of zeros', 'pose on scale_odom is none')
def no_rotation(rig):
    message = rig.wheel_message(np.eye(4), rig.next_stamp())
    message.pose.pose.orientation.w = 0.0
    rig.wheels.publish(message)


@fault(WHEELS, 'wheels that stand still while the camera moves', 'stands still')
def standing_wheels(rig):
    with_wheels(rig, lambda pose: np.eye(4))


@fault(WHEELS, 'wheels that jump by kilometres', 'behind the pictures')
def jumping_wheels(rig):
    # The poses are refused, and so the last good one gets old.
    rng = np.random.default_rng(0)
    with_wheels(rig, lambda pose: moved(pose, rng.uniform(-1e4, 1e4, 3)), 10)


@fault(WHEELS, 'wheels that are silent', 'no scale_odom on', recovers='with the next pose')
def silent_wheels(rig):
    rig.set_parameters(input_timeout=SILENCE)
    start = time.monotonic()
    with_wheels(rig, lambda pose: time.sleep(0.1), 10)
    rig.began = start + SILENCE
    yield
    rig.set_parameters(input_timeout=rig.INPUT_TIMEOUT)


@fault(WHEELS, '6,000 poses of wheels and no picture', 'no image on', recovers='with a picture')
def flood_of_wheels(rig):
    rig.set_parameters(input_timeout=0.2)
    for number in range(6_000):
        message = rig.wheel_message(np.eye(4), rig.stamp + number)
        rig.wheels.publish(message)
    rig.wheels.wait_for_all_acked()
    rig.began = time.monotonic()
    yield
    rig.stamp += SECOND
    rig.set_parameters(input_timeout=rig.INPUT_TIMEOUT)
