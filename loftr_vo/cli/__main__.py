# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m loftr_vo.cli``: the command, without its console script."""

import sys

from loftr_vo.cli.main import main

sys.exit(main())
