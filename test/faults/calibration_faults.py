# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrations that no camera has, that change, or that do not come."""

import math
import time

import numpy as np
from fault import fault
from lifecycle_msgs.msg import Transition

KIND = 'calibration'
NEXT = 'with the next good calibration'


def matrix(rig, **entries):
    """Return the scene's K with some entries changed, such as ``fx``."""
    k = rig.scene.camera.matrix.ravel().copy()
    for name, value in entries.items():
        k[{'fx': 0, 'cx': 2, 'fy': 4, 'cy': 5, 'last': 8}[name]] = value
    return k


def reactivate(rig):
    """Have the node subscribe anew, so that no calibration is known."""
    rig.change_state(Transition.TRANSITION_DEACTIVATE)
    rig.change_state(Transition.TRANSITION_ACTIVATE)
    rig.meet()


@fault(KIND, 'K all zero: not calibrated', 'K is all zero', recovers=NEXT)
def zero_k(rig):
    rig.calibrate(k=np.zeros(9))


@fault(KIND, 'NaN in K', 'camera_info: ', recovers=NEXT)
def nan_k(rig):
    rig.calibrate(k=matrix(rig, cx=math.nan))


@fault(KIND, 'infinity in K', 'camera_info: ', recovers=NEXT)
def infinite_k(rig):
    rig.calibrate(k=matrix(rig, fx=math.inf))


@fault(KIND, 'a negative focal length', 'camera_info: ', recovers=NEXT)
def negative_focal_length(rig):
    rig.calibrate(k=matrix(rig, fx=-100.0))


@fault(KIND, 'a focal length of 1e30', 'camera_info: ', recovers=NEXT)
def huge_focal_length(rig):
    rig.calibrate(k=matrix(rig, fx=1e30, fy=1e30))


@fault(KIND, 'a focal length of 1e-300', 'camera_info: ', recovers=NEXT)
def tiny_focal_length(rig):
    rig.calibrate(k=matrix(rig, fx=1e-300))


@fault(KIND, 'a principal point at 1e155', 'camera_info: ', recovers=NEXT)
def principal_point_far_off(rig):
    rig.calibrate(k=matrix(rig, cx=1e155))


@fault(KIND, 'NaN among the distortion coefficients', 'camera_info: ', recovers=NEXT)
def nan_distortion(rig):
    rig.calibrate(d=[0.1, math.nan, 0.0, 0.0, 0.0])


@fault(KIND, 'more distortion coefficients than the model has', 'takes at most 14', recovers=NEXT)
def fifteen_coefficients(rig):
    rig.calibrate(d=[0.1] * 15)


@fault(KIND, 'a lens model that nobody knows', 'camera_info: ', recovers=NEXT)
def unknown_model(rig):
    rig.calibrate(distortion_model='crystal_ball', d=[0.1, 0.0, 0.0, 0.0])


@fault(KIND, 'a calibration for pictures of 0x0', 'camera_info: ', recovers=NEXT)
def no_size(rig):
    rig.calibrate(width=0, height=0)


@fault(KIND, 'a calibration for pictures of another size', 'but the calibration is for 64x48')
def other_size(rig):
    rig.calibrate(width=64, height=48)
    rig.settle()
    rig.began = time.monotonic()
    rig.show(rig.picture())


@fault(KIND, 'K that jitters by 1e-6 with every picture', 'changes', recovers=NEXT)
def jitter(rig):
    for number in range(100):
        rig.calibrate(k=matrix(rig, fx=rig.scene.camera.matrix[0, 0] + 1e-6 * (number % 7)))


@fault(KIND, 'two cameras on one topic', 'changes', recovers='once there is one')
def two_cameras(rig):
    for number in range(100):
        fields = {'width': 640, 'height': 480} if number % 2 else {}
        rig.calibrate(**fields)


@fault(KIND, 'no calibration', 'no camera_info yet', recovers='when it comes')
def missing(rig):
    reactivate(rig)
    rig.show(rig.picture())
