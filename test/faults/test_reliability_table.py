# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""docs/reliability.md says of the suite what the suite is."""

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from paths import ROOT
from registry import KINDS, REGISTRY, table

DOCUMENT = ROOT / 'docs' / 'reliability.md'
BEGIN, END = '<!-- faults: begin -->\n', '<!-- faults: end -->'


def test_the_table_is_that_of_the_registry():
    text = DOCUMENT.read_text()
    written = text.partition(BEGIN)[2].partition(END)[0]
    assert written == table(), 'paste what python test/faults/registry.py prints'


def test_names_are_unique_and_kinds_are_known():
    names = [(fault.kind, fault.name) for fault in REGISTRY]
    assert len(set(names)) == len(names)
    assert {fault.kind for fault in REGISTRY} == set(KINDS)


def test_there_are_at_least_forty():
    assert len(REGISTRY) >= 40
