# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Inverses of matrices that are known to have one."""

from __future__ import annotations

import torch


def inverse(matrices: torch.Tensor) -> torch.Tensor:
    """Return the inverses (..., N, N) of matrices (..., N, N), which are not checked for one.

    To check them, as ``torch.linalg.inv`` does, waits for the device.
    """
    return torch.linalg.inv_ex(matrices).inverse
