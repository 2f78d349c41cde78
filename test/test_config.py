# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Settings: described, read back, changed and refused."""

import dataclasses

import pytest

from loftr_vo.config import (
    NodeSettings,
    SettingError,
    Settings,
    check_frames,
    describe,
    replace,
)

ALL = [*describe(Settings()), *describe(NodeSettings(), 'node.')]


@pytest.mark.parametrize('settings', [Settings(), NodeSettings()])
def test_replacing_by_what_is_described_changes_nothing(settings):
    values = {name: value for name, value, _ in describe(settings)}
    assert replace(settings, values) == settings


def test_a_changed_value_is_described_and_nothing_else_changes():
    before = {name: value for name, value, _ in describe(Settings())}
    changed = replace(Settings(), {'geometry.min_inliers': 40, 'matcher.device': 'cpu'})
    after = {name: value for name, value, _ in describe(changed)}
    assert after == before | {'geometry.min_inliers': 40, 'matcher.device': 'cpu'}


def test_replacing_leaves_the_original_alone():
    settings = Settings()
    replace(settings, {'geometry.min_inliers': 40})
    assert settings == Settings()


def test_settings_cannot_be_set_without_a_check():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().geometry.min_inliers = 3


@pytest.mark.parametrize(
    ('name', 'value', 'complaint'),
    [
        ('geometry.min_inlier', 30, 'there is no setting'),
        ('geometry', 30, 'there is no setting'),
        ('min_inliers', 30, 'there is no setting'),
        ('geometry.min_inliers', '30', 'must be of type int'),
        ('geometry.min_inliers', 30.0, 'must be of type int'),
        ('geometry.min_inliers', True, 'must be of type int'),
        ('geometry.min_parallax', True, 'must be of type float'),
        ('geometry.min_parallax', None, 'must be of type float'),
        ('geometry.refine_matches', 1, 'must be of type bool'),
        ('matcher.weights', 3, 'must be of type str'),
        ('geometry.min_inliers', 7, 'at least 8'),
        ('geometry.min_inliers', 1001, 'at most 1000'),
        ('geometry.ransac_threshold', 0.05, r'at least 0\.1 px'),
        ('geometry.ransac_threshold', float('inf'), r'at most 10\.0 px'),
        ('geometry.ransac_threshold', float('nan'), 'got nan'),
        ('matcher.precision', 'float8', 'one of auto, float32, float16, bfloat16'),
    ],
)
def test_a_bad_value_is_refused_by_name(name, value, complaint):
    with pytest.raises(SettingError, match=complaint) as caught:
        replace(Settings(), {name: value})
    assert name in str(caught.value)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(SettingError, match=r'geometry\.min_inliers'):
        replace(Settings(), {'min_inliers': 30})


def test_no_value_is_taken_when_one_of_them_is_bad():
    settings = Settings()
    with pytest.raises(SettingError):
        replace(settings, {'geometry.min_inliers': 40, 'geometry.min_parallax': -1.0})
    assert settings == Settings()


@pytest.mark.parametrize('value', [8, 1000])
def test_the_ends_of_a_range_belong_to_it(value):
    assert replace(Settings(), {'geometry.min_inliers': value}).geometry.min_inliers == value


def test_a_whole_number_serves_as_a_float():
    value = replace(Settings(), {'geometry.min_parallax': 1}).geometry.min_parallax
    assert value == 1.0
    assert type(value) is float


@pytest.mark.parametrize(('name', 'value', 'about'), ALL, ids=[name for name, *_ in ALL])
def test_every_default_is_allowed_and_explained(name, value, about):
    assert about.text.endswith('.')
    if about.low is not None:
        for each in value if isinstance(value, tuple) else [value]:
            assert about.low <= each <= about.high
    if about.choices:
        assert value in about.choices
    if type(value) in (int, float):
        assert about.low is not None
        assert about.high is not None


def test_what_needs_another_network_cannot_change_at_run_time():
    runtime = {name: about.runtime for name, _, about in ALL}
    fixed = ('weights', 'device', 'precision', 'image_size', 'max_matches')
    assert not any(runtime[f'matcher.{name}'] for name in fixed)
    assert runtime['matcher.threshold']
    sections = ('geometry.', 'keyframe.', 'recovery.')
    assert all(may for name, may in runtime.items() if name.startswith(sections))


@pytest.mark.parametrize(
    ('frames', 'words'),
    [
        ({'odom_frame': ''}, 'odom_frame must have a name'),
        ({'odom_frame': 'base_link'}, "both 'base_link'"),
        ({'odom_frame': 'x', 'base_frame': 'x'}, "both 'x'"),
    ],
)
def test_frames_without_a_transform_between_them_are_refused(frames, words):
    with pytest.raises(SettingError, match=words):
        check_frames(NodeSettings(**frames))
    check_frames(NodeSettings())


def test_settings_name_what_frames_need_besides_the_picture():
    settings = replace(Settings(), {'scale.source': 'imu', 'recovery.policy': 'odometry'})
    assert settings.companions == {'imu': 'scale.source', 'odometry': 'recovery.policy'}
