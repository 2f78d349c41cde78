# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What others ask of the node that cannot be, or too often: parameters, services, transitions."""

import os
import resource
import threading
import time

from fault import REPLY, STATUS, TERMINAL, fault
from lifecycle_msgs.msg import Transition
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool, Trigger

KIND = 'service'
UNCHANGED = 'at once: nothing was changed'
AFTER_SAVING = 'with the next call, once the place can be written'


# --- parameters


@fault(KIND, 'a parameter out of range', 'out of range', REPLY, UNCHANGED)
def out_of_range(rig):
    rig.reply = rig.set_parameters(**{'geometry.min_inliers': 10**6})


@fault(KIND, 'a parameter of NaN', 'out of range', REPLY, UNCHANGED)
def nan_parameter(rig):
    rig.reply = rig.set_parameters(**{'geometry.min_parallax': float('nan')})


@fault(KIND, 'a parameter of the wrong type', 'type', REPLY, UNCHANGED)
def wrong_type(rig):
    rig.reply = rig.set_parameters(**{'geometry.min_inliers': 'many'})


@fault(KIND, 'a parameter that does not exist', 'declare', REPLY, UNCHANGED)
def no_such_parameter(rig):
    rig.reply = rig.set_parameters(nonsense=1)


@fault(KIND, 'a parameter that may be set at start only', 'read-only', REPLY, UNCHANGED)
def read_only(rig):
    rig.reply = rig.set_parameters(queue_size=5)


@fault(
    KIND,
    'thresholds that no picture can hold: `geometry.min_inliers` of 1000',
    'lost: ',
    recovers='once the parameter is set back',
)
def impossible_thresholds(rig):
    rig.set_parameters(**{'geometry.min_inliers': 1000, 'geometry.min_inlier_ratio': 0.95})
    rig.began = time.monotonic()
    rig.good()
    yield
    rig.set_parameters(**{'geometry.min_inliers': 25, 'geometry.min_inlier_ratio': 0.25})


# --- services


@fault(KIND, '50 calls of `~/reset` while pictures come', 'first frame')
def reset_storm(rig):
    for number in range(50):
        reply = rig.call(Trigger, 'reset', Trigger.Request())
        assert reply.success, reply.message
        if number % 10 == 0:
            rig.good()
    rig.good()


@fault(KIND, '`~/pause`', 'paused: ', recovers='when it goes on')
def pause(rig):
    rig.call(SetBool, 'pause', SetBool.Request(data=True))
    rig.good()
    yield
    rig.call(SetBool, 'pause', SetBool.Request(data=False))


def save(rig, name):
    """Have the trajectory saved under a name, and keep the answer."""
    rig.set_parameters(trajectory_file=str(name))
    reply = rig.call(Trigger, 'save_trajectory', Trigger.Request(), timeout=10.0)
    rig.reply = reply.message
    return reply


@fault(KIND, 'a FIFO as `trajectory_file`', 'is not a regular file', REPLY, AFTER_SAVING)
def save_to_fifo(rig):
    fifo = rig.folder / 'fifo'
    os.mkfifo(fifo)
    assert not save(rig, fifo.name).success
    yield
    rig.can_save()


@fault(KIND, 'a folder as `trajectory_file`', 'Is a directory', REPLY, AFTER_SAVING)
def save_to_folder(rig):
    (rig.folder / 'folder').mkdir()
    assert not save(rig, 'folder').success
    yield
    rig.can_save()


@fault(
    KIND, 'a `trajectory_file` in a folder that is not there', 'is not there', REPLY, AFTER_SAVING
)
def save_to_nowhere(rig):
    assert not save(rig, 'nowhere/trajectory.txt').success
    yield
    rig.can_save()


@fault(KIND, 'a `trajectory_file` with `..`', 'files are written only there', REPLY, AFTER_SAVING)
def save_outside(rig):
    outside = rig.folder.parent / 'outside.txt'
    assert not save(rig, '../outside.txt').success
    assert not outside.exists()
    yield
    rig.can_save()


@fault(
    KIND,
    'a file of another kind as `trajectory_file`',
    'no trajectory that was saved before',
    REPLY,
    AFTER_SAVING,
)
def save_over_other_file(rig):
    other = rig.folder / 'precious.yaml'
    other.write_text('precious: true\n')
    assert not save(rig, other.name).success
    assert other.read_text() == 'precious: true\n'
    yield
    rig.can_save()


@fault(
    KIND,
    'a symbolic link that leads elsewhere as `trajectory_file`',
    'files are written only there',
    REPLY,
    AFTER_SAVING,
)
def save_through_link(rig):
    target = rig.folder.parent / 'target.txt'
    target.write_text('precious\n')
    (rig.folder / 'link.txt').symlink_to(target)
    assert not save(rig, 'link.txt').success
    assert target.read_text() == 'precious\n'
    yield
    rig.can_save()


@fault(
    KIND, 'a disk that is full while the trajectory is saved', 'cannot write', REPLY, AFTER_SAVING
)
def save_to_full_disk(rig):
    # A file that may not grow ends as one on a full disk does, in an OSError in mid-write.
    before = rig.can_save()
    limits = resource.prlimit(rig.process.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(rig.process.process.pid, resource.RLIMIT_FSIZE, (64, limits[1]))
    reply = save(rig, 'saved.txt')
    resource.prlimit(rig.process.process.pid, resource.RLIMIT_FSIZE, limits)
    assert not reply.success
    assert (rig.folder / 'saved.txt').read_text() == before
    yield
    rig.can_save()


# --- the lifecycle, and the network of topics


@fault(KIND, 'a transition that is impossible', 'refused', TERMINAL, UNCHANGED)
def impossible_transition(rig):
    assert not rig.change_state(Transition.TRANSITION_CONFIGURE)


@fault(
    KIND,
    'ten deactivations and activations at 50 pictures a second',
    'inactive: ',
    STATUS,
    'when it is active again',
)
def transitions_under_load(rig):
    with rig.camera_at(50.0):
        for _ in range(10):
            assert rig.change_state(Transition.TRANSITION_DEACTIVATE)
            assert rig.change_state(Transition.TRANSITION_ACTIVATE)
        assert rig.change_state(Transition.TRANSITION_DEACTIVATE)
        # Somebody measures from here on.
        rig.began = time.monotonic()
    yield
    assert rig.change_state(Transition.TRANSITION_ACTIVATE)
    rig.meet()


@fault(
    KIND,
    'cleaned up and configured anew at 50 pictures a second',
    'unconfigured: ',
    STATUS,
    'when it is active again',
)
def cleanup_under_load(rig):
    with rig.camera_at(50.0):
        assert rig.change_state(Transition.TRANSITION_DEACTIVATE)
        assert rig.change_state(Transition.TRANSITION_CLEANUP)
        rig.began = time.monotonic()
    yield
    assert rig.change_state(Transition.TRANSITION_CONFIGURE)
    assert rig.change_state(Transition.TRANSITION_ACTIVATE)
    rig.meet()


@fault(
    KIND,
    'a publisher of pictures whose quality of service does not fit',
    'quality of service',
    STATUS,
    'once it has gone',
)
def other_quality(rig):
    rig.set_parameters(input_timeout=0.2)
    quality = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = rig.node.create_publisher(Image, 'image', quality)
    yield
    rig.node.destroy_publisher(publisher)
    rig.set_parameters(input_timeout=rig.INPUT_TIMEOUT)


@fault(KIND, 'everything at once: pictures, parameters, resets and saves', 'refused', TERMINAL)
def all_at_once(rig):
    def work(task):
        for _ in range(10):
            task()

    tasks = (
        lambda: rig.set_parameters(path_length=10),
        lambda: rig.call(Trigger, 'reset', Trigger.Request()),
        lambda: rig.call(Trigger, 'save_trajectory', Trigger.Request()),
        lambda: rig.change_state(Transition.TRANSITION_CLEANUP),
    )
    threads = [threading.Thread(target=work, args=(task,)) for task in tasks]
    with rig.camera_at(50.0):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
