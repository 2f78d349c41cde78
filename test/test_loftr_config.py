# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The sizes and constants of a LoFTR."""

import dataclasses

import pytest

from loftr_vo import LoFTRConfig


@pytest.mark.parametrize('config', [LoFTRConfig.indoor_new(), LoFTRConfig.compact()])
def test_survives_a_checkpoint(config):
    assert LoFTRConfig.from_dict(config.to_dict()) == config


def test_only_indoor_new_among_the_published_has_the_corrected_encoding():
    assert not LoFTRConfig.outdoor().corrected_position_encoding
    assert not LoFTRConfig.indoor().corrected_position_encoding
    assert LoFTRConfig.indoor_new().corrected_position_encoding


def test_from_dict_names_what_is_missing_and_unknown():
    values = LoFTRConfig.compact().to_dict()
    values['colour'] = values.pop('border')
    with pytest.raises(ValueError, match=r"missing \['border'\], unknown \['colour'\]"):
        LoFTRConfig.from_dict(values)


def test_a_checkpoint_from_before_the_correction_has_none():
    values = LoFTRConfig.compact().to_dict()
    del values['correlation_hidden']
    assert LoFTRConfig.from_dict(values).correlation_hidden == 0


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'coarse_heads': 7}, 'coarse width 256 is not a multiple of 7 heads'),
        ({'fine_heads': 5}, 'fine width 128 is not a multiple of 5 heads'),
        ({'block_dims': (8, 16, 30), 'coarse_heads': 2}, 'not a multiple of 4'),
        ({'window': 4}, 'window must be odd'),
        ({'correlation_hidden': -1}, 'correlation_hidden must be .* from 0 to 1024, got -1'),
        ({'coarse_pairs': 10**7}, 'coarse_pairs must be .* from 1 to 16'),
        ({'fine_heads': 0}, 'fine_heads must be'),
        ({'fine_heads': True}, 'fine_heads must be'),
        ({'block_dims': (128, 196)}, 'three widths'),
        ({'temperature': float('nan')}, 'temperature must be a number'),
        ({'align_corners': 1}, 'align_corners must be true or false'),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(LoFTRConfig.outdoor(), **change)
