# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The two conventions of axes (REP 103) and the rotation between them."""

from __future__ import annotations

import numpy as np

# (4, 4): the axes of a body (x forward, y left, z up) from the optical ones (x right, y down,
# z forward). Also the pose of a camera that sits at a body's origin and looks along its x axis.
BODY_FROM_OPTICAL = np.array(
    [[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)
