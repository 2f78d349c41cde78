# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What lies beside the shipped weights is theirs: the config, the log, the validation table."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

import loftr_vo
from loftr_vo.loftr.weights import load_weights
from training.config import TrainingConfig
from training.validation import validate

FOLDER = Path(loftr_vo.__file__).parent / 'weights'


@pytest.fixture(scope='module')
def table():
    return json.loads((FOLDER / 'compact.validation.json').read_text())


def test_the_table_and_the_digest_are_of_the_weights(table):
    digest = hashlib.sha256((FOLDER / 'compact.pt').read_bytes()).hexdigest()
    assert table['sha256'] == digest
    assert (FOLDER / 'compact.pt.sha256').read_text().split() == [digest, 'compact.pt']


def test_the_config_is_the_one_they_were_trained_with():
    trained = torch.load(FOLDER / 'compact.pt', weights_only=True)['training']['config']
    shipped = TrainingConfig.from_yaml(FOLDER / 'compact.config.yaml').to_dict()
    for name in shipped.keys() - {'model', 'stages'}:
        assert shipped[name] == trained[name], name


def test_the_log_ends_with_the_table(table):
    *_, last = (json.loads(line) for line in (FOLDER / 'compact.log.jsonl').open())
    for name in ('precision', 'recall', 'false_rate', 'fine_error_px', 'clean_error_px'):
        assert table[name] == pytest.approx(last[name], abs=2e-4), name


def test_the_table_comes_out_again(table):
    scores = validate(load_weights('compact'), torch.device('cpu'))
    for name, value in scores.items():
        assert value == pytest.approx(table[name], rel=0.02), name
