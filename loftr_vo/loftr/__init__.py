# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""LoFTR: the network of Sun et al. (CVPR 2021), one file for each of its components."""

from loftr_vo.loftr.config import LoFTRConfig
from loftr_vo.loftr.model import Features, LoFTR, RawMatches
from loftr_vo.loftr.weights import WeightsError, load_weights

__all__ = ['Features', 'LoFTR', 'LoFTRConfig', 'RawMatches', 'WeightsError', 'load_weights']
