# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The example files for robot_localization: what the filter takes of which sensor."""

import pytest
import yaml
from paths import ROOT

# As robot_localization orders them.
ORDER = [f'{what}{axis}' for what in ('', 'r', 'v', 'vr', 'a') for axis in 'xyz']


def fused(name):
    """Return what is fused of each source."""
    text = (ROOT / 'config' / name).read_text()
    parameters = yaml.safe_load(text)['ekf_filter_node']['ros__parameters']
    configs = {key: value for key, value in parameters.items() if key.endswith('_config')}
    for key, values in configs.items():
        assert len(values) == len(ORDER), key
        assert key.removesuffix('_config') in parameters
    return {
        parameters[key.removesuffix('_config')]: [
            what for what, is_fused in zip(ORDER, values, strict=True) if is_fused
        ]
        for key, values in configs.items()
    }


@pytest.mark.parametrize(
    ('name', 'of_pictures'),
    [
        ('robot_localization.yaml', ['vrz']),
        ('robot_localization_imu.yaml', ['rx', 'ry', 'vx', 'vy', 'vz', 'vrx', 'vry', 'vrz']),
    ],
)
def test_each_measurement_counts_once(name, of_pictures):
    # No IMU: what it measures is in the odometry. No positions beside velocities, their sum.
    assert fused(name) == {'/wheel/odom': ['vx', 'vy'], '/vo/odom': of_pictures}
