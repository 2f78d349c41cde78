# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Reading frames: rosbags, folders of pictures, KITTI, TUM RGB-D, EuRoC and videos."""

from loftr_vo.datasets.opening import open_sequence
from loftr_vo.datasets.sequence import DatasetError, Sequence

__all__ = ['DatasetError', 'Sequence', 'open_sequence']
