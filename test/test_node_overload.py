# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A camera of 30 Hz and a device that is far slower: the newest picture is always next."""

import signal
import threading
import time

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from camera_process import camera_info, image
from node_harness import WARN
from ros_domain import ros  # noqa: F401 a fixture, used by every test here

PERIOD = 1 / 30
COUNT = 120
WORK = 0.25  # seconds a picture


class Camera:
    """Publishes at 30 Hz from a thread of its own, and notes when."""

    def __init__(self, listener):
        self.sent = []
        self._listener = listener
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        picture = np.zeros((48, 64), np.uint8)
        k = [50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0]
        start = time.monotonic()
        for number in range(COUNT):
            time.sleep(max(0.0, start + number * PERIOD - time.monotonic()))
            stamp = time.time_ns()
            self.sent.append((time.monotonic(), stamp))
            self._listener.infos.publish(camera_info(stamp, k, 64, 48))
            self._listener.images.publish(image(stamp, picture))

    @property
    def done(self):
        return not self._thread.is_alive()


def by_stamp(listener):
    """Return the values of ``~/status`` by the stamp of the picture that they are about."""
    every = [{pair.key: pair.value for pair in s.values} for s in listener.every_status]
    return {int(values['stamp']): values for values in every if 'stamp' in values}


def test_newest_picture_is_next_latency_is_bounded_and_drops_are_counted(
    start_node, make_listener
):
    # Reliable, so that what is missing was dropped by the node and not on the way.
    overrides = {
        f'qos_overrides./{topic}.subscription.{name}': value
        for topic in ('image', 'camera_info')
        for name, value in (('reliability', 'reliable'), ('depth', COUNT))
    }
    node = start_node(stand_in=['--frame-seconds', str(WORK)], **overrides)
    listener = make_listener()
    listener.meet(node)
    camera = Camera(listener)
    listener.until_status(node, WARN, 'overloaded: ')
    listener.until(node, lambda: camera.done, 'end of the camera')
    newest = camera.sent[-1][1]
    listener.until(node, lambda: newest in listener.stamps(), 'odometry of the last picture')
    stamps, tracked = [stamp for _, stamp in camera.sent], listener.stamps()
    listener.until(node, lambda: newest in by_stamp(listener), 'status of the last picture')
    values = by_stamp(listener)
    assert len(tracked) + int(values[newest]['dropped']) == COUNT
    assert 0.5 * COUNT * PERIOD / WORK < len(tracked) < 1.5 * COUNT * PERIOD / WORK

    # No newer one gives the last picture's place away: it waits for the work before it to end.
    waits = np.array([float(values[stamp]['wait_ms']) for stamp in tracked[:-1]])
    latencies = np.array([float(values[stamp]['latency']) for stamp in tracked])
    # Not one picture more than a period old when work on it begins, but for the machine's own
    # hesitation.
    assert np.median(waits) < 1e3 * PERIOD
    assert np.percentile(waits, 90) < 1e3 * 2 * PERIOD
    assert np.median(latencies) < 1e3 * (WORK + PERIOD)

    # When work on a picture ended, the newest one that had been sent was the next.
    ends = [
        camera.sent[stamps.index(stamp)][0] + 1e-3 * float(values[stamp]['age'])
        for stamp in tracked
    ]
    ages = 1e-3 * np.array([float(values[stamp]['age']) for stamp in tracked])
    skipped, hesitant = [], 0
    for end, age, following in zip(ends[:-1], ages[:-1], tracked[1:], strict=True):
        sent = [stamp for moment, stamp in camera.sent if moment < end]
        skipped.append(stamps.index(following) - stamps.index(sent[-1]))
        # Where a stop of the machine made the work this late, it may have ended before what was
        # sent meanwhile had come to the node.
        if age > WORK + 3 * PERIOD and skipped[-1] < -1:
            hesitant += 1
        else:
            # The one sent before that moment may still be on its way.
            assert skipped[-1] in {-1, 0, 1}, skipped
    assert hesitant <= 1, skipped
    assert np.median(skipped) >= 0
    assert node.stop(signal.SIGINT)[0] == 0, node.text
