# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Where tests find the repository and the real sequences, which are not part of it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / 'shared' / 'data'
