# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Tuned constants of the odometry stand in ``tuning.py``; facts stand beside their use."""

import ast
import dataclasses

import pytest
from paths import ROOT

from loftr_vo.odometry.calibration.tuning import CalibrationTuning
from loftr_vo.odometry.inertial.tuning import ImuCheckTuning, InertialTuning
from loftr_vo.odometry.map.tuning import MapTuning
from loftr_vo.odometry.pose.tuning import PoseTuning
from loftr_vo.odometry.rolling_shutter.tuning import RollingShutterTuning
from loftr_vo.odometry.scale.tuning import GroundTuning, ScaleTuning
from loftr_vo.odometry.tracking.tuning import TrackingTuning

ODOMETRY = ROOT / 'loftr_vo' / 'odometry'
CLASSES = (
    CalibrationTuning,
    ImuCheckTuning,
    InertialTuning,
    MapTuning,
    PoseTuning,
    RollingShutterTuning,
    GroundTuning,
    ScaleTuning,
    TrackingTuning,
)
# Numbers that are no choice: what an algorithm needs, a sensor has, or a number can hold.
FACTS = {
    '_FEWEST_POINTS',
    '_MIN_BASELINE',
    '_NEGLIGIBLE_SIGMA',
    '_DISPARITY_SIGMA',
    '_MIN_CONSISTENT_READINGS',
    '_AGREEMENT',
    '_MOTION',
    '_THIRD_DIFFERENCE',
    'GRAVITY_LENGTH',
    # Where the errors of an inertial state stand in their vector.
    'ROTATION',
    'VELOCITY',
    'POSITION',
    'GYROSCOPE',
    'ACCELEROMETER',
    'SCALE',
    'GRAVITY',
    'SIZE',
    '_COMMON',
    '_OWN',
    '_SCALE',
}


def module_numbers(path):
    """Names at module level that are assigned a number, or several."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign):
            numbers = [each for each in ast.walk(node.value) if isinstance(each, ast.Constant)]
            if any(isinstance(each.value, int | float) for each in numbers):
                yield from (ast.unparse(target) for target in node.targets)


def test_numbers_at_module_level_are_facts():
    found = {
        name
        for path in ODOMETRY.rglob('*.py')
        for name in module_numbers(path)
        if not name.startswith('NO_')
    }
    assert found <= FACTS


@pytest.mark.parametrize('kind', CLASSES)
def test_tuned_constants_are_frozen_numbers(kind):
    tuning = kind()
    name = dataclasses.fields(tuning)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(tuning, name, 1.0)
