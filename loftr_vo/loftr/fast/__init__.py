# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""LoFTR for inference: the same numbers as ``loftr_vo.loftr``, with less work.

The modules of ``loftr_vo.loftr`` are the plain reference: they train, and they load checkpoints.
What is here is made from them, holds weights folded and laid out for speed, and is tested against
them.
"""

from loftr_vo.loftr.fast.model import FastFeatures, FastLoFTR

__all__ = ['FastFeatures', 'FastLoFTR']
