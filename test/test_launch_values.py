# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""All sources of a launch file's values are read in one place, in the order of ROS."""

import pytest

from loftr_vo.ros.launch_values import LaunchValues
from loftr_vo.ros.parameter_files import ParameterFile, matches


@pytest.mark.parametrize(
    ('pushed', 'given', 'node'),
    [
        (None, '', '/loftr_vo'),
        (None, 'front', '/front/loftr_vo'),
        ('/front', 'front', '/front/loftr_vo'),
        ('/robot/front', 'front', '/robot/front/loftr_vo'),
        ('/robot', 'front', '/robot/front/loftr_vo'),
        ('/robot', '', '/robot/loftr_vo'),
        ('/front', '/front/front', '/front/front/loftr_vo'),
        ('/upfront', 'front', '/upfront/front/loftr_vo'),
    ],
)
def test_a_namespace_that_the_parent_pushed_counts_once(pushed, given, node):
    assert LaunchValues({'ros_namespace': pushed, 'namespace': given}).node == node


@pytest.mark.parametrize(
    ('pattern', 'is_for'),
    [('/**', True), ('/front/vo', True), ('/*/vo', True), ('/**/vo', True), ('vo', False)],
)
def test_wildcards_are_those_of_rcl(pattern, is_for):
    assert matches(pattern, '/front/vo') is is_for


def test_the_strongest_source_wins(tmp_path):
    file = tmp_path / 'part.yaml'
    file.write_text(
        '/**:\n  ros__parameters:\n    base_frame: chassis\n    scale.source: depth\n'
        'front:\n  loftr_vo:\n    ros__parameters:\n      scale: {source: stereo}\n'
    )
    told = {
        'namespace': 'front',
        'params_file': str(file),
        'global_params': [('base_frame', 'weak'), ('use_sim_time', True)],
    }
    values = LaunchValues(told)
    assert values.setting('base_frame', 'base_frame') == 'chassis'
    assert values.setting('scale_source', 'scale.source') == 'stereo'
    assert values.setting('use_sim_time', 'use_sim_time') is True
    assert values.setting('odom_frame', 'odom_frame') == 'odom'
    stronger = LaunchValues({**told, 'base_frame': 'hull', 'use_sim_time': 'False'})
    assert stronger.setting('base_frame', 'base_frame') == 'hull'
    assert stronger.setting('use_sim_time', 'use_sim_time') is False
    assert ParameterFile(file).nodes == ['/**', '/front/loftr_vo']


def test_the_home_of_the_user_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'x.yaml').write_text('')
    assert LaunchValues({'params_file': '~/x.yaml'}).params_file == str(tmp_path / 'x.yaml')
    with pytest.raises(ValueError, match=r'there is no parameter file ~/y\.yaml'):
        _ = LaunchValues({'params_file': '~/y.yaml'}).params_file


@pytest.mark.parametrize('text', ['abc', 'nan', '-1'])
def test_bad_numbers_are_refused(text):
    with pytest.raises(ValueError, match=f'max_ate:={text}'):
        LaunchValues({'max_ate': text}).number('max_ate', 0.0, 100.0)


def test_a_value_that_is_no_choice_is_refused_from_any_source(tmp_path):
    with pytest.raises(ValueError, match=r"must be one of none, .*, got 'sonar'"):
        LaunchValues({'scale_source': 'sonar'}).setting('scale_source', 'scale.source')
    file = tmp_path / 'bad.yaml'
    file.write_text('/**:\n  ros__parameters:\n    scale.source: sonar\n')
    values = LaunchValues({'params_file': str(file)})
    with pytest.raises(ValueError, match="got 'sonar'"):
        values.setting('scale_source', 'scale.source')
