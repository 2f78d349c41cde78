# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A rig on which one fault after the other is tried: named, survived, recovered from."""

import contextlib
import re
import threading
import time

from fault import REPLY, STATUS
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from experiments.live_rig import LiveRig
from experiments.node_listener import pattern

NAMED_WITHIN = 1.0  # seconds
# The quickest counts: a machine that is busy with something else is no fault of the node.
_TRIES = 3
_LONGEST = 15.0  # seconds for a try
_MOST_LINES = 30  # of the terminal, for one fault and the recovery from it
_LONGEST_TEXT = 1000  # characters of a status or a line of the terminal
_MOST_THREADS, _MOST_DESCRIPTORS = 2, 4  # more than before
# Pictures until the fault is no longer spoken of.
_MOST_PICTURES = 60


class FaultRig(LiveRig):
    """A live rig with what faults need.

    Attributes:
        reply: what a service last answered.
        began: since when the fault is there, where that is not when it began to be made.
    """

    INPUT_TIMEOUT = 30.0
    QUEUE_SIZE = 10

    def __init__(self, name, scene, folder, encode=None, **parameters):
        chosen = {
            'input_timeout': self.INPUT_TIMEOUT,
            'queue_size': self.QUEUE_SIZE,
            'trajectory_file': 'trajectory.txt',
            **parameters,
        }
        super().__init__(name, chosen, scene, encode, folder)
        self.began = 0.0

    # --- what faults do

    def set_parameters(self, **values):
        """Set parameters of the node and return why that was refused, if it was."""
        parameters = [
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()
        ]
        request = SetParametersAtomically.Request(parameters=parameters)
        reply = self.call(SetParametersAtomically, 'set_parameters_atomically', request)
        return reply.result.reason

    def change_state(self, transition):
        """Ask for a transition of the lifecycle; return whether it came about."""
        request = ChangeState.Request()
        request.transition.id = transition
        return self.call(ChangeState, 'change_state', request).success

    def settle(self):
        """Wait until what was sent so far has arrived."""
        self.infos.wait_for_all_acked()
        time.sleep(0.3)

    def can_save(self):
        """Save the trajectory as ``saved.txt``, and return what is in it."""
        self.set_parameters(trajectory_file='saved.txt')
        reply = self.call(Trigger, 'save_trajectory', Trigger.Request())
        assert reply.success, reply.message
        return (self.folder / 'saved.txt').read_text()

    @contextlib.contextmanager
    def camera_at(self, rate):
        """Have good pictures come at a rate while the context lasts."""
        ended = threading.Event()

        def run():
            while not ended.wait(1.0 / rate):
                self.good()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    # --- what is asked of the node

    def face(self, fault):
        """Have the fault, and hold the node to what the suite promises."""
        seconds = []
        for _ in range(_TRIES):
            seconds.append(self._face_once(fault))
            if seconds[-1] <= NAMED_WITHIN:
                return
        words = ', '.join(f'{each:.2f}' for each in seconds)
        raise AssertionError(f'named after {words} s, which is too late')

    def take(self, oddity):
        """Have the oddity, and see that it is tracked like any good picture."""
        self.track()
        before, start = self.process.resources(), time.monotonic()
        said = len(self.ears.statuses)
        stamp = oddity.send(self)
        state = self.until(lambda: self.ears.state_at(stamp), 'answer to the picture', _LONGEST)
        assert state == 'tracking', self.ears.statuses[-1].message
        self.track()
        self.check(before, start, said)

    def _face_once(self, fault):
        self.calm(fault)
        before, start = self.process.resources(), time.monotonic()
        said = len(self.ears.statuses)
        self.reply, self.began = '', start
        with fault.injected(self):
            if fault.where == REPLY:
                assert re.search(pattern(fault.named), self.reply), self.reply
            named = self.until(
                lambda: self._named(fault, start), f'word of {fault.named!r}', _LONGEST
            )
        seconds = named - self.began
        self.track()
        self.check(before, start, said)
        return seconds

    def _named(self, fault, since):
        """Return when the fault was named; None if it was not."""
        if fault.where == REPLY:
            return self.began
        if fault.where == STATUS:
            status = self.ears.first(fault.named, since)
            return status and status.time
        lines = [line for line in list(self.process.lines) if line.time >= since]
        return next((at for at, text in lines if re.search(pattern(fault.named), text)), None)

    def calm(self, fault):
        """Track until nothing is said of the fault."""
        self.track()
        if fault.where != STATUS:
            return
        for _ in range(_MOST_PICTURES):
            if not self.ears.statuses[-1].says(fault.named):
                return
            self.track()
        raise AssertionError(f'{fault.named!r} is said without the fault')

    def check(self, before, since, said):
        """Make sure that nothing was harmed since a moment."""
        assert self.process.lives
        assert not self.ears.violations, self.ears.violations[:3]
        text = self.process.terminal(since)
        assert 'Traceback' not in text, text
        lines = text.splitlines()
        assert len(lines) <= _MOST_LINES, f'{len(lines)} lines:\n{text[:3000]}'
        longest = max([*lines, *(s.message for s in self.ears.statuses[said:]), ''], key=len)
        assert len(longest) <= _LONGEST_TEXT, f'{len(longest)} characters: {longest[:300]}'
        assert longest.isprintable(), longest[:300]
        unprintable = [line for line in lines if not line.isprintable()]
        assert not unprintable, unprintable[:3]
        after = self.process.resources()
        assert after.threads <= before.threads + _MOST_THREADS, (before, after)
        assert after.descriptors <= before.descriptors + _MOST_DESCRIPTORS, (before, after)

    def resume(self):
        """Undo what a fault that failed may have left, so that the next is not blamed for it."""
        self.set_parameters(
            **{
                'input_timeout': self.INPUT_TIMEOUT,
                'geometry.min_inliers': 25,
                'geometry.min_inlier_ratio': 0.25,
            }
        )
        self.call(SetBool, 'pause', SetBool.Request(data=False))
        self.ears.violations.clear()
