# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Modules as training leaves them, whose norms and corrections do something."""

import torch

from loftr_vo.loftr.correlation_head import CorrelationHead


def used(module):
    """Give a module the statistics, scales and shifts that training would have left."""
    module.eval()
    for part in module.modules():
        if isinstance(part, CorrelationHead):
            torch.nn.init.normal_(part.layers[-1].weight, std=0.1)
    for name, value in module.state_dict().items():
        if name.endswith('running_mean'):
            value.normal_(std=0.1)
        elif name.endswith('running_var'):
            value.uniform_(0.5, 1.5)
        elif value.ndim == 1:
            value.add_(torch.randn_like(value), alpha=0.1)
    return module
