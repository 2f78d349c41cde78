# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""An IMU whose measurements are wrong, in another unit, at another time, or do not come."""

import math
import time

import numpy as np
from fault import fault
from std_srvs.srv import Trigger

from loftr_vo.ros.messages import header

KIND = 'imu'
SECOND = 10**9
SILENCE = 0.5  # seconds after which an input is missed, here
LEFT_OUT = 'with the next good measurement'
SOON = 'two seconds after good measurements'
AGREED = 'once it agrees with the pictures'
# Pictures, five a second: for a unit two whole seconds, for a low rate twenty measurements after a
# second, for turns more than are judged.
FOR_A_UNIT, FOR_A_RATE, FOR_TURNS = 12, 20, 16


def show(rig, count, change):
    """Send good pictures with measurements that were changed: a list of messages for each."""
    for _ in range(count):
        rig.calibrate()
        frame, stamp = rig.scene.next(), rig.next_stamp()
        for message in change(rig.measurements(stamp)):
            rig.imus.publish(message)
        rig.began = time.monotonic()
        rig.show(frame.image, stamp)
        rig.until(lambda stamp=stamp: rig.ears.state_at(stamp), 'answer to the picture')


def values(message):
    """Return the turn rate (3,) and the specific force (3,) in a message."""
    return tuple(
        np.array([vector.x, vector.y, vector.z])
        for vector in (message.angular_velocity, message.linear_acceleration)
    )


def changed(messages, change):
    """Return the messages with turn rate and specific force as ``change`` has them."""
    for message in messages:
        vectors = message.angular_velocity, message.linear_acceleration
        for vector, numbers in zip(vectors, change(*values(message)), strict=True):
            vector.x, vector.y, vector.z = map(float, numbers)
    return messages


def one(messages, change):
    """Return the messages with one in their middle changed."""
    changed(messages[9:10], change)
    return messages


def moved(messages, seconds):
    """Return the messages with later stamps."""
    for message in messages:
        stamp = message.header.stamp
        later = stamp.sec * SECOND + stamp.nanosec + round(seconds * SECOND)
        message.header = header(later, message.header.frame_id)
    return messages


def steady(rig):
    """Track until no fault is spoken of any more: only the first of several is in the status."""
    for _ in range(5):
        # Faults are reported for two seconds of the IMU's time.
        for _ in range(11):
            for message in rig.measurements(rig.next_stamp()):
                rig.imus.publish(message)
        rig.track()
        said = rig.ears.statuses[-1].values
        if not said['imu_reason'] and float(said['imu_rate']):
            return
    raise AssertionError(said['imu_reason'])


def begin_anew(rig):
    """Forget the turns that were compared: a fault of the set-up is there from the start."""
    assert rig.call(Trigger, 'reset', Trigger.Request()).success


@fault(KIND, 'a turn rate of NaN', 'a measurement is not finite', recovers=LEFT_OUT)
def nan_turn(rig):
    steady(rig)
    show(rig, 1, lambda all_: one(all_, lambda turn, force: (turn * math.nan, force)))


@fault(KIND, 'a turn rate of 1e155 rad/s', 'a turn rate of', recovers=LEFT_OUT)
def huge_turn(rig):
    steady(rig)
    show(rig, 1, lambda all_: one(all_, lambda turn, force: (turn + 1e155, force)))


@fault(KIND, 'an infinite force', 'a measurement is not finite', recovers=LEFT_OUT)
def infinite_force(rig):
    steady(rig)
    show(rig, 1, lambda all_: one(all_, lambda turn, force: (turn, force * math.inf)))


@fault(KIND, 'every measurement twice', 'measurements come twice', recovers=LEFT_OUT)
def doubled(rig):
    steady(rig)
    show(rig, 1, lambda all_: [each for each in all_ for _ in range(2)])


@fault(KIND, 'two measurements in the wrong order', 'are out of order', recovers=LEFT_OUT)
def out_of_order(rig):
    steady(rig)
    show(rig, 1, lambda all_: [*all_[:5], all_[6], all_[5], *all_[7:]])


@fault(KIND, 'a stamp of zero', 'the stamp 0.000 s is far from', recovers=LEFT_OUT)
def stamp_of_zero(rig):
    steady(rig)

    def change(messages):
        messages[9].header = header(0, messages[9].header.frame_id)
        return messages

    show(rig, 1, change)


@fault(KIND, 'a stamp an hour ahead', 'is far from', recovers=LEFT_OUT)
def stamp_ahead(rig):
    steady(rig)
    show(rig, 1, lambda all_: [*moved(all_[:1], 3600), *all_[1:]])


@fault(KIND, 'a gap of a tenth of a second', 'measurements are missing for', recovers=SOON)
def gap(rig):
    steady(rig)
    show(rig, 1, lambda all_: [*all_[:5], *all_[15:]])


@fault(KIND, 'a clock that is set back by a minute', 'its clock was set to', recovers=SOON)
def clock_set(rig):
    steady(rig)
    show(rig, 1, lambda all_: moved(all_, -60))


@fault(
    KIND, 'a gyroscope at the end of its range', 'gyroscope is saturated about z', recovers=SOON
)
def saturated_gyroscope(rig):
    steady(rig)
    show(rig, 1, lambda all_: changed(all_, lambda turn, force: ((*turn[:2], 4.363), force)))


@fault(KIND, 'an accelerometer likewise', 'accelerometer is saturated along x', recovers=SOON)
def saturated_accelerometer(rig):
    steady(rig)
    show(rig, 1, lambda all_: changed(all_, lambda turn, force: (turn, (19.61, *force[1:]))))


@fault(KIND, 'ten measurements a second', 'it measures ... times a second', recovers=SOON)
def slow(rig):
    show(rig, FOR_A_RATE, lambda all_: all_[9::10])


@fault(KIND, 'forces in g', 'the specific force is given in g', recovers=SOON)
def in_g(rig):
    steady(rig)
    show(rig, FOR_A_UNIT, lambda all_: changed(all_, lambda turn, force: (turn, force / 9.81)))


@fault(KIND, 'forces of zero', 'there is no gravity in the specific force', recovers=SOON)
def no_force(rig):
    steady(rig)
    show(rig, FOR_A_UNIT, lambda all_: changed(all_, lambda turn, force: (turn, 0 * force)))


@fault(KIND, 'a gyroscope of zeros', 'repeats one value, (0, 0, 0)', recovers=AGREED)
def no_turn(rig):
    steady(rig)
    show(rig, 4, lambda all_: changed(all_, lambda turn, force: (0 * turn, force)))


@fault(KIND, 'measurements 0.4 s behind the pictures', 'not in step', recovers=LEFT_OUT)
def behind(rig):
    show(rig, 2, lambda all_: [])
    show(rig, 2, lambda all_: moved(all_, -0.4))


@fault(KIND, 'a turn rate in degrees/s', 'it is in degrees/s', recovers=AGREED)
def in_degrees(rig):
    begin_anew(rig)
    show(rig, FOR_TURNS, lambda all_: changed(all_, lambda turn, force: (np.degrees(turn), force)))
    yield
    begin_anew(rig)


@fault(KIND, 'axes of another convention', "gyroscope's axes are turned by about", recovers=AGREED)
def other_axes(rig):
    begin_anew(rig)
    flip = np.array([1.0, -1.0, -1.0])
    show(
        rig,
        FOR_TURNS,
        lambda all_: changed(all_, lambda turn, force: (turn * flip, force * flip)),
    )
    yield
    begin_anew(rig)


@fault(KIND, 'an IMU that is silent', 'no imu on', recovers=LEFT_OUT)
def silent(rig):
    rig.set_parameters(input_timeout=SILENCE)
    start = time.monotonic()
    for _ in range(6):
        show(rig, 1, lambda all_: [])
        time.sleep(0.1)
    rig.began = start + SILENCE
    yield
    rig.set_parameters(input_timeout=rig.INPUT_TIMEOUT)
