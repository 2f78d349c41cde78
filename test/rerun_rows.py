# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What is in a file of the viewer Rerun, by Rerun's own command."""

import re
import subprocess
import sys


def rows_of(path):
    """Return how many rows the file has of each entity, as ``rerun rrd print`` counts them."""
    words = [sys.executable, '-m', 'rerun_cli', 'rrd', 'print', path]
    text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    rows = {}
    for count, entity in re.findall(r'with (\d+) rows .*? - (/\S*) - data', text):
        rows[entity] = rows.get(entity, 0) + int(count)
    return rows
