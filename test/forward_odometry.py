# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""An odometry that tests control, for the node to run in place of the real one."""

import math
import time

import numpy as np

from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.estimate import Cloud, Estimate, State
from loftr_vo.odometry.tracking.camera_step import CameraStep


class ForwardOdometry:
    """An odometry by which every frame takes the camera one unit forward."""

    def __init__(self):
        self.frames = []
        self.starts = []
        self.resets = 0
        self.imu_mountings = []
        self.imu_fault = ''
        self.settings = None
        self.fail_at = ()
        self.error = RuntimeError('this picture hurts')
        self.seconds = 0.0
        self.silent = False
        self.readout_time = math.nan
        self.count = 0
        self.last_stamp = None

    def stream(self, frames):
        for frame in frames:
            yield self.track(frame)

    def can_track(self, frame):
        return True

    def refine(self):
        return False

    def track(self, frame):
        self.starts.append(time.monotonic())
        self.frames.append(frame)
        time.sleep(self.seconds)
        if frame.stamp in self.fail_at:
            raise self.error
        pose = np.eye(4)
        pose[2, 3] = self.count
        self.count += 1
        step = self.step_to(frame)
        points = np.array([[10.0, 10.0]], np.float32)
        one = np.ones(1, np.float32)
        return Estimate(
            frame.stamp,
            State.LOST if self.silent else State.TRACKING,
            'covered' if self.silent else '',
            pose,
            0.01 * np.eye(6),
            step,
            matches=Matches(points, points, one, one, np.zeros(1, np.int64)),
            inliers=np.ones(1, bool),
            cloud=Cloud(lambda: (np.array([[0.0, 0.0, 5.0]]), one)),
            keyframe_image=frame.image,
            silent=self.silent,
            readout_time=self.readout_time,
            imu_fault=self.imu_fault,
        )

    def step_to(self, frame):
        """Return the step from the frame before, which is not known from or to a lost one."""
        before, self.last_stamp = self.last_stamp, None if self.silent else frame.stamp
        if before is None or self.silent:
            return None
        motion = np.eye(4)
        motion[2, 3] = 1.0
        return CameraStep((frame.stamp - before) * 1e-9, motion, 0.02 * np.eye(6))

    def reset(self):
        self.resets += 1
        self.count = 0
        self.last_stamp = None

    def mount_imu(self, imu_from_camera, noise):
        self.imu_mountings.append((imu_from_camera, noise))

    def configure(self, settings):
        self.settings = settings
