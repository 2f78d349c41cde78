# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The node taken through its lifecycle again and again, under a camera that never stops.

``python test/lifecycle_cycles.py 2000`` prints what is left behind.
"""

import gc
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rclpy
from camera_process import camera_info, image, stamped
from forward_odometry import ForwardOdometry
from rclpy.executors import ShutdownException
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from loftr_vo.ros.executor import AsideExecutor
from loftr_vo.ros.odometry_node import VisualOdometryNode

K = [30.0, 0.0, 16.0, 0.0, 30.0, 12.0, 0.0, 0.0, 1.0]
# Seconds that the node is active in each cycle: two pictures come.
ACTIVE = 0.03


@dataclass(frozen=True)
class Inventory:
    """What a process holds: MiB of memory, open descriptors, threads."""

    memory: float
    descriptors: int
    threads: int

    @classmethod
    def now(cls):
        gc.collect()
        status = dict(
            line.split(':', 1) for line in Path('/proc/self/status').read_text().splitlines()
        )
        descriptors = len(list(Path('/proc/self/fd').iterdir()))
        memory = int(status['VmRSS'].split()[0]) / 1024
        return cls(memory, descriptors, int(status['Threads']))


class Flood:
    """Pictures, depth images and calibrations at 100 Hz, from a thread of its own."""

    def __init__(self, rate=100.0):
        self._node = rclpy.create_node('flood')
        quality = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        create = self._node.create_publisher
        self._images = create(Image, 'image', quality)
        self._depths = create(Image, 'depth', quality)
        self._infos = create(CameraInfo, 'camera_info', quality)
        self._period = 1.0 / rate
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        picture = np.zeros((24, 32), np.uint8)
        while not self._stopped.wait(self._period):
            stamp = time.time_ns()
            depth = Image(height=24, width=32, step=64, encoding='16UC1', data=bytes(24 * 64))
            self._infos.publish(camera_info(stamp, K, 32, 24))
            self._depths.publish(stamped(depth, stamp))
            self._images.publish(image(stamp, picture))

    def close(self):
        self._stopped.set()
        self._thread.join()
        self._node.destroy_node()


class Cycles:
    """Configures, activates, deactivates and cleans up, as transitions do: beside the executor.

    Args:
        count: of cycles.
        warm_up: cycles after which the first inventory is taken.
    """

    def __init__(self, count, warm_up):
        self.odometry = ForwardOdometry()
        self.done = 0
        self.inventories = []
        self.failure = None
        self._count, self._warm_up = count, warm_up
        self.node = VisualOdometryNode(
            lambda settings, report: self.odometry,
            parameter_overrides=[Parameter('scale.source', value='depth')],
        )
        self._executor = AsideExecutor(self.node.transitions)
        self._executor.add_node(self.node)

    def run(self):
        """Spin until the cycles are over; raises what the executor raises."""
        thread = threading.Thread(target=self._turn)
        thread.start()
        try:
            while thread.is_alive():
                self._executor.spin_once(timeout_sec=0.1)
        finally:
            self._count = self.done
            self._executor.shutdown()
            thread.join()
            self.node.destroy_node()
        if self.failure is not None:
            raise self.failure

    def _turn(self):
        try:
            while self.done < self._count:
                self._cycle()
                self.done += 1
                if self.done == self._warm_up:
                    self.inventories.append(Inventory.now())
            self.inventories.append(Inventory.now())
        except Exception as error:
            self.failure = error

    def _cycle(self):
        for step in ('configure', 'activate', 'deactivate', 'cleanup'):
            outcome = getattr(self.node, f'trigger_{step}')()
            assert outcome.name == 'SUCCESS', (step, self.node._health.fault)
            if step == 'activate':
                time.sleep(ACTIVE)
        # They are all kept, for other tests.
        self.odometry.frames.clear()
        self.odometry.starts.clear()


def main():
    count = int(sys.argv[1])
    rclpy.init()
    flood, cycles, start = Flood(), Cycles(count, min(200, count // 2)), time.monotonic()
    try:
        cycles.run()
    except (Exception, ShutdownException) as error:
        print(f'ended after {cycles.done} cycles: {type(error).__name__}: {error}')
        return 1
    finally:
        flood.close()
        rclpy.shutdown()
    print(f'{cycles.done} cycles in {time.monotonic() - start:.0f} s')
    print(f'{cycles.odometry.count} pictures tracked')
    for inventory in cycles.inventories:
        print(inventory)
    return 0


if __name__ == '__main__':
    sys.exit(main())
